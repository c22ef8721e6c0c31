"""Pre-training's parts: bands of qualities, patches, and parameters brought within their bounds."""

import numpy as np
import pytest
from PIL import Image
from textures import texture

from inlay import floatnet, pretrain
from inlay.fit import he_init
from inlay.formats import jp2, jpeg
from inlay.network import Network
from inlay.pretrain import ROW, Band, balanced, load, patch_size

NETWORKS = [Network(), Network(4, 2, dilations=(2, 1)), Network(3, 0), Network(16, layers=4, dilations=(1, 2, 4, 1))]
networks = pytest.mark.parametrize("network", NETWORKS, ids=str)


def row_sums(network, parameters):
    """The longest row of weights of each tensor; the last layer is one row."""
    tensors = {t.name: np.abs(parameters[t.slice]).reshape(t.shape) for t in network.tensors if not t.is_bias}
    return {name: t.reshape(1 if name == "last.weight" else network.channels, -1).sum(1).max() for name, t in tensors.items()}


@networks
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_balanced_is_the_same_function_within_bounds(network, scale):
    rng = np.random.default_rng(1)
    before = he_init(network, rng)
    last = network.tensors[-1]
    before[last.slice] = rng.normal(0, 1, last.size) * 12 / last.size * scale
    for t in network.tensors[:-1]:
        before[t.slice] += 0.05 * rng.normal(size=t.size).astype(np.float32)
    after = balanced(network, before)
    base = texture(40, 30, seed=2)
    planes = floatnet.inputs(network, base, (0, 30, 0, 40))
    target = np.zeros((30, 40), np.float32)
    found = [floatnet.forward_backward(network, p, planes, target)[0] for p in (before, after)]
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    sums = row_sums(network, after)
    makers = [name for name in sums if name.startswith(("first", "pointwise"))]
    assert max(sums[name] for name in makers) <= max(ROW, 0.25 * max(row_sums(network, before)[name] for name in makers)) + 1e-3
    assert sums["last.weight"] <= row_sums(network, before)["last.weight"] * 1.001 or sums["last.weight"] < ROW + 4


@pytest.mark.parametrize(
    ("band", "module"), [(Band("jpeg", "quality", 10, 30), jpeg), (Band("jpeg2000", "rate_bpp", 0.3, 0.9), jp2)], ids=["jpeg", "jpeg2000"]
)
def test_bands(band, module):
    """Bases lie all over the band, and nowhere else."""
    luma, rng = Image.fromarray(texture(160, 120)), np.random.default_rng(0)
    ends = [len(module.encode_base(luma, *((q, {}) if band.knob == "quality" else (None, {band.knob: q})))) for q in (band.low, band.high)]
    sizes = [len(band.encode(luma, rng)) for _ in range(40)]
    assert ends[0] * 0.97 <= min(sizes) < ends[0] * 1.3
    assert ends[1] * 0.75 < max(sizes) <= ends[1] * 1.03


@networks
def test_patches_lie_within_their_pictures(network, tmp_path):
    for number, size in enumerate([(200, 150), (100, 110)]):
        Image.fromarray(texture(*size, seed=number)).save(tmp_path / f"{number}.png")
    Image.fromarray(texture(50, 50)).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    corpus = load(pretrain.images_in([tmp_path]), Band("jpeg", "quality", 20, 20), network, seed=0)
    assert sorted(corpus.skipped) == ["broken.png", "small.png"]
    rows, columns = patch_size(network.halo_px)
    patches = corpus.draw(np.random.default_rng(1), 500 * rows * columns, network.halo_px)
    assert len(patches) == 500
    for top, bottom, left, right in patches.tolist():
        assert (bottom - top, right - left) == (rows, columns)
        inside = [p for p in corpus.places.tolist() if p[0] <= top - network.halo_px and bottom + network.halo_px <= p[0] + p[1]]
        assert len(inside) == 1 and left >= network.halo_px and right + network.halo_px <= inside[0][2]

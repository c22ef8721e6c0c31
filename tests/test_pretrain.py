"""Parts of pre-training: bands of qualities, patches, and parameters kept within their bounds."""

import numpy as np
import pytest
from PIL import Image
from support.pictures import texture

from inlaid.encoding import floatnet
from inlaid.encoding.balance import DEVIATION, KERNEL, ROW, aligned, balanced, settled
from inlaid.encoding.floatnet import he_init
from inlaid.encoding.gradient import normed_gradient
from inlaid.encoding.presets import LARGE, SMALL
from inlaid.encoding.schedule import Schedule
from inlaid.errors import InlayError
from inlaid.formats import jp2, jpeg
from inlaid.network import Network
from inlaid.pretraining.corpus import Band, images_in, load
from inlaid.pretraining.pretrain import Training, history, pretrain, short
from inlaid.pretraining.recipes import RECIPES, Best, Paper
from inlaid.pretraining.training import train

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
    """Bases have all qualities of the band and no others."""
    luma, rng = Image.fromarray(texture(160, 120)), np.random.default_rng(0)
    ends = [len(module.codec.encode(luma, *((q, {}) if band.knob == "quality" else (None, {band.knob: q})))) for q in (band.low, band.high)]
    sizes = [len(band.maker(luma, rng)(None)) for _ in range(40)]
    assert ends[0] * 0.97 <= min(sizes) < ends[0] * 1.3
    assert ends[1] * 0.75 < max(sizes) <= ends[1] * 1.03


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three pictures, a small one and a broken one."""
    path = tmp_path_factory.mktemp("pictures")
    for number, size in enumerate([(300, 280), (290, 310), (330, 300)]):
        Image.fromarray(texture(*size, seed=number)).save(path / f"{number}.png")
    Image.fromarray(texture(50, 50)).save(path / "small.png")
    (path / "broken.png").write_bytes(b"no picture")
    return path


@pytest.mark.parametrize("recipe", RECIPES.values())
@networks
def test_patches_lie_within_their_pictures(network, recipe, folder):
    size, halo_px = recipe(network).patch_size, network.halo_px
    corpus = load(images_in([folder]), Band("jpeg", "quality", 20, 20), (size[0] + 2 * halo_px, size[1] + 2 * halo_px), seed=0)
    assert sorted(corpus.skipped) == ["broken.png", "small.png"]
    patches = corpus.draw(np.random.default_rng(1), 500, size, halo_px)
    assert len(patches) == 500
    for top, bottom, left, right in patches.tolist():
        assert (bottom - top, right - left) == size
        inside = [p for p in corpus.places.tolist() if p[0] <= top - halo_px and bottom + halo_px <= p[0] + p[1]]
        assert len(inside) == 1 and left >= halo_px and right + halo_px <= inside[0][2]


def test_the_papers_recipe_is_sgd_with_momentum(folder):
    """Three steps by hand: MSRA init, v = 0.9 v + gradient, all in the units of pixels from 0 to 255."""
    network = Network(4, 2)
    corpus = load(images_in([folder]), Band("jpeg", "quality", 10, 40), (270, 270), seed=0)
    found, gains_db = train(Paper(network, 1), corpus, Schedule(3, rate=0.01, warmup=50), seed=5)
    scale = np.ones(network.size)
    scale[network.tensors[-1].slice] = 128  # the last layer's weights answer in grey levels
    expected, velocity = he_init(network, np.random.default_rng(5)) * scale, np.zeros(network.size)
    for step in range(3):
        crops = corpus.draw(np.random.default_rng((5, step)), 1, (256, 256), network.halo_px)
        _, gradient = normed_gradient(network, (expected / scale).astype(np.float32), crops, base=corpus.base, target=corpus.original)
        velocity = 0.9 * velocity + gradient * 128**2 / scale / 256**2
        expected = expected - 0.01 * (0.5 * (1 + np.cos(np.pi * step / 3))) * (step + 1) / 50 * velocity
    np.testing.assert_allclose(found * scale, expected, rtol=1e-4, atol=1e-5)
    assert len(gains_db) == 1


def test_the_papers_prior_is_the_trained_network_without_its_norm(folder):
    """To crops of the corpus it answers nearly as the trained network, whose statistics differ from crop to crop."""
    network, rng = Network(4, 2), np.random.default_rng(3)
    corpus = load(images_in([folder]), Band("jpeg", "quality", 20, 20), (270, 270), seed=0)
    trained = he_init(network, rng)
    trained[network.tensors[-1].slice] = rng.normal(0, 0.05, network.tensors[-1].size)
    settled = Paper(network).finished(trained, corpus, seed=0)
    planes = floatnet.inputs(network, corpus.base, (10, 266, 10, 266))
    before, after = floatnet.answer(network, trained, planes, norm=True), floatnet.answer(network, settled, planes)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98
    assert after.std() == pytest.approx(before.std(), rel=0.15)


@networks
def test_settled_and_aligned_are_the_same_function(network):
    rng = np.random.default_rng(4)
    parameters = he_init(network, rng)
    parameters[network.tensors[-1].slice] = rng.normal(0, 0.05, network.tensors[-1].size)
    for t in network.tensors:
        if t.is_bias:
            parameters[t.slice] = rng.normal(0, 0.2, t.size)
    base = texture(40, 30, seed=2)
    planes = floatnet.inputs(network, base, (0, 30, 0, 40))
    expected = floatnet.answer(network, parameters, planes)
    rescaled = settled(network, parameters)
    np.testing.assert_allclose(floatnet.answer(network, rescaled, planes), expected, rtol=1e-4, atol=1e-5)
    first = network.tensors[0]
    np.testing.assert_allclose(rescaled[first.slice], DEVIATION * parameters[first.slice], rtol=1e-6)
    for t in network.tensors:
        if t.name.startswith("depthwise"):
            np.testing.assert_allclose(np.abs(rescaled[t.slice].reshape(network.channels, -1)).sum(1), KERNEL, rtol=1e-5)
    back = aligned(network, rescaled, parameters)
    np.testing.assert_allclose(back, parameters, rtol=1e-4, atol=1e-6)


def test_aligning_to_zeros_changes_nothing():
    network = Network()
    parameters = he_init(network, np.random.default_rng(5))
    assert np.array_equal(aligned(network, parameters, np.zeros(network.size)), parameters)


@pytest.mark.parametrize("recipe", RECIPES)
def test_pretraining_learns_and_says_how(recipe, folder, monkeypatch):
    monkeypatch.setattr(RECIPES[recipe], "every", 4)
    fields = pretrain([folder], Band("jpeg", "quality", 10, 10), Network(4, 1), Training(recipe, steps=10, surveyed=1))
    ends, gains_db = history(fields["provenance"])
    assert (ends, len(gains_db)) == ([4, 8, 10], 3)
    assert gains_db[-1] > gains_db[0]
    assert fields["provenance"]["recipe"] == recipe and fields["provenance"]["learning_rate"] == 0.01
    assert len(fields["values"]) == len(fields["spreads"]) == Network(4, 1).size
    assert short(np.array(fields["spreads"])).tolist() == fields["spreads"]
    assert ("normed" in fields) == (recipe == "paper")


def test_short_spreads():
    """Three significant bits, and at most an eighth away."""
    spreads = np.arange(1, 70_000)
    found = short(spreads)
    assert (np.abs(found - spreads) <= spreads / 8).all() and found[:8].tolist() == list(range(1, 9))
    assert all(number.bit_length() - 3 <= (number & -number).bit_length() - 1 for number in found.tolist())


def test_an_unknown_recipe():
    with pytest.raises(InlayError, match="no recipe 'stew'; expected one of best, paper"):
        pretrain([], Band("jpeg", "quality", 10, 10), Network(), Training("stew"))


@pytest.mark.parametrize("network", [SMALL, LARGE], ids=str)
def test_patches_fill_vectors(network):
    assert (Best(network).patch_size[1] + 2 * network.halo_px) % 32 == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_training_that_runs_away_is_an_error(recipe, folder):
    with pytest.raises(InlayError, match=r"grew without bound at step \d+; expected a lower learning rate than 1000000000"):
        pretrain([folder], Band("jpeg", "quality", 10, 10), Network(4, 1), Training(recipe, steps=10, learning_rate=1e9))


def test_flat_pictures_teach_nothing(tmp_path):
    Image.new("L", (300, 300), 99).save(tmp_path / "flat.png")
    fields = pretrain([tmp_path], Band("jpeg", "quality", 90, 90), Network(4, 1), Training(steps=3, surveyed=1))
    assert history(fields["provenance"])[1] == [0.0]

"""Writes the golden files: small JPEG and JP2 files with inlays of every kind, and what they decode to.

    python tests/golden/make.py

Once a version is released they never change: bytes that decode today decode forever.  Until then, a change of the format
writes all of them again, in one commit that says why.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from support.pictures import coloured, file_of, halves, jpeg_of, texture  # noqa: E402  # tests/ is no package: its path is set first

from inlaid import decoder, formats, parameters, payload  # noqa: E402  # the path is set first
from inlaid.encoding import encoder  # noqa: E402  # the path is set first
from inlaid.fingerprint import fingerprint  # noqa: E402  # the path is set first
from inlaid.network import Network, check_bounds  # noqa: E402  # the path is set first


def reversible_jp2(pixels):
    """A coarse JP2 file of an array by the 5/3 wavelet, which every decoder decodes to the same integers."""
    return file_of(pixels, "JPEG2000", irreversible=False, quality_mode="rates", quality_layers=[12])


def with_network(data, network, seed):
    """`data` with an inlay of the blank prior and random levels, small enough to leave the picture recognisable."""
    rng, prior = np.random.default_rng(seed), parameters.blank_prior(network)
    spread = np.zeros(network.size)
    for t in network.tensors:
        spread[t.slice] = 2 if t.is_bias else (4096 / 64) * (0.15 if t.name == "last.weight" else 1) / np.sqrt(t.fan_in)
    levels = np.rint(rng.laplace(0, spread)).astype(np.int64)
    check_bounds(network, parameters.apply(prior, levels, 0))
    module = formats.by_content(data)
    luma = module.codec.decode(data).luma
    inlay = payload.Payload(0, network, 0.0, fingerprint(luma), parameters.encode(prior, levels, 0))
    return module.container.embed(data, payload.write(inlay))


def files():
    """Name -> bytes of each golden file."""
    gray, colour = texture(96, 72, seed=5), coloured(120, 88, seed=6)
    return {
        "prior-alone-gray": encoder.encode(texture(160, 120, seed=1), quality=20, effort=1).data,
        "fitted-gray": encoder.encode(texture(200, 120, seed=2), quality=15, effort=3).data,
        "fitted-areas-gray": encoder.encode(halves(256, 192), quality=40, effort=6).data,
        "fitted-large-gray": encoder.encode(texture(320, 240, seed=7), quality=20, effort=3, preset="large").data,
        "jpeg2000-gray": encoder.attach(reversible_jp2(texture(320, 240, seed=8)), texture(320, 240, seed=8), effort=3).data,
        "jpeg2000-rgb": with_network(reversible_jp2(colour), Network(6, 2), 6),
        "fitted-420": encoder.encode(coloured(199, 121, seed=3), quality=20, effort=3).data,
        "fitted-444-progressive": encoder.encode(
            coloured(160, 120, seed=4), quality=20, effort=3, subsampling="444", progressive=True
        ).data,
        "blank-default": with_network(jpeg_of(gray, quality=30), Network(), 1),
        "blank-phase-inputs": with_network(jpeg_of(colour, quality=30, subsampling=1), Network(channels=8, inputs=3), 2),
        "blank-dilated-5x5": with_network(jpeg_of(gray, quality=50), Network(5, 2, 5, (3, 1)), 3),
        "blank-32-channels-rgb": with_network(jpeg_of(colour, quality=60, keep_rgb=True), Network(32, 1), 4),
        "blank-no-layers-1x1": with_network(jpeg_of(texture(1, 1), quality=30), Network(3, 0, 1), 5),
    }


def recorded(name, data):
    """What golden.json says of a file."""
    decoded = decoder.decode(data)
    return {
        "file": name + formats.by_content(data).extensions[0],
        "sha256": hashlib.sha256(data).hexdigest(),
        "state": decoded.state,
        "shape": list(decoded.pixels.shape),
        "pixels_sha256": hashlib.sha256(decoded.pixels.tobytes()).hexdigest(),
        "base_sha256": hashlib.sha256(decoder.decode(data, base_only=True).pixels.tobytes()).hexdigest(),
    }


def main():
    """Writes all of them."""
    record = {}
    for name, data in files().items():
        record[name] = recorded(name, data)
        (HERE / record[name]["file"]).write_bytes(data)
        assert record[name]["state"] == "restored", f"{name} is not restored but {record[name]['state']}"
        assert record[name]["pixels_sha256"] != record[name]["base_sha256"], f"{name} restores nothing"
        print(f"{name}: {len(data)} bytes, {record[name]['shape']}")
    (HERE / "golden.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""JPEG files for the tests in a browser, and what Python makes of them, written into a folder.

    python pictures.py FOLDER

NAME.jpg: a file.  expected.json: for each NAME the state, the reason, the size and the SHA-256 of the pixels.
"""

import binascii
import hashlib
import json
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

import inlaid
from inlaid import decoder, formats, payload, priors
from inlaid.fingerprint import Fingerprint
from inlaid.fingerprint import fingerprint as fingerprint_of
from inlaid.network import Network

SIZES = [(1, 1), (2, 2), (3, 3), (4, 5), (5, 4), (17, 33), (33, 17), (1, 40), (40, 1), (3, 41), (64, 64)]


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Smooth colours, so that chroma differs from pixel to pixel."""
    rng = np.random.default_rng(width * 1000 + height)
    small = Image.fromarray(rng.integers(0, 256, (height // 6 + 2, width // 6 + 2, 3), np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def saved(image: Image.Image, **settings: object) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=70, **settings)
    return file.getvalue()


def resampled(data: bytes, factors: int) -> bytes:
    """The file with other sampling factors of its luma, and as many blocks in an MCU: another picture, but a valid one."""
    at = data.index(b"\xff\xc0") + 11
    return data[:at] + bytes([factors]) + data[at + 1 :]


def plain_files() -> dict[str, bytes]:
    found = {}
    for width, height in SIZES:
        for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
            for progressive in (False, True):
                name = f"{width}x{height}-{subsampling.replace(':', '')}{'-progressive' if progressive else ''}"
                found[name] = saved(picture(width, height), subsampling=subsampling, progressive=progressive)
    found["440"] = resampled(saved(picture(64, 64), subsampling="4:2:2"), 0x12)
    found["411"] = resampled(saved(picture(64, 64), subsampling="4:2:0"), 0x41)
    found["gray"] = saved(picture(65, 43, "L"))
    found["rgb"] = saved(picture(65, 43), keep_rgb=True)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"orientation-{orientation}"] = saved(picture(19, 11), exif=exif, subsampling="4:2:0")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found["icc"] = saved(picture(65, 43), icc_profile=profile)
    return found


def hostile_files() -> dict[str, bytes]:
    """Inlays that a decoder must refuse."""
    base = saved(picture(64, 64, "L"))
    embed = formats.by_name("jpeg").container.embed
    network = Network(1, 0, 1)
    good = payload.Payload(0, network, 0.0, Fingerprint(0, (0,) * 12), b"")
    written = payload.write(good)
    found = {
        "short": b"\1",
        "crc": written[:-1] + bytes([written[-1] ^ 1]),
        "version": _sealed(b"\2" + written[1:-2]),
        "cut": _sealed(written[:9]),
        "shape": _sealed(b"\1\0\41" + written[3:-2]),
        "prior": _sealed(b"\1\310" + written[14:-2]),
        "range": payload.write(payload.Payload(0, network, 0.0, good.fingerprint, b"\x7f" + b"\xff" * 40)),
        "areas": payload.write(payload.Payload(0, Network(32, 8, 5, (8,) * 8, 3), 0.0, good.fingerprint, b"\xf0" + b"\xa5" * 3000)),
        "stale": written,
    }
    files = {f"hostile-{name}": embed(base, raw) for name, raw in found.items()}
    files["hostile-cmyk"] = embed(saved(picture(64, 64, "CMYK")), written)
    return files


def _sealed(body: bytes) -> bytes:
    return body + binascii.crc_hqx(body, 0).to_bytes(2, "big")


def prior_files() -> dict[str, bytes]:
    """Inlays that hold no parameters, so that any file can have one: layouts and sizes that no encoder here makes."""
    jpeg, files = formats.by_name("jpeg"), plain_files()
    found = {}
    for name in ("440", "411", "17x33-420", "33x17-422", "3x41-420", "1x40-420", "1x1-444", "rgb", "gray", "icc", "orientation-6"):
        fingerprint = fingerprint_of(jpeg.codec.decode_luma(files[name]))
        written = payload.write(payload.Payload(3, priors.network_of(3), 0.0, fingerprint, b""))
        found[f"prior-{name}"] = jpeg.container.embed(files[name], written)
    return found


def fitted_files() -> dict[str, bytes]:
    """Inlays that an encoder made, in colours that leave the range of RGB."""
    found = {}
    for name, size, quality in (("small", (200, 136), 10), ("large", (640, 489), 50)):
        noise = np.random.default_rng(1).normal(0, 6, (size[1], size[0], 1))
        original = np.clip(2.0 * np.asarray(picture(*size)) - 128 + noise, 0, 255).astype(np.uint8)
        found[f"fitted-{name}"] = inlaid.encode(original, quality=quality, effort=1)
    return found


def main(folder: Path) -> None:
    expected = {}
    for name, data in (plain_files() | hostile_files() | prior_files() | fitted_files()).items():
        decoded = decoder.decode(data)
        digest = hashlib.sha256(decoded.pixels.tobytes()).hexdigest()
        expected[name] = {"state": decoded.state, "reason": decoded.reason, "size": decoded.image.size, "sha256": digest}
        (folder / f"{name}.jpg").write_bytes(data)
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

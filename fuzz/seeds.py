"""The small files that are mutated: one or more of every kind that inlaid reads, made here, and the golden files."""

from __future__ import annotations

import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from inlaid import formats, parameters, payload, priors
from inlaid.encoding import encoder
from inlaid.errors import InlayError
from inlaid.fingerprint import fingerprint
from inlaid.network import Network
from inlaid.parameters import Areas, Prior

from .pieces import jpeg_segment, mp_index, tiff

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.pictures import coloured, texture  # noqa: E402  # tests/ is no package: its path is set first

GOLDEN = sorted(p for p in (ROOT / "tests" / "golden").iterdir() if p.suffix in (".jpg", ".jp2"))
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'/></x:xmpmeta>"
NETWORKS = (Network(3, 1, 5), Network(4, 2, 3, (2, 1), 3), Network(3, 0, 1), Network(2, 8, 3, (8, 1, 7, 2, 6, 3, 5, 4)), Network(9, 1, 3))


class Seeds(NamedTuple):
    """files: JPEG and JP2; originals: files of other formats too, for `encode` and `attach`; payloads: those of the files."""

    files: tuple[bytes, ...]
    originals: tuple[bytes, ...]
    payloads: tuple[bytes, ...]


@cache
def picture(width: int, height: int) -> Image.Image:
    """The RGB picture of the seeds of this size.  It is also the original for `attach` to a base of this size."""
    whole = Image.fromarray(coloured(64, 64))
    return whole.crop((0, 0, width, height)) if max(width, height) <= 64 else whole.resize((width, height))


def saved(image: Image.Image, format: str = "JPEG", **settings: Any) -> bytes:
    """The file that Pillow writes."""
    out = BytesIO()
    image.save(out, format, **settings)
    return out.getvalue()


def inlaid(base: bytes, prior: Prior, sets: int = 1, seed: int = 0) -> bytes:
    """`base` with parameters around the prior's, in areas where there are several sets."""
    module, rng = formats.by_content(base), np.random.default_rng(seed)
    luma = module.codec.decode_luma(base)
    levels = [
        np.rint(rng.laplace(0, 0.3, prior.network.size) * prior.spreads / 2.0 ** prior.steps(2)).astype(np.int64) for _ in range(sets)
    ]
    areas = None
    if sets > 1:
        rows, columns = Areas.squares((luma.shape[0], luma.shape[1]), parameters.LEAST_SIDE_PX)
        areas = Areas(parameters.LEAST_SIDE_PX, rng.integers(0, sets, (rows, columns)).astype(np.uint8))
    coded = parameters.encode_sets(prior, [(each, 2) for each in levels], areas)
    return module.container.embed(base, payload.write(payload.Payload(prior.number, prior.network, 1.0, fingerprint(luma), coded)))


def _blank(base: bytes, network: Network, sets: int = 1) -> bytes:
    return inlaid(base, parameters.blank_prior(network), sets)


def exif(orientation: int = 1) -> bytes:
    """An EXIF block with three directories and a thumbnail."""
    thumbnail = saved(picture(16, 16).convert("L"), quality=10)
    return b"Exif\0\0" + tiff(orientation, thumbnail)


@cache
def icc(space: str = "sRGB") -> bytes:
    """An ICC profile.  For spaces other than sRGB, only its header names the space."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile if space == "sRGB" else profile[:16] + space.encode() + profile[20:]


def _jpegs() -> list[bytes]:
    gray, small = picture(40, 24).convert("L"), picture(16, 16)
    marked = {"exif": exif(6), "icc_profile": icc()[:200], "xmp": XMP, "comment": b"a comment"}
    two = saved(gray, quality=30)
    rotated = saved(picture(24, 40), quality=30, subsampling=1)
    files = [
        encoder.encode(gray, quality=15, effort=1, base="turbo").data,
        encoder.encode(picture(48, 40), quality=20, effort=1, base="turbo").data,
        encoder.encode(picture(40, 40), quality=25, effort=2, subsampling="444", progressive=True).data,
        _blank(saved(picture(33, 17), quality=40, subsampling=1, restart_marker_blocks=1), NETWORKS[0]),
        _blank(saved(picture(32, 32), quality=40, keep_rgb=True, subsampling=0), NETWORKS[1]),
        _blank(saved(gray, quality=60, progressive=True, restart_marker_rows=1), NETWORKS[2]),
        _blank(saved(small, quality=75, **marked), NETWORKS[3]),
        _blank(saved(picture(64, 64).convert("L"), quality=30), NETWORKS[0], 3),
        _blank(saved(picture(64, 48), quality=20, optimize=True), NETWORKS[4], 2),
        inlaid(saved(picture(48, 32), quality=30), priors.prior(11), 2, 5),
        saved(picture(17, 9), quality=50),
        saved(small.convert("CMYK"), quality=50),
        rotated.replace(b"\x21\0", b"\x12\0", 1),  # the luma's sampling factors: 2x1 becomes 1x2
        (Path(__file__).parent / "arithmetic.jpg").read_bytes(),
    ]
    index = mp_index(len(two), len(two) + 200)
    several = two[:2] + jpeg_segment(0xE2, index) + two[2:]
    files.append(_blank(several + two, NETWORKS[0]))
    lines = saved(gray, quality=30)
    frame = lines.index(b"\xff\xc0")
    files.append(lines[: frame + 5] + b"\0\0" + lines[frame + 7 : -2] + jpeg_segment(0xDC, b"\0\x18") + lines[-2:])  # its height by DNL
    raw = formats.by_name("jpeg").container.extract(files[0]) or b""
    return [*files, formats.by_name("jpeg").container.embed(saved(small.convert("CMYK"), quality=50), raw)]


def _jp2s() -> list[bytes]:
    gray, colour = picture(40, 24).convert("L"), picture(32, 32)
    coarse: dict[str, Any] = {"quality_mode": "rates", "quality_layers": [20, 8]}
    tagged = colour.copy()
    tagged.info = {"exif": exif(), "icc_profile": icc(), "xmp": XMP}
    module = formats.by_name("jpeg2000")
    return [
        encoder.encode(gray, format="jpeg2000", quality=20, effort=1).data,
        encoder.encode(colour, format="jpeg2000", quality=20, effort=1).data,
        _blank(saved(gray, "JPEG2000", **coarse), NETWORKS[0]),
        _blank(saved(colour, "JPEG2000", irreversible=True, mct=1, tile_size=(16, 16), **coarse), NETWORKS[1]),
        _blank(saved(picture(64, 64), "JPEG2000", num_resolutions=3, codeblock_size=(8, 8), progression="RPCL", **coarse), NETWORKS[4], 2),
        _blank(module.codec.encode(tagged, 20, {}), NETWORKS[2]),
        saved(colour.convert("RGBA"), "JPEG2000", **coarse),
        saved(gray.convert("LA"), "JPEG2000", **coarse),
        saved(gray.convert("I;16"), "JPEG2000", **coarse),
        saved(colour, "JPEG2000", no_jp2=True, **coarse),
    ]


def _originals() -> list[bytes]:
    colour = picture(24, 16)
    kept = {"exif": exif(6), "icc_profile": icc(), "xmp": XMP}
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode())
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif()):8}\n{exif().hex()}\n", zip=True)
    text.add_text("Comment", "a text")
    frames = [colour, colour.rotate(90, expand=False)]
    return [
        saved(colour, "PNG", pnginfo=text, exif=exif(6)[6:], icc_profile=icc(), dpi=(72, 72), gamma=0.45),
        saved(colour.convert("RGBA"), "PNG", exif=exif(3)[6:]),
        saved(colour.convert("P"), "PNG", transparency=3),
        saved(colour.convert("1"), "PNG", transparency=0),
        saved(Image.fromarray(texture(24, 16).astype(np.uint16) * 257), "PNG"),
        saved(colour, "TIFF", exif=exif(8)[6:], icc_profile=icc(), description="a text"),
        saved(colour.convert("L"), "TIFF", compression="tiff_lzw"),
        saved(colour.convert("CMYK"), "TIFF", icc_profile=icc("CMYK")),
        saved(Image.fromarray(texture(24, 16).astype(np.uint16) * 257), "TIFF"),
        saved(colour.convert("LA"), "TIFF", save_all=True, append_images=[colour]),
        saved(colour, "WEBP", quality=50, **kept),
        saved(colour.convert("RGBA"), "WEBP", lossless=True, **kept),
        saved(colour, "JPEG", quality=80, **kept),
        saved(colour.convert("CMYK"), "JPEG", quality=80, icc_profile=icc("CMYK")),
        saved(colour, "GIF", save_all=True, append_images=frames),
        saved(colour, "BMP"),
        encoder.encode(colour, format="jpeg2000", quality=40, effort=1).data,
    ]


def seeds() -> Seeds:
    """All seeds.  Machines of one kind make the same."""
    files = (*_jpegs(), *_jp2s(), *(p.read_bytes() for p in GOLDEN))
    return Seeds(files, tuple(_originals()), tuple(raw for data in files if (raw := _payload(data))))


def _payload(data: bytes) -> bytes | None:
    try:
        return formats.by_content(data).container.extract(data)
    except InlayError:
        return None


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    """An image as an array, for `encode` and `attach`."""
    return np.asarray(image)

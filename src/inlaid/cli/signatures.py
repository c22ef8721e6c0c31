"""Picture formats by the first bytes of a file, to name a file that Pillow cannot read."""

from __future__ import annotations

import re
from io import BytesIO

from PIL import Image

# Regular expressions.  ISO media files (HEIC and others) begin with a box `ftyp`, whose brand names the format.
_SIGNATURES = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "TIFF": rb"II\*\0|MM\0\*",
    "BigTIFF": rb"II\+\0|MM\0\+",
    "GIF": rb"GIF8[79]a",
    "WebP": rb"RIFF....WEBP",
    "BMP": rb"BM.{4}\0{4}",
    "JPEG 2000": rb"\0{3}\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "JPEG XL": rb"\0{3}\x0cJXL \r\n\x87\n|\xff\x0a",
    "JPEG XR": rb"II\xbc",
    "HEIC": rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)",
    "AVIF": rb".{4}ftypavi[fs]",
    "Canon raw": rb".{4}ftypcrx ",
    "Olympus raw": rb"IIR[OS]",
    "Panasonic raw": rb"IIU\0",
    "Fujifilm raw": rb"FUJIFILMCCD-RAW",
    "Photoshop": rb"8BPS",
    "GIMP": rb"gimp xcf",
    "OpenEXR": rb"v/1\x01",
    "Radiance HDR": rb"#\?RADIANCE",
    "DDS": rb"DDS \x7c\0{3}",
    "QOI": rb"qoif",
    "FITS": rb"SIMPLE  =",
    "DICOM": rb".{128}DICM",
    "DjVu": rb"AT&TFORM",
    "Windows icon": rb"\0\0\x01\0",
    "Apple icon": rb"icns",
    "PNM": rb"P[1-7Ff][\s#]",
    "PDF": rb"%PDF-",
    "PostScript": rb"%!PS",
    "SVG": rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg[\s>]",
}
_HEAD_BYTES = 1024


def kind_of(data: bytes) -> str | None:
    """The name of the format that `data` begins like, or None."""
    head = data[:_HEAD_BYTES]
    return next((name for name, pattern in _SIGNATURES.items() if re.match(pattern, head, re.DOTALL)), None)


def unreadable(data: bytes) -> str:
    """The error message for bytes that Pillow does not recognise as a picture."""
    name = kind_of(data)
    if name is None:
        return f"not a picture: it begins with {data[:8].hex(' ')}; expected PNG, JPEG, TIFF, WebP, PPM or another format that Pillow reads"
    return f"this {name} file cannot be read: {_reason(data)}"


def _reason(data: bytes) -> str:
    """The error of the reader that accepts these bytes; `Image.open` does not pass it on."""
    for reader, accepts in Image.OPEN.values():
        accepted = accepts(data[:16]) if accepts else False
        if isinstance(accepted, str):  # Pillow has the reader, but was built without its library
            return accepted
        if accepted:
            try:
                reader(BytesIO(data), "")
            except Exception as error:  # Pillow raises nearly any exception for damaged bytes
                return str(error) or type(error).__name__
    return "Pillow has no reader for it here"

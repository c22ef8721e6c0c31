"""PNG files of every depth, made chunk by chunk."""

import struct
import zlib

import numpy as np


def chunk(kind, body):
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(samples, bits, kind, *chunks):
    """A PNG file of (H, W) or (H, W, channels) samples.

    kind: its colour type.  chunks: (type, body) of chunks before the pixels.
    """
    height, width = samples.shape[:2]
    flat = samples.reshape(height, -1)
    if bits == 16:
        lines = flat.astype(">u2").view(np.uint8)
    elif bits == 8:
        lines = flat.astype(np.uint8)
    else:
        digits = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        lines = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1)
    raw = b"".join(b"\0" + line.tobytes() for line in lines)
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)

"""Masters: sRGB pixels converted to other colour spaces by the formulas, and the profiles of these spaces."""

import struct

import numpy as np

from inlaid.encoding.pictures import icc
from inlaid.encoding.pictures.icc import Curve, Primaries

D50 = (0.3457, 0.3585)
RGB_SPACES = {
    "ProPhoto": (Primaries((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), D50), Curve(1.8)),
    "AdobeRGB": (Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), Curve(2.19921875)),
    "Display P3": (Primaries((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), icc.SRGB_CURVE),
    "linear sRGB": (icc.SRGB, Curve(1.0)),
}


def linear(samples):
    """Linear light 0..1 of sRGB samples 0..255."""
    v = samples.astype(np.float64) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def to_xyz(primaries):
    columns = np.stack([[x / y, 1, (1 - x - y) / y] for x, y in (primaries.red, primaries.green, primaries.blue)], axis=1)
    x, y = primaries.white
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def adapted(source, target):
    """Bradford's matrix from one white to another."""
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    whites = [bradford @ [x / y, 1, (1 - x - y) / y] for x, y in (source, target)]
    return np.linalg.inv(bradford) @ np.diag(whites[1] / whites[0]) @ bradford


def master(truth, primaries, curve, bits):
    """sRGB pixels in another space: (H, W, 3) samples of `bits` bits."""
    matrix = np.linalg.inv(to_xyz(primaries)) @ adapted(icc.SRGB.white, primaries.white) @ to_xyz(icc.SRGB)
    light = np.clip(linear(truth) @ matrix.T, 0, 1)
    if curve == icc.SRGB_CURVE:
        encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    else:
        encoded = light ** (1 / curve.gamma)
    return np.floor(encoded * ((1 << bits) - 1) + 0.5).astype(np.uint8 if bits == 8 else np.uint16)


def cmyk_profile(grid=17):
    """An output profile for CMYK to Lab on a lattice of grid^4 points.  R = (1 - C)(1 - K), and so on, taken as sRGB."""
    axis = np.linspace(0, 1, grid)
    c, m, y, k = np.meshgrid(axis, axis, axis, axis, indexing="ij")
    rgb = np.stack([(1 - ink) * (1 - k) for ink in (c, m, y)], axis=-1).reshape(-1, 3) * 255
    xyz = linear(rgb) @ to_xyz(icc.SRGB).T @ adapted(icc.SRGB.white, D50).T
    t = xyz / np.array([D50[0] / D50[1], 1, (1 - sum(D50)) / D50[1]])
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)
    coded = np.stack([lab[:, 0] * 652.8, (lab[:, 1] + 128) * 256, (lab[:, 2] + 128) * 256], axis=-1)
    table = np.clip(np.rint(coded), 0, 65535).astype(">u2").tobytes()
    ramp = struct.pack(">2H", 0, 65535)
    identity = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1], np.float64)
    lut = b"mft2" + bytes(4) + bytes((4, 3, grid, 0)) + (identity * 65536).astype(">i4").tobytes() + struct.pack(">2H", 2, 2)
    lut += 4 * ramp + table + 3 * ramp
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"ink\0\0" + bytes(78)
    right = b"text" + bytes(4) + b"none\0"
    white = b"XYZ " + bytes(4) + np.array([0.9642 * 65536, 65536, 0.8249 * 65536]).astype(">i4").tobytes()
    tags, table_, body = {b"desc": text, b"cprt": right, b"wtpt": white, b"A2B0": lut}, b"", b""
    begin = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        table_ += struct.pack(">4sII", name, begin + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(">I4sI4s4s4s", begin + len(body), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab ") + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + (np.array([0.9642, 1, 0.8249]) * 65536).astype(">i4").tobytes()
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table_ + body

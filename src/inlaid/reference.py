"""The integer network in numpy, written to be read (FORMAT.md, section 6).

The tests hold the compiled kernel to it, bit by bit.
"""

from __future__ import annotations

import numpy as np

from .arrays import Integers, Parameters, Pixels
from .network import PIXEL_BITS, RESIDUAL_SHIFT, WEIGHT_BITS, Network


def restore(network: Network, parameters: Parameters, base: Pixels) -> Pixels:
    """The restored luma (H, W) of a base luma (H, W).  parameters: (network.size,), within `network.check_bounds`."""
    tensors = {t.name: parameters[t.slice].reshape(t.shape).astype(np.int64) for t in network.tensors}
    planes = _inputs(network, base)
    rows = _activate(_round(_conv(planes, tensors["first.weight"], 1, tensors["first.bias"])))
    for i, dilation in enumerate(network.dilations, start=1):
        middle = _round(_depthwise(rows, tensors[f"depthwise{i}.weight"], dilation))
        mixed = np.tensordot(tensors[f"pointwise{i}.weight"], middle, 1)
        bias = tensors[f"pointwise{i}.bias"] << WEIGHT_BITS
        rows = _activate(_round(mixed + bias[:, None, None]))
    residual = _conv(rows, tensors["last.weight"][None], 1, np.zeros(1, np.int64))[0]
    residual = (residual + (1 << (RESIDUAL_SHIFT - 1))) >> RESIDUAL_SHIFT
    restored: Pixels = np.clip(base + residual, 0, 255).astype(np.uint8)
    return restored


def _inputs(network: Network, base: Pixels) -> Integers:
    """(I, H + 2 halo, W + 2 halo).  The luma is continued by its edge pixels; column and row within the 8x8 block are counted on."""
    height, width = base.shape
    luma = (np.pad(base.astype(np.int64), network.halo_px, mode="edge") - 128) << PIXEL_BITS
    if network.inputs == 1:
        return luma[None]
    rows = np.arange(-network.halo_px, height + network.halo_px)[:, None]
    columns = np.arange(-network.halo_px, width + network.halo_px)[None, :]
    phases = [(2 * (p % 8) - 7) * 512 + 0 * luma for p in (columns, rows)]
    return np.stack([luma, *phases])


def _round(sums: Integers) -> Integers:
    """Sums of scale 2^24 at the scale 2^12, halves rounded up, limited to 16 bits."""
    rounded: Integers = np.clip((sums + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS, -32768, 32767)
    return rounded


def _activate(values: Integers) -> Integers:
    """Leaky ReLU: a negative value becomes its eighth, rounded down."""
    return np.where(values < 0, values >> 3, values)


def _conv(planes: Integers, weight: Integers, dilation: int, bias: Integers) -> Integers:
    """A k x k correlation, with a bias, of planes (I, H, W) that reach (k - 1) * dilation beyond the output (O, h, w)."""
    windows = _windows(planes, weight.shape[-1], dilation)
    sums: Integers = sum(np.tensordot(weight[:, :, ty, tx], window, 1) for ty, tx, window in windows)  # type: ignore[assignment]  # sum() may be the int 0
    return sums + (bias[:, None, None] << WEIGHT_BITS)


def _depthwise(planes: Integers, weight: Integers, dilation: int) -> Integers:
    """As `_conv`, but each plane has a (k, k) kernel of its own, and no bias."""
    windows = _windows(planes, weight.shape[-1], dilation)
    return sum(weight[:, ty, tx, None, None] * window for ty, tx, window in windows)  # type: ignore[return-value]  # sum() may be the int 0


def _windows(planes: Integers, kernel: int, dilation: int) -> list[tuple[int, int, Integers]]:
    """For each tap ty, tx of the kernel: the planes (I, h, w) that it multiplies."""
    height = planes.shape[1] - (kernel - 1) * dilation
    width = planes.shape[2] - (kernel - 1) * dilation
    return [
        (ty, tx, planes[:, ty * dilation : ty * dilation + height, tx * dilation : tx * dilation + width])
        for ty in range(kernel)
        for tx in range(kernel)
    ]

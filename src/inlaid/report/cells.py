"""How the report writes numbers, and the conditions of a measurement."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench.metrics import PERCEPTUAL
from ..bench.runs import Line
from .tables import Gain

METRIC_NAMES = dict(zip(PERCEPTUAL, ("SSIM", "MS-SSIM", "SSIMULACRA2"), strict=True))


def gain_cells(gain: Gain | None) -> tuple[str, str]:
    """BD-rate in per cent and BD-PSNR in dB; empty for None."""
    return (f"{gain.bd_rate_percent:.2f} %", f"{gain.bd_psnr_db:+.3f} dB") if gain else ("", "")


def metric_cell(name: str, value: float) -> str:
    """The value of a perceptual metric."""
    return f"{value:.2f}" if name == "ssimulacra2" else f"{value:.4f}"


def conditions(lines: Sequence[Line], times: str) -> list[str]:
    """Versions and machines of the lines, every value once; `times` says what kind of times they hold."""
    versions = sorted({", ".join(f"{k} {v}" for k, v in line["versions"].items()) for line in lines})
    machines = sorted({line["machine"] for line in lines})
    return [f"Measured with {'; '.join(versions)}.", f"On {'; '.join(machines)}; {times}."]

"""Rate-distortion curves of stored measurements, one figure a set; matplotlib (extra `plots`) is loaded only when one is drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .errors import InlayError
from .report import Table


def rd_curves(tables: Sequence[Table], folder: Path) -> list[Path]:
    """Writes `rd-<set>.svg` into `folder` for each set: the average curves of all tables.  InlayError without matplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InlayError(f"figures need {error.name or 'matplotlib'}: pip install 'inlay[plots]'") from error

    written = []
    for name in dict.fromkeys(s.name for t in tables for s in t.sets):
        with rc_context({"svg.hashsalt": "inlay", "svg.fonttype": "none"}):  # the same lines give the same file
            figure = Figure(figsize=(7, 5), layout="constrained")
            axes = figure.add_subplot(xlabel="bits per pixel (whole file)", ylabel="PSNR of the luma, dB", title=name)
            for number, table in enumerate(tables):
                for result in (s for s in table.sets if s.name == name):
                    plain, restored = result.curves()
                    colour = f"C{number}"
                    axes.plot(plain.bpp, plain.psnr_db, "o--", color=colour, label=f"plain: {table.title}")
                    axes.plot(restored.bpp, restored.psnr_db, "s-", color=colour, label="with an inlay")
            axes.grid(alpha=0.3)
            axes.legend(fontsize="small")
            path = folder / f"rd-{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}.svg"
            figure.savefig(path, metadata={"Date": None})
            written.append(path)
    return written

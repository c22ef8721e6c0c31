"""The report's counterparts of the paper's figures: rate and distortion (Figure 3), and crops side by side (Figure 4)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ..bench.metrics import PERCEPTUAL
from ..bench.runs import Line
from . import compare, paper
from .cells import METRIC_NAMES, metric_cell
from .page import Block, Drawing, Heading, Picture, Pictures, Text, file_name
from .plots import Series
from .tables import SetResult, Table, bpp


def curves(tables: Sequence[Table]) -> list[Block]:
    """Figure 3: a drawing for each set, of the PSNR and of each perceptual metric that was measured."""
    blocks: list[Block] = []
    for name in dict.fromkeys(s.name for t in tables for s in t.sets):
        for metric in (None, *PERCEPTUAL):
            having = [t for t in tables if any(s.name == name and (metric is None or _has(s, metric)) for s in t.sets)]
            shown = [*map(compare.main, compare.by_base(having).values()), *(t for t in having if t.is_peer)]
            most = max((s.images for t in shown for s in t.sets if s.name == name), default=0)
            series = [each for colour, table in enumerate(shown) for each in _series(table, name, metric, colour, most)]
            if series:
                file = f"rd-{file_name(name)}{f'-{metric}' if metric else ''}.svg"
                blocks.append(Drawing(file, name, series, METRIC_NAMES[metric] if metric else "PSNR of the luma, dB"))
    text = Text(
        "Means over the pictures of each set.  Where a base has several configurations with the metric, the one that saves most is shown."
    )
    return [Heading("Rate and distortion (Figure 3)"), text, *blocks] if blocks else []


def _has(result: SetResult, metric: str) -> bool:
    return all(metric in p.perceptual for p in result.points)


def _series(table: Table, name: str, metric: str | None, colour: int, most: int) -> list[Series]:
    """A table's curves on one set: the plain base or peer, dashed, and with an inlay.  `most`: pictures of the largest table."""
    found = []
    for result in (s for s in table.sets if s.name == name):
        plain, inlay = result.curves()
        heights = [[p.perceptual[metric][i] for p in result.points] for i in (0, 1)] if metric else [plain.psnr_db, inlay.psnr_db]
        fewer = f" ({result.images} of {most} pictures)" if result.images < most else ""
        kind = f"{table.base}{'' if table.is_peer else ', plain'}{fewer}"
        found.append(Series(kind, plain.bpp, heights[0], colour, dashed=True))
        if not table.is_peer:
            found.append(Series(f"{table.base}, with an inlay{fewer}", inlay.bpp, heights[1], colour))
    return found


def crops(tables: Sequence[Table]) -> list[Block]:
    """Figure 4: for each picture with crops the original, and the bases without and with an inlay."""
    blocks: list[Block] = []
    for image, found in compare.crops(tables).items():
        stem = file_name(image)
        pictures = [Picture(f"crop-{stem}-original.png", _png(found[0][1], "original"), "original")]
        for table, line in found:
            name = f"crop-{stem}-{file_name(table.base)}"
            pictures.append(Picture(f"{name}.png", _png(line, "plain"), _caption(table.base, line, "plain_bytes", "_plain")))
            if line["payload_bytes"]:
                caption = _caption(f"{table.base}, with an inlay", line, "file_bytes", "")
                pictures.append(Picture(f"{name}-inlay.png", _png(line, "restored"), caption))
        blocks += [Heading(image, 3), Pictures(pictures)]
    text = Text(
        f"Each at the measured point nearest to {paper.FIGURE_4_BPP} bits a pixel.  The numbers below a crop are those of the whole "
        f"picture.  The paper's, at {paper.FIGURE_4_BPP} bits a pixel: {paper.FIGURE_4}."
    )
    return [Heading("Side by side (Figure 4)"), text, *blocks] if blocks else []


def _png(line: Line, which: str) -> bytes:
    return base64.b64decode(line["crop"][which])


def _caption(title: str, line: Line, size: str, suffix: str) -> str:
    """The title, and below it rate, PSNR and perceptual metrics; `size` and `suffix` say of which file."""
    psnr = line["psnr_plain_db" if suffix else "psnr_db"]
    values = [(name, line[name + suffix]) for name in PERCEPTUAL]
    measured = "".join(f", {METRIC_NAMES[name]} {metric_cell(name, value)}" for name, value in values if value is not None)
    return f"{title}\n{bpp(line, size):.3f} bpp, {'lossless' if psnr is None else f'{psnr:.2f} dB'}{measured}"

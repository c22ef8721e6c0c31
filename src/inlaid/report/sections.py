"""What a report says, in which order, and the paper's figures that stand beside ours (docs/design.md, How results are measured)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ..bench import wiener
from ..bench.metrics import LOOKS
from ..bench.runs import Line
from ..encoding import presets
from . import compare, plots
from .page import Block, Drawing, Folded, Grid, Heading, Notes, Picture, Pictures, Text, file_name, html
from .page import markdown as as_markdown
from .plots import Series
from .tables import Gain, Results, SetResult, Table, bpp

# Table I of the paper; what it calls GFLOPs is the multiply-accumulates of 768x512 pixels (378 * 393216 = 0.149e9).
PAPER_TABLE_1 = {"parameters": 378, "gflops": 0.14, "cpu_s": 0.43}
# Table II: BD-rate in per cent and BD-PSNR in dB, by codec and set; the averages are weighted by pictures.
PAPER = {
    "jpeg": {"live1": (-15.27, 0.906), "kodak": (-17.05, 0.998), "classic5": (-17.31, 1.000)},
    "jpeg2000": {"live1": (-4.12, 0.224), "kodak": (-4.76, 0.256), "classic5": (-8.61, 0.419)},
}
PAPER_AVERAGE = {"jpeg": (-16.18, 0.952), "jpeg2000": (-4.77, 0.254)}

TITLE = "Results"
FIGURES = "results"  # the folder that results.md has its figures in
INTRODUCTION = (
    "Made by `inlaid report` from the lines that `inlaid bench` stored.  Luma; whole files are counted, payload included; "
    "PSNR of what the decoder gives for the file.  BD-rate and BD-PSNR (Akima) compare the files with an inlay to the "
    "plain base files of the same settings: *per image*, the mean over the pictures; *average curve*, of the mean rate and "
    "mean PSNR at each point, as in the paper."
)
LOOK_NAMES = dict(zip(LOOKS, ("SSIM", "MS-SSIM", "SSIMULACRA2"), strict=True))


def markdown(results: Results) -> str:
    """The report without figures."""
    return as_markdown(_blocks(results))


def files(results: Results, *, figures: bool = True) -> dict[str, bytes]:
    """results.md, results.html and, in the folder results/, the figures; curves only with `figures`, which needs matplotlib."""
    blocks = _blocks(results)
    svgs = {b.name: plots.curves(b.title, b.series, y=b.y) for b in blocks if isinstance(b, Drawing)} if figures else {}
    beside = {name: plots.standalone(svg) for name, svg in svgs.items()}
    beside |= {p.name: p.png for b in blocks if isinstance(b, Pictures) for p in b.items}
    pages = {
        "results.md": as_markdown(blocks, {name: f"{FIGURES}/{name}" for name in beside}),
        "results.html": html(f"inlaid: {TITLE.lower()}", blocks, svgs),
    }
    return {name: page.encode() for name, page in pages.items()} | {f"{FIGURES}/{name}": data for name, data in beside.items()}


def _blocks(results: Results) -> list[Block]:
    tables = results.tables
    parts = (_table_2, _curves, _crops, _standings, _ablations)
    blocks = [Heading(TITLE, 1), Text(INTRODUCTION), *(block for part in parts for block in part(tables))]
    return [*blocks, *_table_1(results.speeds), *_all(tables)]


# ------------------------------------------------------------------------------------------------ the paper's tables and figures


def _table_2(tables: Sequence[Table]) -> list[Block]:
    blocks: list[Block] = []
    for group in compare.by_base(tables).values():
        table = compare.main(group)
        blocks += [Heading(table.title, 3), _gains(table)]
    about = Text("What an inlay saves, the paper's Table II beside it.  Of several configurations of a base, the one that saves most.")
    return [Heading("Savings (Table II)"), about, *blocks] if blocks else []


def _gains(table: Table) -> Grid:
    paper = PAPER.get(table.codec, {})
    rows = [(s.name, s.images, s.per_image, s.average_curve, paper.get(s.name.lower())) for s in table.sets]
    if several := len(rows) > 1:
        everything = {s.name.lower() for s in table.sets} == set(paper)
        average = PAPER_AVERAGE[table.codec] if everything else None
        rows.append(("weighted", table.images, table.average("per_image"), table.average("average_curve"), average))
    ways = ("per image", "average curve", "paper")
    return Grid(
        ["set", "images", *(f"{name}, {way}" for way in ways for name in ("BD-rate", "BD-PSNR"))],
        [
            [name, images, *_gain(per_image), *_gain(curve), *_gain(Gain(*of_paper) if of_paper else None)]
            for name, images, per_image, curve, of_paper in rows
        ],
        frozenset([len(rows) - 1] if several else []),
    )


def _gain(gain: Gain | None) -> tuple[str, str]:
    return (f"{gain.bd_rate_percent:.2f} %", f"{gain.bd_psnr_db:+.3f} dB") if gain else ("", "")


def _curves(tables: Sequence[Table]) -> list[Block]:
    blocks: list[Block] = []
    for name in dict.fromkeys(s.name for t in tables for s in t.sets):
        for look in (None, *LOOKS):
            having = [t for t in tables if any(s.name == name and (look is None or _has(s, look)) for s in t.sets)]
            shown = [*map(compare.main, compare.by_base(having).values()), *(t for t in having if t.is_peer)]
            series = [each for colour, table in enumerate(shown) for each in _series(table, name, look, colour, shown)]
            if series:
                file = f"rd-{file_name(name)}{f'-{look}' if look else ''}.svg"
                blocks.append(Drawing(file, name, series, LOOK_NAMES[look] if look else "PSNR of the luma, dB"))
    about = Text("Means over each set's pictures; of several configurations of a base, the one that saves most (of those so measured).")
    return [Heading("Rate and distortion (Figure 3)"), about, *blocks] if blocks else []


def _has(result: SetResult, look: str) -> bool:
    return all(look in p.looks for p in result.points)


def _series(table: Table, name: str, look: str | None, colour: int, shown: Sequence[Table]) -> list[Series]:
    """A table's curves of one set: the plain base or peer, dashed, and with an inlay."""
    most = max(s.images for t in shown for s in t.sets if s.name == name)
    found = []
    for result in (s for s in table.sets if s.name == name):
        plain, inlay = result.curves()
        heights = [[p.looks[look][i] for p in result.points] for i in (0, 1)] if look else [plain.psnr_db, inlay.psnr_db]
        fewer = f" ({result.images} of {most} pictures)" if result.images < most else ""
        kind = f"{table.base}{'' if table.is_peer else ', plain'}{fewer}"
        found.append(Series(kind, plain.bpp, heights[0], colour, dashed=True))
        if not table.is_peer:
            found.append(Series(f"{table.base}, with an inlay{fewer}", inlay.bpp, heights[1], colour))
    return found


def _crops(tables: Sequence[Table]) -> list[Block]:
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
    about = Text(
        f"Each at the measured point nearest to {compare.CROP_BPP} bits a pixel; the figures below a crop are the whole picture's."
        "  The paper's, at 0.4: JPEG 2000 29.80 dB, SSIM 0.7936; with its model 30.41 dB, 0.8073 or 30.58 dB, 0.8076 (unclear)."
    )
    return [Heading("Side by side (Figure 4)"), about, *blocks] if blocks else []


def _png(line: Line, which: str) -> bytes:
    return base64.b64decode(line["crop"][which])


def _caption(title: str, line: Line, size: str, which: str) -> str:
    psnr = line["psnr_db" if not which else "psnr_plain_db"]
    looks = "".join(f", {LOOK_NAMES[look]} {_look(look, line[look + which])}" for look in LOOKS if line[look + which] is not None)
    return f"{title}\n{bpp(line, size):.3f} bpp, {'lossless' if psnr is None else f'{psnr:.2f} dB'}{looks}"


def _look(name: str, value: float) -> str:
    return f"{value:.2f}" if name == "ssimulacra2" else f"{value:.4f}"


def _table_1(speeds: Sequence[Line]) -> list[Block]:
    if not speeds:
        return []
    most = max(line["threads"] for line in speeds)
    rows: dict[tuple[str, int, int], list[object]] = {}
    for line in sorted(speeds, key=lambda line: (line["network"]["weights"], line["width"], line["threads"])):
        n, width, height = line["network"], line["width"], line["height"]
        name = f"{n['channels']} channels, {n['layers']} layers"
        gmac = n["macs_per_pixel"] * width * height / 1e9
        start = [name, f"{width}x{height}", f"{n['weights']} + {n['biases']}", n["macs_per_pixel"], f"{gmac:.3f}"]
        rows.setdefault((str(n), width, height), start).extend(f"{1000 * line[key]:.2f}" for key in ("restore_s", "decode_s"))
    paper = ["paper", "256x256", PAPER_TABLE_1["parameters"], "", PAPER_TABLE_1["gflops"], f"{1000 * PAPER_TABLE_1['cpu_s']:.0f}"]
    threads = ["1 thread", *([f"{most} threads"] if most > 1 else [])]
    head = ["network", "picture", "weights + biases", "MAC a pixel", "GMAC"]
    head += [f"{what}, {each}, ms" for each in threads for what in ("restoring", "decoding")]
    filled = [[*row, *[""] * (len(head) - len(row))] for row in [*rows.values(), paper]]
    notes = [
        "Restoring: base luma to restored luma.  Decoding: bytes of a gray JPEG file to restored luma.",
        "The paper names 256x256, but its 0.14 GFLOPs are 378 multiply-accumulates on each of 768x512 pixels.  "
        "Its time is that of an i7-7700K.  Its time on a GPU (15 ms) has no counterpart: inlaid decodes on the processor.",
        *_environment(speeds, f"medians of {speeds[-1]['repeats']} runs"),
    ]
    return [Heading("What restoring costs (Table I)"), Grid(head, filled), Notes(notes)]


# ------------------------------------------------------------------------------------------------ comparisons


def _standings(tables: Sequence[Table]) -> list[Block]:
    blocks: list[Block] = []
    for name in dict.fromkeys(s.name for t in tables for s in t.sets):
        anchor, others = compare.standings(tables, name)
        if len(others) > 1:
            grid = Grid(["file", "images", "BD-rate", "BD-PSNR"], [[s.name, s.images, *_gain(s.gain)] for s in others])
            blocks += [Heading(f"{name}, against {anchor}", 3), grid]
    about = Text("All kinds of files against one anchor, per image, by PSNR, at the rates that both reach.  Peers are tuned for looks.")
    return [Heading("Against other codecs"), about, *blocks] if blocks else []


def _ablations(tables: Sequence[Table]) -> list[Block]:
    blocks: list[Block] = []
    for found in compare.ablations(tables):
        rows = [
            [
                f"{table.inlay}{_about(table)}", _networks(table.lines), *_gain(result.per_image), *_gain(result.average_curve),
                *(f"{sum(values) / len(values):.{digits}f}" for values, digits in (
                    ([p.payload_bytes for p in result.points], 0), ([p.encode_s for p in result.points], 2))),
            ]
            for table, result in sorted(found.rows, key=lambda row: row[1].per_image.bd_rate_percent if row[1].per_image else 0)
        ]  # fmt: skip
        head = ["fitted with", "weights", "BD-rate, per image", "BD-PSNR, per image", "BD-rate, average curve", "BD-PSNR, average curve"]
        name = found.rows[0][1].name
        title = f"{name}: {found.base}; {found.images} picture{'s' * (found.images > 1)} at {found.points} points"
        blocks += [Heading(title, 3), Grid([*head, "payload, bytes", "encoding, s"], rows)]
    about = Text(
        "On the pictures and points that the configurations of a table all have, each against its plain base.  Where some were run on "
        "fewer pictures, a second table compares all of them on those.  "
        "A linear filter is applied wherever it was asked for; an inlay only where it pays.  "
        "Encoding: one thread, in seconds by the clock, whatever else the machine did."
    )
    return [Heading("What brings what"), about, *blocks] if blocks else []


def _about(table: Table) -> str:
    name = table.configuration["preset"]
    if name == wiener.NAME:
        return f": {wiener.ABOUT}"
    if table.configuration["effort"] == 1:
        return ": the prior as it is"
    known = presets.PRESETS | presets.ABLATIONS
    return f": {known[name].about}" if name in known else ""  # a line may be of a preset that is no more


def _networks(lines: Sequence[Line]) -> str:
    return ", ".join(map(str, sorted({line["network"]["weights"] for line in lines if line["network"]}))) or "none"


# ------------------------------------------------------------------------------------------------ every line


def _all(tables: Sequence[Table]) -> list[Block]:
    blocks: list[Block] = [Heading("All configurations")] if tables else []
    above = [compare.main(group) for group in compare.by_base(tables).values()]
    for table in tables:
        inner: list[Block] = [] if table.is_peer or table in above else [_gains(table)]
        for result in table.sets:
            inner += [Heading(result.name, 4), _points(table, result)]
        priors = sorted({line["prior"] for line in table.lines if line["prior"] is not None})
        networks = sorted({f"{n['weights']} weights and {n['biases']} biases" for line in table.lines if (n := line["network"])})
        used = [f"Networks: {'; '.join(networks) or 'none'}.  Priors: {', '.join(map(str, priors)) or 'none'}."]
        inner.append(Notes([*table.notes, *([] if table.is_peer else used), *_environment(table.lines, "encoding times are medians")]))
        blocks.append(Folded(table.title, inner))
    return blocks


def _points(table: Table, result: SetResult) -> Grid:
    looks = [look for look in LOOKS if all(look in p.looks for p in result.points)]
    at = "quality" if table.knob == "quality" else "rate, bpp"
    if table.is_peer:
        values = [(p, [_look(k, p.looks[k][1]) for k in looks]) for p in result.points]
        rows = [[p.at, f"{p.bpp:.4f}", f"{p.psnr_db:.3f}", *its, f"{p.encode_s:.2f}"] for p, its in values]
        return Grid([at, "bpp", "dB", *(LOOK_NAMES[k] for k in looks), "encoding, s"], rows)
    rows = [
        [
            p.at, f"{p.plain_bpp:.4f}", f"{p.bpp:.4f}", f"{p.plain_psnr_db:.3f}", f"{p.psnr_db:.3f}",
            f"{p.psnr_db - p.plain_psnr_db:+.3f}", *(_look(k, value) for k in looks for value in p.looks[k]),
            f"{p.payload_bytes:.0f}", f"{p.with_inlay} of {result.images}", f"{p.encode_s:.2f}",
        ]
        for p in result.points
    ]  # fmt: skip
    head = [at, "plain, bpp", "with inlay, bpp", "plain, dB", "with inlay, dB", "gain, dB"]
    head += [f"{which}, {LOOK_NAMES[k]}" for k in looks for which in ("plain", "with inlay")]
    return Grid([*head, "payload, bytes", "with an inlay", "encoding, s"], rows)


def _environment(lines: Sequence[Line], times: str) -> list[str]:
    """What the lines were measured with and on: each value that occurs."""
    versions = sorted({", ".join(f"{k} {v}" for k, v in line["versions"].items()) for line in lines})
    machines = sorted({line["machine"] for line in lines})
    return [f"Measured with {'; '.join(versions)}.", f"On {'; '.join(machines)}; {times}."]

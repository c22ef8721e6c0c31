"""The report's section on the paper's own recipe: its result, its readings, and what the default preset changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from .. import priors
from ..bench.runs import Line
from ..encoding.instance_norm import MOST_PX
from ..encoding.presets import PRESETS, SMALL
from . import compare, paper
from .cells import conditions
from .page import Block, Grid, Heading, Notes, Text
from .paper_tables import gains
from .tables import Results, SetResult, Table, set_result

PRESET = "paper"
# What leads from the paper's preset to the default, preset by preset.
STEPS = {
    PRESET: "",
    "papers-prior": "the same prior, but no norm in the fit; a Gauss-Newton step first, then Adam along the eigenvectors of its matrix",
    "unweighed": "priors of our own recipe, one for each band of qualities",
    "default": "the fit weighs bytes too",
}


def _introduction() -> str:
    """What the preset does: what the paper fixes, and what is chosen."""
    fit, trained = PRESETS[PRESET].at(5), priors.stored(priors.candidates("jpeg", SMALL, PRESET)[0].number)["provenance"]
    return (
        "`--preset paper` follows the paper where it is explicit: 378 weights, instance norm behind every layer but the last, MSRA "
        f"initialisation, SGD with momentum at {trained['learning_rate']} on crops of 256x256 pixels, then Adam at {fit.rate} with clipped "
        "gradients on the one picture.  What the paper leaves open is chosen by the readings below, on BSDS500 alone.  The choices: pixels "
        f"from 0 to {fit.pixel_range}; the loss averages over a block's pixels; one network for all levels of compression, whose last "
        f"layer begins with zeros; one crop a training step, {trained['steps']:,} steps, the rate falling along half a cosine; a fit of "
        f"{fit.steps} steps at effort 5, along a cosine too; the block of a fit is the whole picture (up to {MOST_PX:,} pixels), and the "
        f"norm takes its statistics there, in the fit and in use; the gradient is clipped to the norm {fit.clip:g}.  Ours: a leaky ReLU, "
        "real pixels around a block in place of padding, training without DIV2K, and the coding of the parameters.  The paper does not say "
        "whether its bytes count the parameters.  `docs/priors.md` has the courses and commands of the trainings (priors 19 and 20): "
        "they end where they gain no more."
    )


def reproduction(results: Results) -> list[Block]:
    """The section; empty where neither the preset nor a reading was measured."""
    blocks: list[Block] = []
    for table in results.tables:
        if table.configuration["preset"] == PRESET and table.configuration["effort"] > 1:
            title = f"{table.title}, beside Table II"
            free = replace(table, sets=[_uncounted(table, each) for each in table.sets])
            blocks += [Heading(title, 3), gains(table), Heading(f"{title}: payload not counted", 3), gains(free)]
    if blocks:
        blocks += [Heading("Beside Table I", 3), _beside_table_1(results.speeds), *_changes(results.tables)]
    blocks += _readings(results.readings)
    return [Heading("The paper by its own recipe"), Text(_introduction()), *blocks] if blocks else []


def _uncounted(table: Table, counted: SetResult) -> SetResult:
    """The result of a set if an inlay took no bytes."""
    lines = [line | {"file_bytes": line["plain_bytes"]} for line in table.lines if line["set"] == counted.name]
    result = set_result(counted.name, lines, [])
    assert result is not None  # the set has pictures
    return result


def _beside_table_1(speeds: Sequence[Line]) -> Grid:
    """Parameters, operations and time of the paper's network, here and in the paper."""
    weights, theirs = paper.TABLE_1["parameters"], paper.TABLE_1
    rows = [
        [
            f"inlaid, {line['width']}x{line['height']}, one thread",
            f"{weights} + {line['network']['biases']} biases, which the norm becomes",
            f"{line['network']['macs_per_pixel'] * line['width'] * line['height'] / 1e9:.3f}",
            f"{1000 * line['restore_s']:.2f}",
        ]
        for line in speeds
        if line["threads"] == 1 and line["network"]["weights"] == weights
    ]
    return Grid(["", "parameters", "GMAC", "restoring, ms"], [*rows, ["paper", weights, theirs["gflops"], f"{1000 * theirs['cpu_s']:.0f}"]])


def _changes(tables: Sequence[Table]) -> list[Block]:
    """What the default preset changes and what each change brings, where all steps between were measured on the same pictures."""
    for found in compare.ablations(tables):
        efforts = {table.configuration["effort"] for table, _ in found.rows}
        for effort in sorted(efforts):
            by_preset = {t.configuration["preset"]: r.per_image for t, r in found.rows if t.configuration["effort"] == effort}
            steps = [(by_preset.get(name), change) for name, change in STEPS.items()]
            if not all(gain for gain, _ in steps):
                continue
            name = found.rows[0][1].name
            parts = [
                f"{change} ({after.bd_rate_percent - before.bd_rate_percent:+.2f} points, to {after.bd_rate_percent:.2f} %)"
                for (before, _), (after, change) in pairwise(steps)
                if before and after
            ]
            first = steps[0][0]
            assert first is not None
            text = (
                f"What the default changes, step by step, and what each change brings ({name}: {found.base}, effort {effort}, per image; "
                f"the paper's recipe has {first.bd_rate_percent:.2f} %): {'; '.join(parts)}.  "
                "The table of ablations below has each of these presets."
            )
            return [Heading("From the paper's recipe to the default", 3), Text(text)]
    return []


def _readings(lines: Sequence[Line]) -> list[Block]:
    """A grid of the readings for each codec."""
    blocks: list[Block] = []
    head = [
        "reading",
        "training steps",
        "fit steps",
        "prior, dB",
        "fitted, dB",
        "payload, bytes",
        "BD-rate",
        "BD-rate, payload not counted",
    ]
    for codec in dict.fromkeys(line["codec"] for line in lines):
        chosen = [line for line in lines if line["codec"] == codec]
        pictures = max(line["pictures"] or 0 for line in chosen)
        grid = Grid(head, [_reading(line) for line in chosen])
        blocks += [Heading(f"Readings of the paper: {codec}, {pictures} pictures of BSDS500 that no reading was trained on", 3), grid]
        blocks.append(Notes([f"{line['differs']}: {line['reason']}." for line in chosen if line["reason"]]))
    text = Text(
        "Each reading differs from the chosen one as said.  Gains over the base: of the prior as it is, and of the fit before its "
        "parameters are coded.  Training is shorter than that of the shipped priors, so that all readings can be tried.  The norm's "
        "scale is lost before the last layer.  That layer's weights alone set the size of the answer: the pixels' range reads that too.  "
        "A network whose blocks have statistics of their own in use cannot be folded into weights, so it has no bytes."
    )
    return [*blocks, text, Notes(conditions(lines, "`python benchmarks/readings.py`"))] if blocks else []


def _reading(line: Line) -> list[object]:
    if line["reason"]:
        return [line["differs"], line["training_steps"], "", "", "diverges", "", "", ""]
    forms = {"prior_db": "{:+.3f}", "fitted_db": "{:+.3f}", "payload_bytes": "{:.0f}"}
    forms |= {"bd_rate_percent": "{:.2f} %", "bd_rate_uncounted_percent": "{:.2f} %"}
    figures = ("" if line[key] is None else form.format(line[key]) for key, form in forms.items())
    return [line["differs"], line["training_steps"], line["fit_steps"], *figures]

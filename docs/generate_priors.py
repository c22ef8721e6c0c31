"""Write docs/priors.md and docs/images/priors-*.svg from the provenance in the priors' files: `python docs/generate_priors.py`.

A test checks that the page is current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inlaid import priors
from inlaid.pretraining.pretrain import history
from inlaid.report import plots

PAGE = Path(__file__).with_name("priors.md")
HEAD = ("prior", "codec", "base", "band", "recipe", "channels x layers", "parameters", "steps", "gain at the end, dB", "start")
INTRODUCTION = """# Priors

<!-- Written by docs/generate_priors.py from the priors' files. -->

A prior holds pre-trained parameters, with which the inlays of a base codec and a band of qualities begin. The shipped priors are the files
in [`src/inlaid/priors`](../src/inlaid/priors). All were trained on the 500 pictures of BSDS500 and on nothing else.

The base is the encoder of the bases: trellis, for looks or for PSNR, is that of [design.md](design.md#the-base-made-for-its-inlay).
Bases made in rounds are those of the closed loop with the network that the training started from. That loop went straight to the wanted
shift, with s = 1 on JPEG 2000 bases and 1 or 1.25 on JPEG bases; today's goes farther, in more and smaller parts. The bands of bases for
looks are on today's scale of qualities; those of priors 33 to 44 had other numbers for the same quantisation steps then. Shrunk pictures
have sides of 0.7 times the length, since BSDS500's are JPEG files of about quality 93 themselves, which cannot teach finer bases.

The gain is the mean over the last training batches, before anything is fitted to a picture. Where a prior started from another one, the
steps are its own alone; prior 2 started from an earlier file of its own name. The priors for trellis bases go back to priors 2 and 11,
through files that are not shipped: `start-*`, and those whose names end in `-first`. The paper's recipe is SGD with momentum at a learning
rate of 0.01, one crop of 256x256 pixels a step and instance norm, for pixels from 0 to 255. Its file also holds the parameters before the
norm was folded into them, as `normed`: there the fits of `--preset paper` begin.
"""


def row(number: int, name: str, stored: dict[str, Any]) -> list[object]:
    """The row of one prior."""
    made, network = stored["provenance"], priors.network_of(number)
    knob = "quality" if "quality" in stored else "rate_bpp"
    low, high = stored[knob]
    _, gains_db = history(made)
    link, band = f"[{number}](../src/inlaid/priors/{name})", f"{'q' if knob == 'quality' else 'bpp'} {low:g} to {high:g}"
    shape, gain_db = f"{network.channels} x {network.layers}", f"{gains_db[-1]:+.3f}"
    start = made["start"] or "random numbers"
    return [link, stored["codec"], base(made), band, priors.recipe_of(number), shape, network.size, made["steps"], gain_db, start]


def base(made: dict[str, Any]) -> str:
    """How the bases were made."""
    parts = [f"{made['base']}, {made['tune']}" if "base" in made else "Pillow's"]
    parts += [f"{made['rounds']} rounds"] if "rounds" in made else []
    parts += ["shrunk"] if "shrink" in made else []
    return ", ".join(parts)


def render() -> str:
    """The page."""
    every = [(number, name, priors.stored(number)) for number, name in priors.files().items()]
    rows = [HEAD, ["---"] * len(HEAD), *(row(*each) for each in every)]
    table = "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in rows)
    commands = "\n".join(f"{number}: {stored['provenance']['command']}" for number, _, stored in every)
    pictures = "\n\n".join(f"![{title}](images/{file})" for file, title, _ in drawings())
    return f"{INTRODUCTION}\n{table}\n\n## The gain during training\n\n{pictures}\n\n## The commands\n\n```\n{commands}\n```\n"


def drawings() -> list[tuple[str, str, list[plots.Series]]]:
    """File, title and curves of each figure.  There is one for each base codec, recipe and tuning."""
    found: dict[tuple[str, ...], list[plots.Series]] = {}
    for number in priors.files():
        stored, network = priors.stored(number), priors.network_of(number)
        ends, gains_db = history(stored["provenance"])
        tune = stored["provenance"].get("tune")
        curves = found.setdefault((stored["codec"], priors.recipe_of(number), *([tune] if tune else [])), [])
        label = f"prior {number}, {network.channels} channels"
        curves.append(plots.Series(label, ends, gains_db, len(curves)))
    return [
        (f"priors-{'-'.join(key)}.svg", f"{key[0]}, recipe {key[1]}" + "".join(f", trellis tuned for {tune}" for tune in key[2:]), curves)
        for key, curves in found.items()
    ]


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
    for file, title, series in drawings():
        svg = plots.curves(title, series, x="steps", y="mean gain over the base, dB")
        (PAGE.parent / "images" / file).write_bytes(plots.standalone(svg))

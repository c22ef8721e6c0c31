"""Pre-training: from a folder of images to a prior.

Two stages.  `train` follows random patches of many pictures at many qualities.  `survey` then fits that start to single pictures, as
the encoder will, and notes how far each parameter strays and how much the error feels it: the prior's spreads and step exponents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import kernel, pictures
from .curvature import gauss_newton, sample
from .errors import FormatError, InlayError
from .fit import Adam, Pixels, Rectangles, Schedule, Vector, area, fit, he_init
from .formats import by_name
from .kernel import PEAK_MSE
from .network import Network, check_bounds
from .parameters import UNIT

# Pixels of the patches of a step; rows of a patch; its columns together with the halo, which fill whole vectors of the kernel.
BATCH_PX, ROWS, WIDTH = 65536, 64, 96
CHECKPOINT_EVERY = 2000
ROW = 9.0  # sum of a row's weights that leaves room: 16 is the bound of `check_bounds`
FIRST_TURN = 100  # when Adam first turns to the eigenvectors of the Gauss-Newton matrix; then at every checkpoint


@dataclass(frozen=True)
class Band:
    """How the bases of a corpus are coded: `knob` is "quality" or "rate_bpp", its value drawn anew for each picture."""

    codec: str
    knob: str
    low: float
    high: float

    def encode(self, luma: Image.Image, rng: np.random.Generator) -> bytes:
        """The base file of an L image."""
        module = by_name(self.codec)
        if self.knob == "quality":
            return module.encode_base(luma, int(rng.integers(int(self.low), int(self.high) + 1)), {})
        return module.encode_base(luma, None, {self.knob: self.low * (self.high / self.low) ** rng.random()})


@dataclass(frozen=True)
class Corpus:
    """Bases and originals of many pictures, one below the other in two planes; `places` (n, 3) are top row, height, width."""

    base: Pixels
    original: Pixels
    places: NDArray[np.int64]
    skipped: tuple[str, ...]  # names of files that are no pictures, or too small ones

    def draw(self, rng: np.random.Generator, pixels: int, halo_px: int) -> Rectangles:
        """Random patches (n, 4) of so many pixels together, whose halo stays inside their picture."""
        rows, columns = patch_size(halo_px)
        count = max(1, pixels // (rows * columns))
        top, height, width = self.places[rng.integers(0, len(self.places), count)].T
        y = top + halo_px + (rng.random(count) * (height - rows - 2 * halo_px + 1)).astype(np.int64)
        x = halo_px + (rng.random(count) * (width - columns - 2 * halo_px + 1)).astype(np.int64)
        return np.stack([y, y + rows, x, x + columns], axis=1).astype(np.int32)

    def picture(self, index: int) -> tuple[Pixels, Pixels]:
        """Base and original of one picture."""
        top, height, width = self.places[index]
        here = (slice(top, top + height), slice(0, width))
        return np.ascontiguousarray(self.base[here]), np.ascontiguousarray(self.original[here])


def patch_size(halo_px: int) -> tuple[int, int]:
    """Rows and columns of a training patch of a network with that halo."""
    return ROWS, max(32, WIDTH - 2 * halo_px)


def images_in(folders: Sequence[Path]) -> list[Path]:
    """The files that Pillow can open by their names, sorted, in folders and their subfolders."""
    known = Image.registered_extensions()
    return sorted(f for folder in folders for f in folder.rglob("*") if f.suffix.lower() in known)


def load(files: Sequence[Path], band: Band, network: Network, seed: int) -> Corpus:
    """The luma of `files`, each coded somewhere in the band; broken and too small ones are skipped."""
    rng, module = np.random.default_rng(seed), by_name(band.codec)
    pairs, places, top = [], [], 0
    skipped: list[str] = []
    rows, columns = (side + 2 * network.halo_px for side in patch_size(network.halo_px))
    for file in files:
        try:
            with Image.open(file) as opened:
                luma = Image.fromarray(pictures.luma(pictures.prepare(opened)[0]))
        except (OSError, InlayError, Image.DecompressionBombError):
            skipped.append(file.name)
            continue
        if luma.height < rows or luma.width < columns:
            skipped.append(file.name)
            continue
        pairs.append((module.decode_base(band.encode(luma, rng)).luma, np.asarray(luma)))
        places.append((top, *pairs[-1][0].shape))
        top += places[-1][1]
    if not pairs:
        raise FormatError(f"{len(files)} files, none an image of at least {columns}x{rows} pixels")
    width = max(p[2] for p in places)
    base, original = (np.zeros((top, width), np.uint8) for _ in range(2))
    for (b, o), (y, h, w) in zip(pairs, places, strict=True):
        base[y : y + h, :w], original[y : y + h, :w] = b, o
    return Corpus(base, original, np.array(places), tuple(skipped))


def train(
    network: Network,
    corpus: Corpus,
    steps: int,
    *,
    start: Vector | None = None,
    learning_rate: float = 0.01,
    seed: int = 0,
    threads: int | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Vector, list[float]]:
    """Parameters and, every CHECKPOINT_EVERY steps, the mean gain over the batches since (dB).

    Adam on batches of random patches, along the eigenvectors of the Gauss-Newton matrix of other such patches, the rate falling along
    half a cosine.  With `checkpoint`, an interrupted run goes on from there.
    """
    rng = np.random.default_rng(seed)
    parameters = he_init(network, rng) if start is None else start.astype(np.float32).copy()
    adam, history, done, error, plain = Adam(network.size, beta2=0.999), [], 0, 0.0, 0.0
    schedule = Schedule(steps, rate=learning_rate, warmup=50)
    if checkpoint is not None and checkpoint.exists():
        with np.load(checkpoint) as saved:
            parameters, adam.mean, adam.square = saved["parameters"], saved["mean"], saved["square"]
            done = adam.count = int(saved["done"])
            history = saved["history"].tolist()
            adam.axes = saved["axes"] if saved["axes"].size else None
    for step in range(done, steps):
        # Each step has its own generator, so a resumed run sees the batches that it would have seen.
        drawn = np.random.default_rng((seed, step))
        if step == FIRST_TURN or (step and step % CHECKPOINT_EVERY == 0):
            some = corpus.draw(drawn, 16384, network.halo_px)
            adam.turn(gauss_newton(network, parameters, corpus.base, some, threads=threads) / PEAK_MSE)
        patches = corpus.draw(drawn, BATCH_PX, network.halo_px)
        loss, gradient = kernel.gradient(network, parameters, patches, base=corpus.base, target=corpus.original, threads=threads)
        parameters -= adam.move(gradient / area(patches), schedule.rate_at(step)).astype(np.float32)
        error += loss
        for y0, y1, x0, x1 in patches:
            difference = corpus.base[y0:y1, x0:x1].astype(np.int64) - corpus.original[y0:y1, x0:x1]
            plain += float((difference**2).sum()) / PEAK_MSE
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
            history.append(round(float(10 * np.log10(plain / error)), 4))
            error = plain = 0.0
            if checkpoint is not None:
                axes = np.zeros(0) if adam.axes is None else adam.axes
                with checkpoint.with_suffix(".tmp").open("wb") as out:
                    np.savez(out, parameters=parameters, mean=adam.mean, square=adam.square, axes=axes, done=step + 1, history=history)
                checkpoint.with_suffix(".tmp").replace(checkpoint)
        if progress:
            progress(step + 1, steps)
    return parameters, history


def balanced(network: Network, parameters: Vector) -> Vector:
    """The same function with every sum well within its bounds, so that fits stay there too.

    Where an output channel's weights and bias grow by a factor, its activations do (leaky ReLU is homogeneous), and what the next
    layer multiplies them with may shrink by it.  So rows that are too long hand on a part, and the last layer, one long row, hands
    back to all rows before it.
    """
    out = parameters.astype(np.float64)
    tensors = {t.name: out[t.slice].reshape(t.shape) for t in network.tensors}  # views
    makers = ["first", *(f"pointwise{i}" for i in range(1, network.layers + 1))]
    takers = [*(f"depthwise{i}" for i in range(1, network.layers + 1)), "last"]
    for maker, taker in zip(makers, takers, strict=True):
        rows = np.abs(tensors[f"{maker}.weight"]).reshape(network.channels, -1).sum(1) + np.abs(tensors[f"{maker}.bias"])
        long = taker == "last" and np.abs(tensors["last.weight"]).sum() > ROW
        factors = ROW / np.maximum(rows, 1e-6) if long else np.minimum(1, ROW / np.maximum(rows, 1e-6))
        factors = np.clip(factors, 0.25, 4)
        tensors[f"{maker}.weight"] *= factors.reshape(-1, *[1] * (tensors[f"{maker}.weight"].ndim - 1))
        tensors[f"{maker}.bias"] *= factors
        tensors[f"{taker}.weight"] /= factors[:, None, None]
    return out.astype(np.float32)


def survey(
    network: Network, parameters: Vector, corpus: Corpus, pictures: int, *, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Step exponents and spreads (network.size,), from fits to `pictures` random pictures of the corpus.

    A step is so long that its rounding error adds the same to the error of every parameter (uniform noise of step^2 / 12 times the
    curvature), on the whole 0.05 % of the base's; a spread is the mean distance from the prior.
    """
    rng = np.random.default_rng(seed)
    schedule = Schedule(100, rate=0.01, batch_px=400_000, second_order=True)
    strayed, curvature = np.zeros(network.size), np.zeros(network.size)
    chosen = rng.permutation(len(corpus.places))[:pictures]
    for index in chosen:
        base, original = corpus.picture(int(index))
        mse = float(((base.astype(np.float64) - original) ** 2).mean())
        fitted = fit(network, parameters, schedule, base=base, original=original, seed=int(index)).parameters
        strayed += np.abs(fitted - parameters) / len(chosen)
        curvature += np.diag(gauss_newton(network, parameters, base, sample(base.shape, 8192))) / mse / len(chosen)
    step = np.sqrt(12 * 0.0005 / network.size / np.maximum(curvature, 1e-9)) * UNIT
    exponents = np.clip(np.rint(np.log2(step)), 0, 12).astype(np.int64)
    return exponents, np.maximum(np.rint(strayed * UNIT), 1).astype(np.int64)


def pretrain(
    folders: Sequence[Path],
    band: Band,
    network: Network,
    *,
    steps: int = 60_000,
    learning_rate: float = 0.01,
    start: Path | None = None,
    surveyed: int = 64,
    seed: int = 0,
    threads: int | None = None,
    checkpoint: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """What a prior's file holds (`to_text` writes it): trained on the images in `folders`, coded somewhere in `band`.

    start: another prior's file to begin at.  surveyed: how many pictures the survey fits.  `provenance` says how it came about.
    """
    files = images_in(folders)
    corpus = load(files, band, network, seed)
    begin = None
    if start is not None:
        begin = (np.array(json.loads(start.read_text("utf-8"))["values"]) / UNIT).astype(np.float32)
    parameters, history = train(
        network,
        corpus,
        steps,
        start=begin,
        learning_rate=learning_rate,
        seed=seed,
        threads=threads,
        checkpoint=checkpoint,
        progress=progress,
    )
    parameters = balanced(network, parameters)
    values = np.rint(parameters * UNIT).astype(np.int64)
    check_bounds(network, values)
    exponents, spreads = survey(network, parameters, corpus, surveyed, seed=seed)
    shape = {"channels": network.channels, "layers": network.layers, "kernel": network.kernel}
    provenance = {
        "folders": [folder.name for folder in folders],
        "images": len(corpus.places),
        "skipped": list(corpus.skipped),
        "steps": steps,
        "learning_rate": learning_rate,
        "start": start.name if start else None,
        "pictures": surveyed,
        "seed": seed,
        "gain_db_every_2000_steps": history,
    }
    return {
        "codec": band.codec,
        band.knob: [band.low, band.high],
        "network": {**shape, "dilations": list(network.dilations), "inputs": network.inputs},
        "provenance": provenance,
        "values": values.tolist(),
        "exponents": exponents.tolist(),
        "spreads": spreads.tolist(),
    }


def to_text(fields: dict[str, Any]) -> str:
    """JSON, a line a field."""
    return "{\n" + ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in fields.items()) + "\n}\n"

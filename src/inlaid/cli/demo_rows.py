"""The demo's numbers: a file with an inlay against other codecs, as a row, and the rows as tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .. import decoder
from ..arrays import Pixels
from ..bench.equal import NAMES, Measure, Peer, psnr
from ..encoding import looks
from ..encoding.encoder import Encoded
from ..encoding.run import Progress
from ..errors import InlayError

TITLES = {"jpeg": "JPEG", "webp": "WebP", "avif": "AVIF"}


@dataclass(frozen=True)
class Row:
    """One file.  `plain` is what any viewer shows of it.  PSNRs are of RGB, of a gray picture of the luma."""

    quality: int
    tune: str
    file_bytes: int
    payload_bytes: int
    ssimulacra2_plain: float | None
    ssimulacra2: float | None
    psnr_plain_db: float
    psnr_db: float
    peer_bytes: dict[str, int | None]  # at the measure that the file is tuned for; None where the peer does not reach it
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """The original, and what it can be compared by here."""

    original: Pixels
    measures: dict[str, Measure]  # by the tuning that aims at it
    peers: dict[str, Peer]
    notes: tuple[str, ...]  # sentences on what is left out

    @classmethod
    def of(cls, original: Pixels) -> Comparison:
        """With all measures and peers whose libraries are here."""
        measures: dict[str, Measure] = {"psnr": psnr}
        peers, notes = {}, []
        if min(original.shape[:2]) < looks.SMALLEST_PX:
            notes.append("SSIMULACRA2 is left out: the picture is too small for it.")
        else:
            try:
                looks.ssimulacra2(original, original)
                measures["looks"] = looks.ssimulacra2
            except InlayError:  # it names the bench's extra, which holds much more
                notes.append("SSIMULACRA2 is left out: it needs pip install 'inlaid[demo]'.")
        for name in NAMES:
            try:
                peers[name] = Peer(name, original)
            except InlayError as error:
                notes.append(f"{TITLES[name]} is left out: {error}.")
        return cls(original, measures, peers, tuple(notes))

    @property
    def kind(self) -> str:
        """What the PSNR is of."""
        return "RGB" if self.original.ndim == 3 else "luma"

    def looks(self, pixels: Pixels) -> float | None:
        """SSIMULACRA2 of a picture; None where it is left out."""
        return self.measures["looks"](self.original, pixels) if "looks" in self.measures else None

    def row(self, quality: int, tune: str, encoded: Encoded, seconds: float, progress: Progress) -> Row:
        """The row of a file; `seconds` is the time that encoding took."""
        plain, restored = (decoder.decode(encoded.data, base_only=only).pixels for only in (True, False))
        needed = {}
        if measure := self.measures.get(tune):
            wanted = measure(self.original, restored)
            for done, (name, peer) in enumerate(self.peers.items()):
                progress(done, len(self.peers))
                needed[name] = peer.bytes_at(measure, wanted)
        return Row(
            quality,
            tune,
            len(encoded.data),
            encoded.payload_bytes,
            self.looks(plain),
            self.looks(restored),
            psnr(self.original, plain),
            psnr(self.original, restored),
            needed,
            seconds,
        )

    def table(self, rows: Iterable[Row], tune: str, picture: str) -> Table:
        """The rows of one tuning, as a table of about 80 columns of text; `picture` says of which picture."""
        same = {"looks": "SSIMULACRA2", "psnr": f"PSNR of {self.kind}"}[tune]
        tuned = {"looks": "tuned for looks, the default", "psnr": "tuned for PSNR: --tune psnr"}[tune]
        made = Table(title=f"{picture}: bytes at the same {same} ({tuned})", box=SIMPLE_HEAD, pad_edge=False, title_justify="left")
        looks = ("looks\nplain", "looks\nrestored") if "looks" in self.measures else ()
        peers = tuple(TITLES[name] for name in self.peers) if tune in self.measures else ()
        for heading in ("q", "bytes", *looks, "PSNR\nplain", "PSNR\nrestored", *peers):
            made.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            inlay = f"{row.payload_bytes} inlay" if row.payload_bytes else "no inlay"
            found = (f"{value:.1f}" for value in (row.ssimulacra2_plain, row.ssimulacra2) if value is not None)
            reached = f"{row.psnr_plain_db:.2f}", f"{row.psnr_db:.2f}"
            needed = (against(size, row.file_bytes) for size in row.peer_bytes.values())
            made.add_row(f"{row.quality}", f"{row.file_bytes:,}\n{inlay}", *found, *reached, *needed)
        return made

    def legend(self) -> list[str]:
        """Lines that say what the columns of the tables are."""
        looks = "looks: SSIMULACRA2, at most 100.  " if "looks" in self.measures else ""
        names = ", ".join(TITLES[name] for name in self.peers)
        return [
            f"{looks}PSNR: of {self.kind}, in dB.",
            "q: quality.  plain: as any viewer shows the file.  restored: by its inlay.",
            f"{names}: bytes to equal the restored picture, against the file's; a lone -: not reached.",
            *self.notes,
        ]


def against(size: int | None, ours: int) -> str:
    """The bytes of a peer, and below them how many per cent they are above ours."""
    return "-" if size is None else f"{size:,}\n{round(100 * (size / ours - 1)):+} %"

"""The report shows the numbers of the lines, and needs nothing else."""

import base64
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.pictures import file_of

from inlaid.bench.settings import Settings
from inlaid.cli.main import main
from inlaid.report import compare, paper, sections
from inlaid.report import tables as report
from inlaid.report.tables import Results, Table

QUALITIES = (10, 20, 30, 40)


def line(image: str, quality: int, plain: tuple[int, float], inlay: tuple[int, float], **more) -> dict:
    """A line of the bench for a picture of 100 x 80 pixels, with (bytes, PSNR) without and with an inlay."""
    return {
        "image": image, "set": "kodak", "sha256": image, **Settings(quality=quality).__dict__, "threads": 1, "code": "c",
        "width": 100, "height": 80, "plain_bytes": plain[0], "file_bytes": inlay[0], "payload_bytes": inlay[0] - plain[0],
        "psnr_plain_db": plain[1], "psnr_db": inlay[1], "gain_db": None, "reason": "", "prior": 1,
        "network": {"channels": 6, "layers": 3, "weights": 378, "biases": 24}, "encode_s": 1.0, "decode_s": 0.1,
        "versions": {"inlay": "0"}, "machine": "one", **more,
    }  # fmt: skip


PLAIN = {"a": [(300, 27.0), (480, 29.1), (600, 30.4), (710, 31.2)], "b": [(500, 25.0), (820, 27.3), (1050, 28.5), (1240, 29.4)]}
GAIN_DB = {"a": 1.0, "b": 0.5}


def stored(**more) -> list[dict]:
    return [
        line(image, q, point, (point[0] + 100, point[1] + GAIN_DB[image]), **more)
        for image, points in PLAIN.items()
        for q, point in zip(QUALITIES, points, strict=True)
    ]


def tables(*files: Path) -> list[Table]:
    return report.results(files).tables


def write(run: Path, lines: list[dict]) -> Path:
    run.write_text("".join(json.dumps(each) + "\n" for each in lines))
    return run


def direct(points: list[tuple[int, float]], gain_db: float) -> tuple[float, float]:
    """BD-rate and BD-PSNR of 100 more bytes and a gain of `gain_db`, computed by the bjontegaard package."""
    import bjontegaard

    size, psnr = np.array(points).T
    curves = (8 * size / 8000, psnr, 8 * (size + 100) / 8000, psnr + gain_db)
    return tuple(f(*curves, method="akima", min_overlap=0) for f in (bjontegaard.bd_rate, bjontegaard.bd_psnr))


def test_report_equals_a_direct_computation(tmp_path: Path) -> None:
    live1 = [each for each in stored(set="LIVE1") if each["image"] == "a"]
    (table,) = tables(write(tmp_path / "1.jsonl", stored()), write(tmp_path / "2.jsonl", live1))
    by_image = {image: direct(points, GAIN_DB[image]) for image, points in PLAIN.items()}
    kodak, live = table.sets
    assert (kodak.name, kodak.images, live.name, live.images) == ("kodak", 2, "LIVE1", 1)
    expected = np.mean(list(by_image.values()), 0)
    assert (kodak.per_image.bd_rate_percent, kodak.per_image.bd_psnr_db) == pytest.approx(tuple(expected))
    curve = direct(np.mean(list(PLAIN.values()), 0), 0.75)
    assert (kodak.average_curve.bd_rate_percent, kodak.average_curve.bd_psnr_db) == pytest.approx(curve)
    assert live.per_image == live.average_curve
    weighted = table.average("per_image")
    assert weighted.bd_rate_percent == pytest.approx((2 * by_image["a"][0] + by_image["b"][0]) / 3)
    assert table.average("average_curve").bd_psnr_db == pytest.approx((2 * curve[1] + by_image["a"][1]) / 3)
    assert [p.at for p in kodak.points] == list(QUALITIES)
    assert [p.bpp for p in kodak.points] == pytest.approx([(PLAIN["a"][i][0] + PLAIN["b"][i][0] + 200) / 2000 for i in range(4)])
    page = sections.markdown(Results([table]))
    assert f"| kodak | 2 | {expected[0]:.2f} % | {expected[1]:+.3f} dB |" in page
    assert "| -17.05 % | +0.998 dB |" in page  # the paper's
    assert "| -15.27 % | +0.906 dB |" in page
    assert "-16.18" not in page  # its average is over three sets
    assert "378 weights and 24 biases" in page


def test_the_papers_averages_are_weighted() -> None:
    images = {"live1": 29, "kodak": 24, "classic5": 5}
    for codec, average in paper.AVERAGE.items():
        for column in (0, 1):
            mean = sum(n * paper.TABLE_2[codec][name][column] for name, n in images.items()) / 58
            assert mean == pytest.approx(average[column], abs=0.006)


def test_report_leaves_out_and_says_so(tmp_path: Path) -> None:
    lines = stored()
    lines += [line("half", q, (300, 20.0 + q), (310, 20.1 + q)) for q in QUALITIES[:2]]
    lines += [line("exact", q, (300 + q, None), (300 + q, None)) for q in QUALITIES]
    lines += [line("two", q, (300 + q, 20.0 + q), (300 + q, 20.1 + q), sha256=str(q)) for q in QUALITIES]
    lines += [line("falls", q, (300 + q, 60.0 - q), (300 + q, 60.1 - q)) for q in QUALITIES]
    before = [{**each, "psnr_db": 1.0, "code": "old"} for each in stored()[:1]]
    (table,) = tables(write(tmp_path / "run.jsonl", before + lines))
    notes = "\n".join(table.notes)
    assert "Not used: 1 older lines" in notes
    for image, reason in (
        ("half", "every quality"),
        ("exact", "infinite"),
        ("two", "different pictures"),
        ("falls", "does not rise"),
    ):
        assert any(image in note and reason in note for note in table.notes), image
    assert "versions of the code" not in notes
    assert table.sets[0].per_image == tables(write(tmp_path / "good.jsonl", stored()))[0].sets[0].per_image
    mixed = tables(write(tmp_path / "mixed.jsonl", [*stored()[1:], *before]))
    assert "2 versions of the code" in "\n".join(mixed[0].notes)


def test_a_point_that_few_have_is_not_used(tmp_path: Path) -> None:
    """A crop at a rate of its own does not cost the other pictures their place."""
    third = [{**each, "image": "c"} for each in stored() if each["image"] == "a"]
    extra = line("a", 25, (540, 29.8), (640, 30.8))
    (table,) = tables(write(tmp_path / "run.jsonl", [*stored(), *third, extra]))
    assert [p.at for p in table.sets[0].points] == list(QUALITIES)
    assert table.sets[0].images == 3
    assert "kodak: the lines at 25 are not used: most pictures do not have them." in table.notes
    assert extra in [{name: each[name] for name in extra} for each in table.lines]


# ------------------------------------------------------------------------------------------------ comparisons


def as_plain(lines: list[dict], codec: str) -> list[dict]:
    """The lines of a peer with 80 % of the plain base's bytes at the same PSNR."""
    smaller = [{**each, "plain_bytes": 8 * each["plain_bytes"] // 10} for each in lines]
    return [
        {**each, "codec": codec, "preset": "none", "effort": 0, "file_bytes": each["plain_bytes"], "payload_bytes": 0,
         "psnr_db": each["psnr_plain_db"], "network": None, "prior": None}
        for each in smaller
    ]  # fmt: skip


def test_ablations_are_of_what_all_have(tmp_path: Path) -> None:
    whole, prior = stored(), [each for each in stored(effort=1) if each["image"] == "a"]
    found = tables(write(tmp_path / "run.jsonl", whole + prior + stored(optimize=True)))
    (ablation,) = compare.ablations(found)
    assert (ablation.base, ablation.images, ablation.points) == ("jpeg, baseline, default Huffman tables", 1, 4)
    assert [table.configuration["effort"] for table, _ in ablation.rows] == [5, 1]
    expected = direct(PLAIN["a"], GAIN_DB["a"])
    for _, result in ablation.rows:
        assert (result.per_image.bd_rate_percent, result.per_image.bd_psnr_db) == pytest.approx(expected)
    changed = [{**each, "sha256": "another"} for each in prior]
    assert compare.ablations(tables(write(tmp_path / "other.jsonl", whole + changed))) == []
    both = compare.ablations(tables(write(tmp_path / "both.jsonl", whole + stored(effort=7) + prior)))
    assert [(each.images, len(each.rows)) for each in both] == [(len(PLAIN), 2), (1, 3)]


def test_main_has_the_most_pictures_and_saves_most(tmp_path: Path) -> None:
    few = [{**each, "psnr_db": each["psnr_db"] + 1} for each in stored(effort=9) if each["image"] == "a"]
    better = [{**each, "psnr_db": each["psnr_db"] + 0.1} for each in stored(effort=7)]
    found = tables(write(tmp_path / "run.jsonl", stored() + few + better))
    assert compare.main(found).configuration["effort"] == 7


def test_standings_by_hand(tmp_path: Path) -> None:
    found = tables(write(tmp_path / "run.jsonl", stored() + as_plain(stored(), "webp")))
    anchor, (first, second) = compare.standings(found, "kodak")
    assert anchor == "jpeg, baseline, default Huffman tables, plain"
    by_name = {s.name: s for s in (first, second)}
    assert by_name["webp"].gain.bd_rate_percent == pytest.approx(-20, abs=0.2)  # bytes are rounded down
    inlay = by_name["jpeg, baseline, default Huffman tables, with an inlay (preset default, effort 5)"]
    assert inlay.gain.bd_psnr_db == pytest.approx(np.mean([direct(PLAIN[i], GAIN_DB[i])[1] for i in PLAIN]))
    assert first.gain.bd_rate_percent < second.gain.bd_rate_percent
    other_pictures = [{**each, "sha256": "another " + each["image"]} for each in as_plain(stored(), "webp")]
    found = tables(write(tmp_path / "other.jsonl", stored() + other_pictures))
    assert [s.name for s in compare.standings(found, "kodak")[1]] == [inlay.name]


def test_rates_and_qualities_are_not_mixed(tmp_path: Path) -> None:
    rates = [
        {**each, "codec": "jpeg2000", "quality": None, "rate_bpp": each["quality"] / 40} for each in stored()
    ]  # fmt: skip
    by_rate, by_quality = tables(write(tmp_path / "run.jsonl", rates + stored(codec="jpeg2000")))
    assert [p.at for p in by_rate.sets[0].points] == [0.25, 0.5, 0.75, 1.0]
    assert (by_rate.base, by_quality.base) == ("jpeg2000", "jpeg2000 by quality")
    page = sections.markdown(Results([by_rate]))
    assert "| rate, bpp | plain, bpp |" in page and "| -4.76 % | +0.256 dB |" in page


# ------------------------------------------------------------------------------------------------ pages


def png(level: int) -> str:
    return base64.b64encode(file_of(Image.new("L", (16, 12), level))).decode()


def speed_line(weights: int, threads: int, **more) -> dict:
    network = {"channels": 6, "layers": 3, "weights": weights, "biases": 24, "macs_per_pixel": weights}
    return {
        "benchmark": "speed", "codec": "jpeg", "network": network, "prior": 1, "width": 768, "height": 512, "threads": threads,
        "restore_s": 0.0125 / threads, "decode_s": 0.02, "repeats": 3, "versions": {"inlay": "0"}, "machine": "one", **more,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A file of lines with everything that a report can show: two presets, JPEG 2000, a peer, metrics, crops, times."""
    looks = {name + which: 0.9 for name in ("ssim", "ms_ssim", "ssimulacra2") for which in ("", "_plain")}
    lines = stored(metrics="all", **looks)
    crop = {"box": [0, 0, 16, 12], "original": png(0), "plain": png(100), "restored": png(200)}
    lines[1]["crop"] = {**crop, "restored": png(201)}  # 0.48 and 0.58 bpp: nearest to 0.4 of those that have one
    lines[2]["crop"] = crop
    rates = [{**each, "codec": "jpeg2000", "quality": None, "rate_bpp": each["quality"] / 40} for each in stored()]
    odd = stored(set="<a> & b", effort=1)
    return write(
        tmp_path / "run.jsonl",
        [*lines, *stored(effort=1), *stored(preset="paper"), *rates, *as_plain(stored(), "webp"), *odd,
         speed_line(378, 1, restore_s=9.0), speed_line(378, 1), speed_line(378, 2), speed_line(1888, 1)],
    )  # fmt: skip


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Links(HTMLParser):
    """The tags and addresses of a page.  Fails if tags do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.tags, self.addresses = [], [], []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "img", "br"):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_no_other_file(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["report", str(run), "-o", str(out)])
    assert result.exit_code == 0, result.output
    page = (out / "results.html").read_text("utf-8")
    (links := Links()).feed(page)
    assert not links.open
    assert links.tags.count("svg") == 5  # PSNR of two sets, three other metrics of one
    assert links.tags.count("img") == 3
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in links.addresses)
    assert "url(http" not in page and "@import" not in page
    assert "&lt;a&gt; &amp; b" in page and "<a>" not in page
    assert "prefers-color-scheme: dark" in page and 'name="viewport"' in page and "#123456" not in page


def test_both_pages_say_all(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert CliRunner().invoke(main, ["report", str(run), "-o", str(out)]).exit_code == 0
    markdown, html = ((out / name).read_text("utf-8") for name in ("results.md", "results.html"))
    for heading in ("Savings (Table II)", "Rate and distortion (Figure 3)", "Side by side (Figure 4)", "Against other codecs",
                    "What each part of the method brings", "Speed of restoring (Table I)", "All configurations"):  # fmt: skip
        assert f"## {heading}\n" in markdown and f"<h2>{heading}</h2>" in html
    row = "6 channels, 3 layers|768x512|378 + 24|378|0.149|12.50|20.00|6.25|20.00"
    assert f"| {' | '.join(row.split('|'))} |" in markdown
    assert "".join(f"<td>{cell}</td>" for cell in row.split("|")) in html
    assert "| 1888 | 0.742 | 12.50 | 20.00 |  |  |" in markdown
    assert "| paper | 256x256 | 378 |  | 0.14 | 430 |" in markdown
    assert "plain, SSIMULACRA2" in markdown and "0.480 bpp, 29.10 dB, SSIM 0.9000" in html
    linked = set(re.findall(r"!\[[^]]*\]\(([^)]+)\)", markdown))
    assert linked == set(files_in(out)) - {"results.md", "results.html"}
    assert np.asarray(Image.open(out / "results" / "crop-kodak_a-jpeg_baseline_default_Huffman_tables-inlay.png"))[0, 0] == 201


def test_report_command(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same lines give the same bytes.  Without matplotlib only the curves are missing."""
    runner, out, again = CliRunner(), tmp_path / "out", tmp_path / "again"
    for folder in (out, again):
        assert runner.invoke(main, ["report", str(run), "-o", str(folder)]).exit_code == 0
    assert files_in(out) == files_in(again)
    assert (out / "results" / "rd-kodak.svg").read_bytes().startswith(b"<?xml")
    printed = runner.invoke(main, ["report", str(run)])
    assert printed.exit_code == 0
    assert set(printed.stdout.splitlines()) < set((out / "results.md").read_text("utf-8").splitlines())

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    bare = tmp_path / "bare"
    result = runner.invoke(main, ["report", str(run), "-o", str(bare)])
    assert result.exit_code == 0
    assert "no figures: matplotlib is not installed" in result.output
    assert {Path(name).suffix for name in files_in(bare)} == {".md", ".html", ".png"}
    result = runner.invoke(main, ["report", str(write(tmp_path / "none.jsonl", []))])
    assert result.exit_code == 1
    assert "no measurement" in result.output


def test_times_alone_are_a_report(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["report", str(write(tmp_path / "run.jsonl", [speed_line(378, 1)]))])
    assert result.exit_code == 0
    assert "Table I)" in result.output and "Table II)" not in result.output


def test_ablations_are_shown_only_among_the_ablations(tmp_path: Path) -> None:
    """Ablations and presets that no longer exist are shown only among the ablations, however good they are."""
    better = [{**line, "psnr_db": line["psnr_db"] + 1} for line in stored(preset="wiener", effort=0)]
    run = write(tmp_path / "run.jsonl", [*stored(), *better, *stored(preset="gone")])
    result = CliRunner().invoke(main, ["report", str(run)])
    assert result.exit_code == 0, result.output
    savings = result.output[result.output.index("## Savings") : result.output.index("## Rate")]
    assert "preset default, effort 5" in savings and "wiener" not in savings
    assert "| preset wiener: a linear filter of 13x13 pixels" in result.output and "| preset gone, effort 5 |" in result.output

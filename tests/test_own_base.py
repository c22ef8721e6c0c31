"""The report's section on bases that are made for their inlay: its numbers by hand, and the other sections stay as they are."""

import re
from functools import cache

import numpy as np
import pytest
from test_report import PLAIN, QUALITIES, as_plain, direct, line, stored, write
from test_reproduction import section

from inlaid.bench import peers
from inlaid.bench.metrics import Curve, height_at
from inlaid.errors import InlayError
from inlaid.report import sections
from inlaid.report import tables as report

GRAY = {"optimize": True}
TRELLIS = {"base": "trellis", "progressive": None}
COLOUR = {"colour": True, "subsampling": "420"}
LIBJPEG = "jpeg, baseline, optimised Huffman tables"
OWN = "jpeg, trellis, for psnr"


def smaller(lines, factor=0.8):
    """Lines of files of 80 % of the bytes."""
    return [each | {name: factor * each[name] for name in ("plain_bytes", "file_bytes")} for each in lines]


def page(tmp_path, *lines):
    return sections.markdown(report.results([write(tmp_path / "run.jsonl", [each for some in lines for each in some])]))


def rows(text):
    """The cells of a table's rows by their first."""
    cells = [[cell.strip() for cell in each.strip("|").split("|")] for each in text.splitlines() if each.startswith("| ")]
    return {first: rest for first, *rest in cells}


def percent(cell):
    return float(cell.split(" %")[0])


@cache
def of_an_inlay(factor=1.0):
    """The mean BD-rate of a file with an inlay, of `factor` of the bytes of `stored`, over the plain base."""
    import bjontegaard

    gains = []
    for image, points in PLAIN.items():
        size, psnr = np.array(points).T
        gain_db = {"a": 1.0, "b": 0.5}[image]
        gains.append(bjontegaard.bd_rate(size, psnr, factor * (size + 100), psnr + gain_db, method="akima", min_overlap=0))
    return np.mean(gains)


def test_lines_of_the_paper_alone_make_no_section(tmp_path):
    assert "made for its inlay" not in page(tmp_path, stored(**GRAY), as_plain(stored(), "webp"))


def test_rates_by_hand(tmp_path):
    webp = as_plain(stored(), "webp")
    text = page(tmp_path, stored(**GRAY), smaller(stored(**TRELLIS), 0.5), webp)
    found = rows(section(text, "### PSNR of the luma, gray, kodak"))
    assert found["file"] == ["images", "points", "against libjpeg", "against WebP"]
    assert found[f"{OWN}, plain"][:2] == ["2", "4"]
    assert percent(found[f"{OWN}, plain"][2]) == pytest.approx(-50, abs=0.01)
    assert percent(found[f"{OWN}; preset default, effort 5"][2]) == pytest.approx(of_an_inlay(0.5), abs=0.01)
    assert percent(found[f"{LIBJPEG}; preset default, effort 5"][2]) == pytest.approx(of_an_inlay(), abs=0.01)
    assert percent(found["webp"][2]) == pytest.approx(-20, abs=0.2)  # bytes are rounded down
    assert percent(found[f"{LIBJPEG}, plain"][3]) == pytest.approx(25, abs=0.3)
    assert found["webp"][3] == found[f"{LIBJPEG}, plain"][2] == ""  # against itself
    gains = [percent(each[2]) for each in found.values() if "%" in each[2]]
    assert gains == sorted(gains)


def test_only_the_range_counts(tmp_path):
    """What lies below 0.15 and above 1.5 bits a pixel: two points on each side, the outer ones of a file that is worse than any."""
    near = [line(image, q, at, at, **TRELLIS) for image in PLAIN for q, at in ((2, (140, 24.0)), (98, (1501, 60.0)))]
    outside = [line(image, q, at, at, **TRELLIS) for image in PLAIN for q, at in ((1, (100, 1.0)), (99, (1600, 90.0)))]
    lines = [stored(**GRAY), smaller(stored(**TRELLIS)), as_plain(stored(), "avif")]
    name = "### PSNR of the luma, gray, kodak"
    assert section(page(tmp_path, *lines, near, outside), name) == section(page(tmp_path, *lines, near), name)


def test_gray_and_colour_are_not_mixed(tmp_path):
    """A peer has one name for both."""
    lines, name = [stored(**GRAY), smaller(stored(**TRELLIS)), as_plain(stored(), "webp")], "### PSNR of the luma, gray, kodak"
    colourful = smaller(as_plain(stored(colour=True), "webp"), 0.3)
    assert section(page(tmp_path, *lines, colourful), name) == section(page(tmp_path, *lines), name)


def test_scores_count_from_50_to_90(tmp_path):
    def seen(lines, factor):
        """Scores of 35, 50, 65 and 80; the lowest is out of the range, and 10 % of the bytes."""
        found = []
        for each in lines:
            score = 20 + 1.5 * each["quality"]
            size = each["plain_bytes"] * (factor if score >= 50 else 0.1)
            values = {"ssimulacra2_plain": score, "ssimulacra2": score, "plain_bytes": size, "file_bytes": size}
            found.append(each | values | {"psnr_rgb_plain_db": 30.0 + each["quality"], "psnr_rgb_db": 30.0 + each["quality"]})
        return found

    text = page(tmp_path, seen(stored(**GRAY, **COLOUR), 1), seen(stored(**TRELLIS, **COLOUR), 0.7), stored(**GRAY))
    found = rows(section(text, "### SSIMULACRA2, kodak"))
    assert found[f"{OWN}, 4:2:0, plain"] == ["2", "3", "-30.00 %"]
    assert "PSNR of RGB, kodak" in text and "PSNR of the luma, colour, kodak" in text


def test_a_picture_counts_the_same_in_every_set(tmp_path):
    live1 = [each for each in smaller(stored(set="live1", **TRELLIS), 0.5) if each["image"] == "a"]
    anchor = [each for each in stored(set="live1", **GRAY) if each["image"] == "a"]
    text = page(tmp_path, stored(**GRAY), smaller(stored(**TRELLIS), 0.8), live1, anchor)
    name = f"{OWN}, plain"
    found = rows(section(text, "### PSNR of the luma, gray, over all sets"))
    assert found[name][0] == "3"
    assert percent(found[name][2]) == pytest.approx((-20 - 20 - 50) / 3, abs=0.01)
    each = text.split("### PSNR of the luma, gray, each set\n", 1)[1]
    assert percent(rows(section(each, "#### kodak"))[name][2]) == pytest.approx(-20, abs=0.01)
    assert percent(rows(section(each, "#### live1"))[name][2]) == pytest.approx(-50, abs=0.01)


def test_pictures_without_a_rate_are_counted(tmp_path):
    """A file that is beyond the anchor on one picture."""
    far = [each | ({"psnr_db": each["psnr_db"] + 40} if each["image"] == "b" else {}) for each in stored(**TRELLIS)]
    found = rows(section(page(tmp_path, stored(**GRAY), far), "### PSNR of the luma, gray, kodak"))
    assert found[f"{OWN}; preset default, effort 5"][2] == f"{direct(PLAIN['a'], 1.0)[0]:.2f} % (1)"


def test_a_loop_and_its_plain_picture(tmp_path):
    """The base of a loop is no kind of file of its own.  A plain viewer shows it, at the bytes of the whole file."""
    loop = smaller(stored(**TRELLIS, legacy_loss_db=0.3, tune="looks"), 0.5)
    text = page(tmp_path, stored(**GRAY), loop)
    name = "jpeg, trellis, for looks; preset default, effort 5, loop of 0.3 dB"
    assert name in rows(section(text, "### PSNR of the luma, gray, kodak"))
    assert "jpeg, trellis, for looks, plain" not in text
    import bjontegaard

    expected = np.mean(
        [
            bjontegaard.bd_rate(size, psnr, 0.5 * (size + 100), psnr, method="akima", min_overlap=0)
            for size, psnr in (np.array(points).T for points in PLAIN.values())
        ]
    )
    found = rows(section(text, "### The plain picture"))
    assert found["file"] == ["PSNR of the luma, gray"]
    assert percent(found[name][0]) == pytest.approx(expected, abs=0.01)
    assert percent(found[f"{LIBJPEG}; preset default, effort 5"][0]) > 0  # its inlay takes bytes and shows nothing


def test_the_worst_picture(tmp_path):
    """The plain base of the same bytes is looked up on the picture's own curve; what is outside it is left out."""
    lines = [line("a", q, PLAIN["a"][i], (PLAIN["a"][i][0] + 30, 33.0), **TRELLIS) for i, q in enumerate(QUALITIES)]
    lines[1] |= {"file_bytes": 600, "psnr_db": 30.4 - 0.5}  # as many bytes as the plain base of quality 30
    text = section(page(tmp_path, stored(**GRAY), lines), "### The worst picture")
    name = f"{OWN}; preset default, effort 5"
    assert rows(text)[name] == ["PSNR of the luma, gray", "yes", "3", "-0.500 dB", "kodak/a at quality 20"]
    compared = sum(int(cells[2]) for cells in rows(text).values() if cells[1] == "yes")
    assert (
        f"The worst of {compared} comparisons by what a file aims at: -0.500 dB (kodak/a at quality 20, PSNR of the luma, gray; {name})"
        in text
    )


def test_a_base_for_looks_does_not_aim_at_psnr(tmp_path):
    looks = [line("a", q, PLAIN["a"][i], (PLAIN["a"][i][0] + 30, 20.0), **TRELLIS, tune="looks") for i, q in enumerate(QUALITIES)]
    text = section(page(tmp_path, stored(**GRAY), looks), "### The worst picture")
    assert rows(text)["jpeg, trellis, for looks; preset default, effort 5"][1] == "no"
    assert "for looks" not in text.split("by what a file aims at", 1)[1].split("\n", 1)[0]


def test_heights_between_the_points():
    curve = Curve([1, 2, 4, 8], [20, 26, 32, 38])
    assert [height_at(curve, bpp) for bpp in (1, 4, 8)] == [20, 32, 38]
    assert height_at(curve, 2**1.5) == pytest.approx(29)
    assert height_at(curve, 0.99) is height_at(curve, 8.01) is None
    with pytest.raises(InlayError, match="two points or more"):
        height_at(Curve([1], [20]), 1)


def test_the_papers_sections_are_of_its_lines_alone(tmp_path):
    """New kinds of lines, and the old kind at more points, change no section but their own and the full list."""
    old = [stored(), stored(**GRAY), as_plain(stored(), "webp")]
    new = [smaller(stored(**more)) for more in (TRELLIS, COLOUR | GRAY, {"legacy_loss_db": 0.3}, {"tune": "looks"})]
    new += [as_plain(stored(colour=True), "webp")]
    new += [[line(image, q, at, (at[0], at[1] + 3), **GRAY) for image in PLAIN for q, at in ((5, (200, 20.0)), (60, (1300, 33.0)))]]
    before, after = (re.split(r"^(?=## )", page(tmp_path, *lines), flags=re.MULTILINE) for lines in (old, old + new))
    assert [part for part in after if not part.startswith(("## The base made", "## All config"))] == before[:-1]
    assert "The lines at 5, 60 are used for the section on the base made for its inlay alone." in after[-1]
    for title in (f"{OWN}; preset default, effort 5", "jpeg, baseline, default Huffman tables; preset default, effort 5, for looks",
                  f"{LIBJPEG}, 4:2:0, in colour; preset default, effort 5", "webp, in colour",
                  "jpeg, baseline, default Huffman tables; preset default, effort 5, loop of 0.3 dB"):  # fmt: skip
        assert f"### {title}\n" in after[-1]
    assert "BD-rate" in section(after[-1], f"### {OWN}; preset default, effort 5")
    of_loop = section(after[-1], "### jpeg, baseline, default Huffman tables; preset default, effort 5, loop of 0.3 dB")
    assert "BD-rate" not in of_loop  # its base is no anchor
    found = rows(section("".join(after), "### PSNR of the luma, gray, kodak"))
    assert found[f"{LIBJPEG}; preset default, effort 5"][1] == "6"


def test_points_that_lack_a_usual_one_are_all_used(tmp_path):
    """Whoever measures at points of his own gets the gains over these."""
    own = [each | {"quality": each["quality"] + 5} for each in stored()]
    (table,) = report.results([write(tmp_path / "run.jsonl", own)]).tables
    assert [point.at for point in table.sets[0].points] == [15, 25, 35, 45]


def test_every_peer_has_usual_points():
    assert set(peers.QUALITIES) == set(peers.NAMES)

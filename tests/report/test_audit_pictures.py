"""Pictures of an audit: marks where the numbers are, nothing outside, and no word over another."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest

from expunge.record_audit import Cell
from expunge.report.audits import bars, curves, distributions
from expunge.report.audits.comparison import rate_picture
from expunge.report.audits.view import audits_of
from expunge.report.page import to_html
from expunge.report.view import grouped
from report.made_up_audit import audit_record, made_audit, without_control
from report.test_audits import MADE, page

Box = tuple[float, float, float, float]  # left, top, right, bottom


def pictures(html: str) -> list[ET.Element]:
    return [ET.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.S)]


def box(element: ET.Element) -> Box:
    """Of a text, roughly: 6.3 a letter, which is wide for these sizes."""
    x, y = float(element.get("x", 0)), float(element.get("y", 0))
    width = 6.3 * len(element.text or "")
    left = x - {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor", "start")]
    return left, y - 10, left + width, y + 2.5


def numbers_of(svg: ET.Element) -> list[float]:
    """All coordinates across and up of lines and corners."""
    found: list[float] = []
    for element in svg.iter():
        words = " ".join(
            element.get(name, "") for name in ("points", "d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy")
        )
        found += [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", words)]
    return found


@pytest.mark.parametrize("name", MADE)
def test_words_of_a_picture_do_not_overlap(name: str) -> None:
    for svg in pictures(page(name)):
        texts = [box(text) for text in svg.iter("text") if not text.get("transform")]
        for one, two in combinations(texts, 2):
            apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
            assert apart, f"{svg[0].text}: {one} and {two}"
        width = float(svg.get("width", 0))
        for left, _, right, _ in texts:
            assert left >= -6
            assert right <= width + 6


@pytest.mark.parametrize("name", MADE)
def test_pictures_are_named_and_stay_inside(name: str) -> None:
    for svg in pictures(page(name)):
        assert svg[0].tag == "title"
        assert svg[0].text
        width, height = float(svg.get("width", 0)), float(svg.get("height", 0))
        assert all(-3 <= x <= max(width, height) + 3 for x in numbers_of(svg))


def ends(svg: str) -> list[float]:
    """Where the three bars end."""
    root = ET.fromstring(svg)
    found = [e for e in root.iter("rect") if float(e.get("height", 0)) == bars.BAR]
    return [float(e.get("x", 0)) + float(e.get("width", 0)) for e in found]


def test_bars_end_where_the_numbers_are() -> None:
    k: dict[str, float | None] = {"original": 0.75, "unlearned": 0.5, "retrained#0": 0.0, "retrained#1": 0.5}
    cell = Cell(name="a", family="f", n=1, k=k, gap=0.5, excess=0.25, excess_bounds=(0.125, 2.0), status="known")
    drawn = bars.drawing(cell, "a", 0.2)
    assert ends(drawn) == pytest.approx([bars.SCALE(x) for x in (0.75, 0.25, 0.5)], abs=0.11)
    root = ET.fromstring(drawn)
    assert root[1].text == "original 0.750; unlearned 0.500; retrained#0 0; retrained#1 0.500; band 0.150 to 0.350"
    edges = [float(e.get("x1", 0)) for e in root.iter("line") if e.get("class") == "edge"]
    assert edges == pytest.approx([bars.SCALE(0.15), bars.SCALE(0.35)], abs=0.06)
    spans = sorted({float(e.get("x1", 0)) for e in root.iter("line") if e.get("class") == "span"})
    assert spans == pytest.approx([bars.SCALE(x) for x in (0, 0.375, 0.5, 1)], abs=0.06)  # 2.25 is cut at 1


def test_bars_of_what_was_not_measured() -> None:
    (cell,) = without_control().cells
    drawn = bars.drawing(cell, "a", 0.2)
    assert len(ends(drawn)) == 2
    assert 'class="edge"' not in drawn


def test_sixty_cells_and_one() -> None:
    whole = made_audit()
    many = whole.model_copy(update={"cells": (*whole.cells, *whole.cells[:25])})
    assert to_html([audit_record(many)]).count('class="bar') - len(whole.families) * 2 == 60
    (audited,) = audits_of(grouped([audit_record(whole.model_copy(update={"cells": whole.cells[:1]}))]))
    assert [family for family, _ in bars.bars(audited)] == ["likelihood"]


def corners(drawn: str, kind: str) -> list[tuple[float, float]]:
    root = ET.fromstring(drawn)
    (d,) = [e.get("d", "") for e in root.iter("path") if e.get("class") == f"ecdf {kind}"]
    return [(float(x), float(y)) for x, y in (point.split() for point in d[1:].split(" L"))]


def test_distributions_step_at_the_scores() -> None:
    cell = Cell(name="a", family="f", n=4, scores={"original": (1.0, 0.5, 1.0, 0.0), "unlearned": (0.0,) * 4})
    drawn = distributions.ecdfs(cell, "a")
    left, right = distributions.LEFT, distributions.WIDTH - distributions.RIGHT
    bottom, top = distributions.HEIGHT - distributions.BOTTOM, distributions.TOP
    middle, quarter = (left + right) / 2, (bottom - top) / 4
    assert corners(drawn, "original") == [
        (left, bottom), (left, bottom - quarter), (middle, bottom - quarter), (middle, bottom - 2 * quarter),
        (right, bottom - 2 * quarter), (right, top), (right, top),
    ]  # fmt: skip
    assert corners(drawn, "unlearned") == [(left, bottom), (left, top), (right, top)]


def test_long_distributions_have_few_corners_and_never_fall() -> None:
    scores = tuple(((i * 7919) % 5003) / 5003 for i in range(5000))
    drawn = distributions.ecdfs(Cell(name="a", family="f", n=5000, scores={"original": scores}), "a")
    points = corners(drawn, "original")
    assert len(points) <= 2 * distributions.MOST + 2
    assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in pairwise(points))


def test_scores_beyond_1_have_an_axis_of_their_own() -> None:
    drawn = distributions.ecdfs(Cell(name="a", family="f", n=3, scores={"original": (-3.0, 0.0, 12.0)}), "a")
    assert {">0<", ">10<"} <= set(re.findall(">[^<]*<", drawn))


def test_labels_of_lines_that_end_together_are_moved_apart() -> None:
    curve = ((0.0, 0.1), (1.0, 0.5))
    cell = Cell(name="a", family="f", n=1, curves=dict.fromkeys(("original", "unlearned", "retrained#0"), curve))
    root = ET.fromstring(curves.drawing(cell, "a", "retrained"))
    places = sorted(float(e.get("y", 0)) for e in root.iter("text") if (e.get("class") or "").startswith("end"))
    assert [b - a for a, b in pairwise(places)] == pytest.approx([curves.LABEL] * 2)
    assert all(curves.TOP <= y <= curves.HEIGHT - curves.BOTTOM + 5 for y in places)


@pytest.mark.parametrize("places", [[5, 5, 5], [100, 99, 98], [0, 0, 100], [50], []])
def test_spread_keeps_the_order_and_the_borders(places: list[float]) -> None:
    found = curves.spread(places, 13, 0, 100)
    assert all(-1e-9 <= y <= 100 + 1e-9 for y in found)
    assert sorted(range(len(found)), key=lambda i: (places[i], i)) == sorted(range(len(found)), key=lambda i: found[i])
    assert all(b - a >= 13 - 1e-9 for a, b in zip(sorted(found), sorted(found)[1:]))


def test_doubled_samples_have_an_axis_in_doublings() -> None:
    curve = tuple((2.0**p, 0.1 * p) for p in range(8))
    cell = Cell(name="a", family="sampling", n=1, curves={"original": curve})
    root = ET.fromstring(curves.drawing(cell, "a", "retrained"))
    (d,) = [e.get("d", "") for e in root.iter("path")]
    across = [float(point.split()[0]) for point in d[1:].split(" L")]
    steps = [b - a for a, b in pairwise(across)]
    assert max(steps) - min(steps) < 0.2
    assert curves.varied(cell) == "samples"


def test_rate_picture_marks_rate_and_ceiling() -> None:
    (audited,) = audits_of(grouped([audit_record()]))
    assert "35.8 %; the ceiling is 94 %" in rate_picture(audited)
    (without,) = audits_of(grouped([audit_record(without_control())]))
    assert rate_picture(without) == ""

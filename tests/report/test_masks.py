"""Pictures and tables of masks: shades where the shares are, nothing for nothing, all of it told in words."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations

import pytest

from expunge.record_mask import Cell, Where
from expunge.report.markdown import _table, inline
from expunge.report.masks import as_markdown, mask_pictures
from report.test_audit_pictures import box


def made(layers: int = 2, chosen: int = 10) -> Where:
    """A column that is empty, and one of which layer 1 has the most."""
    rows = tuple((Cell(0, 50), Cell(chosen * 2 if i == 1 else chosen, 100)) for i in range(layers))
    return Where(("query", "down"), rows, {"embedding": Cell(0, 30), "final norm": Cell(1, 10)})


def filled(drawn: str) -> dict[str, float]:
    """Tip → shade."""
    return {tip: float(shade) for shade, tip in re.findall(r'fill-opacity:([\d.]+)"><title>([^<]*)</title>', drawn)}


def test_shades_are_shares_of_the_largest() -> None:
    assert filled(mask_pictures({"a": made()})) == {
        "layer 0, down: 10 % (10 of 100 weights)": 0.56,  # 0.12 + 0.88 / 2
        "layer 1, down: 20 % (20 of 100 weights)": 1.0,
        "final norm: 10 % (1 of 10 weights)": 0.56,
    }


def test_masks_side_by_side_share_one_scale() -> None:
    drawn = mask_pictures({"a": made(), "b": made(chosen=40)})
    assert sorted(filled(drawn).values()) == pytest.approx([0.12 + 0.88 / 8] * 2 + [0.34, 0.56, 1.0], abs=1e-3)
    assert "none, then up to 80 %" in drawn
    root = ET.fromstring(drawn)
    assert root[1].text == (
        "a: 31 of 340 weights (9.1 %): down 15 %, final norm 10 %; "
        "b: 121 of 340 weights (35.6 %): down 60 %, final norm 10 %"
    )


def test_an_empty_mask_and_none() -> None:
    assert not filled(mask_pictures({"a": Where(("down",), ((Cell(0, 5),),), {})}))
    assert mask_pictures({}) == ""


@pytest.mark.parametrize("layers", [1, 12, 80, 126])
@pytest.mark.parametrize("several", [1, 5])
def test_words_stay_inside_and_apart(layers: int, several: int) -> None:
    title = "A title that is far too long for one picture"
    root = ET.fromstring(mask_pictures({f"{i}: {title}": made(layers) for i in range(several)}))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for element in root.iter("rect"):
        x, y, w, h = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width and 0 <= y <= y + h <= height + 0.1
    texts = [box(text) for text in root.iter("text") if not text.get("transform")]
    assert all(left >= -6 and right <= width + 6 and bottom <= height + 3 for left, _, right, bottom in texts)
    for one, two in combinations(texts, 2):
        assert one[2] <= two[0] + 3 or two[2] <= one[0] + 3 or one[3] <= two[1] or two[3] <= one[1], (one, two)


def test_rows_do_not_overlap_and_keep_their_order() -> None:
    root = ET.fromstring(mask_pictures({"a": made(40)}))
    rows = [e for e in root.iter("rect") if (e[0].text if len(e) else "" or "").startswith("layer ")]
    tops = [float(e.get("y", 0)) for e in rows]
    assert len(rows) == 40 and tops == sorted(tops)
    assert all(b - a >= float(e.get("height", 0)) - 0.11 for e, a, b in zip(rows, tops, tops[1:]))


def test_titles_are_escaped() -> None:
    title = "<script>alert(1)</script>|*a*"
    drawn = mask_pictures({title: made()})
    assert "<script>" not in drawn and ET.fromstring(drawn) is not None
    assert "<script>" not in "".join(as_markdown({title: made()}, inline, _table))


def test_tables_tell_the_same() -> None:
    said, layers, places = as_markdown({"a": made()}, inline, _table)
    assert said == "**a**: 31 of 340 weights (9.1 %): down 15 %, final norm 10 %"
    assert layers.splitlines()[2:] == [
        "| 0 | 0 % | 10 % | 10 |",
        "| 1 | 0 % | 20 % | 20 |",
        "| all | 0 % | 15 % | 30 |",
    ]
    assert places.splitlines()[2:] == ["| embedding | 0 % | 0 |", "| final norm | 10 % | 1 |"]


def test_colours_follow_the_page() -> None:
    fills = set(re.findall(r"fill:([^;]+);", mask_pictures({"a": made()})))
    assert fills == {"var(--heat)", "none"}

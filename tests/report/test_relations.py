"""Relations in reports: pictures of ten rows and of hundreds, tables, and no names that may not stand there."""

import json
import re
import xml.etree.ElementTree as ET
from itertools import combinations

import numpy as np
import pytest
from pydantic import ValidationError

from expunge.record import ModelInfo, Record, Row, SetInfo
from expunge.record_related import Correlation, Knowledge, Related, RelatedRow, WentAlong
from expunge.report.markdown import to_markdown
from expunge.report.page import to_html
from expunge.report.relations.heat import heat_map, shade, together
from expunge.report.relations.scatter import forget_drop, scatter
from expunge.report.relations.spread import spread_picture
from expunge.report.relations.tables import counts_table, lost_table, nearest_table, sets_table
from expunge.report.relations.view import MOST, blocks_of, matrix_of, mean_between, pairs_of, relations
from expunge.report.relations.words import notes_of, said_of
from expunge.report.summary import to_json
from report.test_audit_pictures import box

# rows: two groups to forget (0 with two rows), one related row of group 0, one of another group
R = ((1.0,), (0.5, 1.0), (0.1, 0.2, 1.0), (0.4, 0.2, -0.1, 1.0), (0.0, -0.3, 0.05, None, 1.0))
ROWS = (("forget", "f0", 0), ("forget", "f1", 0), ("forget", "f2", 1), ("retain", "r0", 0), ("retain", "r1", 7))
LOST = ((-0.1, -4.1, 1, 0), (-0.1, -2.1, 1, 0), (-0.1, -3.1, 1, 1), (-0.2, -1.2, 1, 0), (-0.5, -0.4, 0, 0))


def related(**changes) -> Related:
    content = {
        "by": "example", "cosines": R, "to_forget": (0.4, 0.3, 0.2, 0.35, -0.12), "weights": 1_000_000,
        "rows": tuple(RelatedRow(set=s, id=i, group=g) for s, i, g in ROWS),
        "sets": {"forget": {"forget": 1.0}, "retain": {"forget": 0.25, "retain": 1.0}},
        "after": WentAlong(
            model="m+change.safetensors",
            rows=tuple(Knowledge(before=a, after=b, said_before=c, said_after=d) for a, b, c, d in LOST),
            correlations=(Correlation(sets=("retain",), n=2, groups=2, rho=0.75, interval=(0.25, 0.875)),),
        ),
    }  # fmt: skip
    return Related.model_validate(content | changes)


def record(found: Related | None = None, **changes) -> Record:
    found = found or related()
    rows = {name: [row for row in found.rows if row.set == name] for name in ("forget", "retain")}
    content = {
        "command": "relate", "status": "done", "started": "2026-03-01T10:20:30+00:00", "related": found,
        "model": ModelInfo(name="smollm2"), "headline": said_of(found),
        "sets": {n: SetInfo(role=n, n=len(r), rows=tuple(Row(id=x.id) for x in r)) for n, r in rows.items()},  # type: ignore[arg-type]
    }  # fmt: skip
    return Record.model_validate(content | changes)


def many(groups: int, size: int) -> Related:
    """Within a group all R are 0.5, else 0."""
    rows = [(name, f"{name}{g}.{k}", g) for name in ("forget", "retain") for g in range(groups) for k in range(size)]
    group = np.array([g for *_, g in rows])
    matrix = np.where(group[:, None] == group, 0.5, 0.0)
    return related(
        rows=tuple(RelatedRow(set=s, id=i, group=g) for s, i, g in rows), after=None, to_forget=(0.1,) * len(rows),
        cosines=tuple(tuple(line[: i + 1]) for i, line in enumerate(matrix.tolist())),
    )  # fmt: skip


def tips(drawn: str) -> list[str]:
    return re.findall(r"<title>([^<]* × [^<]*)</title>", drawn)


def test_pairs_are_of_one_group_or_of_several() -> None:
    shown = relations(record())
    assert [(pair.label, pair.values) for pair in pairs_of(shown)] == [
        ("Forget set × Forget set, same group", (0.5,)),
        ("Forget set × Forget set, other groups", (0.1, 0.2)),
        ("Forget set × Retain set, same group", (0.2, 0.4)),
        ("Forget set × Retain set, other groups", (-0.3, -0.1, 0.0, 0.05)),
    ]
    drawn = spread_picture(pairs_of(shown))
    assert "Forget set × Retain set, same group: median 0.300" in ET.fromstring(drawn)[1].text  # type: ignore[operator]


def test_every_pair_is_a_cell_and_no_row_meets_itself() -> None:
    drawn = heat_map(relations(record()))
    found = tips(drawn)
    assert len(found) == 5 * 4 - 2  # one pair has no R
    assert "f0 × r0: R 0.400" in found and "r0 × f0: R 0.400" in found
    assert "f1 × r1: R -0.300" in found
    assert 'style="fill:var(--m2)' in drawn
    assert shade(0.5, 0.5) == shade(-0.5, 0.5) == 1
    ET.fromstring(drawn)


@pytest.mark.parametrize(("groups", "size"), [(5, 2), (12, 8), (50, 4), (200, 1)])
def test_hundreds_of_rows_are_put_together(groups: int, size: int) -> None:
    shown = relations(record(many(groups, size)))
    blocks = blocks_of(shown)
    assert len(blocks) <= MOST
    assert sorted(i for block in blocks for i in block.places) == list(range(2 * groups * size))
    assert all(len({shown.rows[i].set for i in block.places}) == 1 for block in blocks)
    if groups <= 24:
        assert {len({shown.rows[i].group for i in block.places}) for block in blocks} == {1}
    assert bool(together(shown)) == (2 * groups * size > MOST)
    drawn = heat_map(shown)
    assert len(tips(drawn)) >= len(blocks) * (len(blocks) - 1)
    assert len(drawn) < 700_000
    ET.fromstring(drawn)


def test_a_cell_is_the_mean_of_its_pairs() -> None:
    shown = relations(record())
    assert mean_between(shown, [0, 1], [3]) == pytest.approx(0.3)
    assert mean_between(shown, [0, 1], [0, 1]) == pytest.approx(0.5)  # the diagonal is left out
    assert np.isnan(mean_between(shown, [3], [4]))


def test_tables() -> None:
    shown = relations(record())
    assert sets_table(shown).rows == (("Forget set", "3", "1", ""), ("Retain set", "2", "0.250", "1"))
    assert nearest_table(shown).rows == (
        ("f0 (+1)", "r0, Retain set: 0.300", "r1, Retain set: -0.150", ""),
        ("f2", "r1, Retain set: 0.050", "r0, Retain set: -0.100", ""),
    )
    assert counts_table(shown).rows == (("Retain set", "2", "1", "1 (100 %)", "+0.450", "0.750 [0.250, 0.875]"),)
    assert [(row[0], row[3], row[-1]) for row in lost_table(shown).rows] == [
        ("r0", "+1", "went along"),
        ("r1", "-0.100", "was not said before"),
    ]


def test_what_was_lost_as_a_picture() -> None:
    shown = relations(record())
    assert forget_drop(shown) == pytest.approx(3)
    drawn = scatter(shown)
    assert "r0, Retain set: R 0.350, drop 1; went along" in drawn
    assert "r1, Retain set: R -0.120, drop -0.100; was not said before" in drawn
    assert "mean drop of the forget set" in drawn
    assert scatter(relations(record(related(after=None)))) == ""


def test_in_words() -> None:
    assert said_of(related()) == (
        "Mean R: forget × forget, same group 0.500; forget × forget, other groups 0.150; forget × retain, same group "
        "0.300; forget × retain, other groups -0.088.",
        "Most related to what is to go: r0 (retain), R 0.350.",
        "Of 1 answers outside of the forget set that were said before, 1 went along (100 %).",
        "Rank correlation of what was lost with R to the forget set: 0.750 [0.250, 0.875].",
    )
    assert notes_of(related())[0].startswith("All numbers")
    assert "an R near 0 is ± 0.010" in notes_of(related(projection=10_000, error=0.01))[0]


def test_the_page() -> None:
    page = to_html([record()])
    assert "<h1>What hangs together in smollm2</h1>" in page
    order = ("Mean R:", "How related it is", "The most related of each", "What went along with it", "What was asked")
    places = [page.index(words) for words in order]
    assert places == sorted(places)
    assert not [words for words in ("The numbers", "Example by example") if words in page]
    two = to_html([record(), record(model=ModelInfo(name="pythia"))])
    assert "How related it is: pythia" in two


def test_in_markdown_and_json() -> None:
    text = to_markdown([record()])
    assert "| f0 (+1) | r0, Retain set: 0.300 | r1, Retain set: -0.150 |" in text
    assert "### What went along with it in m+change.safetensors" in text
    told = json.loads(to_json([record()]))["groups"][0]["relations"][0]
    assert told["after"]["correlations"][0]["rho"] == 0.75
    assert told["sets"]["retain"]["forget"] == 0.25


def test_names_from_outside_are_escaped() -> None:
    rows = (RelatedRow(set="forget", id="<b>&", group=0), *related().rows[1:])
    page = to_html([record(related(rows=rows))])
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page


def test_names_of_groups_need_permission() -> None:
    rows = (RelatedRow(set="forget", id="f0", group=0, name="Ada Holt"), *related().rows[1:])
    with pytest.raises(ValidationError, match="include_text"):
        record(related(rows=rows))
    assert record(related(rows=rows), include_text=True)


def test_the_matrix_comes_back_from_its_triangle() -> None:
    matrix = np.array(matrix_of(related()))
    assert np.array_equal(matrix, matrix.T, equal_nan=True)
    assert matrix[3, 0] == 0.4
    assert np.isnan(matrix[3, 4])


def test_of_a_group_more_than_half_must_go() -> None:
    lost = lambda before, after: Knowledge(before=-1.0, after=-2.0, said_before=before, said_after=after).went
    assert [lost(1, 0), lost(1, 0.4), lost(1, 0.5), lost(0, 0), lost(0.5, 0.2)] == [True, True, False, False, True]


@pytest.mark.parametrize("sets", [2, 6])
@pytest.mark.parametrize("rows", [1, 10, 90])
def test_words_stay_inside_and_apart(sets: int, rows: int) -> None:
    names = ["forget", *(f"other knowledge {i}" for i in range(1, sets))]
    found = related(
        rows=tuple(RelatedRow(set=n, id=f"{n} of row {k}", group=k) for n in names for k in range(rows)), after=None,
        cosines=tuple((0.1,) * (i + 1) for i in range(sets * rows)), to_forget=(0.1,) * (sets * rows),
    )  # fmt: skip
    root = ET.fromstring(heat_map(relations(record(found))))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for element in root.iter("rect"):
        x, y, w, h = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width + 0.1 and 0 <= y <= y + h <= height + 0.1
    texts = [box(text) for text in root.iter("text")]
    assert all(left >= -6 and right <= width + 30 and bottom <= height + 3 for left, _, right, bottom in texts)
    for one, two in combinations(texts, 2):
        assert one[2] <= two[0] + 3 or two[2] <= one[0] + 3 or one[3] <= two[1] + 4 or two[3] <= one[1] + 4, (one, two)

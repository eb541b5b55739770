"""Several comparisons judged together, and rates by a pilot: by hand."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from expunge.studies.compared import Compared, compared, corrected, judged_table, minus
from expunge.studies.paired import paired
from expunge.studies.pilot import best_rates, pilots
from expunge.studies.results import write_result

UP = ([0.6, 0.7, 0.8, 0.9], [0.1, 0.21, 0.3, 0.42])
SAME = ([0.5, 0.6, 0.7, 0.8],) * 2
NOISE = ([0.1, 0.9, 0.2, 0.8], [0.8, 0.1, 0.9, 0.3])
DIFFER = ([0.1, 0.3, 0.2, 0.2, 0.35, 0.05], [0.03, 0.19, 0.21, 0.08, 0.2, 0.06])  # p .045, equivalent within .5
EQUAL = ([0.5, 0.6, 0.7, 0.8], [0.48, 0.62, 0.7, 0.77])  # TOST p .04 within .04
CLOSE = ([0.5, 0.6, 0.7, 0.8], [0.501, 0.599, 0.702, 0.799])


def test_findings() -> None:
    found = compared({"up": UP, "same": SAME, "noise": NOISE, "close": CLOSE, "one": ([1.0], [2.0])}, margin=0.05)
    assert {each.name: each.finding for each in found} == {
        "up": "differ", "same": "identical", "noise": "unresolved", "close": "equivalent",
    }  # fmt: skip
    assert found[0].values == pytest.approx((0.5, 0.49, 0.5, 0.48))
    assert found[0].holm == pytest.approx(4 * found[0].found.p)  # the smallest of four


def test_families_are_corrected_apart_and_names_may_repeat() -> None:
    several = [Compared("a", paired(*UP, margin=0.05), (0.5,)), Compared("a", paired(*NOISE, margin=0.05), (0.1,))]
    together = corrected(several)
    assert together[0].holm == pytest.approx(2 * several[0].found.p)
    assert together[1].holm == pytest.approx(max(several[1].found.p, together[0].holm))
    apart = corrected(several, lambda each: each.values)
    assert [each.holm for each in apart] == [each.found.p for each in several]


def test_only_seeds_that_both_have() -> None:
    assert minus({0: 1.0, 3: 2.0}, {3: 1.0, 5: 0.0}, margin=0.1) is None
    found = minus({5: 3.0, 0: 1.0, 1: 9.0}, {0: 0.5, 5: 1.0}, margin=0.1)
    assert found is not None and found[1] == (0.5, 2.0)


def test_table_has_a_row_for_each() -> None:
    (one,) = compared({"up": UP}, margin=0.05)
    table = judged_table([("x", one), ("y", one)], ("", "A", "B"), "said", equivalence=True)
    assert [row[0] for row in table.rows] == ["x", "y"]
    assert {len(row) for row in table.rows} == {len(table.head)}
    assert table.rows[0][-1] == "differ" and table.head[-4:] == ["TOST p", "TOST Holm", "Detectable", "Finding"]


def test_equivalence_is_corrected_and_the_sentence_says_the_same() -> None:
    """Three copies: p of each times 3. Alone the pair differs, or is equivalent; as one of three it does not."""
    several = [Compared("a", paired(*DIFFER, margin=0.5), (0.1,)), Compared("b", paired(*EQUAL, margin=0.04), (0.1,))]
    assert [each.found.finding for each in several] == ["differ", "equivalent"]
    for each in several:
        alone, other, _ = corrected([each, replace(each), replace(each)])
        assert alone == other and alone.holm == pytest.approx(min(1, 3 * each.found.p))
        assert each.found.tost_p is not None and alone.tost_holm == pytest.approx(3 * each.found.tost_p)
    by_name = {each.name: corrected([each] * 3)[0] for each in several}
    assert by_name["a"].finding == "equivalent"  # within ± .5, where it differs before the correction
    said = by_name["a"].told(("Oracle", "Random"), "AUES")
    assert said.startswith("Oracle and Random are equivalent within ±0.500 AUES (TOST Holm p = ")
    assert said.endswith("Before the correction they differ.") and "Holm p = 0.1" in said
    assert by_name["b"].finding == "unresolved"
    said = by_name["b"].told(("Oracle", "Random"), "AUES")
    assert said.startswith("Unresolved: ") and "Before the correction they are equivalent within ±0.040 AUES." in said


def test_without_spread_there_is_no_test_of_equivalence() -> None:
    same, close = compared({"same": SAME, "close": CLOSE}, margin=0.05)
    assert same.tost_holm is None and close.tost_holm == close.found.tost_p  # the one test of its family
    assert same.told(("A", "B"), "AUES").startswith("A and B are identical")


def test_the_smallest_loss_wins_once_all_trials_are_there(tmp_path: Path) -> None:
    config = SimpleNamespace(methods=("npo", "idk"), rates=(0.1, 0.2, 0.3))
    losses = {"npo": (0.5, 0.2, 0.2), "idk": (0.1, 0.4, 0.9)}
    for method, rate, place in pilots(config):
        assert best_rates(config, tmp_path, lambda result: result["loss"]) is None
        write_result(tmp_path / place, {"loss": losses[method][config.rates.index(rate)]})
    assert best_rates(config, tmp_path, lambda result: result["loss"]) == {"npo": 0.2, "idk": 0.1}
    given = SimpleNamespace(methods=("npo",), rates=(0.5,))
    assert not list(pilots(given)) and best_rates(given, tmp_path / "none", float) == {"npo": 0.5}  # type: ignore[arg-type]

"""Seeds that choose a form do not test it, and the gap between buckets is compared with and without its sign."""

import pytest

from expunge.studies.frequency.choosing import forms_to_test
from expunge.studies.frequency.comparing import Cells
from expunge.studies.frequency.equal_utility import against_uniform, forms_chosen, gaps
from expunge.studies.frequency.form_tables import forms_table, gaps_table
from expunge.studies.frequency.outcomes import Cell
from expunge.studies.frequency.scene import NEIGHBOURS
from made_up_frequency import arm, point
from made_up_frequency_study import CONFIG, made, reached, unknown

MAIN = ("1M", "npo")


@pytest.fixture
def found() -> dict[tuple[str, str], list[Cell]]:
    return {MAIN: [Cell(made(seed)) for seed in range(6)],
            ("3M", "npo"): [Cell(made(seed, "3M")) for seed in range(2)]}  # fmt: skip


def test_the_form_is_chosen_on_some_seeds_and_tested_on_the_others(found) -> None:
    (chosen,) = forms_chosen(CONFIG, found)
    assert (chosen.method, chosen.size, chosen.form) == ("npo", "1M", "leave")
    assert chosen.selecting["leave"] == pytest.approx(0.1 / 0.9) and len(chosen.tested["leave"]) == 4
    assert set(chosen.selecting) == {"uniform", "leave", "strength"} and set(chosen.tested) == {"uniform", "leave"}
    (better,) = against_uniform(CONFIG, [chosen])
    assert better.name == "npo, 1M: leave" and better.found.n == 4
    assert better.found.difference == pytest.approx(-(0.3 - 0.0125) / 0.9)  # .6 against .3 and the mean of small
    rows = {row[0]: row[1:] for row in forms_table([chosen]).rows}
    assert rows["npo, 1M: strength"] == ["0.333", "–", ""] and rows["npo, 1M: leave"][2] == "chosen"
    whole: Cells = {MAIN: [Cell(made(seed, full=True)) for seed in range(6)]}
    (again,) = forms_chosen(CONFIG, whole)
    assert again.form == "leave" and again.tested["strength"] == pytest.approx((0.0,) * 4)


def test_what_the_seeds_that_test_have_to_run(found) -> None:
    """By the residual with the utility kept, and with the neighbours kept: these may be two forms."""
    first = found[MAIN][:2]
    assert forms_to_test(CONFIG, first) == ["leave"]
    for one in first:
        one.result["arms"]["leave"] = reached(0.1, 0.2, 1.0, 0.5)  # now it costs too many neighbours
        one.result["arms"]["strength"] = reached(0.1, 0.4, 1.0, 1.0)
    assert forms_to_test(CONFIG, first) == ["leave", "strength"]
    for form in ("question", "statement"):
        for bucket in ("low", "high"):
            unknown(first[:1], form, bucket, 0.0)
    assert forms_to_test(CONFIG, first) == []


def test_the_gap_between_buckets_is_compared_on_the_seeds_that_test(found) -> None:
    """Uniform: .6 and .1, a gap of .5 of what is said and of .5 / .9 of the way; the form: .3 + 2 small and .1."""
    several = {each.name: each for each in gaps(CONFIG, forms_chosen(CONFIG, found))}
    assert set(several) == {
        f"npo, 1M: leave; {form}, {measure}" for form in ("question", "statement") for measure in ("level", "said")
    }
    for form in ("question", "statement"):
        said, level = several[f"npo, 1M: leave; {form}, said"], several[f"npo, 1M: leave; {form}, level"]
        assert said.values == pytest.approx((0.24 - 0.5, 0.2 - 0.5, 0.22 - 0.5, 0.24 - 0.5))  # seeds 2, 3, 4, 5
        assert said.found.difference == pytest.approx(-0.275) and said.found.means == pytest.approx((0.225, 0.5))
        assert level.values == pytest.approx([each / 0.9 for each in said.values])
        half = 3.182446 * 0.01914854 / 2  # t of 3 degrees, the standard deviation of the four, √4
        assert said.found.interval == pytest.approx((-0.275 - half, -0.275 + half))


def test_a_gap_that_is_turned_around_is_no_narrower(found) -> None:
    """The form leaves .1 of the frequent facts and .7 of the rare ones: -.6, against .5."""
    for one in found[MAIN][2:]:
        one.result["arms"]["leave"] = arm(point(0, 1.0, 1.0), point(10, 0.7, 0.1))
    chosen = forms_chosen(CONFIG, found)
    gap = next(each for each in gaps(CONFIG, chosen) if each.name.endswith("question, said"))
    width = next(each for each in gaps(CONFIG, chosen, width=True) if each.name.endswith("question, said"))
    assert gap.found.difference == pytest.approx(-1.1) and width.found.difference == pytest.approx(0.1)
    assert gaps_table(chosen, CONFIG).rows[1][3] == "-0.60 ± 0.00 (0.60 ± 0.00)"


def test_what_was_not_known_decides_nothing(found) -> None:
    """At .12 the rarest is .02 above never-known: what is left of that way would be some hundred percent."""
    cells = unknown(found[MAIN], "statement", "low", 0.12)
    (chosen,) = forms_chosen(CONFIG, {MAIN: cells})
    assert chosen.tested["uniform"] == pytest.approx([(0.5 + small) / 0.9 for small in (0.02, 0.0, 0.01, 0.02)])
    names = {each.name.partition("; ")[2] for each in gaps(CONFIG, [chosen])}
    assert names == {"question, level", "question, said", "statement, said"}
    for form in ("question", "statement"):
        for bucket in ("low", "high"):
            unknown(cells[:2], form, bucket, 0.0)
    assert forms_chosen(CONFIG, {MAIN: cells}) == []  # the seeds that choose know nothing


def test_what_breaks_the_floor_is_not_chosen_for_it(found) -> None:
    (beside,) = forms_chosen(CONFIG, found, NEIGHBOURS)
    assert beside.selecting["strength"] == pytest.approx(1.0)  # only the start keeps its neighbours
    strict = CONFIG.model_copy(update={"utility_floor": 0.97})
    assert forms_chosen(strict, found)[0].selecting["strength"] == pytest.approx(1.0)

"""Comparisons find what was put into made-up cells, and the seeds that choose do not test."""

from pathlib import Path

import pytest

from expunge.config import FrequencyStudyConfig
from expunge.studies.frequency.comparing import Cell, against_uniform, areas, by_size, forms_chosen, load
from expunge.studies.frequency.page import publish
from expunge.studies.frequency.plan import cells
from expunge.studies.frequency.scene import NEIGHBOURS
from expunge.studies.running import write_result
from made_up_frequency import arm, cell, falling, point

CONFIG = FrequencyStudyConfig(
    methods=("npo",), sizes=("1M", "3M"), seeds=6, further_seeds=2, forms=("leave", "strength"), rates=(1e-3,), steps=10
)


def reached(low: float, high: float, kept: float = 1.0, beside: float = 1.0) -> dict:
    told = {"question": {test: {"M": 0.1, "D": 0.2, "said": 0.9, "test": 0.8, "n": 30.0} for test in
                         ("likely", "choice")}}  # fmt: skip
    return arm(point(0, 1.0, 1.0), {**point(10, low, high, kept, beside), "apart": told})


def made(seed: int, size: str = "1M") -> dict:
    """Frequent facts stay; "leave" is the better form on the seeds that choose, "strength" on the others."""
    small = 0.01 * (seed % 3)
    first = seed < CONFIG.selecting
    arms = {
        "uniform": reached(0.1 + small, 0.6 + small), "rarest alone": falling((1.0, 0.2, 0.0), (1.0, 1.0, 1.0)),
        "most frequent alone": falling((1.0, 1.0, 1.0), (1.0, 0.7 + small, 0.5)),
        "leave": reached(0.1, 0.2 if first else 0.3 + 2 * small),
        "strength": reached(0.1, 0.4 if first else 0.1, 0.96, 0.5),
    }  # fmt: skip
    return cell(arms if size == "1M" else {"uniform": arms["uniform"]}, seed=seed, size=size)


@pytest.fixture
def found() -> dict[tuple[str, str], list[Cell]]:
    return {("1M", "npo"): [Cell(made(seed)) for seed in range(6)],
            ("3M", "npo"): [Cell(made(seed, "3M")) for seed in range(2)]}  # fmt: skip


def test_frequent_facts_that_stay_are_found(found) -> None:
    together = {each.name: each for each in areas(CONFIG, found)}
    assert set(together) == {f"npo, {size}, {form}" for size in ("1M", "3M") for form in ("question", "statement")}
    one = together["npo, 1M, question"]
    assert one.found.difference == pytest.approx(0.25) and one.found.n == 6  # (1 + .6) / 2 - (1 + .1) / 2
    alone = {each.name: each for each in areas(CONFIG, found, alone=True)}
    assert set(alone) == {"npo, 1M, question", "npo, 1M, statement"}
    low, high = (1.0 + 0.2) / 4 + (0.2 + 0.0) / 4, (1.0 + 0.71) / 4 + (0.71 + 0.5) / 4  # of two halves of the steps
    assert alone["npo, 1M, question"].found.difference == pytest.approx(high - low)
    assert alone["npo, 1M, question"].finding == "differ"


def test_the_form_is_chosen_on_some_seeds_and_tested_on_the_others(found) -> None:
    (chosen,) = forms_chosen(CONFIG, found)
    assert (chosen.method, chosen.size, chosen.form) == ("npo", "1M", "leave")
    assert chosen.selecting["leave"] == pytest.approx(0.1 / 0.9) and len(chosen.tested["leave"]) == 4
    (better,) = against_uniform(CONFIG, [chosen])
    assert better.name == "npo, 1M: leave" and better.found.n == 4
    assert better.found.difference == pytest.approx(-(0.3 - 0.0125) / 0.9)  # .6 against .3 and the mean of small


def test_what_breaks_the_floor_is_not_chosen_for_it(found) -> None:
    (beside,) = forms_chosen(CONFIG, found, NEIGHBOURS)
    assert beside.selecting["strength"] == pytest.approx(1.0)  # only the start keeps its neighbours
    strict = CONFIG.model_copy(update={"utility_floor": 0.97})
    assert forms_chosen(strict, found)[0].selecting["strength"] == pytest.approx(1.0)


def test_sizes_are_compared_on_the_seeds_that_both_have(found) -> None:
    compared = by_size(CONFIG, found)
    assert {each.name for each in compared} == {f"npo, {m}, {t}" for m in "MD" for t in ("likely", "choice")}
    assert all(each.found.n == 2 and each.found.difference == 0 for each in compared)


def test_a_report_of_what_there_is(tmp_path: Path) -> None:
    published = publish(CONFIG, tmp_path)
    assert published.headline == ("No cell is done yet.",)
    for size, _, seed, place in cells(CONFIG):
        write_result(tmp_path / place, made(seed, size))
    assert len(load(CONFIG, tmp_path)["1M", "npo"]) == 6
    published = publish(CONFIG, tmp_path)
    text = published.files["report.md"]
    assert "At equal utility, against uniform unlearning: a larger residual in 0" in text
    assert "smaller one in 1 of 1 comparisons" in text
    assert "high (9 to 27; 3 facts)" in text and "pictures/harder.svg" in published.files
    assert {"pictures/left-npo-1M-question.svg", "pictures/forms.svg"} <= set(published.files)

"""Comparisons find what was put into made-up cells, and the seeds that choose do not test."""

import json
from pathlib import Path

import pytest

from expunge.config import FrequencyStudyConfig
from expunge.studies.frequency.comparing import (
    Cell,
    against_uniform,
    areas,
    by_size,
    forms_chosen,
    gaps,
    left_out,
    load,
)
from expunge.studies.frequency.page import publish
from expunge.studies.frequency.plan import cells
from expunge.studies.frequency.scene import NEIGHBOURS
from expunge.studies.results import write_result
from made_up_frequency import arm, cell, falling, point

CONFIG = FrequencyStudyConfig(
    methods=("npo",), sizes=("1M", "3M"), seeds=6, further_seeds=2, forms=("leave", "strength"), rates=(1e-3,), steps=10
)


M_AND_D = {  # of both tests
    "1M": {"likely": (0.1, 0.2), "choice": (0.3, 0.4)},
    "3M": {"likely": (0.25, 0.5), "choice": (0.2, 0.35)},
}


def reached(low: float, high: float, kept: float = 1.0, beside: float = 1.0, size: str = "1M") -> dict:
    told = {test: {"M": M, "D": D, "said": 0.9, "test": 0.8, "n": 30.0} for test, (M, D) in M_AND_D[size].items()}
    return arm(point(0, 1.0, 1.0), {**point(10, low, high, kept, beside), "apart": {"question": told}})


def made(seed: int, size: str = "1M") -> dict:
    """Frequent facts stay; "leave" is the better form on the seeds that choose, "strength" on the others."""
    small = 0.01 * (seed % 3)
    first = seed < CONFIG.selecting
    arms = {
        "uniform": reached(0.1 + small, 0.6 + small, size=size),
        "rarest alone": falling((1.0, 0.2, 0.0), (1.0, 1.0, 1.0)),
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


def unknown(several: list[Cell], form: str, bucket: str, start: float) -> list[Cell]:
    """The same cells; before unlearning the bucket has this level in all arms."""
    for one in several:
        for each in one.result["arms"].values():
            each["points"][0]["measures"][form] = {
                **each["points"][0]["measures"][form], bucket: {"level": start, "log": -2.0, "left": 1.0, "said": 1.0}
            }  # fmt: skip
    return several


def test_what_was_not_known_decides_nothing(found) -> None:
    """At .12 the rarest is .02 above never-known: what is left of that way would be some hundred percent."""
    cells = unknown([Cell(made(seed)) for seed in range(6)], "statement", "low", 0.12)
    several = {("1M", "npo"): cells}
    assert left_out(CONFIG, several) == {("low", "statement", "1M"): [0, 1, 2, 3, 4, 5]}
    (chosen,) = forms_chosen(CONFIG, several)
    assert chosen.tested["uniform"] == pytest.approx([(0.5 + small) / 0.9 for small in (0.02, 0.0, 0.01, 0.02)])
    names = {each.name.partition("; ")[2] for each in gaps(CONFIG, [chosen])}
    assert names == {"question, level", "question, said", "statement, said"}
    for form in ("question", "statement"):
        for bucket in ("low", "high"):
            unknown(cells[:3], form, bucket, 0.0)
    assert forms_chosen(CONFIG, several) == []  # both seeds that choose know nothing
    assert forms_chosen(CONFIG.model_copy(update={"selecting": 1}), {("1M", "npo"): cells[2:]}) == []


def test_what_breaks_the_floor_is_not_chosen_for_it(found) -> None:
    (beside,) = forms_chosen(CONFIG, found, NEIGHBOURS)
    assert beside.selecting["strength"] == pytest.approx(1.0)  # only the start keeps its neighbours
    strict = CONFIG.model_copy(update={"utility_floor": 0.97})
    assert forms_chosen(strict, found)[0].selecting["strength"] == pytest.approx(1.0)


def test_sizes_are_compared_on_the_seeds_that_both_have(found) -> None:
    """The largest minus the smallest."""
    compared = {each.name: each.found for each in by_size(CONFIG, found)}
    assert {name: each.difference for name, each in compared.items()} == pytest.approx(
        {"npo, M, likely": 0.15, "npo, D, likely": 0.3, "npo, M, choice": -0.1, "npo, D, choice": -0.05}
    )
    assert all(each.n == 2 for each in compared.values())


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
    assert "minus what is left of the rarest, against uniform unlearning: higher in 0 and lower in 4 of 4" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| npo, 1M: leave; question, said |")]
    assert row.split(" | ")[1:6] == ["4", "0.225", "0.500", "-0.275", "-0.305 to -0.245"]
    numbers = json.loads(published.files["results.json"])
    (told, *_), gap = numbers["against uniform"]["residual"], numbers["against uniform"]["gap"]
    assert told["name"] == "npo, 1M: leave" and len(gap) == 4
    assert gap[1]["difference"] == pytest.approx(-0.275) and gap[1]["interval"][1] < 0 and gap[1]["seeds"] == 4
    assert "Left out" not in text and all(cell["left out"] == {} for cell in numbers["cells"])
    assert "high (9 to 27; 3 facts)" in text and "pictures/harder.svg" in published.files
    assert {"pictures/left-npo-1M-question.svg", "pictures/forms.svg"} <= set(published.files)
    for _, _, seed, place in cells(CONFIG):
        (odd,) = unknown([Cell(made(seed))], "statement", "low", 0.12)
        write_result(tmp_path / place, odd.result)
    text = publish(CONFIG, tmp_path).files["report.md"]
    assert "less than 0.05 above never-known: low, statement, 1M (seeds 0, 1, 2, 3, 4 and 5)" in text


def test_outside_of_the_world_nothing_is_told_of_persons(tmp_path: Path) -> None:
    config = FrequencyStudyConfig(
        suite="world:capitals:popularity=true", base="smollm2", by="popularity", edges=None, sizes=("1M",), seeds=3,
        methods=("npo",), selecting=1, forms=("leave", "strength"), rates=(1e-3,), steps=10, alone=False,
    )  # fmt: skip
    for _, _, seed, place in cells(config):
        result = made(seed)
        for each in result["arms"].values():
            for reached in each["points"]:
                reached["measures"].pop("neighbours")
                for form in reached["apart"].values():
                    form.pop("choice")
        write_result(tmp_path / place, result)
    published = publish(config, tmp_path)
    text = published.files["report.md"]
    for odd in ("person", "question", "statement", "five wrong", "attribute", "1M", "own model", "alone”"):
        assert odd not in text, odd
    assert "| Before, other wording |" in text and "npo, smollm2, usual wording" in text
    assert "in buckets by popularity, a proxy for how often" in text and "names that do not exist" in text
    assert "the model and the facts are the same in all" in text and "There are 3 seeds, of one model" in text
    assert json.loads(published.files["results.json"])["cells"][0]["size"] == "smollm2"

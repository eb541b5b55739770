"""Comparisons of buckets and of sizes find what was put into made-up cells; the report tells what there is."""

import json
from math import exp, log
from pathlib import Path

import pytest

from expunge.config import FrequencyStudyConfig
from expunge.studies.frequency.comparing import Harder, barely_forgotten, by_size, left_out, midway, steps, unsaid
from expunge.studies.frequency.outcomes import Cell
from expunge.studies.frequency.page import publish
from expunge.studies.frequency.plan import cells
from expunge.studies.frequency.tables import compared_table, half, misaligned_table, ratios_table, steps_table
from expunge.studies.frequency.telling import Comparisons, headline
from expunge.studies.frequency.wording import descriptive, limits
from expunge.studies.results import write_result
from made_up_frequency import arm, cell, falling, point
from made_up_frequency_study import CONFIG, made, unknown


@pytest.fixture
def found() -> dict[tuple[str, str], list[Cell]]:
    return {("1M", "npo"): [Cell(made(seed)) for seed in range(6)],
            ("3M", "npo"): [Cell(made(seed, "3M")) for seed in range(2)]}  # fmt: skip


def test_frequent_facts_that_stay_are_found(found) -> None:
    """For (1 + .1 + small) / 2 of ten steps the rarest bucket stays, the most frequent one for (1 + .6 + small) / 2."""
    harder = Harder.of(CONFIG, found)
    assert [each.name for each in harder.first] == ["npo, 1M, question", "npo, 1M, statement"]
    assert [each.name for each in harder.others] == ["npo, 3M, question", "npo, 3M, statement"]
    one = harder.first[0]
    ratios = [log((1.6 + small) / (1.1 + small)) for small in (0, 0.01, 0.02)]
    assert one.found.difference == pytest.approx(sum(ratios) / 3) and one.found.n == 6
    assert one.found.margin == pytest.approx(log(1.1)) and one.finding == "differ"
    apart = {each.name: each for each in harder.alone}
    assert set(apart) == {"npo, 1M, question", "npo, 1M, statement"}  # in the first size only
    low = 5 * (1.0 + 0.2) / 2 + 5 * (0.2 + 0.0) / 2
    high = [5 * (1.7 + small) / 2 + 5 * (1.2 + small) / 2 for small in (0, 0.01, 0.02)]
    assert apart["npo, 1M, question"].found.difference == pytest.approx(sum(log(each / low) for each in high) / 3)
    (row, _) = ratios_table(harder.alone, "Most frequent", "Rarest", "", tested=True).rows
    assert row[1:5] == ["6", "7.30", "3.50", "2.09"]  # geometric means, and their ratio


def test_nearly_equal_steps_are_equivalent_by_their_ratio() -> None:
    """6.0 against 5.9 to 6.1 steps: a factor of at most 1.02."""
    near = [Cell(cell({"uniform": falling((1.0, 0.2), (1.0, 0.2 + each))}, seed=i)) for i, each in
            enumerate((-0.02, -0.01, 0.0, 0.01, 0.02))]  # fmt: skip
    question, _ = steps(CONFIG.model_copy(update={"steps": 5}), {("1M", "npo"): near})
    assert question.finding == "equivalent" and exp(question.found.difference) == pytest.approx(1.0, abs=1e-3)


def test_what_is_hardly_forgotten_is_not_called_equal(tmp_path: Path) -> None:
    """4.9 and 4.8 of five steps: alike by their number alone; 4.9 and 4.4 are told apart."""
    config = CONFIG.model_copy(update={"steps": 5})
    stays = [Cell(cell({"uniform": falling((1.0, 0.9), (1.0, 0.95))}, seed=i)) for i in range(3)]
    assert steps(config, {("1M", "npo"): stays}) == []
    assert barely_forgotten(config, {("1M", "npo"): stays}) == ["npo, 1M, question", "npo, 1M, statement"]
    goes = [Cell(cell({"uniform": falling((1.0, 0.5), (1.0, 0.95))}, seed=i)) for i in range(3)]
    assert len(steps(config, {("1M", "npo"): goes})) == 2 and barely_forgotten(config, {("1M", "npo"): goes}) == []


def test_seeds_of_one_model_are_told_and_not_tested(found) -> None:
    harder = Harder.of(CONFIG, found)
    made = Comparisons(harder, [], [], [], [], [], [])
    (first, *_) = headline(made, found, tested=False)
    assert "npo, 1M, question 1.45 (1.45 to 1.45)" in first and "higher in" not in first
    table = ratios_table(harder.first, "Most frequent", "Rarest", "", tested=False)
    assert table.head[-1] == "Ratio (one sd)" and not {"Holm", "t p", "Finding"} & set(table.head)
    plain = compared_table(harder.first, "One", "Other", "", tested=False)
    assert plain.head == ["Comparison", "Seeds", "One", "Other", "Difference ± sd"] and "±" in plain.rows[0][-1]
    real = CONFIG.model_copy(update={"base": "smollm2", "suite": "world:capitals"})
    assert descriptive(real) and not descriptive(CONFIG)
    assert "single test" in limits(harder.first, CONFIG, found)[0]
    assert "single test" not in limits(harder.first, real, found)[0]


def test_half_that_never_went_and_facts_that_were_not_said_are_told_apart(found) -> None:
    """The low bucket is at .5 after 5 · .5 / .8, 5 · .5 / .7 and never; the last seed had hardly a fact to lose."""
    ends = ((1.0, 0.2), (1.0, 0.3), (1.0, 0.5), (1.0, 0.2))
    several = [Cell(cell({"uniform": falling(each, each)}, seed=i)) for i, each in enumerate(ends)]
    several[3].result["arms"]["uniform"]["points"][0]["measures"]["question"]["low"]["known"] = 4.0
    assert half(several[:2], "question", "low", 60) == "3.3"  # 3.125 and 3.571
    assert half(several, "question", "low", 60) == "3.6 (never in 1 of 3; too few said before in 1)"
    assert half(several[2:], "question", "low", 60) == ">60 (never in 1 of 1; too few said before in 1)"
    assert half(several[3:], "question", "low", 60) == "–"
    assert unsaid(CONFIG, {("1M", "npo"): several}) == {("low", "question", "1M"): [3]}
    rows = steps_table({("1M", "npo"): several}, CONFIG.model_copy(update={"steps": 5})).rows
    assert rows[0] == ["npo, 1M, question, mean", "3.3 ± 0.4", "3.2 ± 0.4"]  # 3, 3.25, 3.75; and a fourth of 3
    assert rows[1][:2] == ["npo, 1M, question, half", "3.6 (never in 1 of 3; too few said before in 1)"]


def test_disagreement_is_read_when_half_is_forgotten(found) -> None:
    """Still said: 1, .35 and less; M and D at the second point, which keeps less than the floor in the 3M."""
    told = list(midway(CONFIG, found["3M", "npo"], "question", "likely"))
    assert [each["D"] for each in told] == [0.5, 0.5] and [each["said - test"] for each in told] == pytest.approx(
        [-0.15, -0.15]
    )
    assert [each.still for each in told] == pytest.approx([0.35, 0.36])
    rows = misaligned_table(found, CONFIG).rows
    row = next(row for row in rows if row[:2] == ["npo, 3M, question", "level of 1/2"])
    assert row[2:] == ["2", "30 ± 0", "0.35 ± 0.01", "0 of 2", "0.50 ± 0.00", "0.65 ± 0.00", "-0.15 ± 0.00",
                       "0.15 ± 0.00", "0.50 ± 0.00", "0.25 ± 0.00"]  # fmt: skip
    assert next(row for row in rows if row[0] == "npo, 1M, question")[5] == "6 of 6"


def disagreeing(size: str, method: str, seed: int, D: float, choice: float) -> Cell:
    told = {"likely": {"M": 0.0, "D": D, "said": 0.5, "test": 0.5, "n": 30.0},
            "choice": {"M": 0.0, "D": choice, "said": 0.5, "test": 0.5, "n": 30.0}}  # fmt: skip
    late = {test: {**values, "D": 0.9} for test, values in told.items()}  # where unlearning itself would end
    uniform = arm(
        point(0, 1.0, 1.0),
        {**point(5, 0.5, 0.5), "apart": {"question": told}},
        {**point(10, 0.1, 0.1), "apart": {"question": late}},
    )
    return Cell(cell({"uniform": uniform}, seed=seed, size=size, method=method))


def test_sizes_are_compared_by_the_mean_over_methods_on_the_seeds_that_all_have() -> None:
    """Seed 0 is missing for one method in one size, so two seeds are left; the largest minus the smallest."""
    found = {
        ("1M", "npo"): [disagreeing("1M", "npo", seed, 0.1, 0.2) for seed in range(4)],
        ("1M", "idk"): [disagreeing("1M", "idk", seed, 0.3, 0.2) for seed in range(4)],
        ("8M", "npo"): [disagreeing("8M", "npo", seed, 0.3, 0.1) for seed in range(3)],
        ("8M", "idk"): [disagreeing("8M", "idk", seed, 0.4 + 0.1 * seed, 0.1) for seed in (1, 2)],
    }
    likely, choice = by_size(CONFIG, found)
    assert likely.name == "D, level of 1/2, mean over npo, idk" and likely.found.n == 2
    assert likely.values == pytest.approx((0.4 - 0.2, 0.45 - 0.2))  # means of .3 with .5 and .6, and of .1 with .3
    assert choice.name.startswith("D, right against wrong") and choice.values == pytest.approx((-0.1, -0.1))
    assert by_size(CONFIG, {pair: several for pair, several in found.items() if pair[0] == "1M"}) == []
    del found["8M", "idk"]
    assert by_size(CONFIG, found)[0].name == "D, level of 1/2, mean over npo"
    assert by_size(CONFIG, found)[0].values == pytest.approx((0.2, 0.2, 0.2))


def test_what_was_not_known_is_named(found) -> None:
    """At .18 the rarest is .08 above never-known."""
    several = {("1M", "npo"): unknown(found["1M", "npo"], "statement", "low", 0.18)}
    assert left_out(CONFIG, several) == {("low", "statement", "1M"): [0, 1, 2, 3, 4, 5]}
    assert unsaid(CONFIG, several) == {}


def test_a_report_of_what_there_is(tmp_path: Path) -> None:
    published = publish(CONFIG, tmp_path)
    assert published.headline == ("No cell is done yet.",)
    for size, _, seed, place in cells(CONFIG):
        write_result(tmp_path / place, made(seed, size))
    published = publish(CONFIG, tmp_path)
    text = published.files["report.md"]
    assert "Most frequent against rarest, steps until forgotten, 1M (6 seeds): higher in 2 and lower in 0 of 2" in text
    assert "steps until forgotten, 3M (2 seeds): higher in" in text
    assert "each bucket unlearnt alone as in the paper (6 seeds): higher in 2 and lower in 0 of 2" in text
    assert "disagree, 3M against 1M (2 seeds): higher in" in text
    assert "residual (4 seeds): larger in 0 and smaller in 1 of 1 comparison." in text
    assert "Where neighbours are kept in place of retained rows, residual (4 seeds): larger in 0" in text
    assert "left of the rarest (4 seeds): higher in 0 and lower in 4 of 4" in text
    assert "that gap without its sign: wider in 0 and narrower in 4 of 4" in text
    assert "1M, 6 seeds and 3M, 2 seeds." in text and "of the seeds; the others run the uniform arm" in text
    assert "A guess passes the test of right against wrong 1 time in 6." in text
    assert "Networks of 1M and 3M parameters that learnt 50 persons" in text and "Frequencies are 1 to 27 in" in text
    assert "of one attribute, employer, in buckets" in text and "before 5 wrong ones" in text
    assert "as a ratio of steps, by comparison, are found less than 4 times in 5 by a single test" in text
    assert "Arms that diverged or have a note: npo, 1M, seed 1, leave (step 7: astray)." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| npo, 1M: leave; question, said |")][:1]
    assert row.split(" | ")[1:6] == ["4", "0.225", "0.500", "-0.275", "-0.305 to -0.245"]
    assert "Left out" not in text and "high (9 to 27; 10 facts)" in text and "| 1M, said before, facts | 10.0" in text
    assert {"pictures/harder.svg", "pictures/left-npo-1M-question.svg", "pictures/forms.svg"} <= set(published.files)


def test_the_numbers_have_every_family_and_nothing_that_was_not_asked(tmp_path: Path) -> None:
    for size, _, seed, place in cells(CONFIG):
        write_result(tmp_path / place, made(seed, size))
    numbers = json.loads(publish(CONFIG, tmp_path).files["results.json"])
    families = numbers["comparisons"]
    name = "steps until forgotten, logarithms"
    assert {key: len(several) for key, several in families.items()} == {
        name: 2, f"{name}, other sizes": 2, f"{name}, each bucket alone": 2, "D by size": 2, "residual": 1,
        "residual, neighbours kept": 1, "gap": 4, "gap, without sign": 4,
    }  # fmt: skip
    (told,) = families["residual"]
    assert told["name"] == "npo, 1M: leave" and told["seeds"] == 4
    assert families["gap"][1]["difference"] == pytest.approx(-0.275) and families["gap"][1]["interval"][1] < 0
    assert all(each["left out"] == {} for each in numbers["cells"])
    arms = numbers["cells"][0]["arms"]
    assert set(arms["rarest alone"]) == {"note", "turns", "start", "until", "half"}
    assert arms["rarest alone"]["until"] == {form: {"low": pytest.approx(3.5)} for form in ("question", "statement")}
    assert arms["most frequent alone"]["half"]["question"] == {"high": "never"}
    assert arms["uniform"]["residual"] == pytest.approx(0.5 / 0.9) and set(arms["uniform"]["until"]["question"]) == {
        "low", "high",
    }  # fmt: skip


def test_what_is_left_out_is_told_with_the_reason(tmp_path: Path) -> None:
    for _, _, seed, place in cells(CONFIG):
        (odd,) = unknown([Cell(made(seed))], "statement", "low", 0.12)
        odd.result["arms"]["uniform"]["points"][0]["measures"]["question"]["low"]["known"] = 3.0
        write_result(tmp_path / place, odd.result)
    text = publish(CONFIG, tmp_path).files["report.md"]
    assert "less than 0.1 above never-known: low, statement, 1M (seeds 0, 1, 2, 3, 4 and 5)" in text
    assert "fewer than 5 of their facts were said: low, question, 1M (seeds 0, 1, 2, 3, 4 and 5)" in text


def test_sizes_that_share_nothing_are_told(tmp_path: Path) -> None:
    for size, _, seed, place in cells(CONFIG):
        result = made(seed, size)
        if size == "3M":
            del result["arms"]["uniform"]["points"][-1]["apart"]["question"]["choice"]
        write_result(tmp_path / place, result)
    text = publish(CONFIG, tmp_path).files["report.md"]
    assert "3M and 1M cannot be compared by right against wrong: they share no two seeds" in text


def test_outside_of_the_world_nothing_is_told_of_persons(tmp_path: Path) -> None:
    config = FrequencyStudyConfig(
        suite="world:capitals:popularity=true", base="smollm2", by="popularity", edges=None, sizes=("1M",), seeds=3,
        methods=("npo",), selecting=1, forms=("leave", "strength"), rates=(1e-3,), steps=10, alone=False,
    )  # fmt: skip
    for _, _, seed, place in cells(config):
        result = {**made(seed), "choices": 1}
        for name in ("rarest alone", "most frequent alone"):
            del result["arms"][name]
        for each in result["arms"].values():
            for reached in each["points"]:
                reached["measures"].pop("neighbours")
                for form in reached["apart"].values():
                    form.pop("choice")
        write_result(tmp_path / place, result)
    published = publish(config, tmp_path)
    text = published.files["report.md"]
    for odd in ("person", "question", "statement", "wrong", "attribute", "1M", "own model", "alone”"):
        assert odd not in text, odd
    assert "| Before, other wording |" in text and "npo, smollm2, usual wording" in text
    assert "in buckets by popularity, a proxy for how often" in text and "names that do not exist" in text
    assert "the model and the facts are the same in all" in text and "There are 3 seeds, of one model" in text
    assert json.loads(published.files["results.json"])["cells"][0]["size"] == "smollm2"

"""Comparisons on made-up results whose answers are known by hand."""

from pathlib import Path
from typing import Any

import pytest

from expunge.config import EditingStudyConfig
from expunge.studies.editing.arms import Cell, arms, cells, home
from expunge.studies.editing.comparing import (
    Results,
    against_training,
    coming_back,
    covariance,
    especially,
    load,
    merging,
    targets,
)
from expunge.studies.editing.how import how, limits, tried
from expunge.studies.editing.page import compared
from expunge.studies.editing.scores import attack, keeps_floor, selectivity
from expunge.studies.editing.tables import arms_table
from expunge.studies.editing.trials import Trial
from expunge.studies.editing.wording import DESCRIPTIVE, headline, reading, told
from expunge.studies.results import write_result

CONFIG = EditingStudyConfig(
    editors=("rome", "rome:covariance=false"), objectives=("npo",), numbers=(10,), seeds=3, merged=("rome",),
    parts=("numbers", "merging"),
)  # fmt: skip


def result(said: float, kept: float, relearned: float = 0.1) -> dict[str, Any]:
    """Asked and reworded alike."""
    groups = {"asked": {"said": said}, "reworded": {"said": said}, "neighbours": {"kept": kept}}
    return {"measures": groups, "seconds": 1.0, "attacks": {"relearn": {"probability": relearned}}}


def seeds(said: float, kept: float, relearned: float = 0.1, step: float = 0.01) -> dict[int, dict[str, Any]]:
    """Three seeds that differ a little."""
    return {seed: result(said, kept - step * seed, relearned + step * seed) for seed in range(3)}


RESULTS = Results(
    CONFIG,
    {
        # selectivities .9, .1 and .5 (seed 0); fine-tuned: .6 and .5
        ("pretrained", "numbers", 10, "rome"): seeds(0.1, 1.0, 0.8),
        ("pretrained", "numbers", 10, "rome:covariance=false"): seeds(0.1, 0.2, 0.1),
        ("pretrained", "numbers", 10, "npo"): seeds(0.5, 1.0, step=0.0),
        ("finetuned", "numbers", 10, "rome"): seeds(0.4, 1.0, step=0.02),
        ("finetuned", "numbers", 10, "npo"): seeds(0.5, 1.0, step=0.0),
        ("pretrained", "merging", 10, "rome"): seeds(0.1, 0.5),
        ("pretrained", "merging", 10, "rome, merged by text"): seeds(0.1, 0.9, step=0.02),
        ("pretrained", "merging", 10, "rome, merged by keys"): seeds(0.1, 0.5),
    },
    {"pretrained": {seed: {"unedited": {}, "never": result(0.0, 0.0, 0.1)} for seed in range(3)}},
)


def test_selectivity() -> None:
    assert selectivity(result(0.25, 0.75)) == 0.5
    assert selectivity(result(1.0, 1.0)) == selectivity(result(0.0, 0.0)) == 0  # lost nothing; lost everything
    assert selectivity({"measures": {"neighbours": {"kept": 1.0}}}) is None


def test_editors_against_training() -> None:
    with_c, without = against_training(RESULTS, "pretrained")
    assert (with_c.name, without.name) == ("rome, 10", "rome:covariance=false, 10")
    # .9 - .5, .89 - .5, .88 - .5
    assert with_c.values == pytest.approx((0.4, 0.39, 0.38)) and with_c.finding == "differ"
    assert without.found.difference == pytest.approx(-0.41)
    assert with_c.holm >= with_c.found.t_p  # type: ignore[operator]
    assert told([with_c, without]) == (
        "1 of 2 higher: rome, 10 (+0.390); 1 of 2 lower: rome:covariance=false, 10 (-0.410)"
    )


def test_one_fact_edited_jointly_is_no_second_comparison() -> None:
    config = CONFIG.model_copy(update={"editors": ("rome", "rome:joint=true"), "numbers": (1, 10)})
    arms = {
        ("pretrained", "numbers", count, label): seeds(0.1, 0.9)
        for count in config.numbers for label in (*config.editors, "npo")
    }  # fmt: skip
    names = [each.name for each in against_training(Results(config, arms, {}), "pretrained")]
    assert names == ["rome, 1", "rome, 10", "rome:joint=true, 10"]


def test_the_floor_is_that_of_what_must_stay_taken_together() -> None:
    def levels(neighbours: float, others: float, same: float) -> dict[str, Any]:
        groups = {"neighbours": neighbours, "others": others, "same subject": same, "asked": 0.0}
        return {"measures": {title: {"said": 0.0, "kept": 1.0, "level": level} for title, level in groups.items()}}

    before, after = levels(1.0, 0.9, 0.5), levels(0.9, 0.9, 0.48)  # means .8 and .76: a ratio of .95
    assert keeps_floor(after, before, 0.949) is True and keeps_floor(after, before, 0.951) is False
    assert keeps_floor({"measures": {"asked": {"level": 1.0}}}, before, 0.95) is None
    lost = levels(1.0, 0.9, 0.1)  # neighbours all kept: selectivity 1, and yet the floor is not
    assert selectivity(lost) == 1.0 and keeps_floor(lost, before, 0.95) is False
    rome = {("pretrained", "numbers", 10, "rome"): {0: before, 1: lost, 2: before}}  # the third has no control
    controls = {"pretrained": {seed: {"unedited": before, "never": None} for seed in range(2)}}
    table = arms_table(Results(CONFIG, rome, controls), "pretrained", "numbers", 10, "")
    column = table.head.index("Floor held")
    assert [(row[0], row[column]) for row in table.rows] == [("unedited", "–"), ("rome", "1 of 2")]
    assert "over all facts of a seed" in table.caption


def test_a_refusal_with_the_subjects_name_against_a_fixed_one() -> None:
    config = CONFIG.model_copy(update={"parts": ("targets",), "kinds_of": ("rome", "npo")})

    def of(kept: float, refused: float) -> dict[int, dict[str, Any]]:
        found = seeds(0.0, kept)
        for each in found.values():
            each["measures"]["asked"]["refused"] = refused
        return found

    arms = {
        ("pretrained", "targets", 10, "rome, fixed"): of(0.75, 1.0),
        ("pretrained", "targets", 10, "rome, named"): of(0.5, 0.75),
        ("pretrained", "targets", 10, "npo, fixed"): of(0.5, 1.0),  # it has no other
    }
    results = Results(config, arms, {})
    several = targets(results, "pretrained")
    assert [(each.name, each.measure) for each in several] == [
        ("rome, 10: selectivity", "selectivity"), ("rome, 10: refused", "refused")
    ]  # fmt: skip
    assert [each.values for each in several] == [pytest.approx((-0.25,) * 3), (-0.25,) * 3]
    assert any(line.startswith("A refusal that names the subject") for line in headline(results, {"targets": several}))


def test_the_difference_on_pre_trained_knowledge_against_that_on_fine_tuned() -> None:
    (found,) = especially(RESULTS)
    # (.9 - .5) - (.6 - .5), then .39 - .08, .38 - .06
    assert found.values == pytest.approx((0.3, 0.31, 0.32))


def test_merged_queries_and_the_statistics_of_the_corpus() -> None:
    text, keys = merging(RESULTS, "pretrained")
    assert text.values == pytest.approx((0.4, 0.39, 0.38)) and keys.finding == "identical"
    (kept,) = covariance(RESULTS, "pretrained")
    assert kept.measure == "neighbours kept" and kept.found.difference == pytest.approx(0.8)
    assert kept.found.t_p is None and kept.finding == "unresolved"  # three equal differences: sign flips give 1/4


def test_what_relearning_brings_back() -> None:
    by_name = {each.name: each for each in coming_back(RESULTS, "pretrained")}
    assert by_name["rome"].found.difference == pytest.approx(0.71) and by_name["rome"].finding == "differ"
    assert by_name["npo"].finding == "identical"
    assert attack(result(0, 0, 0.3), "relearn", "probability") == 0.3
    assert attack(result(0, 0), "quantize", "4 bit, said") is None
    assert attack({"attacks": {"relearn:epochs=1": {"probability": 0.2}}}, "relearn", "probability") == 0.2


def test_the_headline_names_what_differs_and_nothing_without_results() -> None:
    lines = headline(RESULTS, compared(RESULTS))
    assert any(line.startswith("Merged queries against none: 1 of 2 higher: rome, merged by text") for line in lines)
    empty = Results(CONFIG, {}, {})
    assert headline(empty, compared(empty)) == ("No cell is done yet.",)


def test_single_facts_are_drawn_several_times_and_the_most_are_attacked() -> None:
    config = EditingStudyConfig(numbers=(1, 5), singles=3)
    one, five = arms(config, "numbers", 1)[0], arms(config, "numbers", 5)[0]
    assert (one.draws, one.attacked, five.draws, five.attacked) == (3, False, 1, True)


def test_parts_at_several_numbers_of_facts_and_what_they_have_in_common() -> None:
    config = EditingStudyConfig(
        numbers=(1, 5), merged_at=(3, 5), kinds_at=(1, 5), parts=("numbers", "merging", "targets"), seeds=2,
    )  # fmt: skip
    counts = {(each.part, each.count) for each in cells(config)}
    assert counts == {("numbers", 1), ("numbers", 5), ("merging", 3), ("merging", 5), ("targets", 1), ("targets", 5)}
    where = {
        (part, count, arm.label): home(config, Cell("pretrained", part, count, 0), arm)[0].part
        for part, count in counts for arm in arms(config, part, count)
    }  # fmt: skip
    assert where["merging", 5, "rome"] == where["targets", 1, "idk, fixed"] == "numbers"
    assert where["merging", 3, "rome"] == where["merging", 5, "rome, merged by text"] == "merging"  # not run there
    assert where["targets", 1, "rome, named"] == "targets"
    alone = config.model_copy(update={"parts": ("merging",)})
    assert home(alone, Cell("pretrained", "merging", 5, 0), arms(alone, "merging", 5)[0])[0].part == "merging"


def test_arms_are_read_one_by_one_and_those_that_failed_are_told_of(tmp_path: Path) -> None:
    """Seed 0 has no result of its cell, since an arm failed there; what two parts share lies in the first."""
    first, second = (next(c for c in cells(CONFIG) if (c.part, c.seed) == (part, 0)) for part in CONFIG.parts)
    write_result(tmp_path / first.place, result(0.1, 1.0), "rome.json")
    write_result(tmp_path / first.place, {"failed": "it overflowed"}, "npo.failed.json")
    found = load(CONFIG, tmp_path)
    assert set(found.arms) == {("pretrained", "numbers", 10, "rome"), ("pretrained", "merging", 10, "rome")}
    assert [(each.label, each.seed, each.why) for each in found.failed] == [("npo", 0, "it overflowed")]
    assert not (tmp_path / second.place).exists()
    assert headline(found, compared(found))[0] == (
        "Conditions that could not be run, and are missing: 1. Why stands below."
    )
    assert headline(Results(CONFIG, {}, {}, found.failed), {})[1] == "No cell is done yet."


def test_a_control_that_was_only_attacked_has_no_row_of_measures() -> None:
    """Twins stand in for a model that never knew: nobody asked them what they say."""
    twins = {"attacks": {"relearn": {"probability": 0.1}}}
    results = Results(CONFIG, RESULTS.arms, {"pretrained": {0: {"unedited": result(1.0, 1.0), "never": twins}}})
    rows = arms_table(results, "pretrained", "numbers", 10, "").rows
    assert [row[0] for row in rows] == ["unedited", "rome", "rome:covariance=false", "npo"]


def test_the_report_says_what_editors_are_given() -> None:
    kept = EditingStudyConfig(suite="tofu:mini", places=(), editors=("memit:keep=256", "grace:layer=1"))
    world, real = (" ".join(how(config, None)) for config in (EditingStudyConfig(), kept))
    assert "as in the papers. What trains" in world and "as in the papers, but to memit:keep=256. What" in real
    assert "come from the texts that do not tell" in world and "come from the model's own texts, drawn once" in real
    assert "Chosen: not yet." in world and "Chosen: nothing." in " ".join(how(CONFIG, {"rome": None}))
    assert "Fine-tuned knowledge: a model that never saw" in world and "never saw" not in real
    assert "that no result below has" in world and "seed 6, which may share facts with the results" in real
    assert "the block of editors" in world and "the block of editors" not in real and "the learning rate of" in real
    nothing = kept.model_copy(update={"rates": (1e-5,)})
    assert "No settings were tried beforehand" in " ".join(how(nothing, None))


def test_the_report_says_what_its_numbers_do_not_tell() -> None:
    real = CONFIG.model_copy(update={"suite": "tofu:mini", "places": ()})
    assert "is itself told in the texts" in reading(CONFIG) and "met it on the pilot only" in reading(CONFIG)
    assert "One hop" not in reading(real) and "editors know of none" in reading(real)
    results = Results(CONFIG, RESULTS.arms, {})
    said = " ".join(limits(results, {}))
    assert "retained texts, too" in said and "on pretrained knowledge only, and serve finetuned" in said
    assert DESCRIPTIVE not in headline(results, {}) and "that needs two seeds" in headline(results, {})[-1]
    outside = Results(real, RESULTS.arms, {})
    assert DESCRIPTIVE in headline(outside, {}) and DESCRIPTIVE in limits(outside, {})


def test_the_pilot_says_what_never_worked_and_where_the_grid_ended() -> None:
    said = list(tried([
        Trial("rome", {0.1: 1.0, 0.34: 0.25, 0.6: 0.5}, 0.34), Trial("wise", {0.1: 0.75, 0.6: 0.9}, 0.1),
        Trial("memit", {0.1: None, 0.34: 0.5, 0.6: 0.4}, 0.6),
    ]))  # fmt: skip
    assert said[1] == "Never brought to work, with a best loss above 0.5: wise (0.75)."
    assert said[2].endswith("where there is any beyond: wise (0.1) and memit (0.6).")
    assert list(tried([])) == []

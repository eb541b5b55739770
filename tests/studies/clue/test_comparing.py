"""Numbers of one run by hand, and CLUE against another arm over seeds."""

from pathlib import Path

import pytest

from expunge.config import ClueStudyConfig
from expunge.studies.clue.circuit_tables import moved_table, patched_table
from expunge.studies.clue.comparing import FURTHER, TESTED, Found, compared, load_shares, value_before, value_of
from expunge.studies.clue.plan import chosen_rates, pilot_losses, pilots, ratios_place
from expunge.studies.clue.scene import FORGET, REST, REWORDED, SKILL, TEST
from expunge.studies.clue.tables import (
    compared_table,
    end_table,
    exact_table,
    further_table,
    main_table,
    pilot_table,
    ratio_table,
)
from expunge.studies.clue.wording import headline
from expunge.studies.results import write_result


def measures(forget: float, retain: float, other: float) -> dict:
    """`exact` and `strength` alike."""
    values = {FORGET: forget, REWORDED: forget, TEST: retain, SKILL: retain, "geography": other, "offices": other}
    return {title: {"exact": value, "strength": value, "level": value} for title, value in values.items()}


def result(*levels: tuple[float, float], kept: int = 1, never: float = 0.1, after: float = 0.3) -> dict:
    """Points as (forget, retained); what is measured is as the levels say."""
    points = [
        {"step": i, "forget": f, "utility": r, "measures": measures(f, r, 0.5)} for i, (f, r) in enumerate(levels)
    ]
    return {
        "points": points, "kept": kept, "never": never, "share": 0.5, "changed": 0.4, "holds": True, "note": "",
        "nodes": {"forget": ["0.q"], "conflict": ["0.up"]},
        **asked(after),
    }  # fmt: skip


def asked(after: float, auc: float = 0.375) -> dict:
    """What is asked of a model beyond the likelihood of answers."""
    return {
        "relearnt": {"before": 0.1, "after": after, "twins before": 0.1, "twins after": 0.125},
        "unrelated": {
            "before": 0.1,
            "twins before": 0.1,
            "after": 0.25,
            "twins after": 0.125,
            "said after": 0.5,
            "twins said after": 0.25,
        },
        "said": {"forget": 0.25, "retain": 0.75},
        "membership": {"auc": auc, "tpr": None, "roc": [[0.0, 0.0], [1.0, 1.0]], "controls": 8},
    }


BEFORE = {"measures": measures(1.0, 0.75, 0.5), **asked(0.9, auc=1.0)}


RUN = result((1.0, 1.0), (0.28, 0.75), (0.0, 0.5))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("distance", 0.2),  # 0.18 of a way of 0.9
        ("FE", 0.72), ("RU", 0.75), ("GU", 0.5), ("FE at the end", 1.0), ("RU at the end", 0.5),
        ("relearnt, gained", 0.175), ("unrelated, gained", 0.125), ("relearnt", 0.175),
        ("share", 0.5), ("FE, reworded", 0.72), ("skill", 0.75), ("skill at the end", 0.5),
        ("ROUGE-L, forget", 0.25), ("ROUGE-L, retain", 0.75), ("AUC", 0.375), ("AUC from 1/2", 0.125),
        ("unrelated", 0.125), ("said after unrelated", 0.25),
        ("AUES", 0.72 * 0.75 + 0.28 * 0.5),  # nothing is forgotten at the start
    ],
)  # fmt: skip
def test_a_run_in_numbers(metric: str, expected: float) -> None:
    assert value_of(RUN, metric) == pytest.approx(expected)


def test_a_model_before_in_numbers() -> None:
    of = lambda metric: value_before(BEFORE, metric)
    assert [of(m) for m in ("FE", "RU", "GU", "skill", "FE, reworded")] == [0, 0.75, 0.5, 0.75, 0]
    assert [of(m) for m in ("AUC", "AUC from 1/2", "ROUGE-L, forget")] == [1, 0.5, 0.25]


def test_what_was_not_measured_has_no_value() -> None:
    run = result((1.0, 1.0), (0.5, 1.0))
    for point in run["points"]:
        for title in (SKILL, REWORDED):
            del point["measures"][title]
    assert [value_of(run, m) for m in ("skill", "FE, reworded", "TPR at 1 % FPR")] == [None] * 3
    assert Found("heads", "idk", {0: {"CLUE": run}}).values("CLUE", "skill") == {}


def test_beyond_never_known_is_as_far_as_before_it() -> None:
    """And a model that knew nothing has no way to go."""
    assert value_of(result((1.0, 1.0), (0.01, 1.0)), "distance") == pytest.approx(0.1)
    assert value_of(result((0.1, 1.0), (0.1, 1.0), never=0.2), "distance") == 1.0


def test_a_run_that_keeps_no_utility_is_not_near() -> None:
    ruined = {**result((1.0, 1.0), (0.1, 0.0)), "holds": False}
    assert value_of({**ruined, "holds": True}, "distance") == 0 and value_of(ruined, "distance") == 1


def test_every_trial_of_a_rate_is_shown_and_the_chosen_one_marked(tmp_path: Path) -> None:
    config = ClueStudyConfig(objectives=("idk",), arms=("no stage 1",), rates=(1e-4, 1e-3))
    for (*_, place), losses in zip(pilots(config), ([0.5, 0.25], [None, None])):
        write_result(tmp_path / place, {"losses": losses})
    rates, losses = chosen_rates(config, tmp_path), pilot_losses(config, tmp_path)
    assert rates == {"idk": {"CLUE": 1e-3, "no stage 1": 1e-3}}  # without a run of its own it has CLUE's
    table = pilot_table(losses, rates, config.rates)
    assert table.rows == [["idk, CLUE", "0.500", "0.250 *"], ["idk, no stage 1", "–", "– *"]]


def found(ours: list[float], theirs: list[list[float]]) -> Found:
    """Kept forget levels of CLUE, and of the draws of random nodes, seed by seed."""
    seeds = {
        seed: {
            "CLUE": result((1.0, 1.0), (own, 1.0)),
            **{f"random nodes {i}": result((1.0, 1.0), (each, 1.0)) for i, each in enumerate(draws)},
            "no stage 1": {"absent": "there are no conflict nodes"} if seed == 0 else result((1.0, 1.0), (own, 1.0)),
        }
        for seed, (own, draws) in enumerate(zip(ours, theirs))
    }  # fmt: skip
    return Found(
        "matrices", "idk", seeds, dict.fromkeys(seeds, BEFORE), {seed: {"0.q": 1, "0.up": 3} for seed in seeds}
    )


def test_draws_are_averaged_first_and_absent_arms_are_left_out() -> None:
    one = found([0.19, 0.28, 0.37], [[0.28, 0.46], [0.55, 0.46], [0.46, 0.55]])
    assert one.conditions == ["CLUE", "random nodes", "no stage 1"]
    assert list(one.values("random nodes", "distance").values()) == pytest.approx([0.3, 0.45, 0.45])
    assert set(one.values("no stage 1", "distance")) == {1, 2} and one.empty("forget") == 0
    config = ClueStudyConfig()
    random, absent = compared([one], config, "distance")
    assert (random.arm, random.found.n, absent.found.n) == ("random nodes", 3, 2)
    assert random.values == pytest.approx((-0.2, -0.25, -0.15)) and random.found.difference == pytest.approx(-0.2)
    assert absent.finding == "identical" and random.holm >= random.found.p
    several = {metric: compared([one], config, metric) for metric in (*TESTED, *FURTHER)}
    assert len(compared_table(several).rows) == 2 == len(exact_table(several["distance"], "distance").rows)
    assert compared_table(several, FURTHER).rows[0][1:] == ["0 (1, identical)"] * 6
    assert [len(table.rows) for table in (main_table([one]), end_table([one]), further_table([one]))] == [4, 3, 4]
    assert main_table([one]).rows[0] == ["idk, before", "3", "–", "–", *["0.00 ± 0.00", "0.75 ± 0.00", "0.50 ± 0.00"],
                                         "–", "0.00 ± 0.00", "–"]  # fmt: skip
    assert one.roc("CLUE")[25] == (0.5, 0.5) and one.roc_before()[-1] == (1.0, 1.0)
    assert one.overlap("random nodes") == [1.0] * 6
    one.seeds[0]["random nodes 1"]["nodes"] = {"forget": ["0.down"], "conflict": ["0.up"]}
    one.sizes[0]["0.down"] = 1
    assert one.overlap("random nodes") == [1.0, 0.75, *[1.0] * 4]  # of the weights, not of the nodes
    said = " ".join(headline(config, [one], several))
    assert "CLUE minus random nodes is -0.200" in said and "identical: no stage 1" in said
    assert "stage 1 is empty: 0 of 3 (matrices)." in said and "one and the same" not in said
    assert headline(config, [], {}) == ("No cell has two seeds yet.",)
    real = headline(ClueStudyConfig(suite="world:capitals"), [one], several)
    assert "descriptive" in real[0] and "random nodes -0.200 and no stage 1 0." in real[1]
    assert "Holm" not in " ".join(real) and "differ" not in " ".join(real)


def test_circuits_of_one_training_are_told_once() -> None:
    """An arm that trained the same as CLUE has its result, and was not looked at again."""
    alike = {"nodes": 0.5, "edges": 0.25}
    moved = {"forget": alike, "retain": alike, "forget nodes": 0.5, "conflict nodes": 0.5, "same class": 0.75}
    run = {**RUN, "moved": moved}
    one = Found("heads", "idk", {0: {"CLUE": run, "one stage": {**run, "same as": "CLUE"}}})
    table = moved_table([{"other contrasts": moved}], [one])
    assert [row[0] for row in table.rows] == ["nothing trained, other contrasts", "after idk, CLUE"]
    assert table.rows[1][1:4] == ["1 of 1", "0.50", "0.25"]


def test_what_is_not_done_yet_has_no_rows() -> None:
    names = ("noising", "denoising", "noising, whole path", "denoising, whole path")
    scores = {name: {"rank": 0.5, "top": 0.25} for name in names}
    table = patched_table({"heads": [{"exact": {"edges": 7, **scores}}], "matrices": []})
    assert len(table.rows) == 4 and table.rows[0] == ["heads, noising", "1", "7", "0.50", "0.25"]


def test_shares_of_the_forget_set_stand_beside_the_whole(tmp_path: Path) -> None:
    """A share is of a job of its own, the whole of the cell of all arms."""
    config = ClueStudyConfig(seeds=2, ratios=(0.5, 1.0), granularities=("matrices",), objectives=("idk",))
    run = result((1.0, 1.0), (0.5, 0.75))
    run["points"][1]["measures"][REST] = {"exact": 0.25, "level": 0.25}
    part = {"rows": 8, "arms": {"CLUE": run, "all weights": {"absent": "it has no nodes to train"}}}
    for seed in range(2):
        write_result(tmp_path / ratios_place(seed), {"ratios": {"0.5": part}})
    write_result(tmp_path / "cells/matrices/idk/seed-0", {"rows": 16, "arms": {"CLUE": RUN, "one stage": RUN}})
    shares = load_shares(config, tmp_path)
    assert {ratio: len(each) for ratio, each in shares.items()} == {0.5: 2, 1.0: 1}
    half, whole = ratio_table(shares).rows
    assert half[:3] == ["50 %, CLUE", "2", "8"] and half[-1] == "0.25 ± 0.00" and half[4] == "0.50 ± 0.00"
    assert whole[:3] == ["100 %, CLUE", "1", "16"] and whole[-1] == "–" and whole[4] == "0.72"

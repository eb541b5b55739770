"""Numbers of one run by hand, and CLUE against another arm over seeds."""

import pytest

from expunge.config import ClueStudyConfig
from expunge.studies.clue.comparing import TESTED, Found, compared, value_of
from expunge.studies.clue.scene import FORGET, OTHERS, STATEMENT, TEST
from expunge.studies.clue.tables import compared_table, end_table, exact_table, main_table
from expunge.studies.clue.wording import headline


def measures(forget: float, retain: float, other: float) -> dict:
    """`exact` and `strength` alike."""
    values = {FORGET: forget, STATEMENT: forget, TEST: retain, **dict.fromkeys(OTHERS, other)}
    return {title: {"exact": value, "strength": value, "level": value} for title, value in values.items()}


def result(*levels: tuple[float, float], kept: int = 1, never: float = 0.1, after: float = 0.3) -> dict:
    """Points as (forget, retained); what is measured is as the levels say."""
    points = [
        {"step": i, "forget": f, "utility": r, "measures": measures(f, r, 0.5)} for i, (f, r) in enumerate(levels)
    ]
    return {
        "points": points, "kept": kept, "never": never, "share": 0.5, "changed": 0.4, "holds": True, "note": "",
        "nodes": {"forget": ["0.q"], "conflict": ["0.up"]},
        "relearnt": {"before": 0.1, "after": after, "twins before": 0.1, "twins after": 0.125},
    }  # fmt: skip


RUN = result((1.0, 1.0), (0.28, 0.75), (0.0, 0.5))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("distance", 0.2),  # 0.18 of a way of 0.9
        ("FE", 0.72), ("RU", 0.75), ("GU", 0.5), ("FE at the end", 1.0), ("RU at the end", 0.5),
        ("relearnt", 0.175), ("share", 0.5), ("FE, as a statement", 0.72),
        ("AUES", 0.72 * 0.75 + 0.28 * 0.5),  # nothing is forgotten at the start
    ],
)  # fmt: skip
def test_a_run_in_numbers(metric: str, expected: float) -> None:
    assert value_of(RUN, metric) == pytest.approx(expected)


def test_beyond_never_known_is_as_far_as_before_it() -> None:
    """And a model that knew nothing has no way to go."""
    assert value_of(result((1.0, 1.0), (0.01, 1.0)), "distance") == pytest.approx(0.1)
    assert value_of(result((0.1, 1.0), (0.1, 1.0), never=0.2), "distance") == 1.0


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
    return Found("matrices", "idk", seeds)


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
    several = {metric: compared([one], config, metric) for metric in TESTED}
    assert len(compared_table(several).rows) == 2 == len(exact_table(several["distance"], "distance").rows)
    assert [len(table.rows) for table in (main_table([one]), end_table([one]))] == [3, 3]
    assert one.overlap("random nodes") == [1.0] * 6
    said = " ".join(headline([one], several))
    assert "CLUE minus random nodes is -0.200" in said and "identical: no stage 1" in said
    assert headline([], {}) == ("No cell has two seeds yet.",)

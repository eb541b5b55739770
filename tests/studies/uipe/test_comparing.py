"""Comparisons on made-up cells whose answers are known by hand."""

from typing import Any

import pytest

from expunge.config import UipeStudyConfig
from expunge.studies.results import write_result
from expunge.studies.uipe.comparing import (
    FAILED,
    Cell,
    at_equal_forgetting,
    choices,
    interpolated,
    load,
    overshoots,
    startable,
    taken_along,
)
from expunge.studies.uipe.page import publish
from expunge.studies.uipe.plan import cells
from expunge.studies.uipe.scene import FORGET, RELATED, TEST, UNRELATED
from expunge.studies.uipe.tables import selectors_table, strengths_table
from expunge.studies.uipe.wording import how, limits, reading

ALPHAS = (0.0, 0.5, 1.0, 2.0)
CONFIG = UipeStudyConfig(
    sizes=("tiny",), methods=("npo",), seeds=3, alphas=ALPHAS, selectors=("nearest",), rates=(1e-3,), motivating=False
)


def measures(forget: float, log: float, related: float, unrelated: float, kept: float) -> dict[str, Any]:
    groups = {
        FORGET: (forget, log), RELATED: (0.5, related), UNRELATED: (0.5, unrelated), TEST: (kept, -0.1),
    }  # fmt: skip
    return {
        name: {"level": level, "log": value, "exact": 0.0, "strength": 0.0, "choice": 0.25, "chance": 0.2}
        for name, (level, value) in groups.items()
    }


def result(seed: int = 0, chosen: float = 0.5, holds: bool = True, tested: float | None = 0.97) -> dict[str, Any]:
    """Never-known is 0.1 (-2 nats), the start 0.9 (0 nats). α = 0.5 is nearest; at 1 the floor is broken."""
    line = {
        0.0: measures(0.5, -1.0, -0.2, -0.1, 1.0),
        0.5: measures(0.18, -2.0, -0.5 - 0.01 * seed, -0.2, 0.98),
        1.0: measures(0.12, -2.2, -1.0 - 0.01 * seed, -0.4, 0.90),
        2.0: measures(0.05, -2.6, -2.0, -0.8, 0.97),
    }
    curve = [{"alpha": alpha, "measures": line[alpha]} for alpha in ALPHAS]
    start = measures(0.9, 0.0, 0.0, 0.0, 1.0)
    steps = [(0, start), (10, line[0.0]), (20, measures(0.1, -3.0, -1.2, -0.3, 0.9))]
    return {
        "size": "tiny", "method": "npo", "seed": seed, "rate": 1e-3, "never": {"level": 0.1, "log": -2.0}, "note": "",
        "trajectory": [{"step": s, "forget": 0.0, "utility": 1.0, "norm": float(s), "measures": m} for s, m in steps],
        "from": {name: {"step": 10, "norm": 1.0, "curve": curve} for name in ("half", "early", "kept")},
        "promise": {"cuts": 200, "held": 190 + seed, "further": 100, "held further": 95},
        "selectors": {
            "nearest": {
                "alpha": chosen, "why": "", "holds": holds, "overshoots": False, "tested": tested, "points": 8,
                "measures": line[chosen],
            }
        },
        "random": [{"draw": 0, "curve": curve[1:]}],
        "faster": {"steps": 10, "measures": line[0.5], "norm": 2.0, "note": ""},
    }  # fmt: skip


CELL = Cell(result(), 0.95)


def test_loss_is_the_distance_as_a_share_of_the_way() -> None:
    assert CELL.loss(CELL.at(0.0)) == pytest.approx(0.4 / 0.8)
    assert CELL.loss(CELL.at(0.5)) == pytest.approx(0.08 / 0.8)
    assert CELL.loss(CELL.at(1.0)) == FAILED  # 90 % of the utility
    assert overshoots(CELL, CELL.at(2.0)) and CELL.loss(CELL.at(2.0)) == FAILED  # -2.6 is below -2 - 0.2 · 2
    assert CELL.best() == pytest.approx(0.1)


def test_regret_is_against_the_best_in_hindsight() -> None:
    found = {("tiny", "npo"): [Cell(result(chosen=0.5), 0.95), Cell(result(chosen=0.0), 0.95)]}
    by_name = {choice.name: choice for choice in choices(CONFIG, found)}
    assert by_name["nearest"].regrets == pytest.approx((0.0, 0.4))
    assert by_name["nearest"].held == (True, True)
    assert by_name["α = 1"].regrets == pytest.approx((0.9, 0.9))
    assert by_name["α = 1"].held == (False, False)
    assert set(by_name) == {"nearest", "α = 0", "α = 0.5", "α = 1"}


def test_a_selector_is_judged_by_the_whole_half_that_it_was_tested_on() -> None:
    """Of 0.5 the tables' rows keep 98 %; what `tested` says goes first, and those at α = 0 are counted apart."""
    several = [result(tested=0.94), result(tested=0.96), result(tested=None), result(chosen=0.0, tested=0.96)]
    found = {("tiny", "npo"): [Cell(each, 0.95) for each in several]}
    nearest, zero, half, _ = choices(CONFIG, found)
    assert nearest.held == (False, True, True, True)
    assert nearest.further == (False, True, True)
    assert zero.held == (True,) * 4 and zero.further == ()
    assert half.held == half.further == (True,) * 4
    table = selectors_table([nearest])
    assert table.rows[0][2:6] == ["3 of 4", "0 of 4", "3 of 4", "2 of 3"]


def test_a_checkpoint_below_the_floor_counts_neither_way() -> None:
    cell = Cell(result(holds=False), 0.95)
    assert not startable(cell)
    assert next(choices(CONFIG, {("tiny", "npo"): [cell]})).held == ()


def test_further_steps_are_read_where_as_much_is_forgotten() -> None:
    """At α = 0.5 the forget rows have -2 nats: half-way from step 10 (-1) to step 20 (-3)."""
    assert at_equal_forgetting(CELL, 0.5, TEST) == pytest.approx((0.98, 0.95))
    assert at_equal_forgetting(CELL, 0.5, RELATED, "log") == pytest.approx((-0.5, -0.7))
    assert interpolated(CELL.steps(), -3.5, TEST, "level") is None


def test_what_goes_along_is_compared_seed_by_seed() -> None:
    """Related facts lose 0.8 nats and a little more each seed, unrelated ones 0.3."""
    (found,) = taken_along({("tiny", "npo"): [Cell(result(seed), 0.95) for seed in range(3)]}, 1.0, RELATED, UNRELATED)
    assert found.values == pytest.approx((0.5, 0.51, 0.52))
    assert found.found.means == pytest.approx((0.81, 0.3))
    assert found.finding == "differ"


def test_the_report_is_made_of_what_is_there(tmp_path) -> None:
    assert publish(CONFIG, tmp_path).headline == ("No cell is done yet.",)
    for _, _, seed, place in cells(CONFIG):
        write_result(tmp_path / place, result(seed))
    published = publish(CONFIG, tmp_path)
    assert published.files["report.html"].startswith("<!")
    assert "in 1 of 1 comparisons related facts lost more" in published.headline[0]
    said = "\n".join(published.headline)
    assert "nearest: the floor of 95 % holds on the other half in 3 of 3 cells" in said
    assert "α is above 0 in 3 of 3 cells; of these it holds in 3 of 3." in said
    assert "that learnt 200 persons" in published.files["report.md"]
    for section in ("Along α", "Against other ways to go on", "Choosing α", "Told from wrong answers"):
        assert f"## {section}" in published.files["report.md"]


def test_a_suite_with_one_model_stands_where_the_world_has_sizes(tmp_path) -> None:
    config = CONFIG.model_copy(update={"suite": "tofu:mini", "base": "tofu:mini@full"})
    for of, known in ((CONFIG, "tiny"), (config, "tofu:mini")):
        for _, _, seed, place in cells(of):
            write_result(tmp_path / known / place, result(seed))
        assert list(load(of, tmp_path / known)) == [(known, "npo")]


def test_where_rates_were_chosen_is_said_of_several_sizes_only() -> None:
    several = CONFIG.model_copy(update={"sizes": ("tiny", "1M"), "rates": (1e-3, 1e-4)})
    said = "".join(how(several, {"tiny": {"npo": 1e-3}, "1M": {"npo": 1e-4}}))
    assert "on a model of each size" in said and "tiny: npo 0.001; 1M: npo 0.0001." in said
    one = several.model_copy(update={"sizes": ("1M",), "precision": "bfloat16"})
    assert "each size" not in (said := "".join(how(one, {"1M": {"npo": 1e-3}}))) and "held: npo 0.001." in said
    assert "in bfloat16 arithmetic" in said and "not chosen yet" in "".join(how(one, {"1M": {}}))


def test_what_the_rows_are_is_said_of_the_suite_at_hand() -> None:
    assert "twins, persons who do not exist" in reading(CONFIG)
    tofu = reading(UipeStudyConfig(suite="tofu:mini", base="tofu:mini@full"))
    assert "holdout set" in tofu and "no related rows" in tofu and "persons" not in tofu
    assert not any("persons" in line for line in limits([], UipeStudyConfig(suite="tofu:mini", base="tofu:mini@full")))


def test_strengths_are_read_at_every_alpha_of_both_sets() -> None:
    several = [Cell(result(seed), 0.95) for seed in range(2)]
    for cell in several:
        for measured in cell.line():
            measured[FORGET]["ratio"], measured[TEST]["ratio"] = 0.6, 0.8  # type: ignore[index]
    table = strengths_table({("tiny", "npo"): several}, ALPHAS)
    assert [row[1] for row in table.rows] == ["0", "0.5", "1", "2"]
    assert [row[table.head.index("Forget: truth ratio")] for row in table.rows] == ["0.60 ± 0.00"] * 4
    assert [row[table.head.index("Retained: truth ratio")] for row in table.rows] == ["0.80 ± 0.00"] * 4

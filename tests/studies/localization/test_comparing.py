"""From made-up results to comparisons and the page."""

from pathlib import Path
from typing import Any

import pytest

from expunge.config import LocalizationStudyConfig
from expunge.studies.localization.arms import arms
from expunge.studies.localization.comparing import compared, load
from expunge.studies.localization.page import publish
from expunge.studies.running import write_result

CONFIG = LocalizationStudyConfig(seeds=3, draws=2, objectives=("npo",), localizers=("wagle",), whole=False)


def result(aues: float, end: float, best: float | None) -> dict[str, Any]:
    points = [{"FS": 0.2, "RS": 1.0}, {"FS": end, "RS": 0.9}]
    quality = {"mu95_absent": "too short"} if best is None else {"mu95": {"best": best, "crossing": best - 1}}
    return {"points": points, "aues": aues, "recall": 0.5, **quality}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for arm in arms(CONFIG):
        for seed in range(3):
            regions = {
                "random 0": result(0.5 + 0.1 * seed, 0.6, -5.0), "random 1": result(0.7 + 0.1 * seed, 0.8, -7.0),
                "oracle": result(0.65 + 0.1 * seed, 0.7, -4.0), "wagle": result(0.4 + 0.11 * seed, 0.9, None),
            }  # fmt: skip
            kept = {name: each for name, each in regions.items() if name in arm.regions}
            write_result(arm.place(tmp_path, seed), {"regions": kept})
    return tmp_path


def test_draws_are_averaged_within_a_seed(out: Path) -> None:
    planted = load(CONFIG, out)[0]
    assert planted.conditions == ["oracle", "Random", "wagle"]
    assert planted.values("Random", "aues") == pytest.approx({0: 0.6, 1: 0.7, 2: 0.8})
    assert planted.curve("Random") == [pytest.approx((1.0, 0.2)), pytest.approx((0.9, 0.7))]


def test_findings_are_corrected_over_the_part(out: Path) -> None:
    found = [each for each in compared(load(CONFIG, out), CONFIG, "aues") if each.part == "B"]
    by = {each.region: each for each in found}
    assert by["wagle"].holm == min(1.0, 2 * by["wagle"].found.p)  # the smaller of two
    assert by["wagle"].finding == "differ"
    assert by["oracle"].finding == "unresolved"  # no spread, so neither test nor equivalence


def test_differences_by_hand(out: Path) -> None:
    """Oracle minus the mean of Random's draws is .05 in each seed; WAGLE's is -.2, -.19, -.18."""
    found = {each.region: each for each in compared(load(CONFIG, out)[:1], CONFIG, "aues")}
    assert found["oracle"].values == pytest.approx((0.05, 0.05, 0.05))
    assert found["wagle"].found.difference == pytest.approx(-0.19)
    assert found["wagle"].found.absolute == pytest.approx(0.19)
    assert found["wagle"].found.finding == "differ"


def test_seeds_without_a_value_are_left_out(out: Path) -> None:
    found = {each.region: each for each in compared(load(CONFIG, out)[:1], CONFIG, "mu95")}
    assert set(found) == {"oracle"}  # WAGLE has no MU95 at all
    assert found["oracle"].values == pytest.approx((2.0, 2.0, 2.0))
    assert load(CONFIG, out)[0].reasons("wagle") == ["too short"] * 3


def test_raw_aues_is_over_what_all_regions_reach(out: Path) -> None:
    """From .2 to .6, along a line that falls from 1: Random 0's is .4 · .95, a longer run's is higher there."""
    values = load(CONFIG, out)[0].values("oracle", "aues_raw")
    assert values[0] == pytest.approx(0.4 * (1.0 + (1.0 - 0.1 * 0.4 / 0.5)) / 2)


def test_the_report_says_what_is_there(out: Path) -> None:
    found = publish(CONFIG, out)
    assert set(found.files) >= {"report.html", "report.md", "results.json", "pictures/a-differences.svg"}
    assert found.headline[0].startswith("npo: ")
    assert "too short" in found.files["report.md"]
    assert "WAGLE in value vectors are reconstructions" in found.files["report.md"]


def test_the_report_of_nothing(tmp_path: Path) -> None:
    assert publish(CONFIG, tmp_path).headline == ("No arm has two seeds yet.",)

"""From made-up results to comparisons and the page."""

import json
from pathlib import Path
from typing import Any

import pytest

from expunge.config import LocalizationStudyConfig
from expunge.studies.compared import corrected, minus
from expunge.studies.localization.arms import arms
from expunge.studies.localization.comparing import Comparison, compared, load
from expunge.studies.localization.page import publish
from expunge.studies.localization.plan import pilots
from expunge.studies.localization.wording import headline
from expunge.studies.results import write_result

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


def test_a_run_that_diverged_takes_nothing_from_the_others(out: Path) -> None:
    """WAGLE broke off at the start of seed 1: the others keep raw AUES there, and the curve its later points."""
    place = arms(CONFIG)[0].place(out, 1)
    result = json.loads((place / "result.json").read_text())
    before = load(CONFIG, out)[0].values("oracle", "aues_raw")
    wagle = result["regions"]["wagle"]
    write_result(place, {"regions": {**result["regions"], "wagle": {
        **wagle, "points": wagle["points"][:1], "note": "step 3: the loss is nan", "mu95_absent": "the run diverged",
    }}})  # fmt: skip
    found = load(CONFIG, out)[0]
    assert found.values("oracle", "aues_raw") == before and set(before) == {0, 1, 2}
    assert set(found.values("wagle", "aues_raw")) == {0, 2}
    assert found.curve("wagle") == [pytest.approx((1.0, 0.2)), pytest.approx((0.9, 0.9))]
    report = publish(CONFIG, out).files["report.md"]
    assert "npo, wagle, seed 1, diverged after 1 points (step 3: the loss is nan)." in report


def test_a_pilot_that_diverged_says_so(out: Path) -> None:
    for pilot in pilots(CONFIG):
        write_result(pilot.place(out), {"aues": 0.0, "note": "step 9: nan" if pilot.rate == CONFIG.rates[-1] else ""})
    report = publish(CONFIG, out).files["report.md"]
    assert "| npo | region | 0.03 | 0 | step 9: nan |" in report and "| npo | region | 0.01 | 0 | – |" in report


def test_the_regression_s_losses_are_shown(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"objectives": ("mlp_regression",), "parts": ("B",)})
    for seed in range(3):
        ends = {"oracle": 0.1, "random 0": 0.3, "random 1": 0.5, "wagle": 0.4}
        regions = {name: result(0.5, 0.6, None) for name in ends}
        for name, end in ends.items():
            losses = [(None, None), (4.0, 2.0), (end, 0.25)]
            regions[name]["points"] = [{"FS": 0.2, "RS": 1.0, "loss": a, "retain_loss": b} for a, b in losses]
        write_result(arms(config)[0].place(tmp_path, seed), {"regions": regions})
    report = publish(config, tmp_path).files["report.md"]
    assert "mlp\\_regression: mean losses of the first and of the last 10 steps." in report
    assert "| Random | 4 ± 0 | 0.400 ± 0 | 2 ± 0 | 0.250 ± 0 |" in report


def test_headline_and_table_say_the_same() -> None:
    """Oracle differs by its own test (p = .022), and no more among four; the sentence goes by what the table says."""
    base = dict.fromkeys(range(6), 0.8)
    gains = {"oracle": (0.001, 0.03, 0.02, 0.015, 0.03, 0.002), "memflex": (0.01, -0.02, 0.03, -0.01, -0.02, 0.005)}
    gains |= {"wagle": tuple(-x for x in gains["memflex"]), "activations": tuple(2 * x for x in gains["memflex"])}
    several = []
    for name, each in gains.items():
        result = minus({seed: 0.8 + gain for seed, gain in enumerate(each)}, base, 0.05)
        assert result is not None
        several.append(Comparison(f"B, npo: {name}", *result, "B", "npo", name, "aues"))
    oracle, *_ = found = corrected(several, lambda each: each.part)
    assert (oracle.found.finding, oracle.finding) == ("differ", "equivalent")
    first, second = headline(CONFIG, {"aues": found, "aues_raw": []})
    assert first.startswith("npo: Oracle and Random are equivalent within ±0.050 AUES (TOST Holm p = ")
    assert first.endswith("Before the correction they differ.")
    assert "equivalent: oracle (+0.016)" in second


def test_what_comes_back_is_compared_by_how_much(out: Path) -> None:
    """FS falls by .1 for the oracle and by .3 on average for Random's draws, which are one value a seed."""
    for seed in range(3):
        place = arms(CONFIG)[0].place(out, seed)
        regions = json.loads((place / "result.json").read_text())["regions"]
        falls = {"oracle": 0.1 + 0.01 * seed, "random 0": 0.2, "random 1": 0.4, "wagle": 0.2 - 0.01 * seed}
        for name, fall in falls.items():
            end = regions[name]["points"][-1]["FS"]
            relearnt = {"before": end - 0.05, "after": end - 0.05 - fall}
            regions[name]["further"] = {"relearnt": relearnt, "rounded": {"FS": end - fall / 2, "RS": 0.8}}
        write_result(place, {"regions": regions})
    found = load(CONFIG, out)
    assert found[0].values("Random", "relearnt") == pytest.approx(dict.fromkeys(range(3), -0.3))
    assert found[0].values("Random", "rounded") == pytest.approx(dict.fromkeys(range(3), -0.15))
    by = {each.region: each for each in compared(found, CONFIG, "relearnt")}
    assert by["oracle"].values == pytest.approx((0.2, 0.19, 0.18))
    assert by["oracle"].holm == pytest.approx(2 * by["oracle"].found.p)  # the smaller of two
    assert by["oracle"].found.margin == CONFIG.margin
    report = publish(CONFIG, out).files["report.md"]
    assert "what relearning adds to FS: oracle and Random differ: oracle minus Random is +0.190 FS" in report
    assert "FS at 4 bit minus FS at the end, against Random." in report
    assert "| npo: Random | 0.650 ± 0 | 0.350 ± 0 | 0.550 ± 0 | 0.800 ± 0 |" in report


def test_the_report_says_what_is_there(out: Path) -> None:
    found = publish(CONFIG, out)
    assert set(found.files) >= {"report.html", "report.md", "results.json", "pictures/a-differences.svg"}
    assert found.headline[0].startswith("npo: ")
    assert "too short" in found.files["report.md"]
    assert "WAGLE in value vectors are reconstructions" in found.files["report.md"]


def test_the_report_of_nothing(tmp_path: Path) -> None:
    assert publish(CONFIG, tmp_path).headline == ("No arm has two seeds yet.",)

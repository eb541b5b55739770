"""The rate is the smallest of those that the pilot does not tell apart, and what speaks against it is said."""

from pathlib import Path

import pytest

from expunge.config import FrequencyStudyConfig
from expunge.studies.frequency.page import publish
from expunge.studies.frequency.rates import Trial, at_the_end, chosen_rates, never_held, smallest, trials
from expunge.studies.pilot import pilots
from expunge.studies.results import write_result
from made_up_frequency import NEVER, arm, cell, point

CONFIG = FrequencyStudyConfig(methods=("npo", "idk"), sizes=("1M",), rates=(1e-4, 3e-4, 1e-3))


def tried(*residuals: float) -> list[Trial]:
    return [Trial("npo", rate, left, held=True) for rate, left in zip(CONFIG.rates, residuals, strict=True)]


def test_the_smallest_of_those_that_are_near_to_the_best() -> None:
    assert smallest(tried(0.5, 0.24, 0.2)) == 3e-4  # .04 above the best
    assert smallest(tried(0.5, 0.26, 0.2)) == 1e-3  # .06
    assert smallest(tried(0.24, 0.21, 0.2)) == 1e-4
    assert smallest(tried(0.2, 0.5, 0.9)) == 1e-4


def left(residual: float, kept: float = 1.0, note: str = "") -> dict:
    """The questions' way is .9: this share of it is left at the only step."""
    level = NEVER + 0.9 * residual
    whole = cell({"uniform": arm(point(0, 1.0, 1.0), point(2, level, level, kept), note=note)})
    return {"never": whole["never"], "arm": whole["arms"]["uniform"]}


def test_a_rate_at_an_end_and_a_floor_that_never_holds_are_told(tmp_path: Path) -> None:
    results = {("npo", 1e-4): left(0.9), ("npo", 3e-4): left(0.13), ("npo", 1e-3): left(0.1, note="step 2: astray."),
               ("idk", 1e-4): left(0.1, 0.5), ("idk", 3e-4): left(0.1, 0.5), ("idk", 1e-3): left(0.1, 0.5)}  # fmt: skip
    for method, rate, place in pilots(CONFIG):
        assert chosen_rates(CONFIG, tmp_path) is None
        write_result(tmp_path / place, results[method, rate])
    assert chosen_rates(CONFIG, tmp_path) == {"npo": 3e-4, "idk": 1e-4}
    found = trials(CONFIG, tmp_path)
    assert [each.residual for each in found] == pytest.approx([0.9, 0.13, 0.1, 1.0, 1.0, 1.0])
    assert never_held(found) == ["idk"] and at_the_end(CONFIG, {"npo": 3e-4, "idk": 1e-4}) == {"idk": 1e-4}
    text = publish(CONFIG, tmp_path).files["report.md"]
    assert "so a better one may lie beyond: idk 0.0001." in text
    assert "No rate keeps the floor at any point but the start: idk." in text
    assert "| npo | 0.900 | 0.130 (chosen) | 0.100 |" in text
    assert "| idk | 1 (floor never held, chosen) | 1 (floor never held) |" in text
    assert "Arms that diverged or have a note: pilot npo, rate 0.001 (step 2: astray)." in text


def test_a_single_rate_is_not_tuned(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"rates": (1e-3,)})
    assert chosen_rates(config, tmp_path) == {"npo": 1e-3, "idk": 1e-3} and at_the_end(config, {"npo": 1e-3}) == {}
    text = publish(config, tmp_path).files["report.md"]
    assert "were given, not tuned: npo 0.001 and idk 0.001." in text and "may lie beyond" not in text
    assert "No arm diverged or has a note." in text

"""The recipe of the study passes its own checks, on a made-up suite."""

from pathlib import Path

import pytest
import yaml

from expunge.config import ClueStudyConfig, settings
from expunge.data.example import Example, Sets
from expunge.studies.clue import plan
from expunge.suites import Suite

RECIPE = Path(__file__).parents[3] / "recipes" / "study-clue-capitals.yaml"


def test_it_can_be_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = settings(ClueStudyConfig, yaml.safe_load(RECIPE.read_text(encoding="utf-8")), RECIPE.name)
    rows = (Example("0", "The capital of France is", "Paris"),)
    suite = Suite(name=config.suite, sets=Sets(rows, rows, twins=rows), utility={"other": rows}, model="smollm2")
    monkeypatch.setattr(plan, "find_suite", lambda _: suite)
    assert plan.check(config) == config
    arms = {job.label for job in plan.jobs(config, tmp_path) if job.label.startswith("pilot")}
    assert len(arms) == len(config.arms) + 1  # CLUE itself

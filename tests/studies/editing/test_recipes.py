"""Every recipe of the study passes its own checks, on made-up suites as large as those that it names."""

from pathlib import Path

import pytest
import yaml

from expunge.config import EditingStudyConfig, settings
from expunge.data.example import Example, Sets
from expunge.studies.editing import plan
from expunge.studies.editing.arms import most
from expunge.studies.people import is_world
from expunge.suites import Suite
from expunge.worlds.capitals import read_config

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("study-editing-*.yaml"))


def made_up(name: str) -> Suite:
    """As many facts as the capitals are told to have; TOFU's forget05 has 200."""
    world, _, rest = name.partition("capitals:")
    count = read_config(rest).forget if world == "world:" else 200
    rows = tuple(Example(f"{i}", f"The capital of {i} is", f"{i}") for i in range(count))
    return Suite(name=name, sets=Sets(rows, rows), model="smollm2")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_it_can_be_run(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = settings(EditingStudyConfig, yaml.safe_load(recipe.read_text(encoding="utf-8")), recipe.name)
    assert not is_world(config.suite)
    monkeypatch.setattr(plan, "find_suite", made_up)
    assert plan.check(config) == config
    cells = {(cell.part, cell.count) for cell in plan.cells(config)}
    assert max(count for _, count in cells) == most(config) == max(config.numbers)


def test_there_is_one_for_every_kind_of_knowledge_and_model() -> None:
    assert {recipe.stem for recipe in RECIPES} == {
        "study-editing-capitals", "study-editing-gemma", "study-editing-tofu-mini"
    }  # fmt: skip

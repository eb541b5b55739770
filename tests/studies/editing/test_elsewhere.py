"""The study outside the world of people, on the tiny model: the whole of it with WISE, and what fails."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from expunge.cli.app import run
from expunge.config import ConventionConfig, EditingStudyConfig, EvaluateConfig
from expunge.data.example import Example
from expunge.edit.corpus import corpus_of
from expunge.errors import ConfigError, RunError
from expunge.record_file import load_record
from expunge.studies import running
from expunge.studies.editing import editing, plan, preparing, scene
from expunge.studies.editing.editing import train_settings
from expunge.studies.editing.measures import measured, said_before
from expunge.studies.editing.scene import FORGET, GIVEN, HOP, NEIGHBOURS, OTHERS, REWORDED, SAME, scene_on
from expunge.studies.editing.working import one_each
from expunge.suites import Suite
from inline_engine import Here
from tiny import tiny_model, tiny_sets

SMALL = """
suite: "world:capitals"
knowledge: [pretrained]
editors: ["memit:layers=1,last=1,steps=2,contexts=0", "wise:layer=1,steps=4,contexts=0,irrelevant=2"]
objectives: [kl_min, idk]
against: idk
numbers: [1, 3]
singles: 2
seeds: 2
parts: [numbers, merging, targets]
merged: ["memit:layers=1,last=1,steps=2,contexts=0"]
merge: 2
merged_at: [3]
kinds: [named]
kinds_of: ["memit:layers=1,last=1,steps=2,contexts=0", idk]
kinds_at: [2]
chains: []
requested: []
places: []
fitting: {}
rates: [0.003]
steps: 2
evaluations: 1
batch_size: 2
rows: 2
corpus_tokens: 100
attacks: [detach]
"""
WISE = "wise:layer=1,steps=4,contexts=0,irrelevant=2"


def suite(*, wordings: int = 2) -> Suite:
    """Four facts, one of which has a related one; two neighbours, and a row that is retained in `utility`, too."""
    sets = tiny_sets()
    forget = tuple(
        replace(each, paraphrases=(*each.paraphrases, f"name the city of {each.subject} .")[:wordings])
        for each in sets.forget
    )
    twins = tuple(
        replace(each, id=f"{each.id}/twin", prompt="the capital of ithaca is", group=each.id) for each in sets.forget
    )
    related = Example("related", "the name of arland is", "city", subject="arland")
    utility = {"other capital": sets.holdout, "element": (related, sets.retain[0]), "related": (related,)}
    return Suite(
        name="made up", sets=replace(sets, forget=forget, twins=twins), utility=utility, model="x",
        convention=ConventionConfig(template="plain"), evaluate=EvaluateConfig(max_new_tokens=3),
    )  # fmt: skip


def config(**changes: Any) -> EditingStudyConfig:
    return EditingStudyConfig(suite="world:capitals", knowledge=("pretrained",), **changes)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is typed."""
    monkeypatch.setattr(running, "ENGINES", {"local": Here})
    for module in (plan, scene, preparing):
        monkeypatch.setattr(module, "find_suite", lambda name: suite())
    monkeypatch.setattr(scene, "load_model", lambda name, load: tiny_model())
    (tmp_path / "small.yaml").write_text(SMALL)
    return ["study", "editing", "--config", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "out")]


def test_the_whole_with_a_side_memory_and_an_arm_that_fails_at_first(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, usual = tmp_path / "out", editing.changed

    def failing(model, sets, settings, *rest):
        if settings.method == "wise" and settings.seed == 1 and len(sets.forget) == 3:
            raise RunError("no memory could be made")
        return usual(model, sets, settings, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(editing, "changed", failing)
        assert run(small) == 1
    record = load_record(out)
    assert record.status == "failed" and "could not be run, and are missing: 1" in record.headline[0]
    assert f"{WISE} could not be run: no memory could be made" in record.warnings[0]
    assert "no memory could be made" in (out / "report.md").read_text()
    found = json.loads((out / "results.json").read_text())
    assert [(each["label"], each["count"], each["seed"]) for each in found["failed"]] == [(WISE, 3, 1)]
    cell = out / "cells/pretrained/numbers-3/seed-1"
    others = {path: path.stat().st_mtime_ns for path in cell.glob("*.json") if "failed" not in path.name}
    assert len(others) == 3  # what did not fail is there, and in the report
    assert run([*small, "--resume"]) == 0
    assert load_record(out).status == "done" and not list(out.rglob("*.failed.json"))
    assert {path: path.stat().st_mtime_ns for path in others} == others  # only what failed was run again
    check_results(json.loads((out / "results.json").read_text()))


def check_results(found: dict[str, Any]) -> None:
    """Every arm of both seeds; what parts have in common was run once."""
    assert found["failed"] == []
    labels = {(each["part"], each["facts"], each["arm"]) for each in found["arms"]}
    memit = "memit:layers=1,last=1,steps=2,contexts=0"
    assert {("numbers", 1, WISE), ("numbers", 3, WISE), ("numbers", 3, "kl_min"), ("merging", 3, memit),
            ("merging", 3, f"{memit}, merged by keys"), ("targets", 2, "idk, named")} <= labels  # fmt: skip
    assert len(found["arms"]) == 2 * len(labels)
    by = {(each["part"], each["facts"], each["arm"], each["seed"]): each for each in found["arms"]}
    assert by["merging", 3, memit, 0] == {**by["numbers", 3, memit, 0], "part": "merging"}
    assert by["targets", 2, "idk, named", 0]["own"] == 0.0  # the tiny model writes no refusal
    control = found["controls"]["pretrained"]["0"]
    assert set(control["unedited"]) == {"measures", "attacks"} and set(control["never"]) == {"attacks"}  # of twins


def test_the_rows_of_a_suite() -> None:
    made = scene_on(tiny_model(), suite(), config(numbers=(4,), rows=9), 0)
    groups = made.groups(made.facts)
    assert {title: len(rows) for title, rows in groups.items()} == {
        FORGET: 4, GIVEN: 4, REWORDED: 4, SAME: 1, NEIGHBOURS: 2, OTHERS: 1
    }  # fmt: skip
    assert [row.id for row in groups[OTHERS]] == ["related"]  # the retained row is none that only stays
    assert {row.id for row in groups[NEIGHBOURS]} == {"quendor", "syldavia"}
    other = next(fact for fact in made.facts if fact.subject != "arland")
    assert SAME not in made.groups([other]) and HOP not in groups  # what is related does not follow: it is to stay
    assert all(len(fact.paraphrases) == 1 for fact in made.facts)


def test_the_only_other_wording_is_for_the_test() -> None:
    made = scene_on(tiny_model(), suite(wordings=1), config(numbers=(4,)), 0)
    assert REWORDED in made.groups(made.facts) and GIVEN not in made.groups(made.facts)
    assert all(fact.paraphrases == () for fact in made.facts)


def test_subjects_are_found_with_all_wordings() -> None:
    """The prompt's last capitals are not the subject: the other wording tells."""
    asked = Example("x", "Where did Ada Holt meet Tom Brandt?", "Rome", paraphrases=("Ada Holt met whom, and where?",))
    made = suite()
    made = replace(made, sets=replace(made.sets, forget=(asked,)))
    (fact,) = scene_on(tiny_model(), made, config(numbers=(1,), singles=1), 0).facts
    assert (fact.subject, fact.paraphrases) == ("Ada Holt", ())


def test_editors_are_given_no_retain_set_unless_they_say_so() -> None:
    assert train_settings(config(), "wise", None, 0, corpus="texts.txt").options["keep"] == 0
    assert train_settings(config(), "memit", None, 0).options["keep"] == 0
    assert train_settings(config(), "memit:keep=256", None, 0).options["keep"] == 256


def test_twins_stand_in_one_a_fact_with_names_that_differ() -> None:
    facts = [Example(number, "", "") for number in "abc"]
    twins = [Example(f"{fact.id}/{name}", "", "", subject=name, group=fact.id) for fact in facts for name in "xy"]
    assert [(each.group, each.subject) for each in one_each(facts, twins)] == [("a", "x"), ("b", "y"), ("c", "x")]
    assert one_each(facts, twins[:2]) == twins[:1]


def test_the_models_own_text_is_written_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(preparing, "find_suite", lambda name: suite())
    monkeypatch.setattr(scene, "load_model", lambda name, load: tiny_model())
    for folder in ("first", "second"):
        preparing.corpus(tmp_path / folder, config=config(corpus_tokens=300).model_dump(mode="json"))
    first, second = (tmp_path / folder / "corpus.jsonl" for folder in ("first", "second"))
    texts = [json.loads(line) for line in first.read_text().splitlines()]
    assert texts == list(corpus_of(None, own=300).texts(tiny_model())) and len(texts) == 3  # of at most 128 tokens
    assert first.read_bytes() == second.read_bytes()
    assert list(corpus_of(str(first)).texts(tiny_model())) == texts


def test_levels_that_no_table_has_are_not_measured() -> None:
    made = scene_on(tiny_model(), suite(), config(numbers=(4,), rows=9), 0)
    found = measured(made, made.facts, said_before(made, made.facts))
    assert {title for title, values in found.items() if "level" in values} == {FORGET, SAME, NEIGHBOURS, OTHERS}


def test_a_suite_that_retains_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = suite()
    monkeypatch.setattr(plan, "find_suite", lambda name: replace(made, sets=replace(made.sets, retain=())))
    with pytest.raises(ConfigError, match="retains nothing"):
        plan.check(config(numbers=(2,), editors=("rome",)))


@pytest.mark.parametrize("numbers", [(100,), (1,)])
def test_more_facts_than_there_are(numbers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "find_suite", lambda name: suite())
    with pytest.raises(ConfigError, match="facts are to be edited, and world:capitals has 4"):
        plan.check(config(numbers=numbers, singles=5))

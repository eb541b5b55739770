"""`expunge audit` on the smallest world: verdict, cells, requirements, nothing done twice, mistakes said early."""

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from expunge.models.loading import load_model
from expunge.record_file import load_record
from tiny import tiny_model

WORLD = "world:people:persons=6,size=tiny,epochs=1"
MODELS = ("--before", f"{WORLD}@full", "--after", f"{WORLD}@full")
RETRAINED = ("--retrained", f"{WORLD}@retrained")
ONE = ("--attacks", "quantize")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path_factory.getbasetemp() / "worlds"))


def audit(expunge: Callable, out: Path, *arguments: object):
    return expunge("audit", "--suite", WORLD, *MODELS, *arguments, "--out", out)


def test_an_audit_of_the_original_itself(expunge: Callable, tmp_path: Path) -> None:
    said = audit(expunge, tmp_path / "run", *RETRAINED, *ONE)
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    found = record.audit
    assert found is not None and found.control == "retrained models" and found.rate is None
    assert {"probability", "loss", "quantize"} <= {cell.name for cell in found.cells}
    for cell in found.cells:
        assert cell.k["unlearned"] == cell.k["original"]  # it is the same model
        assert cell.status != "never-knew"
    assert found.utility_kept.get("retain", 1.0) == 1.0
    assert (tmp_path / "run" / "report.html").is_file()
    assert not record.generations
    assert not any(row.prompt or row.answer or row.group for info in record.sets.values() for row in info.rows)


def test_what_was_found_is_not_sought_again(expunge: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert audit(expunge, tmp_path / "first", *RETRAINED, *ONE).code == 0

    def again(*_: object, **__: object) -> None:
        pytest.fail("an attack was run a second time")

    monkeypatch.setattr("expunge.attacks.AttackEntry.__call__", again)
    assert audit(expunge, tmp_path / "second", *RETRAINED, *ONE).code == 0
    first, second = (load_record(tmp_path / name).audit for name in ("first", "second"))
    assert first is not None and second is not None
    assert first.cells == second.cells


def test_twins_stand_in(expunge: Callable, tmp_path: Path) -> None:
    assert audit(expunge, tmp_path / "run", *ONE).code == 0
    found = load_record(tmp_path / "run").audit
    assert found is not None and found.control == "twins" and "twins" in found.rate_name
    assert all("twins" in cell.k for cell in found.cells)


def test_a_saved_evaluation_stands_for_a_retrained_model(expunge: Callable, tmp_path: Path) -> None:
    metrics = "probability,truth_ratio,generated_contains"
    made = expunge(
        "evaluate", "--model", f"{WORLD}@retrained", "--suite", WORLD, "--metrics", metrics, "--out", tmp_path / "gold"
    )
    assert made.code == 0, made.err
    said = audit(expunge, tmp_path / "run", "--retrained", tmp_path / "gold", *ONE)
    assert said.code == 0, said.err
    found = load_record(tmp_path / "run").audit
    assert found is not None
    with_control = {cell.name for cell in found.cells if "retrained#0" in cell.k}
    assert "probability" in with_control and "quantize" not in with_control


def test_a_saved_evaluation_must_be_made_alike(expunge: Callable, tmp_path: Path, no_model: None) -> None:
    usual = ("evaluate", "--model", f"{WORLD}@retrained", "--suite", WORLD, "--metrics")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("expunge.runs.evaluate.load_model", load_model)
        assert expunge(*usual, "truth_ratio:form=forget", "--out", tmp_path / "form").code == 0
        assert expunge(*usual, "probability", "--max-new-tokens", 3, "--out", tmp_path / "short").code == 0
    for name, message in (("form", "another options of metrics"), ("short", "another max_new_tokens")):
        said = audit(expunge, tmp_path / "run", "--retrained", tmp_path / name, *ONE)
        assert said.code == 2 and message in said.err


def test_every_model_and_attack_has_room_for_the_longest_answer(expunge: Callable, files, tmp_path: Path) -> None:
    """An evaluation with another number, from other sets, cannot stand for a model; one from these can."""
    answers = {"long": "bexton " * 40, "short": "bexton"}
    sets = {name: tmp_path / f"{name}.jsonl" for name in answers}
    for name, answer in answers.items():
        rows = [{"prompt": f"the city of {place}", "answer": f"{answer} {place}"} for place in ("arland", name)]
        sets[name].write_text("\n".join(map(json.dumps, rows)) + "\n")
    given = ("--forget", sets["short"], "--retain", sets["long"])
    tiny_model(attention="sdpa", seed=6).save(tmp_path / "gold")
    for name, some in (("both", given), ("one", given[:2])):
        usual = ("evaluate", "--model", tmp_path / "gold", *some, "--metrics", "generated_contains")
        assert expunge(*usual, "--out", tmp_path / name).code == 0
    assert [load_record(tmp_path / name).max_new_tokens for name in ("both", "one")] == [41 + 1 + 8, 32]
    tiny_model(attention="sdpa", seed=5).save(tmp_path / "after")
    usual = ("audit", "--before", files.model, "--after", tmp_path / "after", *given, *ONE)
    refused = expunge(*usual, "--retrained", tmp_path / "one", "--out", tmp_path / "run")
    assert refused.code == 2 and "another max_new_tokens, 32 and not 50" in refused.err
    said = expunge(*usual, "--retrained", tmp_path / "both", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.max_new_tokens == 50 and record.audit is not None
    assert not any("max_new_tokens" in line for line in (*record.warnings, *record.audit.cannot_say))
    said = expunge(*usual, "--max-new-tokens", 1, "--out", tmp_path / "cut")
    assert said.code == 0, said.err
    record, note = load_record(tmp_path / "cut"), "forget: 2 of 2 answers are longer than max_new_tokens=1"
    assert note in record.warnings and record.audit is not None
    assert f"How long answers go on: {note}." in record.audit.cannot_say


def test_saved_evaluations_are_told_apart_by_their_weights(
    expunge: Callable, tmp_path: Path, no_model: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same folder twice, and another evaluation of the same model, are refused before a model is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("expunge.runs.evaluate.load_model", load_model)
        for name, kind in (("gold", "retrained"), ("again", "retrained"), ("itself", "full")):
            usual = ("evaluate", "--model", f"{WORLD}@{kind}", "--suite", WORLD, "--metrics", "probability")
            assert expunge(*usual, "--out", tmp_path / name).code == 0
    gold, again, itself = (tmp_path / name for name in ("gold", "again", "itself"))
    said = audit(expunge, tmp_path / "run", "--retrained", f"{gold},{gold}", *ONE)
    assert said.code == 2 and "is named twice" in said.err
    said = audit(expunge, tmp_path / "run", "--retrained", f"{gold},{again}", *ONE)
    assert said.code == 2 and "saved evaluation 1" in said.err and "has the weights of saved evaluation 0" in said.err
    monkeypatch.setattr("expunge.runs.audit.load_model", load_model)
    said = audit(expunge, tmp_path / "run", "--retrained", f"{gold},{WORLD}@retrained", *ONE)
    assert said.code == 2 and "retrained model 0 has the weights of saved evaluation 0" in said.err
    said = audit(expunge, tmp_path / "run", "--retrained", f"{gold},{itself}", *ONE)
    assert said.code == 2 and "the original has the weights of saved evaluation 1" in said.err
    assert not (tmp_path / "run").exists()


def test_requirements(expunge: Callable, tmp_path: Path, no_model: None) -> None:
    said = audit(expunge, tmp_path / "run", *RETRAINED, *ONE, "--require", "never_knew>=0.9")
    assert said.code == 2 and "full panel" in said.err


def test_a_requirement_that_cannot_be_said_does_not_hold(expunge: Callable, tmp_path: Path) -> None:
    said = audit(expunge, tmp_path / "run", *RETRAINED, *ONE, "--require", "known<=0")
    assert said.code == 3 and "cannot be said" in said.err  # four facts: nothing is informative


def test_resuming_looks_at_the_model_again(expunge: Callable, files, tmp_path: Path) -> None:
    """A folder whose weights have changed is another model, whatever it is called."""
    usual = ("audit", "--before", files.model, "--forget", files.forget, "--retain", files.retain, "--holdout",
             files.holdout, *ONE, "--max-new-tokens", 3, "--out", tmp_path / "run")  # fmt: skip
    tiny_model(attention="sdpa", seed=5).save(tmp_path / "after")
    assert expunge(*usual, "--after", tmp_path / "after").code == 0
    first = load_record(tmp_path / "run").audit
    tiny_model(attention="sdpa", seed=6).save(tmp_path / "after")
    assert expunge(*usual, "--after", tmp_path / "after", "--resume").code == 0
    second = load_record(tmp_path / "run").audit
    assert first is not None and second is not None
    assert [cell.k["original"] for cell in first.cells] == [cell.k["original"] for cell in second.cells]
    assert [cell.k["unlearned"] for cell in first.cells] != [cell.k["unlearned"] for cell in second.cells]


def test_an_adapter_can_be_left_out(expunge: Callable, unlearn: Callable, files, tmp_path: Path) -> None:
    assert unlearn("--lora", 2, "--save-as", "peft").code == 0
    said = expunge(
        "audit", "--before", files.model, "--after", tmp_path / "run" / "adapter", "--forget", files.forget, "--retain",
        files.retain, *ONE, "--max-new-tokens", 3, "--out", tmp_path / "audit",
    )  # fmt: skip
    assert said.code == 0, said.err
    found = load_record(tmp_path / "audit").audit
    assert found is not None and any("Merge it" in line for line in found.cannot_say)
    cell = next(cell for cell in found.cells if cell.name == "detach")
    assert cell.k["unlearned"] == cell.k["original"]  # what is left is the base


def test_overwriting_spares_what_is_read(expunge: Callable, unlearn: Callable, files, tmp_path: Path) -> None:
    assert unlearn().code == 0
    change = tmp_path / "run" / "change.safetensors"
    said = expunge(
        "audit", "--before", files.model, "--after", f"{files.model}+{change}", "--forget", files.forget, *ONE,
        "--out", tmp_path / "run", "--overwrite",
    )  # fmt: skip
    assert said.code == 2 and "would delete" in said.err
    assert change.is_file()


def test_the_same_model_twice_is_refused(expunge: Callable, tmp_path: Path) -> None:
    said = audit(expunge, tmp_path / "run", "--retrained", f"{WORLD}@retrained,{WORLD}@retrained#0", *ONE)
    assert said.code == 2 and "give each model once" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--attacks", "quantise"), "Did you mean 'quantize'"),
        (("--attacks", "quantize,quantize:code=nf4"), "named twice"),
        (("--metrics", "truth_ratio:form=forget"), "leave its options out"),
        (("--metrics", "min_k:k=0.2,mink"), "the metric 'min_k' is named twice"),
        (("--retrained", f"{WORLD}@full"), "give each model once"),
        (("--after", "/nowhere/model"), "no model at"),
        (("--attacks", "quantize:bit=4"), "no option 'bit'"),
        (("--require", "gone>=1"), "there is no 'gone'"),
        (("--panel", "large"), "panel"),
        (("--delta", "2"), "delta"),
    ],
)
def test_mistakes_are_said_before_a_model_is_loaded(
    expunge: Callable, tmp_path: Path, no_model: None, arguments: tuple[str, ...], message: str
) -> None:
    given = (*MODELS, *RETRAINED, *arguments)
    usual = dict(zip(given[::2], given[1::2]))  # a mistake stands in place of what is right
    said = expunge("audit", "--suite", WORLD, *chain(*usual.items()), "--out", tmp_path / "run")
    assert said.code == 2 and message in said.err
    assert not (tmp_path / "run").exists()


def test_nothing_to_audit(expunge: Callable, tmp_path: Path, no_model: None) -> None:
    said = expunge("audit", "--before", "smollm2", "--after", "smollm2", *ONE, "--out", tmp_path / "run")
    assert said.code == 2 and "nothing to audit" in said.err
    said = expunge("audit", "--forget", "f.jsonl", "--out", tmp_path / "run")
    assert said.code == 2 and "before" in said.err


def test_by_frequency(expunge: Callable, tmp_path: Path) -> None:
    world = "world:people:persons=12,size=tiny,epochs=1,frequency=true"
    given = (
        "--suite",
        world,
        "--before",
        f"{world}@full",
        "--after",
        f"{world}@full",
        "--attacks",
        "true_false:shots=2",
    )
    said = expunge("audit", *given, "--edges", "3,20", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    found = load_record(tmp_path / "run").audit
    assert found is not None
    (strata,) = found.strata
    assert [(b.name, b.least, b.most, b.n) for b in strata.buckets] == [("low", 1, 1, 8), ("medium", 3, 9, 16),
                                                                       ("high", 27, 27, 4)]  # fmt: skip
    assert {"probability", "true_false", "loss"} <= {cell.name for cell in strata.cells}
    for cell, whole in zip(strata.cells, found.cells, strict=True):
        assert (cell.name, cell.part) == (whole.name, whole.part)
        assert sum(each.n for each in cell.values) == whole.n == 28
        mean = sum(each.n * (each.k["unlearned"] or 0.0) for each in cell.values) / whole.n
        assert whole.family == "membership" or mean == pytest.approx(whole.k["unlearned"])
    assert "By frequency" in (tmp_path / "run/report.html").read_text()
    assert not any("frequency" in each for each in load_record(tmp_path / "run").warnings)
    said = expunge("audit", *given, "--edges", "20,3", "--out", tmp_path / "other")
    assert said.code == 2 and "edges" in said.err
    said = expunge("audit", *given, "--edges", "100", "--out", tmp_path / "other")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "other")
    assert record.audit is not None and record.audit.strata == ()
    assert any("all 28 values of `count` (1 to 27) fall into one bucket" in each for each in record.warnings)


@pytest.mark.parametrize("arguments", [("--edges", "3,20"), ("--by", "count"), ("--by", "margin", "--edges", "3")])
def test_buckets_of_what_is_not_there(
    expunge: Callable, files, tmp_path: Path, no_model: None, arguments: tuple[str, ...]
) -> None:
    usual = ("audit", "--before", files.model, "--after", files.model, "--forget", files.forget, *ONE)
    said = expunge(*usual, *arguments, "--out", tmp_path / "run")
    field = "margin_proxy" if "margin" in arguments else "count"
    assert said.code == 2 and f"4 of 4 forget examples have no `{field}` (the first is forget.jsonl:1)" in said.err
    assert "`audit.by`" in said.err and not (tmp_path / "run").exists()

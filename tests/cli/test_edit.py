"""`expunge edit`: from its files to what it leaves, its mistakes, and editors under `unlearn` and in Python."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import expunge as ex
from expunge.change import WeightChange
from expunge.edit import editors
from expunge.errors import ConfigError, UnknownNameError
from expunge.models.loading import load_model
from expunge.record_file import load_record
from fact_work import corpus
from tiny import tiny_model, tiny_sets

QUICK = "steps=3,contexts=1"
Run = Callable[..., Any]


@pytest.fixture
def edit(expunge: Run, files: Any, tmp_path: Path) -> Run:
    """`expunge edit` on the files, into `tmp_path/run` unless another `--out` is given."""

    def call(*arguments: object) -> Any:
        usual = {
            "--model": files.model, "--forget": files.forget, "--retain": files.retain,
            "--corpus": corpus(tmp_path), "--metrics": "probability", "--max-new-tokens": 3, "--out": tmp_path / "run",
        }  # fmt: skip
        given = [part for name, value in usual.items() if name not in arguments for part in (name, value)]
        return expunge("edit", *given, *arguments)

    return call


def test_it_leaves_a_record_a_report_and_a_low_rank_change(edit: Run, files: Any, tmp_path: Path) -> None:
    said = edit("--editor", f"memit:{QUICK}", "--target", "refusals", "--merge-queries", 2, "--merge-by", "keys")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert (record.status, record.command, record.arguments[0]) == ("done", "edit", "edit")
    options = record.changed["train.options"]
    assert options["target"] == "refusals" and options["steps"] == 3 and options["merge_queries"] == 2
    outcome = record.methods["memit"]
    assert [point.step for point in outcome.trajectory] == [0, 1]
    assert outcome.change is not None and outcome.change.kind == "low-rank"
    assert any("last token" in warning for warning in outcome.warnings)  # the user is told where subjects came from
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"record.json", "report.html", "change.safetensors"}
    change = WeightChange.load(tmp_path / "run" / "change.safetensors")
    model = load_model(files.model)
    with change.applied_to(model):
        pass
    assert change.names == (model.layout.value_vectors(0).parameter,)
    for path in (tmp_path / "run" / "change.safetensors", tmp_path / "run" / "record.json"):
        assert b"arland" not in path.read_bytes()


def test_the_same_command_gives_the_same_bytes(edit: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert edit("--out", tmp_path / name, "--editor", f"alphaedit:{QUICK},energy=0.9", "--no-cache").code == 0
    one, two = ((tmp_path / name / "change.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_second_request_keeps_the_first(edit: Run, files: Any, tmp_path: Path) -> None:
    """AlphaEdit leaves its keys beside the change; the next request reads them."""
    assert edit("--editor", f"alphaedit:{QUICK},energy=0.9").code == 0
    base = f"{files.model}+{tmp_path / 'run' / 'change.safetensors'}"
    state = tmp_path / "run" / "editor.safetensors"
    said = edit(
        "--model", base, "--forget", files.holdout, "--out", tmp_path / "second",
        "--editor", f"alphaedit:{QUICK},energy=0.9,earlier={state}",
    )  # fmt: skip
    assert said.code == 0, said.err
    from expunge.edit.alphaedit import AlphaEdit

    assert len(AlphaEdit.load(tmp_path / "second" / "editor.safetensors").earlier[0]) == 6


def test_as_an_adapter_and_under_unlearn(edit: Run, unlearn: Run, expunge: Run, files: Any, tmp_path: Path) -> None:
    assert edit("--editor", f"emmet:{QUICK}", "--save-as", "peft").code == 0
    assert (tmp_path / "run" / "adapter" / "adapter_model.safetensors").exists()
    said = expunge(
        "unlearn", "--model", files.model, "--forget", files.forget, "--method",
        f"rome:{QUICK},target=empty,joint=true",
        "--metrics", "probability", "--max-new-tokens", 3, "--out", tmp_path / "unlearned",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = load_record(tmp_path / "unlearned")
    assert record.command == "unlearn"
    assert any("own texts" in warning for warning in record.methods["rome"].warnings)  # no corpus was given


def test_an_adapter_of_so_many_facts_that_whole_matrices_would_be_smaller(edit: Run, tmp_path: Path) -> None:
    rows = [{"prompt": f"{name} lives in", "answer": f"{name}land"} for name in map(str, range(30))]
    (tmp_path / "many.json").write_text(json.dumps(rows))
    given = ("--forget", tmp_path / "many.json", "--editor", "memit:steps=1,contexts=0,layers=1")
    weights = []
    for kind in ("change", "peft"):
        said = edit(*given, "--save-as", kind, "--out", tmp_path / kind)
        assert said.code == 0, said.err
        change = WeightChange.load(tmp_path / kind / "change.safetensors")
        assert (change.kind == "low-rank") == (kind == "peft")
        weights.append(change.result_id)
    assert weights[0] == weights[1]
    assert (tmp_path / "peft" / "adapter" / "adapter_model.safetensors").exists()


@pytest.mark.usefixtures("no_model")
def test_an_editor_without_facts_has_no_cache_to_leave_out(expunge: Run, files: Any, tmp_path: Path) -> None:
    for name in ("forget", "holdout"):  # "the capital of … is"
        rows = [json.loads(line) for line in Path(getattr(files, name)).read_text().splitlines()]
        named = [json.dumps({**row, "subject": row["prompt"].split()[-2]}) for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(named))
    sets = ("--forget", tmp_path / "forget.jsonl", "--twins", tmp_path / "holdout.jsonl")
    given = ("--model", files.model, *sets, "--out", tmp_path / "run", "--no-cache")
    with pytest.raises(pytest.fail.Exception, match="the model was loaded"):  # so nothing was wrong before
        expunge("edit", *given, "--editor", "redirect")
    said = expunge("edit", *given, "--editor", "redirect:ridge=0")
    assert said.code == 2 and "'ridge' of 'redirect' cannot be 0" in said.err
    said = expunge("edit", *given, "--editor", "redirect", "--save-as", "peft")
    assert said.code == 2 and "choose change or full" in said.err


def test_recipes_and_lists(edit: Run, expunge: Run, tmp_path: Path) -> None:
    (tmp_path / "edit.yaml").write_text("train:\n  method: memit\n  options: {steps: 3, contexts: 0, layers: 1}\n")
    assert edit("--config", tmp_path / "edit.yaml", "--target", "empty").code == 0
    options = load_record(tmp_path / "run").changed["train.options"]
    assert (options["contexts"], options["layers"], options["target"]) == (0, 1, "empty")
    (tmp_path / "usual.yaml").write_text("train:\n  options: {target: self, steps: 3, contexts: 0, layers: 1}\n")
    assert edit("--config", tmp_path / "usual.yaml", "--merge-queries", 2, "--overwrite").code == 0
    outcome = load_record(tmp_path / "run").methods["memit"]  # no editor is named: the options are the usual one's
    options = outcome.configuration["options"]
    assert (options["target"], options["layers"], options["merge_queries"]) == ("self", 1, 2)
    (tmp_path / "empty.yaml").write_text("train: {method: memit, options: }\n")
    said = edit("--config", tmp_path / "empty.yaml", "--out", tmp_path / "none")
    assert said.code == 2 and "train.options: expected settings (name: value), found None" in said.err
    listed = json.loads(expunge("ls", "editors", "--json").out)
    assert {"rome", "memit", "emmet", "alphaedit", "redirect"} <= {entry["name"] for entry in listed}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--editor", "npo"), "expunge unlearn --method npo"),
        (("--editor", "memitt"), "Did you mean 'memit'"),
        (("--editor", "memit:stepz=3"), "no option 'stepz'"),
        (("--editor", "memit:layers=0"), "'layers' of 'memit' cannot be 0"),
        (("--editor", "memit:layers=abc"), "'layers' of 'memit'"),
        (("--editor", "memit:inserted=0"), "'inserted' of 'memit' cannot be 0"),
        (("--editor", "alphaedit:inserted=1.5"), "'inserted' of 'alphaedit' cannot be 1.5"),
        (("--editor", "rome:steps=0"), "'steps' of 'rome' cannot be 0"),
        (("--editor", "rome:layer=1.5"), "'layer' of 'rome' cannot be 1.5"),
        (("--editor", "memit", "--merge-queries", "0"), "merge_queries"),
        (("--editor", "memit", "--merge-by", "luck"), "merge_by"),
        (("--editor", "memit", "--corpus", "nowhere.txt"), "nowhere.txt"),
    ],
)
def test_mistakes_are_said_before_the_model_is_loaded(
    edit: Run, no_model: None, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    said = edit(*arguments)
    assert said.code == 2
    assert message in said.err
    assert not (tmp_path / "run").exists()


def test_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, sets = tiny_model(), tiny_sets()
    given: dict[str, Any] = {"steps": 3, "contexts": 1, "corpus": str(corpus(tmp_path))}
    change = ex.edit(model, sets.forget, "alphaedit", target="refusal", energy=0.9, **given)
    assert change.kind == "low-rank" and change.record["train"]["options"]["target"] == "refusal"
    with_retain = ex.edit(model, sets, "alphaedit:energy=0.9", **given)
    assert change.result_id != with_retain.result_id  # what is retained has been looked at
    both = change.scaled(0.5).sealed(model)  # it is a weight change like any other
    assert both.norm() == pytest.approx(0.5 * change.norm(), rel=1e-4)
    named = ex.edit(model, sets.forget, "memit:target=empty", **{**given, "corpus": str(tmp_path / "*.txt")})
    assert named.record["train"]["options"]["target"] == "empty"
    other = ex.edit(model, sets.forget, "memit:target=empty", target="self", **given)
    assert other.record["train"]["options"]["target"] == "self"
    with pytest.raises(ConfigError, match="the forget set is empty"):
        ex.edit(model, [], "memit", **given)
    with pytest.raises(ConfigError, match="document"):
        ex.edit(model, [ex.Example("a", None, "a text of some length")], "memit", **given)
    with pytest.raises(UnknownNameError):
        ex.edit(model, sets.forget, "npo")
    with pytest.raises(ConfigError, match="merge_queries"):
        ex.edit(model, sets.forget, "memit", merge_queries=0)
    assert torch.is_tensor(next(iter(model.network.parameters())))
    assert "memit" in editors

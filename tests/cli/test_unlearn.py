"""`unlearn` from its files to what it leaves, and `apply` and `revert` of that."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from expunge.change import WeightChange
from expunge.models.loading import load_model
from expunge.record_file import load_record
from tiny import tiny_model

Run = Callable[..., object]


def weights(folder: str | Path) -> dict[str, torch.Tensor]:
    return dict(load_model(str(folder)).network.state_dict())


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[n].view(torch.int32), other[n].view(torch.int32)) for n in one) and [*one] == [*other]


def test_unlearn_leaves_a_record_a_report_and_a_change(unlearn, files, tmp_path) -> None:
    said = unlearn("--method", "npo:beta=0.2", "--retain-loss", "kl", "--eval-every", "1")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.status == "done"
    assert record.arguments[0] == "unlearn"
    assert "--method" in record.arguments
    assert record.changed["train.options"] == {"beta": 0.2}
    assert record.changed["train.retain_loss"] == "kl"
    assert list(record.sets) == [
        "forget", "forget, wording 2", "retain", "retain, test half",
    ]  # fmt: skip
    outcome = record.methods["npo"]
    assert [point.step for point in outcome.trajectory] == [0, 1, 2]
    assert outcome.after["forget"]["probability"].n == 4
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"record.json", "report.html", "change.safetensors"}
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!")
    change = WeightChange.load(tmp_path / "run" / "change.safetensors")
    assert change.record["train"]["options"] == {"beta": 0.2}
    assert change.record["model"] == files.model


def test_the_same_command_gives_the_same_bytes(unlearn, tmp_path) -> None:
    for name in ("one", "two"):
        assert unlearn("--out", tmp_path / name).code == 0
    one, two = ((tmp_path / name / "change.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_full_is_a_folder_that_transformers_loads(unlearn, files, tmp_path) -> None:
    assert unlearn("--save-as", "full").code == 0
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model").state_dict()
    changed = weights(f"{files.model}+{tmp_path / 'run' / 'change.safetensors'}")
    assert same_bits({n: saved[n] for n in changed}, changed)
    assert not same_bits(changed, weights(files.model))


def test_peft_is_an_adapter_on_its_base(unlearn, files, tmp_path) -> None:
    assert unlearn("--save-as", "peft", "--lora", "2").code == 0
    adapter = weights(tmp_path / "run" / "adapter")
    changed = weights(f"{files.model}+{tmp_path / 'run' / 'change.safetensors'}")
    torch.testing.assert_close(adapter, changed)
    assert not same_bits(changed, weights(files.model))


def test_apply_and_revert_are_exact(unlearn, expunge, files, tmp_path) -> None:
    assert unlearn().code == 0
    change = tmp_path / "run" / "change.safetensors"
    applied = expunge("apply", "--model", files.model, "--change", change, "--out", tmp_path / "forgot")
    assert applied.code == 0, applied.err
    assert same_bits(weights(tmp_path / "forgot"), weights(f"{files.model}+{change}"))
    reverted = expunge(
        "revert", "--model", tmp_path / "forgot", "--change", change, "--out", tmp_path / "back", "--json"
    )
    assert reverted.code == 0, reverted.err
    assert json.loads(reverted.out)["tensors"] > 0
    assert same_bits(weights(tmp_path / "back"), weights(files.model))
    record = load_record(tmp_path / "back")
    assert (record.command, record.status) == ("revert", "done")
    assert record.configuration == {"model": str(tmp_path / "forgot"), "change": str(change)}
    assert record.headline[0] in applied.out.replace("applied", "reverted")
    report = expunge("report", tmp_path / "forgot", tmp_path / "back", "--out", tmp_path / "both.html")
    assert report.code == 0, report.err
    again = ("apply", "--model", files.model, "--change", change, "--out", tmp_path / "back")
    assert expunge(*again).code == 2
    assert expunge(*again, "--overwrite").code == 0
    assert load_record(tmp_path / "back").command == "apply"
    assert same_bits(weights(tmp_path / "back"), weights(tmp_path / "forgot"))
    for place in (change.parent, tmp_path / "back"):  # what is read is not replaced
        said = expunge("revert", "--model", tmp_path / "back", "--change", change, "--out", place, "--overwrite")
        assert said.code == 2 and "which this run reads" in said.err


def test_apply_refuses_another_base_and_a_full_folder(unlearn, expunge, files, tmp_path) -> None:
    assert unlearn().code == 0
    change = tmp_path / "run" / "change.safetensors"
    twice = expunge("apply", "--model", f"{files.model}+{change}", "--change", change, "--out", tmp_path / "twice")
    assert twice.code == 2
    assert not (tmp_path / "twice").exists()
    full = expunge("apply", "--model", files.model, "--change", change, "--out", tmp_path / "run")
    assert full.code == 2
    assert "not empty" in full.err


def test_a_recipe_gives_settings_and_the_command_line_wins(unlearn, tmp_path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("train: {method: simnpo, options: {beta: 4.5}, retain_weight: 2.0, eval_every: 2}\n")
    assert unlearn("--config", recipe, "--retain-weight", "3", "--out", tmp_path / "one").code == 0
    train = load_record(tmp_path / "one").configuration["train"]
    assert (train["method"], train["options"], train["retain_weight"]) == ("simnpo", {"beta": 4.5}, 3.0)
    # naming a method names its options too
    assert unlearn("--config", recipe, "--method", "npo", "--out", tmp_path / "two").code == 0
    train = load_record(tmp_path / "two").configuration["train"]
    assert (train["method"], train["options"], train["retain_weight"]) == ("npo", {}, 2.0)


def test_a_retrained_model_reaches_the_run(unlearn, files, tmp_path) -> None:
    """The model stands in for its own retrained one, so there is nothing to learn; and it is no place to write to."""
    copied = shutil.copytree(files.model, tmp_path / "gold")
    loss = ("--method", "mlp_regression", "--retain-loss", "mlp_regression", "--retrained", copied)
    said = unlearn(*loss)
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.changed["train.retrained"] == str(copied)
    assert record.methods["mlp_regression"].trajectory[-1].loss == pytest.approx(0.0, abs=1e-8)
    said = unlearn(*loss, "--out", copied, "--overwrite")
    assert said.code == 2 and same_bits(weights(copied), weights(files.model))


def test_wrappers_parameters_and_columns_reach_the_run(unlearn, files, tmp_path) -> None:
    rows = [json.loads(line) for line in Path(files.forget).read_text().splitlines()]
    asked = tmp_path / "asked.csv"
    asked.write_text("q,a\n" + "".join(f"{row['prompt']},{row['answer']}\n" for row in rows))
    said = unlearn(
        "--forget", asked, "--columns", "q=prompt,a=answer", "--wrap", "sam:rho=0.02,gru",
        "--parameters", "*mlp.down_proj.weight",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.configuration["train"]["wrap"] == ["sam:rho=0.02", "gru"]
    change = record.methods["npo"].change
    assert change is not None
    assert all(name.endswith("mlp.down_proj.weight") for name in change.norms)


def test_resume_of_a_finished_run_and_of_an_interrupted_one(unlearn, tmp_path, monkeypatch) -> None:
    assert unlearn().code == 0
    bits = (tmp_path / "run" / "change.safetensors").read_bytes()
    again = unlearn("--resume")
    assert (again.code, "is done" in again.err) == (0, True)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("expunge.runs.unlearn.save_model", interrupt)
        stopped = unlearn("--out", tmp_path / "stopped")
    assert (stopped.code, stopped.out) == (130, "")
    assert "--resume" in stopped.err
    assert load_record(tmp_path / "stopped").status == "interrupted"
    assert unlearn("--out", tmp_path / "stopped", "--resume").code == 0
    assert load_record(tmp_path / "stopped").status == "done"
    assert (tmp_path / "stopped" / "change.safetensors").read_bytes() == bits


def test_a_run_killed_after_its_model_was_saved_goes_on(unlearn, tmp_path, monkeypatch) -> None:
    from expunge.runs import unlearn as module

    saved = module.save_model

    def kill(*arguments: object) -> None:
        saved(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "save_model", kill)
        assert unlearn("--save-as", "full").code == 130
    assert unlearn("--save-as", "full", "--resume").code == 0


@pytest.mark.parametrize(("error", "code"), [("DivergedError", 1), ("ConfigError", 2)])
def test_exit_codes_of_errors_during_the_run(unlearn, tmp_path, monkeypatch, error: str, code: int) -> None:
    import expunge.errors as errors

    def fail(*_: object, **__: object) -> None:
        raise getattr(errors, error)("it went wrong")

    monkeypatch.setattr("expunge.runs.unlearn.train", fail)
    said = unlearn()
    assert (said.code, said.err.splitlines()[-1]) == (code, "error: it went wrong")
    # a user's mistake leaves nothing behind; a failure leaves the record that says so
    assert (tmp_path / "run").exists() == (code == 1)
    if code == 1:
        assert load_record(tmp_path / "run").status == "failed"


def test_a_retain_set_of_one_group_is_measured_whole(unlearn, files, tmp_path) -> None:
    rows = [json.loads(line) for line in Path(files.retain).read_text().splitlines()]
    grouped = tmp_path / "grouped.jsonl"
    grouped.write_text("\n".join(json.dumps({**row, "group": "one"}) for row in rows))
    said = unlearn("--retain", str(grouped), "--metrics", "probability,perplexity")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert "retain, test half" not in record.sets and record.sets["retain"].n == 4
    assert set(record.before["retain"]) == {"probability", "perplexity"}


def test_the_retrained_model_says_what_never_known_is(unlearn: Callable, files, tmp_path: Path) -> None:
    """Rather than the holdout set; and a level to stop at needs no other."""
    tiny_model(seed=1, attention="sdpa").save(tmp_path / "gold")
    given = ("--retrained", tmp_path / "gold", "--stop", "never-known")
    for name, more in (("with", ("--holdout", files.holdout)), ("without", ())):
        said = unlearn(*given, *more, "--out", tmp_path / name)
        assert said.code == 0, said.err
    found = [load_record(tmp_path / name).methods["npo"].selection for name in ("with", "without")]
    assert found[0] is not None and found[0].never_known_from == "retrained model"
    assert found[1] is not None and found[1].never_known == found[0].never_known
    said = unlearn("--model", tmp_path / "gold", "--out", tmp_path / "self")
    start = load_record(tmp_path / "self").methods["npo"].trajectory[0].forget
    assert found[0].never_known == pytest.approx(start, rel=1e-5)

"""`finetune` from its file to what it leaves, and what is said before a model is loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from expunge.change import WeightChange
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.record_file import load_record


@pytest.fixture
def finetune(expunge: Callable, files, tmp_path: Path) -> Callable:
    def call(*arguments: object):
        usual = {
            "--model": files.model, "--data": files.forget, "--max-steps": 2, "--learning-rate": 5e-3,
            "--metrics": "probability", "--out": tmp_path / "run",
        }  # fmt: skip
        given = (part for name, value in usual.items() if name not in arguments for part in (name, value))
        return expunge("finetune", *given, *arguments)

    return call


def test_it_teaches_and_leaves_a_record_a_report_and_a_change(finetune, files, tmp_path) -> None:
    said = finetune("--max-steps", 60, "--eval-every", 5, "--until", 0.9)
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.command == "finetune"
    assert record.sets["data"].role == "train"
    outcome = record.methods["finetune"]
    assert outcome.after["data"]["probability"].value > record.before["data"]["probability"].value + 0.3
    assert outcome.trajectory[-1].values["extraction_strength"] >= 0.9
    assert outcome.trajectory[-1].step < 60
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"record.json", "report.html", "change.safetensors"}
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Learnt" in page
    assert "How it was learnt" in page
    assert page.count('<td class="number">5</td>') == 1  # the points, step by step
    assert "arland" not in page
    taught = load_model(f"{files.model}+{tmp_path / 'run' / 'change.safetensors'}")
    assert not torch.equal(taught.network.lm_head.weight, load_model(files.model).network.lm_head.weight)


def test_an_adapter_is_one_for_plain_peft_and_merges_to_the_bits_of_the_change(finetune, files, tmp_path) -> None:
    assert finetune("--lora", 2, "--save-as", "peft").code == 0
    base = AutoModelForCausalLM.from_pretrained(files.model)
    plain = PeftModel.from_pretrained(base, str(tmp_path / "run" / "adapter")).merge_and_unload()  # type: ignore[operator]
    ours = load_model(str(tmp_path / "run" / "adapter")).network
    changed = load_model(f"{files.model}+{tmp_path / 'run' / 'change.safetensors'}").network
    for name, weight in ours.named_parameters():
        assert torch.equal(weight, changed.get_parameter(name)), name
        torch.testing.assert_close(weight, plain.get_parameter(name))


def test_a_mask_from_a_file(finetune, files, tmp_path) -> None:
    network = load_model(files.model).network
    name = next(name for name, _ in network.named_parameters() if "down_proj" in name)
    Mask.of(network, {name: (1, [1, 2])}).save(tmp_path / "mask.safetensors")
    assert finetune("--mask", tmp_path / "mask.safetensors").code == 0
    change = WeightChange.load(tmp_path / "run" / "change.safetensors")
    assert change.names == (name,)


def test_resume_gives_the_same_bytes(finetune, tmp_path, monkeypatch) -> None:
    assert finetune("--max-steps", 6, "--out", tmp_path / "whole").code == 0
    from expunge.runs import finetune as run

    def interrupted(*arguments, **named):
        def stop(progress, steps):
            if progress.step == 3:
                raise KeyboardInterrupt

        return real(*arguments, **{**named, "tick": stop})

    real = run.fit
    config = tmp_path / "often.yaml"
    config.write_text("train:\n  checkpoint_every: 1\n")
    monkeypatch.setattr(run, "fit", interrupted)
    said = finetune("--max-steps", 6, "--config", config, "--out", tmp_path / "cut")
    assert said.code == 130
    assert "--resume" in said.err
    assert load_record(tmp_path / "cut").status == "interrupted"
    monkeypatch.setattr(run, "fit", real)
    assert finetune("--max-steps", 6, "--config", config, "--out", tmp_path / "cut", "--resume").code == 0
    whole, cut = (WeightChange.load(tmp_path / name / "change.safetensors") for name in ("whole", "cut"))
    assert whole.results == cut.results


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--save-as", "peft"), "rank"),
        (("--mask", "nowhere.safetensors"), "nowhere.safetensors"),
        (("--parameters", "*.down_proj.weight", "--mask", "MASK"), "give one of them"),
        (("--metrics", "probabilty"), "probability"),
        (("--data", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--until", 1.5), "until"),
        (("--epochs", 1), "max_steps"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_mistakes_are_said_before_a_model_is_loaded(finetune, no_model, tmp_path, arguments, told) -> None:
    said = finetune(*arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert not (tmp_path / "run").exists()


def test_json_is_one_document(finetune) -> None:
    said = finetune("--json")
    assert json.loads(said.out)["command"] == "finetune"

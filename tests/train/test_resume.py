"""A run that is killed at any moment and resumed ends with the bytes of one that was left alone."""

import json
import random
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import workers
from expunge.errors import ConfigError
from expunge.train.loop import Loop
from expunge.train.unlearn import train
from steps import assert_same_bits, before_each_step, bits, settings
from tiny import tiny_model, tiny_sets

USUAL = {"max_steps": 12, "batch_size": 3, "learning_rate": 1e-3, "eval_every": 2, "checkpoint_every": 1, "clip": 0.5}
RUNS = {
    "npo": {"method": "npo", "weight_decay": 0.1, "warmup": 0.5, "decay": "cosine"},
    "pdu": {"method": "pdu", "checkpoint_every": 2},  # has a state of its own: the multiplier
    "gru and sam": {"method": "npo", "wrap": ("gru", "sam")},  # the running mean of the retain gradients
    "adapter": {"method": "undial", "lora": 2, "retain_loss": "kl"},
    "draws": {"method": "dpo", "checkpoint_every": 3, "stop": "never-known"},
    "by frequency": {  # who is away, when they turned, and the weights at each phase's end
        "method": "gradient_ascent",
        "retain_loss": "kl",
        "max_steps": None,
        "batch_size": 1,
        "stop": "leave",
        "leave": {"every": 2, "margin": 0.0},
        "strength": {},
        "extrapolate": {"per": "bucket", "alpha": 0.5, "start": "kept"},
        "utility_floor": 0.0,
        "curriculum": {"edges": (2,), "epochs": (3,), "rates": (1.0, 2.0), "at_least": 2},
    },
}


def result(out: Path) -> tuple[bytes, str]:
    """The change's file; the losses of every point and a digest of the weights after the last step."""
    return out.read_bytes(), out.with_suffix(".json").read_text()


def whole_run(config: dict[str, Any], tmp_path: Path) -> tuple[bytes, str]:
    out = tmp_path / "whole.safetensors"
    assert workers.finished(workers.start(workers.run, config, tmp_path / "whole", out)) == 0
    return result(out)


def latest(folder: Path) -> int:
    return max((int(path.stem.split("-")[1]) for path in folder.glob("step-*.safetensors")), default=0)


def test_ten_kills_at_random_moments(tmp_path: Path) -> None:
    """From outside at random times; from inside after a step, in the middle of a write, before a deletion."""
    config = {**USUAL, **RUNS["npo"], "max_steps": 90}
    expected = whole_run(config, tmp_path)
    draw = random.Random(5)
    folder, out = tmp_path / "killed", tmp_path / "killed.safetensors"
    for number in range(10):
        kind = ("step", "time", "write", "unlink")[number % 4]
        kill = None if kind == "time" else (kind, draw.randint(1, 6))
        process = workers.start(workers.run, config, folder, out, resume=number > 0, kill=kill)
        if kind == "time":  # some steps on, at any moment of a step
            target = latest(folder) + draw.randint(1, 4)
            while latest(folder) < target and process.is_alive():
                time.sleep(0.001)
            time.sleep(draw.uniform(0.0, 0.02))
            process.kill()
        assert workers.finished(process) == workers.KILLED, kind
        assert not out.exists()
        assert kind != "write" or list(folder.glob(".*.partial"))  # it was in the middle of one
    assert {path.name.split("-")[0] for path in folder.glob("[!.]*")} <= {"step", "best", "start.safetensors"}
    assert workers.finished(workers.start(workers.run, config, folder, out, resume=True)) == 0
    assert result(out) == expected
    assert not list(folder.glob(".*.partial"))


@pytest.mark.parametrize("name", [name for name in RUNS if name != "npo"])
def test_state_of_every_kind_survives(name: str, tmp_path: Path) -> None:
    """Killed after the fifth step, then in the middle of the second write after that."""
    config = {**USUAL, **RUNS[name]}
    expected = whole_run(config, tmp_path)
    *_, turns, phases = json.loads(expected[1])
    assert (bool(turns), len(phases)) == ((True, 2) if name == "by frequency" else (False, 0))
    folder, out = tmp_path / "killed", tmp_path / "killed.safetensors"
    for resume, kill in ((False, ("step", 5)), (True, ("write", 2))):
        process = workers.start(workers.run, config, folder, out, resume=resume, kill=kill)
        assert workers.finished(process) == workers.KILLED
    assert workers.finished(workers.start(workers.run, config, folder, out, resume=True)) == 0
    assert result(out) == expected


class InterruptedRunError(Exception):
    """Stands for anything that ends a run from within, Ctrl-C too."""


def interrupt_at(step: int) -> AbstractContextManager[None]:
    def act(loop: Loop) -> None:
        if loop.progress.step == step:
            raise InterruptedRunError

    return before_each_step(act)


def test_an_exception_puts_the_model_back_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    model = tiny_model()
    start = bits(model)
    config = settings("npo", **{**USUAL, "wrap": ("gru",), "gradient_checkpointing": True})
    whole = train(model, tiny_sets(), config)
    with interrupt_at(7), pytest.raises(InterruptedRunError):
        train(model, tiny_sets(), config, folder=tmp_path)
    assert_same_bits(start, bits(model))
    assert all(p.requires_grad and p.grad is None for p in model.network.parameters())
    assert not model.network.training
    steps: list[int] = []
    resumed = train(
        model, tiny_sets(), config, folder=tmp_path, resume=True, tick=lambda progress, _: steps.append(progress.step)
    )
    assert steps == [8, 9, 10, 11, 12]
    assert dict(resumed.change.results) == dict(whole.change.results)
    unseconded = lambda points: [replace(point, seconds=0.0) for point in points]
    assert unseconded(resumed.points) == unseconded(whole.points)
    assert [point.seconds for point in resumed.points] == sorted(point.seconds for point in resumed.points)


def test_resuming_what_is_done_changes_nothing(tmp_path: Path) -> None:
    model, config = tiny_model(), settings("npo", **USUAL)
    first = train(model, tiny_sets(), config, folder=tmp_path)
    steps: list[int] = []
    again = train(model, tiny_sets(), config, folder=tmp_path, resume=True, tick=lambda *_: steps.append(1))
    assert not steps
    assert dict(again.change.results) == dict(first.change.results)
    assert (again.kept.step, again.steps) == (first.kept.step, first.steps)


def test_resuming_without_a_checkpoint_begins_at_the_start(tmp_path: Path) -> None:
    model, config = tiny_model(), settings("npo", **{**USUAL, "checkpoint_every": 100})
    expected = train(model, tiny_sets(), config)
    with interrupt_at(3), pytest.raises(InterruptedRunError):
        train(model, tiny_sets(), config, folder=tmp_path)
    assert dict(train(model, tiny_sets(), config, folder=tmp_path, resume=True).change.results) == dict(
        expected.change.results
    )


def test_an_earlier_run_in_the_folder_is_not_mixed_in(tmp_path: Path) -> None:
    """Without resume nothing of it is left, so that a later resume cannot pick it up."""
    model = tiny_model()
    train(model, tiny_sets(), settings("gradient_ascent", **USUAL), folder=tmp_path)
    config = settings("npo", **{**USUAL, "checkpoint_every": 100})
    with interrupt_at(3), pytest.raises(InterruptedRunError):
        train(model, tiny_sets(), config, folder=tmp_path)
    resumed = train(model, tiny_sets(), config, folder=tmp_path, resume=True)
    assert dict(resumed.change.results) == dict(train(model, tiny_sets(), config).change.results)


def test_a_resumed_run_must_start_from_the_same_weights(tmp_path: Path) -> None:
    config = settings("npo", **USUAL)
    with interrupt_at(3), pytest.raises(InterruptedRunError):
        train(tiny_model(), tiny_sets(), config, folder=tmp_path)
    other = tiny_model(seed=1)
    start = bits(other)
    with pytest.raises(ConfigError, match="other weights"):
        train(other, tiny_sets(), config, folder=tmp_path, resume=True)
    assert_same_bits(start, bits(other))


def test_a_resumed_adapter_needs_the_same_base(tmp_path: Path) -> None:
    """It starts with the same factors on any model."""
    config = settings("npo", **USUAL, lora=2)
    with interrupt_at(3), pytest.raises(InterruptedRunError):
        train(tiny_model(), tiny_sets(), config, folder=tmp_path)
    other = tiny_model(seed=1)
    start = bits(other)
    with pytest.raises(ConfigError, match="started from another model"):
        train(other, tiny_sets(), config, folder=tmp_path, resume=True)
    assert_same_bits(start, bits(other))
    kept = load_file(tmp_path / "start.safetensors")
    save_file(kept, tmp_path / "start.safetensors")  # as an earlier version left it: without the model's identity
    train(tiny_model(), tiny_sets(), config, folder=tmp_path, resume=True)

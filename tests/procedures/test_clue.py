"""CLUE's stages: which weights, which losses, how long; a kill; what does not go with it."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from contract.test_procedures import run
from expunge.change import WeightChange
from expunge.circuits.classes import circuits_of, mask_of
from expunge.config import CircuitsConfig, TrainConfig
from expunge.data.by_file import by_file
from expunge.data.convention import Encoder
from expunge.errors import ConfigError, DivergedError
from expunge.procedures import clue as module
from expunge.procedures import procedures
from expunge.record_circuits import Circuits
from expunge.train.levels import NeverKnown
from expunge.train.unlearn import train
from steps import after, assert_same_bits, bits, taught_model
from tiny import tiny_sets

pytest.importorskip("pysat")
Calls = list[dict[str, Any]]


@contextmanager
def as_classified(classes: dict[str, str]) -> Any:
    """Within the block the circuits say just this."""
    real = module.circuits_of

    def made(*arguments: Any, **options: Any) -> tuple[Circuits, str]:
        found, formula = real(*arguments, **options)
        return found.model_copy(update={"classes": classes}), formula

    with patch.object(module, "circuits_of", made):
        yield


@contextmanager
def listening() -> Any:
    """Every training that the procedure asks for."""
    calls: Calls = []

    def asked(model: Any, sets: Any, config: TrainConfig, **rest: Any) -> Any:
        calls.append({"config": config, **rest})
        calls[-1]["trained"] = train(model, sets, config, **rest)
        return calls[-1]["trained"]

    with patch.object(module, "train", asked):
        yield calls


BOTH = {"0.down": "forget", "1.q": "forget", "1.up": "conflict", "0.q": "safe"}


def test_first_forget_nodes_without_the_retain_loss_then_conflict_nodes_with_it() -> None:
    model = taught_model()
    with as_classified(BOTH), listening() as calls:
        found = run("clue", model, epochs=5, retain_weight=3.0, options={"first": 2})
    one, two = calls
    assert (one["config"].method, one["config"].retain_loss, one["config"].epochs) == ("idk", None, 2)
    assert (two["config"].method, two["config"].retain_loss, two["config"].epochs) == ("idk", "nll", 3)
    assert two["config"].retain_weight == 3.0
    assert set(one["mask"]) == {"model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight"}
    assert set(two["mask"]) == {"model.layers.1.mlp.up_proj.weight"}
    assert (found.chosen, found.units) == (3, 14) and found.mask == one["mask"] | two["mask"]
    assert [point.step for point in found.trained.points] == [0, 2, 4, 6, 8, 10]
    assert set(found.files) == {"circuits.json", "circuits.cnf"}


def test_the_two_stages_by_hand() -> None:
    """The same as one training after another, each with its mask; the first one's start is what utility is kept of."""
    model = taught_model()
    with as_classified(BOTH):
        found = run("clue", model, epochs=3, options={"loss": "npo:beta=0.3"})
    circuits = Circuits.model_validate_json(found.files["circuits.json"])
    usual = {"batch_size": 2, "learning_rate": 1e-3, "weight_decay": 0.1, "method": "npo", "options": {"beta": 0.3}}
    forget, conflict = (mask_of(model, circuits, which, groups=8) for which in ("forget", "conflict"))
    one = train(model, tiny_sets(), TrainConfig(**usual, epochs=1, retain_loss=None), mask=forget)
    with one.change.applied_to(model):
        two = train(model, tiny_sets(), TrainConfig(**usual, epochs=2), mask=conflict, since=one)
        with two.change.applied_to(model):
            expected = bits(model)
    with found.trained.change.applied_to(model):
        assert_same_bits(expected, bits(model))
    losses = [(point.loss, point.utility) for point in found.trained.points]
    assert losses == [(point.loss, point.utility) for point in (*one.points, *two.points[1:])]


@pytest.mark.parametrize(("classes", "epochs"), [({"0.down": "forget"}, [4]), ({"1.up": "conflict"}, [4])])
def test_a_stage_without_nodes_gives_its_epochs_away(classes: dict[str, str], epochs: list[int]) -> None:
    with as_classified(classes), listening() as calls:
        found = run("clue", epochs=4)
    assert [call["config"].epochs for call in calls] == epochs
    assert calls[0]["config"].retain_loss == (None if "forget" in classes.values() else "nll")
    assert found.trained.points[-1].step == 8 and found.chosen == 1


def test_nothing_to_train_says_so() -> None:
    with as_classified({"0.q": "safe"}), pytest.raises(ConfigError, match="nothing to train"):
        run("clue")


@pytest.mark.parametrize("weights", ["0/30", "30/0"])
def test_the_weight_is_chosen_by_the_rule(weights: str) -> None:
    """Without weight on the retain loss utility falls below the floor, so the other one is taken."""
    usual = {"epochs": 4, "learning_rate": 3e-2}
    with as_classified(BOTH), listening() as calls:
        found = run("clue", **usual, options={"weights": weights, "loss": "gradient_ascent"})
        alone = run("clue", **usual, options={"loss": "gradient_ascent"}, retain_weight=30.0)
    lost = next(call["trained"] for call in calls if call["config"].retain_weight == 0)
    assert not lost.floor_held and found.trained.floor_held
    assert "λ 30, chosen among 2 by the rule" in found.trained.notes
    model = taught_model()
    assert_same_bits(after(alone.trained, model), after(found.trained, model))


def test_circuits_are_looked_for_again() -> None:
    model = taught_model()
    seen: list[bool] = []
    real = module.circuits_of
    before = bits(model)

    def made(*arguments: Any, **options: Any) -> tuple[Circuits, str]:
        seen.append(all(bool((before[n] == p).all()) for n, p in model.network.named_parameters()))
        found, formula = real(*arguments, **options)
        again = {**BOTH, "1.up": "safe", "1.gate": "conflict"}
        return found.model_copy(update={"classes": BOTH if len(seen) == 1 else again}), formula

    with patch.object(module, "circuits_of", made), listening() as calls:
        found = run("clue", model, options={"recompute": True})
    assert seen == [True, False]  # the second time on what stage 1 has made
    assert set(calls[1]["mask"]) == {"model.layers.1.mlp.gate_proj.weight"}
    assert {"circuits.json", "circuits-again.json"} <= set(found.files) and found.chosen == 3
    assert any(note.startswith("between the stages: ") for note in found.notes)


@pytest.mark.parametrize("start", [BOTH, {"0.down": "forget", "1.q": "forget"}])
def test_without_a_conflict_after_stage_one_its_nodes_go_on(start: dict[str, str]) -> None:
    """All epochs are trained, with the same nodes and loss."""
    real, seen = module.circuits_of, []

    def made(*arguments: Any, **options: Any) -> tuple[Circuits, str]:
        seen.append(1)
        found, formula = real(*arguments, **options)
        return found.model_copy(update={"classes": start if len(seen) == 1 else {"0.up": "forget"}}), formula

    model = taught_model()
    with patch.object(module, "circuits_of", made), listening() as calls:
        found = run("clue", model, epochs=5, options={"recompute": True, "first": 2})
    assert [call["config"].epochs for call in calls] == [2, 3] and len(seen) == 2
    assert calls[0]["mask"] == calls[1]["mask"] == found.mask
    assert set(found.mask) == {"model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight"}
    assert [call["config"].retain_loss for call in calls] == [None, None] and found.chosen == 2
    assert [point.step for point in found.trained.points] == [0, 2, 4, 6, 8, 10]
    assert sum("trained for 3 epochs more" in note for note in found.notes) == 1
    one, two = (call["trained"] for call in calls)
    with one.change.applied_to(model):
        expected = after(two, model)
    assert_same_bits(expected, after(found.trained, model))


def test_a_level_that_is_known_is_that_of_both_stages() -> None:
    never = NeverKnown(torch.full((4,), -2.0), 0.125, torch.full((4,), -2.0), "retrained model")
    with as_classified(BOTH), listening() as calls:
        found = run("clue", never=never)
    assert [call["trained"].never_known for call in calls] == [never, never] and found.trained.never_known == never


def test_a_second_stage_without_a_retain_loss_says_so() -> None:
    with as_classified(BOTH):
        plain, usual = (run("clue", **changes) for changes in ({"retain_loss": None}, {}))
    said = [[note for note in found.notes if "no retain loss" in note] for found in (plain, usual)]
    assert [len(some) for some in said] == [1, 0]


def test_retain_sets_of_several_files_are_a_circuit_each() -> None:
    """As in `expunge circuits`."""
    model, sets = taught_model(), tiny_sets()
    retain = [replace(example, source=f"{'ab'[i % 2]}.parquet#{i}") for i, example in enumerate(sets.retain)]
    found = run("clue", model, sets=replace(sets, retain=tuple(retain)))
    circuits = Circuits.model_validate_json(found.files["circuits.json"])
    assert [each.title for each in circuits.circuits] == ["forget", "retain (a.parquet)", "retain (b.parquet)"]
    config = CircuitsConfig(points=1, confirm=0, halvings=0)
    expected, formula = circuits_of(model, sets.forget, by_file(retain), config, Encoder(model.tokenizer))
    assert circuits == expected and found.files["circuits.cnf"] == formula


class _KillError(Exception):
    pass


@pytest.mark.parametrize(("stage", "step"), [(0, 1), (0, 2), (1, 1), (1, 3)])
def test_a_killed_run_goes_on_to_the_same_bits(stage: int, step: int, tmp_path: Path) -> None:
    """The circuits are not looked for again, and a stage that is done is not trained again."""
    options = {"epochs": 3, "checkpoint_every": 1}
    with as_classified(BOTH):
        whole = run("clue", folder=tmp_path / "whole", **options)

    @contextmanager
    def phase(name: str) -> Any:
        def tick(done: int = 1, remark: str = "", total: int | None = None) -> None:
            if name.startswith(f"stage {stage + 1}") and remark.startswith(f"step {step} "):
                raise _KillError

        yield tick

    model = taught_model()
    before = bits(model)
    with as_classified(BOTH), pytest.raises(_KillError):
        run("clue", model, folder=tmp_path / "killed", phase=phase, **options)
    assert_same_bits(before, bits(model))
    with patch.object(module, "circuits_of", side_effect=AssertionError), listening() as calls:
        again = run("clue", model, folder=tmp_path / "killed", resume=True, **options)
    assert len(calls) == 2 - stage
    assert again.files == whole.files and set(whole.files) == {"circuits.json", "circuits.cnf"}
    assert [vars(p) | {"seconds": 0} for p in whole.trained.points] == [
        vars(p) | {"seconds": 0} for p in again.trained.points
    ]
    with whole.trained.change.applied_to(model):
        expected = bits(model)
    with again.trained.change.applied_to(model):
        assert_same_bits(expected, bits(model))


def test_a_formula_that_was_not_written_is_made_again(tmp_path: Path) -> None:
    """Circuits count as done with both of their files."""
    with as_classified(BOTH), listening() as calls:
        whole = run("clue", folder=tmp_path)
        (tmp_path / "circuits.cnf").unlink()
        again = run("clue", folder=tmp_path, resume=True)
    assert again.files == whole.files and (tmp_path / "circuits.cnf").exists()
    assert len(calls) == 3  # stage 2 goes on from its end


def test_circuits_that_were_found_on_other_sets(tmp_path: Path) -> None:
    sets = tiny_sets()
    other = replace(sets, forget=(replace(sets.forget[0], answer="city"), *sets.forget[1:]))
    with as_classified(BOTH):
        run("clue", folder=tmp_path)
        with pytest.raises(ConfigError, match="found on other sets"):
            run("clue", sets=other, folder=tmp_path, resume=True)
        (tmp_path / "circuits.key").unlink()  # an earlier version wrote none
        assert run("clue", sets=other, folder=tmp_path, resume=True).files


def test_what_diverges_in_stage_two_is_a_change_of_the_starting_model() -> None:
    model = taught_model()
    real = train

    def failing(*arguments: Any, **rest: Any) -> Any:
        trained = real(*arguments, **rest)
        if rest["since"] is not None:
            error = DivergedError("too fast")
            error.trained = trained
            raise error
        return trained

    with as_classified(BOTH), patch.object(module, "train", failing), pytest.raises(DivergedError) as caught:
        run("clue", model)
    change = caught.value.trained.change
    assert isinstance(change, WeightChange) and set(change.names) == {
        "model.layers.0.mlp.down_proj.weight", "model.layers.1.self_attn.q_proj.weight",
        "model.layers.1.mlp.up_proj.weight",
    }  # fmt: skip
    with change.applied_to(model):
        pass


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lora": 2}, "leave lora out"), ({"parameters": ("*",)}, "leave parameters out"),
        ({"localize": "wagle"}, "leave localize out"), ({"max_steps": 3}, "whole epochs"),
        ({"options": {"loss": "no_such_loss"}}, "no_such_loss"), ({"options": {"loss": "npo:beta=-1"}}, "beta"),
        ({"retain_loss": None, "options": {"weights": "0.3/1"}}, "`weights`"),
        ({"wrap": ("gru",)}, "the first stage of 'clue' has no retain loss"),
        ({"options": {"weights": "0.3/-1"}}, "weights.*greater than or equal to 0"),
        ({"options": {"loss": "mlp_regression"}}, "retrained"), ({"options": {"faithfulness": 2}}, "faithfulness"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_it(changes: dict[str, Any], said: str) -> None:
    from expunge.errors import UsageError

    with pytest.raises(UsageError, match=said):
        procedures.get("clue").check(TrainConfig(method="clue", **changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"options": {"loss": "rmu:layer=99"}, "retain_loss": "hidden"}, "layer 99"),
        ({"retain_loss": "hidden", "retain_options": {"layer": 7}}, "layer 7"),
        ({"wrap": ("lat:layer=9",)}, "layer 9"),
    ],
)
def test_blocks_are_known_before_circuits_are_looked_for(changes: dict[str, Any], said: str) -> None:
    with patch.object(module, "circuits_of", side_effect=AssertionError), pytest.raises(ConfigError, match=said):
        run("clue", **changes)


def test_options_as_they_are_typed() -> None:
    options = procedures.get("clue").check(TrainConfig(method="clue", options={"weights": "0.3/1", "loss": "npo"}))
    assert options.weights == (0.3, 1.0) and options.loss == "npo"
    assert procedures.get("clue").check(TrainConfig(method="clue", options={"weights": 2})).weights == (2.0,)
    assert json.loads(options.model_dump_json())["granularity"] == "matrices"

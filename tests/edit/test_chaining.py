"""An edit goes on: extrapolated along its own change (UIPE), and followed by an objective."""

import pytest
import torch
from torch import Tensor

from expunge.arithmetic.line import Line
from expunge.change import WeightChange
from expunge.config import ConventionConfig, ExtrapolateConfig, TrainConfig, settings
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.runs.editing import changed
from expunge.runs.extrapolating import Scoring, extrapolate
from expunge.train.levels import mean_log_probs
from expunge.train.unlearn import train
from steps import assert_same_bits, bits, taught_model, unequal_sets

PLAIN = ConventionConfig(template="plain")
OPTIONS = {"steps": 3, "contexts": 0, "corpus_tokens": 200, "cache": False, "keep": 0}


def edit(model: Model, name: str, sets: Sets) -> WeightChange:
    values = {"method": name, "options": OPTIONS}
    change, _ = changed(model, sets, settings(TrainConfig, values), Encoder(model.tokenizer, PLAIN))
    assert isinstance(change, WeightChange)
    return change


def level(model: Model, sets: Sets) -> Tensor:
    return mean_log_probs(model, Encoder(model.tokenizer, PLAIN).encode_all(sets.forget), budget=512)


def inside(model: Model, change: WeightChange) -> dict[str, Tensor]:
    with change.applied_to(model):
        return bits(model)


@pytest.mark.parametrize("name", ["rome", "memit", "alphaedit"])
def test_at_alpha_zero_it_is_the_edit_bit_for_bit(name: str) -> None:
    model, sets = taught_model(), unequal_sets()
    change = edit(model, name, sets)
    edited = inside(model, change)
    assert_same_bits(edited, inside(model, change.scaled(1.0)))
    with Line(change).on(model) as move:
        move(0.5)
        move(0.0)
        assert_same_bits(edited, bits(model))
    scoring = Scoring(Encoder(model.tokenizer, PLAIN), 512)
    fixed = ExtrapolateConfig.model_validate({"alpha": 0.0})
    assert_same_bits(edited, inside(model, extrapolate(model, sets, change, fixed, scoring, floor=0.0).change))


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_the_whole_edit_is_scaled_and_comes_back(alpha: float) -> None:
    """θ + (1 + α) ΔW, also of an edit that is kept as factors."""
    model, sets = taught_model(), unequal_sets()
    before, change = bits(model), edit(model, "memit", sets)
    further = change.scaled(1 + alpha).sealed(model.network)
    weights = {name: weight.detach().clone() for name, weight in parameters_of(model.network).items()}
    with further.applied_to(model):
        for name in change.names:
            moved = parameters_of(model.network)[name].detach() - weights[name]
            torch.testing.assert_close(moved, (1 + alpha) * change.delta(name, weights[name]), rtol=1e-4, atol=1e-5)
    assert_same_bits(before, bits(model))


@pytest.mark.parametrize("name", ["rome", "memit"])
def test_an_objective_goes_on_from_the_edited_model(name: str) -> None:
    """Its reference is the edited model: at the first step NPO's loss is (2/β) log 2, wherever the edit has led."""
    model, sets = taught_model(), unequal_sets()
    before, first = bits(model), edit(model, name, sets)
    config = settings(TrainConfig, {
        "method": "npo", "learning_rate": 3e-3, "max_steps": 2, "eval_every": 1, "batch_size": 4, "utility_floor": 0.0,
    })  # fmt: skip
    with first.applied_to(model):
        edited, start = bits(model), level(model, sets)
        trained = train(model, sets, config, convention=PLAIN)
        assert_same_bits(edited, bits(model))
        with trained.change.applied_to(model):
            assert float(level(model, sets).mean()) < float(start.mean())
        assert_same_bits(edited, bits(model))
    assert trained.points[1].loss == pytest.approx(2 / 0.1 * torch.log(torch.tensor(2.0)).item(), rel=1e-4)
    assert_same_bits(before, bits(model))

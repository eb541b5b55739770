"""No model is a control of itself, and none is given twice: weights tell models apart, whatever they are called."""

import copy
from dataclasses import replace

import pytest

import expunge as ex
from expunge.config import AuditRunConfig
from expunge.errors import ConfigError, DataError
from expunge.record import ModelInfo, Record
from expunge.runs.audit import all_metrics, check_audit
from expunge.runs.identities import Identities
from expunge.runs.judging import weights_of_record
from tiny import tiny_model, tiny_sets

FEW = {"metrics": ("probability",), "max_new_tokens": 3, "cache": False}


def test_the_unlearned_model_is_no_control() -> None:
    model = tiny_model()
    change = ex.unlearn(model, tiny_sets(), "gradient_ascent", max_steps=1, learning_rate=1e-2)
    same = replace(model, network=copy.deepcopy(model.network))
    change.apply_to(same)
    with pytest.raises(ConfigError, match="the unlearned model has the weights of retrained model 1: give each model"):
        ex.audit(model, change, tiny_sets(), retrained=[tiny_model(seed=1), same], attacks=("quantize",), evaluate=FEW)


def test_which_repeats_are_refused() -> None:
    known = Identities()
    known.add("the original", "a", control=False)
    known.add("retrained model 0", "b")
    known.add("the unlearned model", "a", control=False)  # nothing was changed: that may be audited
    for digest, other in (("a", "the original"), ("b", "retrained model 0")):
        with pytest.raises(ConfigError, match=f"saved evaluation 0 has the weights of {other}"):
            known.add("saved evaluation 0", digest)
    with pytest.raises(ConfigError, match="the unlearned model has the weights of retrained model 0"):
        known.add("the unlearned model", "b", control=False)


def test_a_saved_evaluation_must_say_of_which_weights_it_is() -> None:
    assert weights_of_record(Record(command="evaluate", model=ModelInfo(name="gold", digest="d"))) == ("gold", "d")
    for model in (None, ModelInfo(name="gold")):
        with pytest.raises(DataError, match="does not say of which weights"):
            weights_of_record(Record(command="evaluate", model=model))


def test_metrics_of_cells_go_by_any_of_their_names() -> None:
    config = AuditRunConfig.model_validate({"before": "a", "after": "b", "evaluate": {"metrics": ("mink:k=1.0",)}})
    with pytest.raises(ConfigError, match="leave its options out"):
        check_audit(config, loaded=True)
    assert all_metrics(config, ["loss", "min_k"]) == ["mink:k=1.0", "loss"]

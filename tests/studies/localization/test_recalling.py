"""Who is asked where a planted forget set lies."""

from dataclasses import replace
from pathlib import Path

import pytest

from expunge.config import LocalizationStudyConfig, LocalizeConfig
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.localize.localizing import localize
from expunge.localize.overlap import overlap
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.studies.localization import recalling
from expunge.studies.localization.arms import Target
from expunge.studies.localization.recalling import asked
from expunge.studies.results import read_result
from expunge.suites import Suite
from expunge.worlds.injection import random_region
from tiny import tiny_model, tiny_sets

SUITE = Suite("tiny", tiny_sets())


def test_all_that_score_the_units_but_the_oracle() -> None:
    found = asked(LocalizationStudyConfig(), SUITE, "value_vectors")
    assert {"random", "magnitude", "wagle", "knowledge_neurons", "attribution_patching"} <= set(found)
    assert not {"oracle", "causal_tracing"} & set(found)  # told; scores layers and heads
    heads = asked(LocalizationStudyConfig(), SUITE, "heads")
    assert "causal_tracing" in heads and not {"oracle", "knowledge_neurons"} & set(heads)


def test_recall_of_what_was_planted_in_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of eight heads, each with as many weights: by hand, half of the tracer's choice is right or all, or none."""
    model = tiny_model()
    known = random_region(model, 0.25, 0, granularity="heads")
    sets = tiny_sets()
    sets = replace(sets, forget=tuple(replace(each, subject=each.id) for each in sets.forget))
    monkeypatch.setattr(recalling, "original", lambda *_: model)
    monkeypatch.setattr(recalling, "region", lambda _: known)
    monkeypatch.setattr(recalling, "suite_of", lambda *_: replace(SUITE, sets=sets))
    recalling.recall(
        tmp_path, config=LocalizationStudyConfig(full=True).model_dump(mode="json"),
        target=vars(Target("planted", "tiny", 0.25, "heads")), seed=0, target_folder="none",
    )  # fmt: skip
    result = read_result(tmp_path)
    assert result is not None
    assert result["chance"] == known.weights() / sum(
        p.numel() for name, p in model.network.named_parameters() if "self_attn" in name
    )
    assert result["localizers"]["causal_tracing"]["recall"] in (0.0, 0.5, 1.0)
    assert result["localizers"]["causal_tracing"] == overlap(traced(model, sets), known)


def traced(model: Model, sets: Sets) -> Mask:
    """What the localizer chooses by itself."""
    config = LocalizeConfig(localizer="causal_tracing", granularity="heads", budget=0.25, examples=200, seed=0)
    return localize(model, sets.forget, sets.retain, config, Encoder(model.tokenizer)).mask


def test_without_subjects_those_that_disturb_them_are_not_asked() -> None:
    bare = replace(SUITE.sets, forget=tuple(replace(each, subject=None) for each in SUITE.sets.forget))
    assert "attribution_patching" not in asked(LocalizationStudyConfig(), replace(SUITE, sets=bare), "value_vectors")


def test_of_a_real_model_only_those_of_the_study() -> None:
    config = LocalizationStudyConfig(base="smollm2", parts=("B",), localizers=("wagle",))
    assert asked(config, SUITE, "value_vectors") == ["random", "wagle"]

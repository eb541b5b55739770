"""Who is asked where a planted forget set lies."""

from dataclasses import replace

from expunge.config import LocalizationStudyConfig
from expunge.studies.localization.recalling import asked
from expunge.suites import Suite
from tiny import tiny_sets

SUITE = Suite("tiny", tiny_sets())


def test_all_that_score_the_units_but_the_oracle() -> None:
    found = asked(LocalizationStudyConfig(), SUITE)
    assert {"random", "magnitude", "wagle", "knowledge_neurons", "attribution_patching"} <= set(found)
    assert not {"oracle", "causal_tracing"} & set(found)  # told; scores layers and heads


def test_without_subjects_those_that_disturb_them_are_not_asked() -> None:
    bare = replace(SUITE.sets, forget=tuple(replace(each, subject=None) for each in SUITE.sets.forget))
    assert "attribution_patching" not in asked(LocalizationStudyConfig(), replace(SUITE, sets=bare))


def test_of_a_real_model_only_those_of_the_study() -> None:
    config = LocalizationStudyConfig(base="smollm2", parts=("B",), localizers=("wagle",))
    assert asked(config, SUITE) == ["random", "wagle"]

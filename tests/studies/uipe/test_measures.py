"""What is measured of a model: every right answer is scored once, whatever it is held against."""

from dataclasses import replace

import pytest

from expunge.data.convention import Convention, Encoder
from expunge.evaluate.choice_accuracy import choice_accuracy
from expunge.evaluate.observations import observe
from expunge.evaluate.truth_ratio import truth_ratio
from expunge.studies.uipe import measures
from expunge.studies.uipe.measures import measured
from tiny import tiny_model, tiny_sets

MODEL = tiny_model()
ENCODER = Encoder(MODEL.tokenizer, Convention())
SETS = tiny_sets()
OTHER = tuple(
    replace(each, perturbed_answers=("bexton", "ripon"), paraphrased_answer="tarnow") for each in SETS.retain
)  # fmt: skip
GROUPS = {"forget": SETS.forget, "reworded": tuple(replace(each, prompt="city ?") for each in OTHER), "retain": OTHER}


def test_a_group_held_against_wrong_answers_has_what_it_has_alone() -> None:
    plain = measured(MODEL, GROUPS, ENCODER)
    found = measured(MODEL, GROUPS, ENCODER, wrong={"retain": OTHER[1:3]})
    assert list(found) == list(GROUPS)
    for title in ("forget", "reworded"):
        assert found[title] == pytest.approx(plain[title], rel=1e-5)
    seen = observe(MODEL, OTHER[1:3], ENCODER, {"answer_logprobs", "perturbed_logprobs", "paraphrased_logprobs"})
    short, whole = seen.within("without_end"), seen.within("all")
    assert found["retain"] == pytest.approx({
        **plain["retain"],
        "choice": choice_accuracy(short["answer_logprobs"], short["perturbed_logprobs"]).value,
        "chance": 1 / 3,
        "ratio": truth_ratio(whole["paraphrased_logprobs"], whole["perturbed_logprobs"]).value,
    }, rel=1e-5)  # fmt: skip


def test_no_right_answer_is_scored_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    scored = []

    def counted(model, examples, **values):
        scored.extend((each.id, each.prompt) for each in examples)
        return observe(model, examples, **values)

    monkeypatch.setattr(measures, "observe", counted)
    measured(MODEL, GROUPS, ENCODER, wrong={"retain": OTHER[1:3]})
    assert sorted(scored) == sorted((each.id, each.prompt) for group in GROUPS.values() for each in group)

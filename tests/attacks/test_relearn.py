"""Relearning: what is taught and what is asked, what comes back, and that the model is as it was."""

from dataclasses import replace

import pytest

from attacked import DOCUMENTS, attacked_sets, target
from expunge.attacks import Finding, attacks
from expunge.attacks.after import probabilities
from expunge.attacks.relearning import Budget, relearnt
from expunge.config import FinetuneConfig
from expunge.errors import ConfigError
from expunge.train import finetune
from expunge.train.selection import halves
from steps import assert_same_bits, bits, taught_model
from tiny import tiny_model

RELEARNING = ("relearn", "relearn_lora", "relearn_unrelated")


def mean(finding: Finding) -> float:
    return sum(finding.scores) / len(finding.scores)


def test_one_half_is_taught_and_the_other_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """By whole groups: the first and the last two facts are one person's."""
    groups = ("a", "b", "a", "a")
    examples = tuple(replace(e, group=g) for e, g in zip(attacked_sets().forget, groups, strict=True))
    taught = []
    fit = finetune.fit
    monkeypatch.setattr(
        "expunge.attacks.relearning.fit",
        lambda m, each, *a, **k: taught.append([e.id for e in each]) or fit(m, each, *a, **k),
    )
    rows = set()
    for seed in range(4):
        found = attacks.get("relearn")(target(examples=examples, seed=seed), epochs=1)
        rows.add(found[0].rows)
        asked = {examples[i].id for i in found[0].rows or ()}
        assert asked.isdisjoint(taught[-1]) and len(asked) + len(taught[-1]) == 4
        assert [e.id for e in halves(examples, seed)[0]] == taught[-1]
        assert found[0].rows == found[1].rows and len(found[0].scores) == len(asked)
    assert rows == {(1,), (0, 2, 3)}


def test_what_was_suppressed_comes_back_and_what_was_never_known_does_not() -> None:
    """A model that knew and was taught to refuse, beside one that never knew: the same training on both."""
    aimed = target()
    refusals = [replace(example, answer="i do not know") for example in aimed.examples]
    config = FinetuneConfig(learning_rate=1e-3, max_steps=15, batch_size=4)
    refuses = finetune.fit(aimed.model, refusals, config, lambda _: 0.0).change
    with refuses.applied_to(aimed.model):
        before = mean(Finding(tuple(probabilities(aimed, aimed.examples))))
        hidden = attacks.get("relearn")(aimed, rate=2e-3, epochs=5)[0]
    never = attacks.get("relearn")(target(tiny_model()), rate=2e-3, epochs=5)[0]
    assert before < 0.25
    assert mean(hidden) > 0.4 > 0.1 > mean(never)


def test_the_curve_begins_at_the_model_and_ends_at_the_score() -> None:
    aimed = target(tiny_model())
    (first, _) = attacks.get("relearn")(aimed, rate=1e-3, epochs=3)
    asked = [aimed.examples[i] for i in first.rows or ()]
    assert [step for step, _ in first.curve] == [0, 1, 2, 3]  # two examples a step, an epoch a point
    assert first.curve[0][1] == pytest.approx(sum(probabilities(aimed, asked)) / 2, rel=1e-6)
    assert first.curve[-1][1] == pytest.approx(mean(first), rel=1e-5)


def test_the_note_says_what_it_cost_and_whether_it_taught() -> None:
    note = attacks.get("relearn")(target(tiny_model()), rate=5e-3, epochs=60)[0].note
    assert note.startswith("trained on 2 examples, 60 epochs, 60 steps at rate 0.005, all weights; the trained ones")
    assert float(note.split()[-1]) > 0.9
    assert "LoRA of rank 2" in attacks.get("relearn_lora")(target(), rank=2, epochs=1)[0].note
    usual = attacks.get("relearn")(target(), epochs=1)[0].note
    assert "rate 0.0013," in usual  # 0.04 / 32
    assert "rate 0.013," in attacks.get("relearn_lora")(target(), epochs=1)[0].note


def test_unrelated_is_of_the_retain_set_and_asks_everything() -> None:
    aimed = target()
    found = attacks.get("relearn_unrelated")(aimed, epochs=1)
    assert found[0].rows is None and len(found[0].scores) == len(aimed.examples)
    assert "trained on 4 examples" in found[0].note
    mixed = replace(aimed.sets, retain=(*aimed.examples, *aimed.sets.retain[:3]))
    assert "trained on 3 examples" in attacks.get("relearn_unrelated")(replace(aimed, sets=mixed), epochs=1)[0].note
    with pytest.raises(ConfigError, match="nothing unrelated"):
        attacks.get("relearn_unrelated")(replace(aimed, sets=replace(aimed.sets, retain=aimed.examples)))


def test_unrelated_goes_by_steps_where_they_are_given() -> None:
    """Four examples are a step each epoch."""
    (found, _) = attacks.get("relearn_unrelated")(target(), epochs=1, steps=7)
    assert found.curve[-1][0] == 7 and "trained on 4 examples, 7 steps at rate" in found.note
    (by_epochs, _) = attacks.get("relearn_unrelated")(target(), epochs=7)
    assert by_epochs.scores == found.scores


@pytest.mark.parametrize("name", RELEARNING)
def test_documents_are_taught_and_scored(name: str) -> None:
    sets = replace(attacked_sets(), retain=tuple(replace(each, id=f"r{each.id}") for each in DOCUMENTS))
    found = attacks.get(name)(target(examples=DOCUMENTS, sets=sets), epochs=1)
    assert [each.part for each in found] == ["probability"]


@pytest.mark.parametrize("name", RELEARNING)
def test_the_bits_come_back_after_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    aimed = target()
    before = bits(aimed.model)
    for where in ("measured", "fit"):
        with monkeypatch.context() as patched:

            def fails(*_: object, **__: object) -> None:
                raise ZeroDivisionError

            if where == "fit":
                patched.setattr("expunge.train.loop.Loop._check", fails)  # in the middle of a step
            else:
                patched.setattr("expunge.attacks.relearning.measured", fails)  # within the change
            with pytest.raises(ZeroDivisionError):
                attacks.get(name)(aimed, epochs=1)
        assert_same_bits(bits(aimed.model), before)


def test_a_training_that_goes_astray_says_so() -> None:
    aimed = target()
    before = bits(aimed.model)
    found = relearnt(aimed, aimed.examples[:2], Budget(rate=1e30, epochs=20), rows=[2, 3])
    assert "the training went astray" in found[0].note
    assert all(0 <= score <= 1 for each in found for score in each.scores)
    assert_same_bits(bits(aimed.model), before)


def test_a_taught_model_keeps_its_facts() -> None:
    """The original under the same attack: what is there stays there."""
    assert mean(attacks.get("relearn")(target(taught_model()), rate=1e-4)[0]) > 0.5

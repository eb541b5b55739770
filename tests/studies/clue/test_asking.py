"""What is asked of a model beyond the likelihood of answers: what it says, what gives it away, what comes back."""

from dataclasses import replace
from itertools import pairwise

import pytest

from expunge.attacks import attacks
from expunge.config import ClueStudyConfig, FinetuneConfig
from expunge.evaluate.membership import membership
from expunge.models.scoring import score
from expunge.studies.clue import relearning, saying
from expunge.studies.clue.measures import measured, numbers
from expunge.studies.clue.relearning import relearnt, twins_of, unrelated
from expunge.studies.clue.saying import said
from expunge.studies.clue.scene import FORGET, TEST
from expunge.studies.clue.telling import mean_roc, told_apart
from expunge.studies.pictures import roc
from steps import assert_same_bits, bits
from studies.clue.clue_scene import scene
from tiny import tiny_model


def test_rouge_is_of_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: of four one-word answers two are said, one of them within other words; of retained ones all."""
    there = scene()
    texts = {
        FORGET: ["bexton", "it is dunmore .", "hexham", "i do not know"], TEST: [e.answer for e in there.sets.retain],
    }  # fmt: skip
    plain = saying.observe
    monkeypatch.setattr(saying, "observe", lambda model, rows, *a, **k: replace(
        plain(model, rows, *a, **k), generations=texts[FORGET if rows == there.groups[FORGET] else TEST]))  # fmt: skip
    assert said(there) == {"forget": 0.5, "retain": 1.0}


def test_a_model_that_knows_says_it_and_one_that_does_not_does_not() -> None:
    assert said(scene())["retain"] == 1.0
    assert said(scene(tiny_model()))["retain"] < 0.5


def test_membership_is_of_the_losses() -> None:
    """Against the library's own, from mean log-probabilities that are looked up one by one."""
    there = scene()
    rows = [*there.groups[FORGET], *there.controls]
    encoded = there.encoder.encode_all(rows)
    losses = [-one.log_probs.mean().item() for (one,) in score(there.model, [[each] for each in encoded])]
    expected = membership(losses[:4], losses[4:])
    found = told_apart(there)
    assert found["auc"] == expected.auc.value == 1.0  # it knows the four and not the two
    assert found["roc"] == [[a, b] for a, b in expected.roc] and (found["tpr"], found["controls"]) == (None, 2)
    swapped = replace(there, groups={FORGET: there.controls}, controls=there.sets.forget)
    assert told_apart(swapped)["auc"] == 0.0


def test_a_mean_roc_has_the_mean_area() -> None:
    """Two curves: one with three false and true positives that alternate, one that is always right."""
    one = membership([1.0, 3.0, 5.0], [2.0, 4.0, 6.0])
    curves = [one.roc, ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))]
    mean = mean_roc(curves, steps=3000)
    area = sum((x - a) * (y + b) / 2 for (a, b), (x, y) in pairwise(mean))
    assert area == pytest.approx((one.auc.value + 1) / 2, abs=1e-3) and mean[-1] == (1.0, 1.0)
    assert mean_roc([]) == []


def test_the_picture_of_a_roc() -> None:
    curves = {"before": [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0)], "CLUE <1>": [(0.0, 0.0), (1.0, 1.0)]}
    drawn = str(roc(curves, "ROC"))
    assert drawn.startswith("<svg") and "before: area 1; CLUE &lt;1&gt;: area 0.500" in drawn
    assert drawn.count('class="series"') == 2 and 'class="never"' in drawn
    assert roc({}, "ROC") == ""


def test_unrelated_training_is_the_attack_on_forget_rows_and_their_twins() -> None:
    """The first two facts have a twin each; the attack trains on as many retained rows as are asked."""
    there, config = scene(), ClueStudyConfig(unrelated=6)
    before = bits(there.model)
    found = unrelated(there, config)
    assert_same_bits(before, bits(there.model))
    asked = list(there.groups[FORGET])
    twins = twins_of(there, asked)
    assert {each.group for each in twins} == {each.id for each in asked[:2]}
    target = relearning.Target(there.model, (*asked, *twins), there.encoder, there.sets, seed=0)
    known, words = attacks.get("relearn_unrelated")(target, steps=6)
    assert found["after"] == pytest.approx(sum(known.scores[:4]) / 4)
    assert found["twins after"] == pytest.approx(sum(known.scores[4:]) / 2)
    assert (found["said after"], found["twins said after"]) == (sum(words.scores[:4]) / 4, sum(words.scores[4:]) / 2)
    assert found["before"] == there.level(asked) and ", 6 steps at" in found["note"]


def test_what_is_taught_again_is_half_and_its_twins_are_asked_beside_it() -> None:
    there = scene()
    before = bits(there.model)
    found = relearnt(there, ClueStudyConfig(relearn=FinetuneConfig(learning_rate=1e-3, epochs=2)))
    assert_same_bits(before, bits(there.model))
    assert set(found) == {"before", "after", "twins before", "twins after"}
    assert found["after"] != found["before"]
    lonely = replace(there, sets=replace(there.sets, twins=()), controls=there.sets.holdout)
    assert twins_of(lonely, list(there.sets.forget[2:])) == list(there.sets.holdout[:2])  # as many as are asked


def test_general_utility_is_of_what_is_neither_forgotten_kept_nor_the_skill() -> None:
    there = scene()
    found = measured(there)
    assert set(found) == set(there.groups)
    expected = (found["geography"]["exact"] + found["offices"]["exact"]) / 2
    assert numbers(found)["GU"] == expected and numbers(found)["RU"] == 1.0
    assert measured(there, []) == {} and set(measured(there, [FORGET])) == {FORGET}
    assert "strength" in found[FORGET] and "strength" not in found["offices"]
    assert "GU" not in numbers(measured(there, [FORGET, TEST]))

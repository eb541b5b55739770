"""The verdict: families and the whole in words, conditions of `--require`, utility kept."""

import pytest

from expunge.audit.require import parse
from expunge.audit.utility import utility_kept
from expunge.audit.verdict import cannot_say, of_family, overall, sentences
from expunge.errors import ConfigError
from expunge.record_audit import Audit, FamilyResult

GONE = FamilyResult(informative=3, passed=3)
KNOWN = FamilyResult(informative=3, passed=1, known=2)
OVER = FamilyResult(informative=2, passed=1, over_forgotten=1)
OPEN = FamilyResult(informative=2, passed=1, unresolved=1)
EMPTY = FamilyResult(informative=0, passed=0, uninformative=2)


@pytest.mark.parametrize(
    ("name", "result", "words"),
    [
        ("form", GONE, "not distinguishable from never known under the attacks tried"),
        ("generation", KNOWN, "still known"),
        ("form", KNOWN, "forgotten on the surface"),
        ("relearning", KNOWN, "suppressed"),
        ("prefix", OVER, "over-forgotten"),
        ("prefix", OPEN, "unresolved"),
        ("prefix", EMPTY, "nothing to judge by"),
    ],
)  # fmt: skip
def test_of_a_family(name: str, result: FamilyResult, words: str) -> None:
    assert of_family(name, {"generation": GONE, name: result}) == words
    if result is KNOWN:  # whether it is hidden is not known without a direct question
        assert of_family(name, {name: result}) == "still known"


@pytest.mark.parametrize(
    ("families", "words"),
    [
        ({"generation": GONE, "form": GONE}, "not distinguishable from never known under the attacks tried"),
        ({"generation": KNOWN, "form": GONE}, "still known"),
        ({"generation": GONE, "form": KNOWN, "relearning": KNOWN}, "forgotten on the surface"),
        ({"generation": GONE, "form": GONE, "relearning": KNOWN}, "suppressed"),
        ({"generation": GONE, "likelihood": KNOWN, "representation": KNOWN}, "suppressed"),
        ({"generation": GONE, "likelihood": KNOWN}, "suppressed"),
        ({"generation": GONE, "extraction": KNOWN}, "suppressed"),  # next tokens of the true answer: nobody was asked
        ({"generation": GONE, "likelihood": OVER}, "over-forgotten"),
        ({"generation": GONE, "likelihood": OVER, "compression": KNOWN}, "suppressed"),
        ({"generation": GONE, "form": OPEN}, "unresolved"),
        ({"generation": EMPTY}, "nothing to judge by"),
        ({"extraction": KNOWN, "likelihood": KNOWN}, "still known"),  # documents, which nobody asks for
        ({"generation": EMPTY, "form": KNOWN}, "still known"),
        ({"generation": OPEN, "form": KNOWN}, "still known"),
        ({"generation": OPEN, "relearning": KNOWN}, "still known"),
        ({"generation": OVER, "form": KNOWN}, "forgotten on the surface"),
    ],
)  # fmt: skip
def test_of_the_whole(families: dict[str, FamilyResult], words: str) -> None:
    assert overall(families) == words


def audit(**changes: object) -> Audit:
    base = {"panel": "v1", "delta": 0.2, "draws": 2000, "control": "retrained models"}
    return Audit.model_validate({**base, "families": {"generation": GONE, "form": KNOWN}, "rate": 0.67, **changes})


def test_sentences_say_where() -> None:
    first, second = sentences(audit())
    assert first.startswith("Forgotten on the surface.") and second == "Known in form (2 of 3)."


def test_what_was_not_asked_is_not_called_silent() -> None:
    """A model that was not changed at all, and whose direct answers could not be judged."""
    (first, *_) = sentences(audit(families={"extraction": KNOWN, "likelihood": KNOWN}))
    assert first.startswith("Still known.") and "could not be judged" in first
    (first, *_) = sentences(audit(families={"generation": KNOWN}))
    assert first == "Still known. It still gives it when asked directly."


def test_what_it_cannot_say() -> None:
    said = " ".join(cannot_say(audit(control="twins"), 40, ["patching"]))
    assert "twins" in said and "40 examples" in said and "patching" in said
    assert "nothing can be judged" in " ".join(cannot_say(audit(control="none"), 400))
    assert "full panel" in " ".join(cannot_say(audit(panel="v1, quick", rate=None), 400))
    cells = [{"name": "prefix", "family": "form", "n": 1, "k": {"retrained#0": 0.0, "retrained#1": 0.0}}]
    said = " ".join(cannot_say(audit(panel="v1, quick", rate=None, cells=cells), 400))
    assert "there is one" not in said and "the ceiling to compare it with: that needs the full panel" in said
    assert "there is one" in " ".join(cannot_say(audit(), 400))
    assert len(cannot_say(audit(ceiling={"rate": 0.9, "left_out": "each"}), 400)) == 1


def test_requirements() -> None:
    first, second, third = parse("never_knew>=0.5, known<=1,utility>0.9")
    found = audit(utility_kept={"retain": 0.95, "others": 0.91})
    assert first.holds(found) and not second.holds(found) and third.holds(found)
    assert second.said(found) == "required known<=1, and known is 2"
    (rate,) = parse("never_knew>=0.0")
    assert not rate.holds(audit(rate=None)) and "cannot be said" in rate.said(audit(rate=None))
    assert parse("") == []
    assert parse("known==0")[0].holds(audit(families={"generation": GONE}))
    assert parse("never_knew>=5e-1")[0].holds(found)


def test_nothing_judged_holds_nothing() -> None:
    empty = audit(families={"generation": EMPTY}, rate=None)
    assert not any(each.holds(empty) for each in parse("known<=0,over_forgotten<=0,unresolved<=0,utility>=0"))


@pytest.mark.parametrize("text", ["never_knew", "rate>=0.5", "known>=x", "never_knew>=1.2.3"])
def test_broken_requirements(text: str) -> None:
    with pytest.raises(ConfigError, match="--require"):
        parse(text)


def test_utility_kept() -> None:
    before = {"retain": {"probability": 0.8, "rouge_l_recall": 1.0}, "documents": {"probability": 0.5},
              "guesses": {"probability": 0.1, "rouge_l_recall": 0.2}}  # fmt: skip
    after = {"retain": {"probability": 0.4, "rouge_l_recall": 0.5}, "documents": {"probability": 0.6},
             "guesses": {"probability": 0.9, "rouge_l_recall": 0.9}}  # fmt: skip
    assert utility_kept(before, after, ["retain", "documents", "guesses", "absent"]) == {
        "retain": pytest.approx(0.5), "documents": pytest.approx(1.2),
    }  # fmt: skip

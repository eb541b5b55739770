"""Calibration: how a model is asked best, and what it knows.

For each kind of fact:
1. Facts that their subject gives away are left out (`guessing.py`).
2. Every second fact, in the table's order, is for choosing the prompt, the others for the test: the accuracy on facts
   that chose a prompt flatters it. The order is that of prominence, roughly, so the halves are alike.
3. Each wording is tried on the first half, then the best one once more behind a few solved examples. These are the
   last facts of that half, the least prominent ones; no prompt is asked about them before it is chosen, and none that
   holds them. The prompt with most right answers is taken, the earlier one where two are equal.
4. All facts are asked with it. An answer is right when the greedy text says it (`evaluate/matching.py`).
5. The answer that the model says most often of the real subjects, and the one it says most often of names that do not
   exist, are guesses, if that is a habit (`guessing.py`).
6. A fact is **known** when it is answered right and nothing that answers it is a guess. What is answered wrong
   is **unknown**.

How it misleads: a model's second-favourite guess is not a guess here; twins measure, fact by fact, what is said without
knowledge. A fact that is unknown in the chosen wording may be answered in another one. Where a kind has few answers
(continents) right answers tell little.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from expunge.config import FactKind
from expunge.data.example import Example
from expunge.evaluate.generated_contains import generated_contains
from expunge.worlds.capitals.calibration import Calibration, Tried
from expunge.worlds.capitals.guessing import given_away, most_said, said
from expunge.worlds.capitals.nowhere import NAMES
from expunge.worlds.capitals.table import answers_of
from expunge.worlds.capitals.wordings import WORDINGS, Prompt

Answer = Callable[[Sequence[Example]], Sequence[str]]  # prompts → the model's greedy texts


def calibrate_kind(kind: FactKind, facts: Sequence[Example], answer: Answer, shots: int) -> Calibration:
    """The prompt for one kind of fact, and what is known with it."""
    asked = [fact for fact in facts if not given_away(fact)]
    first, second = asked[::2], asked[1::2]
    solved = _solved(first, asked, shots)
    choice = [fact for fact in first if fact not in solved]
    prompt, tried = _best(kind, choice, solved, answer)
    left = [fact for fact in asked if fact not in prompt.shots]
    heard = _heard(kind, left, prompt, answer)
    names = prompt.ask_all([_named(left[0], name) for name in NAMES[kind]], kind)
    answers = answers_of(left)
    of_real = said(heard.texts, answers)
    of_names = said(answer(names), answers)
    guesses = tuple(dict.fromkeys([*most_said(of_real, len(left)), *most_said(of_names, len(names))]))
    top, frequent = Counter(fact.answer for fact in left).most_common(1)[0]
    test = {fact.id for fact in second}
    right = [fact for fact, hit in zip(left, heard.right) if hit]
    guessed = [fact for fact in right if not {fact.answer, *fact.aliases}.isdisjoint(guesses)]
    return Calibration(
        kind=kind, wording=prompt.wording, shots=tuple(fact.id for fact in prompt.shots), tried=tried,
        asked=len(left), right=len(right),
        test_asked=len(second), test_right=sum(fact.id in test for fact in right),
        majority=top, majority_right=frequent,
        guesses={each: (of_real[each], of_names[each]) for each in guesses}, names=len(names),
        given_away=tuple(fact.id for fact in facts if fact not in asked),
        guessed=tuple(fact.id for fact in guessed),
        known=tuple(fact.id for fact in right if fact not in guessed),
        unknown=tuple(fact.id for fact, hit in zip(left, heard.right) if not hit),
    )  # fmt: skip


def _solved(first: Sequence[Example], asked: Sequence[Example], shots: int) -> list[Example]:
    """The last of the half that hold no other fact's subject, so that a subject stands once in its prompt."""
    names = [fact.subject or "" for fact in asked]
    fit = [fact for fact in first if not any(n in f"{fact.subject} {fact.answer}" for n in names if n != fact.subject)]
    return fit[-shots:] if 0 < shots < len(first) else []


@dataclass(frozen=True)
class _Heard:
    """What was said to a set, and whether it was right."""

    texts: Sequence[str]
    right: Sequence[bool]


def _heard(kind: FactKind, facts: Sequence[Example], prompt: Prompt, answer: Answer) -> _Heard:
    texts = answer(prompt.ask_all(facts, kind))
    hits = generated_contains(texts, [[fact.answer, *fact.aliases] for fact in facts]).per_example
    return _Heard(texts, [bool(hit) for hit in hits])


def _best(
    kind: FactKind, choice: Sequence[Example], solved: Sequence[Example], answer: Answer
) -> tuple[Prompt, tuple[Tried, ...]]:
    tried: dict[Prompt, int] = {}
    for wording in WORDINGS[kind]:
        tried[Prompt(wording)] = sum(_heard(kind, choice, Prompt(wording), answer).right)
    best = max(tried, key=lambda prompt: tried[prompt])  # the first of equals
    if solved:
        longer = Prompt(best.wording, tuple(solved))
        tried[longer] = sum(_heard(kind, choice, longer, answer).right)
        best = max(tried, key=lambda prompt: tried[prompt])
    figures = (Tried(wording=p.wording, shots=len(p.shots), asked=len(choice), right=n) for p, n in tried.items())
    return best, tuple(figures)


def _named(example: Example, name: str) -> Example:
    return Example(id=f"name:{name}", prompt=example.prompt, answer=example.answer, subject=name)

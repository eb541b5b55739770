"""What is measured at a point of an unlearning, form by form and bucket by bucket.

level    mean over facts of exp(mean log-probability per answer token)
log      mean over facts of the mean log-probability
said     share of facts each of whose tokens is the likeliest (what greedy generation would say)
left     share, of the facts that were said before, of those that still are
likely   share of facts with a level of 1/2 or more
known    how many facts were said before
choice   share of facts whose right answer is likelier than all wrong ones; of the questions only, where the scene has
         wrong answers

Of the forget set also M, D and ρ of what is said against the level, which passes at 1/2 (`likely`), and against
`choice` (`evaluate/misalignment.py`), over the facts that passed both before; absent under 20 of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from expunge.errors import ConfigError
from expunge.evaluate.choice_accuracy import choice_accuracy
from expunge.evaluate.misalignment import misalignment
from expunge.models.model import Model
from expunge.models.scoring import score
from expunge.studies.frequency.scene import ALL, QUESTION, STATEMENT, Answers, Scene
from expunge.studies.people import BUDGET

Measures = dict[str, dict[str, dict[str, float]]]  # group → bucket → measure
TESTS = ("likely", "choice")
LIKELY = 0.5  # the level that passes
_DIGITS = 5


@dataclass(frozen=True)
class Columns:
    """Values of every row of a group."""

    logs: np.ndarray
    said: np.ndarray
    tests: Mapping[str, np.ndarray]

    def graded(self, test: str) -> np.ndarray:
        """By how much a fact passes: ranks of what was lost need more than passed and not passed."""
        return np.exp(self.logs) if test == "likely" else self.tests[test]


def columns_of(model: Model, scene: Scene, *, bf16: bool = False) -> dict[str, Columns]:
    """Of every group, as the model is now."""
    return {group: _columns(model, rows, bf16=bf16) for group, rows in scene.groups.items()}


def _columns(model: Model, rows: Sequence[Answers], *, bf16: bool) -> Columns:
    seen = score(model, rows, budget=BUDGET, bf16=bf16)
    right = [(scores[0], row[0]) for scores, row in zip(seen, rows, strict=True)]
    logs = np.array([float(scores.log_probs.double().mean()) for scores, _ in right])
    said = np.array([float(scores.hits[: len(scores.hits) - own.tail].all()) for scores, own in right])
    tests = {"likely": (np.exp(logs) >= LIKELY).astype(float)}
    if all(len(row) > 1 for row in rows):
        short = [[s.log_probs[: len(s.log_probs) - own.tail].double().numpy() for s, own in zip(scores, row)]
                 for scores, row in zip(seen, rows, strict=True)]  # fmt: skip
        found = choice_accuracy([each[0] for each in short], [each[1:] for each in short])
        tests["choice"] = np.array(found.per_example)
    return Columns(logs, said, tests)


def measures(scene: Scene, before: Mapping[str, Columns], now: Mapping[str, Columns]) -> Measures:
    """By group and bucket, rounded to five digits."""
    found: Measures = {}
    for group, columns in now.items():
        parts = {ALL: range(len(columns.logs)), **scene.parts.get(group, {})}
        found[group] = {part: _rounded(_values(columns, before[group], list(rows))) for part, rows in parts.items()}
    return found


def apart(before: Mapping[str, Columns], now: Mapping[str, Columns]) -> dict[str, dict[str, dict[str, float]]]:
    """Form → test → M, D, ρ, how many facts, and the shares that are gone by what is said and by the test."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for form in (QUESTION, STATEMENT):
        for test in TESTS if form in now else ():
            if test in now[form].tests and (values := _apart(before[form], now[form], test)):
                found.setdefault(form, {})[test] = _rounded(values)
    return found


def _apart(before: Columns, now: Columns, test: str) -> dict[str, float]:
    sides = (before.said, now.said, before.graded(test), now.graded(test))
    try:
        told = misalignment(
            *(side.tolist() for side in sides), probable=LIKELY, groups=[""] * len(before.said)
        )  # fmt: skip
    except ConfigError:  # fewer than 20 passed both
        return {}
    values = {"M": told.M, "D": told.D, "said": told.generation, "test": told.probability, "n": float(told.n)}
    return values if told.correlation is None else {**values, "rho": told.correlation}


def _values(now: Columns, before: Columns, rows: list[int]) -> dict[str, float]:
    logs, known = now.logs[rows], before.said[rows] > 0
    values = {
        "level": float(np.exp(logs).mean()), "log": float(logs.mean()), "said": float(now.said[rows].mean()),
        **{test: float(column[rows].mean()) for test, column in now.tests.items()},
    }  # fmt: skip
    return (
        {**values, "left": float(now.said[rows][known].mean()), "known": float(known.sum())} if known.any() else values
    )


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, _DIGITS) for name, value in values.items()}


def level(columns: Columns) -> float:
    """The mean level of a group."""
    return float(np.exp(columns.logs).mean())

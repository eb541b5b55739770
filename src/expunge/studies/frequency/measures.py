"""What is measured at a point of an unlearning, form by form and bucket by bucket.

level    mean over facts of exp(mean log-probability per answer token)
log      mean over facts of the mean log-probability
said     share of facts each of whose tokens is the likeliest (what greedy generation would say)
left     share, of the facts that were said before, of those that still are
likely   share of facts with a level of 1/2 or more
choice   share of facts whose right answer is likelier than all wrong ones; of the questions only: it takes longest

Of the forget set also M and D of what is said against `likely` and against `choice` (`evaluate/misalignment.py`), over
the facts that passed both before; absent under 20 of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.evaluate.choice_accuracy import choice_accuracy
from expunge.evaluate.misalignment import misalignment
from expunge.evaluate.observations import observe
from expunge.models.model import Model
from expunge.studies.frequency.scene import ALL, QUESTION, STATEMENT, Scene
from expunge.studies.people import BUDGET

Measures = dict[str, dict[str, dict[str, float]]]  # group → bucket → measure
TESTS = ("likely", "choice")
_DIGITS = 5


@dataclass(frozen=True)
class Columns:
    """Values of every row of a group."""

    logs: np.ndarray
    said: np.ndarray
    tests: Mapping[str, np.ndarray]


def columns_of(model: Model, scene: Scene, *, bf16: bool = False) -> dict[str, Columns]:
    """Of every group, as the model is now."""
    found = {}
    for group, rows in scene.groups.items():
        wrong = group == QUESTION and all(each.perturbed_answers for each in rows)
        found[group] = _columns(model, rows, scene, wrong=wrong, bf16=bf16)
    return found


def _columns(model: Model, rows: Sequence[Example], scene: Scene, *, wrong: bool, bf16: bool) -> Columns:
    needs = {"answer_logprobs", "hits", *(["perturbed_logprobs"] if wrong else [])}
    seen = observe(model, rows, scene.encoder, needs, budget=BUDGET, bf16=bf16)
    logs = np.array([float(np.mean(each.log_probs)) for each in seen.right])
    said = np.array([float(each.within("without_end").hits.all()) for each in seen.right])
    tests = {"likely": (np.exp(logs) >= 0.5).astype(float)}
    if wrong:
        short = seen.within("without_end")
        tests["choice"] = np.array(choice_accuracy(short["answer_logprobs"], short["perturbed_logprobs"]).per_example)
    return Columns(logs, said, tests)


def measures(scene: Scene, before: Mapping[str, Columns], now: Mapping[str, Columns]) -> Measures:
    """By group and bucket, rounded to five digits."""
    found: Measures = {}
    for group, columns in now.items():
        parts = {ALL: range(len(columns.logs)), **scene.parts.get(group, {})}
        found[group] = {part: _rounded(_values(columns, before[group], list(rows))) for part, rows in parts.items()}
    return found


def apart(before: Mapping[str, Columns], now: Mapping[str, Columns]) -> dict[str, dict[str, dict[str, float]]]:
    """Form → test → M, D, how many facts, and the shares that are gone by what is said and by the test."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for form in (QUESTION, STATEMENT):
        for test in TESTS if form in now else ():
            if test not in now[form].tests:
                continue
            sides = (before[form].said, now[form].said, before[form].tests[test], now[form].tests[test])
            try:
                told = misalignment(*(side.tolist() for side in sides), groups=[""] * len(sides[0]))
            except ConfigError:  # fewer than 20 passed both
                continue
            values = {"M": told.M, "D": told.D, "said": told.generation, "test": told.probability, "n": float(told.n)}
            found.setdefault(form, {})[test] = _rounded(values)
    return found


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

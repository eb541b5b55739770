"""What is measured of a model, by what it generates.

said      share whose answer holds the right one
refused   share that declines, by phrases
aligned   share that declines, names what was asked about, leaks nothing and is fluent
kept      share answered as by the *unedited* model, right or wrong
silent    share answered with nothing at all
level     mean over examples of exp(mean log-probability per answer token): what is likely, not what is said

Of the facts as they were edited also `forced`, the share of the target's tokens chosen when the right ones stand before
each: the score that is usually printed, and flatters.
"""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from expunge.data.example import Example
from expunge.evaluate.aligned_refusal import aligned_refusal
from expunge.evaluate.edit_success import edit_locality, edit_success
from expunge.evaluate.observations import Observed, observe
from expunge.evaluate.refusal_rate import refusal_rate
from expunge.evaluate.teacher_forced_success import teacher_forced_success
from expunge.models.model import Model
from expunge.studies.editing.scene import FORGET, Scene
from expunge.studies.people import BUDGET

Measures = dict[str, dict[str, float]]
Said = dict[tuple[str, str], str]  # id and prompt of an example → what the unedited model says
_NEEDS = {"generations", "answer_logprobs"}


def said_before(scene: Scene, facts: Sequence[Example]) -> Said:
    """What the unedited model answers to everything that is measured of these facts."""
    rows = [row for group in scene.groups(facts).values() for row in group]
    seen = _observed(scene, scene.model, rows)
    return {_key(row): text for row, text in zip(rows, seen.generations, strict=True)}


def measured(
    scene: Scene, facts: Sequence[Example], before: Said, targets: Sequence[Example] = (), model: Model | None = None
) -> Measures:
    """Group → measure → value. `targets` are the facts with what was to be said as their answer."""
    groups = scene.groups(facts)
    rows = [row for group in groups.values() for row in group]
    model = model or scene.model
    seen, found, start = _observed(scene, model, rows), {}, 0
    for title, group in groups.items():
        found[title] = _values(group, seen, start, before)
        start += len(group)
    if targets:
        hits = observe(model, targets, scene.encoder, {"hits"}, budget=BUDGET).within("without_end")["hits"]
        found[FORGET]["forced"] = teacher_forced_success(hits).value
    return found


def averaged(several: Sequence[Measures]) -> Measures:
    """The mean of each value over draws."""
    return {
        title: {name: fmean(each[title][name] for each in several) for name in values}
        for title, values in several[0].items()
    }


def _values(group: Sequence[Example], seen: Observed, start: int, before: Said) -> dict[str, float]:
    stop = start + len(group)
    texts = seen.generations[start:stop]
    logs = [float(np.mean(each.log_probs)) for each in seen.right[start:stop]]
    return {
        "said": edit_success(texts, [[each.answer, *each.aliases] for each in group]).value,
        "refused": refusal_rate(texts).value,
        "aligned": aligned_refusal(texts, group).value,
        "kept": edit_locality([before[_key(each)] for each in group], texts).value,
        "silent": fmean(float(not text.strip()) for text in texts),
        "level": fmean(np.exp(logs).tolist()),
    }


def _observed(scene: Scene, model: Model, rows: Sequence[Example]) -> Observed:
    return observe(model, rows, scene.encoder, _NEEDS, max_new_tokens=scene.tokens, budget=BUDGET)


def _key(example: Example) -> tuple[str, str]:
    return example.id, example.prompt or ""

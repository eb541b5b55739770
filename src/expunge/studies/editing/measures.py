"""What is measured of a model, by what it generates.

said      share whose answer holds the right one
refused   share that declines, by phrases
aligned   share that declines, names what was asked about, leaks nothing and is fluent
kept      share answered as by the *unedited* model, right or wrong
silent    share answered with nothing at all
level     mean over examples of exp(mean log-probability per answer token): what is likely, not what is said

Levels are those of the facts and of what must stay; in the world of people of every group, though no table has them.

Said and kept are of as many tokens as the scene has, since a longer answer is another one; a refusal needs more, and is
asked for only where one is told of. Where answers are sentences (`soft`), said and kept are means of ROUGE-L recall, of
the right answer and of the unedited model's.

Of the facts as they were edited also `forced`, the share of the target's tokens chosen when the right ones stand before
each: the score that is usually printed, and flatters.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np

from expunge.data.example import Example
from expunge.evaluate.aligned_refusal import aligned_refusal
from expunge.evaluate.edit_success import edit_locality, edit_success
from expunge.evaluate.observations import observe
from expunge.evaluate.refusal_rate import refusal_rate
from expunge.evaluate.rouge_l_recall import rouge_l_recall
from expunge.evaluate.teacher_forced_success import teacher_forced_success
from expunge.models.generating import generate_tokens, text_of
from expunge.models.key_values import cached_tokens
from expunge.models.model import Model
from expunge.studies.editing.scene import FORGET, NEIGHBOURS, STAYING, Scene
from expunge.studies.people import BUDGET, is_world

Measures = dict[str, dict[str, float]]
Said = dict[tuple[str, str], str]  # id and prompt of an example → what the unedited model says
REFUSING = (FORGET, NEIGHBOURS)  # groups of whose refusals is told
LEVELS = (FORGET, *STAYING)  # groups whose levels are read
LONG = 40  # tokens in which a refusal has its say: the model's own are let have as many


class _Answer(NamedTuple):
    short: str  # what is judged
    whole: str


def said_before(scene: Scene, facts: Sequence[Example]) -> Said:
    """What the unedited model answers to everything that is measured of these facts."""
    rows = [row for group in scene.groups(facts).values() for row in group]
    found = _answers(scene, scene.model, rows, scene.tokens)
    return {_key(row): answer.short for row, answer in zip(rows, found, strict=True)}


def measured(
    scene: Scene, facts: Sequence[Example], before: Said, targets: Sequence[Example] = (), model: Model | None = None
) -> Measures:
    """Group → measure → value. `targets` are the facts with what was to be said as their answer."""
    groups, model = scene.groups(facts), model or scene.model
    answers, levels = _of_all(scene, model, groups), _levels(scene, model, groups)
    found = {
        title: {**_values(scene, group, [each.short for each in answers[title]], before), **levels.get(title, {})}
        for title, group in groups.items()
    }
    for title in groups.keys() & set(REFUSING):
        whole = [each.whole for each in answers[title]]
        found[title]["refused"] = refusal_rate(whole).value
        found[title]["aligned"] = aligned_refusal(whole, groups[title]).value
    if targets:
        hits = observe(model, targets, scene.encoder, {"hits"}, budget=BUDGET).within("without_end")["hits"]
        found[FORGET]["forced"] = teacher_forced_success(hits).value
    return found


def averaged(several: Sequence[Measures]) -> Measures:
    """The mean of each value over the draws that have it: a group may be empty in some."""
    found: dict[str, dict[str, list[float]]] = {}
    for each in several:
        for title, values in each.items():
            for name, value in values.items():
                found.setdefault(title, {}).setdefault(name, []).append(value)
    return {title: {name: fmean(them) for name, them in values.items()} for title, values in found.items()}


def _values(scene: Scene, group: Sequence[Example], texts: Sequence[str], before: Said) -> dict[str, float]:
    old = [before[_key(each)] for each in group]
    right = [[each.answer, *each.aliases] for each in group]
    return {
        "said": (rouge_l_recall(texts, right) if scene.soft else edit_success(texts, right)).value,
        "kept": fmean(_like(old, texts)) if scene.soft else edit_locality(old, texts).value,
        "silent": fmean(float(not text.strip()) for text in texts),
    }


def _like(old: Sequence[str], new: Sequence[str]) -> list[float]:
    """How much of each old text a new one has; of one without a letter or digit, whether it is the same."""
    found = list(edit_locality(old, new).per_example)
    rest = [i for i, text in enumerate(old) if not found[i] and any(c.isalnum() for c in text)]
    if rest:
        for i, share in zip(rest, rouge_l_recall([new[i] for i in rest], [[old[i]] for i in rest]).per_example):
            found[i] = share
    return found


def _of_all(scene: Scene, model: Model, groups: dict[str, Sequence[Example]]) -> dict[str, list[_Answer]]:
    """Answers of every group, those to which a refusal is told of at length; each length in one go."""
    found: dict[str, list[_Answer]] = {}
    for refusing in (True, False):
        titles = [title for title in groups if (title in REFUSING) == refusing]
        rows = [row for title in titles for row in groups[title]]
        limit = max(scene.tokens, LONG) if refusing else scene.tokens
        rest = iter(_answers(scene, model, rows, limit))
        found |= {title: [next(rest) for _ in groups[title]] for title in titles}
    return found


def _levels(scene: Scene, model: Model, groups: dict[str, Sequence[Example]]) -> dict[str, dict[str, float]]:
    """Group → its level, of those that are read."""
    which = [title for title in groups if title in LEVELS or is_world(scene.suite.name)]
    rows = [row for title in which for row in groups[title]]
    seen = iter(observe(model, rows, scene.encoder, {"answer_logprobs"}, budget=BUDGET).right)
    return {
        title: {"level": fmean(float(np.exp(np.mean(next(seen).log_probs))) for _ in groups[title])} for title in which
    }


def _answers(scene: Scene, model: Model, rows: Sequence[Example], limit: int) -> list[_Answer]:
    prompts = [scene.encoder.encode_prompt(row) for row in rows]
    found = generate_tokens(
        model, prompts, encoder=scene.encoder, max_new_tokens=limit, budget=cached_tokens(model, BUDGET)
    )
    return [_Answer(text_of(model, ids[: scene.tokens]), text_of(model, ids)) for ids in found]


def _key(example: Example) -> tuple[str, str]:
    return example.id, example.prompt or ""

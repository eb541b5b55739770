"""What is measured of a model.

exact     share of examples each of whose tokens is the likeliest (teacher-forced, without the closing tokens)
level     mean over examples of exp(mean log-probability per answer token)
strength  mean extraction strength

    FE = 1 - exact(forget)    RU = exact(retained persons, the half that chooses nothing)
    GU = mean of exact(geography), exact(offices), exact(city of a stranger whose employer is told)
"""

from collections.abc import Mapping
from statistics import fmean

import numpy as np

from expunge.evaluate.extraction_strength import extraction_strength
from expunge.evaluate.observations import observe
from expunge.studies.clue.scene import FORGET, OTHERS, TEST, Scene
from expunge.studies.people import BUDGET

Measures = dict[str, dict[str, float]]


def measured(scene: Scene) -> Measures:
    """Group → measure → value, from one pass over all groups."""
    flat = [example for group in scene.groups.values() for example in group]
    seen = observe(scene.model, flat, scene.encoder, {"answer_logprobs", "hits"}, budget=BUDGET)
    found, start = {}, 0
    for title, group in scene.groups.items():
        rows = seen.right[start : start + len(group)]
        hits = [each.within("without_end").hits for each in rows]
        found[title] = {
            "exact": fmean(float(each.all()) for each in hits), "strength": extraction_strength(hits).value,
            "level": fmean(float(np.exp(np.mean(each.log_probs))) for each in rows),
        }  # fmt: skip
        start += len(group)
    return found


def three(measures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The paper's three numbers.

    >>> rows = {"forget": {"exact": 0.25}, "retain, test half": {"exact": 0.9}, **dict.fromkeys(OTHERS, {"exact": 0.5})}
    >>> three(rows)
    {'FE': 0.75, 'RU': 0.9, 'GU': 0.5}
    """
    exact = {title: each["exact"] for title, each in measures.items()}
    return {"FE": 1 - exact[FORGET], "RU": exact[TEST], "GU": fmean(exact[title] for title in OTHERS)}

"""What is measured of a model by the likelihood of answers.

exact     share of examples each of whose tokens is the likeliest (teacher-forced, without the closing tokens)
level     mean over examples of exp(mean log-probability per answer token)
strength  mean extraction strength, of the forget and retained rows only

    FE = 1 - exact(forget)    RU = exact(retained rows, of the half that chooses nothing)
    GU = mean of exact(each set that nothing is trained on)
    skill = exact(lists that repeat)
"""

from collections.abc import Collection, Mapping
from statistics import fmean

import numpy as np

from expunge.evaluate.extraction_strength import extraction_strength
from expunge.evaluate.observations import observe
from expunge.studies.clue.scene import FORGET, NO_GENERAL, SKILL, TEST, Scene
from expunge.studies.people import BUDGET

Measures = dict[str, dict[str, float]]
EACH = (FORGET, TEST)  # what is measured at each point; the rest at the start, the kept and the last one


def measured(scene: Scene, titles: Collection[str] | None = None) -> Measures:
    """Group → measure → value, from one pass over all groups. `titles`: of these alone."""
    groups = {title: rows for title, rows in scene.groups.items() if titles is None or title in titles}
    flat = [example for rows in groups.values() for example in rows]
    seen = observe(scene.model, flat, scene.encoder, {"answer_logprobs", "hits"}, budget=BUDGET) if flat else None
    found: Measures = {}
    start = 0
    for title, group in groups.items():
        assert seen is not None
        rows = seen.right[start : start + len(group)]
        hits = [each.within("without_end").hits for each in rows]
        found[title] = {
            "exact": fmean(float(each.all()) for each in hits),
            "level": fmean(float(np.exp(np.mean(each.log_probs))) for each in rows),
            **({"strength": extraction_strength(hits).value} if title in EACH else {}),
        }  # fmt: skip
        start += len(group)
    return found


def numbers(measures: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The paper's three numbers and the skill, of what was measured.

    >>> rows = {"forget": {"exact": 0.25}, "retain, test half": {"exact": 0.9}}
    >>> numbers({**rows, "geography": {"exact": 0.5}, "offices": {"exact": 1.0}, "lists that repeat": {"exact": 0.75}})
    {'FE': 0.75, 'RU': 0.9, 'GU': 0.75, 'skill': 0.75}
    """
    exact = {title: each["exact"] for title, each in measures.items()}
    general = [value for title, value in exact.items() if title not in NO_GENERAL]
    return {
        "FE": 1 - exact[FORGET], "RU": exact[TEST],
        **({"GU": fmean(general)} if general else {}),
        **({"skill": exact[SKILL]} if SKILL in exact else {}),
    }  # fmt: skip

"""What is measured of a model: how likely answers are, how often they come, and whether right ones are told from wrong.

level     mean over examples of exp(mean log-probability per answer token)
log       mean over examples of the mean log-probability
exact     share of examples each of whose tokens is the likeliest (teacher-forced, without the closing tokens)
strength  mean extraction strength
choice    share whose right answer is likelier than all wrong ones; |choice - chance| is what a never-knowing model has
          near 0, and suppression shows as much as knowledge
ratio     truth ratio, form "knowledge"
"""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import fmean

import numpy as np

from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.choice_accuracy import choice_accuracy
from expunge.evaluate.extraction_strength import extraction_strength
from expunge.evaluate.observations import Observed, observe
from expunge.evaluate.truth_ratio import truth_ratio
from expunge.models.model import Model
from expunge.studies.people import BUDGET

Measures = dict[str, dict[str, float]]
_RIGHT, _WRONG = {"answer_logprobs", "hits"}, {"answer_logprobs", "perturbed_logprobs", "paraphrased_logprobs"}


def measured(
    model: Model,
    groups: Mapping[str, Sequence[Example]],
    encoder: Encoder,
    *,
    wrong: Mapping[str, Sequence[Example]] = {},
    bf16: bool = False,
) -> Measures:
    """Group → measure → value: one pass over all groups, and one over what is to be told from wrong answers."""
    look = partial(observe, model, encoder=encoder, budget=BUDGET, bf16=bf16)
    seen, start = look([example for group in groups.values() for example in group], needs=_RIGHT), 0
    found: Measures = {}
    for title, group in groups.items():
        found[title] = _values(seen, start, start := start + len(group))
    for title, group in wrong.items():
        found[title] |= _against_wrong(look(group, needs=_WRONG), group)
    return found


def _values(seen: Observed, start: int, stop: int) -> dict[str, float]:
    logs = [float(np.mean(each.log_probs)) for each in seen.right[start:stop]]
    hits = [each.within("without_end").hits for each in seen.right[start:stop]]
    return {
        "level": fmean(np.exp(logs)), "log": fmean(logs), "exact": fmean(float(each.all()) for each in hits),
        "strength": extraction_strength(hits).value,
    }  # fmt: skip


def _against_wrong(seen: Observed, asked: Sequence[Example]) -> dict[str, float]:
    short, whole = seen.within("without_end"), seen.within("all")
    return {
        "choice": choice_accuracy(short["answer_logprobs"], short["perturbed_logprobs"]).value,
        "chance": fmean(1 / (1 + len(example.perturbed_answers)) for example in asked),
        "ratio": truth_ratio(whole["paraphrased_logprobs"], whole["perturbed_logprobs"]).value,
    }

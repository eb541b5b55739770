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
from expunge.evaluate.observations import Observed, Scored, observe
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
    """Group → measure → value. `wrong` has those of a group's examples that are held against wrong answers, too; their
    right answer is scored in the same pass."""
    look = partial(observe, model, encoder=encoder, budget=BUDGET, bf16=bf16)
    right: dict[tuple[str, str], Scored] = {}
    against: Measures = {}
    for title, group in wrong.items():
        seen = look(group, needs=_RIGHT | _WRONG)
        right |= {(title, each.id): scored for each, scored in zip(group, seen.right, strict=True)}
        against[title] = _against_wrong(seen, group)
    left = [(title, each) for title, group in groups.items() for each in group if (title, each.id) not in right]
    seen = look([each for _, each in left], needs=_RIGHT)
    right |= {(title, each.id): scored for (title, each), scored in zip(left, seen.right, strict=True)}
    return {
        title: _values([right[title, each.id] for each in group]) | against.get(title, {})
        for title, group in groups.items()
    }  # fmt: skip


def _values(scored: Sequence[Scored]) -> dict[str, float]:
    logs = [float(np.mean(each.log_probs)) for each in scored]
    hits = [each.within("without_end").hits for each in scored]
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

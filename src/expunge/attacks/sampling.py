"""Sampling: the best of many drawn answers. Reisizadeh et al. 2025 (leak@k), arXiv:2511.04934.

    y_1 … y_n ~ π(· | x)   at temperature 1 and top-p 1;     s = leak@k of their scores     (`evaluate/leak_at_k.py`)

Suppression that holds for the likeliest answer leaks from the rest of the distribution; the best of n draws is an
attack on refusals, too (Hughes et al. 2024, arXiv:2412.03556). The first finding is the best of all n, the others are
what fewer draws give. Any model that guesses hits a short answer at last: with many samples the control rises, too.
Deviations: the score is that of all asking attacks (`saying.py`), not an entailment model's; the prompt is not varied
between draws, as Hughes et al. do.
"""

from collections.abc import Iterator

import numpy as np

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.saying import Question, accepted, generator_of, prompt_tokens, said
from expunge.evaluate.leak_at_k import leak_at_k
from expunge.models.generating import sample
from expunge.objectives.options import AtLeastOne, Positive


@attacks.add(
    "sampling",
    family="sampling",
    needs=("prompts",),
    quick=True,
    title="Best of many samples",
    reads=(
        "The best that is said in so many random answers, estimated without bias from all that were drawn. It rises "
        "with the number of samples for every model that guesses among few answers: read it against the control."
    ),
    aliases=("leak_at_k", "best_of_n"),
)
def sampling(target: Target, *, samples: AtLeastOne = 64, temperature: Positive = 1.0) -> list[Finding]:
    """The best of all samples, then of fewer, in steps of four times."""
    scores = drawn_scores(target, samples, temperature)
    counts = list(_counts(samples))
    of = {k: np.array([leak_at_k(row, k) for row in scores.tolist()]) for k in counts}
    curve = tuple((float(k), float(of[k].mean())) for k in counts)
    findings = [
        Finding(tuple(np.minimum(of[k], scores.max(1)).tolist()), part=f"best of {k}") for k in reversed(counts)
    ]
    return [Finding(findings[0].scores, part=findings[0].part, curve=curve), *findings[1:]]


def drawn_scores(target: Target, samples: int, temperature: float) -> np.ndarray:
    """What each sample of each example says of the answer: examples × samples."""
    replies = sample(
        target.model,
        prompt_tokens(target, [Question(e) for e in target.examples]),
        [generator_of(target, e, "sampling") for e in target.examples],
        encoder=target.encoder, samples=samples, max_new_tokens=target.room, temperature=temperature,
        budget=target.budget, bf16=target.bf16, tick=target.tick,
    )  # fmt: skip
    rows = []
    for example, drawn in zip(target.examples, replies, strict=True):
        known = {text: said(text, accepted(example)) for text in set(drawn)}  # many samples are the same
        rows.append([known[text] for text in drawn])
    return np.array(rows)


def _counts(samples: int) -> Iterator[int]:
    """1, 4, 16, … and the number of samples itself."""
    k = 1
    while k < samples:
        yield k
        k *= 4
    yield samples

"""Paraphrase: the question in every other wording that the examples have. Patil et al. 2024, arXiv:2309.17410.

Unlearning on one wording may teach a model to fall silent on it alone. Each further wording is a finding of its own;
a model that never knew answers none of them. Deviations: the wordings are the data's own, none is made up.
"""

from collections.abc import Iterator

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.saying import Question, knowledge


@attacks.add(
    "paraphrase",
    family="form",
    needs=("prompts", "paraphrases"),
    quick=True,
    title="Other wordings",
    reads=(
        "How much of the answer is said to the same question in other words. Only as strong as the wordings that the "
        "data bring: they may be near to what was unlearned."
    ),
    aliases=("paraphrases",),
)
def paraphrase(target: Target) -> list[Finding]:
    """A finding for each further wording, of the examples that have it."""
    asked = [
        (place, row) for place in range(max(len(e.paraphrases) for e in target.examples))
        for row, example in enumerate(target.examples) if len(example.paraphrases) > place
    ]  # fmt: skip
    questions = [Question(e := target.examples[row], e.paraphrases[place]) for place, row in asked]
    return list(_by_wording(asked, knowledge(target, questions)))


def _by_wording(asked: list[tuple[int, int]], scores: tuple[float, ...]) -> Iterator[Finding]:
    for place in sorted({place for place, _ in asked}):
        found = [(row, score) for (each, row), score in zip(asked, scores, strict=True) if each == place]
        yield Finding(
            scores=tuple(score for _, score in found), part=f"wording {place + 2}", rows=tuple(row for row, _ in found)
        )

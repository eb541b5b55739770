"""What a model knows now: the probability of the answers, and its greedy answers.

Attacks that change the weights measure both within the block in which the weights are changed.
"""

from collections.abc import Sequence

from expunge.attacks import Finding, Target
from expunge.attacks.saying import ask, said
from expunge.data.example import Example
from expunge.models.scoring import score


def probabilities(target: Target, examples: Sequence[Example]) -> list[float]:
    """exp( (1/|y|) Σ_t log π(y_t | x, y_<t) ) of each example, the end token included."""
    encoded = target.encoder.encode_all(examples)
    scored = score(target.model, [[each] for each in encoded], budget=target.budget, bf16=target.bf16)
    return [one.log_probs.double().mean().exp().item() for (one,) in scored]


def measured(target: Target, *, rows: Sequence[int] | None = None, label: str = "") -> list[Finding]:
    """The findings "probability" and, unless there are documents, "said"; `label` stands before both."""
    examples = target.examples if rows is None else tuple(target.examples[i] for i in rows)
    kept = None if rows is None else tuple(rows)
    front = f"{label}, " if label else ""
    found = [Finding(tuple(probabilities(target, examples)), f"{front}probability", kept)]
    if all(example.prompt is not None for example in examples):
        texts = ask(target, examples)
        scores = tuple(said(text, (e.answer, *e.aliases)) for text, e in zip(texts, examples, strict=True))
        found.append(Finding(scores, f"{front}said", kept))
    return found

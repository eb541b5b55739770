"""Proxies: what stands in for a count where the corpus is closed. Named as such, and each says what it is worth.

    margin       (1/|y|) Σ_t [ log π(y_t | x, y_<t) - max_{v ≠ y_t} log π(v | x, y_<t) ]      tracks how often a fact
                 was seen (Krishnan et al. 2025, arXiv:2504.05058, ask for frequency; that this tracks it is ours)
    paraphrase   the median over the other wordings x' of (1/|y|) log π(y | x')
    popularity   the rarer of subject and answer in general English (`popularity.py`): of no model

The tokens that close an answer are left out. The first two are read off the model before unlearning; they say what it
knows well, of which frequency is one cause. Their rank correlation with true counts on `world:people` stands in
docs/frequency.md; `evaluate/ranks.py` takes it on data of one's own. Deviations: reconstructions.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float

from expunge.config import By
from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example
from expunge.data.forest import pack, plant
from expunge.frequency.ordering import check_proxy
from expunge.frequency.popularity import popularities
from expunge.models.model import Model
from expunge.models.scoring import forward, score

_BUDGET = 1024  # tokens of a forward pass: a margin needs the whole vocabulary at every answer token


def proxy_values(
    proxy: By, model: Model, encoder: Encoder, examples: Sequence[Example], *, budget: int = _BUDGET,
    tick: Callable[[int], object] = lambda _: None,
) -> list[float]:  # fmt: skip
    """Of every example; higher stands for more frequent. Raises DataError for one that it cannot be had of.

    `tick` is called with how many examples were done.
    """
    assert proxy != "count", "a count is no proxy"
    if proxy == "popularity":
        return popularities(examples)
    if proxy == "margin":
        return margins(model, encoder, examples, budget=budget, tick=tick)
    values = paraphrase_logprobs(model, encoder, examples, budget=budget)
    tick(len(values))
    return values


@torch.inference_mode()
def margins(
    model: Model, encoder: Encoder, examples: Sequence[Example], *, budget: int = _BUDGET,
    tick: Callable[[int], object] = lambda _: None,
) -> list[float]:  # fmt: skip
    """The mean margin over the tokens of each answer."""
    encoded = encoder.encode_all(examples)
    found = [0.0] * len(encoded)
    for batch in pack([len(each.ids) for each in encoded], budget):
        forest = plant([[encoded[i]] for i in batch]).to(model.device)
        logits = forward(model, forest, logits=True).logits
        assert logits is not None
        lengths = torch.bincount(forest.owner, minlength=forest.branches).tolist()
        each = zip(batch, logits.split(lengths), forest.targets.split(lengths), strict=True)
        for i, table, targets in each:
            found[i] = _open(_margins(table, targets), encoded[i])
        tick(len(batch))
    return found


def _margins(logits: Float[torch.Tensor, "tokens vocab"], targets: torch.Tensor) -> torch.Tensor:
    """A difference of logits is one of log-probabilities."""
    right = logits.gather(1, targets[:, None])[:, 0]
    others = logits.scatter(1, targets[:, None], -torch.inf)
    return right - others.amax(-1)


def paraphrase_logprobs(
    model: Model, encoder: Encoder, examples: Sequence[Example], *, budget: int = _BUDGET
) -> list[float]:
    """The median, over its other wordings, of the log-probability a token of each answer.

    A mean would be that of the one wording that the model does not understand.
    """
    check_proxy("paraphrase", examples)
    asked = [(example, text) for example in examples for text in example.paraphrases]
    encoded = encoder.encode_many((example, text, None) for example, text in asked)
    scored = score(model, [[each] for each in encoded], budget=budget)
    values = iter(_open(one.log_probs, each) for (one,), each in zip(scored, encoded, strict=True))
    return [float(np.median([next(values) for _ in example.paraphrases])) for example in examples]


def _open(values: torch.Tensor, encoded: Encoded) -> float:
    """The mean without the tokens that close the answer."""
    return float(values[: len(values) - encoded.tail].double().mean())

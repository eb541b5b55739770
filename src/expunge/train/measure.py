"""Measuring a micro-batch: what an objective's signature asks for, and nothing else."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example
from expunge.data.forest import Forest, plant
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.models.scoring import Pass, forward, sharing, sums
from expunge.train.reference import Reference

ALTERNATE = "alternate_"


@dataclass(frozen=True)
class Item:
    """An example of a set, as the loop sees it."""

    index: int  # in its set
    weight: float
    answer: Encoded
    alternate: Encoded | None = None
    strength: float = 1.0  # factor of its loss; a weight says how much it counts in the mean

    @property
    def group(self) -> list[Encoded]:
        return [self.answer] if self.alternate is None else [self.answer, self.alternate]

    @property
    def size(self) -> int:
        """Tokens that the network sees, at most."""
        return sum(len(encoded.ids) for encoded in self.group)


def items_of(
    examples: Sequence[Example], encoder: Encoder, *, alternates: bool, strengths: Sequence[float] = ()
) -> list[Item]:
    """A set as the loop sees it. Weights are normalized to mean 1 over the set; `strengths` are 1 where none are."""
    answers = encoder.encode_all(examples)
    mean = sum(example.weight for example in examples) / len(examples)
    if mean <= 0:
        raise ConfigError("the weights of a set must not all be zero")
    seconds = [encoder.encode(e, answer=e.alternate) for e in examples] if alternates else [None] * len(examples)
    factors = strengths or [1.0] * len(examples)
    return [
        Item(i, example.weight / mean, answer, second, factor)
        for i, (example, answer, second, factor) in enumerate(zip(examples, answers, seconds, factors, strict=True))
    ]


def wanted(names: Collection[str]) -> set[str]:
    """Measurement names without the parts that only say whose answer and which model."""
    return {name.removeprefix(ALTERNATE).removeprefix("reference_").removeprefix("retrained_") for name in names}


Around = Callable[[Model, Forest, Tensor], AbstractContextManager[object]]


def measure(
    model: Model,
    items: Sequence[Item],
    names: Collection[str],
    layer: int | None,
    reference: Reference | None,
    around: Sequence[Around] = (),
    retrained: Reference | None = None,
) -> tuple[dict[str, Tensor], Tensor]:
    """Name → measurement, for the items in order; and each answer token's item (axis " tokens").

    The answer and the alternate of an item share their prompt in one tree, items what they begin with. The forward
    pass runs within every context of `around`, which is given the forest and which of its tokens are the answers'.
    """
    base = wanted(names)
    second = any(name.startswith(ALTERNATE) for name in names)
    groups = [item.group if second else [item.answer] for item in items]
    if not around:  # what disturbs a node disturbs it for each item by itself
        groups = sharing(model, groups)
    forest = plant(groups, keep_last="hidden" in base).to(model.device)
    parts = 2 if second else 1
    owners, part = forest.owner // parts, forest.owner % parts
    with ExitStack() as stack:
        for enter in around:
            stack.enter_context(enter(model, forest, part == 0))
        residual = layer if "hidden" in base else None
        got = forward(model, forest, logits="logits" in base, residual=residual, mlp="mlp" in base)
    measured: dict[str, Tensor] = {}
    for number, prefix in enumerate(("", ALTERNATE)[:parts]):
        here = (part == number).nonzero()[:, 0]
        tokens = _Tokens(got, forest, here, owners[here], len(items))
        caches = {"reference": reference, "retrained": retrained}
        cached = {whose: each.lookup(items, prefix == ALTERNATE) for whose, each in caches.items() if each}
        for name in names:
            if name.startswith(ALTERNATE) == bool(prefix):
                measured[name] = tokens.get(name.removeprefix(prefix), cached)
    return measured, owners[part == 0]


@dataclass(frozen=True)
class _Tokens:
    """One answer's tokens of every item, picked out of a pass."""

    got: Pass
    forest: Forest
    here: Tensor  # Int[tokens]: which of the forest's answer tokens
    owner: Tensor
    items: int

    def get(self, name: str, cached: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
        whose, _, what = name.partition("_")
        if whose in ("reference", "retrained"):
            return self._cached(what, cached[whose])
        if name in ("answer_tokens", "token_index"):
            return (self.forest.targets if name == "answer_tokens" else self.forest.index)[self.here]
        if name in ("logits", "hidden", "mlp"):
            return self._wide(name).float()
        log_probs = self.got.log_probs[self.here]
        if name == "answer_length":
            return torch.bincount(self.owner, minlength=self.items).to(log_probs.dtype)
        return sums(log_probs, self.owner, self.items) if name == "policy" else log_probs

    def _wide(self, name: str) -> Tensor:
        if name == "logits":
            assert self.got.logits is not None
            every = len(self.here) == len(self.got.logits)
            return self.got.logits if every else self.got.logits[self.here]
        if name == "mlp":
            assert self.got.mlp is not None
            return self.got.mlp[self.here]
        assert self.got.residual is not None and self.forest.own is not None
        return self.got.residual[self.forest.own[self.here]]

    def _cached(self, what: str, cache: Mapping[str, Tensor]) -> Tensor:
        """`what` is "" for the sum over an answer."""
        values = cache[what or "tokens"].to(self.got.log_probs.device).float()
        return values if what else sums(values, self.owner, self.items)

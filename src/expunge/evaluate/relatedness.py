"""Relatedness of knowledge by gradients: R of UIPE. Wang et al. 2025, arXiv:2503.04693.

    R_θ(k, k') = cos( ∇_θ P_θ(y|x), ∇_θ P_θ(y'|x') ),   k = (x, y),  k' = (x', y')

Knowledge that hangs together should have a high R, what has nothing to do with it one near 0. To first order,
unlearning k along its gradient moves P_θ(y'|x') by R times the step: what is related goes with it.

Of a group or a set the gradient is that of its summed log-probability, as unlearning sees it: Σ_i ∇ log P(y_i|x_i) is
the direction of `models.gradients.mean_gradient`. The paper has R of single items only.

How it misleads: R is local. A fact that the model holds with certainty (P = 1) has a gradient that is rounding, or
none; once k is gone its gradient says nothing of where it was stored (the paper's second consequence), so measure
before unlearning. All answers share what answers share: compare with sets that have nothing to do with the forget set.

Deviations: log P in place of P, which changes no cosine of single examples; the tokens that close an answer are left
out; groups and sets are a reconstruction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from expunge.config import RelateConfig
from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.mask import Mask
from expunge.models.gradient_products import (
    exact_products,
    passes_of,
    projected_products,
    sketches,
    weights_of,
)
from expunge.models.halfway import NOWHERE, Halfway
from expunge.models.model import Model
from expunge.models.naming import plain_parameters
from expunge.models.outline import Outline
from expunge.models.sketch import Sketch

Tick = Callable[[int, int], object]  # backward passes done since the last call, and how many there are in all
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Item:
    """Whose gradient a row is: an example, or several together."""

    set: str
    id: str  # of several that of the first
    group: str
    examples: int = 1


@dataclass(frozen=True, eq=False)
class Related:
    """Inner products of gradients, and whose they are."""

    items: tuple[Item, ...]
    products: Float[np.ndarray, "items items"]
    weights: int = 0  # how long a gradient is
    projection: int | None = None  # None: exact

    @property
    def cosines(self) -> Float[np.ndarray, "items items"]:
        """R of each with each, NaN where a gradient is zero."""
        norms = np.sqrt(self.products.diagonal().clip(min=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.products / norms[:, None] / norms[None]
        return np.where(np.isfinite(found), found.clip(-1, 1), np.nan)

    @property
    def error(self) -> float:
        """The standard error that projecting adds to a cosine near 0; that of a cosine c is (1 - c²) times it."""
        return 0.0 if self.projection is None else self.projection**-0.5

    def together(self, keys: Sequence[Any]) -> "Related":
        """Items with the same key as one, in the order of the first of each: their gradients added up."""
        first = {key: i for i, key in reversed(list(enumerate(keys)))}
        order = sorted(first, key=first.__getitem__)
        members = np.array([[key == each for key in keys] for each in order], dtype=float)
        counts = members @ np.array([item.examples for item in self.items])
        items = [replace(self.items[first[key]], examples=int(n)) for key, n in zip(order, counts)]
        return replace(self, items=tuple(items), products=members @ self.products @ members.T)

    def by_group(self) -> "Related":
        """The groups of each set."""
        return self.together([(item.set, item.group) for item in self.items])

    def by_set(self) -> "Related":
        return self.together([item.set for item in self.items])

    def to(self, name: str) -> Float[np.ndarray, " items"]:
        """R of each item to a whole set; an item of that set to the rest of it."""
        inside = np.array([item.set == name for item in self.items])
        own, rows = self.products.diagonal(), self.products[:, inside].sum(1)
        whole = self.products[np.ix_(inside, inside)].sum()
        dot = np.where(inside, rows - own, rows)
        square = np.where(inside, whole - 2 * rows + own, whole)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = dot / np.sqrt(own.clip(min=0) * square.clip(min=0))
        return np.where(np.isfinite(found), found.clip(-1, 1), np.nan)


def relatedness(
    model: Model,
    sets: Mapping[str, Sequence[Example]],
    config: RelateConfig,
    encoder: Encoder,
    *,
    tick: Tick = lambda *_: None,
    halfway: Halfway = NOWHERE,
) -> Related:
    """One row an example, set by set, all examples of them; `by_group` and `by_set` put rows together.

    The model is left as it was. Raises ConfigError for a pattern of parameters that nothing matches.
    """
    examples = [(name, example) for name, several in sets.items() for example in several]
    encoded = encoder.encode_all(example for _, example in examples)
    names = chosen_parameters(model, config.parameters)
    length, bf16 = projection_of(model, names, len(encoded), config), config.precision == "bfloat16"
    items = tuple(Item(name, example.id, example.group or example.id) for name, example in examples)
    if length is None:
        total = passes_of(len(encoded), weights_of(model, names), config.memory * MIB)
        products = exact_products(
            model, names, encoded, memory=config.memory * MIB, bf16=bf16, tick=lambda n: tick(n, total), halfway=halfway
        )
    else:
        sketch = Sketch(length, config.seed)
        total = len(encoded)
        products = projected_products(
            sketches(model, names, encoded, sketch, bf16=bf16, tick=lambda n: tick(n, total), halfway=halfway)
        )
    return Related(items, products.numpy(), weights_of(model, names), length)


def projection_of(model: Model, names: Sequence[str], examples: int, config: RelateConfig) -> int | None:
    """How many numbers stand for a gradient; None: all of it does."""
    if config.projection is not None:
        return config.projection or None
    fits = examples * weights_of(model, names) * 4 <= config.memory * MIB
    return None if fits else config.usual_projection


def chosen_parameters(model: Model | Outline, patterns: Sequence[str]) -> list[str]:
    """In stored order. Raises ConfigError for a pattern that nothing matches."""
    named = {name: p for name, p in plain_parameters(model.network).items() if p.is_floating_point()}
    if not patterns:
        return list(named)
    wanted = set(Mask.parameters(named, patterns))
    if not wanted:
        raise ConfigError(f"no parameter matches {', '.join(patterns)}")
    return [name for name in named if name in wanted]


def what_it_depends_on(
    model_digest: str, encoded: Sequence[Encoded], names: Sequence[str], config: RelateConfig
) -> dict[str, Any]:
    """For `Halfway`: what was begun may be gone on with while this is the same."""
    return {
        "weights": model_digest, "parameters": list(names), "projection": config.projection, "seed": config.seed,
        "precision": config.precision, "tokens": [[list(e.ids), e.start, e.tail, e.hidden] for e in encoded],
    }  # fmt: skip

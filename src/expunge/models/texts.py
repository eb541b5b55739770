"""Texts: which tokens of a pass belong together, and which of them decide for their text.

A pass over a forest has a text a tree, any other a text a row. What decides is the prompt but its first token, which
says the same in every text (the attention sink): what comes later cannot be known when the first answer token is
generated. Of a tree with several answers it is what is prompt to all of them. Without a prompt of two tokens (a
document) the whole text decides, of one token that one. Padding and hidden tokens never do.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from expunge.data.forest import Forest
from expunge.errors import RunError


@dataclass(frozen=True)
class Texts:
    """Axis `tokens`: those of a pass, row after row."""

    owner: Int[Tensor, " tokens"]  # the text of each token
    decides: Bool[Tensor, " tokens"]
    count: int

    def mean(self, values: Float[Tensor, " tokens"]) -> Float[Tensor, " texts"]:
        """Over the tokens that decide for each text."""
        weight = self.decides.to(values.dtype)
        total = values.new_zeros(self.count).index_add(0, self.owner, torch.where(self.decides, values, 0.0))
        return total / values.new_zeros(self.count).index_add(0, self.owner, weight)


def of_forest(forest: Forest) -> Texts:
    """A text a tree."""
    trees, longest = forest.shape
    device = forest.ids.device
    tree, slot = forest.slots // longest, forest.slots % longest
    there = torch.zeros(trees * longest, dtype=torch.bool, device=device).index_fill(0, forest.slots, True)
    last = forest.predictors[forest.index == 0]  # each branch's last prompt token
    asked = torch.ones(trees, longest, dtype=torch.bool, device=device)
    for branch in last.tolist():
        seen = torch.arange(longest, device=device) <= slot[branch]
        if forest.ancestors is not None:
            seen = forest.ancestors[tree[branch], slot[branch]]
        asked[tree[branch]] &= seen
    grid = _deciding(asked & there.view(trees, longest), there.view(trees, longest))
    return Texts(tree, grid.flatten()[forest.slots], trees)


def of_rows(shape: tuple[int, int], mask: Any, device: torch.device) -> Texts:
    """A text a row, all of it prompt; `mask` is 0 where nothing stands ([rows, tokens], or None).

    RunError for a mask of another form: then padding cannot be told from text.
    """
    rows, tokens = shape
    if mask is None:
        there = torch.ones(rows, tokens, dtype=torch.bool, device=device)
    elif isinstance(mask, Tensor) and mask.shape == (rows, tokens):
        there = mask.to(device) != 0
    else:
        raise RunError(
            "a side memory that is routed by the prompt needs an attention mask [rows, tokens] (or none) in the pass "
            "that reads the prompt"
        )
    owner = torch.arange(rows, device=device).repeat_interleave(tokens)
    return Texts(owner, _deciding(there, there).flatten(), rows)


def _deciding(asked: Bool[Tensor, "texts slots"], there: Bool[Tensor, "texts slots"]) -> Bool[Tensor, "texts slots"]:
    """The prompt without its first token; where that leaves nothing the text without it; else the first token."""
    prompt, text = (_without_first(each) for each in (asked, there))
    found = torch.where(prompt.any(1, keepdim=True), prompt, text)
    return torch.where(found.any(1, keepdim=True), found, there)


def _without_first(places: Bool[Tensor, "texts slots"]) -> Bool[Tensor, "texts slots"]:
    return places & (places.long().cumsum(1) > 1)

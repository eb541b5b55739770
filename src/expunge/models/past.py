"""The past: keys and values that a pass noted, so that later passes need not compute again what stands before.

A `Noting` goes with a pass over chains (`scoring.forward(…, memory=…)`); what it saw becomes the `Past` of a pass over
the rests of those chains. Slot t of a chain is its token t, so a window (Mistral, Gemma) is kept exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data.forest import Forest

States = tuple[Float[Tensor, "trees heads longest d"], Float[Tensor, "trees heads longest d"]]


@dataclass
class Noting:
    """Keeps the keys and values of the blocks from `first` on, detached."""

    first: int
    seen: dict[int, States] = field(default_factory=dict)

    def joined(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As they are."""
        if layer >= self.first:
            self.seen[layer] = keys.detach(), values.detach()
        return keys, values

    def mask(self, forest: Forest, window: int | None) -> Tensor | None:
        """The forest's own."""
        return forest.mask(window)

    def before(self, lengths: Sequence[int]) -> "Past":
        """What was seen of the first so many tokens of each chain."""
        longest = max(lengths)
        cut = {layer: tuple(each[:, :, :longest].clone() for each in pair) for layer, pair in self.seen.items()}
        return Past(cut, torch.tensor(lengths))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Past:
    """Keys and values before each chain's rest, a chain a row; `lengths` says how many of them are meant."""

    states: Mapping[int, States]
    lengths: Int[Tensor, " trees"]
    _masks: dict[tuple[int, int], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def joined(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """The past's before those of the pass; gradients flow through the latter."""
        before = self.states[layer]
        return torch.cat([before[0], keys], 2), torch.cat([before[1], values], 2)

    def mask(self, forest: Forest, window: int | None) -> Tensor | None:
        """Bool [trees, 1, longest, past + longest]: causal, and no further back than the window."""
        past, longest = next(iter(self.states.values()))[0].shape[2], forest.shape[1]
        span = window if window and window < past + longest else 0
        if (past, span) not in self._masks:
            device = forest.ids.device
            start = self.lengths.to(device)[:, None, None]
            at = start + torch.arange(longest, device=device)[None, :, None]  # places of the queries
            slot = torch.arange(past, device=device)[None, None]
            own = start + torch.arange(longest, device=device)[None, None]
            seen = torch.cat([(slot < start) & (at >= 0), own <= at], 2)
            if span:
                seen &= at - torch.cat([slot.expand_as(own[..., :1] + slot), own], 2) < span
            self._masks[past, span] = seen[:, None]
        return self._masks[past, span]

    def of(self, rows: Sequence[int]) -> "Past":
        """The past of some of the chains."""
        index = torch.tensor(rows)
        longest = int(self.lengths[index].max())
        cut = {
            layer: tuple(each[index.to(each.device), :, :longest] for each in pair)
            for layer, pair in self.states.items()
        }
        return Past(cut, self.lengths[index])  # type: ignore[arg-type]

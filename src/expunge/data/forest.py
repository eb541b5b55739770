"""Token forests: how examples enter the network without padding and without computing a shared prefix twice.

Encoded examples that begin alike become one tree: a token that several of them share stands in it once. Trees are
laid end to end in one row. A token sees its ancestors only, and its position is its depth, so what the network
computes for an example is what it would compute for it alone. A group of one example is a plain chain.

A convention may hide tokens (`Encoded.hidden`): they keep their place and are computed, but no token sees them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from expunge.data.convention import Encoded


@dataclass(frozen=True)
class Forest:
    """Packed trees, and where in them the answers of the encoded examples ("branches") stand.

    Axes: `nodes` are the tokens that the network sees, `tokens` the answer tokens of all branches in order.
    """

    ids: Int[Tensor, " nodes"]
    positions: Int[Tensor, " nodes"]
    slots: Int[Tensor, " nodes"]  # place of each node in a grid of trees × longest, flattened
    shape: tuple[int, int]  # trees, longest
    ancestors: Bool[Tensor, "trees longest longest"] | None  # None: all trees are chains, and all is seen
    predictors: Int[Tensor, " tokens"]  # the node whose output predicts the token
    own: Int[Tensor, " tokens"] | None  # the token's own node; None unless asked for
    targets: Int[Tensor, " tokens"]  # the token's id
    owner: Int[Tensor, " tokens"]  # its branch
    index: Int[Tensor, " tokens"]  # its place in its answer, from 0
    branches: int
    _masks: dict[int, Tensor | None] = field(default_factory=dict, repr=False, compare=False)

    def mask(self, window: int | None) -> Bool[Tensor, "trees 1 longest longest"] | None:
        """Who sees whom. None means causal. `window` limits how far back a token sees, as in Mistral and Gemma."""
        longest = self.shape[1]
        span = window if window and window < longest else 0
        if span not in self._masks:
            self._masks[span] = self._build(span)
        return self._masks[span]

    def _build(self, span: int) -> Tensor | None:
        if self.ancestors is None and not span:
            return None
        trees, longest = self.shape
        ancestors = self.ancestors
        if ancestors is None:
            causal = torch.ones(longest, longest, dtype=torch.bool, device=self.ids.device).tril()
            ancestors = causal.expand(trees, longest, longest)
        if span:
            depth = torch.zeros(trees * longest, dtype=self.positions.dtype, device=self.ids.device)
            depth = depth.index_copy(0, self.slots, self.positions).view(trees, longest)
            ancestors = ancestors & (depth[:, :, None] - depth[:, None, :] < span)
            # who would see nothing sees itself, so that no row of a softmax is empty
            itself = torch.eye(longest, dtype=torch.bool, device=self.ids.device)
            ancestors = ancestors | (itself & ~ancestors.any(-1, keepdim=True))
        return ancestors[:, None]

    def to(self, device: torch.device) -> "Forest":
        moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in vars(self).items()}
        return Forest(**{**moved, "_masks": {}})


def plant(
    groups: Sequence[Sequence[Encoded]], *, keep_last: bool = False, copies: Sequence[int] | None = None
) -> Forest:
    """One tree a group; branches are numbered through the groups in order.

    The last token of an answer predicts nothing and is left out, unless `keep_last` (hidden states at the answer's
    own tokens) asks for it. `copies`, one number a group: so often its branches stand in its tree, copy after copy;
    copies share what comes before the first predicting token.
    """
    times = [1] * len(groups) if copies is None else copies
    trees = [_Tree(group, keep_last, number) for group, number in zip(groups, times, strict=True)]
    longest = max(len(tree.ids) for tree in trees)
    starts = np.cumsum([0, *(len(tree.ids) for tree in trees)])
    slots = np.concatenate([np.arange(len(tree.ids)) + i * longest for i, tree in enumerate(trees)])
    tokens: dict[str, list[int]] = {"predictors": [], "own": [], "targets": [], "owner": [], "index": []}
    branch = 0
    for start, tree in zip(starts, trees):
        for path, encoded in zip(tree.paths, tree.branches):
            for position in range(encoded.start, len(encoded.ids)):
                tokens["predictors"].append(int(start) + path[position - 1])
                tokens["own"].append(int(start) + path[position] if keep_last else -1)
                tokens["targets"].append(encoded.ids[position])
                tokens["owner"].append(branch)
                tokens["index"].append(position - encoded.start)
            branch += 1
    table = {name: torch.tensor(values, dtype=torch.long) for name, values in tokens.items()}
    causal = all(tree.is_chain and not tree.hidden for tree in trees)
    return Forest(
        ids=torch.tensor([i for tree in trees for i in tree.ids], dtype=torch.long),
        positions=torch.tensor([d for tree in trees for d in tree.depths], dtype=torch.long),
        slots=torch.from_numpy(slots).long(),
        shape=(len(trees), longest),
        ancestors=None if causal else torch.from_numpy(np.stack([tree.ancestors(longest) for tree in trees])),
        branches=branch,
        **{**table, "own": table["own"] if keep_last else None},
    )


class _Tree:
    """The trie of one group's token sequences, in insertion order, so that parents come before children."""

    def __init__(self, group: Sequence[Encoded], keep_last: bool, copies: int) -> None:
        self.branches = [*group] * copies
        self.ids: list[int] = []
        self.depths: list[int] = []
        self.parents: list[int] = []
        self.paths: list[list[int]] = []
        self.hidden: list[int] = []  # nodes that no token sees
        children: dict[tuple[int, int, int], int] = {}
        for i, encoded in enumerate(self.branches):
            node, path = -1, []
            for depth, token in enumerate(encoded.ids if keep_last else encoded.ids[:-1]):
                key = (node, token, i // len(group) if depth >= encoded.start - 1 else 0)
                if key not in children:
                    children[key] = len(self.ids)
                    self.ids.append(token)
                    self.depths.append(depth)
                    self.parents.append(node)
                    if token == encoded.hidden:
                        self.hidden.append(children[key])
                node = children[key]
                path.append(node)
            self.paths.append(path)

    @property
    def is_chain(self) -> bool:
        return all(parent == i - 1 for i, parent in enumerate(self.parents))

    def ancestors(self, longest: int) -> np.ndarray:
        seen = np.eye(longest, dtype=bool)
        for i, parent in enumerate(self.parents):
            if parent >= 0:
                seen[i] |= seen[parent]
        seen[:, self.hidden] = False
        blind = np.flatnonzero(~seen.any(1))
        seen[blind, blind] = True  # no row of a softmax is empty
        return seen


_SHARED = 8  # tokens: a beginning that is worth sharing
_SIZES = (128, 256)  # nodes of a tree that several groups share, at most


def joined(groups: Sequence[Sequence[Encoded]], width: int) -> list[list[Encoded]]:
    """Neighbours that begin alike (a system prompt, solved examples) as one group; the branches keep their order.

    Only where it pays: a node less saves about as much as `width` (of the network) pairs of tokens cost attention,
    which looks at all pairs of a grid of trees × longest. For what is read at answer tokens only: a disturbance of a
    shared node would be one of all its groups.
    """
    plain = [[*group] for group in groups], [size_of(group) for group in groups]
    ways = (plain, *(_joined(groups, largest) for largest in _SIZES))
    return min(ways, key=lambda way: width * sum(way[1]) + len(way[1]) * max(way[1], default=0) ** 2)[0]


def _joined(groups: Sequence[Sequence[Encoded]], largest: int) -> tuple[list[list[Encoded]], list[int]]:
    """The groups and how many nodes their trees have, about."""
    found: list[list[Encoded]] = []
    nodes: list[int] = []
    for group in groups:
        size, alike = size_of(group), _alike(found[-1][0], group[0]) if found else 0
        if alike >= _SHARED and nodes[-1] + size - alike <= largest:
            found[-1] += group
            nodes[-1] += size - alike
        else:
            found.append([*group])
            nodes.append(size)
    return found, nodes


def size_of(group: Sequence[Encoded]) -> int:
    """How many nodes a tree has, about: one prompt and all answers."""
    return max(each.start for each in group) + sum(len(each.ids) - each.start for each in group)


def _alike(one: Encoded, other: Encoded) -> int:
    """How many tokens of the two prompts are the same, from the first on; their last ones are each one's own."""
    pairs = zip(one.ids[: one.start - 1], other.ids[: other.start - 1])
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(one.start, other.start) - 1)


def pack(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Indices in order of size, cut into batches of at most `budget` tokens (one larger item stands alone).

    Like lengths together keep the attention's grid dense; the order of results is the caller's to restore.
    """
    batches: list[list[int]] = []
    filled = budget
    for i in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        if not batches or filled + sizes[i] > budget:
            batches.append([])
            filled = 0
        batches[-1].append(i)
        filled += sizes[i]
    return batches

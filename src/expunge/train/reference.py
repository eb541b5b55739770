"""The starting model as the objectives see it: scores computed once and cached, never a second model.

The retrained model, which some objectives read, is seen the same way: measured once, then let go.

Log-probabilities are cached per answer token. Full distributions would be large, so what the head reads is cached
(width numbers a token) with a frozen copy of the starting head, and the distribution is projected when needed. MLP
outputs are depth · width numbers a token, so they are cached in main memory.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from expunge.data.forest import pack, plant
from expunge.models.model import Model
from expunge.models.scoring import forward, sharing

if TYPE_CHECKING:
    from expunge.train.measure import Item


class Reference:
    """Cached measurements of one model for the items that training will draw."""

    def __init__(self, model: Model, kinds: Collection[str], layer: int | None, head_changes: bool) -> None:
        """`kinds`: of "tokens", "logits", "hidden", "mlp". The head is copied only if training changes it."""
        self._kinds = frozenset(kinds)
        self._layer = layer
        self._cache: dict[tuple[int, bool], dict[str, Tensor]] = {}
        self._head = _FrozenHead(model, copy=head_changes) if "logits" in self._kinds else None

    @torch.no_grad()
    def fill(self, model: Model, items: Sequence["Item"], *, budget: int, bf16: bool = False) -> None:
        """Measure every item (answer and alternate) that is not cached yet, on the model as it is now."""
        new = [item for item in items if (item.index, False) not in self._cache]
        for batch in pack([item.size for item in new], budget):
            here = [new[i] for i in batch]
            groups = sharing(model, [item.group for item in here])
            forest = plant(groups, keep_last="hidden" in self._kinds).to(model.device)
            with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
                got = forward(
                    model,
                    forest,
                    features="logits" in self._kinds,
                    residual=self._layer if "hidden" in self._kinds else None,
                    mlp="mlp" in self._kinds,
                )
            lengths = torch.bincount(forest.owner, minlength=forest.branches).tolist()
            hidden = got.residual[forest.own] if got.residual is not None and forest.own is not None else None
            mlp = got.mlp.cpu() if got.mlp is not None else None
            parts = {"tokens": got.log_probs, "features": got.features, "hidden": hidden, "mlp": mlp}
            split = {name: value.split(lengths) for name, value in parts.items() if value is not None}
            keys = [(item.index, second) for item in here for second in range(len(item.group))]
            for row, (index, second) in enumerate(keys):
                # cloned: a view would keep the whole batch alive
                self._cache[index, bool(second)] = {name: pieces[row].clone() for name, pieces in split.items()}

    def lookup(self, items: Sequence["Item"], alternate: bool) -> dict[str, Tensor]:
        """Cached values of the items' answers (or alternates), laid end to end; "logits" are projected here."""
        rows = [self._cache[item.index, alternate] for item in items]
        table = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        if self._head is not None:
            table["logits"] = self._head(table.pop("features"))
        return table


class _FrozenHead:
    """The starting output head: weights as they were, and the model's own softcap."""

    def __init__(self, model: Model, *, copy: bool) -> None:
        head = model.network.get_output_embeddings()
        assert head is not None
        self.weight = head.weight.detach().clone() if copy else head.weight
        bias = getattr(head, "bias", None)
        self.bias = bias.detach().clone() if copy and bias is not None else bias
        self.softcap = getattr(model.network.config, "final_logit_softcapping", None)

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        logits = nn.functional.linear(features.to(self.weight.dtype), self.weight, self.bias).float()
        return self.softcap * torch.tanh(logits / self.softcap) if self.softcap else logits

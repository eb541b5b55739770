"""Scoring: one forward pass over a forest gives everything that is measured at answer tokens.

This is the only place where a label is shifted: the output at a token's parent predicts the token. The vocabulary
is projected at those parents only. Nothing is padded, so there is no label to ignore.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import Forest, joined, pack, plant, size_of
from expunge.errors import ModelError, NotANumberError
from expunge.models import attention  # registers "packed"
from expunge.models.attaching import attached_to
from expunge.models.model import Model
from expunge.models.watching import watch_mlp_output, watch_residual


@dataclass(frozen=True)
class Pass:
    """What a forward pass measured. Axis `tokens`: the answer tokens of all branches, in order."""

    log_probs: Float[Tensor, " tokens"]
    logits: Float[Tensor, "tokens vocab"] | None = None
    features: Float[Tensor, "tokens width"] | None = None  # what the head reads, at the predicting positions
    residual: Float[Tensor, "nodes width"] | None = None  # the residual stream after the block asked for
    mlp: Float[Tensor, "tokens layers width"] | None = None  # of each down projection, at the predicting positions
    hits: Tensor | None = None  # Bool[tokens]: is the token the most likely one?
    moments: Float[Tensor, "tokens 2"] | None = None  # mean and standard deviation of log π over the vocabulary


def forward(
    model: Model,
    forest: Forest,
    *,
    logits: bool = False,
    features: bool = False,
    residual: int | None = None,
    mlp: bool = False,
    hits: bool = False,
    moments: bool = False,
    memory: attention.Memory | None = None,
) -> Pass:
    """Run the network once. `residual` is the block whose output is wanted, counted from 0.

    `memory` notes keys and values, or holds those that stand before the forest (`past.py`).

    Raises ModelError for a network with another attention: it would see all trees as one text.
    """
    if (name := model.network.config._attn_implementation) != attention.NAME:
        raise ModelError(
            f"scoring and training need attention {attention.NAME!r}, and this model has {name!r}: leave "
            f"`attention` out, or call network.set_attn_implementation({attention.NAME!r})"
        )
    rows, which = forest.predictors.unique(return_inverse=True)
    with ExitStack() as stack:
        read = stack.enter_context(_head_input(model)) if features else []
        seen = stack.enter_context(watch_residual(model, residual)) if residual is not None else []
        layers = range(model.layout.depth if mlp else 0)
        given = [stack.enter_context(watch_mlp_output(model, layer)) for layer in layers]
        output = model.network(
            input_ids=forest.ids[None],
            position_ids=forest.positions[None],
            # already four-dimensional, so Transformers builds no mask of its own; the forest's is the one in force
            attention_mask=torch.ones(1, 1, 1, 1, dtype=torch.bool, device=forest.ids.device),
            use_cache=False,
            logits_to_keep=rows,
            forest=forest,
            **({} if memory is None else {"memory": memory}),
        )
    table = output.logits[0]
    chain = len(rows) == len(forest.predictors)  # then `which` is a permutation at most
    if logits:
        table = table.float()
        spread = table if chain and bool((which[1:] > which[:-1]).all()) else table[which]
        log_probs = spread.gather(1, forest.targets[:, None])[:, 0] - spread.logsumexp(-1)
    else:
        spread, log_probs = None, _TargetLogProbs.apply(table, which, forest.targets)
    return Pass(
        log_probs=log_probs,
        logits=spread,
        features=read[0][0][which] if features else None,
        residual=seen[0].flatten(0, -2) if residual is not None else None,
        mlp=torch.stack([each[0][forest.predictors] for each in given], 1) if mlp else None,
        hits=table.detach().max(-1).indices[which] == forest.targets if hits else None,  # argmax is slow in bfloat16
        moments=_moments(table.detach())[which] if moments else None,
    )


def _moments(logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows 2"]:
    """μ = Σ_v π_v log π_v and σ = sqrt(Σ_v π_v (log π_v - μ)²) of each row, in float32.

    A few rows at a time: they stay in the processor's cache, and no second table of the vocabulary's size is made.
    """
    found = []
    for rows in logits.split(16):
        logs = rows.float().log_softmax(-1).clamp_(min=-1e4)  # an impossible token (-∞) has no weight
        weights = logs.exp()
        mean = (weights * logs).sum(-1)
        spread = logs.sub_(mean[:, None]).square_().mul_(weights).sum(-1)
        found.append(torch.stack([mean, spread.sqrt()], -1))
    return torch.cat(found)


class _TargetLogProbs(torch.autograd.Function):
    """log softmax(logits)[row, target], keeping one buffer of the logits' size instead of three."""

    @staticmethod
    def forward(ctx, logits: Tensor, rows: Tensor, targets: Tensor) -> Tensor:  # type: ignore[override]
        table = logits.float()
        normalizer = table.logsumexp(-1)
        ctx.save_for_backward(table, normalizer, rows, targets)
        ctx.source = logits.dtype
        return table[rows, targets] - normalizer[rows]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream: Tensor):  # type: ignore[override]
        table, normalizer, rows, targets = ctx.saved_tensors
        gradient = (table - normalizer[:, None]).exp_()
        gradient *= -upstream.new_zeros(len(table)).index_add_(0, rows, upstream)[:, None]
        gradient.index_put_((rows, targets), upstream, accumulate=True)
        return gradient.to(ctx.source), None, None


@contextmanager
def _head_input(model: Model) -> Iterator[list[Tensor]]:
    """Within the block, collects what the output head reads: [1, rows, width] a call."""
    head = model.network.get_output_embeddings()
    assert head is not None
    read: list[Tensor] = []
    handle = head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    try:
        yield read
    finally:
        handle.remove()


@dataclass(frozen=True)
class Scores:
    """Scores of one encoded example: what its answer tokens got."""

    log_probs: Float[Tensor, " tokens"]
    hits: Tensor  # Bool[tokens]
    moments: Float[Tensor, "tokens 2"] | None = None  # of log π over the vocabulary: mean, standard deviation


@torch.inference_mode()
def score(
    model: Model,
    groups: Sequence[Sequence[Encoded]],
    *,
    budget: int = 4096,
    bf16: bool = False,
    moments: bool = False,
) -> list[list[Scores]]:
    """Answer log-probabilities of every encoded example, in the order given.

    A group (a prompt with its right, paraphrased and wrong answers) shares its common beginnings, and so do groups.
    `budget` is the number of tokens of a forward pass; it changes memory, not results (1e-5 relative in float32).
    Raises NotANumberError for a model that gives NaN.
    """
    results: list[list[Scores]] = [[] for _ in groups]
    for batch in pack([size_of(group) for group in groups], budget):
        forest = plant(sharing(model, [groups[i] for i in batch])).to(model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            got = forward(model, forest, hits=True, moments=moments)
        lengths = torch.bincount(forest.owner, minlength=forest.branches).tolist()
        if got.log_probs.isnan().any():
            raise NotANumberError("where answers are scored")
        assert got.hits is not None
        columns = [got.log_probs.float(), got.hits, *([] if got.moments is None else [got.moments])]
        pieces = zip(*(column.cpu().split(lengths) for column in columns))
        for i in batch:
            results[i] = [Scores(*next(pieces)) for _ in groups[i]]
    return results


def sharing(model: Model, groups: Sequence[Sequence[Encoded]]) -> Sequence[Sequence[Encoded]]:
    """The groups as trees of one pass: `joined`, except where a side memory decides tree by tree (`texts.py`)."""
    return groups if attached_to(model) else joined(groups, model.layout.width)


def sums(values: Float[Tensor, " tokens"], owner: Int[Tensor, " tokens"], branches: int) -> Float[Tensor, " branches"]:
    """Per-token values added up within each branch."""
    return values.new_zeros(branches).index_add(0, owner, values)

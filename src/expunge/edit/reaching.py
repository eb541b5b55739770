"""Reaching: how far balls go before they meet what must stay. Ours; the published radius is one number for all.

    limit   (1 - 2s) d - 2s ‖q‖, not below 0      no ball around the query q of a fact grows to it
    first   min(share · d, limit)                 the radius of a new ball

d is the distance from q to the nearest token that must stay, s how far reads move from batch to batch, relative to
their norm (`slack_of`). A lookup reaches s (‖q‖ + ε) beyond a ball, and the token may come nearer by s (‖q‖ + d): a
ball within its limit does not meet it even so.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.edit.reading import corpus_pieces, kept_pieces, read_tokens
from expunge.edit.work import Work
from expunge.models.codebook import slack_of


def reach(
    work: Work, block: int, queries: Float[Tensor, "facts in"], radius: float | None, share: float
) -> tuple[Float[Tensor, " facts"], Float[Tensor, " facts"]]:
    """The radius of each fact's ball, and what it must not grow to: `radius` and nothing where that is given."""
    away = torch.full((len(queries),), torch.inf, dtype=queries.dtype)
    if radius is not None:
        return torch.full_like(away, radius), away
    slack, sizes, kept = slack_of(work.model.network.dtype), queries.norm(dim=1), kept_pieces(work)
    for read in read_tokens(work.model, block, kept):
        away = torch.minimum(away, distances(queries, read).min(1).values)
    if met := int((limit(away, sizes, slack) == 0).sum()):
        work.note(
            f"{met} of {len(queries)} facts are read just like a token of what must stay, which so goes with them: "
            "does a prompt stand in both sets, or end in what all of them end in?"
        )
    corpus = corpus_pieces(work) if work.corpus is not None or not kept else []
    for read in read_tokens(work.model, block, corpus):
        found = distances(queries, read)
        alike = limit(found, sizes[:, None], slack) == 0  # there the corpus has the fact itself
        away = torch.minimum(away, found.masked_fill(alike, torch.inf).min(1).values)
    limits = limit(away, sizes, slack)
    return torch.minimum(share * away, limits), limits


def limit(away: Tensor, sizes: Tensor, slack: float) -> Tensor:
    """How far a ball may go towards a token that is so far away from its key of that norm.

    >>> limit(torch.tensor([1.0, 0.1]), torch.tensor([2.0, 2.0]), 0.05)
    tensor([0.7000, 0.0000])
    """
    return ((1 - 2 * slack) * away - 2 * slack * sizes).clamp(min=0)


def distances(queries: Float[Tensor, "facts in"], read: Float[Tensor, "tokens in"]) -> Float[Tensor, "facts tokens"]:
    """Euclidean, without the roundings of products of matrices."""
    return torch.cdist(queries, read, compute_mode="donot_use_mm_for_euclid_dist")

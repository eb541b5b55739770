"""Reading: what a down projection reads at every token of some texts, whole passes without answers."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import pack, plant
from expunge.edit.corpus import corpus_of
from expunge.edit.statistics import pieces_of
from expunge.edit.work import Work
from expunge.models.model import Model
from expunge.models.scoring import forward
from expunge.models.watching import stopping_after, watch_mlp_input

CORPUS = 4096  # tokens of a corpus that are read, unless `corpus_tokens` says otherwise
BUDGET = 2048  # tokens of a pass


@torch.no_grad()
def read_tokens(
    model: Model, block: int, pieces: Sequence[tuple[int, ...]], budget: int = BUDGET
) -> list[Float[Tensor, "tokens d_ff"]]:
    """Of each piece, in order; in float32 at least, in main memory."""
    found: list[Tensor] = [torch.empty(0, model.layout.d_ff)] * len(pieces)
    wide = torch.promote_types(model.network.dtype, torch.float32)
    for batch in pack([len(piece) for piece in pieces], budget):
        encoded = [[Encoded(pieces[i], min(1, len(pieces[i]) - 1), "")] for i in batch]
        with watch_mlp_input(model, block) as seen, stopping_after(model, block):
            forward(model, plant(encoded, keep_last=True).to(model.device))
        rows = seen[0].to("cpu", wide).split([len(pieces[i]) for i in batch])
        for i, each in zip(batch, rows):
            found[i] = each.clone()
    return found


def corpus_pieces(work: Work) -> list[tuple[int, ...]]:
    """Tokens of the corpus, of the model's own texts where there is none."""
    tokens = work.corpus_tokens or CORPUS
    if work.corpus is None:
        work.note(f"no text was given that must stay: {tokens:,} tokens of the model's own stand in")
    source = corpus_of(work.corpus, own=tokens, seed=work.seed)
    return [piece for batch in pieces_of(work.model, source, tokens) for piece in batch]


def kept_pieces(work: Work) -> list[tuple[int, ...]]:
    """Tokens of the prompts and answers that are kept."""
    return [tuple(work.rows.of(fact)[0].encoded.ids) for fact in work.kept]

"""DARE: task vectors from which most is dropped, and the rest rescaled. Yu et al. 2023, arXiv:2311.03099.

    m_t ~ Bernoulli(p)    τ̃_t = (1 - m_t) ⊙ τ_t    τ̂_t = τ̃_t / (1 - p)    θ_new = θ_pre + λ Σ_t τ̂_t

What is drawn for a weight depends on the seed, the number of the model, the tensor's name and the weight's place in
it, and on nothing else: neither files nor order nor blocks change it. Deviations: none; the paper also merges τ̂ by
other methods, here they are added.
"""

from hashlib import blake2b
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool
from pydantic import Field
from torch import Tensor

from expunge.arithmetic import Place, Step, Vectors, operations, summed
from expunge.objectives.options import Count, Positive

Share = Annotated[float, Field(ge=0, lt=1)]
_WORDS = 8  # of 32 bits, that the generator makes at a time


@operations.add("dare", paper="arXiv:2311.03099", several=True)
def dare(
    vectors: Vectors,
    place: Place,
    *,
    drop: Share = 0.9,
    scale: Positive = 1.0,
    seed: Count = 0,
) -> Step:
    """λ Σ_t (1 - m_t) ⊙ τ_t / (1 - p), p = `drop`."""
    kept = [torch.where(drawn(seed, i, place, len(each), drop), 0.0, each) for i, each in enumerate(vectors)]
    return scale * (summed(torch.stack(kept)) / (1 - drop))


def drawn(seed: int, model: int, place: Place, count: int, share: float) -> Bool[Tensor, " weights"]:
    """m: which of `count` weights from `place` on are dropped. Philox in counter mode: any part of the stream alone."""
    key = blake2b(f"{seed} {model} {place.name}".encode(), digest_size=16).digest()
    generator = np.random.Philox(key=int.from_bytes(key, "little"))
    steps, skipped = divmod(place.start, _WORDS)
    generator.advance(steps)
    words = generator.random_raw((skipped + count + 1) // 2).view(np.uint32)[skipped : skipped + count]
    return torch.from_numpy(words < np.uint32(round(share * 2**32)))

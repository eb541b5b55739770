"""Random: a uniform draw, the control of every localizer. Lee et al. 2025, arXiv:2505.16252.

    V_rdm ← uniform over V, without replacement        (`outside`: over V \\ V_tgt, the controlled experiment)

No deviations.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.localize import Scene, localizers
from expunge.mask import Mask

OWN = 2505  # added to the seed: at equal seeds a planted region (`worlds/injection.py`) is another draw


@localizers.add("random", paper="arXiv:2505.16252", looks_at=())
def random(scene: Scene, *, outside: str | Mask = "") -> Float[Tensor, " units"]:
    """`outside`: a mask (or its file): no unit that has a weight in it is drawn."""
    scores = torch.full((scene.units.count,), -torch.inf)
    free = torch.arange(scene.units.count)
    if outside:
        free = (~scene.units.touched(Mask.load(outside) if isinstance(outside, str) else outside)).nonzero().flatten()
    order = torch.randperm(len(free), generator=torch.Generator().manual_seed(scene.seed + OWN))
    scores[free[order]] = torch.arange(len(free), 0, -1, dtype=torch.float32)
    return scores

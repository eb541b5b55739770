"""How much of a known region a mask has found.

recall = |mask ∩ known| / |known|,   precision = |mask ∩ known| / |mask|        in weights
"""

from expunge.mask import Mask


def overlap(mask: Mask, known: Mask) -> dict[str, float]:
    """Neither may be empty: a share of nothing is no number."""
    common = (mask & known).weights()
    return {"recall": common / known.weights(), "precision": common / mask.weights()}

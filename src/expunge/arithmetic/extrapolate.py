"""Extrapolation of what unlearning did (UIPE). Wang et al. 2025, arXiv:2503.04693.

    v = θ_un - θ_ini        θ_uipe = θ_un + α·v = θ_ini + (1 + α)·v

α is one number, or one for each tensor: a mapping from names, or patterns as in a shell, of which the first that fits
counts; a tensor that none fits stays θ_un. The result has the types of the tuned model, so that α = 0 is θ_un bit for
bit. Deviations: none with a single α; the paper scales all tensors alike.
"""

from collections.abc import Mapping
from typing import Any

import torch

from expunge.arithmetic import Place, Step, Survey, Vectors, operations
from expunge.arithmetic.patterns import by_pattern
from expunge.objectives.options import NonNegative


def by_name(survey: Survey, options: Mapping[str, Any]) -> dict[str, float]:
    """α of each tensor. Raises ConfigError for a pattern that fits none."""
    alpha = options["alpha"]
    return by_pattern(survey.names, alpha if isinstance(alpha, Mapping) else {"*": alpha})


@operations.add("extrapolate", paper="arXiv:2503.04693", aliases=("uipe",), home="tuned", prepare=by_name)
def extrapolate(
    vectors: Vectors, place: Place, prepared: dict[str, float], *, alpha: NonNegative | dict[str, NonNegative]
) -> Step:
    """α·v. `prepared` holds α by name."""
    # the very number by which WeightChange.scaled(1 + α) goes on, so that both give the same bits
    factor = (1.0 + prepared[place.name]) - 1.0
    if factor == 0:  # 0 · ∞ would be no number, where a weight or a difference is not finite
        return torch.zeros_like(vectors[0])
    return factor * vectors[0]

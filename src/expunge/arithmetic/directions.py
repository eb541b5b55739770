"""Directions to extrapolate along, made from a change: weighted, directed, projected. None of them is the paper's.

    weighted    u_t = w_t · v_t                    w by a tensor's name
    directed    w_t = max(0, c_t) / max_s c_s      c_t = cos(v_t, g_t), g the gradient of the NLL of what shall go
    projected   u_t = v_t - Q_t Q_tᵀ v_t           Q_t spans the gradients of the retain set's NLL for tensor t

To first order what is directed raises the forget NLL in every tensor that it moves, and what is projected leaves the
retain set's NLL as it is. Tensors are taken one by one, or all of a layer together (`group`). Ours: the paper scales
all tensors alike and leaves this open; per-tensor weights are proposed as its continuation.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

import torch
from torch import Tensor

from expunge.arithmetic.line import Direction
from expunge.change import WeightChange
from expunge.parameters import Weights, parameters_of

Gradients = Mapping[str, Tensor]  # name → gradient, float32


def weighted(weights: Mapping[str, float]) -> Direction:
    """w of each tensor by name; what is not named is not moved further."""
    return lambda name, v: v * weights.get(name, 0.0)


def directed(
    change: WeightChange, base: Weights, gradients: Gradients, group: Callable[[str], str] = lambda name: name
) -> dict[str, float]:
    """w of each tensor. `gradients`: of the NLL that extrapolation is to raise, taken at θ_un."""
    weights = parameters_of(base)
    products: dict[str, list[float]] = {}
    for name in change.names:
        v, g = change.delta(name, weights[name].detach()).double(), gradients[name].double()
        sums = products.setdefault(group(name), [0.0, 0.0, 0.0])
        for i, value in enumerate((v.flatten() @ g.flatten(), v.square().sum(), g.square().sum())):
            sums[i] += value.item()
    cosines = {key: vg / sqrt(vv * gg) if vv * gg else 0.0 for key, (vg, vv, gg) in products.items()}
    largest = max(cosines.values(), default=0.0)
    return {name: max(0.0, cosines[group(name)]) / largest if largest > 0 else 0.0 for name in change.names}


def projected(gradients: Sequence[Gradients]) -> Direction:
    """v without its part in the span of the gradients, tensor by tensor. Several gradients protect more, and cost a
    buffer of the model's size each."""
    left = [dict(each) for each in gradients]
    basis: dict[str, list[Tensor]] = {}

    def orthonormal(name: str) -> list[Tensor]:
        if name not in basis:
            basis[name] = _gram_schmidt([each.pop(name) for each in left])  # no more than one copy is held
        return basis[name]

    def direction(name: str, v: Tensor) -> Tensor:
        rest = v.double()
        for q in orthonormal(name):
            rest = rest - (q.double() * rest).sum() * q.double()
        return rest.to(v.dtype)

    return direction


def _gram_schmidt(vectors: Sequence[Tensor]) -> list[Tensor]:
    """An orthonormal basis; what is (nearly) spanned by those before is left out."""
    found: list[Tensor] = []
    for vector in vectors:
        left = vector.double()
        size = torch.linalg.vector_norm(left)
        for q in (*found, *found):  # twice: once leaves rounding errors
            left = left - (q.double() * left).sum() * q.double()
        norm = torch.linalg.vector_norm(left)
        if norm > 1e-6 * size:
            found.append((left / norm).to(vector.dtype))
    return found

"""Random sketches of gradients: k numbers in place of all of them, with the inner products kept on average.

A parameter's gradient, flat, is cut into rows g_r of length k (the last one filled up with zeros), and

    S g = Σ_r a_r · roll(b ⊙ g_r, o_r),    a_r, b_c ∈ {-1, +1},  o_r ∈ {0 … k-1}

drawn for each parameter by the seed and its name; sketches of all parameters add up. It is CountSketch (Charikar, Chen
and Farach-Colton 2002, 10.1007/3-540-45465-9_59; as a projection Weinberger et al. 2009, arXiv:0902.2206), whose hash
is drawn a row at a time:

    E⟨Sg, Sh⟩ = ⟨g, h⟩,    Var ≤ 4 ‖g‖²‖h‖² / k,   about (‖g‖²‖h‖² + ⟨g,h⟩²) / k where no two rows are alike

so a cosine c taken of sketches is off by about (1 - c²)/√k. A sign and an offset stand for a whole row, so a sketch
costs a pass over the gradient and no table of its size. Deviations: a single sign and bucket for each entry, as in
CountSketch, would have 2 in place of 4.
"""

import hashlib

import torch
from jaxtyping import Float
from torch import Tensor


class Sketch:
    """S for gradients of any parameters, on the device of what it is added to."""

    def __init__(self, length: int, seed: int = 0) -> None:
        self.length = length
        self._seed = seed
        self._drawn: dict[str, tuple[Tensor, list[float], list[int]]] = {}

    @property
    def error(self) -> float:
        """The standard error of a cosine near 0."""
        return self.length**-0.5

    def add(self, total: Float[Tensor, " length"], name: str, gradient: Float[Tensor, "..."]) -> None:
        """Add the sketch of one parameter's gradient to `total`."""
        flat = gradient.detach().reshape(-1)
        signs, row_signs, offsets = self._of(name, -(-len(flat) // self.length))
        signs = signs.to(total.device)
        for piece, sign, offset in zip(flat.split(self.length), row_signs, offsets):
            signed = piece.to(total.dtype) * signs[: len(piece)]
            before = min(len(piece), self.length - offset)  # what does not go round
            total[offset : offset + before].add_(signed[:before], alpha=sign)
            total[: len(piece) - before].add_(signed[before:], alpha=sign)

    def _of(self, name: str, rows: int) -> tuple[Tensor, list[float], list[int]]:
        """b, a and o of a parameter: the same in every process, whatever was asked for before."""
        if name not in self._drawn:
            digest = hashlib.sha256(f"{self._seed} {name}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
            coins = lambda count: torch.randint(2, (count,), generator=generator).mul_(2).sub_(1).float()
            signs, row_signs = coins(self.length), coins(rows).tolist()
            offsets = torch.randint(self.length, (rows,), generator=generator).tolist()
            self._drawn[name] = (signs, row_signs, offsets)
        return self._drawn[name]

"""Quantization: what comes back when weights are rounded. Zhang et al. 2024, arXiv:2410.16454.

    ŵ = s · round(w / s),   s = max|w| / (2^(b-1) - 1)

Round-to-nearest and symmetric: 8 bit with one s for each output of a matrix, 4 bit with one for each block of 64
weights of the flattened matrix. `code="nf4"` takes the 16 levels of NF4 for 4 bit (Dettmers et al. 2023,
arXiv:2305.14314, appendix E), as bitsandbytes does, with scales in float32. Deviations: the rounded weights are put
back into the model in its own type, so only the weights are quantized, not the arithmetic; neither GPTQ nor AWQ, which
need texts to calibrate on.
"""

from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.after import measured
from expunge.attacks.matrices import rewritten

BLOCK = 64
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


@attacks.add(
    "quantize",
    family="compression",
    quick=True,
    title="Quantization",
    reads=(
        "What the model knows after its weights were rounded to 8 and 4 bit. Unlearning that moved weights by less "
        "than a step of the rounding is undone by it. Rounding also blurs: a small model may lose here what it knew."
    ),
    aliases=("quantization",),
)
def quantize(target: Target, *, code: Literal["integer", "nf4"] = "integer") -> list[Finding]:
    """Findings for 8 and for 4 bit; `code` are the levels of 4 bit."""
    found: list[Finding] = []
    four = nf4 if code == "nf4" else partial(integers, bits=4, block=BLOCK)
    for label, rounded in (("8 bit", partial(integers, bits=8)), ("4 bit", four)):
        with rewritten(target.model, rounded):
            found += measured(target, label=label)
    return found


def integers(weight: Float[Tensor, "out in"], *, bits: int, block: int | None = None) -> Float[Tensor, "out in"]:
    """Rounded to multiples of one step for each output, or for each block of the flattened matrix.

    >>> integers(torch.tensor([[0.9, -7.0, 2.4], [0.0, 0.0, 0.0]]), bits=4).tolist()
    [[1.0, -7.0, 2.0], [0.0, 0.0, 0.0]]
    """
    rows = weight if block is None else _blocks(weight, block)
    largest = 2 ** (bits - 1) - 1
    step = _largest(rows) / largest
    return _whole((rows / step).round().clamp(-largest, largest) * step, weight)


def nf4(weight: Float[Tensor, "out in"], block: int = BLOCK) -> Float[Tensor, "out in"]:
    """Each weight as the nearest of the 16 levels times the largest size in its block.

    >>> nf4(torch.tensor([[2.0, 1.0, -0.1, -2.0]])).tolist()  # 0.5 is nearer to 0.4407 than to 0.5626
    [[2.0, 0.8814196586608887, -0.1821000725030899, -2.0]]
    """
    levels = torch.tensor(NF4, device=weight.device)
    blocks = _blocks(weight, block)
    size = _largest(blocks)
    return _whole(levels[torch.bucketize(blocks / size, (levels[1:] + levels[:-1]) / 2)] * size, weight)


def _blocks(weight: Tensor, block: int) -> Tensor:
    """The flattened matrix in rows of a block; the last is filled up with zeros."""
    flat = weight.flatten()
    return torch.nn.functional.pad(flat, (0, -len(flat) % block)).view(-1, block)


def _largest(rows: Tensor) -> Tensor:
    """The largest size in each row, 1 in a row of zeros."""
    largest = rows.abs().amax(-1, keepdim=True)
    return largest.where(largest > 0, torch.ones_like(largest))


def _whole(rows: Tensor, weight: Tensor) -> Tensor:
    return rows.flatten()[: weight.numel()].view_as(weight)

"""The k-th largest magnitude of a stream, exactly: by counting bit patterns, the upper half and then the lower.

The patterns of positive float32 numbers are in the order of the numbers. The first pass counts their upper 15 bits and
finds the bin in which the k-th largest lies; the second counts the lower 16 bits within that bin.
"""

from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.arithmetic import Vectors

_LOW = 16


def share_of(share: float, count: int) -> int:
    """⌊share · count⌋, where a product that is whole but for rounding counts as whole.

    >>> share_of(0.29, 100)
    29
    """
    return int(share * count + 1e-9 * count)


def kth_largest(read: Callable[[], Iterable[Vectors]], models: int, k: int) -> Float[Tensor, "models 1"]:
    """Of each model's vector, in float32. `read` gives the vectors block by block, as often as it is called."""
    upper = torch.zeros(models, 2 ** (31 - _LOW), dtype=torch.int64)
    for vectors in read():
        for count, each in zip(upper, _patterns(vectors)):
            count += torch.bincount(each >> _LOW, minlength=len(count))
    found = [_bin_of(count, k) for count in upper]
    lower = torch.zeros(models, 2**_LOW, dtype=torch.int64)
    for vectors in read():
        for count, each, (place, _) in zip(lower, _patterns(vectors), found):
            count += torch.bincount(each[each >> _LOW == place] & (2**_LOW - 1), minlength=len(count))
    ends = [_bin_of(count, left)[0] for count, (_, left) in zip(lower, found)]
    patterns = [(place << _LOW) | end for (place, _), end in zip(found, ends)]
    return torch.tensor(patterns, dtype=torch.int32).view(torch.float32)[:, None]


def _patterns(vectors: Vectors) -> Int[Tensor, "models weights"]:
    return vectors.abs().to(torch.float32).view(torch.int32)


def _bin_of(counts: Int[Tensor, " bins"], k: int) -> tuple[int, int]:
    """The bin of the k-th largest, and how many of its own go down to it."""
    above = counts.flip(0).cumsum(0)
    place = int(torch.searchsorted(above, k))
    return len(counts) - 1 - place, k - int(above[place - 1] if place else 0)

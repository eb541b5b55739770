"""Which examples each optimizer step sees: a function of the seed and the step, so a resumed run needs no state."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Plan:
    """Seeded pairing of forget and retain examples.

    Every epoch goes once through the forget set in a new order; the last step of an epoch takes what is left. The
    retain set is gone through in orders of its own, as often as it takes.
    """

    forget: int
    retain: int
    batch: int
    retain_batch: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.forget // self.batch)

    def forget_at(self, step: int) -> list[int]:
        """Indices into the forget set for optimizer step `step`, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = order_of(self.seed, 0, epoch, self.forget)
        return list(order[place * self.batch : (place + 1) * self.batch])

    @property
    def ends(self) -> tuple[int, ...]:
        """Steps after which something ends that is worth a point of its own."""
        return ()

    def rate_at(self, step: int) -> float:
        """Factor of the learning rate."""
        del step
        return 1.0

    def retain_at(self, step: int) -> list[int]:
        """Indices into the retain set; none when there is no retain set."""
        if not self.retain:
            return []
        size = min(self.retain_batch, self.retain)
        places = range(step * size, (step + 1) * size)
        return [order_of(self.seed, 1, i // self.retain, self.retain)[i % self.retain] for i in places]


@lru_cache(maxsize=8)
def order_of(seed: int, stream: int, epoch: int, size: int) -> tuple[int, ...]:
    """A random order of so many rows; `stream` says whose."""
    return tuple(np.random.default_rng([seed, stream, epoch]).permutation(size).tolist())

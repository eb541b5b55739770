"""Buckets of frequency as a curriculum: each with epochs and a learning rate of its own, one after the other or mixed.

A step draws from one bucket only, so that the rate of each step is its bucket's. One after the other, a bucket's steps
are a phase; mixed, step k of the n_b of bucket b stands at (k + 1/2) / n_b of the run, so that no bucket comes last.
After Krishnan et al. 2025 (arXiv:2504.05058), who ask for methods that look at frequency; the design is ours.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate

from torch import Tensor

from expunge.config import CurriculumConfig
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.frequency.ordering import FIELDS, required_values
from expunge.frequency.strata import Bucket, buckets
from expunge.train.plan import Plan, order_of

_STREAM = 3  # of random numbers, for the first bucket; 0 to 2 are taken


@dataclass(frozen=True)
class Phase:
    """A bucket and how it is trained."""

    bucket: Bucket
    epochs: int
    rate: float = 1.0  # factor of the learning rate


@dataclass(frozen=True)
class Reached:
    """The trained weights at the end of a bucket's phase, or at the kept point within it. Mapped from a file."""

    phase: Phase
    step: int
    weights: Mapping[str, Tensor] = field(repr=False)


def missed(phases: Sequence[Phase], reached: Sequence[Reached], kept: int) -> tuple[str, ...]:
    """A note on the buckets of phases behind the kept point, which extrapolation cannot reach; () where there are none.

    >>> phases = [Phase(Bucket(name, ()), 1) for name in ("low", "medium", "high")]
    >>> missed(phases, [Reached(phases[0], 4, {})], 4)[0].partition(":")[0]
    'the kept step 4 lies before the phases of medium, high'
    """
    names = [phase.bucket.name for phase in phases[len(reached) :]]
    if not names:
        return ()
    which = f"phase{'s' if len(names) > 1 else ''} of {', '.join(names)}"
    return (
        f"the kept step {kept} lies before the {which}: the result has nothing of what was trained there, nor an alpha",
    )


@dataclass(frozen=True)
class Curriculum(Plan):
    """A plan of phases, in the order of training."""

    phases: tuple[Phase, ...] = ()
    mixed: bool = False

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return sum(self._steps)

    @property
    def ends(self) -> tuple[int, ...]:
        """After how many steps each phase ends; () where they are mixed."""
        return () if self.mixed else tuple(accumulate(self._steps))

    def forget_at(self, step: int) -> list[int]:
        """Indices into the forget set, all of one bucket."""
        number, own = self._place(step)
        rows, size = self.phases[number].bucket.rows, self.batch
        epoch, place = divmod(own, -(-len(rows) // size))
        order = order_of(self.seed, _STREAM + number, epoch, len(rows))
        return [rows[i] for i in order[place * size : (place + 1) * size]]

    def rate_at(self, step: int) -> float:
        """The factor of the step's bucket."""
        return self.phases[self._place(step)[0]].rate

    def _place(self, step: int) -> tuple[int, int]:
        """The phase of a step, and its number among the steps of that phase."""
        if self.mixed:
            return _spread(self._steps)[step]
        number = bisect_right(self.ends, step)
        return number, step - (self.ends[number - 1] if number else 0)

    @property
    def _steps(self) -> tuple[int, ...]:
        return tuple(each.epochs * -(-len(each.bucket.rows) // self.batch) for each in self.phases)


@lru_cache(maxsize=8)
def _spread(steps: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """
    >>> _spread((1, 3))
    ((1, 0), (1, 1), (0, 0), (1, 2))
    """
    every = ((b, k) for b, number in enumerate(steps) for k in range(number))
    return tuple(sorted(every, key=lambda place: ((place[1] + 0.5) / steps[place[0]], -place[0])))


def phases_of(examples: Sequence[Example], config: CurriculumConfig, epochs: int) -> tuple[Phase, ...]:
    """The buckets of a forget set in the order of training; `epochs` are those of a bucket for which none are said.

    Raises DataError for examples without a count, ConfigError for buckets that are not what the settings say.
    """
    values = required_values(examples, config.by, "curriculum", all_of_them=True)
    found = buckets(values, config.edges)
    told = ", ".join(f"{each.name} ({_span(each)}): {len(each.rows)}" for each in found)
    cut = "the given edges" if config.edges else "tertiles"
    if len(found) < 2:
        raise ConfigError(
            f"`curriculum`: by `{FIELDS[config.by]}`, {cut} give one bucket ({told}), and a curriculum needs two: "
            "give `edges`, or leave `curriculum` out"
        )
    if small := [each for each in found if len(each.rows) < config.at_least]:
        raise ConfigError(
            f"`curriculum`: bucket {small[0].name!r} has {len(small[0].rows)} examples, fewer than `at_least` "
            f"({config.at_least}). By `{FIELDS[config.by]}`, {cut} give {told}: set other `edges`, or lower `at_least`"
        )
    own = {"epochs": config.epochs or (epochs,), "rates": config.rates or (1.0,)}
    for name, given in own.items():
        if len(given) not in (1, len(found)):
            raise ConfigError(
                f"`curriculum.{name}` names {len(given)} buckets, and by `{FIELDS[config.by]}`, {cut} give "
                f"{len(found)}: {told}. Give one number for all, or {len(found)} from rare to frequent"
            )
    each = {name: given * len(found) if len(given) == 1 else given for name, given in own.items()}
    phases = [Phase(b, int(e), float(r)) for b, e, r in zip(found, each["epochs"], each["rates"], strict=True)]
    return tuple(reversed(phases) if config.order == "frequent-first" else phases)


def _span(bucket: Bucket) -> str:
    return f"{bucket.least:g}" if bucket.least == bucket.most else f"{bucket.least:g} to {bucket.most:g}"

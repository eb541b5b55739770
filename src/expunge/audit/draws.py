"""The one paired bootstrap of an audit: whole groups are drawn, and with each draw one of the retrained models.

All models are scored on the same examples, so one draw of groups weighs them all alike, and so do all cells. Sets that
hold other examples (holdout, twins) are drawn on their own. A draw takes as many groups as there are, with
replacement (Efron 1979); bounds are percentiles of the draws, moved outwards for few groups as a t interval is:

    α' = Φ( t_{α, n-1} √(n / (n-1)) )        Hesterberg 2015, "What teachers should know about the bootstrap"

With fewer than five groups there is nothing to draw from, and no bound.

Where all draws of a contrast are equal (nothing was said by either model) percentiles would claim certainty. Had a
part p = 1 - 0.05^(1/n) of the population another value, n groups would have shown it 95 times in 100 (the
Clopper–Pearson argument, one-sided); the bounds are widened by p times the range that a score has, 1.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from jaxtyping import Float, Int

Values = Float[np.ndarray, " draws"]
LEVEL = 0.95  # of each one-sided bound
FEWEST = 5  # groups, below which there is no bound


@dataclass(frozen=True)
class Sample:
    """What one model scored in one cell. `groups` are names; `control` makes the knowledge an AUC."""

    scores: tuple[float, ...]
    groups: tuple[str, ...]
    control: tuple[float, ...] = ()
    control_groups: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()  # places of the scores in their set; (): all of them, in order

    @property
    def has_nan(self) -> bool:
        """Whether a score is no number: no draw would be one, and the other models' would be taken for it."""
        return any(isnan(score) for score in (*self.scores, *self.control))

    @property
    def n_groups(self) -> int:
        """How many are drawn from: the fewer of both sides."""
        return min(len(set(each)) for each in (self.groups, self.control_groups) if each)

    @property
    def each(self) -> Float[np.ndarray, " rows"]:
        """The knowledge that each example shows: its score, or the share of the control that it scores above."""
        scores = np.asarray(self.scores, dtype=np.float64)
        return _wins(scores, np.asarray(self.control)).mean(1) if self.control else scores

    @property
    def knowledge(self) -> float:
        """The mean score, or with a control the chance that a forget example scores above a holdout one."""
        if not self.control:
            return float(np.mean(self.scores))
        return float(np.mean(_wins(np.asarray(self.scores), np.asarray(self.control))))


class Draws:
    """How often each group stands in each draw, and which retrained model. The same for every cell of an audit."""

    def __init__(self, groups: Mapping[str, Sequence[str]], *, draws: int = 2000, seed: int = 0) -> None:
        """`groups`: the name of a set of examples ("forget", "holdout" …) → the names of its groups."""
        self.number = draws
        self._places: dict[str, dict[str, int]] = {}
        self._counts: dict[str, Int[np.ndarray, "draws groups"]] = {}
        for name, members in groups.items():
            names = sorted(set(members))
            own = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")  # whatever other sets there are
            generator = np.random.default_rng([seed, own])
            self._places[name] = {each: i for i, each in enumerate(names)}
            self._counts[name] = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)
        self._share = np.random.default_rng([seed, 1_000]).random(draws)

    def knowledge(self, sample: Sample, of: str, control: str = "holdout") -> Values:
        """The knowledge of a model in each draw. `of` and `control` name the sets its scores are of."""
        weights = self.weights(of, sample.groups)
        scores = np.asarray(sample.scores, dtype=np.float64)
        with np.errstate(invalid="ignore"):  # a draw may miss every row of a small part: not a number, left out later
            if not sample.control:
                return weights @ scores / weights.sum(1)
            others = self.weights(control, sample.control_groups)
            wins = weights @ _wins(scores, np.asarray(sample.control, dtype=np.float64))
            return (wins * others).sum(1) / (weights.sum(1) * others.sum(1))

    def mixed(self, several: Sequence[Values]) -> Values:
        """In each draw the value of the retrained model that it has drawn."""
        return np.stack(several)[(self._share * len(several)).astype(int), np.arange(self.number)]

    def weights(self, of: str, groups: Sequence[str]) -> Float[np.ndarray, "draws rows"]:
        """How often rows of these groups stand in each draw."""
        places = self._places[of]
        return self._counts[of][:, [places[group] for group in groups]].astype(np.float64)


def bounds(contrast: Values, groups: int, *, constant: bool | None = None, level: float = LEVEL) -> tuple[float, float]:
    """The one-sided lower and upper bounds of a contrast, each at `level`.

    `constant`: whether what is compared is the same in every draw (None: whether the contrast is); see the module.
    """
    known = contrast[np.isfinite(contrast)]
    if not len(known) or groups < FEWEST:
        return -np.inf, np.inf
    share = _moved_out(level, groups)
    low, high = (float(each) for each in np.quantile(known, [1 - share, share]))
    if is_constant(contrast) if constant is None else constant:
        unseen = 1 - (1 - level) ** (1 / groups)
        low, high = low - unseen, high + unseen
    return low, high


def is_constant(contrast: Values) -> bool:
    """Equal in all draws."""
    known = contrast[np.isfinite(contrast)]
    return bool(len(known)) and bool(np.ptp(known) <= 1e-12)


def _moved_out(level: float, groups: int) -> float:
    from scipy.stats import norm, t  # takes half a second to import

    return float(norm.cdf(t.ppf(level, groups - 1) * np.sqrt(groups / (groups - 1))))


def _wins(
    scores: Float[np.ndarray, " rows"], control: Float[np.ndarray, " others"]
) -> Float[np.ndarray, "rows others"]:
    """1 where a score is above a control's, 1/2 where they are equal."""
    return (scores[:, None] > control) + 0.5 * (scores[:, None] == control)

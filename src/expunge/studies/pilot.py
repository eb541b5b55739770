"""Learning rates by a pilot: every method with every rate, on a seed that no result has; the smallest loss wins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from expunge.studies.results import read_result

PILOT = Path("pilot")
Loss = Callable[[Mapping[str, Any]], float]  # of what a trial left


@runtime_checkable
class Tried(Protocol):
    """Settings of such a study."""

    @property
    def methods(self) -> Sequence[str]: ...
    @property
    def rates(self) -> Sequence[float]: ...


def pilots(config: Tried, under: Path = PILOT) -> Iterator[tuple[str, float, Path]]:
    """Method, rate and folder of each trial; of a single rate there is none."""
    for method in config.methods if len(config.rates) > 1 else ():
        for rate in config.rates:
            yield method, rate, under / f"{method}-{rate:g}"


def best_rates(config: Tried, out: Path, loss: Loss, under: Path = PILOT) -> dict[str, float] | None:
    """Method → its rate, the smaller of two that are as good; None while trials are missing."""
    if len(config.rates) == 1:
        return dict.fromkeys(config.methods, config.rates[0])
    best: dict[str, tuple[float, float]] = {}
    for method, rate, place in pilots(config, under):
        if (result := read_result(out / place)) is None:
            return None
        best[method] = min(best.get(method, (float("inf"), rate)), (loss(result), rate))
    return {method: rate for method, (_, rate) in best.items()}

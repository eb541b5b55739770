"""A made-up study by frequency: two sizes, one method, and forms that were chosen on two of six seeds."""

from typing import Any

from expunge.config import FrequencyStudyConfig
from expunge.studies.frequency.outcomes import Cell
from made_up_frequency import alone, arm, cell, point

CONFIG = FrequencyStudyConfig(
    methods=("npo",), sizes=("1M", "3M"), seeds=6, further_seeds=2, forms=("leave", "strength"), rates=(1e-3,), steps=10
)
M_AND_D = {  # of both tests
    "1M": {"likely": (0.1, 0.2), "choice": (0.3, 0.4)},
    "3M": {"likely": (0.15, 0.5), "choice": (0.2, 0.35)},
}


def reached(low: float, high: float, kept: float = 1.0, beside: float = 1.0, size: str = "1M") -> dict[str, Any]:
    told = {test: {"M": M, "D": D, "said": 0.5, "test": 0.5 + M, "n": 30.0, "rho": 0.25}
            for test, (M, D) in M_AND_D[size].items()}  # fmt: skip
    return arm(point(0, 1.0, 1.0), {**point(10, low, high, kept, beside), "apart": {"question": told}})


def made(seed: int, size: str = "1M", *, full: bool = False) -> dict[str, Any]:
    """Frequent facts stay; "leave" is the better form on the seeds that choose, "strength" on the others, which run it
    in the full study only. In the 3M the utility floor breaks."""
    small = 0.01 * (seed % 3)
    first = seed < CONFIG.selecting
    uniform = reached(0.1 + small, 0.6 + small, kept=1.0 if size == "1M" else 0.9, size=size)
    if size != "1M":
        return cell({"uniform": uniform}, seed=seed, size=size)
    arms = {
        "uniform": uniform,
        "rarest alone": alone("low", 1.0, 0.2, 0.0),
        "most frequent alone": alone("high", 1.0, 0.7 + small, 0.5),
        "leave": {**reached(0.1, 0.2 if first else 0.3 + 2 * small), "note": "step 7: astray." if seed == 1 else ""},
    }
    if first or full:
        arms["strength"] = reached(0.1, 0.4 if first else 0.1, 0.96, 0.5)
    return cell(arms, seed=seed, size=size)


def unknown(several: list[Cell], form: str, bucket: str, start: float) -> list[Cell]:
    """The same cells; before unlearning the bucket has this level in all arms."""
    for one in several:
        for each in one.result["arms"].values():
            own = each["points"][0]["measures"][form]
            if bucket in own:
                own[bucket] = {"level": start, "log": -2.0, "left": 1.0, "said": 1.0, "known": 10.0}
    return several

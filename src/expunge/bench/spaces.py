"""What is searched for each method, and the settings that are tried: the same budget and the same points for all.

An objective's learning rate, its retain weight and its first option that is a positive number are searched, all on a
logarithmic scale; of an option from a quarter of its default to four times that. `SPACES` says otherwise where that
makes no sense. Settings are quasi-random (Sobol, scrambled by the seed): each method gets the same points of its unit
cube, and no trial waits for another. From the eleventh on a tree-structured Parzen estimator goes by those before it.
Both samplers are Optuna's (arXiv:1907.10902).
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from expunge.config import SearchConfig, parse_name
from expunge.edit import editors
from expunge.errors import MissingExtraError
from expunge.objectives import objectives
from expunge.procedures import procedures

STARTUP = 10  # trials that go by no other
SPREAD = 4.0  # of an option around its default
OPTION = "option "  # before an option's name among the searched settings
AXES = ("learning_rate", "retain_weight")
DIMENSIONS = 5  # of the cube that settings are drawn from: AXES and up to three options
Bounds = tuple[float, float]

SPACES: Mapping[str, Mapping[str, Bounds]] = {  # options of methods that the rule does not suit
    "rmu": {"c": (6.5, 200.0), "layer": (0.25, 0.6)},  # in units of hidden states, whose norms differ by model
    "adaptive_rmu": {"beta": (2.5, 20.0), "layer": (0.25, 0.6)},
    "rome": {"layer": (0.15, 0.6), "clamp": (0.75, 8.0)},
    "memit": {"last": (0.25, 0.75), "inserted": (0.5, 0.98)},
    "emmet": {"last": (0.25, 0.75), "clamp": (0.75, 8.0)},
    "alphaedit": {"last": (0.25, 0.75), "energy": (0.005, 0.5)},
    "grace": {"layer": (0.5, 0.95), "share": (0.2, 0.9)},
    "wise": {"layer": (0.5, 0.95), "margin": (0.25, 2.0)},
    "redirect": {"first": (0.1, 0.5), "ridge": (5.0, 500.0), "gain": (0.5, 2.0)},
}
# part of the method; others take the recipe's
RETAIN_LOSSES = {"rmu": "hidden", "adaptive_rmu": "hidden", "mlp_regression": "mlp_regression"}
STEEPER = {"rmu": 3.0, "adaptive_rmu": 3.0}  # factor of the range of rates: they train three matrices, not all
OWN_WEIGHT = ("pdu",)  # methods that set the retain weight themselves


@dataclass(frozen=True)
class Space:
    """What is searched of one method, and what goes with it unsearched."""

    bounds: Mapping[str, Bounds]  # "learning_rate", "retain_weight", "option beta"
    fixed: Mapping[str, Any] = field(default_factory=dict)  # settings of `TrainConfig`


def space_of(method: str, search: SearchConfig) -> Space:
    """The search space of NAME:key=value; options that are given are not searched."""
    name, given = parse_name(method)
    if name in editors:
        editor = editors.get(name)
        return Space(_options(editor.name, editor.options, given), {"method": name, "options": given})
    if name in procedures:
        fixed = {"method": name, "options": given}
        return Space({"learning_rate": search.learning_rate, "retain_weight": search.retain_weight}, fixed)
    objective = objectives.get(name)
    fixed: dict[str, Any] = {"method": name, "options": given}
    if loss := RETAIN_LOSSES.get(objective.name):
        fixed["retain_loss"] = loss
    low, high = search.learning_rate
    factor = STEEPER.get(objective.name, 1.0)
    bounds = {"learning_rate": (low * factor, high * factor)}
    if objective.name not in OWN_WEIGHT:
        bounds["retain_weight"] = search.retain_weight
    return Space({**bounds, **_options(objective.name, objective.options, given)}, fixed)


def _options(name: str, options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Bounds]:
    found: Mapping[str, Bounds] = SPACES.get(name, {})
    if name not in SPACES:
        usual = {key: p.default for key, p in options.items() if isinstance(p.default, float) and p.default > 0}
        found = {key: (value / SPREAD, value * SPREAD) for key, value in [*usual.items()][:1]}
    return {f"{OPTION}{key}": bounds for key, bounds in found.items() if key not in given}


def settings_of(space: Space, values: Mapping[str, float]) -> dict[str, Any]:
    """Values of searched settings as settings of `TrainConfig`."""
    found = {name: value for name, value in values.items() if not name.startswith(OPTION)}
    options = {name.removeprefix(OPTION): value for name, value in values.items() if name.startswith(OPTION)}
    return {**space.fixed, **found, "options": {**space.fixed["options"], **options}}


def trial(space: Space, seed: int, past: Sequence[tuple[Mapping[str, float], float]], number: int) -> dict[str, float]:
    """The values that trial `number` tries. `past`: values and loss (lower is better) of earlier trials, which only
    trials from the eleventh on go by. The same arguments give the same values. Rounded to three digits.
    """
    optuna = _optuna()
    if number < STARTUP:
        point = _quasi_random(optuna, seed, number)
        places = [AXES.index(name) if name in AXES else -1 for name in space.bounds]
        options = iter(range(len(AXES), DIMENSIONS))
        shares = [point[next(options) if place < 0 else place] for place in places]
        values = [low * (high / low) ** share for (low, high), share in zip(space.bounds.values(), shares)]
        return {key: _rounded(value, *space.bounds[key]) for key, value in zip(space.bounds, values)}
    ranges = {key: optuna.distributions.FloatDistribution(*ends, log=True) for key, ends in space.bounds.items()}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1000 * seed + number, n_startup_trials=0))
    for values, loss in past:
        study.add_trial(optuna.trial.create_trial(params=dict(values), distributions=ranges, value=loss))
    asked = study.ask(ranges).params
    return {key: _rounded(asked[key], *ends) for key, ends in space.bounds.items()}


def _quasi_random(optuna: Any, seed: int, number: int) -> list[float]:
    """A point of the unit cube; its axes are AXES and then the options, for every method alike."""
    ranges = {f"axis {i}": optuna.distributions.FloatDistribution(0, 1) for i in range(DIMENSIONS)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        study = optuna.create_study(sampler=sampler)
        first = optuna.trial.create_trial(params=dict.fromkeys(ranges, 0.5), distributions=ranges, value=0.0)
        study.add_trial(first)  # tells the sampler what is searched
        asked = [study.ask(ranges).params for _ in range(number + 1)]
    return [asked[-1][axis] for axis in ranges]


def check_extra() -> None:
    """Raises MissingExtraError without Optuna."""
    _optuna()


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("optuna", "search") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.3g}"), low), high)

"""What is run, in order: pilot runs for the learning rates, then every method, size and seed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.bench.jobs import Job
from expunge.config import ExtrapolateConfig, TrainConfig, UipeStudyConfig, settings
from expunge.errors import ConfigError
from expunge.models.finding import find, split_change
from expunge.runs.extrapolating import check_extrapolate
from expunge.runs.unlearn import check_method
from expunge.studies.people import WORLD, is_world
from expunge.studies.pilot import PILOT, best_rates, pilots
from expunge.studies.results import read_result
from expunge.worlds.finding import find_suite

_HERE = "expunge.studies.uipe"
READ = (0.0, 0.5, 1.0, 2.0)  # α that the tables show
METHODS: Mapping[str, Mapping[str, Any]] = {  # the paper's names → ours
    "gradient_ascent": {"method": "gradient_ascent", "retain_loss": None},
    "grad_diff": {"method": "gradient_ascent", "retain_loss": "nll"},
    "kl_min": {"method": "gradient_ascent", "retain_loss": "kl"},
    "npo": {"method": "npo", "retain_loss": "nll"},
    "simnpo": {"method": "simnpo", "retain_loss": "nll"},
}


def check(config: UipeStudyConfig) -> UipeStudyConfig:
    """Raises for names that there are not, before anything is run. Only the world comes in sizes."""
    if unknown := [name for name in config.methods if name not in METHODS]:
        raise ConfigError(f"`methods`: the study has no {unknown[0]!r}. Known: {', '.join(METHODS)}")
    if not is_world(config.suite):
        if config.base is None:
            raise ConfigError(f"name a `base`: the model that knows what is to be forgotten of {config.suite}")
        config = config.model_copy(update={"sizes": config.sizes[:1], "motivating": False})
    elif config.base is not None:
        raise ConfigError(f"{WORLD} brings its own models, one a seed: leave `base` out")
    elif config.full and "8M" not in config.sizes:
        config = config.model_copy(update={"sizes": (*config.sizes, "8M")})
    find_suite(config.suite)
    if config.base is not None:
        find(split_change(config.base)[0])
    if missing := [alpha for alpha in (*READ, *config.fixed) if alpha not in config.alphas]:
        raise ConfigError(f"`alphas` must have {missing[0]:g}, which the report reads")
    for text in config.selectors:
        check_extrapolate(extrapolation(text), related=True)
    for method in config.methods:
        check_method(training(config, method, config.rates[0], 0))
    return config


def extrapolation(text: str) -> ExtrapolateConfig:
    """A selector as it stands in the settings, NAME:key=value."""
    return ExtrapolateConfig.model_validate(text)


def training(config: UipeStudyConfig, method: str, rate: float, seed: int) -> TrainConfig:
    """The settings of one unlearning."""
    every = max(1, config.steps // config.evaluations)
    return settings(TrainConfig, {
        **METHODS[method], "learning_rate": rate, "max_steps": config.steps, "batch_size": config.batch_size,
        "eval_every": every, "precision": config.precision, "utility_floor": config.utility_floor, "seed": seed,
    })  # fmt: skip


def chosen_rates(config: UipeStudyConfig, out: Path) -> dict[str, dict[str, float]]:
    """Size → method → the rate that came nearest to never-known with the floor held; none while trials are missing."""
    loss = lambda result: result["loss"]
    return {size: best_rates(config, out, loss, PILOT / slug(size)) or {} for size in config.sizes}


def seeds(config: UipeStudyConfig) -> range:
    return range(config.first_seed, config.first_seed + config.seeds)


def pilot_seed(config: UipeStudyConfig) -> int:
    """The one behind them, which no result has."""
    return config.first_seed + config.seeds


def cells(config: UipeStudyConfig) -> Iterator[tuple[str, str, int, Path]]:
    """Size, method, seed and folder of each unlearning."""
    for size in config.sizes:
        for seed in seeds(config):
            for method in config.methods:
                yield size, method, seed, Path("cells") / slug(size) / method / f"seed-{seed}"


def motivating(config: UipeStudyConfig) -> Iterator[tuple[int, Path]]:
    """Seed and folder of the motivating experiment, on the smallest model."""
    for seed in seeds(config) if config.motivating else ():
        yield seed, Path("motivating") / f"seed-{seed}"


def model_place(size: str, kind: str, seed: int) -> Path:
    """Where it is noted that a model is there; the model itself lies in the cache."""
    return Path("models") / slug(size) / f"{kind}-{seed}"


def jobs(config: UipeStudyConfig, out: Path) -> list[Job]:
    """All jobs; those that need chosen rates have none in their values until these are known."""
    plain, rates = config.model_dump(mode="json"), chosen_rates(config, out)

    def job(place: Path, label: str, run: str, **values: Any) -> Job:
        return Job("call", label, out / place, {"config": plain, **values}, config.threads, f"{_HERE}.{run}")

    def model(size: str, kind: str, seed: int) -> list[Job]:
        """Made by a job of its own, so that no two jobs wait for one model. Only the world's have to be made."""
        place, label = model_place(size, kind, seed), f"model {kind}, {size}, seed {seed}"
        return [] if config.base else [job(place, label, "scene:model", size=size, kind=kind, seed=seed)]

    found: list[Job] = []
    first = config.sizes[0]
    ascent = rates[first].get("gradient_ascent", next(iter(rates[first].values()), None))
    for size in config.sizes:
        tried = list(pilots(config, PILOT / slug(size)))
        found += model(size, "full", pilot_seed(config)) if tried else []
        found += [
            job(place, f"pilot {method}, {size}, rate {rate:g}", "unlearning:pilot", size=size, method=method,
                rate=rate, seed=pilot_seed(config))
            for method, rate, place in tried
        ]  # fmt: skip
    for size in config.sizes:
        for seed in seeds(config):
            found += model(size, "full", seed)
            found += [
                job(place, f"{method}, {size}, seed {seed}", "unlearning:cell", size=size, method=method, seed=seed,
                    rate=rates[size].get(method))
                for of, method, number, place in cells(config) if (of, number) == (size, seed)
            ]  # fmt: skip
        for seed, place in motivating(config) if size == first else ():
            found += model(first, "retrained", seed)
            found.append(job(place, f"with and without related facts, seed {seed}", "motivating:both", size=first,
                             seed=seed, rate=ascent))  # fmt: skip
    return found


def ready(job: Job, config: UipeStudyConfig, out: Path) -> bool:
    """Whether the rates are chosen and its model is made, where it needs them."""
    values = job.values
    if "kind" in values:
        return True
    kind = "retrained" if job.run.endswith(":both") else "full"
    made = config.base is not None or read_result(out / model_place(values["size"], kind, values["seed"])) is not None
    return made and values["rate"] is not None

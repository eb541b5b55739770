"""What is run, in order: models, pilot runs for the learning rates, then every method, size and seed."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.bench.jobs import Job
from expunge.config import FrequencyStudyConfig
from expunge.errors import ConfigError
from expunge.models.finding import find, split_change
from expunge.runs.unlearn import check_method
from expunge.studies.frequency.arms import FORMS, METHODS, UNIFORM, training
from expunge.studies.frequency.outcomes import Arm
from expunge.studies.people import WORLD, is_world
from expunge.studies.pilot import best_rates, pilots
from expunge.studies.results import read_result
from expunge.worlds.finding import find_suite

_HERE = "expunge.studies.frequency"


def check(config: FrequencyStudyConfig) -> FrequencyStudyConfig:
    """Raises for names that there are not, before anything is run. Only the world comes in sizes."""
    for name, known in (("methods", METHODS), ("forms", FORMS)):
        if unknown := [each for each in getattr(config, name) if each not in known]:
            near = get_close_matches(unknown[0], known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"`{name}`: the study has no {unknown[0]!r}.{hint} Known: {', '.join(known)}")
    if not is_world(config.suite):
        if config.base is None:
            raise ConfigError(f"name a `base`: the model that knows what is to be forgotten of {config.suite}")
        config = config.model_copy(update={"sizes": config.sizes[:1]})
    elif config.base is not None:
        raise ConfigError(f"{WORLD} brings its own models, one a seed: leave `base` out")
    suite = find_suite(config.suite)
    if not suite.sets.forget or not (suite.sets.twins or suite.sets.holdout):
        raise ConfigError(f"{config.suite}: the study needs a forget set, and twins or a holdout set")
    if config.base is not None:
        find(split_change(config.base)[0])
    for method in config.methods:
        check_method(training(config, method, config.rates[0], 0))
    return config


def chosen_rates(config: FrequencyStudyConfig, out: Path) -> dict[str, float] | None:
    """Method → the rate at which the uniform arm has the smallest residual with the floor held; None while trials are
    missing."""

    def residual(found: Mapping[str, Any]) -> float:
        start = found["arm"]["points"][0]["measures"]
        return Arm(UNIFORM, found["arm"], found["never"], start).residual(config.utility_floor)

    return best_rates(config, out, residual)


def seeds_of(config: FrequencyStudyConfig, size: str) -> range:
    """The first size has more; with `full` each has as many, since forms are chosen and tested in all."""
    whole = config.full or size == config.sizes[0]
    return range(config.seeds if whole else min(config.seeds, config.further_seeds))


def forms_of(config: FrequencyStudyConfig, size: str) -> list[str]:
    """The forms are run in the first size, with `full` in all."""
    return list(config.forms) if config.full or size == config.sizes[0] else []


def cells(config: FrequencyStudyConfig) -> Iterator[tuple[str, str, int, Path]]:
    """Size, method, seed and folder of each cell."""
    for size in config.sizes:
        for seed in seeds_of(config, size):
            for method in config.methods:
                yield size, method, seed, Path("cells") / slug(size) / method / f"seed-{seed}"


def model_place(size: str, seed: int) -> Path:
    """Where it is noted that a model is there; the model itself lies in the cache."""
    return Path("models") / slug(size) / f"full-{seed}"


def jobs(config: FrequencyStudyConfig, out: Path) -> list[Job]:
    """All jobs; those that need chosen rates have none in their values until these are known."""
    plain, rates = config.model_dump(mode="json"), chosen_rates(config, out) or {}

    def job(place: Path, label: str, run: str, **values: Any) -> Job:
        return Job("call", label, out / place, {"config": plain, **values}, config.threads, f"{_HERE}.{run}")

    def model(size: str, seed: int) -> list[Job]:
        """Made by a job of its own, so that no two jobs wait for one model. Only the world's have to be made."""
        label = f"model, {size}, seed {seed}"
        return [] if config.base else [job(model_place(size, seed), label, "scene:model", size=size, seed=seed)]

    found: list[Job] = []
    first = config.sizes[0]
    for method, rate, place in pilots(config):
        found += model(first, config.seeds) if not found else []
        found.append(job(place, f"pilot {method}, rate {rate:g}", "unlearning:pilot", size=first, method=method,
                         rate=rate, seed=config.seeds))  # fmt: skip
    made: set[tuple[str, int]] = set()
    for size, method, seed, place in cells(config):
        found += [] if (size, seed) in made else model(size, seed)
        made.add((size, seed))
        found.append(job(place, f"{method}, {size}, seed {seed}", "unlearning:cell", size=size, method=method,
                         seed=seed, rate=rates.get(method), forms=forms_of(config, size)))  # fmt: skip
    return found


def ready(job: Job, config: FrequencyStudyConfig, out: Path) -> bool:
    """Whether the rates are chosen and its model is made, where it needs them."""
    if job.run.endswith(":model"):
        return True
    values = job.values
    made = config.base is not None or read_result(out / model_place(values["size"], values["seed"])) is not None
    return made and values["rate"] is not None

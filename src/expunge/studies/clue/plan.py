"""What is run, in order: models, their circuits, pilot runs for the learning rates, then every objective and seed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.bench.jobs import Job
from expunge.config import ClueStudyConfig, TrainConfig, parse_name, settings
from expunge.errors import ConfigError, MissingExtraError
from expunge.localize.localizing import check_localizer
from expunge.runs.unlearn import check_method
from expunge.studies.clue.arms import arms, localizer, tuned
from expunge.studies.people import WORLD, is_world
from expunge.studies.running import read_result
from expunge.worlds.finding import find_suite

_HERE = "expunge.studies.clue"
FULL = ("heads", "matrices", "neurons")


def check(config: ClueStudyConfig) -> ClueStudyConfig:
    """Raises for names that there are not, and without the solver, before anything is run."""
    if not is_world(config.suite):
        raise ConfigError(f"{config.suite}: the study needs {WORLD}, a model a seed and twins, in whatever options")
    find_suite(config.suite)
    if config.first >= config.epochs:
        raise ConfigError(f"`first` is {config.first} of {config.epochs} epochs: stage 2 needs some, too")
    for name in config.localizers:
        which, _ = check_localizer(localizer(name, 0.1, 0))
        if which.name in ("random", "oracle"):
            raise ConfigError(f"`localizers`: {name!r} is no gradient's choice; random nodes are compared already")
    if twice := [arm for arm in arms(config) if arms(config).count(arm) > 1]:
        raise ConfigError(f"`localizers`: {twice[0]!r} stands there twice")
    for objective in config.objectives:
        check_method(training(config, objective, config.rates[0], 0))
    try:
        import pysat  # noqa: F401
    except ImportError:
        raise MissingExtraError("python-sat", "clue") from None
    return config.model_copy(update={"granularities": FULL}) if config.full else config


def training(config: ClueStudyConfig, objective: str, rate: float, seed: int) -> TrainConfig:
    """The settings of every stage but for its epochs; measured after each epoch."""
    method, options = parse_name(objective)
    return settings(TrainConfig, {
        "method": method, "options": options, "retain_loss": "nll", "learning_rate": rate, "epochs": config.epochs,
        "batch_size": config.batch_size, "weight_decay": config.weight_decay, "precision": config.precision,
        "utility_floor": config.utility_floor, "seed": seed,
    })  # fmt: skip


def model_place(seed: int) -> Path:
    """Where it is noted that a model is there; the model itself lies in the cache."""
    return Path("models") / f"seed-{seed}"


def circuits_place(granularity: str, seed: int) -> Path:
    return Path("circuits") / granularity / f"seed-{seed}"


def checks_place(granularity: str, seed: int) -> Path:
    """Of what is asked of the circuits themselves."""
    return Path("checks") / granularity / f"seed-{seed}"


def survey_place(seed: int) -> Path:
    return Path("survey") / f"seed-{seed}"


def pilots(config: ClueStudyConfig) -> Iterator[tuple[str, str, Path]]:
    """Objective, arm and folder of each trial of all rates, at the first granularity; none of a single rate."""
    for objective in config.objectives if len(config.rates) > 1 else ():
        for arm in tuned(config):
            yield objective, arm, Path("pilot") / slug(objective) / slug(arm)


def chosen_rates(config: ClueStudyConfig, out: Path) -> dict[str, dict[str, float]]:
    """Objective → arm → the rate that came nearest to never-known with the utility kept; whole objectives only.

    An arm that has nothing to train on the pilot seed has the first arm's rate.
    """
    if len(config.rates) == 1:
        return {objective: dict.fromkeys(tuned(config), config.rates[0]) for objective in config.objectives}
    best: dict[str, dict[str, float]] = {}
    for objective, arm, place in pilots(config):
        if (result := read_result(out / place)) is not None:
            losses = {rate: loss for rate, loss in zip(config.rates, result["losses"]) if loss is not None}
            of = best.setdefault(objective, {})
            of[arm] = (
                min(losses, key=lambda rate: losses[rate]) if losses else of.get(tuned(config)[0], config.rates[0])
            )
    return {objective: rates for objective, rates in best.items() if len(rates) == len(tuned(config))}


def cells(config: ClueStudyConfig) -> Iterator[tuple[str, str, int, Path]]:
    """Granularity, objective, seed and folder."""
    for granularity in config.granularities:
        for seed in range(config.seeds):
            for objective in config.objectives:
                yield granularity, objective, seed, Path("cells") / granularity / slug(objective) / f"seed-{seed}"


def jobs(config: ClueStudyConfig, out: Path) -> list[Job]:
    """All jobs; those that need chosen rates have none in their values until these are known."""
    plain, rates = config.model_dump(mode="json"), chosen_rates(config, out)

    def job(place: Path, label: str, run: str, **values: Any) -> Job:
        return Job("call", label, out / place, {"config": plain, **values}, config.threads, f"{_HERE}.{run}")

    def start(granularity: str, seed: int) -> Iterator[Job]:
        if granularity == config.granularities[0]:
            yield job(model_place(seed), f"model, seed {seed}", "scene:model", seed=seed)
        yield job(circuits_place(granularity, seed), f"circuits, {granularity}, seed {seed}", "nodes:circuits",
                  granularity=granularity, seed=seed)  # fmt: skip

    at = lambda granularity, seed: str(out / circuits_place(granularity, seed))
    first, tried = config.granularities[0], list(pilots(config))
    found = list(start(first, config.seeds)) if tried else []
    for objective, arm, place in tried:
        found.append(job(place, f"pilot {objective}, {arm}", "unlearning:pilot", objective=objective, arm=arm,
                         seed=config.seeds, circuits_folder=at(first, config.seeds)))  # fmt: skip
    for granularity in config.granularities:
        for seed in range(config.seeds):
            found += start(granularity, seed)
            values = {"granularity": granularity, "seed": seed, "circuits_folder": at(granularity, seed)}
            found.append(job(checks_place(granularity, seed), f"checks, {granularity}, seed {seed}",
                             "checking:checks", **values))  # fmt: skip
            found += [
                job(place, f"{objective}, {granularity}, seed {seed}", "unlearning:cell", objective=objective,
                    rates=rates.get(objective), **values)
                for grain, objective, number, place in cells(config) if (grain, number) == (granularity, seed)
            ]  # fmt: skip
    for seed in range(config.seeds):
        found.append(job(survey_place(seed), f"survey, seed {seed}", "checking:survey", seed=seed))
    return found


def ready(job: Job, config: ClueStudyConfig, out: Path) -> bool:
    """Whether its model is made, its circuits are there and its rates chosen, where it needs them."""
    values: Mapping[str, Any] = job.values
    if job.run.endswith(":model"):
        return True
    if read_result(out / model_place(values["seed"])) is None:
        return False
    waits = values.get("circuits_folder")
    circuits_there = waits is None or read_result(Path(waits)) is not None
    return circuits_there and values.get("rates", True) is not None

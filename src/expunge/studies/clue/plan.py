"""What is run, in order: models, their circuits, pilot runs for the learning rates, then every objective and seed.

All objectives are run with the first granularity, those after the first with fewer arms; the first of them is run with
the other granularities, too. `full` runs all with all.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.bench.jobs import Job
from expunge.config import ClueStudyConfig, TrainConfig, parse_name, settings
from expunge.errors import ConfigError, MissingExtraError
from expunge.localize.localizing import check_localizer
from expunge.models.finding import find, split_change
from expunge.runs.unlearn import check_method
from expunge.studies.clue.arms import CLUE, arms, circuits_for, conditions, localizer, tuned
from expunge.studies.people import WORLD, is_world
from expunge.studies.results import read_result
from expunge.worlds.finding import find_suite

_HERE = "expunge.studies.clue"
FULL = ("heads", "matrices", "neurons")


def check(config: ClueStudyConfig) -> ClueStudyConfig:
    """Raises for names that there are not, and without the solver, before anything is run."""
    _check_suite(config)
    if config.first >= config.epochs:
        raise ConfigError(f"`first` is {config.first} of {config.epochs} epochs: stage 2 needs some, too")
    for name in config.localizers:
        which, _ = check_localizer(localizer(name, 0.1, 0))
        if which.name in ("random", "oracle"):
            raise ConfigError(f"`localizers`: {name!r} is no gradient's choice; random nodes are compared already")
    if twice := [arm for arm in arms(config) if arms(config).count(arm) > 1]:
        raise ConfigError(f"`localizers`: {twice[0]!r} stands there twice")
    for key, names in (("arms", config.arms), ("others", config.others)):
        if unknown := [arm for arm in names if arm not in conditions(config)]:
            raise ConfigError(f"`{key}`: there is no {unknown[0]!r}. Known: {', '.join(conditions(config))}")
    for objective in config.objectives:
        check_method(training(config, objective, config.rates[0], 0))
    try:
        import pysat  # noqa: F401
    except ImportError:
        raise MissingExtraError("python-sat", "clue") from None
    return config.model_copy(update={"granularities": FULL}) if config.full else config


def _check_suite(config: ClueStudyConfig) -> None:
    """Questions to forget, what stays, what was never seen, and a model that knows them."""
    if is_world(config.suite):
        if config.base is not None:
            raise ConfigError(f"{WORLD} brings its own models, one a seed: leave `base` out")
    elif config.base is not None:
        find(split_change(config.base)[0])
    suite = find_suite(config.suite)
    if config.base is None and suite.model is None and not is_world(config.suite):
        raise ConfigError(f"name a `base`: the model that knows what is to be forgotten of {config.suite}")
    sets = suite.sets
    if not (sets.forget and sets.retain and (sets.twins or sets.holdout)) or not suite.utility:
        raise ConfigError(
            f"{config.suite}: the study needs a forget set, a retain set, twins or a holdout set, and sets that "
            "nothing is trained on"
        )
    if texts := [each.id for each in (*sets.forget, *sets.retain) if each.prompt is None]:
        raise ConfigError(f"{config.suite}: the study asks questions, and {texts[0]!r} is a text")


def training(config: ClueStudyConfig, objective: str, rate: float, seed: int) -> TrainConfig:
    """The settings of every stage but for its epochs; measured after each epoch."""
    method, options = parse_name(objective)
    return settings(TrainConfig, {
        "method": method, "options": options, "retain_loss": "nll", "learning_rate": rate, "epochs": config.epochs,
        "batch_size": config.batch_size, "weight_decay": config.weight_decay, "precision": config.precision,
        "utility_floor": config.utility_floor, "seed": seed,
    })  # fmt: skip


def model_place(seed: int) -> Path:
    """Where it is noted that a model is there, with what it was taught; the model itself lies in the cache."""
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
        for arm in tuned(config, objective):
            yield objective, arm, Path("pilot") / slug(objective) / slug(arm)


def chosen_rates(config: ClueStudyConfig, out: Path) -> dict[str, dict[str, float]]:
    """Objective → arm → the rate that came nearest to never-known with the utility kept; whole objectives only.

    An arm that has nothing to train on the pilot seed has the first arm's rate.
    """
    if len(config.rates) == 1:
        return {each: dict.fromkeys(tuned(config, each), config.rates[0]) for each in config.objectives}
    best: dict[str, dict[str, float]] = {}
    for (objective, arm), several in pilot_losses(config, out).items():
        losses = {rate: loss for rate, loss in zip(config.rates, several) if loss is not None}
        of = best.setdefault(objective, {})
        of[arm] = min(losses, key=lambda rate: losses[rate]) if losses else of.get(CLUE, config.rates[0])
    return {objective: rates for objective, rates in best.items() if len(rates) == len(tuned(config, objective))}


def pilot_losses(config: ClueStudyConfig, out: Path) -> dict[tuple[str, str], list[float | None]]:
    """(objective, arm) → the loss with each rate, of the trials that are done. None: the arm has nothing to train."""
    there = ((objective, arm, read_result(out / place)) for objective, arm, place in pilots(config))
    return {(objective, arm): result["losses"] for objective, arm, result in there if result is not None}


def cells(config: ClueStudyConfig) -> Iterator[tuple[str, str, int, Path]]:
    """Granularity, objective, seed and folder."""
    for granularity in config.granularities:
        every = config.full or granularity == config.granularities[0]
        for seed in range(config.seeds):
            for objective in config.objectives if every else config.objectives[:1]:
                yield granularity, objective, seed, Path("cells") / granularity / slug(objective) / f"seed-{seed}"


def ratios_place(seed: int) -> Path:
    """Of the shares of the forget set: with the first granularity and objective."""
    return Path("ratios") / f"seed-{seed}"


def jobs(config: ClueStudyConfig, out: Path) -> list[Job]:
    """All jobs; those that need chosen rates have none in their values until these are known."""
    return [*_Jobs(config, out)]


class _Jobs:
    """The jobs of one study, one kind a method."""

    def __init__(self, config: ClueStudyConfig, out: Path) -> None:
        self.config, self.out = config, out
        self.plain, self.rates = config.model_dump(mode="json"), chosen_rates(config, out)
        self.first = config.granularities[0]

    def __iter__(self) -> Iterator[Job]:
        seeds = range(self.config.seeds)
        yield from self.pilots()
        for granularity in self.config.granularities:
            for seed in seeds:
                yield from self.before(granularity, seed)
                yield from self.with_circuits(granularity, seed)
        if any(ratio < 1 for ratio in self.config.ratios):
            objective = self.config.objectives[0]
            for seed in seeds:
                yield self.job(ratios_place(seed), f"shares, seed {seed}", "ratios:ratios", seed, objective=objective,
                               granularity=self.first, rates=self.rates.get(objective))  # fmt: skip
        for seed in seeds if self.config.surveyed else ():
            yield self.job(survey_place(seed), f"survey, seed {seed}", "checking:survey", seed)

    def job(self, place: Path, label: str, run: str, seed: int, **values: Any) -> Job:
        """With the folder of what its model was taught."""
        model = str(self.out / model_place(seed)) if is_world(self.config.suite) and self.config.skill else None
        given = {"config": self.plain, "seed": seed, "taught": model, **values}
        return Job("call", label, self.out / place, given, self.config.threads, f"{_HERE}.{run}")

    def before(self, granularity: str, seed: int) -> Iterator[Job]:
        """Models are made by jobs of their own, so that no two jobs wait for one. Only the world's have to be made."""
        if granularity == self.first and is_world(self.config.suite):
            given = {"config": self.plain, "seed": seed}
            yield Job("call", f"model, seed {seed}", self.out / model_place(seed), given, self.config.threads,
                      f"{_HERE}.preparing:model")  # fmt: skip
        wanted = circuits_for(self.config)
        yield self.job(circuits_place(granularity, seed), f"circuits, {granularity}, seed {seed}", "nodes:circuits",
                       seed, granularity=granularity, wanted=wanted)  # fmt: skip

    def pilots(self) -> Iterator[Job]:
        """On a seed that nothing else has."""
        seed = self.config.seeds
        for number, (objective, arm, place) in enumerate(pilots(self.config)):
            yield from self.before(self.first, seed) if not number else ()
            yield self.job(place, f"pilot {objective}, {arm}", "unlearning:pilot", seed, objective=objective, arm=arm,
                           circuits_folder=self.circuits(self.first, seed))  # fmt: skip

    def with_circuits(self, granularity: str, seed: int) -> Iterator[Job]:
        """What is asked of the circuits, and every objective."""
        given = {"granularity": granularity, "circuits_folder": self.circuits(granularity, seed)}
        place = checks_place(granularity, seed)
        yield self.job(place, f"checks, {granularity}, seed {seed}", "checking:checks", seed, **given)
        for grain, objective, number, place in cells(self.config):
            if (grain, number) == (granularity, seed):
                yield self.job(place, f"{objective}, {granularity}, seed {seed}", "unlearning:cell", seed,
                               objective=objective, rates=self.rates.get(objective), **given)  # fmt: skip

    def circuits(self, granularity: str, seed: int) -> str:
        return str(self.out / circuits_place(granularity, seed))


def ready(job: Job, config: ClueStudyConfig, out: Path) -> bool:
    """Whether its model is made, its circuits are there and its rates chosen, where it needs them."""
    values: Mapping[str, Any] = job.values
    if job.run.endswith(":model"):
        return True
    if is_world(config.suite) and read_result(out / model_place(values["seed"])) is None:
        return False
    waits = values.get("circuits_folder")
    circuits_there = waits is None or read_result(Path(waits)) is not None
    return circuits_there and values.get("rates", True) is not None

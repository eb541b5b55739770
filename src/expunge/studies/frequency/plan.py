"""What is run, in order: models, pilot runs for the learning rates, then every method, size and seed.

In the first size the first seeds choose a form of each method, and the others run no other; `full` runs all forms, and
single buckets, in every size and on every seed.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from expunge.bench.cells import slug
from expunge.bench.jobs import Job
from expunge.config import FrequencyStudyConfig
from expunge.errors import ConfigError
from expunge.models.finding import find, split_change
from expunge.runs.unlearn import check_method
from expunge.studies.frequency.arms import FORMS, METHODS, training
from expunge.studies.frequency.choosing import forms_to_test
from expunge.studies.frequency.outcomes import Cell
from expunge.studies.frequency.rates import chosen_rates
from expunge.studies.people import WORLD, is_world, targeted
from expunge.studies.pilot import pilots
from expunge.studies.results import read_result
from expunge.worlds.finding import find_suite

_HERE = "expunge.studies.frequency"
FEWEST_RETAINED = 4  # groups, of which two are rehearsed, one chooses and one tests


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
    retained = {each.group or each.id for each in targeted(suite, config, 0).retain}
    if len(retained) < FEWEST_RETAINED:
        raise ConfigError(
            f"{config.suite}: the study rehearses half of the retained rows and judges by the rest, so it needs "
            f"{FEWEST_RETAINED} groups of them; there are {len(retained)}"
        )
    if config.base is not None:
        find(split_change(config.base)[0])
    for method in config.methods:
        check_method(training(config, method, config.rates[0], 0))
    return config


def seeds_of(config: FrequencyStudyConfig, size: str) -> range:
    """The first size has more; with `full` each has as many, since forms are chosen and tested in all."""
    whole = config.full or size == config.sizes[0]
    return range(config.seeds if whole else min(config.seeds, config.further_seeds))


def is_main(config: FrequencyStudyConfig, size: str) -> bool:
    """Forms and single buckets are run in the first size, with `full` in all."""
    return config.full or size == config.sizes[0]


def forms_of(config: FrequencyStudyConfig, out: Path, size: str, method: str) -> tuple[list[str], list[str] | None]:
    """What the seeds that choose run, and what the others do: only what was chosen; None while that is not known."""
    every = list(config.forms) if is_main(config, size) else []
    if config.full or not every:
        return every, every
    found = [read_result(out / cell_place(size, method, seed)) for seed in range(config.selecting)]
    known = [Cell(each) for each in found if each is not None]
    return every, forms_to_test(config, known) if len(known) == len(found) else None


def cell_place(size: str, method: str, seed: int) -> Path:
    return Path("cells") / slug(size) / method / f"seed-{seed}"


def cells(config: FrequencyStudyConfig) -> Iterator[tuple[str, str, int, Path]]:
    """Size, method, seed and folder of each cell."""
    for size in config.sizes:
        for seed in seeds_of(config, size):
            for method in config.methods:
                yield size, method, seed, cell_place(size, method, seed)


def model_place(size: str, seed: int) -> Path:
    """Where it is noted that a model is there; the model itself lies in the cache."""
    return Path("models") / slug(size) / f"full-{seed}"


def jobs(config: FrequencyStudyConfig, out: Path) -> list[Job]:
    """All jobs; those that need chosen rates or forms have none in their values until these are known."""
    return [*_Jobs(config, out)]


class _Jobs:
    """The jobs of one study, one kind a method."""

    def __init__(self, config: FrequencyStudyConfig, out: Path) -> None:
        self.config, self.out = config, out
        self.plain, self.rates = config.model_dump(mode="json"), chosen_rates(config, out) or {}
        pairs = [(size, method) for size in config.sizes for method in config.methods]
        self.forms = {pair: forms_of(config, out, *pair) for pair in pairs}

    def __iter__(self) -> Iterator[Job]:
        yield from self.pilots()
        made: set[tuple[str, int]] = set()
        for size, method, seed, place in cells(self.config):
            yield from () if (size, seed) in made else self.model(size, seed)
            made.add((size, seed))
            choosing, testing = self.forms[size, method]
            yield self.job(place, f"{method}, {size}, seed {seed}", "unlearning:cell", size=size, method=method,
                           seed=seed, rate=self.rates.get(method),
                           alone=self.config.alone and is_main(self.config, size),
                           forms=choosing if seed < self.config.selecting else testing)  # fmt: skip

    def job(self, place: Path, label: str, run: str, **values: Any) -> Job:
        given = {"config": self.plain, **values}
        return Job("call", label, self.out / place, given, self.config.threads, f"{_HERE}.{run}")

    def model(self, size: str, seed: int) -> Iterator[Job]:
        """Made by a job of its own, so that no two jobs wait for one model. Only the world's have to be made."""
        if self.config.base is None:
            label = f"model, {size}, seed {seed}"
            yield self.job(model_place(size, seed), label, "scene:model", size=size, seed=seed)

    def pilots(self) -> Iterator[Job]:
        """On a seed that nothing else has, in the first size."""
        size, seed = self.config.sizes[0], self.config.seeds
        for number, (method, rate, place) in enumerate(pilots(self.config)):
            yield from self.model(size, seed) if not number else ()
            yield self.job(place, f"pilot {method}, rate {rate:g}", "unlearning:pilot", size=size, method=method,
                           rate=rate, seed=seed)  # fmt: skip


def ready(job: Job, config: FrequencyStudyConfig, out: Path) -> bool:
    """Whether the rates and forms are chosen and its model is made, where it needs them."""
    if job.run.endswith(":model"):
        return True
    values = job.values
    made = config.base is not None or read_result(out / model_place(values["size"], values["seed"])) is not None
    return made and values["rate"] is not None and values.get("forms", ()) is not None

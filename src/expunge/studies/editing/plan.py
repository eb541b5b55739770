"""What is run, in order: models, settings tried on a pilot seed, controls, and every cell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expunge.attacks import attacks
from expunge.bench.cells import slug
from expunge.bench.jobs import Job
from expunge.config import EditingStudyConfig, parse_name
from expunge.edit import editors
from expunge.errors import ConfigError
from expunge.models.finding import find, split_change
from expunge.runs.unlearn import check_method
from expunge.studies.editing.arms import Cell, cells, is_editor, methods, middle
from expunge.studies.editing.editing import ALTERNATES, METHODS, OWN, place_of, train_settings
from expunge.studies.people import is_world
from expunge.studies.running import read_result
from expunge.worlds.finding import PREFIX, find_suite

_HERE = "expunge.studies.editing"
CORPUS = Path("corpus")


def check(config: EditingStudyConfig) -> EditingStudyConfig:
    """Raises for names that there are not, before anything is run."""
    if not is_world(config.suite):
        if "finetuned" in config.knowledge:
            raise ConfigError("`knowledge`: only world:people has models to be taught; leave `finetuned` out")
        if config.base is not None:
            find(split_change(config.base)[0])
        elif not config.suite.startswith(PREFIX):
            raise ConfigError(f"name a `base`: the model that knows the facts of {config.suite}")
    elif config.base is not None:
        raise ConfigError(f"{config.suite} brings its own models, one a seed: leave `base` out")
    suite = find_suite(config.suite)
    known = {*METHODS}
    for name in ("editors", "merged", "chains", "requested"):
        for method in getattr(config, name):
            editors.get(parse_name(method)[0])
    for method in (*config.objectives, config.against, *config.kinds_of):
        if not is_editor(method) and method not in known:
            raise ConfigError(f"`objectives`: the study has no {method!r}. Known: {', '.join(METHODS)}")
    if config.against not in config.objectives:
        raise ConfigError(f"`against` is {config.against!r}, which is not among `objectives`")
    kinds = {*ALTERNATES, "empty"} if is_world(config.suite) else {*OWN}
    if unknown := [kind for kind in config.kinds if kind not in kinds]:
        raise ConfigError(f"`kinds`: there is no target {unknown[0]!r}. Known: {', '.join(sorted(kinds))}")
    for text in config.attacks:
        attacks.get(parse_name(text)[0])
    if is_world(config.suite):
        _check_numbers(config, len(suite.sets.forget) // 4)
    for method in methods(config):
        check_method(train_settings(config, method, None, 0))
    for method in config.merged:
        check_method(train_settings(config, method, None, 0, merge_queries=config.merge))
    if beside := [method for method in config.chains if editors.get(parse_name(method)[0]).attaches]:
        raise ConfigError(f"`chains`: {beside[0]!r} changes no weights, so nothing can go on from there")
    return config


def _check_numbers(config: EditingStudyConfig, there: int) -> None:
    most = max(*config.numbers, config.singles if 1 in config.numbers else 0)
    if most > there:
        raise ConfigError(f"`numbers` (or `singles`): {most} facts are to be edited, and {config.suite} has {there}")


def candidates(config: EditingStudyConfig, method: str) -> tuple[float, ...]:
    """What is tried on the pilot seed; nothing where an editor's own block is taken."""
    if not is_editor(method):
        return config.rates
    return config.places if place_of(method) else ()


def pilot_place(method: str) -> Path:
    return Path("pilot") / slug(method)


def chosen_settings(config: EditingStudyConfig, out: Path) -> dict[str, float | None] | None:
    """Method → block or rate; None while trials are missing."""
    found: dict[str, float | None] = {}
    for method in methods(config):
        several = candidates(config, method)
        if len(several) < 2:
            found[method] = several[0] if several else None
        elif (result := read_result(out / pilot_place(method))) is None:
            return None
        else:
            found[method] = result["chosen"]
    return found


def model_place(kind: str, seed: int) -> Path:
    """Where it is noted that a model is there; the world's own lie in the cache."""
    return Path("models") / f"{kind}-{seed}"


def control_place(knowledge: str, seed: int) -> Path:
    return Path("controls") / knowledge / f"seed-{seed}"


def jobs(config: EditingStudyConfig, out: Path) -> list[Job]:
    """All jobs; those that need chosen settings have none in their values until these are known."""
    chosen, own = chosen_settings(config, out), is_world(config.suite)
    plain = config.model_dump(mode="json")
    corpus = str(out / CORPUS / "corpus.jsonl") if own and config.corpus is None else config.corpus

    def job(place: Path, label: str, run: str, **values: Any) -> Job:
        return Job("call", label, out / place, {"config": plain, **values}, config.threads, f"{_HERE}.{run}")

    def models(seed: int, knowledge: Sequence[str]) -> list[Job]:
        if not own:
            return []
        kinds = [k for k in ("full", "retrained") if k == "retrained" or "pretrained" in knowledge]
        found = [
            job(model_place(k, seed), f"model {k}, seed {seed}", "preparing:model", kind=k, seed=seed) for k in kinds
        ]
        if "finetuned" in knowledge:
            found.append(job(model_place("taught", seed), f"model taught, seed {seed}", "preparing:teach", seed=seed))
        return found

    def taught(knowledge: str, seed: int) -> str | None:
        return str(out / model_place("taught", seed)) if knowledge == "finetuned" else None

    found = [job(CORPUS, "corpus", "preparing:corpus")] if own and config.corpus is None else []
    tried = [method for method in methods(config) if len(candidates(config, method)) > 1]
    first, pilot_seed = config.knowledge[0], config.seeds
    if tried:
        found += models(pilot_seed, (first,))
    for method in tried:
        found.append(job(
            pilot_place(method), f"pilot {method}", "preparing:pilot", knowledge=first, seed=pilot_seed, method=method,
            count=middle(config), candidates=candidates(config, method), corpus=corpus,
            taught=taught(first, pilot_seed),
        ))  # fmt: skip
    for seed in range(config.seeds):
        found += models(seed, config.knowledge)
        found += [
            job(control_place(k, seed), f"control, {k}, seed {seed}", "working:control", knowledge=k, seed=seed,
                taught=taught(k, seed))
            for k in config.knowledge
        ]  # fmt: skip
        for each in cells(config):
            if each.seed == seed:
                found.append(_cell_job(job, each, chosen, corpus, taught(each.knowledge, seed)))
    return found


def _cell_job(job: Any, cell: Cell, chosen: dict[str, float | None] | None, corpus: str | None, taught: Any) -> Job:
    return job(
        cell.place, cell.label, "working:cell", knowledge=cell.knowledge, seed=cell.seed, part=cell.part,
        count=cell.count, chosen=chosen, corpus=corpus, taught=taught,
    )  # fmt: skip


def ready(job: Job, config: EditingStudyConfig, out: Path) -> bool:
    """Whether what it needs is made: the corpus, its models, chosen settings."""
    run, values = job.run.partition(":")[2], job.values
    if run in ("model", "corpus"):
        return True
    there = lambda place: read_result(out / place) is not None
    if not is_world(config.suite):
        return run != "cell" or values["chosen"] is not None
    seed = values["seed"]
    if run == "teach":
        return there(model_place("retrained", seed))
    needs = [model_place("taught" if values["knowledge"] == "finetuned" else "full", seed)]
    needs += [model_place("retrained", seed)] if run == "control" else []
    needs += [CORPUS] if run in ("pilot", "cell") and config.corpus is None else []
    return all(map(there, needs)) and (run != "cell" or values["chosen"] is not None)

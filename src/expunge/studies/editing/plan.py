"""What is run, in order: models, settings tried on a pilot seed, controls, and every cell."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expunge.attacks import attacks
from expunge.bench.jobs import Job
from expunge.config import EditingStudyConfig, parse_name
from expunge.data.example import Sets
from expunge.edit import editors
from expunge.errors import ConfigError
from expunge.models.finding import find, split_change
from expunge.runs.editing import check_sets
from expunge.runs.unlearn import check_method
from expunge.studies import done
from expunge.studies.editing.arms import Cell, cells, is_editor, methods, middle, most
from expunge.studies.editing.editing import METHODS, train_settings
from expunge.studies.editing.targets import kinds_there
from expunge.studies.editing.trials import candidates, chosen_settings, pilot_place
from expunge.studies.people import is_world, targeted
from expunge.studies.results import read_result
from expunge.worlds.finding import PREFIX, find_suite

_HERE = "expunge.studies.editing"
CORPUS = Path("corpus")
MAKING = ("corpus", "model", "teach")  # jobs that have no results of their own


def check(config: EditingStudyConfig) -> EditingStudyConfig:
    """Raises for names that there are not, and for sets that are too small, before anything is run."""
    _check_models(config)
    _check_names(config)
    sets = targeted(find_suite(config.suite), config, 0)
    if (needed := most(config)) > len(sets.forget):
        raise ConfigError(
            f"`numbers` (or `singles`): {needed} facts are to be edited, and {config.suite} has {len(sets.forget)}"
        )
    if not sets.retain:
        raise ConfigError(f"{config.suite} retains nothing: what an edit spares could not be told")
    _check_methods(config, sets)
    return config


def _check_models(config: EditingStudyConfig) -> None:
    if is_world(config.suite):
        if config.base is not None or config.retrained is not None:
            raise ConfigError(f"{config.suite} brings its own models, one a seed: leave `base` and `retrained` out")
        return
    if len(config.knowledge) > 1:
        raise ConfigError("`knowledge`: only world:people has models to be taught; say which of the two a base has")
    if config.base is None and not config.suite.startswith(PREFIX):
        raise ConfigError(f"name a `base`: the model that knows the facts of {config.suite}")
    for name in filter(None, (config.base, config.retrained)):
        find(split_change(name)[0])


def _check_names(config: EditingStudyConfig) -> None:
    for name in ("editors", "merged", "chains", "requested"):
        for method in getattr(config, name):
            editors.get(parse_name(method)[0])
    for method in (*config.objectives, config.against, *config.kinds_of):
        if not is_editor(method) and method not in METHODS:
            raise ConfigError(f"`objectives`: the study has no {method!r}. Known: {', '.join(METHODS)}")
    if config.against not in config.objectives:
        raise ConfigError(f"`against` is {config.against!r}, which is not among `objectives`")
    kinds = kinds_there(config)
    if unknown := [kind for kind in config.kinds if kind not in kinds]:
        raise ConfigError(f"`kinds`: there is no target {unknown[0]!r}. Known: {', '.join(sorted(kinds))}")
    for text in config.attacks:
        attacks.get(parse_name(text)[0])
    if beside := [method for method in config.chains if editors.get(parse_name(method)[0]).attaches]:
        raise ConfigError(f"`chains`: {beside[0]!r} changes no weights, so nothing can go on from there")


def _check_methods(config: EditingStudyConfig, sets: Sets) -> None:
    """Each with the settings and on the sets that it will have; a corpus that the study makes is not there yet."""
    given = {} if config.corpus is None else {"corpus": config.corpus}
    for method in methods(config):
        check_method(train_settings(config, method, None, 0, **given))
        check_sets(train_settings(config, method, None, 0, **{"corpus": str(CORPUS), **given}), sets)
    for method in config.merged:
        check_method(train_settings(config, method, None, 0, merge_queries=config.merge))


def model_place(kind: str, seed: int) -> Path:
    """Where it is noted that a model is there; the world's own lie in the cache."""
    return Path("models") / f"{kind}-{seed}"


def control_place(knowledge: str, seed: int) -> Path:
    return Path("controls") / knowledge / f"seed-{seed}"


def jobs(config: EditingStudyConfig, out: Path) -> list[Job]:
    """All jobs but those that nothing waits for; those that need chosen settings have none until these are known."""
    chosen, own = chosen_settings(config, out), is_world(config.suite)
    plain = config.model_dump(mode="json")
    corpus = str(out / CORPUS / "corpus.jsonl") if config.corpus is None else config.corpus

    def job(place: Path, label: str, run: str, **values: Any) -> Job:
        return Job("call", label, out / place, {"config": plain, **values}, config.threads, f"{_HERE}.{run}")

    def models(seed: int, knowledge: Sequence[str], *, never: bool = True) -> list[Job]:
        """`never`: the one that never knew is measured, too."""
        if not own:
            return []
        kinds = ["full"] if "pretrained" in knowledge else []
        kinds += ["retrained"] if never or "finetuned" in knowledge else []
        found = [
            job(model_place(k, seed), f"model {k}, seed {seed}", "preparing:model", kind=k, seed=seed) for k in kinds
        ]
        if "finetuned" in knowledge:
            found.append(job(model_place("taught", seed), f"model taught, seed {seed}", "preparing:teach", seed=seed))
        return found

    def taught(knowledge: str, seed: int) -> str | None:
        return str(out / model_place("taught", seed)) if own and knowledge == "finetuned" else None

    found = [job(CORPUS, "corpus", "preparing:corpus")] if config.corpus is None else []
    tried = [method for method in methods(config) if len(candidates(config, method)) > 1]
    first, pilot_seed = config.knowledge[0], config.seeds
    if tried:
        found += models(pilot_seed, (first,), never=False)
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
    return _awaited(found, config, out)


def _awaited(several: Sequence[Job], config: EditingStudyConfig, out: Path) -> list[Job]:
    """Without models and corpus that are missing, but that only jobs need which are done: results came without them."""
    found: list[Job] = []
    awaited: set[Path] = set()
    for job in reversed(several):  # what others need stands before them
        if done(job):
            found.append(job)
        elif run_of(job) not in MAKING or job.folder in awaited:
            found.append(job)
            awaited |= {out / place for place in needs(job, config)}
    return found[::-1]


def _cell_job(job: Any, cell: Cell, chosen: dict[str, float | None] | None, corpus: str | None, taught: Any) -> Job:
    return job(
        cell.place, cell.label, "working:cell", knowledge=cell.knowledge, seed=cell.seed, part=cell.part,
        count=cell.count, chosen=chosen, corpus=corpus, taught=taught,
    )  # fmt: skip


def ready(job: Job, config: EditingStudyConfig, out: Path) -> bool:
    """Whether what it needs is made: the corpus, its models, chosen settings."""
    there = all(read_result(out / place) is not None for place in needs(job, config))
    return there and (run_of(job) != "cell" or job.values["chosen"] is not None)


def needs(job: Job, config: EditingStudyConfig) -> list[Path]:
    """Jobs that must be done before it, by their places: the corpus, its models."""
    run, values = run_of(job), job.values
    found = [CORPUS] if run in ("pilot", "cell") and config.corpus is None else []
    if not is_world(config.suite) or run in ("model", "corpus"):
        return found
    if run == "teach":
        return [model_place("retrained", values["seed"])]
    found.append(model_place("taught" if values["knowledge"] == "finetuned" else "full", values["seed"]))
    return found + ([model_place("retrained", values["seed"])] if run == "control" else [])


def run_of(job: Job) -> str:
    """The function that it is."""
    return job.run.partition(":")[2]

"""What is run, in order: targets, pilot runs for the learning rates, then every arm with every seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from expunge.bench.jobs import Job
from expunge.bench.spaces import RETAIN_LOSSES
from expunge.config import LocalizationStudyConfig, LocalizeConfig, TrainConfig, parse_name, settings
from expunge.errors import ConfigError
from expunge.localize.localizing import check_localizer
from expunge.models.finding import find, split_change
from expunge.runs.unlearn import check_method
from expunge.studies.localization.arms import ALL, Arm, Target, arms, targets
from expunge.studies.people import is_world
from expunge.studies.results import read_result
from expunge.suites import suites

Kind = Literal["region", "whole"]
_HERE = "expunge.studies.localization"


def check(config: LocalizationStudyConfig) -> LocalizationStudyConfig:
    """Raises for names that there are not, before anything is run."""
    from expunge.worlds.finding import find_suite

    if config.base is None and not is_world(config.suite) and config.suite.partition(":")[0] in suites:
        raise ConfigError(f"{config.suite} has no models that were trained without its forget set: name a `base`")
    find_suite(config.suite)
    for name in config.localizers:
        localizer, _ = check_localizer(LocalizeConfig(localizer=name, granularity=config.granularity))
        if localizer.name in ("random", "oracle"):
            raise ConfigError(f"`localizers`: {name!r} is in every comparison already: leave it out")
    if config.base is not None:
        find(split_change(config.base)[0])
        if "A" in config.parts or config.full:
            raise ConfigError(
                f"a base model ({config.base}) is taught the retain set only, so there is no target of part A, and "
                "nothing of `full`: set `parts: [B]`"
            )
    for arm in arms(config):
        check_method(training(config, arm.objective, config.rates[0], 0, named=True))
    return config


def training(
    config: LocalizationStudyConfig, objective: str, rate: float, seed: int, *, named: bool = False
) -> TrainConfig:
    """The settings of one unlearning: the same for every region. `named`: with a name for the retrained model."""
    method, options = parse_name(objective)
    values: dict[str, Any] = {
        "method": method, "options": options, "retain_loss": RETAIN_LOSSES.get(method, "nll"),
        "learning_rate": rate, "max_steps": config.steps, "batch_size": config.batch_size,
        "eval_every": max(1, config.steps // config.evaluations), "weight_decay": config.weight_decay,
        "precision": config.precision, "seed": seed,
    }  # fmt: skip
    if named and method == "mlp_regression":
        values["retrained"] = f"{config.suite}@retrained"
    return settings(TrainConfig, values)


@dataclass(frozen=True)
class Pilot:
    """One trial of a learning rate, on a seed that no arm has."""

    objective: str
    kind: Kind
    rate: float

    def place(self, out: Path) -> Path:
        return out / "pilot" / f"{self.objective.replace(':', '-')}-{self.kind}-{self.rate:g}"


def pilots(config: LocalizationStudyConfig) -> Iterator[Pilot]:
    """The trials; of a single rate there is none."""
    for objective, kind in _tuned(config):
        rates = _rates(config, kind)
        yield from (Pilot(objective, kind, rate) for rate in rates if len(rates) > 1)


def _tuned(config: LocalizationStudyConfig) -> Iterator[tuple[str, Kind]]:
    """What has a learning rate of its own."""
    whole = {arm.objective for arm in arms(config) if ALL in arm.regions}
    for objective in dict.fromkeys(arm.objective for arm in arms(config)):
        yield objective, "region"
        if objective in whole:
            yield objective, "whole"


def _rates(config: LocalizationStudyConfig, kind: Kind) -> tuple[float, ...]:
    return config.rates if kind == "region" else config.whole_rates


def pilot_target(config: LocalizationStudyConfig, kind: Kind) -> Target:
    """Regions are tried on a planted target where there is one, all weights on a trained one."""
    plain = [t for t in targets(config) if t.plain(config)]
    wanted = "planted" if kind == "region" else "trained"
    return next((t for t in plain if t.kind == wanted), plain[0])


def chosen_rates(config: LocalizationStudyConfig, out: Path) -> dict[tuple[str, Kind], float] | None:
    """Objective and kind → the rate with the largest AUES on the pilot seed; None while trials are missing.

    A trial that diverged is chosen only where all did.
    """
    single: dict[tuple[str, Kind], float] = {
        (name, kind): _rates(config, kind)[0] for name, kind in _tuned(config) if len(_rates(config, kind)) == 1
    }
    best: dict[tuple[str, Kind], tuple[tuple[bool, float], float]] = {}
    for pilot in pilots(config):
        result = read_result(pilot.place(out))
        if result is None:
            return None
        key: tuple[str, Kind] = (pilot.objective, pilot.kind)
        score = (not result.get("note"), result["aues"])
        if key not in best or score > best[key][0]:
            best[key] = (score, pilot.rate)
    return {**single, **{key: rate for key, (_, rate) in best.items()}}


def jobs(config: LocalizationStudyConfig, out: Path) -> list[Job]:
    """All jobs; those that need chosen rates have none in their values until these are known."""
    plain = config.model_dump(mode="json")
    rates = chosen_rates(config, out) or {}
    found = []
    for target, seed in _needed(config):
        values = {"config": plain, "target": asdict(target), "seed": seed}
        found.append(
            _job(config, target.place(out, seed), f"target {target.label}, seed {seed}", "target:make", values)
        )
    for pilot in pilots(config):
        target = pilot_target(config, pilot.kind)
        values = {
            "config": plain, "target": asdict(target), "seed": config.seeds, "objective": pilot.objective,
            "rate": pilot.rate, "region": "random 0" if pilot.kind == "region" else ALL,
            "target_folder": str(target.place(out, config.seeds)),
        }  # fmt: skip
        label = f"pilot {pilot.objective}, {pilot.kind}, rate {pilot.rate:g}"
        found.append(_job(config, pilot.place(out), label, "unlearning:pilot", values))
    for target, seed in ((target, seed) for target in recalled(config) for seed in range(config.seeds)):
        values = {
            "config": plain, "target": asdict(target), "seed": seed, "target_folder": str(target.place(out, seed)),
        }  # fmt: skip
        label = f"recall of {target.granularity}, seed {seed}"
        found.append(_job(config, recall_place(out, target, seed), label, "recalling:recall", values))
    for arm in arms(config):
        found += [_arm_job(config, out, arm, seed, rates, plain) for seed in range(config.seeds)]
    return found


def recalled(config: LocalizationStudyConfig) -> list[Target]:
    """The planted targets in which localizers look for what was planted; heads, too, which some score alone."""
    planted = [t for t in targets(config) if t.kind == "planted"]
    plain = [t for t in planted if t.plain(config)]
    return plain + [t for t in planted if t.granularity == "heads" and t not in plain]


def recall_place(out: Path, target: Target, seed: int) -> Path:
    """Where it lies how much of V_tgt each localizer found."""
    return out / "recall" / target.granularity / f"seed-{seed}"


def ready(job: Job, config: LocalizationStudyConfig, out: Path) -> bool:
    """Whether its target is there and, for an arm, the rates are chosen."""
    if job.run.endswith(":make"):
        return True
    return (Path(job.values["target_folder"]) / "result.json").exists() and job.values.get("rate", True) is not None


def _arm_job(
    config: LocalizationStudyConfig, out: Path, arm: Arm, seed: int, rates: Mapping[tuple[str, Kind], float], plain: Any
) -> Job:
    values = {
        "config": plain, "arm": arm.as_json(), "seed": seed, "rate": rates.get((arm.objective, "region")),
        "whole_rate": rates.get((arm.objective, "whole")), "target_folder": str(arm.target.place(out, seed)),
    }  # fmt: skip
    return _job(config, arm.place(out, seed), f"{arm.label}, seed {seed}", "unlearning:regions", values)


def _job(config: LocalizationStudyConfig, folder: Path, label: str, run: str, values: Mapping[str, Any]) -> Job:
    return Job("call", label, folder, values, config.threads, f"{_HERE}.{run}")


def _needed(config: LocalizationStudyConfig) -> Sequence[tuple[Target, int]]:
    """Every target with every seed, and those of the pilot with the seed after.

    Kind by kind: targets of one seed start from the same models, and the second would wait for the first to train them.
    """
    tried = {pilot_target(config, pilot.kind) for pilot in pilots(config)}
    seeds = range(config.seeds)
    return [(t, seed) for t in targets(config) for seed in ((config.seeds, *seeds) if t in tried else seeds)]

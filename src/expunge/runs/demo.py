"""The run behind `expunge demo`: real facts out of a real model, two methods side by side.

SmolLM2-135M-Instruct is asked for capitals, cities' countries and elements' symbols; what it answers right is what it
knows. 15 of the capitals are to go. Of its other facts one half stays by training, the other half is only for the test
and nothing chooses by it. What a model that never knew would say is measured on countries that do not exist.
"""

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from expunge.config import ConventionConfig, EvaluateConfig, TrainConfig, UnlearnConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.evaluate.generated_contains import generated_contains
from expunge.evaluate.measure import Evaluation
from expunge.evaluate.observations import reworded
from expunge.evaluate.store import Kept, Question, Shelf
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.provenance import peak_memory, platform_facts, versions
from expunge.record import Outcome, Record
from expunge.record_file import save_record
from expunge.runs.folder import CHECKPOINTS, check, claim
from expunge.runs.measuring import as_json, kept_by, measure_sets, model_info, readings
from expunge.runs.phases import Phases
from expunge.runs.sets import Measured
from expunge.runs.unlearn import Bench, unlearn_once
from expunge.worlds.capitals import facts, twins

FORGET = 15
SAID = "generated_contains"
NEIGHBOUR_WEIGHT = 5.0  # of retained capitals, which lie nearest to what goes, against the other facts
CONVENTION = ConventionConfig(template="plain")
EVALUATE = EvaluateConfig(metrics=("probability", SAID), max_new_tokens=6)
METHODS: dict[str, TrainConfig] = {
    "redirect": TrainConfig(method="redirect"),
    "npo": TrainConfig(
        method="npo", retain_loss="nll", retain_weight=1.0, learning_rate=2e-5, max_steps=12, batch_size=FORGET,
        retain_batch_size=36, parameters=("*.mlp.down_proj.weight",), stop="never-known", eval_every=3, early_stop=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Split:
    """Who is what in the demo."""

    forget: list[Example]
    retain: list[Example]  # capitals and other facts
    test: list[Example]
    unknown: list[Example]  # facts that the model does not know: nothing to lose, but they hold the rest in place


def run_demo(
    out: Path,
    *,
    fast: bool = False,
    seed: int = 0,
    arguments: Sequence[str] = (),
    overwrite: bool = False,
    phases: Phases | None = None,
) -> Record:
    """Forget, measure, report. `fast` runs the first method only and asks fewer other facts."""
    phases = phases or Phases()
    config = UnlearnConfig(
        model="smollm2", forget="built-in", convention=CONVENTION, evaluate=EVALUATE, include_text=True
    )
    methods = dict(list(METHODS.items())[: 1 if fast else None])
    configuration = {
        **config.model_dump(exclude={"train"}), "fast": fast, "seed": seed,
        "methods": {name: settings.model_dump() for name, settings in methods.items()},
    }  # fmt: skip
    check(out, configuration, resume=None, overwrite=overwrite)
    with phases.phase("loading the model"):
        model = load_model("smollm2", say=phases.say)
    claim(out, configuration, resume=None, overwrite=overwrite)
    save_record(Record(command="demo", configuration=configuration), out)  # so that a killed demo can be overwritten
    encoder = Encoder(model.tokenizer, CONVENTION, model.layout.places)
    info = model_info(model)
    kept = kept_by(EVALUATE, phases, include_text=True).of(info.digest)
    split = _split(_known(model, encoder, _asked(fast), phases, kept), seed)
    measured = _measured(split)
    sets = Sets(
        forget=tuple(split.forget), retain=tuple(split.retain), holdout=tuple(split.unknown),
        twins=tuple(twins(split.forget)),
    )  # fmt: skip
    before = measure_sets(model, measured, encoder, EVALUATE, phases, "measuring before", kept)
    bench = Bench(model, sets, encoder, measured, before, kept)
    record = Record(
        command="demo", arguments=tuple(arguments), configuration=configuration, versions=versions(),
        platform=platform_facts(str(model.device)), seeds={"choice of facts": seed}, model=info,
        sets={name: each.info(include_text=True) for name, each in measured.items()}, before=as_json(before),
        max_new_tokens=before.max_new_tokens, generations=before.generations, include_text=True,
        glossary=readings(EVALUATE.metrics),
    )  # fmt: skip
    outcomes: dict[str, Outcome] = {}
    for name, settings in methods.items():
        outcome, _, after = unlearn_once(bench, config, settings, out / name, phases, name=name)
        shutil.rmtree(out / name / CHECKPOINTS, ignore_errors=True)
        change = outcome.change.model_copy(update={"file": f"{name}/{outcome.change.file}"}) if outcome.change else None
        outcomes[name] = outcome.model_copy(update={"headline": _headline(measured, before, after), "change": change})
    record = record.updated(status="done", methods=outcomes, seconds=phases.seconds, peak_memory=peak_memory())
    save_record(record, out)
    return record


def _asked(fast: bool) -> list[Example]:
    every = facts("capital", "element", "city")
    return every[:-50] if fast else every


def _known(
    model: Model, encoder: Encoder, asked: list[Example], phases: Phases, kept: Kept
) -> dict[str, list[Example]]:
    """What the model answers right and what not, asked with the first wording."""
    with phases.phase("asking what it knows", len(asked)) as tick:
        question = Question.of(model, asked, encoder, EVALUATE)
        seen = Shelf(kept, question).observe({"generations"}, tick)
    right = generated_contains(seen.generations, seen.answers).per_example
    return {
        "known": [example for example, hit in zip(asked, right) if hit],
        "unknown": [example for example, hit in zip(asked, right) if not hit],
    }


def _split(found: Mapping[str, list[Example]], seed: int) -> Split:
    """A seeded choice: what to forget, and each other kind cut in two."""
    draw = random.Random(seed)
    kinds: dict[str, list[Example]] = {}
    for example in found["known"]:
        kinds.setdefault(_kind(example), []).append(example)
    for examples in kinds.values():
        draw.shuffle(examples)
    capitals = kinds.pop("capital")
    forget, kinds["capital"] = capitals[:FORGET], capitals[FORGET:]
    retain, test = [], []
    for kind, examples in kinds.items():
        half = len(examples) // 2
        weight = NEIGHBOUR_WEIGHT if kind == "capital" else 1.0
        retain += [replace(example, weight=weight) for example in examples[:half]]
        test += examples[half:]
    return Split(forget, retain, test, found["unknown"])


def _kind(example: Example) -> str:
    return example.id.partition(":")[0]


def _measured(split: Split) -> dict[str, Measured]:
    """The sets of the report, the most telling first."""
    capitals = [example for example in split.test if _kind(example) == "capital"]
    others = [example for example in split.test if _kind(example) != "capital"]
    subjects = {example.subject for example in split.forget}
    same = [example for example in facts("continent") if example.subject in subjects]
    retained = [example for example in split.retain if _kind(example) == "capital"]
    found = {"forget": Measured(split.forget, "forget", "capitals to forget", note="the wording that was trained on")}
    for number in range(len(split.forget[0].paraphrases)):
        found[f"forget, wording {number + 2}"] = Measured(
            reworded(split.forget, number), "forget", f"capitals to forget, wording {number + 2}",
            note="never trained on",
        )  # fmt: skip
    found["other kinds"] = Measured(others, "test", "cities and elements")
    found["other capitals"] = Measured(capitals, "test", "other capitals", note="the hard part")
    found["same countries"] = Measured(
        same, "test", "continents of the forgotten countries", note="asks what else went with them"
    )
    found["retained capitals"] = Measured(retained, "retain", "other capitals, trained to stay")
    return found


def _headline(measured: Mapping[str, Measured], before: Evaluation, after: Evaluation) -> tuple[str, ...]:
    """Forgotten, kept, cost, in plain words."""

    def count(evaluation: Evaluation, name: str) -> int:
        return round(sum(evaluation[name][SAID].per_example))

    def kept(name: str) -> str:
        pairs = zip(before[name][SAID].per_example, after[name][SAID].per_example)
        held = [now for was, now in pairs if was]
        return f"{round(sum(held))} of {len(held)} ({sum(held) / max(1, len(held)):.0%})"

    names = [name for name in measured if measured[name].role == "forget"]
    others = ", ".join(f"{count(before, name)} → {count(after, name)}" for name in names[1:])
    return (
        f"Of {FORGET} capitals that the model said, it says {count(after, names[0])} now; in wordings it was never "
        f"trained on: {others}.",
        "Of cities' countries and elements' symbols that were never trained on it still answers "
        f"{kept('other kinds')}.",
        f"The hard part: of other countries' capitals that were never trained on it still answers "
        f"{kept('other capitals')}; of what it knew of the forgotten countries' continents, {kept('same countries')}.",
    )

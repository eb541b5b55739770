"""Making a change: an edit or a training on some facts, towards a target, one after the other where there are several.

Within `applied` the model is changed; then it has the bits that it had.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from expunge.change import WeightChange
from expunge.change.attachment import Attachment
from expunge.config import EditingStudyConfig, TrainConfig, parse_name, settings
from expunge.data.example import Example
from expunge.edit import editors
from expunge.errors import DivergedError
from expunge.runs import tracing
from expunge.runs.editing import STATE, changed
from expunge.studies.editing.arms import Arm, is_editor
from expunge.studies.editing.scene import Scene
from expunge.studies.editing.targets import told
from expunge.train.unlearn import train

METHODS: Mapping[str, Mapping[str, Any]] = {  # what stands beside the editors → its settings
    "gradient_ascent": {"method": "gradient_ascent", "retain_loss": None},
    "grad_diff": {"method": "gradient_ascent", "retain_loss": "nll"},
    "kl_min": {"method": "gradient_ascent", "retain_loss": "kl"},
    "npo": {"method": "npo", "retain_loss": "nll"},
    "idk": {"method": "idk", "retain_loss": "nll"},
    "dpo": {"method": "dpo", "retain_loss": "nll"},
}
Chosen = Mapping[str, float | None]  # method → its block or its learning rate; None: its own


@dataclass
class Made:
    """What was done."""

    seconds: float = 0.0  # of the processor
    norm: float | None = None  # of the last weight change
    attached: list[Attachment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def train_settings(
    config: EditingStudyConfig, method: str, chosen: float | None, seed: int, **options: Any
) -> TrainConfig:
    """The settings of one edit or one training; `options` are what all editors of facts have."""
    if not is_editor(method):
        every = max(1, config.steps // config.evaluations)
        return settings(TrainConfig, {
            **METHODS[method], "learning_rate": chosen or config.rates[0], "max_steps": config.steps,
            "batch_size": config.batch_size, "eval_every": every, "precision": config.precision,
            "utility_floor": config.utility_floor, "seed": seed, "eval_rows": config.eval_rows,
        })  # fmt: skip
    name, own = parse_name(method)
    place = {} if chosen is None else {place_of(method): chosen}
    shared = {"keep": 0, **options} if editors.get(name).facts else {}  # no retain set, as in the papers
    fits = set(config.fitting) <= set(editors.get(name).options)
    fitting = config.fitting if fits else {}
    return settings(TrainConfig, {"method": name, "options": {**shared, **fitting, **place, **own}, "seed": seed})


def place_of(method: str) -> str | None:
    """The option by which an editor's block is set, unless the method sets it itself."""
    name, own = parse_name(method)
    found = tracing.place_of(editors.get(name))
    return None if found in own else found


@contextmanager
def applied(
    scene: Scene,
    config: EditingStudyConfig,
    arm: Arm,
    facts: Sequence[Example],
    chosen: Chosen,
    corpus: str | None,
    after: Callable[[int], object] = lambda number: None,
) -> Iterator[Made]:
    """The arm's changes are in place; `after` is called when each of several is."""
    made = Made()
    asked, target = told(scene, facts, arm.kind)
    shared = {"target": target, "corpus": corpus, "corpus_tokens": config.corpus_tokens}
    shared |= {"merge_queries": config.merge, "merge_by": arm.merge} if arm.merge else {}
    shared = {name: value for name, value in shared.items() if value is not None}
    parts = shares(asked, arm.requests)
    steps = [(arm.method, part) for part in parts] + ([(arm.then, asked)] if arm.then else [])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        memory = stack.enter_context(ExitStack())  # the side memory, which a later one goes on from and replaces
        earlier: dict[str, Any] = {}
        for number, (method, some) in enumerate(steps):
            goes_on = "earlier" in options_of(method)
            values = train_settings(
                config, method, chosen.get(method), scene.seed, **shared, **(earlier if goes_on else {})
            )
            place = folder / f"{number}"
            place.mkdir()
            if goes_on:
                memory.close()
            change = _changed(scene, values, some, place, made)
            if arm.alpha and isinstance(change, WeightChange):
                change = change.scaled(1 + arm.alpha)
            if isinstance(change, WeightChange):
                made.norm = change.norm()
                stack.enter_context(change.applied_to(scene.model))
                state = place / STATE
            else:
                memory.enter_context(change.applied_to(scene.model))
                made.attached = [change]
                state = place / "memory.safetensors"
                change.save(state)
            earlier = {"earlier": str(state)} if state.exists() else {}
            after(number)
        yield made


def shares(facts: Sequence[Example], count: int) -> list[list[Example]]:
    """The facts in so many requests, as equal as can be, in their order.

    >>> [len(each) for each in shares([Example(str(i), "", "") for i in range(10)], 4)]
    [2, 3, 2, 3]
    """
    ends = [i * len(facts) // count for i in range(count + 1)]
    return [list(facts[a:b]) for a, b in itertools.pairwise(ends)]


def options_of(method: str) -> Sequence[str]:
    """Own options of an editor; none of an objective."""
    return tuple(editors.get(parse_name(method)[0]).options) if is_editor(method) else ()


def _changed(scene: Scene, values: TrainConfig, facts: Sequence[Example], folder: Path, made: Made) -> Any:
    """The change that leads on from the model as it is now."""
    began = time.process_time()
    sets = scene.of(facts)
    if values.method in editors:
        change, notes = changed(scene.model, sets, values, scene.closing, folder)
        made.notes += notes
    else:
        try:
            change = train(scene.model, sets, values, convention=scene.suite.convention).change
        except DivergedError as error:
            change = error.trained.change
            made.notes.append(str(error))
    made.seconds += time.process_time() - began
    return change

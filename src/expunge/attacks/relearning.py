"""Relearning: fine-tune the model on something, ask it about something else, put it back to the bits it had.

The budget is the attack's strength, so it is part of every finding's note. The learning rate is a number over the
model's width, since a step of Adam moves every weight by about the rate, and weights are the smaller the wider a model
is; 0.04 / width is OpenUnlearning's 2e-5 at its width of 2,048.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from expunge.attacks import Finding, Target
from expunge.attacks.after import measured, probabilities
from expunge.config import FinetuneConfig
from expunge.data.example import Example
from expunge.errors import DivergedError
from expunge.models.model import Model
from expunge.train.finetune import fit
from expunge.train.trained import Trained

FULL = 0.04  # learning rate times width
LORA = 0.4


@dataclass(frozen=True)
class Budget:
    """How much the attacker trains."""

    rate: float | None = None  # None: by the model's width
    epochs: int = 5
    lora: int | None = None  # rank; None: all weights
    steps: int = 0  # in place of the epochs

    def config(self, target: Target) -> FinetuneConfig:
        """The settings of the training."""
        usual = (LORA if self.lora else FULL) / target.model.layout.width
        return FinetuneConfig(
            learning_rate=self.rate or usual, epochs=None if self.steps else self.epochs, max_steps=self.steps or None,
            lora=self.lora, seed=target.seed, precision="bfloat16" if target.bf16 else "float32",
        )  # fmt: skip


def relearnt(
    target: Target, taught: Sequence[Example], budget: Budget, *, rows: Sequence[int] | None = None
) -> list[Finding]:
    """What the model knows of the examples `rows` (None: all) after it was trained on `taught`.

    The curve of "probability" is steps → mean score. A training that goes astray gives what its last good state knows,
    and says so.
    """
    config = budget.config(target)
    tested = target.examples if rows is None else [target.examples[i] for i in rows]

    def level(model: Model) -> float:
        return _mean(probabilities(replace(target, model=model), tested))

    astray = ""
    try:
        trained = fit(target.model, taught, config, level, convention=target.encoder.convention)
    except DivergedError as error:
        trained, astray = error.trained, f"; the training went astray: measured after step {error.trained.kept.step}"
    with trained.change.applied_to(target.model):
        found = measured(target, rows=rows)
        note = _note(config, trained, len(taught), _mean(probabilities(target, taught))) + astray
    curve = tuple((float(point.step), point.forget) for point in trained.points)
    return [replace(each, note=note, curve=curve if each.part == "probability" else ()) for each in found]


def _note(config: FinetuneConfig, trained: Trained, taught: int, level: float) -> str:
    what = f"LoRA of rank {config.lora}" if config.lora else "all weights"
    epochs = f"{config.epochs} epochs, " if config.epochs else ""
    return (
        f"trained on {taught} examples, {epochs}{trained.steps} steps at rate {config.learning_rate:.2g}, {what}; the "
        f"trained ones are then at probability {level:.2f}"
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""Fine-tuning: likelihood of answers (of whole documents), by the loop that unlearns.

    L(θ) = E[ -log π_θ(y_t | x, y_<t) ],   the mean over the answer tokens of an optimizer step

It makes what unlearning is tested on: models that know a set, and models that were trained without it.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from expunge.change import WeightChange
from expunge.change.bits import type_name
from expunge.config import ConventionConfig, FinetuneConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError, DivergedError
from expunge.mask import Mask, check_weights
from expunge.models.attaching import identity_of
from expunge.models.model import Model
from expunge.models.outline import Outline
from expunge.objectives import retain_losses
from expunge.objectives.binding import bind
from expunge.parameters import parameters_of
from expunge.train import lora
from expunge.train.checkpoint import Checkpoints
from expunge.train.fitness import check_dtype, ties_told
from expunge.train.loop import Loop, Progress, Stream
from expunge.train.measure import items_of
from expunge.train.optimizer import Optimizer
from expunge.train.plan import Plan
from expunge.train.selection import Point
from expunge.train.trainable import trainable
from expunge.train.trained import Trained, change_of, restore

DEFAULT_EPOCHS = 5


@dataclass(frozen=True)
class Last:
    """The rule of fine-tuning: the last point is kept, and training ends once the level is reached."""

    until: float | None

    def best(self, points: Sequence[Point]) -> int:
        return len(points) - 1

    def met(self, point: Point, start: Point) -> bool:
        del start
        return self.until is not None and point.forget >= self.until

    def why(self, point: Point) -> str:
        """One sentence for the report."""
        if self.until is None:
            return "the last step"
        return f"the level of {self.until:g} was {'reached' if point.forget >= self.until else 'not reached'}"


def region_of(model: Model | Outline, config: FinetuneConfig, mask: Mask | None) -> Mask | None:
    """What may change: the mask, or the parameters that the settings name; None for everything.

    Raises ConfigError or ChangeError when the mask is another network's, a pattern matches nothing, or adapters cannot
    change just that.
    """
    if mask is None and config.parameters:
        mask = Mask.parameters(model.network, config.parameters)
    if mask is not None:
        mask.check_shapes({name: weight.shape for name, weight in parameters_of(model).items()})
        check_weights(mask)
    if config.lora:
        lora.targets(model, mask)
    return mask


def fit(
    model: Model,
    examples: Sequence[Example],
    config: FinetuneConfig,
    level: Callable[[Model], float],
    *,
    convention: ConventionConfig | None = None,
    mask: Mask | None = None,
    folder: Path | None = None,
    resume: bool = False,
    tick: Callable[[Progress, int], object] = lambda *_: None,
) -> Trained[WeightChange]:
    """Train, take the difference as a change, and put the model back to the bits it had.

    `level` measures how well the model knows what it is taught: at the start and at every point (`Point.forget`);
    `config.until` compares with it. `folder` keeps checkpoints, so that a killed run can `resume`; without it they
    go to a temporary folder. `tick` is called after every step with the progress and the number of steps.

    Raises ConfigError before anything is trained when settings, examples and model do not fit together, and
    DivergedError, whose `trained` is the result up to the last point, when the training goes astray.
    """
    if not examples:
        raise ConfigError("there is nothing to train on: the set is empty")
    check_dtype(type_name(model.network.dtype))
    accelerator = Accelerator(cpu=model.device.type == "cpu")
    items = items_of(examples, Encoder(model.tokenizer, convention, model.layout.places), alternates=False)
    mask = region_of(model, config, mask)
    plan = Plan(len(items), 0, config.batch_size, 0, config.seed)
    steps = config.max_steps or (config.epochs or DEFAULT_EPOCHS) * plan.steps_per_epoch
    rule = Last(config.until)
    with ExitStack() as stack:
        checkpoints = Checkpoints(
            folder or Path(stack.enter_context(tempfile.TemporaryDirectory())),
            writes=folder is None or accelerator.is_main_process,
        )
        identity = identity_of(model)  # before adapters hang on it
        wrapped = stack.enter_context(lora.adapted(model, config.lora, config.seed, mask)) if config.lora else None
        parameters = stack.enter_context(trainable(model, mask, wrapped, config.gradient_checkpointing))
        within = lora.region(wrapped, mask) if wrapped else mask
        notes = (*(lora.left_out(wrapped, mask) if wrapped else ()), *ties_told(parameters.values(), config))
        checkpoints.save_start(parameters, model=identity, resume=resume)
        accelerator.wait_for_everyone()
        loop = Loop(
            model, parameters, Stream(items, bind(retain_losses.get("nll"), {}), 1.0), None,
            Optimizer(parameters, within, config, steps), plan, config, steps=steps,
            eval_every=config.eval_every or plan.steps_per_epoch, wrappers=(), rule=rule,
            watch=lambda _: {"forget": level(model), "utility": None}, checkpoints=checkpoints,
            accelerator=accelerator, tick=lambda progress: tick(progress, steps),
        )  # fmt: skip
        diverged: DivergedError | None = None
        try:
            try:
                loop.run(resume=resume)
            except DivergedError as error:
                diverged = error
            change = change_of(model, wrapped, checkpoints, mask)
        finally:
            restore(parameters, checkpoints)
    points = loop.progress.points
    kept = next(point for point in points if point.step == loop.progress.best)
    trained = Trained(
        change=change, points=tuple(points), kept=kept, why=rule.why(kept), floor_held=True, never_known=None,
        steps=loop.progress.step, notes=notes,
    )  # fmt: skip
    if diverged is not None:
        diverged.trained = trained
        raise diverged
    return trained

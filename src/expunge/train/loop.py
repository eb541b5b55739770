"""The training loop: one for every objective, mask, adapter and wrapper.

A step draws forget and retain examples by the plan, runs each stream in micro-batches of a token budget, and takes
the gradient of Σwℓ/Σw over the whole step, so micro-batches and devices do not change a result. The two streams are
two backward passes, never one graph. Only the model that is trained is in memory: the reference is cached.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from expunge.config import FitConfig
from expunge.data.forest import pack
from expunge.errors import DivergedError, NotANumberError
from expunge.models.model import Model
from expunge.objectives.binding import Bound
from expunge.train.checkpoint import Checkpoints
from expunge.train.leaving import Leaving, Turn
from expunge.train.measure import Item, measure
from expunge.train.optimizer import Optimizer
from expunge.train.plan import Plan
from expunge.train.reference import Reference
from expunge.train.resting import REST_NEEDS, above, awake
from expunge.train.selection import KeepRule, Point
from expunge.train.wrappers import Gradient, Wrapper

Watch = Callable[[int], Mapping[str, float | None]]
PATIENCE = 3  # steps worse than chance before a run counts as diverged


@dataclass(frozen=True)
class Stream:
    """One of the two losses: what is drawn, what is measured, what is done with it."""

    items: Sequence[Item]
    loss: Bound
    weight: float
    layer: int | None = None  # the block whose output is measured as `hidden`
    constants: Mapping[str, Tensor] = field(default_factory=dict)  # made by the objective's `prepare`
    reference: Reference | None = None  # the starting model
    retrained: Reference | None = None
    levels: Tensor | None = None  # never-known mean log-probability per answer token; an example there rests

    @property
    def unit(self) -> str:
        return self.loss.objective.unit

    def total(self, items: Sequence[Item]) -> float:
        """Σw over the examples, or over the answer tokens that enter the average."""
        if self.unit == "example":
            return sum(item.weight for item in items)
        return sum(item.weight * self._counted(item) for item in items)

    def _counted(self, item: Item) -> int:
        answer = torch.tensor(item.answer.ids[item.answer.start :])
        counted = self.loss.counted({"answer_tokens": answer, "token_index": torch.arange(len(answer))})
        return len(answer) if counted is None else int(counted.sum())


@dataclass
class Progress:
    """The loop's state beside weights and moments; all of it is in a checkpoint."""

    step: int = 0
    seconds: float = 0.0
    best: int = 0  # step of the kept point
    points: list[Point] = field(default_factory=list)
    dual: dict[str, float] = field(default_factory=dict)  # an objective's own state (PDU's multiplier)
    worse: int = 0  # steps in a row that were worse than chance
    ceiling: float = 0.0  # the retain loss above which a step is: guessing, or twice the first step's
    sums: dict[str, float] = field(default_factory=dict)  # since the last point
    away: list[int] = field(default_factory=list)  # forget examples that left the batch
    turns: list[Turn] = field(default_factory=list)  # when they left and came back

    def as_json(self) -> dict[str, Any]:
        points, turns = [point.as_json() for point in self.points], [asdict(turn) for turn in self.turns]
        return {**vars(self), "points": points, "turns": turns}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Progress":
        turns = [Turn(turn["step"], tuple(turn["left"]), tuple(turn["returned"])) for turn in state["turns"]]
        return cls(**{**state, "points": [Point(**point) for point in state["points"]], "turns": turns})


class Loop:
    """Trains `parameters` of a model in place. `run` leaves the kept weights in it, also when it diverges."""

    def __init__(
        self,
        model: Model,
        parameters: Mapping[str, nn.Parameter],
        forget: Stream,
        retain: Stream | None,
        optimizer: Optimizer,
        plan: Plan,
        config: FitConfig,
        *,
        steps: int,
        eval_every: int,
        wrappers: Sequence[Wrapper],
        rule: KeepRule,
        watch: Watch,
        checkpoints: Checkpoints,
        accelerator: Accelerator,
        tick: Callable[[Progress], object],
        leaving: Leaving | None = None,
        phases: bool = False,
    ) -> None:
        """`leaving`: who is not drawn; `phases`: the weights at each of the plan's ends are kept."""
        self.model, self.parameters, self.optimizer = model, dict(parameters), optimizer
        self.forget, self.retain = forget, retain
        self.plan, self.config, self.steps, self.eval_every = plan, config, steps, eval_every
        self.wrappers, self.rule, self.watch = wrappers, rule, watch
        self.checkpoints, self.accelerator, self.tick = checkpoints, accelerator, tick
        self.leaving, self.phases = leaving, phases
        self.progress = Progress(dual=forget.loss.state())
        self._saved = time.monotonic()

    def run(self, *, resume: bool) -> Progress:
        """Train to the end (or to the early stop) and load the kept weights."""
        if not (resume and self._resume()):
            self._evaluate()
            self._look()
        self.accelerator.wait_for_everyone()  # the one that writes must not go on while others still read
        started = time.monotonic() - self.progress.seconds
        while self.progress.step < self.steps and not self._met():
            self._step()
            self.progress.seconds = time.monotonic() - started
            if self.progress.step % self.eval_every == 0 or self.progress.step in (self.steps, *self.plan.ends):
                self._evaluate()
            self._look()
            self._checkpoint()
            self.tick(self.progress)
        self._load_best()
        return self.progress

    # --- one optimizer step ---------------------------------------------------------------------------------

    def _step(self) -> None:
        number = self.progress.step
        drawn = {"forget": [self.forget.items[i] for i in self.plan.forget_at(number)]}
        if self.retain is not None:
            drawn["retain"] = [self.retain.items[i] for i in self.plan.retain_at(number)]
        losses: dict[str, float] = {}
        gradient = self._gradient(drawn, losses)
        self._check(losses)
        norm = self.optimizer.step(gradient, number, self.plan.rate_at(number))
        if not math.isfinite(norm):
            self._diverged(f"the gradient's norm is {norm}")
        if self.progress.dual and self.retain is not None:
            self.progress.dual = self.forget.loss.step(self.progress.dual, losses["retain"])
        for name, value in losses.items():
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + value
        self.progress.sums["steps"] = self.progress.sums.get("steps", 0.0) + 1
        self.progress.step += 1

    def _gradient(self, drawn: dict[str, list[Item]], losses: dict[str, float]) -> Gradient:
        """Both streams' gradients, through the wrappers, summed over the processes."""
        combiner = next((wrapper for wrapper in self.wrappers if wrapper.combines), Wrapper())
        apart = combiner.combines or self.accelerator.num_processes > 1
        going = self._awake(drawn["forget"])

        def forget() -> Gradient:
            return self._collect(lambda: self._backward(self.forget, "forget", drawn["forget"], losses, going))

        compute = forget
        for wrapper in self.wrappers:
            compute = _wrapped(wrapper, compute, self.parameters)
        forget_gradient = compute()
        if self.retain is None:
            return forget_gradient
        retain, items = self.retain, drawn["retain"]
        if not apart:  # the retain pass adds onto the forget gradient: one buffer
            for name, value in forget_gradient.items():
                self.parameters[name].grad = value
            return self._collect(lambda: self._backward(retain, "retain", items, losses), keep=True)
        return combiner.combine(forget_gradient, self._collect(lambda: self._backward(retain, "retain", items, losses)))

    def _collect(self, backward: Callable[[], None], *, keep: bool = False) -> Gradient:
        """Run a backward pass and take the gradients off the parameters."""
        if not keep:
            for parameter in self.parameters.values():
                parameter.grad = None
        with torch.enable_grad():
            backward()
        taken: Gradient = {}
        for name, parameter in self.parameters.items():
            taken[name] = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            parameter.grad = None
        if self.accelerator.num_processes > 1:
            taken = {name: self._summed(value) for name, value in taken.items()}
        if self.wrappers and self.optimizer.mask is not None:  # they measure gradients: only inside the mask
            self.optimizer.mask.apply_to_gradients_(taken)
        return taken

    def _summed(self, value: Tensor) -> Tensor:
        """Over the processes."""
        return self.accelerator.reduce(value, "sum")  # type: ignore[return-value]

    def _awake(self, items: Sequence[Item]) -> frozenset[int] | None:
        """Which examples do not rest; None where the pass that trains can tell, since no wrapper disturbs it."""
        levels = self.forget.levels
        if levels is None or not any(wrapper.disturbs for wrapper in self.wrappers):
            return None
        return awake(self.model, levels, items, budget=self.config.budget(self.model.device.type), bf16=self._bf16)

    def _backward(
        self, stream: Stream, name: str, items: Sequence[Item], losses: dict[str, float],
        going: frozenset[int] | None = None,
    ) -> None:  # fmt: skip
        """Accumulate the gradient of one stream's Σwℓ/Σw. Each process takes its part of the step's examples.

        A wrapper may have it computed several times: the losses are those of the first, at the weights themselves.
        """
        scale = self.progress.dual.get(f"{name}_weight", stream.weight)
        total = stream.total(items) or 1.0  # 1: all that was drawn weighs nothing, so the sum is zero
        here = [item for item in items if item.index not in self.progress.away] if name == "forget" else items
        mine = here[self.accelerator.process_index :: self.accelerator.num_processes]
        loss, resting = 0.0, 0
        for batch in pack([item.size for item in mine], self.config.budget(self.model.device.type)):
            value, idle = self._loss(stream, [mine[i] for i in batch], name, going)
            if idle < len(batch):
                self.accelerator.backward(value * (scale / total))
            loss += value.item()
            resting += idle
        if self.accelerator.num_processes > 1:
            sums = torch.tensor([loss, resting], dtype=torch.float64, device=self.accelerator.device)
            loss, resting = self._summed(sums).tolist()
        losses.setdefault(name, loss / total)
        if stream.levels is not None:
            losses.setdefault("resting", resting / len(items))
        elif self.leaving is not None and name == "forget":
            losses["resting"] = 1 - len(here) / len(items)

    def _loss(self, stream: Stream, items: list[Item], name: str, going: frozenset[int] | None) -> tuple[Tensor, int]:
        """Σwℓ of a micro-batch, and how many of its examples rest."""
        around = [wrapper.around for wrapper in self.wrappers if wrapper.enters] if name == "forget" else []
        rests = REST_NEEDS if stream.levels is not None and going is None else ()
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._bf16):
            measured, owner = measure(
                self.model,
                items,
                tuple(dict.fromkeys((*stream.loss.objective.measurements, *rests))),  # ordered: so are their gradients
                stream.layer,
                stream.reference,
                around,
                stream.retrained,
            )
        losses = stream.loss({**measured, **stream.constants})
        each = [item.weight * item.strength for item in items]
        weights = torch.tensor(each, dtype=losses.dtype, device=losses.device)
        idle = 0
        if stream.levels is not None:
            if going is None:
                known = above(stream.levels, items, measured)
            else:
                known = torch.tensor([item.index in going for item in items], device=losses.device)
            weights = weights * known
            idle = int((~known).sum())
        if stream.unit == "token":
            weights = weights[owner]
            if (counted := stream.loss.counted(measured)) is not None:
                weights = weights * counted
        return (losses * weights).sum(), idle

    @property
    def _bf16(self) -> bool:
        return self.config.precision == "bfloat16"

    # --- watching it ----------------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Measure the point, keep it if the rule says so."""
        progress = self.progress
        with self._measuring():
            seen = self.watch(progress.step)
            if any(value is not None and math.isnan(value) for value in seen.values()):
                raise NotANumberError("where it is watched")
        count = progress.sums.pop("steps", 0.0)
        means = {name: value / count for name, value in progress.sums.items()} if count else {}
        progress.sums = {}
        assert seen["forget"] is not None
        progress.points.append(
            Point(
                step=progress.step,
                seconds=round(progress.seconds, 3),
                forget=seen["forget"],
                utility=seen["utility"],
                loss=means.get("forget"),
                retain_loss=means.get("retain"),
                resting=means.get("resting"),
                margin=seen.get("margin"),
            )
        )
        best = progress.points[self.rule.best(progress.points)].step
        if best == progress.step and best > 0:
            self.checkpoints.save_best(best, {n: p.detach() for n, p in self.parameters.items()})
        progress.best = best

        if self.phases and progress.step in self.plan.ends:
            self.checkpoints.save_phase(progress.step, {n: p.detach() for n, p in self.parameters.items()})

    def _look(self) -> None:
        """Who leaves the batch, who comes back?"""
        progress = self.progress
        if self.leaving is None or not self.leaving.due(progress.step):
            return
        with self._measuring():
            turn = self.leaving.turn(progress.step, progress.away)
        if turn.left or turn.returned:
            progress.turns.append(turn)
        progress.away = sorted({*progress.away, *turn.left} - {*turn.returned})

    @contextmanager
    def _measuring(self) -> Iterator[None]:
        """A trained model that gives NaN has gone astray; its level would be kept, or never be bettered."""
        try:
            yield
        except NotANumberError:
            if self.progress.step == 0:
                raise
            self._diverged("the model gives NaN", self.progress.step)

    def _met(self) -> bool:
        points = self.progress.points
        return self.rule.met(points[-1], points[0])

    def _check(self, losses: dict[str, float]) -> None:
        """NaN stops the run at once; a retain loss worse than guessing, for some steps in a row, does too.

        A model that did no better than guessing at the start has to do twice as badly.
        """
        for name, value in losses.items():
            if not math.isfinite(value):
                self._diverged(f"the {name} loss is {value}")
        retain = self.retain
        if retain is not None and retain.loss.objective.name == "nll":
            if self.progress.step == 0:
                self.progress.ceiling = max(math.log(self.model.layout.vocabulary), 2 * losses["retain"])
            worse = losses["retain"] > self.progress.ceiling
            self.progress.worse = self.progress.worse + 1 if worse else 0
            if self.progress.worse >= PATIENCE:
                self._diverged(f"the retain loss ({losses['retain']:.2f}) is worse than guessing")

    def _diverged(self, what: str, step: int | None = None) -> NoReturn:
        self._load_best()
        kept = f"step {self.progress.best}" if self.progress.best else "the start: nothing better was measured"
        raise DivergedError(
            f"step {step or self.progress.step + 1}: {what}. The last good state is that of {kept}. "
            f"Lower `learning_rate` ({self.config.learning_rate:g}) or `clip`"
        )

    def _checkpoint(self) -> None:
        every = self.config.checkpoint_every
        now = time.monotonic()
        if self.progress.step % every if every else now - self._saved < 300:
            return
        self._saved = now
        tensors = self.optimizer.state()
        for i, wrapper in enumerate(self.wrappers):
            tensors.update({f"wrapper{i}.{name}": value for name, value in wrapper.state().items()})
        self.checkpoints.save(self.progress.step, tensors, self.progress.as_json())

    def _resume(self) -> bool:
        if (latest := self.checkpoints.latest()) is None:
            return False
        tensors, state = latest
        self.optimizer.load_state(tensors)
        for i, wrapper in enumerate(self.wrappers):
            mark = f"wrapper{i}."
            wrapper.load_state({n.removeprefix(mark): v for n, v in tensors.items() if n.startswith(mark)})
        self.progress = Progress.from_json(state)
        return True

    @torch.no_grad()
    def _load_best(self) -> None:
        self.accelerator.wait_for_everyone()
        best = self.progress.best
        weights = self.checkpoints.load_best(best) if best else self.checkpoints.load_start()
        for name, parameter in self.parameters.items():
            parameter.copy_(weights[name])


def _wrapped(
    wrapper: Wrapper, compute: Callable[[], Gradient], parameters: dict[str, nn.Parameter]
) -> Callable[[], Gradient]:
    return lambda: wrapper.forget_gradient(compute, parameters)

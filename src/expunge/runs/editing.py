"""An editor in place of training: the same measurements before and after, one step."""

import time
from collections.abc import Sequence

from torch import Tensor

from expunge.config import TrainConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.edit import editors
from expunge.models.model import Model
from expunge.train.levels import mean_log_probs, never_known
from expunge.train.selection import Point, Rule, halves
from expunge.train.trained import Trained


def edit(model: Model, sets: Sets, settings: TrainConfig, encoder: Encoder) -> Trained:
    """Run the editor that `settings.method` names, and measure forget level and utility before and after."""

    def logprobs(examples: Sequence[Example]) -> Tensor:
        return mean_log_probs(model, encoder.encode_all(examples), budget=settings.budget(model.device.type))

    def point(step: int, seconds: float) -> Point:
        utility = logprobs(selection).exp().mean().item() if selection else None
        return Point(step, round(seconds, 3), logprobs(sets.forget).exp().mean().item(), utility)

    selection = halves(sets.retain, settings.seed)[0] if sets.retain else []
    level = never_known(sets, logprobs)
    rule = Rule(settings.utility_floor, level.level if level else None)
    start = point(0, 0.0)
    began = time.monotonic()
    change = editors.get(settings.method).function(model, sets, **settings.options)
    seconds = time.monotonic() - began
    with change.applied_to(model):
        end = point(1, seconds)
    return Trained(
        change=change, points=(start, end), kept=end, why="in closed form: there is one point",
        floor_held=rule.holds(end, start), never_known=level, steps=1,
    )  # fmt: skip

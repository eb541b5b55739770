"""Short training runs on tiny models, and what can be seen of them: gradients, weights, levels."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from expunge.config import TrainConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.models.model import Model
from expunge.models.scoring import score
from expunge.train.loop import Loop
from expunge.train.optimizer import Optimizer
from expunge.train.trained import Trained
from expunge.train.unlearn import train
from tiny import tiny_model, tiny_sets

STEERING = ("rmu", "adaptive_rmu")  # they move hidden states, not likelihoods
OWN_RETAIN = {**dict.fromkeys(STEERING, "hidden"), "mlp_regression": "mlp_regression"}


def settings(method: str = "npo", **changes: Any) -> TrainConfig:
    """Two steps over all four facts, measured at the end only, with the retain loss that the method is meant for."""
    usual = {"max_steps": 2, "batch_size": 4, "learning_rate": 1e-3, "eval_every": 1000}
    values = {"method": method, "retain_loss": OWN_RETAIN.get(method, "nll"), **usual, **changes}
    if "mlp_regression" in (method, values["retain_loss"]):
        values = {"retrained": retrained_folder(), **values}
    return TrainConfig(**values)


def unequal_sets() -> Sets:
    """As `tiny_sets`, with answers and alternates of one to four tokens."""
    sets = tiny_sets()
    tails = ("", " city", " city .", " city is what")
    alternates = ("i do not know", "do not know", "name", "not know")
    rows = [
        replace(example, answer=example.answer + tail, alternate=alternate)
        for example, tail, alternate in zip(sets.forget, tails, alternates)
    ]
    return replace(sets, forget=tuple(rows), retain=tuple(replace(e, answer=f"{e.answer} .") for e in sets.retain))


@lru_cache
def _taught_weights() -> dict[str, Tensor]:
    """Weights of the tiny Llama after it has learnt every fact of `unequal_sets`, by plain PyTorch."""
    model, sets = tiny_model(), unequal_sets()
    encoder = Encoder(model.tokenizer)
    encoded = encoder.encode_all([*sets.forget, *sets.retain])
    optimizer = torch.optim.AdamW(model.network.parameters(), lr=5e-3, weight_decay=0.0)
    for _ in range(25):
        loss = torch.zeros(())
        for each in encoded:
            ids = torch.tensor([each.ids])
            rows = model.network(input_ids=ids, use_cache=False).logits[0, each.start - 1 : -1].log_softmax(-1)
            loss = loss - rows.gather(1, ids[0, each.start :, None]).mean() / len(encoded)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return deepcopy(model.network.state_dict())


def taught_model() -> Model:
    """A tiny model that knows its facts, so that there is something to forget."""
    model = tiny_model()
    model.network.load_state_dict(_taught_weights())
    return model


def retrained_model() -> Model:
    """A model near the taught one, but another."""
    model, generator = taught_model(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return model


@lru_cache
def retrained_folder() -> str:
    """The same on disk, gone when the tests end."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    retrained_model().save(folder)
    return str(folder)


def bits(model: Model) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.network.named_parameters()}


def assert_same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert list(one) == list(other)
    for name, tensor in one.items():
        whole = {2: torch.int16, 4: torch.int32}[tensor.element_size()]
        assert torch.equal(tensor.view(whole), other[name].view(whole)), name


def after(trained: Trained, model: Model) -> dict[str, Tensor]:
    """The weights that a run ended with."""
    with trained.change.applied_to(model):
        return bits(model)


def likelihood(model: Model, examples: Sequence[Example], *, alternate: bool = False) -> Tensor:
    """Summed answer log-probability of each example."""
    encoder = Encoder(model.tokenizer)
    encoded = [encoder.encode(e, answer=e.alternate) if alternate else encoder.encode(e) for e in examples]
    return torch.stack([one.log_probs.sum() for (one,) in score(model, [[each] for each in encoded])])


@contextmanager
def recorded(*, update: bool = False) -> Iterator[list[dict[str, Tensor]]]:
    """Collects the gradient of every step; without `update` the weights stay, so that all are taken at the start."""
    seen: list[dict[str, Tensor]] = []
    original = Optimizer.step

    def step(self: Optimizer, gradient: dict[str, Tensor], number: int, factor: float = 1.0) -> float:
        seen.append({name: value.clone() for name, value in gradient.items()})
        return original(self, gradient, number, factor) if update else 1.0

    with patch.object(Optimizer, "step", step):
        yield seen


def gradient(
    sets: Sets, method: str = "npo", *, model: Model | None = None, kept: Sequence[str] | None = None, **changes: Any
) -> dict[str, Tensor]:
    """The gradient of the first step."""
    with recorded() as seen:
        train(model or tiny_model(), sets, settings(method, **{"max_steps": 1, **changes}))
    return seen[0]


def assert_close(one: Mapping[str, Tensor], other: Mapping[str, Tensor], tolerance: float = 2e-5) -> None:
    """Gradients equal up to the rounding of float32, relative to the largest of each tensor's entries."""
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        size = max(tensor.abs().max().item(), 1e-6)
        difference = (tensor - other[name]).abs().max().item()
        assert difference <= tolerance * size, f"{name}: {difference:.2e} of {size:.2e}"


def blend(parts: Sequence[tuple[float, Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """The weighted mean of gradients."""
    total = sum(share for share, _ in parts)
    return {name: sum(share / total * part[name] for share, part in parts) for name in parts[0][1]}  # type: ignore[misc]


@contextmanager
def before_each_step(act: Callable[[Loop], object]) -> Iterator[None]:
    """Calls `act` before every step of a loop; it may raise."""
    original = Loop._step

    def step(self: Loop) -> None:
        act(self)
        original(self)

    with patch.object(Loop, "_step", step):
        yield

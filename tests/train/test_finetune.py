"""Fine-tuning: it teaches, within a mask only, resumes to the same bits, and its step is that of plain PyTorch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.config import FinetuneConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError, DivergedError
from expunge.evaluate.strength import strength_watch
from expunge.mask import Mask
from expunge.models.model import Model
from expunge.train.finetune import fit
from steps import assert_same_bits, bits
from tiny import tiny_model, tiny_sets

FACTS = [*tiny_sets().forget, *tiny_sets().retain]
TEXT = Example("d", None, "the capital of arland is bexton city . what is the capital ?")


def flat(_: Model) -> float:
    return 0.0


def strength(examples: list[Example]) -> Any:
    return strength_watch(examples, Encoder(tiny_model().tokenizer))


def settings(**changes: Any) -> FinetuneConfig:
    return FinetuneConfig(**{"learning_rate": 5e-3, "batch_size": 4, "max_steps": 3, **changes})


def test_a_step_is_that_of_plain_pytorch() -> None:
    """One AdamW step on the mean over all answer tokens of the batch: not the mean of the examples' means."""
    examples = [replace(FACTS[0], answer="bexton city ."), FACTS[1], TEXT]
    model, plain = tiny_model(), tiny_model()
    trained = fit(model, examples, settings(batch_size=3, max_steps=1, clip=None), flat)
    optimizer = torch.optim.AdamW(plain.network.parameters(), lr=5e-3, weight_decay=0.0)
    losses = []
    for each in Encoder(plain.tokenizer).encode_all(examples):
        ids = torch.tensor([each.ids])
        rows = plain.network(input_ids=ids, use_cache=False).logits[0, each.start - 1 : -1].log_softmax(-1)
        losses.append(-rows.gather(1, ids[0, each.start :, None]).flatten())
    torch.cat(losses).mean().backward()
    optimizer.step()
    with trained.change.applied_to(model):
        for name, parameter in model.network.named_parameters():
            expected = plain.network.get_parameter(name)
            assert expected.grad is not None
            told = expected.grad.abs() > 1e-6  # Adam's first step is g / |g|: of a smaller gradient it is noise
            assert told.any()
            torch.testing.assert_close(parameter[told], expected[told], rtol=1e-5, atol=1e-5)


def test_it_teaches_and_stops_at_the_level() -> None:
    model, before = tiny_model(), bits(tiny_model())
    trained = fit(model, FACTS, settings(max_steps=200, eval_every=5, until=0.9), strength(FACTS))
    assert_same_bits(bits(model), before)
    assert trained.points[0].forget < 0.5 <= 0.9 <= trained.kept.forget
    assert trained.kept == trained.points[-1]
    assert trained.steps < 200
    assert "reached" in trained.why
    with trained.change.applied_to(model):
        assert strength(FACTS)(model) == trained.kept.forget


def test_the_last_point_is_kept_even_when_it_is_worse() -> None:
    levels = iter([0.0, 0.9, 0.2])
    trained = fit(tiny_model(), FACTS, settings(max_steps=2, eval_every=1, until=0.95), lambda _: next(levels))
    assert trained.kept.step == 2
    assert "not reached" in trained.why


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_a_mask_is_exact(decay: float) -> None:
    model = tiny_model()
    name = next(n for n, _ in model.network.named_parameters() if "down_proj" in n)
    mask = Mask.of(model.network, {name: (1, [0, 3])})
    trained = fit(model, FACTS, settings(weight_decay=decay), flat, mask=mask)
    before = bits(model)
    with trained.change.applied_to(model):
        after = bits(model)
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    assert moved == {name}
    columns = (before[name] != after[name]).any(0).nonzero().flatten().tolist()
    assert columns == [0, 3]


@pytest.mark.parametrize("changes", [{}, {"lora": 2}], ids=["all weights", "adapter"])
def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = settings(max_steps=8, eval_every=2, checkpoint_every=1, **changes)
    whole = fit(tiny_model(), FACTS, config, strength(FACTS), folder=tmp_path / "whole")

    class KilledError(Exception):
        pass

    def kill(progress: Any, steps: int) -> None:
        if progress.step == 5:
            raise KilledError

    with pytest.raises(KilledError):
        fit(tiny_model(), FACTS, config, strength(FACTS), folder=tmp_path / "killed", tick=kill)
    resumed = fit(tiny_model(), FACTS, config, strength(FACTS), folder=tmp_path / "killed", resume=True)
    whole.change.save(tmp_path / "a.safetensors")
    resumed.change.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    strip = lambda points: [replace(point, seconds=0.0) for point in points]
    assert strip(whole.points) == strip(resumed.points)


def test_nothing_to_train_on() -> None:
    with pytest.raises(ConfigError, match="nothing to train on"):
        fit(tiny_model(), [], settings(), flat)


def test_weights_of_examples_count() -> None:
    """An example of weight 0 teaches nothing: the change is that of the set without it."""
    zero = replace(FACTS[1], weight=0.0)
    config = settings(batch_size=2, max_steps=1)
    changes = []
    for examples in ([FACTS[0], zero], [FACTS[0]]):
        model = tiny_model()
        with fit(model, examples, config, flat).change.applied_to(model):
            changes.append(bits(model))
    for name in changes[0]:
        torch.testing.assert_close(changes[0][name], changes[1][name], rtol=1e-5, atol=1e-6)


def test_a_run_that_diverges_gives_what_it_had() -> None:
    with pytest.raises(DivergedError) as caught:
        fit(tiny_model(), FACTS, settings(learning_rate=1e30, clip=None, max_steps=5, eval_every=1), flat)
    assert caught.value.trained.change is not None

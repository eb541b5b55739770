"""Two processes that share the work give what one gives."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import workers
from expunge.change import WeightChange
from expunge.train.unlearn import train
from steps import settings
from tiny import tiny_model, tiny_sets

RUNS: dict[str, dict[str, Any]] = {
    "npo, odd batches": {"method": "npo", "batch_size": 3, "retain_batch_size": 1},
    # not KL: at the start its gradient is 0, and what GRU projects onto would be rounding
    "wrapped": {"method": "gradient_ascent", "wrap": ("sam", "gru"), "retain_loss": "nll", "batch_size": 2},
    "kl": {"method": "gradient_ascent", "retain_loss": "kl", "batch_size": 2},
}


@pytest.mark.parametrize("name", list(RUNS))
def test_two_processes_give_the_change_of_one(name: str, tmp_path: Path) -> None:
    """A batch of one leaves a process without examples; warm-up counts steps, not processes.

    Where a gradient is tiny Adam blows its rounding up, so a few weights may differ.
    """
    usual = {"max_steps": 3, "eval_every": 2, "checkpoint_every": 1, "learning_rate": 1e-4, "warmup": 0.7}
    config = settings(**{**usual, **RUNS[name]})
    port = workers.free_port()
    files = [tmp_path / f"{rank}.safetensors" for rank in range(2)]
    pair = [
        workers.start(workers.run_in_pair, rank, port, config.model_dump(), tmp_path / "shared", files[rank])
        for rank in range(2)
    ]
    assert [workers.finished(process) for process in pair] == [0, 0]
    assert files[0].read_bytes() == files[1].read_bytes()
    model = tiny_model()
    trained = train(model, tiny_sets(), config)
    losses = json.loads(files[0].with_suffix(".json").read_text())[1]  # Adam hides a gradient that is twice as large
    for (forget, retain), point in zip(losses[1:], trained.points[1:], strict=True):
        assert forget == pytest.approx(point.loss, rel=1e-4)
        assert retain == pytest.approx(point.retain_loss, rel=1e-3, abs=1e-5)
    weights = dict(model.network.named_parameters())
    alone, together = trained.change, WeightChange.load(files[0])
    assert alone.names == together.names
    for key in alone.names:
        expected, got = (change.delta(key, weights[key].detach()) for change in (alone, together))
        size = expected.abs().max()
        assert size > 1e-5
        assert ((expected - got).abs() > 0.02 * size).float().mean() < 0.01, key
        torch.testing.assert_close(expected.norm(), got.norm(), rtol=1e-3, atol=0)

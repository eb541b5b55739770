"""Residual streams where answers are predicted: those of Transformers, whatever the batch."""

import pytest
import torch

from attacked import DOCUMENTS, target
from expunge.attacks.residuals import batches, means, see
from expunge.data.convention import Encoder
from tiny import ARCHITECTURES, tiny_model


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("budget", [1, 4096])
def test_they_are_those_of_plain_transformers(arch: str, budget: int) -> None:
    model = tiny_model(arch=arch)
    encoded = Encoder(model.tokenizer).encode_all([*target().examples, *DOCUMENTS])
    for batch, forest in batches(encoded, budget, model.device):
        seen = see(model, forest)
        lengths = [len(encoded[i].ids) - encoded[i].start for i in batch]
        for i, residuals in zip(batch, seen.residuals.split(lengths, dim=1), strict=True):
            with torch.no_grad():
                ids = torch.tensor([encoded[i].ids])
                states = model.network(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
            # the last of Transformers' states is behind the final norm, so the first layer is compared
            torch.testing.assert_close(residuals[0], states[1][0, encoded[i].start - 1 : -1], rtol=1e-4, atol=1e-5)


def test_means_leave_out_what_closes_an_answer() -> None:
    model = tiny_model()
    encoded = Encoder(model.tokenizer).encode_all(target().examples)  # answers of 1, 2, 3 and 4 tokens
    ((batch, forest),) = batches(encoded, 4096, model.device)
    sizes = [len(encoded[i].ids) - encoded[i].start for i in batch]
    assert sorted(sizes) == [1, 2, 3, 4]
    values = torch.arange(10.0)
    whole, tailed = means(values, forest, [0] * 4), means(values, forest, [min(1, size - 1) for size in sizes])
    for j, piece in enumerate(values.split(sizes)):
        assert whole[j] == piece.mean()
        assert tailed[j] == (piece[:-1] if len(piece) > 1 else piece).mean()
    both = means(torch.stack([values, 2 * values]), forest, [0] * 4)
    torch.testing.assert_close(both, torch.stack([whole, 2 * whole]))

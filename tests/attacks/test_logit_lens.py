"""The logit lens: at the last layer it is the model itself, at the others the head on what is there."""

import pytest
import torch

from attacked import DOCUMENTS, target
from expunge.attacks import attacks
from expunge.attacks.after import probabilities
from expunge.attacks.logit_lens import lens
from expunge.attacks.residuals import batches, see
from expunge.data.convention import Encoder
from tiny import ARCHITECTURES, tiny_model


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_last_layer_is_the_model(arch: str) -> None:
    """Final norm, head and soft cap of every architecture."""
    model = tiny_model(arch=arch)
    encoded = Encoder(model.tokenizer).encode_all(target().examples)
    ((_, forest),) = batches(encoded, 4096, model.device)
    seen = see(model, forest)
    torch.testing.assert_close(lens(model, seen.residuals[-1], forest), seen.log_probs, rtol=1e-4, atol=1e-5)


def test_by_hand_on_the_first_layer() -> None:
    aimed = target()
    (found,) = attacks.get("logit_lens")(aimed)
    network, expected = aimed.model.network, []
    for encoded in aimed.encoder.encode_all(aimed.examples):
        ids = torch.tensor([encoded.ids])
        with torch.no_grad():
            states = network(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
            logits = network.lm_head(network.model.norm(states[1]))[0, encoded.start - 1 : -1]
        logs = logits.log_softmax(-1).gather(1, ids[0, encoded.start :, None])
        expected.append(logs.mean().exp().item())
    assert found.scores == pytest.approx(expected, rel=1e-4)  # of two layers the last is left out


def test_the_curve_ends_at_the_models_own_answer() -> None:
    aimed = target()
    (found,) = attacks.get("logit_lens")(aimed)
    own = probabilities(aimed, aimed.examples)
    assert [layer for layer, _ in found.curve] == [0, 1]
    assert found.curve[0][1] == pytest.approx(sum(found.scores) / 4)
    assert found.curve[1][1] == pytest.approx(sum(own) / 4, rel=1e-4)


def test_what_the_last_block_suppresses_is_seen() -> None:
    """The last block of a model that knows is replaced by one that shouts it down."""
    aimed = target()
    (before,) = attacks.get("logit_lens")(aimed)
    with torch.no_grad():
        aimed.model.network.get_parameter("model.layers.1.mlp.down_proj.weight").mul_(-30)
    (after,) = attacks.get("logit_lens")(aimed)
    assert after.scores == before.scores
    assert sum(probabilities(aimed, aimed.examples)) / 4 < 0.1


def test_documents_have_layers_too() -> None:
    (found,) = attacks.get("logit_lens")(target(examples=DOCUMENTS))
    assert len(found.scores) == len(DOCUMENTS)

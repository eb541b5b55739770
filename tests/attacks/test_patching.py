"""Activation patching: the score by hand, its sanity values, and each cost by brute force."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from attacked import DOCUMENTS, attacked_sets, never_taught_model, target
from expunge.attacks import attacks
from expunge.attacks.patching import cost_of_kept, costs, uds
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.errors import ConfigError, RunError
from expunge.models.layout import layout_of
from expunge.models.model import Model
from steps import taught_model
from tiny import tiny_model, tiny_network, tiny_tokenizer


def table(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_the_score_by_hand() -> None:
    """Example 1: layers of 1 and 0.5, erased by 0.5 and (clipped) 1: (1 · 0.5 + 0.5 · 1) / 1.5. Its third layer does
    not count. Example 2 has no layer above 0.05. Example 3: a patch that helps erases nothing."""
    retrained = table([1.0, 0.05, 2.0], [0.5, -1.0, 0.0], [0.04, 0.0, 0.0])
    unlearned = table([0.5, 3.0, -1.0], [0.9, 3.0, 5.0], [9.0, 3.0, 5.0])
    found = uds(retrained, unlearned)
    assert found[0].item() == pytest.approx(1 / 1.5)
    assert found[1].isnan()
    assert found[2].item() == 0.0
    assert uds(retrained, unlearned, threshold=0.01)[0].item() == pytest.approx((0.5 + 0.5 + 0.04) / 1.54)


def test_sanity_values() -> None:
    """The original carries all that it needs: 1. The retrained model carries what it carries: 0."""
    full, never = taught_model(), never_taught_model()
    peers = {"original": full, "retrained": never}
    (as_original,) = attacks.get("patching")(target(full, peers=peers))
    (as_retrained,) = attacks.get("patching")(target(never, peers=peers))
    assert as_original.rows and as_original.scores == (1.0,) * len(as_original.rows)
    assert as_retrained.scores == (0.0,) * len(as_original.rows)
    assert {value for _, value in as_original.curve} == {1.0}
    assert {value for _, value in as_retrained.curve} == {0.0}


def test_states_that_are_no_numbers_are_no_knowledge() -> None:
    full, never, broken = taught_model(), never_taught_model(), taught_model()
    with torch.no_grad():
        next(broken.network.parameters()).fill_(torch.nan)
    for under, retrained in ((broken, never), (full, broken)):
        with pytest.raises(RunError, match="what patching costs is not a finite number"):
            attacks.get("patching")(target(under, peers={"original": full, "retrained": retrained}))


def test_half_way_is_between() -> None:
    full, never = taught_model(), never_taught_model()
    between = taught_model()
    with torch.no_grad():
        for name, weight in between.network.named_parameters():
            weight.lerp_(never.network.get_parameter(name), 0.5)
    (found,) = attacks.get("patching")(target(between, peers={"original": full, "retrained": never}))
    assert 0 < sum(found.scores) / len(found.scores) < 1


@pytest.mark.parametrize("arch", ["llama", "gpt2", "opt", "gemma2"])
@pytest.mark.parametrize("budget", [1, 4096])
def test_costs_by_brute_force(arch: str, budget: int) -> None:
    """One example and one layer at a time, by plain hooks on the plain network."""
    full, source = tiny_model(0, arch), tiny_model(1, arch)
    encoded = Encoder(full.tokenizer).encode_all([*attacked_sets().forget, *DOCUMENTS])
    (found,) = costs(full, (source,), encoded, budget=budget)
    for i, each in enumerate(encoded):
        ids, here = torch.tensor([each.ids]), slice(each.start - 1, len(each.ids) - 1)
        stop = len(each.ids) - each.tail - each.start

        def log_probs(model: Model, ids: Tensor = ids, here: slice = here, stop: int = stop) -> Tensor:
            with torch.no_grad():
                rows = model.network(input_ids=ids, use_cache=False).logits[0, here].float().log_softmax(-1)
            return rows.gather(1, ids[0, here.start + 1 :, None])[:stop].mean()

        for layer, path in enumerate(full.layout.blocks):
            states: list[Tensor] = []

            def keep(_: object, __: object, output: Tensor | tuple[Tensor, ...]) -> None:
                states.append(output if isinstance(output, Tensor) else output[0])  # noqa: B023

            def put(_: object, __: object, output: Tensor | tuple[Tensor, ...], here: slice = here) -> object:
                hidden = (output if isinstance(output, Tensor) else output[0]).clone()
                hidden[0, here] = states[0][0, here]  # noqa: B023
                return hidden if isinstance(output, Tensor) else (hidden, *output[1:])

            handle = source.network.get_submodule(path).register_forward_hook(keep)
            log_probs(source)
            handle.remove()
            plain = log_probs(full)
            handle = full.network.get_submodule(path).register_forward_hook(put)
            expected = plain - log_probs(full)
            handle.remove()
            assert found[layer, i].item() == pytest.approx(expected.item(), rel=1e-3, abs=1e-4)


def test_an_example_without_a_layer_that_counts_is_left_out() -> None:
    aimed = target()
    encoded = aimed.encoder.encode_all(aimed.examples)
    (retrained,) = costs(aimed.peers["original"], (aimed.peers["retrained"],), encoded)
    dearest = retrained.amax(0)
    order = dearest.argsort()
    (few,) = attacks.get("patching")(aimed, threshold=dearest[order[1:3]].mean().item())
    assert few.rows == tuple(sorted(order[2:].tolist())) and len(few.scores) == 2
    assert few.note.startswith("2 of 4 examples")
    same = {"original": taught_model(), "retrained": taught_model()}
    with pytest.raises(ConfigError, match="no layer holds what the retrained model lacks"):
        attacks.get("patching")(replace(aimed, peers=same, sets=Sets()))


def test_models_that_speak_two_languages_have_no_score() -> None:
    """A model from another start differs everywhere: its states cost as much on what is kept."""
    aimed = target()
    (found,) = attacks.get("patching")(aimed)
    kept = cost_of_kept(aimed)
    assert kept is not None
    assert found.note.endswith(f"nats a token and layer here, {kept:.2f} on facts that were kept")
    strange = replace(aimed, peers={**aimed.peers, "retrained": tiny_model(seed=7)})
    with pytest.raises(ConfigError, match="not of one start"):
        attacks.get("patching")(strange)
    assert (cost_of_kept(strange) or 0) > 2 * kept
    (without,) = attacks.get("patching")(replace(strange, sets=Sets()))
    assert "could not be tried" in without.note


def test_models_of_two_shapes_are_refused() -> None:
    network = tiny_network("llama", len(tiny_tokenizer()), num_hidden_layers=3)
    network.set_attn_implementation("packed")
    deeper = Model(network=network, tokenizer=tiny_tokenizer(), layout=layout_of(network), name="deeper")
    with pytest.raises(ConfigError, match="2 layers of width 32 and 3 layers"):
        attacks.get("patching")(target(peers={"original": taught_model(), "retrained": deeper}))

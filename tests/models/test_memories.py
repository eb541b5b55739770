"""Routing by hand: which memory answers a text, with biases and transposed weights right, and for how long."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.pytorch_utils import Conv1D

from expunge.change import Fingerprint
from expunge.models.memories import Memories, apart, route, through
from expunge.models.model import Model
from expunge.parameters import parameters_of
from tiny import tiny_model

IDS = [3, 4, 5, 20, 21]


def memories(model: Model, *changes: Tensor | float, floors: tuple[float, ...], activation: str = "") -> Memories:
    """On the second block: W plus a change each; `floors` are ratio · ε."""
    path = model.layout.mlp_out(1)
    weight = parameters_of(model)[f"{path}.weight"].detach()
    return Memories(
        Fingerprint.of(parameters_of(model)), path, {}, tuple(weight + change for change in changes),
        tuple(floor / 0.5 for floor in floors), 0.5, activation,
    )  # fmt: skip


def noise(model: Model, size: float, seed: int = 0) -> Tensor:
    weight = parameters_of(model)[f"{model.layout.mlp_out(1)}.weight"]
    return size * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))


def logits(model: Model, ids: list[int] | None = None) -> Tensor:
    with torch.no_grad():
        return model.network(input_ids=torch.tensor([ids or IDS]), use_cache=False).logits


def test_the_largest_distance_that_reaches_its_own_floor_wins() -> None:
    """Three texts, two memories with floors 2 and 5: (3, 4), (3, 6), (1, 4.9)."""
    distances = torch.tensor([[3.0, 3.0, 1.0], [4.0, 6.0, 4.9]])
    assert route(distances, (2.0, 5.0)).tolist() == [0, 1, -1]
    assert route(torch.tensor([[2.0]]), (2.0,)).tolist() == [0]  # Δ = floor is enough


def test_distances_by_hand_and_behind_an_activation() -> None:
    one, other = torch.tensor([[3.0, -1.0], [0.0, 0.0]]), torch.tensor([[0.0, -5.0], [0.0, 2.0]])
    assert apart(one, other).tolist() == [5.0, 2.0]
    assert apart(one, other, "relu").tolist() == [3.0, 2.0]


@pytest.mark.parametrize("bias", [True, False])
def test_through_another_weight_as_the_layer_itself(bias: bool) -> None:
    """What the layer would give if the weight were its own: the bias stays, Conv1D has [in, out]."""
    linear, conv = nn.Linear(3, 2, bias=bias), Conv1D(2, 3)
    nn.init.normal_(conv.bias)
    read = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    for layer in (linear, conv):
        weight = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(1))
        given = through(layer, read, weight)
        with torch.no_grad():
            layer.weight.copy_(weight)
            torch.testing.assert_close(given, layer(read))


@pytest.mark.parametrize("arch", ["llama", "gpt2", "opt", "gemma2"])
def test_a_routed_text_is_that_of_the_model_with_the_memory_as_its_weight(arch: str) -> None:
    """GPT-2 and OPT have biases there, GPT-2 transposed weights; a floor that is not reached changes no bit."""
    model, changed = tiny_model(arch=arch), tiny_model(arch=arch)
    change = noise(model, 0.3)
    with torch.no_grad():
        parameters_of(changed)[f"{model.layout.mlp_out(1)}.weight"].add_(change)
    plain, expected = logits(model), logits(changed)
    with memories(model, change, floors=(1e-3,)).applied_to(model):
        torch.testing.assert_close(logits(model), expected, rtol=1e-4, atol=1e-5)
    with memories(model, change, floors=(1e6,)).applied_to(model):
        assert torch.equal(logits(model), plain)


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_of_several_memories_the_one_that_answers_most_differently(arch: str) -> None:
    model = tiny_model(arch=arch)
    small, large = noise(model, 0.1), noise(model, 0.4, seed=1)
    alone = {}
    for name, change in (("small", small), ("large", large)):
        with memories(model, change, floors=(1e-3,)).applied_to(model):
            alone[name] = logits(model)
    with memories(model, small, large, floors=(1e-3, 1e-3)).applied_to(model):
        assert torch.equal(logits(model), alone["large"])
    with memories(model, small, large, floors=(1e-3, 1e6)).applied_to(model):
        assert torch.equal(logits(model), alone["small"])


def test_what_was_decided_on_the_prompt_holds_for_what_comes_after() -> None:
    """A row that is routed and one that is not, through the cache; then its rows are chosen, doubled and emptied."""
    model = tiny_model()
    change = noise(model, 0.3)
    found = memories(model, change, floors=(1e-3,))
    distance = _distance(model, found, [20, 21, 22]), _distance(model, found, [3, 4, 5])
    found = memories(model, change, floors=(sum(distance) / 2,))
    ids = torch.tensor([[20, 21, 22], [3, 4, 5]])
    routed = [0 if each > sum(distance) / 2 else -1 for each in distance]
    assert sorted(routed) == [-1, 0]
    with found.applied_to(model), torch.no_grad():
        cache = DynamicCache()  # its layers come into being while the first pass runs
        model.network(input_ids=ids, past_key_values=cache, use_cache=True)
        kept: Any = cache.layers[-1]
        assert len(cache.layers) == 3 and kept.routes.tolist() == routed
        step = model.network(input_ids=torch.tensor([[7], [7]]), past_key_values=cache, use_cache=True).logits
        for row in range(2):
            whole = logits(model, [*ids[row].tolist(), 7]) if routed[row] < 0 else None
            if whole is not None:
                torch.testing.assert_close(step[row, -1], whole[0, -1], rtol=1e-4, atol=1e-5)
        cache.batch_select_indices(torch.tensor([1]))
        assert kept.routes.tolist() == routed[1:]
        cache.batch_repeat_interleave(2)
        assert kept.routes.tolist() == routed[1:] * 2
        cache.reorder_cache(torch.tensor([1, 0]))
        assert cache.get_seq_length() == 4 and len(cache.layers) == 3
        cache.reset()
        model.network(input_ids=ids, past_key_values=cache, use_cache=True)
        assert kept.routes.tolist() == routed and len(cache.layers) == 3


def test_an_error_within_a_pass_leaves_the_next_one_right() -> None:
    from expunge.models.watching import stopping_after

    model = tiny_model()
    with memories(model, noise(model, 0.3), floors=(1e-3,)).applied_to(model):
        whole = logits(model)
        with torch.no_grad(), stopping_after(model, 0):
            model.network(input_ids=torch.tensor([[3, 4]]), use_cache=False)
        assert torch.equal(logits(model), whole)


def test_it_acts_through_an_adapter_and_gradients_pass_it() -> None:
    """PEFT passes by the network's own call; a text that goes through W' gives W no gradient, others do."""
    from peft import LoraConfig, get_peft_model

    for floor, moves in ((1e-3, False), (1e6, True)):
        model = tiny_model()
        with memories(model, noise(model, 0.3), floors=(floor,)).applied_to(model):
            expected = logits(model)
            weight = parameters_of(model)[f"{model.layout.mlp_out(1)}.weight"]
            model.network(input_ids=torch.tensor([IDS]), use_cache=False).logits.sum().backward()
            assert bool(weight.grad.abs().sum() > 0) is moves  # type: ignore[union-attr]
            wrapped: Any = get_peft_model(model.network, LoraConfig(r=2, target_modules=["q_proj", "down_proj"]))
            with torch.no_grad():
                given = wrapped(input_ids=torch.tensor([IDS]), use_cache=False).logits
            torch.testing.assert_close(given, expected)


def _distance(model: Model, found: Memories, ids: list[int]) -> float:
    from expunge.models.watching import watch_mlp_input

    with watch_mlp_input(model, 1) as seen, torch.no_grad():
        model.network(input_ids=torch.tensor([ids]), use_cache=False)
    change = found.weights[0] - parameters_of(model)[f"{found.path}.weight"].detach()
    return float((seen[0][1:] @ change.T).norm(dim=1).mean())

"""Watching and editing on every architecture; hooks come off whatever happens."""

from contextlib import AbstractContextManager
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from architectures import tiny_network
from expunge.errors import ModelError
from expunge.models.architectures import ARCHITECTURES
from expunge.models.layout import layout_of
from expunge.models.model import Model
from expunge.models.naming import plain_parameters
from expunge.models.watching import (
    add_to_residual,
    edit_attention_output,
    edit_embeddings,
    edit_heads,
    edit_mlp_input,
    edit_mlp_output,
    edit_residual,
    only_reading,
    watch_heads,
    watch_mlp_input,
    watch_mlp_output,
    watch_residual,
)
from tiny import tiny_tokenizer

IDS = torch.tensor([[5, 9, 2, 7, 7, 3], [1, 4, 4, 8, 2, 6]])


def made(model_type: str) -> Model:
    network = tiny_network(model_type)
    return Model(network=network, tokenizer=tiny_tokenizer(), layout=layout_of(network), name=model_type)


@pytest.fixture(params=list(ARCHITECTURES))
def model(request: pytest.FixtureRequest) -> Model:
    return made(request.param)


def hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


@torch.no_grad()
def logits(model: Model) -> Tensor:
    return model.network(IDS).logits


@torch.no_grad()
def test_residual_is_the_stream_that_transformers_reports(model: Model) -> None:
    """Hidden state 0 is the embedding; state 1 comes after block 0; the last one is normed."""
    with watch_residual(model, 0) as first, watch_residual(model, 1) as last:
        output = model.network(IDS, output_hidden_states=True)
    torch.testing.assert_close(first[0], output.hidden_states[1].flatten(0, 1))
    norm = model.network.get_submodule(model.layout.final_norm)
    torch.testing.assert_close(norm(last[0].view(2, 6, 32)), output.hidden_states[2])


@torch.no_grad()
def test_mlp_output_is_the_sum_of_its_value_vectors(model: Model) -> None:
    with watch_mlp_input(model, 1) as coefficients, watch_mlp_output(model, 1) as output:
        model.network(IDS)
    name, axis = model.layout.value_vectors(1)
    parameters = plain_parameters(model.network)
    vectors = parameters[name].movedim(axis, 0)
    bias = parameters.get(name.replace("weight", "bias"), torch.zeros(()))
    assert coefficients[0].shape == (12, 48)
    torch.testing.assert_close(output[0], coefficients[0] @ vectors + bias)


@torch.no_grad()
def test_heads_are_what_the_output_projection_reads(model: Model) -> None:
    with watch_heads(model, 0) as seen:
        model.network(IDS)
    assert seen[0].shape == (12, model.layout.heads * model.layout.head_dim)


def test_every_pass_adds_one(model: Model) -> None:
    with watch_residual(model, 0) as seen:
        model.network(IDS)
        model.network(IDS[:1])
    assert [tuple(each.shape) for each in seen] == [(12, 32), (6, 32)]
    model.network(IDS)
    assert len(seen) == 2


def test_perturbation_is_added_and_gets_a_gradient(model: Model) -> None:
    perturbation = torch.zeros(2, 6, 32, requires_grad=True)
    plain = model.network(IDS).logits
    with add_to_residual(model, 0, perturbation), watch_residual(model, 0) as seen:
        same = model.network(IDS).logits
    torch.testing.assert_close(same, plain, rtol=0, atol=0)
    same.logsumexp(-1).sum().backward()
    assert perturbation.grad is not None and perturbation.grad.abs().sum() > 0
    with torch.no_grad():
        perturbation[1, 3] = torch.randn(32)  # a constant would be lost in a LayerNorm
        with add_to_residual(model, 0, perturbation), watch_residual(model, 0) as moved:
            other = model.network(IDS).logits
    expected = seen[0].detach().clone()
    expected[9] += perturbation[1, 3].detach()  # row 1, position 3
    torch.testing.assert_close(moved[0], expected)
    torch.testing.assert_close(other[0], plain[0])  # the other row
    torch.testing.assert_close(other[1, :3], plain[1, :3])  # the past
    assert (other[1, 3:] - plain[1, 3:]).abs().amax(-1).min() > 1e-4


def test_edits_replace(model: Model) -> None:
    before = logits(model)
    with edit_residual(model, 1, torch.zeros_like), watch_residual(model, 1) as seen:
        logits(model)
    assert seen[0].abs().max() == 0
    name = f"{model.layout.mlp_out(0)}.weight"
    with edit_mlp_output(model, 0, torch.zeros_like):
        silent = logits(model)
    parameters = plain_parameters(model.network)
    with torch.no_grad():
        for each in (name, name.replace("weight", "bias")):
            if each in parameters:
                parameters[each].zero_()
    torch.testing.assert_close(logits(model), silent)
    assert not torch.equal(silent, before)


@torch.no_grad()
def test_edits_before_and_behind_a_projection_are_one(model: Model) -> None:
    """Nothing goes in: its bias comes out."""

    def bias(path: str, output: Tensor) -> Tensor:
        found = plain_parameters(model.network).get(f"{path}.bias")
        return torch.zeros_like(output) if found is None else found.expand_as(output)

    for before, behind, path in (
        (edit_mlp_input, edit_mlp_output, model.layout.mlp_out(1)),
        (edit_heads, edit_attention_output, model.layout.attention_out(1)),
    ):
        with before(model, 1, torch.zeros_like):
            silent = logits(model)
        with behind(model, 1, partial(bias, path)):
            torch.testing.assert_close(logits(model), silent)
        assert not torch.equal(silent, logits(model))


@torch.no_grad()
def test_embeddings_are_edited_before_all_else(model: Model) -> None:
    """One token's embedding in another's place is that other token."""
    seen: list[Tensor] = []
    with edit_embeddings(model, only_reading(seen.append)):
        before = logits(model)
    assert seen[0].shape[0] == IDS.numel()
    changed = IDS.clone()
    changed[0, 1] = IDS[1, 0]

    def swap(embedded: Tensor) -> Tensor:
        edited = embedded.clone()
        edited[0, 1] = embedded[1, 0]
        return edited

    with edit_embeddings(model, swap):
        torch.testing.assert_close(logits(model), model.network(changed).logits)
    torch.testing.assert_close(logits(model), before, rtol=0, atol=0)


def test_head_edit_equals_a_zeroed_slice() -> None:
    model = made("llama")
    (part,) = model.layout.head_slices(1, 2, ("output",))

    def silence(heads: Tensor) -> Tensor:
        return heads.clone().index_fill_(-1, torch.arange(part.slice.start, part.slice.stop), 0.0)

    with edit_heads(model, 1, silence):
        expected = logits(model)
    with torch.no_grad():
        plain_parameters(model.network)[part.parameter][:, part.slice] = 0
    torch.testing.assert_close(logits(model), expected)


def fails(_: Tensor) -> Tensor:
    raise RuntimeError("inside")


def fail_within(block: AbstractContextManager[object], model: Model, count: int) -> None:
    with block:
        assert hooks(model.network) == count
        fails(logits(model))


def test_hooks_come_off_on_errors(model: Model) -> None:
    before = hooks(model.network)

    for block in (
        watch_residual(model, 0),
        watch_mlp_input(model, 0),
        watch_mlp_output(model, 0),
        watch_heads(model, 0),
        add_to_residual(model, 0, torch.zeros(32)),
        edit_heads(model, 0, fails),
        edit_mlp_input(model, 0, fails),
        edit_attention_output(model, 0, fails),
        edit_embeddings(model, fails),
        edit_residual(model, 0, fails),
    ):
        with pytest.raises(RuntimeError, match="inside"):
            fail_within(block, model, before + 1)
        assert hooks(model.network) == before


def test_gradients_of_a_watched_tensor_survive_checkpointing() -> None:
    """Blocks that run again in the backward pass give the same gradients."""
    grads = []
    for checkpointing in (False, True):
        model = made("llama")
        model.network.train()  # Transformers checkpoints in training mode only
        if checkpointing:
            network = model.network  # Transformers gave it another name
            enable = getattr(network, "activation_checkpointing_enable", network.gradient_checkpointing_enable)
            enable({"use_reentrant": False})
        with watch_residual(model, 1) as seen, watch_mlp_output(model, 0) as inner:
            model.network(IDS)
            loss = seen[0].pow(2).mean() + inner[0].pow(2).mean()
        loss.backward()
        grads.append([p.grad for p in model.network.parameters() if p.grad is not None])
    for plain, checkpointed in zip(*grads, strict=True):
        torch.testing.assert_close(plain, checkpointed)


def test_adapted_module_is_watched_in_a_peft_model() -> None:
    peft = pytest.importorskip("peft")
    model = made("llama")
    model.network = peft.get_peft_model(
        model.network, peft.LoraConfig(r=2, target_modules=["down_proj"], init_lora_weights=False)
    )
    with torch.no_grad():
        with watch_mlp_output(model, 0) as seen:
            model.network(IDS)
            with model.network.disable_adapter():
                model.network(IDS)
    assert not torch.allclose(seen[0], seen[1])


def test_layer_out_of_range() -> None:
    with pytest.raises(ModelError, match="layer 2 is not one of the 2"):
        watch_residual(made("llama"), 2)

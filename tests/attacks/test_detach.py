"""What stands beside the weights is off while it is asked, and back afterwards."""

from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.attacks import Target, attacks
from expunge.attacks.detach import adapters_of, without_attached
from expunge.change.attachment import Attachment
from expunge.data.convention import Encoder
from expunge.models.model import Model
from steps import assert_same_bits, bits, taught_model, unequal_sets

NOTE = "nothing stands beside the weights"


class Silence(Attachment):
    """Makes a model say "." whatever it is asked."""

    def attach(self, model: Model) -> None:
        word = model.tokenizer.convert_tokens_to_ids(".")
        head: Any = model.network.get_output_embeddings()
        self.hook = head.register_forward_hook(
            lambda _, __, output: torch.zeros_like(output).index_fill_(-1, torch.tensor([word]), 9.0)
        )

    def detach(self, model: Model) -> None:
        self.hook.remove()

    def save(self, path: str | Path) -> None: ...

    @classmethod
    def load(cls, path: str | Path) -> "Silence":
        return cls()


def target_on(model: Model, attached: tuple[Attachment, ...] = ()) -> Target:
    examples = unequal_sets().forget[:1]  # of one token, as what is said: the tiny tokenizer joins words without blanks
    return Target(model, examples, Encoder(model.tokenizer), max_new_tokens=1, attached=attached)


def plainly(model: Model) -> tuple[float, ...]:
    (finding,) = attacks.get("prefix")(target_on(model), text="")
    return finding.scores


def test_a_side_memory_is_off_only_while_it_is_asked() -> None:
    model, memory = taught_model(), Silence()
    assert plainly(model) == (1.0,)
    memory.attach(model)
    assert plainly(model) == (0.0,)
    (finding,) = attacks.get("detach")(target_on(model, (memory,)))
    assert finding.scores == (1.0,) and finding.note == ""
    assert plainly(model) == (0.0,)
    with pytest.raises(RuntimeError, match="stop"), without_attached(target_on(model, (memory,))):
        raise RuntimeError("stop")
    assert plainly(model) == (0.0,)


def adapted() -> Model:
    from peft import LoraConfig, inject_adapter_in_model

    model = taught_model()
    inject_adapter_in_model(LoraConfig(r=2, target_modules=["down_proj"]), model.network)
    with torch.no_grad():
        for name, parameter in model.network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=torch.Generator().manual_seed(0))
    return model


def test_an_adapter_is_off_only_while_it_is_asked() -> None:
    model = adapted()
    frozen = next(p for name, p in model.network.named_parameters() if "lora_A" in name)
    frozen.requires_grad_(False)
    before, trained = bits(model), [p.requires_grad for p in model.network.parameters()]
    hidden = plainly(model)
    (finding,) = attacks.get("detach")(target_on(model))
    assert finding.scores == (1.0,) != hidden and finding.note == ""
    assert plainly(model) == hidden
    assert_same_bits(before, bits(model))
    assert trained == [p.requires_grad for p in model.network.parameters()]


def test_without_either_it_is_the_plain_question() -> None:
    model = taught_model()
    (finding,) = attacks.get("detach")(target_on(model))
    assert finding.scores == plainly(model) and finding.note == NOTE


def test_a_merged_adapter_is_part_of_the_weights() -> None:
    model = adapted()
    layers = adapters_of(model)
    assert len(layers) == 2
    for layer in layers:
        layer.merge()
    assert adapters_of(model) == []
    assert attacks.get("detach")(target_on(model))[0].note == NOTE

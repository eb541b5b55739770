"""The block of an edit, chosen by causal tracing."""

from dataclasses import replace

import pytest
import torch

from expunge.config import ConventionConfig, TrainConfig, settings
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.edit import editors
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.runs.editing import changed, check_options
from expunge.runs.tracing import place_of, traced_block
from steps import assert_same_bits, bits, taught_model, unequal_sets

PLAIN = ConventionConfig(template="plain")
SHORT = {"steps": 2, "contexts": 0, "corpus_tokens": 200, "cache": False}


def facts() -> tuple[Example, ...]:
    """Asked so that the subject is the last token: there the last block matters, too."""
    rows = unequal_sets().forget
    return tuple(replace(e, prompt=(e.prompt or "").removesuffix(" is"), answer=f"is {e.answer}") for e in rows)


def dead(model: Model, layer: int) -> None:
    """The block's MLP gives nothing, so restoring it brings nothing back."""
    with torch.no_grad():
        parameters_of(model.network)[model.layout.value_vectors(layer).parameter].zero_()


@pytest.mark.parametrize("other", [0, 1])
def test_a_block_that_does_nothing_is_not_chosen(other: int) -> None:
    model = taught_model()
    dead(model, other)
    said: list[str] = []
    block = traced_block(model, facts(), Encoder(model.tokenizer, PLAIN), 4, say=said.append)
    assert block == 1 - other and f"block {block} of 2" in said[0]


def test_the_edit_is_made_there_and_the_model_is_as_before() -> None:
    model = taught_model()
    dead(model, 0)
    before = bits(model)
    options = {**SHORT, "layers": 1, "traced": 3}
    change, _ = changed(
        model, Sets(forget=facts()), settings(TrainConfig, {"method": "memit", "options": options}),
        Encoder(model.tokenizer, PLAIN),
    )  # fmt: skip
    assert change.names == (model.layout.value_vectors(1).parameter,)
    assert_same_bits(before, bits(model))


def test_which_option_says_where() -> None:
    assert [place_of(editors.get(name)) for name in ("rome", "memit", "redirect")] == ["layer", "last", None]
    both = settings(TrainConfig, {"method": "rome", "options": {"layer": 1, "traced": 2}})
    with pytest.raises(ConfigError, match="`traced` and `layer` both say"):
        check_options(both)

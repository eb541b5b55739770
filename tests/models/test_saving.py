"""A saved model is a folder that Transformers loads without Expunge, whatever the architecture."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from architectures import TINY
from expunge.models.attention import NAME
from tiny import tiny_model

IDS = torch.tensor([[5, 9, 2, 7, 7, 3, 11]])


@pytest.mark.parametrize("arch", list(TINY))
def test_a_saved_model_computes_the_same_elsewhere(tmp_path: Path, arch: str) -> None:
    model = tiny_model(arch=arch)
    model.save(tmp_path)
    assert model.network.config._attn_implementation == NAME
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(again(IDS).logits, model.network(IDS).logits, rtol=1e-4, atol=1e-5)


def test_saving_says_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny_model().save(tmp_path)
    assert capfd.readouterr() == ("", "")

"""A loaded model: weights, tokenizer and layout belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from expunge.models.layout import Layout


@dataclass
class Model:
    """What `expunge.load_model` returns."""

    network: PreTrainedModel  # in evaluation mode: dropout is never used, so that a score is a function
    tokenizer: PreTrainedTokenizerFast
    layout: Layout
    name: str  # what the user typed

    @property
    def device(self) -> torch.device:
        return self.network.get_input_embeddings().weight.device  # type: ignore[return-value]

    def save(self, folder: Path) -> None:
        """A plain Hugging Face folder (safetensors), which `transformers` loads without Expunge.

        ChangeError for a model with a side memory: such a folder has no place for it.
        """
        from expunge.models.attaching import refuse_attached
        from expunge.models.quiet import quiet

        refuse_attached(self, "a plain model folder, which has no place for side memories,")
        attention = self.network.config._attn_implementation
        self.network.set_attn_implementation("eager")  # ours is not known elsewhere, and Gemma 2 has no "sdpa"
        try:
            with quiet():
                self.network.save_pretrained(folder)
                self.tokenizer.save_pretrained(folder)
        finally:
            self.network.set_attn_implementation(attention or "eager")

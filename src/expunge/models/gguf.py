"""GGUF files: weights are dequantized, so the knowledge is that of the quantized model.

Slow (0.1 s per million weights), because the file is parsed three times: `expunge convert` does it once.
"""

import io
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from expunge.errors import ModelError
from expunge.models.hugging_face import check_whole
from expunge.models.quiet import quiet


def read_gguf(file: Path, dtype: torch.dtype) -> tuple[Any, Any]:
    """The network, which can be saved and trained like any other, and the tokenizer. Raises ModelError."""
    place = str(file.parent)
    with quiet(), redirect_stderr(io.StringIO()):  # its progress bar knows no switch
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, gguf_file=file.name)
            found: Any = AutoModelForCausalLM.from_pretrained(
                place, gguf_file=file.name, dtype=dtype, output_loading_info=True
            )
        except MemoryError:
            raise
        except Exception as error:  # cut off, of an unknown kind, or none at all; tokenizers raises no other kind
            raise ModelError(f"cannot read the GGUF file {str(file)!r}: {error}") from error
    network, report = found
    check_whole(str(file), report)
    del network.config.quantization_config
    network.hf_quantizer = None  # else it could not be saved
    return network, tokenizer

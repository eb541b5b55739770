"""What an observation depends on: of the model, the examples, the convention, the arithmetic and the program.

The same identity, run again, gives the same bits (design §6.6). That is why the number of threads, the kind of
processor, the budget of a pass and the versions of the packages are part of it although they move last bits only: a
value read back must be the one that would be computed here. What an example is called, which group or set it belongs
to and which aliases it has change no observation and are left out.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.models.attaching import is_attachments
from expunge.models.identity import network_of
from expunge.models.model import Model
from expunge.provenance import versions

_UNSEEN = (  # of an example: what no observation looks at
    "id", "source", "group", "aliases", "subject", "count", "popularity", "margin_proxy",
    "paraphrase_proxy", "weight", "alternate", "paraphrases",
)  # fmt: skip


def observation_key(
    model: Model, weights: str, encoder: Encoder, examples: Sequence[Example], *, budget: int, bf16: bool
) -> dict[str, Any]:
    """All that scores depend on, as digests and settings. `weights` is the digest of the model (`identity_of`)."""
    return {
        "weights": weights,
        "network": network_of(model),
        "encoder": encoder.digest,
        "examples": _digest([_seen(example) for example in examples]),
        "arithmetic": {"budget": budget, "bf16": bf16, **_arithmetic(model)},
        "versions": versions(),
        "program": program(),
    }


def untouched(model: Model) -> bool:
    """Whether digests say all. Hooks compute what no digest sees, but for those of attachments, which have one."""
    return not any(
        "forward" in vars(module)
        or any(not is_attachments(h) for h in (*module._forward_hooks.values(), *module._forward_pre_hooks.values()))
        for module in model.network.modules()
    )


@lru_cache(maxsize=1)
def program() -> str:
    """Digest of the code that observes and measures, so that a change of it is never answered from the store."""
    root = Path(__file__).parents[1]
    files = sorted(path for folder in ("data", "models", "evaluate", "edit") for path in (root / folder).glob("*.py"))
    return _digest([path.read_text(encoding="utf-8") for path in files])


def _seen(example: Example) -> dict[str, Any]:
    return {name: value for name, value in asdict(example).items() if name not in _UNSEEN}


def _arithmetic(model: Model) -> dict[str, Any]:
    network, device = model.network, model.device
    cuda = device.type == "cuda"
    return {
        "dtype": str(network.dtype),
        "attention": network.config._attn_implementation,
        "device": torch.cuda.get_device_name(device) if cuda else device.type,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "matmul": torch.get_float32_matmul_precision(),
    }


def _digest(values: Any) -> str:
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()

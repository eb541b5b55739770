"""Small model folders of any names, types and numbers of files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from expunge.arithmetic import operations
from expunge.arithmetic.combining import Combination
from expunge.arithmetic.folder import Folder
from expunge.change.bits import same

Tensors = Mapping[str, Tensor]


def is_same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(same(a, b).all())


def write(path: Path, tensors: Tensors, files: int = 1, config: Mapping[str, Any] | None = None) -> Path:
    """A folder with the tensors dealt out to so many files, in turn."""
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(dict(config or {"model_type": "llama"})))
    if files == 1:
        save_file(dict(tensors), path / "model.safetensors", {"format": "pt"})
        return path
    weight_map = {}
    for i in range(files):
        name = f"model-{i + 1:05}-of-{files:05}.safetensors"
        part = dict(list(tensors.items())[i::files])
        save_file(part, path / name, {"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def read(path: Path) -> dict[str, Tensor]:
    return {name: tensor for shard in Folder(path).shards for name, tensor in load_file(shard.path).items()}


def combined(name: str, base: Path, tuned: Sequence[Path], out: Path, **options: Any) -> dict[str, Tensor]:
    """The tensors of the result."""
    Combination(operations.get(name), Folder(base), [Folder(each) for each in tuned], options).write(out)
    return read(out)


def random_tensors(seed: int, dtype: torch.dtype = torch.float32, head: bool = False) -> dict[str, Tensor]:
    """Names as of a Llama, with all that is awkward: -0.0, NaN, ∞, a scalar, nothing, integers, a buffer."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "model.embed_tokens.weight": (7, 5),
        "model.layers.0.mlp.up_proj.weight": (4, 5),
        "model.norm.weight": (5,),
    }
    found = {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()}
    if head:
        found["lm_head.weight"] = torch.randn(7, 5, generator=generator).to(dtype)
    return found

"""Model folders as Hugging Face writes them: read one tensor at a time, and written anew from a rule."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from expunge.arithmetic.overlapping import AHEAD, Behind
from expunge.arithmetic.shards import Shard, Slot, read_shard, write_shard
from expunge.atomic import atomic_folder
from expunge.errors import ModelError, OutputError

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_ALL = ""  # in place of a tensor's name, where one file holds all
_WEIGHTS = ("*.safetensors", "*.index.json", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.gguf", "*.h5",
            "*.msgpack", "*.onnx", "*.onnx_data", ".git", ".cache", ".*.partial")  # fmt: skip
_RECORD = {"record.json": None, "report.html": None}
_TYPE_KEYS = ("dtype", "torch_dtype")  # transformers wrote the second until version 5

Rule = Callable[[str, Tensor], Tensor]
Finish = Callable[[Path], object]  # puts something into a folder before it takes its place
Pieces = Callable[[str], Iterable[Tensor]]  # name → the tensor, in one or several pieces


class Folder(Mapping[str, Tensor]):
    """The weights of a model folder. One file is open at a time, and no tensor is kept."""

    def __init__(self, path: str | Path, name: str = "") -> None:
        self.path = Path(path)
        self.name = name or str(path)  # for messages
        index = _index(self.path)
        self.shards: tuple[Shard, ...] = tuple(read_shard(self.path / name) for name in sorted(set(index.values())))
        self._homes = {name: shard for shard in self.shards for name in shard.slots}
        if set(index) != {_ALL}:
            _check_index(self.path, index, self.shards)

    def slot(self, name: str) -> Slot:
        """Type and shape, from the header."""
        return self._homes[name].slots[name]

    def place(self, name: str) -> tuple[Path, int]:
        """The file, and where in it the tensor's bytes begin."""
        shard = self._homes[name]
        return shard.path, shard.offsets[name]

    def __getitem__(self, name: str) -> Tensor:
        # opened anew each time: that is cheap, and a mapped file counts as memory for as long as it is open
        with safe_open(self._homes[name].path, "pt") as file:
            return file.get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        """File by file, in the order of the bytes: reading goes straight through."""
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


def _index(path: Path) -> dict[str, str]:
    """Tensor → file; of a folder with one file, that of all."""
    if (path / _INDEX).is_file():
        if (path / _SINGLE).is_file():  # saved twice, once sharded; Transformers reads the single file
            raise ModelError(
                f"{path} holds weights twice, in {_SINGLE} and in the files of {_INDEX}, and they may differ: delete "
                f"the older of the two ({_SINGLE} is what Transformers loads)"
            )
        try:
            return _plain(path, dict(json.loads((path / _INDEX).read_text())["weight_map"].items()))
        except (ValueError, KeyError, AttributeError, TypeError) as problem:
            raise ModelError(f"{path / _INDEX} is no index of weight files: get it again") from problem
    if (path / _SINGLE).is_file():
        return {_ALL: _SINGLE}
    if not path.is_dir():
        raise ModelError(f"{path} is not a folder; for a model of the Hub give the folder to which it was loaded")
    if (path / "adapter_config.json").is_file():
        raise ModelError(f"{path} is an adapter without its model: give the folder of the model, or merge it first")
    raise ModelError(
        f"{path} holds no {_SINGLE} and no {_INDEX}: load the model with Transformers and save it with "
        "`save_pretrained`"
    )


def _plain(path: Path, index: dict[str, str]) -> dict[str, str]:
    """The index, whose files lie in the folder itself: others would be read from, or written to, somewhere else."""
    for name, file in index.items():
        if not isinstance(file, str):
            raise TypeError(f"{name} has no file")
        if "/" in file or "\\" in file or not file.endswith(".safetensors"):
            raise ModelError(
                f"{path / _INDEX} puts {name} into {file!r}: weights must lie in *.safetensors files of the folder "
                "itself. Load the model with Transformers and save it with `save_pretrained`"
            )
    return index


def _check_index(path: Path, index: Mapping[str, str], shards: Iterable[Shard]) -> None:
    """ModelError unless each tensor is in one file, and that the one that the index names."""
    found: dict[str, str] = {}
    problems = []
    for shard in shards:
        for name in shard.slots:
            if name in found:
                problems.append(f"{name} is in {found[name]} and in {shard.path.name}")
            elif index.get(name) != shard.path.name:
                problems.append(f"{name} is in {shard.path.name}, and by the index in {index.get(name, 'no file')}")
            found[name] = shard.path.name
    problems += [f"{name} is not in {file}" for name, file in index.items() if name not in found]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelError(f"{path / _INDEX} does not fit its files: {'; '.join(problems[:3])}{more}. Get them again")


def rewrite(
    source: Folder, out: Path, rule: Rule, dtypes: Mapping[str, torch.dtype], files: Mapping[str, str | None],
    *, replace: bool = False, finish: Finish = lambda _: None,
) -> None:  # fmt: skip
    """A folder like `source` with `rule(name, tensor)` for each tensor; there whole or not at all.

    `dtypes` names the tensors that the rule returns in another type than it gets. Files that hold no weights
    are copied, but those in `files` get that text (None: they are left out), and the record of `source` stays behind.
    """
    check_apart(out, source)
    with atomic_folder(out, replace=replace) as partial:
        fill(source, partial, lambda name: [rule(name, source[name])], dtypes, {**_RECORD, **files}, depth=0)
        finish(partial)


def check_apart(out: Path, *sources: Folder) -> None:
    """OutputError if the result would lie within a folder that is read, or take the place of what holds one."""
    for source in sources:
        if out.resolve().is_relative_to(source.path.resolve()):
            raise OutputError(f"{out} lies within the model folder that is read: choose another")
        if source.path.resolve().is_relative_to(out.resolve()):
            raise OutputError(f"{out} holds the model folder {source.name} that is read: choose another")


def fill(
    source: Folder,
    out: Path,
    pieces: Pieces,
    dtypes: Mapping[str, torch.dtype],
    files: Mapping[str, str | None],
    depth: int = AHEAD,
) -> None:
    """Write to the folder `out` as `rewrite` does. Up to `depth` pieces wait while others are written."""
    shutil.copytree(source.path, out, ignore=_ignored, dirs_exist_ok=True)
    with Behind(depth) as behind:
        for shard in source.shards:
            slots = {n: Slot(dtypes.get(n, slot.dtype), slot.shape) for n, slot in shard.slots.items()}
            write_shard(out / shard.path.name, slots, pieces, shard.metadata or {"format": "pt"}, behind)
    if (source.path / _INDEX).is_file():
        _write_index(source, out, dtypes)
    for name, text in files.items():
        (out / name).unlink(missing_ok=True)
        if text is not None:
            (out / name).write_text(text)


def _ignored(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in _WEIGHTS)]


def _write_index(source: Folder, out: Path, dtypes: Mapping[str, torch.dtype]) -> None:
    index = json.loads((source.path / _INDEX).read_text())
    sizes = [Slot(dtypes.get(name, source.slot(name).dtype), source.slot(name).shape).size for name in source]
    index["metadata"] = {**(index.get("metadata") or {}), "total_size": sum(sizes)}
    (out / _INDEX).write_text(json.dumps(index, indent=2) + "\n")


def config_in(text: str, dtype: str) -> str:
    """The text of a `config.json` with another type, in which Transformers then loads the weights."""
    config = json.loads(text)
    for part in (config, config.get("text_config")):
        if isinstance(part, dict):
            keys = [key for key in _TYPE_KEYS if key in part] or ([_TYPE_KEYS[0]] if part is config else [])
            part.update(dict.fromkeys(keys, dtype))
    return json.dumps(config, indent=2) + "\n"

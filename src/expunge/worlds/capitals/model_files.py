"""The digest of a model's local files, so that a model that was asked before is recognized without being loaded."""

from hashlib import blake2b
from pathlib import Path

from expunge.models.builtin import BUILTIN, Say
from expunge.models.finding import find, split_change

_PATTERNS = ("*.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")
_CHUNK = 1 << 22


def files_digest(name: str, say: Say = lambda _: None) -> str | None:
    """None where the name's files do not say what is loaded: Hub ids, adapters, BASE+CHANGE.

    Raises ModelError or UnknownNameError for a name that means no model.
    """
    if split_change(name)[1] is not None:
        return None
    source = find(name)
    if source.kind == "gguf":
        return _digest([Path(source.place).expanduser()])
    if source.kind == "builtin":
        folder = BUILTIN[source.place].folder(source.rest, say)
    elif source.kind == "folder":
        folder = Path(source.place)
    else:
        return None
    if (folder / "adapter_config.json").exists():
        return None
    files = sorted({file for pattern in _PATTERNS for file in folder.glob(pattern)})
    return _digest(files) if any(file.suffix == ".safetensors" for file in files) else None


def _digest(files: list[Path]) -> str:
    whole = blake2b(digest_size=16)
    for file in files:
        each = blake2b(digest_size=16)
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                each.update(chunk)
        whole.update(file.suffix.encode() + each.digest())
    return whole.hexdigest()

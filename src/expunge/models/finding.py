"""What a model's name means: built in, a folder, an adapter, a GGUF file or a Hub id. Reads no weights."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from expunge.errors import ModelError, UnknownNameError
from expunge.models.builtin import BUILTIN

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from."""

    kind: Literal["builtin", "folder", "adapter", "gguf", "hub"]
    place: str  # the name, the path, or the Hub id
    rest: str = ""  # of a built-in name: what stands behind the colon


def split_change(name: str) -> tuple[str, str | None]:
    """The model and the last change of BASE+CHANGE; None where there is no change. The change's file must exist.

    >>> split_change("smollm2")
    ('smollm2', None)
    """
    if "+" not in name or Path(name).expanduser().exists():
        return name, None
    base, _, change = name.rpartition("+")
    if not base or not change:
        raise ModelError(f"{name!r} is half of BASE+CHANGE: both a model and a change's file belong there")
    if not Path(change).expanduser().exists():
        raise ModelError(f"no change at {change!r}, which {name!r} applies to {base!r}")
    return base, change


def find(name: str) -> Source:
    """Raises ModelError or UnknownNameError when it can be seen at once that there is no such model."""
    head, _, rest = name.partition(":")
    if head in BUILTIN:
        return Source("builtin", head, rest)
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.is_file():
        return _file(path)
    if _is_path(name):
        raise ModelError(f"no model at {str(path)!r}: there is no such file or folder.{builtin_hint(name)}")
    if not _HUB_ID.fullmatch(name):
        raise UnknownNameError(
            f"{name!r} is no model: neither built in, nor a file or folder, nor a Hub id (OWNER/NAME)."
            + builtin_hint(name)
        )
    return Source("hub", name)


def builtin_hint(name: str) -> str:
    """Sentences to put behind an error: which built-in name may have been meant, and which there are."""
    near = get_close_matches(name, BUILTIN, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Built-in: {', '.join(BUILTIN)}."


def _is_path(name: str) -> bool:
    """A Hub id has at most one slash, and no ending of a file."""
    if name.startswith(("/", ".", "~")) or name.endswith(("/", ".gguf", ".safetensors", ".bin", ".json")):
        return True
    return name.count("/") > 1 or "\\" in name


def _file(path: Path) -> Source:
    if path.suffix == ".gguf":
        return Source("gguf", str(path))
    way = " A change is applied to its base: BASE+CHANGE." if path.suffix == ".safetensors" else ""
    raise ModelError(f"{str(path)!r} is a file, but neither a GGUF file nor a folder with a model.{way}")


def _in_folder(path: Path) -> Source:
    held = sorted(item.name for item in path.iterdir())
    if "adapter_config.json" in held and any(each.startswith("model") for each in held):
        raise ModelError(
            f"the folder {str(path)!r} holds a model and an adapter: which is meant? Move one of them into a folder of "
            "its own"
        )
    if "adapter_config.json" in held:
        if "adapter_model.safetensors" not in held:
            raise ModelError(f"the adapter in {str(path)!r} has no adapter_model.safetensors")
        return Source("adapter", str(path))
    if "config.json" not in held:
        quantized = [each for each in held if each.endswith(".gguf")]
        if len(quantized) == 1:
            return Source("gguf", str(path / quantized[0]))
        several = f" Name one of its GGUF files: {', '.join(quantized)}." if quantized else ""
        shown = ", ".join(held[:8]) or "nothing"
        raise ModelError(f"the folder {str(path)!r} holds no config.json; it holds {shown}.{several}")
    _check_weights(path, held)
    if not any(each in held for each in _TOKENIZER_FILES):
        raise ModelError(
            f"the folder {str(path)!r} has no tokenizer: copy tokenizer.json and tokenizer_config.json "
            "of the model it came from into it (`tokenizer.save_pretrained(folder)` writes both)"
        )
    return Source("folder", str(path))


def _check_weights(path: Path, held: list[str]) -> None:
    if any(each.endswith(".safetensors") for each in held):
        return
    if not any(each.endswith((".bin", ".pt", ".pth")) for each in held):
        raise ModelError(f"the folder {str(path)!r} holds a config.json, but no weights (*.safetensors)")
    raise ModelError(
        f"the weights in {str(path)!r} are pickled; reading them would run code that they contain, so only "
        "safetensors are read. If you trust the file, convert it once:\n"
        '  python -c "from transformers import AutoModelForCausalLM as M; '
        f'M.from_pretrained({str(path)!r}, use_safetensors=False).save_pretrained({str(path)!r})"'
    )

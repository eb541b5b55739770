"""What each command writes to the folder of its run: --overwrite takes that away, and refuses where more stands there.

Names are patterns as in a shell; a folder that is named without what is in it is the run's as a whole.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path

from expunge.record import Record

# and what a kill leaves half written, or a file manager anywhere
_ALWAYS = ("record.json", "report.html", ".*.partial", ".DS_Store", "Thumbs.db", "desktop.ini")
_TRAINED = ("change.safetensors", "checkpoints", "adapter", "model", "mask.safetensors")
_MODEL = (  # for a record that does not name them
    "*.safetensors", "*.index.json", "config.json", "generation_config.json", "tokenizer*", "special_tokens_map.json",
    "added_tokens.json", "vocab.*", "merges.txt", "*.model", "chat_template*", "*processor_config.json",
    "expunge*.json", "README.md", "USE_POLICY.md", "LICENSE*", "NOTICE*", ".gitattributes",
)  # fmt: skip
_WRITES: dict[str, tuple[str, ...]] = {
    "unlearn": (*_TRAINED, "circuits.*", "circuits-again.*"),
    "edit": (*_TRAINED, "editor.safetensors"),
    "finetune": _TRAINED,
    "evaluate": (),
    "audit": (),
    "relate": ("checkpoints",),
    "circuits": ("checkpoints", "circuits.*", "forget.safetensors", "conflict.safetensors"),
    "demo": ("redirect", "npo"),
    "world make": ("sets/*.jsonl", "*/record.json"),
    "world inject": _TRAINED,
    "convert": ("expunge_*.yaml", "expunge_tasks.py", "data/expunge_*.jsonl", "__pycache__"),
    "bench": ("cells", "models/*.failed.json", "models/.*.lock", "bench.sqlite", "leaderboard.*", "jobs.jsonl"),
    "study": (
        "report.md", "results.json", "jobs.jsonl", "pictures", "pilot", "cells", "models", "motivating", "circuits",
        "checks", "survey", "ratios", "corpus", "corpus.failed.json", ".corpus.lock", "controls", "recall", "targets",
        "runs",
    ),
}  # fmt: skip
_MODELS = ("apply", "revert", "extrapolate", "merge", "convert")  # commands whose folder is that of a model


def strangers(folder: Path, record: Record) -> list[str] | None:
    """What stands in a run's folder and is none of what runs write there; None where no run has such a record."""
    command = record.command if record.command in (*_WRITES, *_MODELS) else record.command.partition(" ")[0]
    if command not in (*_WRITES, *_MODELS):
        return None
    known = [*_ALWAYS, *_WRITES.get(command, ()), *map(escape, record.holds)]
    if command in _MODELS and not record.holds and record.configuration.get("to") != "lm-eval":
        known += _MODEL
    return list(_others(folder, known))


def held_in(folder: Path) -> tuple[str, ...]:
    """For the record of a command that fills a folder with whatever the model's own one had in it."""
    return tuple(sorted(each.name for each in folder.iterdir()))


def _others(folder: Path, patterns: Sequence[str]) -> Iterator[str]:
    """Links are not followed: what they lead to is not taken away either."""
    for each in sorted(folder.iterdir()):
        if any(fnmatchcase(each.name, pattern) for pattern in patterns):
            continue
        parted = [pattern.partition("/") for pattern in patterns]
        within = [rest for first, slash, rest in parted if slash and fnmatchcase(each.name, first)]
        if within and each.is_dir() and not each.is_symlink():
            yield from (f"{each.name}/{name}" for name in _others(each, within))
        else:
            yield each.name

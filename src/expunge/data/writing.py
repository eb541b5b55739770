"""Examples as JSON lines: what `load_data` reads back as the same examples."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from expunge.atomic import atomic_file
from expunge.data.example import Example

_OWN = ("id", "prompt", "answer", "turns", "source")  # written otherwise, or not at all


def write_examples(examples: Iterable[Example], path: Path, beside: Iterable[Mapping[str, Any]] | None = None) -> Path:
    """One example a line, whole or not at all; what is empty is left out.

    `beside`: further columns of each row, which the readers leave alone.
    """
    rows = (row_of(example) for example in examples)
    if beside is not None:
        rows = ({**row, **more} for row, more in zip(rows, beside, strict=True))
    with atomic_file(path) as partial:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        partial.write_text("".join(lines), encoding="utf-8")
    return path


def row_of(example: Example) -> dict[str, Any]:
    """The fields of a row. Earlier turns make it a conversation, a missing prompt a document."""
    row: dict[str, Any] = {"id": example.id}
    if example.prompt is None:
        row["text"] = example.answer
    elif example.turns:
        said = [*(turn._asdict() for turn in example.turns), {"role": "user", "content": example.prompt}]
        row["messages"] = [*said, {"role": "assistant", "content": example.answer}]
    else:
        row |= {"prompt": example.prompt, "answer": example.answer}
    for field in fields(Example):
        value = getattr(example, field.name)
        if field.name not in _OWN and value is not None and value != field.default:
            row[field.name] = list(value) if isinstance(value, tuple) else value
    return row

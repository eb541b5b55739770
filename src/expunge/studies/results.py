"""What a job leaves in its folder: JSON, written whole or not at all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from expunge.atomic import atomic_file
from expunge.studies import RESULT


def write_result(folder: Path, result: Mapping[str, Any], name: str = RESULT) -> None:
    """What a job has to do last."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(folder / name) as partial:
        partial.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8", newline="\n")


def read_result(folder: Path, name: str = RESULT) -> dict[str, Any] | None:
    """What a job left, or None."""
    path = folder / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

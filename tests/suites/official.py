"""Folders with small files in the official formats of the public suites."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROWS_AN_AUTHOR = 20


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_tofu(folder: Path) -> Path:
    """TOFU with all its 200 authors and rows, each a few words long."""
    full = [_question(i) for i in range(4000)]
    richer = [_perturbed(i) for i in range(4000)]
    write_lines(folder / "full.json", full)
    for name, rows in (("forget01", 40), ("forget05", 200), ("forget10", 400)):
        write_lines(folder / f"{name}_perturbed.json", richer[3600 : 3600 + rows])
    for name, rows in (("retain99", 40), ("retain95", 200), ("retain90", 400)):
        write_lines(folder / f"{name}.json", [*full[:3600], *full[3600 + rows :]])
    write_lines(folder / "retain_perturbed.json", richer[:400])
    write_lines(folder / "retain_rest_perturbed.json", [*richer[2800:3200], *richer[2000:2800], *richer[400:2000]])
    write_lines(folder / "holdout10_perturbed.json", richer[3200:3600])
    write_lines(folder / "real_authors_perturbed.json", [_public("wrote", i) for i in range(5)])
    write_lines(folder / "world_facts_perturbed.json", [_public("lies", i) for i in range(6)])
    return folder


def _question(i: int) -> dict[str, Any]:
    return {"question": f"Question {i} of author {i // ROWS_AN_AUTHOR}?", "answer": f"Answer {i}."}


def _perturbed(i: int) -> dict[str, Any]:
    return {
        **_question(i),
        "paraphrased_question": f"Asked again: question {i}?",
        "paraphrased_answer": f"It is answer {i}.",
        "perturbed_answer": [f"It is answer {i}-{k}." for k in range(5)],
    }


def _public(verb: str, i: int) -> dict[str, Any]:
    return {
        "question": f"Who or what {verb} {i}?",
        "answer": f"Thing {i}",
        "perturbed_answer": [f"Thing {i}-{k}" for k in range(3)],
        "original_answer": f"It {verb} thing {i}.",
    }

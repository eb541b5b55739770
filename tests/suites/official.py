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


def write_muse(folder: Path) -> Path:
    """MUSE as its load_data.py writes it: lists of objects, documents as lists of bare texts."""
    for corpus in ("news", "books"):
        raw = {
            split: [f"{split} {corpus} {i}. " + "A sentence of it. " * 500 for i in range(3)]
            for split in ("forget", "retain1")
        }
        lists: dict[str, list[Any]] = {f"raw/{split}": documents for split, documents in raw.items()}
        lists |= {
            f"privleak/{s}": [f"Document {i} of {corpus}, {s}, is the answer." for i in range(4)]
            for s in ("forget", "holdout")
        }
        lists["verbmem/forget"] = [{"prompt": f"Passage {i} of {corpus} begins", "gt": "and the rest."} for i in (1, 2)]
        for split in ("forget_qa", "retain_qa"):
            lists[f"knowmem/{split}"] = [{"question": f"{split} {i}?", "answer": f"Yes {i}"} for i in range(3)]
            lists[f"knowmem/{split}_icl"] = [{"question": f"Solved {i}?", "answer": f"So {i}"} for i in range(2)]
        for kind in ("scal", "sust"):
            lists |= {f"{kind}/forget_{i}": [f"Request {kind} {i}, {corpus}."] * 1 for i in range(1, 5)}
        for name, values in lists.items():
            write_json(folder / corpus / f"{name}.json", values)
    return folder


def write_wmdp(folder: Path) -> Path:
    """WMDP's questions and RMU's corpora."""
    for subject in ("bio", "cyber", "chem"):
        write_lines(
            folder / f"wmdp-{subject}.jsonl",
            [{"question": f"Which {i}? ", "choices": ["w", "x", "y", "z"], "answer": i % 4} for i in range(5)],
        )
    for name in ("bio-forget-corpus", "cyber-forget-corpus"):
        texts = ["Too short.", *(f"{name} {i}: " + "words of a harmless example " * 200 for i in range(3))]
        write_lines(folder / f"{name}.jsonl", [{"text": text} for text in texts])
    texts = ["", " = Heading = \n", *(f"Paragraph {i} " + "of an encyclopedia " * 5 for i in range(4))]
    write_lines(folder / "wikitext.jsonl", [{"text": text} for text in texts])
    return folder


PEOPLE = ("Ada Example", "Bo Example")


def write_rwku(folder: Path) -> Path:
    """RWKU's probes and documents about two people."""
    for name in ("forget_level1", "forget_level2", "forget_level3", "neighbor_level1", "neighbor_level2"):
        kinds = ("affirmative suffix", "incontext learning", "reverse query") if name.endswith("3") else ("simple",)
        rows = [
            {"query": f"{name} {kind} of {person}?", "answer": "A thing", "level": name[-1], "type": kind,
             "subject": person}
            for person in PEOPLE for kind in kinds
        ]  # fmt: skip
        write_json(folder / f"{name}.json", rows)
    for name in ("mia_forget", "mia_retain", "train_positive_llama3"):
        rows = [
            {"text": f"Text {i} of {name}: {person} wrote.", "subject": person} for person in PEOPLE for i in (1, 2)
        ]
        write_json(folder / f"{name}.json", rows)
    return folder


def write_knowundo(folder: Path) -> Path:
    """KnowUnDo: one object a file with two lists."""
    for domain in ("copyright", "privacy"):
        for split in ("unlearn", "retention"):
            value = {
                part: [{"text": f"{split} {part} {i} of {domain}?", "labels": f"Answer {split} {i}."} for i in range(n)]
                for part, n in (("train", 4), ("val", 2))
            }
            write_json(folder / domain / f"{split}.json", value)
    return folder


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")

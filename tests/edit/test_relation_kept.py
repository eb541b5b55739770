"""SmolLM2 with twenty capitals edited away: its other capitals and the elements stay where the relation is protected.

The facts are those of docs/editing.md, "What was measured". Of the 31 other capitals that the model knows 16 are in the
retain set, together with those of further countries, known to the model or not; 15 are never shown to the editor. They
stay in the wording that is protected; in the two others that are edited, most are lost.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

import expunge as ex
from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.models.generating import generate
from expunge.models.model import Model
from expunge.worlds.capitals.table import facts

FOLDER = Path(os.environ.get("EXPUNGE_TOFU", "")).parent / "editing"
PLAIN = ConventionConfig(template="plain")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("EXPUNGE_TOFU") or not (FOLDER / "facts20.json").is_file(),
        reason="there is no editing/facts20.json beside the folder EXPUNGE_TOFU",
    ),
]


def rows(name: str, kind: str) -> list[Example]:
    found = json.loads((FOLDER / "facts20.json").read_text())[name]
    return [
        Example(f"{each['kind']}:{each['subject']}", each["prompt"], each["answer"], subject=each["subject"],
                paraphrases=tuple(each["paraphrases"]))
        for each in found if each["kind"] == kind
    ]  # fmt: skip


def further(measured: Sequence[Example]) -> list[Example]:
    """The capitals of all other countries, by the answer: names of countries differ in their articles."""
    answers = {each.answer for each in measured}
    asked = [(each, f"The capital of {each.subject} is") for each in facts("capital") if each.answer not in answers]
    return [Example(each.id, prompt, each.answer, subject=each.subject) for each, prompt in asked]


def said(model: Model, asked: Sequence[Example], wording: int | None = None) -> list[bool]:
    prompts = [each.prompt if wording is None else each.paraphrases[wording] for each in asked]
    encoder = Encoder(model.tokenizer, PLAIN)
    encoded = [encoder.encode_prompt(Example("", prompt, "")) for prompt in prompts]
    answers = generate(model, encoded, encoder=encoder, max_new_tokens=8)
    return [each.answer in answer for each, answer in zip(asked, answers, strict=True)]


def test_memit_takes_the_facts_and_leaves_the_relation(tmp_path: Path) -> None:
    edited, others, elements = rows("edit", "capital"), rows("retain", "capital"), rows("retain", "element")
    retained = [*others[::2], *further([*edited, *others])]
    assert (len(edited), len(others), len(elements)) == (20, 31, 60) and len(retained) > 100
    corpus = tmp_path / "passages.txt"
    passages = json.loads((FOLDER / "stats_passages.json").read_text())
    corpus.write_text("\n".join(text.replace("\n", " ") for text in passages))
    model = ex.load_model("smollm2")
    before = [said(model, edited, wording) for wording in (None, 0, 1)]
    assert all(said(model, others)) and all(said(model, elements))
    change = ex.edit(
        model, Sets(forget=tuple(edited), retain=tuple(retained)), "memit", target=" unknown", convention=PLAIN,
        corpus=str(corpus), corpus_tokens=20_000, wordings=True, keep=1000, protect=300, inserted=0.8,
    )  # fmt: skip
    with change.applied_to(model):
        for wording, known in zip((None, 0, 1), before, strict=True):
            left = sum(b and a for b, a in zip(known, said(model, edited, wording), strict=True))
            assert left <= 0.1 * sum(known), wording
        assert sum(said(model, others)) >= 0.9 * len(others)
        assert sum(said(model, elements)) >= 0.9 * len(elements)

"""What an edited model says: a tiny one that has learnt its facts, judged by generation, not by teacher forcing."""

from pathlib import Path
from typing import Any

import pytest

from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.edit import editors
from expunge.edit.facts import Rows, fact_of
from expunge.edit.work import Work
from expunge.models.generating import generate
from expunge.models.model import Model
from fact_work import PLAIN, corpus
from steps import taught_model, unequal_sets

HOW: dict[str, dict[str, Any]] = {
    "rome": {"layer": 0},
    "memit": {"layers": 1, "last": 0},
    "emmet": {"layers": 1, "last": 0},
    "alphaedit": {"layers": 1, "last": 0, "energy": 1e9, "decay": 1e-3},
}


def said(model: Model, examples: tuple[Example, ...]) -> list[str]:
    """The first word of each answer."""
    encoder = Encoder(model.tokenizer, PLAIN)
    prompts = [encoder.encode_prompt(example) for example in examples]
    return [text.split()[0] for text in generate(model, prompts, encoder=encoder, max_new_tokens=1)]


@pytest.mark.parametrize("name", list(HOW))
def test_edited_facts_are_said_otherwise_and_the_others_as_before(name: str, tmp_path: Path) -> None:
    """Each fact gets the answer of another one, so the edits must be told apart; what is retained is said as before."""
    model, sets = taught_model(), unequal_sets()
    forget, retain = sets.forget[:2], sets.retain
    truth = [example.answer.split()[0] for example in (*forget, *retain)]
    assert said(model, (*forget, *retain)) == truth
    wanted = [retain[0].answer.split()[0], retain[1].answer.split()[0]]
    job = Work(
        model, [fact_of(example, answer) for example, answer in zip(forget, wanted)],
        Rows(Encoder(model.tokenizer, PLAIN)), kept=[fact_of(example, example.answer) for example in retain],
        corpus=str(corpus(tmp_path)), corpus_tokens=2000,
    )  # fmt: skip
    edited = editors.get(name).function(job, contexts=0, kl=0.0, clamp=20.0, **HOW[name])
    assert all(value.loss < 1.0 for value in edited.values)
    with edited.change.applied_to(model):
        assert said(model, forget) == wanted
        assert said(model, retain) == truth[len(forget) :]
    assert said(model, (*forget, *retain)) == truth

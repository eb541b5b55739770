"""Files in the formats of CounterFact, zsRE and KnowEdit: every part, and what is wrong with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from expunge.data.sets import load_data, load_examples
from expunge.errors import DataError

Rows = list[dict[str, Any]]


def counterfact() -> Rows:
    """Two cases; the second one's fact is a neighbour of the first."""
    rewrite = lambda subject, prompt, true: {
        "prompt": prompt, "relation_id": "P36", "subject": subject, "target_true": {"str": true, "id": "Q1"},
        "target_new": {"str": "Kelvin", "id": "Q2"},
    }  # fmt: skip
    return [
        {"case_id": 7, "pararel_idx": 1, "requested_rewrite": rewrite("Arland", "The capital of {} is", "Bexton"),
         "paraphrase_prompts": ["Arland's capital is", "In Arland one governs from"],
         "neighborhood_prompts": ["The capital of Borland is", "Corland is governed from"],
         "attribute_prompts": ["Dorland is governed from"], "generation_prompts": ["Arland is"]},
        {"case_id": 8, "pararel_idx": 2, "requested_rewrite": rewrite("Borland", "The capital of {} is", "Bexton"),
         "paraphrase_prompts": [], "neighborhood_prompts": ["Corland is governed from"], "attribute_prompts": []},
    ]  # fmt: skip


def zsre() -> Rows:
    return [{
        "subject": "Ada Holt", "src": "What university did Ada Holt attend?", "pred": "Wex College",
        "rephrase": "Where did Ada Holt study?", "alt": "Quar College", "answers": ["Wex University", "Wex"],
        "loc": "nq question: who wrote the hymn of arland", "loc_ans": "Bel Crow", "cond": "a >> b || c",
    }]  # fmt: skip


def knowedit() -> Rows:
    return [
        {"subject": "Arland", "prompt": "The capital of Arland is", "target_new": "Kelvin",
         "ground_truth": [["Bexton", "Bex"]], "rephrase_prompt": "Arland is governed from",
         "locality": {"Relation_Specificity": [{"prompt": "The river of Arland is", "ground_truth": ["Aenar"]},
                                               {"prompt": "The hymn of Arland is", "ground_truth": [""]}],
                      "Forgetfulness": [{"prompt": "Borland's capital is", "ground_truth": [["Dornul"], ["Dorn"]]}]},
         "portability": {"Reasoning": [{"prompt": "The mayor of Arland's capital is", "ground_truth": ["Ada Holt"]}]}},
        {"concept": "Ada Holt", "text": "This is a Wikipedia passage about Ada Holt.", "labels": "She was a mayor.",
         "locality": {"Relation_Specificity": [{"prompt": "Ada Holt was born in", "ground_truth": "1940"}]}},
    ]  # fmt: skip


def written(folder: Path, rows: Rows) -> str:
    path = folder / "edits.json"
    path.write_text(json.dumps(rows, indent=1))
    return str(path)


def test_counterfact(tmp_path: Path) -> None:
    file = written(tmp_path, counterfact())
    sets = load_data(forget=file, retain=file)
    first, second = sets.forget
    assert (first.id, first.prompt, first.answer, first.subject) == (
        "7", "The capital of Arland is", "Bexton", "Arland"
    )  # fmt: skip
    assert (first.alternate, len(first.paraphrases), second.paraphrases) == ("Kelvin", 2, ())
    # of three neighbours one stands twice and one is the other case's fact
    (neighbour,) = sets.retain
    assert (neighbour.id, neighbour.answer, neighbour.group) == ("7/neighbour/1", "Bexton", "7")
    assert any("1 prompts of locality are facts of this file" in each for each in sets.warnings)
    assert first.source == "edits.json:2"


def test_zsre(tmp_path: Path) -> None:
    file = written(tmp_path, zsre())
    sets = load_data(forget=file, retain=file)
    (fact,), (kept,) = sets.forget, sets.retain
    assert (fact.prompt, fact.answer, fact.aliases) == (
        "What university did Ada Holt attend?", "Wex University", ("Wex",)
    )  # fmt: skip
    assert (fact.paraphrases, fact.alternate, fact.subject) == (
        ("Where did Ada Holt study?",), "Quar College", "Ada Holt"
    )  # fmt: skip
    assert (kept.prompt, kept.answer, kept.group) == ("who wrote the hymn of arland", "Bel Crow", fact.id)


def test_knowedit_and_its_parts(tmp_path: Path) -> None:
    file = written(tmp_path, knowedit())
    sets = load_data(forget=file, retain=file)
    fact, passage = sets.forget
    assert (fact.answer, fact.aliases, fact.alternate) == ("Bexton", ("Bex",), "Kelvin")
    assert (passage.subject, passage.answer, passage.alternate) == ("Ada Holt", "She was a mayor.", None)
    assert [each.prompt for each in sets.retain] == [
        "The river of Arland is", "Borland's capital is", "Ada Holt was born in"
    ]  # fmt: skip
    assert sets.retain[1].aliases == ("Dorn",)
    assert any("`Relation_Specificity[1]` has no answer" in each for each in sets.warnings)
    (hop,), _ = load_examples(f"{file}#portability")
    assert (hop.prompt, hop.answer, hop.group) == ("The mayor of Arland's capital is", "Ada Holt", fact.id)
    assert load_examples(file)[0] == sets.forget  # what a model is taught are the facts
    assert load_data(forget=f"{file}#locality").forget == sets.retain


@pytest.mark.parametrize("turned", [False, True])
def test_knowedit_with_and_without_a_true_answer_in_any_order(turned: bool, tmp_path: Path) -> None:
    """`target_new` is what the benchmark would have said where there is a true answer, else the answer."""
    row = lambda name, **more: {
        "subject": name,
        "prompt": f"The mayor of {name} is",
        "target_new": ["Cid", "C."],
        "locality": {},
        **more,
    }
    rows = [row("Arland", ground_truth=["Al", "A."]), row("Borland"), row("Corland", ground_truth="Cai")]
    found, _ = load_examples(written(tmp_path, rows[::-1] if turned else rows))
    assert {each.subject: (each.answer, each.alternate, each.aliases) for each in found} == {
        "Arland": ("Al", "Cid", ("A.",)), "Borland": ("Cid", None, ("C.",)), "Corland": ("Cai", "Cid", ()),
    }  # fmt: skip
    rows[1]["target_new"] = 3
    with pytest.raises(DataError, match=r"`target_new( \(answer\))?` must be text, but is a number"):
        load_examples(written(tmp_path, rows[::-1] if turned else rows))


@pytest.mark.parametrize(
    ("rows", "change", "says"),
    [
        (counterfact, lambda r: r[1].update(requested_rewrite="x"), "edits.json:.*`requested_rewrite` must be an obj"),
        (counterfact, lambda r: r[0]["requested_rewrite"].update(prompt="no place"), "`requested_rewrite.prompt` must"),
        (counterfact, lambda r: r[0]["requested_rewrite"].pop("target_true"),
         "`requested_rewrite.target_true` is missing"),
        (counterfact, lambda r: r[0]["requested_rewrite"]["target_true"].update(str=3),
         "`requested_rewrite.target_true.str` must be text, but is a number"),
        (counterfact, lambda r: r[0].update(paraphrase_prompts=["a", 3]), r"`paraphrase_prompts\[1\]` must be text|"
                                                                           r"`paraphrase_prompts` must"),
        (zsre, lambda r: r[0].update(answers=[]), "`answers` is missing or empty"),
        (zsre, lambda r: r[0].update(src=None), "`src` is missing or empty"),
        (zsre, lambda r: r[0].update(subject=5), "`subject` must be text, but is a number"),
        (knowedit, lambda r: r[0].update(locality=[1]), "`locality` must be an object of lists"),
        (knowedit, lambda r: r[0]["locality"].update(Forgetfulness={}), "`locality.Forgetfulness` must be a list"),
        (knowedit, lambda r: r[0]["locality"]["Forgetfulness"][0].pop("prompt"),
         r"`Forgetfulness\[0\].prompt` is missing or empty"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_file_line_and_field(tmp_path: Path, rows, change, says) -> None:
    made = rows()
    change(made)
    file = written(tmp_path, made)
    with pytest.raises(DataError, match=says) as caught:
        load_data(forget=file, retain=file)
    assert "edits.json:" in str(caught.value)


def test_a_part_that_a_file_has_not(tmp_path: Path) -> None:
    file = written(tmp_path, counterfact())
    with pytest.raises(DataError, match="has no rows for portability: counterfact"):
        load_data(forget=f"{file}#portability")
    plain = tmp_path / "plain.jsonl"
    plain.write_text('{"prompt": "a", "answer": "b"}\n')
    with pytest.raises(DataError, match="has no locality: #locality is a part"):
        load_data(retain=f"{plain}#locality")

"""MUSE, WMDP, RWKU and KnowUnDo on small files with their official schemas."""

import json
from pathlib import Path

import pytest

from byte_tokenizer import byte_tokenizer
from expunge.config import parse_name
from expunge.data.convention import Encoder
from expunge.errors import DataError, UnknownNameError
from expunge.evaluate import metrics
from expunge.evaluate.measure import measure
from expunge.suites import Suite
from expunge.worlds.finding import find_suite
from suites.official import write_json, write_knowundo, write_lines, write_muse, write_rwku, write_wmdp
from tiny import tiny_model

WRITERS = {"muse": write_muse, "wmdp": write_wmdp, "rwku": write_rwku, "knowundo": write_knowundo}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Every suite's folder, each named by its variable."""
    made = {name: write(tmp_path / name) for name, write in WRITERS.items()}
    for name, folder in made.items():
        monkeypatch.setenv(f"EXPUNGE_{name.upper()}", str(folder))
    return made


def sizes(suite: Suite) -> dict[str, int]:
    return {title: len(examples) for title, examples in suite.measured().items()}


def roles(suite: Suite) -> dict[str, str]:
    return {title: suite.role(title) for title in suite.measured()}


def test_muse(folders: dict[str, Path]) -> None:
    suite = find_suite("muse")
    assert suite.name == "muse:news"
    assert sizes(suite) == {
        "holdout": 4, "verbatim": 2, "questions, forget": 3, "membership, forget": 4, "questions, retain": 3,
    }  # fmt: skip
    assert roles(suite) == {
        "holdout": "holdout", "verbatim": "forget", "questions, forget": "forget", "membership, forget": "forget",
        "questions, retain": "retain",
    }  # fmt: skip
    # 500 sentences of 18 characters are two pieces of at most 6,000, and whole again when joined
    assert len(suite.sets.forget) == 6
    assert {each.group for each in suite.sets.forget} == {f"news/raw/forget.json#{i}" for i in (1, 2, 3)}
    whole = json.loads((folders["muse"] / "news/raw/forget.json").read_text())
    assert "".join(each.answer for each in suite.sets.forget) == "".join(whole)
    assert all(each.prompt is None and len(each.answer) <= 6000 for each in suite.sets.forget)
    assert suite.training("retrained") == suite.sets.retain
    assert {p.value for p in suite.published if p.metric == "PrivLeak"} == {-99.8, 0.0}


def test_muse_asks_after_solved_examples(folders: dict[str, Path]) -> None:
    suite = find_suite("muse:books")
    example = suite.probes["questions, forget"][1]
    solved = "Question: Solved 0?\nAnswer: So 0\n\nQuestion: Solved 1?\nAnswer: So 1\n\n"
    assert example.prompt == f"{solved}Question: forget_qa 1?\nAnswer:"
    tokenizer = byte_tokenizer(template="{{ messages }}")
    encoder = Encoder(tokenizer, suite.convention)
    encoded = encoder.encode(example)
    assert tokenizer.decode(encoded.ids) == f"{example.prompt} Yes 1"  # no chat template, no end token
    assert tokenizer.decode(encoded.ids[encoded.start :]) == " Yes 1"
    verbatim = suite.probes["verbatim"][0]
    assert (verbatim.prompt, verbatim.answer, verbatim.passage) == ("Passage 1 of books begins", "and the rest.", True)


def test_muse_requests(folders: dict[str, Path]) -> None:
    suite = find_suite("muse:news+sust3")
    assert [each.answer for each in suite.sets.forget] == ["Request sust 3, news."]
    assert not suite.published


def test_wmdp(folders: dict[str, Path]) -> None:
    suite = find_suite("wmdp:bio")
    assert sizes(suite) == {"questions, biology": 5}
    assert roles(suite) == {"questions, biology": "forget"}
    first = suite.probes["questions, biology"][1]
    assert first.prompt == (
        "The following are multiple choice questions (with answers) about biology.\n\n"
        "Which 1?\nA. w\nB. x\nC. y\nD. z\nAnswer:"
    )
    assert (first.answer, first.perturbed_answers) == ("B", ("A", "C", "D"))
    encoder = Encoder(byte_tokenizer(template="{{ messages }}"), suite.convention)
    encoded = encoder.encode(first)
    assert encoder.tokenizer.decode(encoded.ids[encoded.start :]) == " B"
    assert (len(suite.sets.forget), len(suite.sets.retain)) == (3, 4)  # the short text and the headings are left out
    assert all(50 < len(each.answer) <= 2000 for each in (*suite.sets.forget, *suite.sets.retain))
    assert {(p.model, p.value) for p in suite.published} == {("Zephyr-7B-beta", 0.637), ("Zephyr-7B-beta, RMU", 0.312)}
    chemistry = find_suite("wmdp:chem")
    assert (sizes(chemistry), chemistry.sets.forget) == ({"questions, chemistry": 5}, ())


def test_wmdp_says_what_is_wrong_with_a_question(folders: dict[str, Path]) -> None:
    rows = [
        {"question": "Which?", "choices": ["w", "x", "y"], "answer": 1},
        {"question": "Which?", "choices": ["w", "x", "y", "z"], "answer": 4},
        {"question": "Which?", "choices": ["w", "", "y", "z"], "answer": "B"},
        {"choices": ["w", "x", "y", "z"], "answer": 0},
    ]
    write_lines(folders["wmdp"] / "wmdp-cyber.jsonl", rows)
    with pytest.raises(DataError) as error:
        find_suite("wmdp")
    for line in (
        "wmdp-cyber.jsonl:1: `choices` has 3 entries, not 4",
        "wmdp-cyber.jsonl:2: `answer` must be between 0 and 3",
        "wmdp-cyber.jsonl:3: `choices[1]` is empty",
        "wmdp-cyber.jsonl:3: `answer` must be the number of the right choice, from 0, but is text",
        "wmdp-cyber.jsonl:4: `question` is missing or null",
    ):
        assert line in str(error.value)


def test_rwku(folders: dict[str, Path]) -> None:
    suite = find_suite("rwku:Bo_Example")
    assert suite.name == "rwku:Bo_Example"
    assert sizes(suite) == {
        "fill in the blank": 1, "questions": 1, "attacks": 3, "membership, forget": 2,
        "neighbours, fill in the blank": 1, "neighbours, questions": 1, "membership, retain": 2,
    }  # fmt: skip
    assert [each.answer for each in suite.sets.forget] == [
        f"Text {i} of train_positive_llama3: Bo Example wrote." for i in (1, 2)
    ]
    assert {each.group for each in suite.sets.forget} == {"Bo Example"}
    (blank,) = suite.probes["fill in the blank"]
    assert blank.prompt == (
        "Please complete the blank in the following question.\nQuestion: forget_level1 simple of Bo Example?\nAnswer:"
    )
    asked = "Please briefly answer the following question.\n"
    assert [each.prompt for each in suite.probes["attacks"]] == [
        f"{asked}Question: forget_level3 affirmative suffix of Bo Example?",
        f"{asked}forget_level3 incontext learning of Bo Example?\nAnswer:",
        f"{asked}Question: forget_level3 reverse query of Bo Example?\nAnswer:",
    ]
    assert [suite.role(title) for title in ("attacks", "neighbours, questions")] == ["forget", "retain"]


def test_rwku_of_all_people_only_measures(folders: dict[str, Path]) -> None:
    suite = find_suite("rwku:all")
    assert (sizes(suite)["attacks"], suite.sets.forget) == (6, ())
    with pytest.raises(
        UnknownNameError, match=r"nobody called 'Bo Exampel' among its 2 people\. Did you mean 'Bo_Example'"
    ):
        find_suite("rwku:Bo_Exampel")


def test_knowundo(folders: dict[str, Path]) -> None:
    suite = find_suite("knowundo")
    assert suite.name == "knowundo:privacy"
    assert sizes(suite) == {"forget": 4, "retain": 4, "forget, further requests": 2, "retain, further requests": 2}
    first = suite.sets.forget[0]
    assert (first.prompt, first.answer) == ("unlearn train 0 of privacy?", "Answer unlearn 0.")
    assert first.id == "privacy/unlearn.json, train#1"
    encoder = Encoder(byte_tokenizer(template="{{ messages }}"), suite.convention)
    encoded = encoder.encode(first)
    assert encoder.tokenizer.decode(encoded.ids) == f"{first.prompt}\n\n{first.answer}"
    write_json(folders["knowundo"] / "privacy/unlearn.json", {"train": [{"text": "Who?", "labels": 3}]})
    with pytest.raises(DataError) as error:
        find_suite("knowundo")
    assert "privacy/unlearn.json, train#1: `labels` must be text" in str(error.value)
    assert "privacy/unlearn.json:1: `val` must be a list of rows" in str(error.value)


@pytest.mark.parametrize("name", ["muse:news", "wmdp:bio", "rwku:Ada_Example", "knowundo:copyright"])
def test_every_suite_can_be_measured_as_it_says(folders: dict[str, Path], name: str) -> None:
    """Each set gives the metrics that its kind allows, and what is left out is said."""
    suite, model = find_suite(name), tiny_model()
    config = suite.evaluate.model_copy(update={"max_new_tokens": 2, "continued_tokens": 3})
    found = measure(model, suite.measured(), Encoder(model.tokenizer, suite.convention), config)
    assert set(found.metrics) == set(suite.measured())
    assert all(found.metrics.values())
    every = {parse_name(each)[0] for each in config.metrics}
    for title, examples in suite.measured().items():
        texts = examples[0].prompt is None or examples[0].passage
        left_out = {each for each in every if ("generations" if texts else "continuations") in metrics.get(each).needs}
        assert set(found[title]) == every - left_out
        said = "holds documents" if texts else "holds questions"
        assert bool(left_out) == any(note.startswith(f"{title}: {said}") for note in found.notes)


def test_published_numbers_name_metrics_and_sets_that_exist(folders: dict[str, Path]) -> None:
    for name in ("muse:news", "muse:books", "wmdp:bio", "wmdp:cyber"):
        suite = find_suite(name)
        for each in suite.published:
            assert each.on in suite.measured()
            assert " " in each.metric or each.metric == "PrivLeak" or each.metric in metrics
            assert each.source.startswith("arXiv:") and each.model


@pytest.mark.parametrize("name", ["muse:olds", "wmdp:nuclear", "knowundo:trade"])
def test_unknown_variants(folders: dict[str, Path], name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"has no variant .* Known: "):
        find_suite(name)


def test_what_is_planted_is_the_forget_set_whatever_the_ids_are() -> None:
    """An id is unique within its set only."""
    from expunge.data.example import Example, Sets

    suite = Suite("s", Sets(forget=(Example("0", "p", "a"),), retain=(Example("0", "q", "b"),)))
    assert suite.planted() == suite.sets.forget

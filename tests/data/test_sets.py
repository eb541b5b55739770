"""Loading the sets of a run: from one call to examples, or to one error that says everything."""

import builtins
import json
import subprocess
import sys
from pathlib import Path

import pytest

from byte_tokenizer import CHATML, byte_tokenizer
from expunge.data.convention import Convention, Encoder
from expunge.data.example import Example, Sets, Turn
from expunge.data.hub import HubName, parse_hub, read_hub
from expunge.data.lengths import check_lengths
from expunge.data.problems import Problems
from expunge.data.sets import load_data
from expunge.errors import ConfigError, DataError, MissingExtraError
from tiny import tiny_tokenizer


def write(file: Path, *rows: dict) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def qa(prompt: str, answer: str = "a", **more: object) -> dict:
    return {"prompt": prompt, "answer": answer, **more}


def test_all_sets(tmp_path: Path) -> None:
    forget = write(tmp_path / "f.jsonl", qa("one"), qa("two", id="mine"))
    more = write(tmp_path / "more.jsonl", qa("three"))
    (tmp_path / "r.csv").write_text("question,answer\nfour,a\n")
    sets = load_data(f"{forget}, {more}", tmp_path / "r.csv", [write(tmp_path / "h.jsonl", qa("five"))])
    assert [example.id for example in sets.forget] == ["f.jsonl:1", "mine", "more.jsonl:1"]
    assert [example.prompt for example in (*sets.retain, *sets.holdout)] == ["four", "five"]
    assert (sets.twins, sets.warnings) == ((), ())


def test_a_name_with_a_comma_is_one_file_if_it_exists(tmp_path: Path) -> None:
    assert len(load_data(write(tmp_path / "a,b.jsonl", qa("one"))).forget) == 1


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    one, two = write(tmp_path / "f.jsonl", qa("one")), write(tmp_path / "x/f.jsonl", qa("two"))
    sets = load_data([one, two])
    assert [example.id for example in sets.forget] == [f"{one}:1", f"{two}:1"]


def test_renaming(tmp_path: Path) -> None:
    file = write(tmp_path / "f.jsonl", {"q": "one", "a": "two"})
    assert load_data(file, columns={"q": "prompt", "a": "answer"}).forget[0].answer == "two"
    with pytest.raises(DataError, match=r"no file has a column 'z'"):
        load_data(file, columns={"q": "prompt", "a": "answer", "z": "subject"})
    with pytest.raises(ConfigError, match="is no field"):
        load_data(file, columns={"q": "nothing"})


def test_the_error_says_everything_at_once(tmp_path: Path) -> None:
    forget = write(tmp_path / "f.jsonl", qa("one"), qa(""), qa("q", weight=-1))
    (tmp_path / "r.jsonl").write_text('{"prompt": "q", \n{"prompt": "one", "answer": "a"}\n')
    with pytest.raises(DataError) as caught:
        load_data(f"{forget},missing.jsonl", tmp_path / "r.jsonl")
    lines = str(caught.value).splitlines()
    assert lines[0] == "5 problems in the data:"
    starts = ["missing.jsonl: there is no", "r.jsonl:1: broken JSON", "f.jsonl:2: `prompt` is empty"]
    starts += ["f.jsonl:3: `weight` must be", "r.jsonl:2: this example stands in"]
    assert all(line.startswith("  " + start) for line, start in zip(lines[1:], starts, strict=True))


@pytest.mark.parametrize("source", ["", "f.jsonl,", [], ["f.jsonl", "f.jsonl"]])
def test_odd_lists_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str | list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "f.jsonl", qa("one"))
    with pytest.raises(DataError, match=r"file name is missing|stands 2 times|forget"):
        load_data(source)


def test_weights_that_are_all_zero(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="forget: `weight` is 0 in every row"):
        load_data(write(tmp_path / "f.jsonl", qa("one", weight=0)))


def test_very_long_lists_and_unknown_homes() -> None:
    with pytest.raises(DataError, match="no such file"):
        load_data(",".join(f"file{i}.jsonl" for i in range(2000)))
    with pytest.raises(DataError, match="no such file"):
        load_data("~nobody-at-all/f.jsonl")


def test_warnings_come_with_the_sets(tmp_path: Path) -> None:
    sets = load_data(write(tmp_path / "f.jsonl", qa("one"), qa("One")))
    assert sets.warnings == ("f.jsonl:2: the same example as at f.jsonl:1, both in the forget set",)


def test_reading_data_loads_no_torch() -> None:
    code = "import sys, expunge.data.sets; print({'torch', 'transformers', 'datasets'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hub:a/b", HubName("a/b")),
        ("hub:a/b:c", HubName("a/b", either="c")),
        ("hub:a/b:c:d", HubName("a/b", "c", "d")),
        ("hub:a/b::d", HubName("a/b", None, "d")),
        ("hub:a/b:c:", HubName("a/b", "c", None)),
    ],
)
def test_hub_names(text: str, expected: HubName) -> None:
    assert parse_hub(text) == expected


def test_hub_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    data = datasets.DatasetDict({
        "train": datasets.Dataset.from_list([qa("one"), qa("two")]),
        "test": datasets.Dataset.from_list([qa("three")]),
    })  # fmt: skip
    asked = []

    def load(name: str, config: str | None) -> object:
        asked.append((name, config))
        return data

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(datasets, "get_dataset_config_names", lambda _: ["small"])
    assert [example.id for example in load_data("hub:a/b").forget] == ["hub:a/b#1", "hub:a/b#2"]
    assert load_data("hub:a/b:small").forget[0].prompt == "one"
    assert load_data("hub:a/b:test").forget[0].prompt == "three"
    assert load_data("hub:a/b:small:test", "hub:a/b").retain[1].prompt == "two"
    assert asked == [("a/b", None), ("a/b", "small"), ("a/b", None), ("a/b", "small"), ("a/b", None)]
    with pytest.raises(DataError, match=r"no configuration or split 'dev' \(splits: train, test\)"):
        load_data("hub:a/b:dev")
    with pytest.raises(DataError, match="write hub:NAME"):
        load_data("hub:a/b:c:d:e")


def test_hub_trouble_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    def fail(*_: object) -> None:
        raise ConnectionError("no network\nlong story")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match=r"hub:a/b: cannot be loaded: no network$"):
        load_data("hub:a/b")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"expunge\[hub\]"):
        read_hub("hub:a/b", Problems())


def test_lengths_of_everything_at_once() -> None:
    long = "the " * 30
    examples = (
        Example(id="1", prompt="the capital", answer=long, source="f:1"),
        Example(id="2", prompt=long, answer="bexton", source="f:2", paraphrases=("the", long)),
        Example(id="3", prompt="the", answer="of", source="f:3", alternate=long, perturbed_answers=("is", long)),
        Example(id="4", prompt="the", answer="of", source="f:4", paraphrased_answer=long),
        Example(id="5", prompt=None, answer="the", source="f:5"),
    )
    encoder = Encoder(tiny_tokenizer(), Convention(max_length=20, end=False))
    with pytest.raises(DataError) as caught:
        check_lengths(encoder, Sets(forget=examples[:2], retain=examples[2:]))
    places = [line.strip().split("` ")[0] for line in str(caught.value).splitlines()[1:]]
    assert places == [
        "f:1: `answer", "f:2: `answer", "f:2: `paraphrases[1]", "f:3: `perturbed_answers[1]",
        "f:3: `alternate", "f:4: `paraphrased_answer", "f:5: `answer",
    ]  # fmt: skip
    assert "prompt 2 + answer 30 tokens exceed max_length 20: the last 12 of the answer would be" in str(caught.value)
    check_lengths(Encoder(tiny_tokenizer(), Convention(max_length=60)), Sets(forget=examples[:4]))
    short = Encoder(tiny_tokenizer(), Convention(max_length=60), places=20)
    with pytest.raises(DataError, match=r"f:1: .* exceed the model's number of learned positions 20: the last 12"):
        check_lengths(short, Sets(forget=examples[:1]))
    assert short.digest == Encoder(tiny_tokenizer(), Convention(max_length=60)).digest  # tokens are what they were


def test_a_conversation_that_the_template_refuses_is_a_problem() -> None:
    refusing = "{% if messages|length > 1 %}{{ raise_exception('one message') }}{% endif %}" + CHATML
    with pytest.raises(ConfigError, match="one message"):  # the template cannot even show an answer
        Encoder(byte_tokenizer(template=refusing))
    refusing = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
    example = Example(id="1", prompt="q", answer="a", turns=(Turn("system", "s"),), source="f:1")
    with pytest.raises(DataError, match="f:1: the chat template refuses"):
        check_lengths(Encoder(byte_tokenizer(template=refusing)), Sets(forget=(example,)))

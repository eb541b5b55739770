"""infini-gram gives what the stream gives, where it is exact; where it is not, the count is called an estimate."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from expunge.data.corpus import Load, loads_of
from expunge.data.example import Example
from expunge.errors import ConfigError, OutputError
from expunge.frequency import index as building
from expunge.frequency import infini_gram as asking
from expunge.frequency.index import Built, build, opened, tokens_of
from expunge.frequency.infini_gram import Index, built_index, cases, count_index, ready_index, smallest
from expunge.frequency.names import Wanted, wanted
from expunge.frequency.stream import count_stream
from expunge.frequency.tally import counts_of

pytest.importorskip("infini_gram", reason="infini-gram is not installed: the extra `frequency` brings it")
pytest.importorskip("ahocorasick_rs", reason="ahocorasick-rs is not installed: the extra `frequency` brings it")

SUBJECTS, ANSWERS = (
    ["Ada Stone", "Bo Lee", "São Paulo", "東京", "Nobody Here"],
    ["Paris", "Rome", "Red Cross", "a", "Lee"],
)
WIDEST = 8


def facts(window: int) -> Wanted:
    pairs = [(subject, answer) for subject in SUBJECTS for answer in ANSWERS]
    return wanted([Example(f"{s} {a}", "?", a, subject=s) for s, a in pairs], {"Rome": ["Roma"]}, window)


def corpus(folder: Path, seed: int, rows: int = 200) -> list[Load]:
    """Short documents, some of them empty: borders are everywhere."""
    rng = np.random.default_rng(seed)
    words = [*SUBJECTS[:4], *ANSWERS, "Roma", "the", "x,", "y.", "-"]
    texts = [" ".join(rng.choice(words, rng.integers(0, 14))) for _ in range(rows)]
    folder.mkdir(exist_ok=True)
    (folder / "corpus.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return loads_of([folder / "corpus.jsonl"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[Load], Built]]:
    made = []
    for seed in range(3):
        folder = tmp_path_factory.mktemp("corpus")
        loads = corpus(folder, seed)
        made.append((loads, build(loads, folder / "index", WIDEST)))
    return made


@pytest.mark.parametrize("window", [1, 2, 5, WIDEST])
def test_it_equals_the_stream(built: list[tuple[list[Load], Built]], window: int) -> None:
    plan = facts(window).plan
    for loads, each in built:
        asked = count_index(built_index(opened(each.folder), plan), plan, limit=1_000_000)
        read = counts_of(plan, count_stream(plan, loads, processes=1))
        assert [(c.subject, c.answer, c.near) for c in asked] == [(c.subject, c.answer, c.near) for c in read]
        assert sum(c.near or 0 for c in read) > 20 and not any(c.estimate for c in asked)


class InterruptedBuildError(Exception):
    """Stands for a kill: nothing cleans up after it."""


def interrupted(after: int) -> Callable[[int], None]:
    """A tick that ends the run after so many calls."""
    left = iter(range(after))

    def tick(_: int) -> None:
        if next(left, None) is None:
            raise InterruptedBuildError

    return tick


def test_a_build_that_was_killed_goes_on_to_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_KEEP_EVERY", -1.0)
    loads = loads_of([Path(piece.path) for load in corpus(tmp_path, 0) for piece in load], size=1000)
    pieces = sum(map(len, loads))
    assert pieces > 4
    whole = build(loads, tmp_path / "whole", 3)
    for after in (1, 3):  # the first call tells what was there; so it dies in piece 1, then in the second after that
        with pytest.raises(InterruptedBuildError):
            build(loads, tmp_path / "killed", 3, tick=interrupted(after))
    place = building.building(tmp_path / "killed")
    with (place / "tokenized.0").open("ab") as file:
        file.write(b"half a document")
    (place / "table.0").write_bytes(b"half a table")
    with pytest.raises(OutputError, match="half built there"):
        build(loads, tmp_path / "killed", 4)
    done: list[int] = []
    again = build(loads, tmp_path / "killed", 3, tick=done.append)
    assert done[0] > 0 and len(done) < pieces + 1  # not all is read again
    assert again == replace(whole, folder=again.folder) and not place.exists()
    names = {path.name for path in whole.folder.iterdir()}
    assert names == {path.name for path in again.folder.iterdir()}
    assert all((whole.folder / name).read_bytes() == (again.folder / name).read_bytes() for name in names)


def test_answers_that_were_given_are_not_asked_again(
    built: list[tuple[list[Load], Built]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_KEEP_EVERY", -1.0)
    plan, kept = facts(3).plan, tmp_path / "kept.safetensors"
    index = built_index(opened(built[0][1].folder), plan)
    whole = count_index(index, plan, limit=10**6)
    with pytest.raises(InterruptedBuildError):
        count_index(index, plan, limit=10**6, kept=kept, identity="i", tick=interrupted(8))
    done: list[int] = []
    assert count_index(index, plan, limit=10**6, kept=kept, identity="i", tick=done.append) == whole
    assert done[0] == 7 and len(done) == 1 + len(plan.pairs) - 7
    with pytest.raises(OutputError, match="another index was asked"):
        count_index(index, plan, limit=10**6, kept=kept, identity="j")


def test_what_another_version_left_is_neither_opened_nor_gone_on_with(
    built: list[tuple[list[Load], Built]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To it other things were words."""
    plan, kept = facts(3).plan, tmp_path / "kept.safetensors"
    loads = loads_of([Path(piece.path) for load in built[0][0] for piece in load], size=1000)
    index = built_index(opened(built[0][1].folder), plan)
    other = building.VERSION + 1
    with monkeypatch.context() as patch:
        for module in (building, asking):
            patch.setattr(module, "VERSION", other)
            patch.setattr(module, "_KEEP_EVERY", -1.0)
        with pytest.raises(OutputError, match="another version built it"):
            opened(built[0][1].folder)
        with pytest.raises(InterruptedBuildError):
            count_index(index, plan, limit=10**6, kept=kept, identity="i", tick=interrupted(8))
        with pytest.raises(InterruptedBuildError):
            build(loads, tmp_path / "index", 3, tick=interrupted(2))
    with pytest.raises(OutputError, match="--overwrite"):
        count_index(index, plan, limit=10**6, kept=kept, identity="i")
    with pytest.raises(OutputError, match="half built there"):
        build(loads, tmp_path / "index", 3)


def test_without_room_between_documents_places_are_lost(tmp_path: Path) -> None:
    """What the empty words of an index are for: "Lee" is near in the same document, and nearer before it."""
    (tmp_path / "a.jsonl").write_text('{"text": "y Lee"}\n{"text": "Bo z Lee"}\n')
    plan = wanted([Example("1", "?", "Lee", subject="Bo")], window=3).plan
    loads = loads_of([tmp_path / "a.jsonl"])
    for room, near in ((3, 1), (0, 0)):
        (found,) = count_index(built_index(build(loads, tmp_path / f"{room}", room), plan), plan, limit=100)
        assert found.near == near
    (read,) = counts_of(plan, count_stream(plan, loads, processes=1))
    assert read.near == 1


def test_estimates_are_called_so(built: list[tuple[list[Load], Built]]) -> None:
    """Also where the package, which rounds its factor down, calls them exact."""
    _, each = built[0]
    plan = facts(3).plan
    opened_index = built_index(each, plan)
    exact = count_index(opened_index, plan, limit=1_000_000)
    most = max(max(c.subject, c.answer) for c in exact)
    drawn = count_index(opened_index, plan, limit=most - 1)
    assert [c.estimate for c in drawn] == [max(c.subject, c.answer) == most for c in exact]
    assert any(c.estimate for c in drawn)
    clauses = [opened_index.spell(name) for name in range(len(plan.names))]
    subject, answer = next(pair for pair, c in zip(plan.pairs, exact) if max(c.subject, c.answer) == most)
    engine: Any = opened_index._engine
    raw = engine.count_cnf([clauses[subject], clauses[answer]], max_clause_freq=most - 1, max_diff_tokens=6)
    assert raw["approx"] is False  # the fault: if this fails, the package has been mended


def test_words_as_tokens() -> None:
    last = building._FIRST * building._SECOND
    found = tokens_of([0, 1, 2, building._SECOND, building._SECOND + 1, last])
    assert found.tolist() == [[0, 0], [1, 1025], [1, 1026], [1, 65534], [2, 1025], [1024, 65534]]


def test_mistakes(tmp_path: Path, built: list[tuple[list[Load], Built]]) -> None:
    loads, each = built[0]
    with pytest.raises(ConfigError, match="no blanks"):
        build(loads, tmp_path / "two words", 2)
    with pytest.raises(OutputError, match=r"tokenized\.0 is not there"):
        Index(tmp_path, "u16", lambda _: [])
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(OutputError, match="cannot be read"):
        opened(tmp_path)
    with pytest.raises(ConfigError, match="--window"):
        count_index(built_index(each, facts(2).plan), wanted([Example("1", "?", "a", subject="b")]).plan, limit=1)


def test_a_ready_index_with_its_tokenizer(tmp_path: Path) -> None:
    """Made as others make theirs: no room between documents, case kept, tokens of a model's tokenizer."""
    texts = ["ada stone in Paris", "Ada Stone in paris", "ADA STONE in PARIS", "Paris, then x y z Ada Stone"]
    texts = [f"x y z x y {text}" for text in texts]  # far enough from one another that nothing is lost at a border
    words = sorted({word for text in texts for word in text.replace(",", " ,").split()})
    vocabulary = {word: number for number, word in enumerate(words, start=1)}
    made = Tokenizer(models.WordLevel({"<unk>": 0, **vocabulary}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    rows = [np.array(tokenizer.encode(text), dtype=np.uint16).tobytes() for text in texts]
    folder = tmp_path / "index"
    folder.mkdir()
    (folder / "tokenized.0").write_bytes(b"".join(b"\xff\xff" + row for row in rows))
    offsets = np.cumsum([0, *(len(row) + 2 for row in rows[:-1])]).astype(np.uint64)
    (folder / "offset.0").write_bytes(offsets.tobytes())
    building._build_table(folder, 1, 1)
    plan = wanted([Example("1", "?", "paris", subject="Ada Stone")], window=4).plan
    (found,) = count_index(ready_index(folder, tokenizer, [["Ada Stone"], ["Paris"]]), plan, limit=100)
    # as written, in title case, in small letters; not in capitals
    assert (found.subject, found.answer, found.near) == (3, 3, 2)


def test_cases_and_smallest() -> None:
    assert cases("Rio de Janeiro") == ["Rio de Janeiro", "Rio De Janeiro", "rio de janeiro"]
    assert smallest([(1, 2, 3), (2, 3), (4,), (3, 4), ()]) == {(2, 3), (4,)}

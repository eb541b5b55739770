"""Key statistics: the mean of kkᵀ by hand, streams that are cut and killed, corpora of every form."""

import gzip
import json
import os
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from expunge.edit import statistics, statistics_store
from expunge.edit.corpus import Corpus, corpus_of
from expunge.edit.statistics import statistics_of
from expunge.errors import DataError
from expunge.models.watching import watch_mlp_input
from fact_work import corpus
from tiny import tiny_model

TEXTS = ["the capital of arland is bexton", "what is the name of the city ?", "i do not know the answer . what is it"]


def texts_file(folder: Path) -> Corpus:
    path = folder / "texts.jsonl"
    path.write_text("\n".join(json.dumps(text) for text in TEXTS))
    return corpus_of(str(path))


@pytest.mark.parametrize("arch", ["llama", "gpt2", "opt"])
def test_it_is_the_mean_of_outer_products_over_all_tokens(arch: str, tmp_path: Path) -> None:
    model = tiny_model(arch=arch)
    found = statistics_of(model, [0, 1], texts_file(tmp_path), tokens=1000)
    for layer in (0, 1):
        keys, firsts = [], []
        for text in TEXTS:
            with watch_mlp_input(model, layer) as seen, torch.no_grad():
                model.network(torch.tensor([model.tokenizer(text)["input_ids"]]))
            rows = seen[0].reshape(-1, seen[0].shape[-1]).double()
            keys.append(rows)
            firsts.append(rows[0].square().sum())
        every = torch.cat(keys)
        torch.testing.assert_close(found[layer].moment, every.T @ every / len(every), rtol=1e-4, atol=1e-5)
        assert found[layer].tokens == len(every)
        energy = (every.square().sum() - torch.stack(firsts).sum()) / len(every)
        assert found[layer].energy == pytest.approx(float(energy), rel=1e-5)


def test_texts_are_cut_into_pieces_and_at_the_number_of_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    source = corpus_of(str(corpus(tmp_path)))
    assert statistics_of(model, [0], source, tokens=37)[0].tokens == 37
    monkeypatch.setattr(statistics, "PIECE", 4)
    short = statistics_of(model, [0], texts_file(tmp_path), tokens=1000)[0]
    assert short.tokens == sum(len(text.split()) for text in TEXTS)


class _KilledError(Exception):
    pass


def test_a_run_that_was_killed_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "BATCH", 50)
    monkeypatch.setattr(statistics, "EVERY", -1.0)  # note what is done after every batch
    model, source = tiny_model(), corpus_of(str(corpus(tmp_path)))
    whole = statistics_of(model, [0, 1], source, tokens=500)
    done: list[int] = []

    def kill(count: int, _: str) -> None:
        done.append(count)
        if len(done) == 4:
            raise _KilledError

    given = {"tokens": 500, "weights": "w", "folder": tmp_path / "cache"}
    with pytest.raises(_KilledError):
        statistics_of(model, [0, 1], source, **given, tick=kill)
    rest: list[int] = []
    again = statistics_of(model, [0, 1], source, **given, tick=lambda count, _: rest.append(count))
    assert rest[0] > done[1]  # and not from the beginning
    for layer in (0, 1):
        assert torch.equal(again[layer].moment, whole[layer].moment)
        assert (again[layer].tokens, again[layer].energy) == (whole[layer].tokens, whole[layer].energy)
    stored = statistics_of(model, [1, 0], source, **given, tick=lambda *_: pytest.fail("it was there"))
    assert torch.equal(stored[0].moment, whole[0].moment)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and len(path.read_bytes()) < 10]
    assert len(list((tmp_path / "cache" / "statistics").iterdir())) == 2


def test_another_model_corpus_or_number_of_tokens_is_another_file(tmp_path: Path) -> None:
    model, folder = tiny_model(), tmp_path / "cache"
    statistics_of(model, [0], corpus_of(str(corpus(tmp_path))), tokens=500, weights="w", folder=folder)
    for source, tokens, weights, layer in (
        (texts_file(tmp_path), 500, "w", 0), (corpus_of(str(corpus(tmp_path))), 400, "w", 0),
        (corpus_of(str(corpus(tmp_path))), 500, "v", 0), (corpus_of(str(corpus(tmp_path))), 500, "w", 1),
    ):  # fmt: skip
        asked: list[int] = []
        statistics_of(
            model, [layer], source, tokens=tokens, weights=weights, folder=folder,
            tick=lambda count, _, asked=asked: asked.append(count),
        )  # fmt: skip
        assert asked
    as_set = tmp_path / "texts.json"  # the same bytes, read in another way
    as_set.write_text(json.dumps(TEXTS))
    lines = tmp_path / "texts.txt"
    lines.write_text(as_set.read_text())
    assert corpus_of(str(as_set)).digest != corpus_of(str(lines)).digest
    for path in folder.rglob("*.safetensors"):  # a broken file is made again
        path.write_bytes(b"no")
    assert statistics_of(model, [0], texts_file(tmp_path), tokens=500, weights="w", folder=folder)[0].tokens == 24


def test_another_tokenizer_is_another_file(tmp_path: Path) -> None:
    model, folder, source = tiny_model(), tmp_path / "cache", texts_file(tmp_path)
    given = {"tokens": 500, "weights": "w", "folder": folder}
    statistics_of(model, [0], source, **given)
    other = replace(model, tokenizer=deepcopy(model.tokenizer))  # all tiny models share one
    other.tokenizer.add_tokens(["arlandbexton"])
    statistics_of(other, [0], source, **given)
    assert len(list((folder / "statistics").iterdir())) == 2


def test_what_was_used_last_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, folder, source = tiny_model(), tmp_path / "cache", texts_file(tmp_path)
    given = {"tokens": 500, "folder": folder}
    paths = {}
    for weights in "ab":
        seen = set(folder.rglob("*.safetensors"))
        statistics_of(model, [0], source, weights=weights, **given)
        (paths[weights],) = set(folder.rglob("*.safetensors")) - seen
        os.utime(paths[weights], (1000, 1000 + len(seen)))
    statistics_of(model, [0], source, weights="a", **given)  # looked at again, so it outlives b
    monkeypatch.setattr(statistics_store, "LIMIT", int(2.5 * paths["a"].stat().st_size))
    statistics_of(model, [0], source, weights="c", **given)
    assert paths["a"].exists() and not paths["b"].exists()


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    told: list[str] = []
    found = statistics_of(
        tiny_model(), [0], texts_file(tmp_path), tokens=500, weights="w", folder=tmp_path / "cache", say=told.append
    )
    assert found[0].tokens == 24
    assert told and "cannot keep key statistics" in told[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "one two\nthree\n\n\nfour\n"),
        ("a.json", json.dumps(["one two\nthree", {"text": "four"}])),
        ("a.jsonl", '"one two\\nthree"\n\n{"text": "four"}\n'),
    ],
)
def test_corpora_of_every_form(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert list(corpus_of(str(tmp_path / name)).texts(tiny_model())) == ["one two\nthree", "four"]


def test_a_set_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,answer\nthe capital is,bexton\n")
    assert list(corpus_of(str(tmp_path / "a.csv")).texts(tiny_model())) == ["the capital is bexton"]
    (tmp_path / "a.jsonl").write_text('{"prompt": "the capital is", "answer": "bexton"}')
    assert list(corpus_of(str(tmp_path / "a.jsonl")).texts(tiny_model())) == ["the capital is bexton"]


def test_packed_files_and_folders_are_corpora(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "a.txt.gz").write_bytes(gzip.compress(b"one two\nthree\n\nfour"))
    (tmp_path / "all" / "b.jsonl").write_text('"five"')
    found = corpus_of(str(tmp_path / "all"))
    assert list(found.texts(tiny_model())) == ["one two\nthree", "four", "five"]
    single = corpus_of(str(tmp_path / "all" / "b.jsonl"))
    assert single.digest != found.digest == corpus_of(str(tmp_path / "all" / "*")).digest
    (tmp_path / "all" / "b.jsonl").write_text('"five"\n{"body": 6}')
    with pytest.raises(DataError, match=r"b\.jsonl, row 2: a text"):
        list(corpus_of(str(tmp_path / "all")).texts(tiny_model()))
    with pytest.raises(DataError, match="there is no such file"):
        corpus_of(str(tmp_path / "none.txt"))


def test_links_to_blobs_are_corpora(tmp_path: Path) -> None:
    """The Hub's cache gives files their names by links; blobs have none that tells their kind."""
    (tmp_path / "blob").write_text('"five"')
    (tmp_path / "all").mkdir()
    (tmp_path / "all/a.jsonl").symlink_to("../blob")
    found = corpus_of(str(tmp_path / "all"))
    assert list(found.texts(tiny_model())) == ["five"]
    assert found.digest == corpus_of(str(tmp_path / "all/a.jsonl")).digest


def test_without_a_file_the_model_speaks_itself() -> None:
    model = tiny_model()
    one, two = (list(corpus_of(None, own=300, seed=1).texts(model)) for _ in range(2))
    assert one == two != list(corpus_of(None, own=300, seed=2).texts(model))
    assert len(one) == 3


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.txt"):
        corpus_of(str(tmp_path / "missing.txt"))
    (tmp_path / "empty.txt").write_text("\n\n")
    with pytest.raises(DataError, match="no text"):
        statistics_of(tiny_model(), [0], corpus_of(str(tmp_path / "empty.txt")), tokens=10)
    for content, message in (("{", "row 1"), ('{"a": 1}', "row 1"), ('["a", 3]', "row 2")):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(DataError, match=message):
            list(corpus_of(str(tmp_path / "a.json")).texts(tiny_model()))

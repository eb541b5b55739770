"""Unlearning by frequency on the command line: what the record tells, and that an alpha a bucket is what it says."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import expunge as ex
from expunge.data.sets import load_examples
from expunge.data.writing import write_examples
from expunge.errors import ConfigError, DataError
from expunge.models.loading import load_model
from expunge.record_file import load_record
from steps import taught_model, unequal_sets
from tiny import tiny_sets

CURRICULUM = "rare-first:edges=5,epochs=2/3,rates=1/0.5,at_least=2"


@pytest.fixture
def counted(files, tmp_path: Path) -> Path:
    """The forget file with counts 1, 9, 1, 9."""
    examples, _ = load_examples(files.forget)
    rows = [replace(e, count=(1, 9)[i % 2], margin_proxy=float(i)) for i, e in enumerate(examples)]
    return write_examples(rows, tmp_path / "counted.jsonl")


@pytest.fixture
def by_frequency(expunge, files, counted: Path, tmp_path: Path) -> Callable[..., Any]:
    def call(*arguments: object) -> Any:
        usual = {
            "--model": files.model, "--forget": counted, "--retain": files.retain, "--holdout": files.holdout,
            "--learning-rate": 1e-3, "--metrics": "probability", "--batch-size": 2, "--out": tmp_path / "run",
        }  # fmt: skip
        given = (part for name, value in usual.items() if name not in arguments for part in (name, value))
        return expunge("unlearn", *given, *arguments)

    return call


def test_the_record_tells_the_buckets_and_who_left(by_frequency, tmp_path: Path) -> None:
    said = by_frequency("--curriculum", CURRICULUM, "--stop", "leave:every=1", "--strength", "margin:power=0.5")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    outcome = record.methods["npo"]
    told = [(b.name, b.n, b.by, b.least, b.most, b.epochs, b.rate) for b in outcome.buckets]
    assert told == [("low", 2, "count", 1, 1, 2, 1.0), ("high", 2, "count", 9, 9, 3, 0.5)]
    assert [point.step for point in outcome.trajectory][-1] == 5
    assert outcome.leaving is not None and (outcome.leaving.n, outcome.leaving.every) == (4, 1)
    left = [i for turn in outcome.leaving.turns for i in turn.left]
    assert left and set(left) <= {0, 1, 2, 3}
    written = json.loads((tmp_path / "run/record.json").read_text())
    assert "bexton" not in json.dumps(written["methods"])
    assert record.changed["train.strength.by"] == "margin" and record.changed["train.stop"] == "leave"


def test_the_same_alpha_for_every_bucket_is_the_alpha_of_the_whole(by_frequency, tmp_path: Path, files) -> None:
    """The sum of what the buckets changed is the change: v = v_low + v_high."""
    for per in ("whole", "bucket"):
        said = by_frequency(
            "--curriculum", CURRICULUM, "--extrapolate", f"0.5:start=kept,per={per}", "--out", tmp_path / per
        )
        assert said.code == 0, said.err
    one, two = (dict(load_model(f"{files.model}+{tmp_path / per}/change.safetensors").network.state_dict())
                for per in ("whole", "bucket"))  # fmt: skip
    base = load_model(files.model).network.state_dict()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=2e-6)
    assert max((one[n] - base[n]).abs().max().item() for n in base) > 1e-3
    outcome = load_record(tmp_path / "bucket").methods["npo"]
    assert [(info.bucket, info.alpha) for info in outcome.by_bucket] == [("low", 0.5), ("high", 0.5)]
    assert outcome.extrapolation is None and outcome.buckets[0].step == 2 and not outcome.warnings
    assert all(b.norm is not None and b.norm > 0 for b in outcome.buckets)
    page = (tmp_path / "bucket/report.html").read_text()
    assert "Bucket low: α = 0.5" in page and "bucket high" in page


def test_each_bucket_is_chosen_on_its_own_examples(by_frequency, tmp_path: Path) -> None:
    """The forget level at α = 0 of the first bucket is that of its two examples at the kept weights."""
    said = by_frequency("--curriculum", CURRICULUM, "--extrapolate", "nearest:per=bucket,utility_floor=0")
    assert said.code == 0, said.err
    outcome = load_record(tmp_path / "run").methods["npo"]
    assert outcome.selection is not None and "of phase 2 of 2" in outcome.selection.why  # with the documented command
    low, high = outcome.by_bucket
    assert (low.selector, low.never_known_from) == ("nearest", "holdout")
    assert low.start.forget != high.start.forget
    values = outcome.after["forget"]["probability"].per_example
    at = next(point.forget for point in high.curve if point.alpha == high.alpha)
    assert (values[1] + values[3]) / 2 == pytest.approx(at, rel=1e-4)  # type: ignore[operator]


@pytest.mark.usefixtures("no_model")
def test_a_curriculum_that_cannot_be_is_said_before_a_model_is_loaded(by_frequency, files) -> None:
    for arguments, part in (
        (("--forget", files.forget), "4 of 4 forget examples have no `count` (the first is forget.jsonl:1)"),
        ((), "bucket 'low' has 2 examples, fewer than `at_least` (5)"),
    ):
        said = by_frequency("--curriculum", "rare-first", *arguments)
        assert said.code == 2 and part in said.err, said.err
    said = by_frequency("--curriculum", CURRICULUM, "--extrapolate", "directed:per=bucket")
    assert said.code == 2 and "'directed' has its own direction" in said.err, said.err
    said = by_frequency("--method", "clue", "--curriculum", "mixed")
    assert said.code == 2 and "'clue' has stages of its own: leave curriculum out" in said.err


def test_in_python() -> None:
    model, sets = taught_model(), unequal_sets()
    options = {"retain_loss": None, "max_steps": 2, "learning_rate": 1e-3}
    with pytest.raises(DataError, match="expunge count"):
        ex.unlearn(model, sets, "npo", strength="count:power=2", **options)
    with pytest.raises(ConfigError, match="is an editor"):
        ex.unlearn(model, sets, "rome", stop="leave")
    counted = replace(sets, forget=tuple(replace(e, count=i) for i, e in enumerate(sets.forget)))
    strong = ex.unlearn(model, counted, "npo", strength="count:power=2", **options)
    plain = ex.unlearn(model, counted, "npo", **options)
    assert strong.result_id != plain.result_id
    assert strong.record["train"]["strength"] == {"by": "count", "power": 2.0}


# ---- proxies


def test_proxies_are_written_beside_counts_and_read_back(expunge, files, counted: Path, tmp_path: Path) -> None:
    out = tmp_path / "rated.jsonl"
    given = ("count", "--forget", counted, "--out", out, "--model", files.model)
    said = expunge(*given, "--proxy", "margin", "--template", "plain")
    assert said.code == 0, said.err
    assert (
        "4 examples of rated.jsonl have `margin_proxy`" in said.out and "rank correlation with the counts" in said.out
    )
    examples, warnings = load_examples(out)
    assert not warnings and [e.count for e in examples] == [1, 9, 1, 9]
    assert len({e.margin_proxy for e in examples}) == 4
    record = load_record(out.with_suffix(".json"))
    assert record.counting is not None and record.counting.engine == "proxy" and record.counting.rho is not None
    again = expunge(*given, "--proxy", "margin", "--template", "plain", "--resume")
    assert again.code == 0 and "that is done" in again.err
    said = expunge("count", "--forget", out, "--out", tmp_path / "both.jsonl", "--model", files.model,
                   "--proxy", "paraphrase")  # fmt: skip
    assert said.code == 0, said.err
    (first, *_), _ = load_examples(tmp_path / "both.jsonl")
    assert first.paraphrase_proxy is not None and first.paraphrase_proxy < 0 and first.margin_proxy is not None


WRONG = {
    "unknown": (["--proxy", "wordfreq"], "proxy: Input should be 'margin'"),
    "no model": (["--proxy", "margin"], "the proxy margin is read off a model: give --model"),
    "no such model": (["--proxy", "margin", "--model", "./nowhere"], "no model at 'nowhere'"),
    "a model of nobody": (["--proxy", "popularity", "--model", "m"], "popularity is read off no model"),
    "a model to count with": (["--corpus", ".", "--model", "m"], "add --proxy"),
    "a corpus": (["--proxy", "popularity", "--corpus", "."], "a proxy counts nothing: leave `corpus` out"),
    "nothing": ([], "where the corpus is closed, --proxy"),
}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("mistake", WRONG)
def test_what_is_wrong_with_a_proxy(expunge, counted: Path, tmp_path: Path, mistake: str) -> None:
    arguments, part = WRONG[mistake]
    said = expunge("count", "--forget", counted, "--out", tmp_path / "rated.jsonl", *arguments)
    assert said.code == 2 and part in said.err, said.err
    assert not (tmp_path / "rated.jsonl").exists()


@pytest.mark.usefixtures("no_model")
def test_examples_without_other_wordings(expunge, files, tmp_path: Path) -> None:
    path = write_examples([replace(e, paraphrases=()) for e in tiny_sets().forget], tmp_path / "few.jsonl")
    said = expunge("count", "--forget", path, "--out", tmp_path / "rated.jsonl", "--model", files.model,
                   "--proxy", "paraphrase")  # fmt: skip
    assert said.code == 2 and "4 of 4 examples have no other wordings (the first is few.jsonl:1)" in said.err

"""Mistakes: said at once, with the way out, before a model is loaded; exit code 2 and nothing written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from expunge.config import over
from tiny import tiny_model

MISTAKES = {
    "unknown method": (["--method", "nop"], ["no objective called 'nop'", "Did you mean 'npo'?"]),
    "misspelt editor": (["--method", "redirct"], ["no editor called 'redirct'", "Did you mean 'redirect'?"]),
    "training with an editor": (["--method", "redirect", "--lora", "4"], ["trains nothing", "lora"]),
    "option of an editor": (["--method", "redirect:gian=2"], ["no option 'gian'", "gain"]),
    "unknown retain loss": (["--retain-loss", "nil"], ["no retain loss called 'nil'", "'nll'"]),
    "no retrained model": (["--method", "mlp_regression"], ["'mlp_regression' measures against", "--retrained"]),
    "wrong retrained model": (["--retrained", "./nowhere"], ["no model at 'nowhere'"]),
    "unknown wrapper": (["--wrap", "sma"], ["no wrapper called 'sma'", "'sam'"]),
    "misspelt option of a method": (["--method", "npo:bta=0.2"], ["no option 'bta'", "Did you mean 'beta'?"]),
    "option out of range": (["--method", "npo:beta=-1"], ["'beta'", "greater than 0"]),
    "malformed option": (["--method", "npo:beta"], ["expected NAME:key=value"]),
    "option of a wrapper": (["--wrap", "sam:roh=1"], ["no option 'roh'", "rho"]),
    "wrong metric": (["--metrics", "probabilty"], ["no metric called 'probabilty'", "'probability'"]),
    "setting out of range": (["--learning-rate", "-1"], ["train.learning_rate", "greater than 0"]),
    "two horizons": (["--epochs", "1"], ["`epochs` or `max_steps`, not both"]),
    "given twice": (["--seed", "1", "--seed", "2"], ["--seed is given 2 times, and takes one value"]),
    "a seed below zero": (["--seed", "-1"], ["train.seed", "greater than or equal to 0"]),
    "a rate without end": (["--learning-rate", "inf"], ["train.learning_rate", "finite"]),
    "training in float16": (["--dtype", "float16"], ["float16 are not trained", "--dtype"]),
    "steps that are lost": (["--wrap", "sam", "--dtype", "bfloat16"], ["'sam' moves the weights by less", "--lora"]),
    "a wrapper without a retain loss": (["--wrap", "gru", "--retain-loss", "none"], ["'gru' weighs", "`retain_loss`"]),
    "adapter without a rank": (["--save-as", "peft"], ["lora"]),
    "stop without a level": (["--stop", "never-known"], ["twins", "holdout"]),
    "leaving without a level": (["--stop", "leave:every=2"], ["twins", "holdout"]),
    "strength without counts": (["--strength", "count"], ["forget.jsonl:1", "`count`", "expunge count --corpus"]),
    "strength without a proxy": (
        ["--strength", "margin"],
        ["`margin_proxy`", "expunge count --proxy margin --model M"],
    ),
    "unknown proxy": (["--strength", "margni"], ["train.strength.by", "'margin'"]),
    "curriculum of steps": (["--curriculum", "rare-first"], ["goes by epochs of each bucket", "`max_steps`"]),
    "unknown order": (["--curriculum", "rarest"], ["train.curriculum.order", "'rare-first'"]),
    "strength of an editor": (["--method", "redirect", "--strength", "count"], ["is an editor", "strength"]),
    "alpha per bucket of none": (["--extrapolate", "nearest:per=bucket"], ["set `curriculum`"]),
    "no file": (["--forget", "forgte.jsonl"], ["forgte.jsonl"]),
    "columns": (["--columns", "question"], ["--columns: expected FROM=TO"]),
    "unknown command-line option": (["--metod", "npo"], ["--metod", "--method"]),
    "not a number": (["--epochs", "three"], ["--epochs", "integer"]),
}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_is_said_before_the_model_is_loaded(unlearn: Callable, tmp_path: Path, mistake: str) -> None:
    arguments, said = MISTAKES[mistake]
    result = unlearn(*arguments)
    assert (result.code, result.out) == (2, "")
    assert "Traceback" not in result.err
    for part in said:
        assert part in result.err
    assert not (tmp_path / "run").exists()


def test_a_horizon_on_the_command_line_takes_the_place_of_the_recipes() -> None:
    """Which of the two it is: nothing on a command line could unset the other."""
    given = over({"train": {"epochs": 10, "method": "npo"}}, {"train": {"max_steps": 1}})
    assert given == {"train": {"max_steps": 1, "method": "npo"}}
    assert over({"epochs": 10}, {"max_steps": None, "seed": 1}) == {"epochs": 10, "max_steps": None, "seed": 1}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("idle", [("--retain-loss", "kl"), ("--retain-weight", "5"), ("--method", "pdu")])
def test_settings_of_a_retain_loss_want_a_retain_set(expunge: Callable, files, tmp_path: Path, idle: tuple) -> None:
    out = tmp_path / "run"
    said = expunge("unlearn", "--model", files.model, "--forget", files.forget, *idle, "--out", out)
    assert said.code == 2 and not out.exists()
    says = (
        "keeps the retain loss below a bound" if "pdu" in idle else "is of the retain loss, and there is no retain set"
    )
    assert says in said.err


RECIPES = {
    "misspelt key": ("train: {metod: npo}", ["train.metod: there is no such setting", "'method'"]),
    "misspelt top key": ("trian: {method: npo}", ["trian: there is no such setting", "'train'"]),
    "all at once": ("{trian: 1, evaluate: {metric: []}}", ["trian", "evaluate.metric:"]),
    "not settings": ("train: npo", ["train: expected settings"]),
    "a list": ("- npo", ["expected settings"]),
    "a number for a name": ("1: 2", ["recipe.yaml", "expected settings (name: value)", "the name 1"]),
    "broken YAML": ("train: {", ["recipe.yaml"]),
    "a wrong type": ("train: {batch_size: many}", ["train.batch_size"]),
}


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("mistake", RECIPES)
def test_in_a_recipe(unlearn: Callable, tmp_path: Path, mistake: str) -> None:
    text, said = RECIPES[mistake]
    (tmp_path / "recipe.yaml").write_text(text)
    result = unlearn("--config", tmp_path / "recipe.yaml")
    assert result.code == 2, result.err
    for part in said:
        assert part in result.err
    missing = unlearn("--config", tmp_path / "recepi.yaml")
    assert (missing.code, "recepi.yaml" in missing.err) == (2, True)


@pytest.mark.usefixtures("no_model")
def test_broken_data_is_said_whole(unlearn: Callable, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"prompt": "a ?", "answer": ""}\n{"prompt": 1, "answer": "b"}\n{"prompt"\n')
    result = unlearn("--forget", broken)
    assert result.code == 2
    assert "3 problems" in result.err
    for line in (1, 2, 3):
        assert f"broken.jsonl:{line}" in result.err


@pytest.mark.usefixtures("no_model")
def test_the_forget_set_may_not_be_kept(unlearn: Callable, files) -> None:
    result = unlearn("--retain", files.forget)
    assert result.code == 2
    assert "forget" in result.err


def test_a_model_that_is_not_there(unlearn: Callable, expunge: Callable, files, tmp_path: Path) -> None:
    for name, said in (("./nowhere", "no such file or folder"), ("smolm2", "smollm2"), ("a/b/c", "nor a Hub id")):
        if name == "smolm2":
            continue  # a Hub id, which would be looked up
        result = unlearn("--model", name)
        assert result.code == 2, name
        assert said in result.err or "no model" in result.err
    assert not (tmp_path / "run").exists()
    nothing = expunge("evaluate", "--model", files.model, "--out", tmp_path / "run")
    assert (nothing.code, "nothing to measure on" in nothing.err) == (2, True)
    no_model = expunge("evaluate", "--forget", files.forget, "--out", tmp_path / "run")
    assert (no_model.code, "model" in no_model.err) == (2, True)


def test_what_only_the_model_can_show_leaves_nothing(unlearn: Callable, tmp_path: Path) -> None:
    result = unlearn("--parameters", "model.leyers.*")
    assert result.code == 2
    assert "model.leyers.*" in result.err
    assert not (tmp_path / "run").exists()


def test_an_output_folder_that_is_not_empty(unlearn: Callable, tmp_path: Path, monkeypatch) -> None:
    assert unlearn().code == 0
    former = (tmp_path / "run" / "record.json").read_bytes()

    def untouched(*arguments: object, said: str) -> None:
        with monkeypatch.context() as patched:
            patched.setattr("expunge.runs.unlearn.load_model", lambda *_, **__: pytest.fail("loaded"))
            result = unlearn(*arguments)
        assert result.code == 2
        assert said in result.err
        assert (tmp_path / "run" / "record.json").read_bytes() == former

    untouched(said="not empty")
    untouched("--method", "simnpo", "--resume", said="train.method: started with 'npo', now 'simnpo'")
    untouched("--resume", "--overwrite", said="give one of them")
    # what is overwritten goes only when nothing can be wrong any more
    untouched("--overwrite", "--forget", tmp_path / "forgte.jsonl", said="forgte.jsonl")
    untouched("--overwrite", "--method", "nop", said="nop")
    assert unlearn("--overwrite", "--method", "simnpo").code == 0
    assert json.loads((tmp_path / "run" / "record.json").read_text())["methods"].keys() == {"simnpo"}


@pytest.mark.usefixtures("no_model")
def test_a_folder_of_something_else_is_never_emptied(unlearn: Callable, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    for option in ("--overwrite", "--resume"):
        result = unlearn(option)
        assert (result.code, "record.json" in result.err) == (2, True)
    assert unlearn("--out", tmp_path / "run" / "thesis.txt").code == 2
    assert unlearn("--out", tmp_path / "run" / "thesis.txt" / "deeper").code == 2
    assert (tmp_path / "run" / "thesis.txt").read_text() == "years of work"


def test_a_change_that_is_none(expunge: Callable, files, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    missing = expunge("apply", "--model", files.model, "--change", tmp_path / "no.safetensors", *out)
    assert (missing.code, "no.safetensors" in missing.err) == (2, True)
    weights = Path(files.model) / "model.safetensors"
    other = expunge("apply", "--model", files.model, "--change", weights, *out)
    assert (other.code, "model.safetensors" in other.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_without_permission_there_is_no_traceback(expunge: Callable, files, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("expunge.runs.evaluate.save_record", full)
    result = expunge(
        "evaluate", "--model", files.model, "--forget", files.forget, "--metrics", "probability", "--out",
        tmp_path / "out",
    )  # fmt: skip
    assert (result.code, result.out) == (1, "")
    assert "No space left" in result.err


def test_texts_beyond_the_learned_positions_are_named(unlearn: Callable, expunge: Callable, tmp_path: Path) -> None:
    """256 of them, and a tokenizer that knows no limit."""
    tiny_model(arch="gpt2").save(tmp_path / "gpt2")
    row = {"prompt": "the capital of arland is", "answer": "bexton " * 300}
    (tmp_path / "long.jsonl").write_text(json.dumps(row) + "\n")
    given = ("--model", tmp_path / "gpt2", "--forget", tmp_path / "long.jsonl")
    for said in (unlearn(*given), expunge("evaluate", *given, "--out", tmp_path / "run")):
        assert (said.code, said.out) == (2, "") and "Traceback" not in said.err
        text = " ".join(said.err.split())
        assert "long.jsonl:1: `answer`" in text and "the model's number of learned positions 256" in text
        assert not (tmp_path / "run").exists()

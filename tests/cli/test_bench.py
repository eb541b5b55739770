"""`expunge bench`: what becomes of its options, mistakes before anything is written, exit codes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expunge.config import BenchConfig
from expunge.record import Record

pytest.importorskip("optuna", reason="the extra `search` is not installed")
Run = Callable[..., Any]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command hands on."""
    seen: dict[str, Any] = {"status": "done"}

    def run_bench(config: BenchConfig, out: Path, **options: Any) -> Record:
        seen.update(config=config, **options)
        out.mkdir(parents=True, exist_ok=True)
        (out / "leaderboard.json").write_text('{"format": "expunge-leaderboard"}\n')
        return Record(command="bench", status=seen["status"], headline=("npo stands first",), warnings=("a cell",))

    monkeypatch.setattr("expunge.bench.run.run_bench", run_bench)
    return seen


def test_options_reach_the_bench(expunge: Run, called: dict[str, Any], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("suites: [tofu:mini]\nseeds: 5\nsearch: {trials: 7, seed: 50}\ntrain: {epochs: 2}\n")
    said = expunge(
        "bench", "--suite", "world:people:size=tiny,persons=20,tofu:mini", "--methods", "npo:beta=0.2,redirect",
        "--trials", "4", "--full-panel", "best 2", "--engine", "ray", "--processes", "3", "--config", recipe,
        "--device", "cuda:1", "--dtype", "bfloat16", "--out", tmp_path / "out",
    )  # fmt: skip
    assert said.code == 0, said.err
    config = called["config"]
    assert config.suites == ("world:people:size=tiny,persons=20", "tofu:mini")
    assert config.methods == ("npo:beta=0.2", "redirect")
    assert (config.seeds, config.search.trials, config.search.seed, config.train.epochs) == (5, 4, 50, 2)
    assert (config.load.device, config.load.dtype) == ("cuda:1", "bfloat16")
    assert (config.full_panel, called["engine"], called["processes"]) == ("best 2", "ray", 3)
    assert "npo stands first" in said.out


def test_exit_codes_and_json(expunge: Run, called: dict[str, Any], tmp_path: Path) -> None:
    asked = ("bench", "--suite", "world:people", "--out", tmp_path / "out")
    assert expunge(*asked, "--json").out == '{"format": "expunge-leaderboard"}\n'
    called["status"] = "failed"
    said = expunge(*asked)
    assert (said.code, "a cell" in said.out) == (1, True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--suite", "world:people", "--methods", "npoo"), "Did you mean 'npo'"),
        (("--suite", "world:peeple",), "no world"),
        (("--suite", "wmdp"), "name them under `models`"),
        (("--suite", "world:people", "--full-panel", "best"), "full_panel"),
        (("--suite", "world:people", "--seeds", "0"), "seeds"),
        ((), "suites"),
    ],
)  # fmt: skip
def test_mistakes_write_nothing(expunge: Run, tmp_path: Path, given: tuple[str, ...], says: str) -> None:
    said = expunge("bench", *given, "--out", tmp_path / "out")
    assert (said.code, says in said.err) == (2, True), said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("train: {learning_rate: 0.1}", "`train.learning_rate` is each run's own"),
        ("search: {seed: 1}", "needs a seed of its own"),
        ("search: {learning_rate: [0.1, 0.01]}", "its lower and its upper end"),
        ("masks: ['random:seed=1']", "leave it out"),
        ("masks: [waggle]", "Did you mean 'wagle'"),
        ("train: {localize: wagle}", "`train.localize` is each run's own"),
        ("models: {tofu:mini: {before: m}}", "is none of the suites"),
    ],
)
def test_recipes_that_make_no_sense(expunge: Run, tmp_path: Path, recipe: str, says: str) -> None:
    (tmp_path / "recipe.yaml").write_text(f"suites: ['world:people']\n{recipe}\n")
    said = expunge("bench", "--config", tmp_path / "recipe.yaml", "--out", tmp_path / "out")
    assert (said.code, says in said.err) == (2, True), said.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_taken(expunge: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    said = expunge("bench", "--suite", "world:people", "--out", tmp_path)
    assert (said.code, "not empty" in said.err) == (2, True)


def test_interrupted_says_how_to_go_on(expunge: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("expunge.bench.run.run_bench", interrupt)
    said = expunge("bench", "--suite", "world:people", "--out", tmp_path / "out")
    assert (said.code, "--resume goes on" in said.err) == (130, True)

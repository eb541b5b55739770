"""The command line run in-process on a tiny model that stands on disk."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from expunge.cli.app import run
from tiny import tiny_model, tiny_sets

METRICS = "probability,extraction_strength"


@dataclass(frozen=True)
class Files:
    """A model folder and the files of its sets."""

    model: str
    forget: str
    retain: str
    holdout: str


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code and what stood on the two streams."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("files")
    tiny_model(attention="sdpa").save(folder / "model")
    for name, examples in tiny_sets().named():
        fields = ("prompt", "answer", "paraphrases")
        rows = [json.dumps({field: asdict(example)[field] for field in fields}) for example in examples]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    return Files(str(folder / "model"), *(str(folder / f"{name}.jsonl") for name in ("forget", "retain", "holdout")))


@pytest.fixture(autouse=True)
def observations(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's commands keep what they observe: nothing comes from earlier tests."""
    cache = tmp_path_factory.mktemp("observed")
    monkeypatch.setattr("expunge.runs.measuring.cache_folder", lambda: cache)
    monkeypatch.setattr("expunge.runs.facts.cache_folder", lambda: cache)
    return cache / "observations"


@pytest.fixture
def expunge(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def call(*arguments: object) -> Said:
        capsys.readouterr()
        code = run([str(each) for each in arguments])
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model fails the test: what goes wrong must have been said before."""

    def loaded(*_: object, **__: object) -> None:
        pytest.fail("the model was loaded")

    monkeypatch.setattr("expunge.runs.unlearn.load_model", loaded)
    monkeypatch.setattr("expunge.runs.evaluate.load_model", loaded)
    monkeypatch.setattr("expunge.runs.finetune.load_model", loaded)
    monkeypatch.setattr("expunge.runs.audit.load_model", loaded)
    monkeypatch.setattr("expunge.runs.localize.load_model", loaded)
    monkeypatch.setattr("expunge.runs.circuits.load_model", loaded)
    monkeypatch.setattr("expunge.runs.relate.load_model", loaded)
    monkeypatch.setattr("expunge.runs.choosing_alpha.load_model", loaded)
    monkeypatch.setattr("expunge.runs.model_folder.load_model", loaded)
    monkeypatch.setattr("expunge.models.loading.load_model", loaded)


@pytest.fixture
def unlearn(expunge: Callable[..., Said], files: Files, tmp_path: Path) -> Callable[..., Said]:
    """`expunge unlearn` on the files, two steps, into `tmp_path/run` unless another `--out` is given."""

    def call(*arguments: object) -> Said:
        usual = {
            "--model": files.model, "--forget": files.forget, "--retain": files.retain, "--max-steps": 2,
            "--learning-rate": 1e-3, "--metrics": METRICS, "--max-new-tokens": 3, "--out": tmp_path / "run",
        }  # fmt: skip
        return expunge(
            "unlearn", *(part for name, value in usual.items() if name not in arguments for part in (name, value)),
            *arguments,
        )  # fmt: skip

    return call

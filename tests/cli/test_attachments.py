"""GRACE and WISE from the command line and in Python: edited, loaded, audited, and what cannot be done with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import expunge as ex
from expunge.bench.cells import contenders
from expunge.config import BenchConfig
from expunge.errors import ChangeError, ConfigError
from expunge.models.changes import load_change
from expunge.models.codebook import Codebook
from expunge.models.memories import Memories
from expunge.record_file import load_record
from tiny import tiny_model, tiny_sets

QUICK = {"grace": "grace:steps=6,layer=0", "wise": "wise:steps=4,contexts=0,layer=0"}
Run = Callable[..., Any]
both = pytest.mark.parametrize("name", QUICK)


@pytest.fixture
def edit(expunge: Run, files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`expunge edit` on the files, into `tmp_path/NAME` unless another `--out` is given."""
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path / "cache"))

    def call(name: str, *arguments: object, command: str = "edit") -> Any:
        usual = {
            "--model": files.model, "--forget": files.forget, "--retain": files.retain, "--metrics": "probability",
            "--max-new-tokens": 3, "--out": tmp_path / name,
            "--editor" if command == "edit" else "--method": QUICK.get(name, name),
        }  # fmt: skip
        given = [part for key, value in usual.items() if key not in arguments for part in (key, value)]
        return expunge(command, *given, *arguments)

    return call


@both
def test_it_leaves_a_record_and_a_memory_that_loads_with_its_model(
    name: str, edit: Run, expunge: Run, files: Any, tmp_path: Path
) -> None:
    said = edit(name)
    assert said.code == 0, said.err
    record = load_record(tmp_path / name)
    change = record.methods[name].change
    assert change is not None and (change.kind, change.touched_weights) == ("attachment", 0)
    assert change.base_digest == record.model.digest != change.result_digest  # type: ignore[union-attr]
    assert "beside the weights" in change.note
    warnings = record.methods[name].warnings
    assert any("whoever detaches" in each for each in warnings)
    assert not any(each.startswith("subjects") for each in warnings)  # these look nothing up at a subject
    assert b"arland" not in (tmp_path / name / "change.safetensors").read_bytes()
    after = record.methods[name].after["forget"]["probability"]
    evaluated = expunge(
        "evaluate", "--model", f"{files.model}+{tmp_path / name / 'change.safetensors'}", "--forget", files.forget,
        "--metrics", "probability", "--out", tmp_path / "evaluated",
    )  # fmt: skip
    assert evaluated.code == 0, evaluated.err
    found = load_record(tmp_path / "evaluated")
    assert found.before["forget"]["probability"].per_example == pytest.approx(after.per_example, rel=1e-5)
    assert found.model is not None and found.model.digest == change.result_digest
    assert after.per_example != record.before["forget"]["probability"].per_example


def test_observations_of_a_model_with_a_memory_are_its_own(edit: Run, tmp_path: Path) -> None:
    """Kept under the digest of both, so a second run finds them and the model alone never does."""
    name = "wise"
    assert edit(name).code == 0
    record = load_record(tmp_path / name)
    change = record.methods[name].change
    assert edit(name, "--out", tmp_path / "again").code == 0
    again = load_record(tmp_path / "again")
    assert again.methods[name].after == record.methods[name].after and again.before == record.before
    assert change is not None and again.methods[name].change == change


@both
def test_an_audit_shows_that_all_comes_back(name: str, edit: Run, expunge: Run, files: Any, tmp_path: Path) -> None:
    assert edit(name, "--target", "name").code == 0
    said = expunge(
        "audit", "--before", files.model, "--after", f"{files.model}+{tmp_path / name / 'change.safetensors'}",
        "--forget", files.forget, "--retain", files.retain, "--holdout", files.holdout, "--attacks", "prefix,noise",
        "--max-new-tokens", 3, "--out", tmp_path / "audit",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = load_record(tmp_path / "audit")
    assert record.audit is not None
    (cell,) = (each for each in record.audit.cells if each.name == "detach")
    assert cell.k["unlearned"] == cell.k["original"]
    (likely,) = (each for each in record.audit.cells if each.name == "probability")
    assert likely.k["unlearned"] != likely.k["original"]
    assert any("can detach it" in each for each in record.audit.cannot_say)
    assert record.methods["unlearned"].configuration["digest"] != record.model.digest  # type: ignore[union-attr]


def test_what_has_no_weights_is_not_applied_merged_or_extrapolated(
    edit: Run, expunge: Run, files: Any, tmp_path: Path
) -> None:
    assert edit("grace").code == 0
    file = tmp_path / "grace" / "change.safetensors"
    model, out = f"{files.model}+{file}", tmp_path / "never"
    for command in (
        ("apply", "--model", files.model, "--change", file), ("revert", "--model", files.model, "--change", file),
        ("apply", "--model", model, "--change", file),
        ("extrapolate", "--base", files.model, "--tuned", model, "--alpha", 0.5),
        ("merge", "--base", files.model, "--tuned", model, "--method", "negate"),
        ("edit", "--model", model, "--forget", files.forget, "--editor", "memit:steps=2,contexts=0"),
    ):  # fmt: skip
        said = expunge(*command, "--out", out)
        assert said.code == 2 and "side memory" in said.err, (command, said.err)
        assert not out.exists() or not any(out.glob("*.safetensors"))


@both
def test_mistakes_are_seen_before_the_model_is_loaded(name: str, edit: Run, no_model: None) -> None:
    for arguments, message in (
        (("--save-as", "full"), "hangs a side memory"), (("--save-as", "peft"), "hangs a side memory"),
        (("--without", "nobody"), "no example with the id 'nobody'"),
        (("--editor", f"{QUICK[name]},protect=3"), "no option 'protect'"),
        (("--editor", f"{QUICK[name]},earlier=nowhere.safetensors"), "there is no file"),
    ):  # fmt: skip
        said = edit(name, *arguments)
        assert said.code == 2 and message in said.err, said.err
    said = edit(name, "--extrapolate", "auto", command="unlearn")
    assert said.code == 2 and "cannot be extrapolated" in said.err
    data = tiny_sets()
    with pytest.raises(ConfigError, match="cannot be extrapolated"):
        ex.unlearn(tiny_model(), data, name, extrapolate={"alpha": 0.5})


def test_wise_says_what_it_needs_before_the_model_is_loaded(
    expunge: Run, files: Any, tmp_path: Path, no_model: None
) -> None:
    said = expunge(
        "edit", "--model", files.model, "--forget", files.forget, "--editor", "wise", "--out", tmp_path / "run"
    )
    assert said.code == 2 and "--retain" in said.err and "--corpus" in said.err


def test_a_fact_is_taken_back_by_editing_without_it(edit: Run, files: Any, tmp_path: Path) -> None:
    """As if the row had never been asked for; it is still measured, and its values are not fitted anew."""
    assert edit("grace").code == 0
    ids = [row.id for row in load_record(tmp_path / "grace").sets["forget"].rows]
    assert edit("grace", "--without", f"{ids[1]},{ids[3]}", "--out", tmp_path / "some").code == 0
    rows = Path(files.forget).read_text().splitlines()
    (tmp_path / "fewer.jsonl").write_text("\n".join([rows[0], rows[2]]) + "\n")
    assert edit("grace", "--forget", tmp_path / "fewer.jsonl", "--out", tmp_path / "fewer").code == 0
    some, fewer = (load_change(tmp_path / each / "change.safetensors") for each in ("some", "fewer"))
    assert isinstance(some, Codebook) and isinstance(fewer, Codebook)
    assert some.balls.keys.tolist() == fewer.balls.keys.tolist()
    assert some.balls.values.tolist() == fewer.balls.values.tolist()
    record = load_record(tmp_path / "some")
    assert record.sets["forget"].n == 4
    assert any(each.startswith("2 forget examples are left out") for each in record.methods["grace"].warnings)
    for editor in ("memit:steps=2,contexts=0,layers=1", "rome:joint=true,steps=2,contexts=0"):
        said = edit("other", "--editor", editor, "--without", ids[0], "--out", tmp_path / editor[:4])
        assert said.code == 0, said.err
    said = edit("grace", "--without", ",".join(ids), "--out", tmp_path / "none")
    assert said.code == 2 and "no forget example is left" in said.err


def test_under_unlearn_and_in_python(edit: Run, tmp_path: Path) -> None:
    name = "wise"
    assert edit(name, "--out", tmp_path / "unlearn", command="unlearn").code == 0
    model, data = tiny_model(), tiny_sets()
    change = ex.edit(model, data, QUICK[name], target="name")
    assert isinstance(change, Memories)
    assert change.record["model"] == "tiny" and change.record["edit"]
    change.save(tmp_path / "c.safetensors")
    loaded = ex.load_change(tmp_path / "c.safetensors")
    assert loaded.result_id == change.result_id and loaded.record == change.record
    record = ex.audit(model, loaded, data, attacks=("prefix",), evaluate={"max_new_tokens": 3, "cache": False})
    assert record.audit is not None
    (cell,) = (each for each in record.audit.cells if each.name == "detach")
    assert cell.k["unlearned"] == cell.k["original"]
    with pytest.raises(ChangeError, match="side memory"):
        ex.choose_alpha(model, loaded, data)  # type: ignore[arg-type]
    with loaded.applied_to(model), pytest.raises(ChangeError, match="the editor 'memit' needs the model alone"):
        ex.edit(model, data, "memit:steps=2,contexts=0")


def test_a_bench_has_no_extrapolated_memory() -> None:
    config = BenchConfig(suites=("s",), methods=("grace", "memit"), extrapolations=("none", "auto"))
    assert [(each.method, each.extrapolation) for each in contenders(config)] == [
        ("grace", "none"), ("memit", "none"), ("memit", "auto"),
    ]  # fmt: skip

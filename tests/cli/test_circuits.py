"""`expunge circuits`, and unlearning by what it finds."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

import pytest

from expunge.change import WeightChange
from expunge.mask import Mask, note_of
from expunge.models.loading import load_model
from expunge.record_circuits import Circuits
from expunge.record_file import load_record
from expunge.runs.written import strangers
from steps import taught_model

pytest.importorskip("pysat")
FAST = ("--points", "1", "--pairs", "4")


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model that knows its facts."""
    folder = tmp_path_factory.mktemp("knowing") / "model"
    taught_model().save(folder)
    return str(folder)


def test_everything_that_is_found_is_left(expunge, files, knowing: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    rows = Path(files.retain).read_text().splitlines(keepends=True)
    for name, some in (("one", rows[:2]), ("two", rows[2:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(some))
    retain = f"{tmp_path / 'one.jsonl'},{tmp_path / 'two.jsonl'}"
    given = ("--model", knowing, "--forget", files.forget, "--retain", retain, *FAST)
    said = expunge("circuits", *given, "--out", out, "--explain", "1.down,0.q")
    assert said.code == 0, said.err
    record = load_record(out)
    assert record.status == "done" and record.circuits is not None
    found = record.circuits
    assert [each.title for each in found.circuits] == ["forget", "retain (one.jsonl)", "retain (two.jsonl)"]
    assert json.loads((out / "circuits.json").read_text()) == found.model_dump(mode="json")
    assert (out / "circuits.cnf").read_text().startswith("c CLUE")
    for which in ("forget", "conflict"):
        names = found.of(which)  # type: ignore[arg-type]
        assert (out / f"{which}.safetensors").exists() == bool(names)
        if names:
            assert Mask.load(out / f"{which}.safetensors").weights() == found.weights(which)  # type: ignore[arg-type]
            assert note_of(out / f"{which}.safetensors")["nodes"] == names
    page = (out / "report.html").read_text()
    for title in ("Classes by layer", "The forget circuit", "Size and faithfulness", "Why"):
        assert title in page
    assert "arland" not in page + (out / "record.json").read_text() + (out / "circuits.cnf").read_text()
    assert {reason.node for reason in found.why} == {"1.down", "0.q"}
    again = expunge("circuits", *given, "--out", out)
    assert again.code == 2 and "not empty" in again.err
    assert expunge("report", out, "--out", tmp_path / "report.md").code == 0
    assert "## Classes" in (tmp_path / "report.md").read_text()


KILLS = {"attribution:_part": 3, "scene:Scene:recovered": 6, "discover:patch": 3}  # what takes long, and at which call


def test_a_killed_run_goes_on_to_the_same_bits(
    expunge, files, knowing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of each; what it had is not computed again."""
    from expunge.models.halfway import Halfway

    monkeypatch.setattr(Halfway, "due", property(lambda _: True))
    calls, kill = Counter(), []

    def counted(place: str, plain: Callable) -> Callable:
        def call(*arguments, **rest):
            calls[place] += 1
            if kill == [place] and calls[place] == KILLS[place]:
                raise KeyboardInterrupt
            return plain(*arguments, **rest)

        return call

    for place in KILLS:
        where, _, name = place.rpartition(":")
        owner = resolve_name(f"expunge.circuits.{where}")  # a module, or a class in one
        monkeypatch.setattr(owner, name, counted(place, getattr(owner, name)))
    given = ("circuits", "--model", knowing, "--forget", files.forget, "--retain", files.retain, *FAST, "--out")
    assert expunge(*given, tmp_path / "whole").code == 0
    whole = Counter(calls)
    for number, place in enumerate(KILLS):
        out = tmp_path / str(number)
        calls.clear()
        kill[:] = [place]
        said = expunge(*given, out)
        assert (said.code, "--resume goes on" in said.err) == (130, True)
        assert load_record(out).status == "interrupted"
        kill.clear()
        assert expunge(*given, out, "--resume").code == 0
        assert calls == whole + Counter([place])  # that call twice, every other once
        for each in ("circuits.json", "circuits.cnf", "forget.safetensors", "conflict.safetensors"):
            one, other = (folder / each for folder in (tmp_path / "whole", out))
            assert one.exists() == other.exists() and (not one.exists() or one.read_bytes() == other.read_bytes())
        assert not (out / "checkpoints").exists()
    calls.clear()
    assert expunge(*given, tmp_path / "0", "--resume").code == 0 and not calls  # it is done
    assert strangers(tmp_path / "0", load_record(tmp_path / "0")) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--granularity", "rows"), "circuits.granularity"), (("--size", "0"), "circuits.size"),
        (("--explain", "9.q"), "no node called '9.q'"), (("--swap", "subject"), "no contrast could be made of 4"),
    ],
)  # fmt: skip
def test_mistakes_write_nothing(expunge, files, tmp_path: Path, given: tuple[str, ...], says: str) -> None:
    """The last: these files name no subjects."""
    sets = ("--forget", files.forget, "--retain", files.retain)
    said = expunge("circuits", "--model", files.model, *sets, "--out", tmp_path / "run", *given)
    assert said.code == 2 and says in said.err and not (tmp_path / "run").exists()


def test_there_has_to_be_something_to_compare_with(expunge, files, no_model, tmp_path: Path) -> None:
    for sets, says in (((), "nothing to look for"), (("--forget", files.forget), "at least one retain set")):
        said = expunge("circuits", "--model", files.model, *sets, "--out", tmp_path / "run")
        assert said.code == 2 and says in said.err


def test_a_node_of_no_circuit_is_explained(expunge, files, knowing: str, tmp_path: Path) -> None:
    given = ("--model", knowing, "--forget", files.forget, "--retain", files.retain, *FAST)
    few = ("--granularity", "heads", "--size", "0.2", "--explain", "0.q.1,1.mlp", "--out")
    assert expunge("circuits", *given, *few, tmp_path / "run").code == 0
    found = load_record(tmp_path / "run").circuits
    assert found is not None and "0.q.1" not in found.classes and "1.mlp" in found.classes
    assert [reason.side for reason in found.why if reason.node == "0.q.1"] == [None]
    assert {reason.node for reason in found.why} == {"0.q.1", "1.mlp"}
    assert "0.q.1 is in no circuit, so it is safe." in (tmp_path / "run/report.html").read_text()
    said = expunge("circuits", *given, "--explain", "out", "--out", tmp_path / "other")
    assert said.code == 2 and "no node called 'out'" in said.err


def test_unlearning_by_clue_makes_the_same_circuits(expunge, files, knowing: str, tmp_path: Path) -> None:
    """Of several retain files, too: the same classes and formula as the other command finds."""
    import pyarrow.parquet as parquet
    from pyarrow import json as tables

    rows, retain = tables.read_json(files.retain), []
    for name, some in (("one", rows[:2]), ("two", rows[2:])):
        parquet.write_table(some, tmp_path / f"{name}.parquet")
        retain.append(str(tmp_path / f"{name}.parquet"))
    given = ("--model", knowing, "--forget", files.forget, "--retain", ",".join(retain))
    assert expunge("circuits", *given, *FAST, "--out", tmp_path / "one").code == 0
    trained = ("--method", "clue:points=1,pairs=4", "--metrics", "probability", "--epochs", "2")
    said = expunge("unlearn", *given, *trained, "--out", tmp_path / "two")
    assert said.code == 0, said.err
    one, two = (tmp_path / name for name in ("one", "two"))
    assert (one / "circuits.cnf").read_bytes() == (two / "circuits.cnf").read_bytes()
    titles = [each.title for each in Circuits.model_validate_json((two / "circuits.json").read_text()).circuits]
    assert titles == ["forget", "retain (one.parquet)", "retain (two.parquet)"]
    assert (one / "circuits.json").read_bytes() == (two / "circuits.json").read_bytes()


def test_unlearning_by_clue(expunge, files, knowing: str, tmp_path: Path) -> None:
    sets = ("--forget", files.forget, "--retain", files.retain, "--metrics", "probability")

    def unlearn(method: str, out: Path):
        rate = ("--epochs", "2", "--learning-rate", "1e-3")
        return expunge("unlearn", "--model", knowing, *sets, "--method", method, *rate, "--out", out)

    said = unlearn("clue:points=1,confirm=0,pairs=4", tmp_path / "run")
    assert said.code == 0, said.err
    out = tmp_path / "run"
    outcome = load_record(out).methods["clue"]
    assert outcome.mask is not None and outcome.mask.localizer == "clue" and outcome.mask.granularity == "matrices"
    assert outcome.mask.notes[0].startswith("Of 14 nodes: ") and 0 < outcome.mask.chosen <= outcome.mask.units
    assert {"circuits.json", "circuits.cnf", "change.safetensors", "record.json"} <= {p.name for p in out.iterdir()}
    assert not (out / "checkpoints").exists()
    change = WeightChange.load(out / "change.safetensors")
    model = load_model(knowing)
    assert change.norm() > 0 and change.record["train"]["options"]["points"] == 1
    with change.applied_to(model):
        pass
    wrong, near = (unlearn(method, tmp_path / "other") for method in ("clue:pairs=0", "cluee"))
    assert (wrong.code, near.code) == (2, 2) and not (tmp_path / "other").exists()
    assert "pairs" in wrong.err and "Did you mean 'clue'" in near.err


def test_it_is_listed(expunge) -> None:
    rows = json.loads(expunge("ls", "procedures", "--json").out)
    assert [row["name"] for row in rows] == ["clue"] and rows[0]["citation"] == "arXiv:2509.20977"

"""`expunge relate`: the record, the page, what went along, mistakes, and going on after a kill."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from expunge.record_file import load_record
from expunge.report.relations.view import matrix_of
from tiny import tiny_model, tiny_sets


@pytest.fixture
def relate(expunge, files, tmp_path: Path):
    """`expunge relate` on the files, into `tmp_path/run` unless another `--out` is given."""

    def call(*arguments: object):
        usual = {
            "--model": files.model, "--forget": files.forget, "--retain": files.retain, "--out": tmp_path / "run"
        }  # fmt: skip
        given = [part for name, value in usual.items() if name not in arguments for part in (name, value)]
        return expunge("relate", *given, *arguments)

    return call


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows other things."""
    folder = tmp_path_factory.mktemp("other") / "model"
    tiny_model(seed=1, attention="sdpa").save(folder)
    return folder


def test_a_record_with_numbers_and_a_page_with_pictures(relate, files, tmp_path: Path) -> None:
    said = relate("--holdout", files.holdout)
    assert said.code == 0, said.err
    assert "Mean R: forget × forget" in said.out
    run = tmp_path / "run"
    assert {path.name for path in run.iterdir()} == {"record.json", "report.html"}
    record, page = load_record(run), (run / "report.html").read_text()
    related = record.related
    assert related is not None
    assert [row.set for row in related.rows] == ["forget"] * 4 + ["retain"] * 4 + ["holdout"] * 2
    matrix = np.array(matrix_of(related))
    assert np.array_equal(matrix, matrix.T)
    assert matrix.diagonal() == pytest.approx(1)
    assert (related.projection, related.error) == (None, 0)
    assert related.sets["holdout"].keys() == {"forget", "retain", "holdout"}
    assert "arland" not in page + (run / "record.json").read_text()
    assert "What hangs together in" in page
    assert page.count("<svg") == 2  # no model after, so no third
    assert "went along" not in page


def test_what_went_along(relate, files, other: Path, tmp_path: Path) -> None:
    said = relate("--after", other, "--holdout", files.holdout)
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.related is not None and record.related.after is not None
    after = record.related.after
    assert (after.model, len(after.rows)) == (str(other), 10)
    by_sets = {correlation.sets: correlation for correlation in after.correlations}
    assert by_sets["retain", "holdout"].n == 6
    assert ("holdout",) not in by_sets  # two examples: nothing to rank
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("<svg") == 3
    assert "What went along with it" in page


def test_the_drop_is_that_of_evaluate(relate, expunge, files, other: Path, tmp_path: Path) -> None:
    """The same log-probabilities as its metrics are made of: perplexity is exp of minus their mean."""
    assert relate("--after", other).code == 0
    record = load_record(tmp_path / "run")
    assert record.related is not None and record.related.after is not None
    for which, model in (("before", files.model), ("after", other)):
        out = tmp_path / which
        given = ("--model", model, "--retain", files.retain, "--metrics", "probability", "--out", out)
        assert expunge("evaluate", *given).code == 0
        probability = load_record(out).before["retain"]["probability"].per_example
        ours = [np.exp(getattr(each, which)) for each in record.related.after.rows[4:]]
        assert ours == pytest.approx(list(probability), rel=1e-5)


def test_a_model_that_did_not_change_lost_nothing(relate, files, tmp_path: Path) -> None:
    assert relate("--after", files.model).code == 0
    record = load_record(tmp_path / "run")
    assert record.related is not None and record.related.after is not None
    assert all(each.drop == 0 and not each.went for each in record.related.after.rows)
    assert record.related.after.correlations == ()


def grouped_files(folder: Path) -> tuple[Path, Path]:
    """The same facts, two to a group, which has a telling name."""
    paths = []
    for name, examples in list(tiny_sets().named())[:2]:
        rows = [{"id": f"{name}{i}", "group": f"secret{i // 2}", **{k: asdict(e)[k] for k in ("prompt", "answer")}}
                for i, e in enumerate(examples)]  # fmt: skip
        paths.append(folder / f"grouped-{name}.jsonl")
        paths[-1].write_text("\n".join(map(json.dumps, rows)) + "\n")
    return paths[0], paths[1]


@pytest.mark.parametrize("texts", [(), ("--include-text",)])
def test_by_group(relate, other: Path, tmp_path: Path, texts) -> None:
    forget, retain = grouped_files(tmp_path)
    said = relate("--forget", forget, "--retain", retain, "--by", "group", "--after", other, "--json", *texts)
    assert said.code == 0, said.err
    related = json.loads(said.out)["related"]
    assert [(row["id"], row["group"], row["examples"]) for row in related["rows"]] == [
        ("forget0", 0, 2), ("forget2", 1, 2), ("retain0", 0, 2), ("retain2", 1, 2)
    ]  # fmt: skip
    assert [len(line) for line in related["cosines"]] == [1, 2, 3, 4]
    assert len(related["after"]["rows"]) == 4
    everything = (tmp_path / "run/record.json").read_text() + (tmp_path / "run/report.html").read_text()
    assert ("secret" in everything) == bool(texts)
    assert "same group" in everything


def test_projected(relate, tmp_path: Path) -> None:
    assert relate("--out", tmp_path / "exact").code == 0
    assert relate("--projection", 4096).code == 0
    exact, found = (load_record(tmp_path / name).related for name in ("exact", "run"))
    assert exact is not None and found is not None
    assert (found.projection, found.error) == (4096, 4096**-0.5)
    assert 1e-4 < np.abs(np.array(matrix_of(found)) - matrix_of(exact)).max() < 5 * found.error
    assert "4,096 random combinations" in (tmp_path / "run/report.html").read_text()


def test_few_examples_and_some_parameters(relate, tmp_path: Path) -> None:
    assert relate("--examples", 2, "--parameters", "*layers.0.mlp*,model.norm.weight").code == 0
    record = load_record(tmp_path / "run")
    assert record.related is not None
    assert (len(record.related.rows), record.related.weights) == (4, 3 * 32 * 48 + 32)
    assert record.changed["relate.examples"] == 2


def test_a_killed_run_goes_on(relate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from expunge.models import gradient_products, halfway

    monkeypatch.setattr(halfway.Halfway, "due", property(lambda _: True))
    plain, passes = gradient_products._backward, []

    def killed(*given) -> None:
        passes.append(1)
        if len(passes) == 5:
            raise KeyboardInterrupt
        plain(*given)

    monkeypatch.setattr(gradient_products, "_backward", killed)
    said = relate("--projection", 64)
    assert (said.code, "--resume goes on" in said.err) == (130, True)
    assert load_record(tmp_path / "run").status == "interrupted"
    assert relate("--projection", 64, "--resume").code == 0
    assert len(passes) == 5 + 4
    assert load_record(tmp_path / "run").status == "done"
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert relate("--projection", 64, "--out", tmp_path / "other").code == 0
    one, two = (load_record(tmp_path / name).related for name in ("run", "other"))
    assert one == two
    assert relate("--projection", 64, "--resume").code == 0
    assert len(passes) == 9 + 8


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--by", "person"), "relate.by"),
        (("--examples", 0), "relate.examples"),
        (("--projection", -1), "relate.projection"),
        (("--memory", 0), "relate.memory"),
        (("--after", "./nowhere/model"), "nowhere/model"),
        (("--columns", "question"), "expected FROM=TO"),
        (("--forget", "none.jsonl"), "none.jsonl"),
    ],
)
def test_mistakes_write_nothing(relate, no_model, tmp_path: Path, given, says) -> None:
    said = relate(*given)
    assert (said.code, says in said.err) == (2, True), said.err
    assert not (tmp_path / "run").exists()


def test_nothing_to_relate(expunge, files, no_model, tmp_path: Path) -> None:
    said = expunge("relate", "--model", files.model, "--retain", files.retain, "--out", tmp_path / "run")
    assert (said.code, "nothing to relate: give --forget" in said.err) == (2, True), said.err
    given = ("--model", files.model, "--forget", files.forget, "--after", files.model, "--out", tmp_path / "run")
    said = expunge("relate", *given)
    assert (said.code, "--after asks what else went" in said.err) == (2, True), said.err


def test_a_pattern_that_nothing_matches(relate, tmp_path: Path) -> None:
    said = relate("--parameters", "*.layers.9.*")
    assert (said.code, "no parameter matches '*.layers.9.*'" in said.err) == (2, True), said.err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_taken(relate, no_model, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("mine")
    for extra in ((), ("--overwrite",)):
        assert relate(*extra).code == 2
    assert (tmp_path / "run/thesis.txt").read_text() == "mine"

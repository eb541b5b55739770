"""Others' result files become records that can be reported."""

import json
from collections.abc import Callable
from math import exp, log
from pathlib import Path
from typing import Any

import pytest

from expunge.record import Record
from expunge.record_file import load_record

SECRET = "Nobody Inparticular"


def scores(name: str, *values: float | None) -> dict[str, Any]:
    return {str(i): {name: value} for i, value in enumerate(values)}


def evaluation() -> dict[str, Any]:
    """As OpenUnlearning writes it: two rows a set, the forget set's ratios on both sides of 1."""
    answers = [{"rougeL_recall": r, "rougeL_f1": r / 2, "generation": SECRET, "input": SECRET} for r in (0.5, 1.0)]
    return {
        "extraction_strength": {"agg_value": 0.15, "value_by_index": scores("score", 0.1, 0.2)},
        "forget_Q_A_Prob": {
            "agg_value": 0.3,
            "value_by_index": {"0": {"prob": 0.2, "avg_loss": 1}, "1": {"prob": 0.4}},
        },
        "forget_Q_A_ROUGE": {"agg_value": 0.75, "value_by_index": {str(i): row for i, row in enumerate(answers)}},
        "forget_Q_A_PERT_Prob": {"agg_value": 0.2, "value_by_index": {"0": {"prob": [0.1, 0.3]}, "1": {"prob": [0.2]}}},
        "forget_truth_ratio": {"agg_value": 0.5, "value_by_index": scores("score", 0.5, 2.0)},
        "retain_Truth_Ratio": {"agg_value": 0.25, "value_by_index": scores("score", 0.5, 2.0)},
        "ra_Q_A_Prob_normalised": {"agg_value": 0.6, "value_by_index": scores("prob", 0.6, 0.6)},
        "mia_loss": {"agg_value": 0.7, "auc": 0.7, "forget": {"value_by_index": scores("score", 1, 2)}, "holdout": {}},
        "forget_quality": {"agg_value": 0.01},
        "model_utility": {"agg_value": 0.6},
        "privleak": {"agg_value": float("nan")},
    }


@pytest.fixture
def convert(expunge: Callable, tmp_path: Path) -> Callable[..., Record]:
    """Write a file, convert it, load the record."""

    def call(content: Any, name: str = "TOFU_EVAL.json") -> Record:
        (tmp_path / name).write_text(json.dumps(content))
        result = expunge("convert", tmp_path / name, "--out", tmp_path / "out.json", "--overwrite")
        assert result.code == 0, result.err
        return load_record(tmp_path / "out.json")

    return call


def test_an_evaluation_of_openunlearning(convert: Callable[..., Record]) -> None:
    record = convert(evaluation())
    forget = record.before["forget"]
    assert forget["probability"].per_example == (0.2, 0.4)
    assert forget["rouge_l_recall"].value == 0.75
    assert (forget["rouge_l_f1"].value, "stemmed" in forget["rouge_l_f1"].note) == (0.375, True)
    assert "never 0" in forget["extraction_strength"].note
    assert forget["truth_ratio"].per_example == pytest.approx(
        (1 / 1.5, 1 / 3)
    )  # right over both, from wrong over right
    assert record.before["retain"]["truth_ratio"].per_example == pytest.approx((1 / 1.5, 1 / 3))
    assert record.before["real authors"]["probability_normalized"].value == 0.6
    assert forget["forget_Q_A_PERT_Prob"].per_example == (0.2, 0.2)
    assert (forget["mia_loss"].value, forget["mia_loss"].n) == (0.7, 2)
    assert "not a degree of forgetting" in forget["forget_quality"].note
    assert record.before["utility"]["model_utility"].value == 0.6
    assert forget["privleak"].value is None
    assert {name: info.role for name, info in record.sets.items()} == {
        "forget": "forget", "retain": "retain", "real authors": "test", "utility": "test",
    }  # fmt: skip
    assert [row.id for row in record.sets["forget"].rows] == ["0", "1"]
    assert all("OpenUnlearning" in info.note for info in record.sets.values())
    assert any("mask" in warning for warning in record.warnings)
    assert record.command == "convert"
    assert set(record.glossary) == {name for several in record.before.values() for name in several}
    assert SECRET not in record.model_dump_json()


def test_its_summary_has_numbers_without_rows(convert: Callable[..., Record]) -> None:
    record = convert({"forget_Q_A_Prob": 0.3, "forget_truth_ratio": 0.5, "model_utility": 0.6}, "TOFU_SUMMARY.json")
    assert (record.before["forget"]["probability"].value, record.before["forget"]["probability"].per_example) == (
        0.3,
        (),
    )
    assert "truth_ratio" not in record.before["forget"]  # its form cannot be undone without rows
    assert record.before["forget"]["forget_truth_ratio"].value == 0.5


def test_muse(convert: Callable[..., Record]) -> None:
    rouge = {"agg_value": 0.4, "value_by_index": scores("rougeL_f1", 0.3, 0.5)}
    record = convert(
        {"forget_knowmem_ROUGE": rouge, "retain_knowmem_ROUGE": rouge, "forget_verbmem_ROUGE": rouge,
         "extraction_strength": {"agg_value": 0.5, "value_by_index": scores("score", 0.5, 0.5)}},
        "MUSE_EVAL.json",
    )  # fmt: skip
    assert record.before["questions, forget"]["knowledge_memory"].value == 0.4
    assert record.sets["questions, retain"].role == "retain"
    assert set(record.before["verbatim"]) == {"verbatim_memory", "extraction_strength"}
    assert "stemmed" in record.before["verbatim"]["verbatim_memory"].note


@pytest.mark.parametrize(("aggregate", "known"), [(0.35, (1 / 1.3, 1 / 1.4)), (None, (1 / 1.3, 1 / 1.4))])
def test_a_truth_ratio_that_could_be_either_is_read_as_the_default(
    convert: Callable[..., Record], aggregate: float | None, known: tuple[float, float]
) -> None:
    ratio = {"agg_value": aggregate, "value_by_index": scores("score", 0.3, 0.4)}
    found = convert({"forget_truth_ratio": ratio}).before["forget"]["truth_ratio"]
    assert found.per_example == pytest.approx(known)
    assert "this file alone does not tell" in found.note


def test_losses_in_the_file_tell_which_way_a_truth_ratio_goes(convert: Callable[..., Record]) -> None:
    right, wrong = 0.2, [0.5, 0.5 / 4]  # wrong over right is 0.25 / 0.2
    content = {
        "forget_truth_ratio": {"agg_value": 4 / 9, "value_by_index": scores("score", 1 / 2.25)},
        "forget_Q_A_PARA_Prob": {"agg_value": right, "value_by_index": {"0": {"prob": right, "avg_loss": -log(right)}}},
        "forget_Q_A_PERT_Prob": {
            "agg_value": sum(wrong) / 2,
            "value_by_index": {"0": {"prob": wrong, "avg_loss": [-log(p) for p in wrong]}},
        },
    }
    found = convert(content).before["forget"]["truth_ratio"]
    assert found.per_example == pytest.approx((0.2 / 0.45,))
    assert "prob_mean" in found.note


def test_rows_that_may_be_filed_wrongly_are_left_out(convert: Callable[..., Record]) -> None:
    content = {
        "forget_Q_A_Prob": {"agg_value": 0.3, "value_by_index": scores("prob", 0.2, None, 0.4)},
        "forget_truth_ratio": {"agg_value": 0.5, "value_by_index": scores("score", 0.5, 2.0)},
    }
    forget = convert(content).before["forget"]
    assert (forget["probability"].per_example, forget["probability"].n) == ((0.2, None, 0.4), 2)
    assert "1 of 3 rows have no value" in forget["probability"].note
    assert (forget["truth_ratio"].per_example, forget["truth_ratio"].n) == ((), 2)
    assert "wrong numbers" in forget["truth_ratio"].note


def test_what_has_nothing_to_tell_is_left_out(convert: Callable[..., Record]) -> None:
    """A ratio without a set in its name, and one whose rows are all null beside a longer set."""
    content = {
        "forget_Q_A_Prob": {"agg_value": 0.3, "value_by_index": scores("prob", 0.2, None, 0.4)},
        "forget_truth_ratio": {"agg_value": None, "value_by_index": scores("score", None, None)},
    }
    assert set(convert(content).before["forget"]) == {"probability"}
    (only,) = convert({"truth_ratio": {"agg_value": 0.5, "value_by_index": scores("score", 0.5)}}).before.values()
    assert only["truth_ratio"].n == 1


def tofu_log(n: int = 2) -> dict[str, Any]:
    return {
        "avg_gt_loss": {str(i): 0.5 + i for i in range(n)},
        "avg_paraphrased_loss": {str(i): 1.0 for i in range(n)},
        "average_perturb_loss": {str(i): [1.0, 2.0] for i in range(n)},
        "rougeL_recall": {str(i): 0.5 for i in range(n)},
        "generated_text": {str(i): [SECRET, SECRET, SECRET] for i in range(n)},
    }


def test_logs_of_the_original_code(convert: Callable[..., Record]) -> None:
    names = (
        "eval_log.json",
        "eval_log_forget.json",
        "eval_real_author_wo_options.json",
        "eval_real_world_wo_options.json",
    )
    record = convert({name: tofu_log() for name in names}, "eval_log_aggregated.json")
    assert list(record.before) == ["retain", "forget", "real authors", "world facts"]
    found = record.before["world facts"]
    assert found["probability"].per_example == pytest.approx((exp(-0.5), exp(-1.5)))
    shares = [exp(-x) / (exp(-x) + exp(-1) + exp(-2)) for x in (0.5, 1.5)]
    assert found["probability_normalized"].per_example == pytest.approx(shares)
    assert found["truth_ratio"].value == pytest.approx(1 / (1 + exp(1.0 - 1.5)))
    assert record.headline[0].startswith("Model utility: 0.")
    assert SECRET not in record.model_dump_json()
    alone = convert(tofu_log(), "eval_log_forget.json")
    assert (list(alone.before), alone.headline) == (["forget"], ())


@pytest.mark.parametrize("content", [evaluation(), {"eval_log.json": tofu_log()}, {"forget_Q_A_Prob": 0.3}])
def test_a_converted_record_can_be_reported(
    convert: Callable[..., Record], expunge: Callable, tmp_path: Path, content: Any
) -> None:
    convert(content)
    for suffix in ("html", "md"):
        result = expunge("report", tmp_path / "out.json", "--out", tmp_path / f"r.{suffix}")
        assert result.code == 0, result.err
        assert "probability" in (tmp_path / f"r.{suffix}").read_text().lower()


def test_where_the_record_goes(expunge: Callable, tmp_path: Path) -> None:
    file = tmp_path / "TOFU_EVAL.json"
    file.write_text(json.dumps(evaluation()))
    assert expunge("convert", file).code == 0
    assert load_record(tmp_path / "TOFU_EVAL.record.json").status == "done"
    again = expunge("convert", file)
    assert (again.code, "--overwrite" in again.err) == (2, True)
    shown = expunge("convert", file, "--overwrite", "--json")
    assert json.loads(shown.out)["command"] == "convert"
    assert expunge("convert", file, "--out", tmp_path / "folder").code == 0
    assert load_record(tmp_path / "folder").status == "done"
    assert expunge("convert", file, "--out", tmp_path / "folder").code == 2


def changed(**values: Any) -> dict[str, Any]:
    return {**evaluation(), **values}


WRONG = {
    "no number": (
        changed(forget_Q_A_Prob={"agg_value": 0.3, "value_by_index": {"0": {"prob": "high"}}}),
        "forget_Q_A_Prob.value_by_index.0.prob: must be a number, but is str",
    ),
    "no field": (
        changed(forget_Q_A_Prob={"agg_value": 0.3, "value_by_index": {"0": {"loss": 1.0}}}),
        "forget_Q_A_Prob.value_by_index.0.prob: is missing",
    ),
    "no rows": (
        changed(forget_Q_A_Prob={"agg_value": 0.3, "value_by_index": [0.3]}),
        "forget_Q_A_Prob.value_by_index: must be an object, but is list",
    ),
    "no mean": (
        changed(extraction_strength={"agg_value": 0.9, "value_by_index": scores("score", 0.1, 0.2)}),
        "extraction_strength.agg_value: 0.9 is not the mean of its rows",
    ),
    "no aggregate": (
        changed(forget_truth_ratio={"agg_value": 0.9, "value_by_index": scores("score", 0.5, 2.0)}),
        "forget_truth_ratio.agg_value: 0.9 is no aggregate of its rows",
    ),
    "another format": ({"accuracy": {"value": 1}}, "neither a result file of OpenUnlearning"),
    "a record": ({"format": "expunge-record"}, "neither a result file of OpenUnlearning"),
    "nothing": ({}, "neither a result file of OpenUnlearning"),
    "a list": ([1], "expected one JSON object, found list"),
    "an unknown log": ({"eval_other.json": tofu_log()}, "eval_other.json: the name says no set"),
    "a broken log": (
        {"eval_log.json": {**tofu_log(), "avg_gt_loss": {"0": [None]}}},
        "eval_log.json.avg_gt_loss.0: must be a number",
    ),
    "uneven logs": (
        {"eval_log.json": {**tofu_log(), "average_perturb_loss": {"0": [1.0]}}},
        "eval_log.json.average_perturb_loss.1: is missing",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_what_is_wrong_is_said_with_file_and_field(expunge: Callable, tmp_path: Path, mistake: str) -> None:
    content, said = WRONG[mistake]
    file = tmp_path / "TOFU_EVAL.json"
    file.write_text(json.dumps(content))
    result = expunge("convert", file, "--out", tmp_path / "out.json")
    assert (result.code, result.out) == (2, "")
    assert str(file) in result.err and said in result.err
    assert not (tmp_path / "out.json").exists()


def test_files_that_cannot_be_read(expunge: Callable, tmp_path: Path) -> None:
    missing = expunge("convert", tmp_path / "none.json")
    assert (missing.code, "there is no such file" in missing.err) == (2, True)
    (tmp_path / "broken.json").write_text('{"a": ')
    broken = expunge("convert", tmp_path / "broken.json")
    assert (broken.code, "broken.json:1:" in broken.err) == (2, True)


def test_a_suite_becomes_tasks_of_lm_eval(expunge: Callable, tmp_path: Path) -> None:
    name = "world:people:persons=6,size=tiny"
    said = expunge("convert", name, "--to", "lm-eval", "--out", tmp_path / "tasks")
    assert said.code == 0, said.err
    assert "lm-eval --include_path" in said.out
    assert (tmp_path / "tasks" / "record.json").is_file() and list((tmp_path / "tasks").glob("*.yaml"))
    again = expunge("convert", name, "--to", "lm-eval", "--out", tmp_path / "tasks")
    assert again.code == 2 and "not empty" in again.err


def test_an_export_that_cannot_be_leaves_what_was_there(
    expunge: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, out = "world:people:persons=6,size=tiny", tmp_path / "tasks"
    assert expunge("convert", name, "--to", "lm-eval", "--out", out).code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr("expunge.suites.lm_eval._why_not", lambda _: "holds documents")
    said = expunge("convert", name, "--to", "lm-eval", "--out", out, "--overwrite")
    assert said.code == 2 and "no set that lm-eval could be given" in said.err
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "message"), [(("--to", "csv"), "can be written for lm-eval"), (("--to", "lm-eval"), "give --out")]
)
def test_a_suite_cannot_become_everything(expunge: Callable, arguments: tuple[str, ...], message: str) -> None:
    said = expunge("convert", "world:people", *arguments)
    assert said.code == 2 and message in said.err


def test_a_model_needs_a_folder_and_has_to_be_one(expunge: Callable, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF, or so it says")
    said = expunge("convert", file)
    assert said.code == 2
    assert "--out" in said.err
    said = expunge("convert", file, "--out", tmp_path / "model")
    assert said.code == 2
    assert "cannot read the GGUF file" in said.err
    assert not (tmp_path / "model").exists()


def test_a_folder_with_a_model_is_converted_as_the_file_is(expunge: Callable, tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "model.gguf").write_bytes(b"GGUF, or so it says")
    said = expunge("convert", tmp_path / "held", "--out", tmp_path / "model")
    assert said.code == 2
    assert "cannot read the GGUF file" in said.err

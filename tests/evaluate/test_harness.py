"""lm-evaluation-harness on our models and our sets: offline, on tasks that `write_tasks` exported."""

from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from expunge.change.fingerprint import Fingerprint
from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets, Turn
from expunge.errors import ConfigError, DataError, UnknownNameError
from expunge.evaluate.measure import measure
from expunge.models.memories import Memories
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.suites.lm_eval import write_tasks
from expunge.suites.suite import Suite
from tiny import PLACES, tiny_model, tiny_sets

pytest.importorskip("lm_eval", reason="lm-eval is not installed (extra lm-eval)")

from expunge.evaluate.harness import Result, Task, load_tasks, run_task

CITIES = list(PLACES.values())
LIMIT = 3


def choices(examples: tuple[Example, ...]) -> tuple[Example, ...]:
    """Each with three wrong answers, of one to three words."""
    return tuple(
        replace(each, perturbed_answers=(CITIES[i - 1], f"city {CITIES[i - 2]}", f"the city {CITIES[i - 3]}"))
        for i, each in enumerate(examples)
    )


def suite(**fields: object) -> Suite:
    sets = tiny_sets()
    usual = {"sets": Sets(forget=choices(sets.forget + sets.retain), holdout=sets.holdout)}
    return Suite(name="made:up", evaluate=EvaluateConfig(max_new_tokens=LIMIT), **{**usual, **fields})  # type: ignore[arg-type]


def ours(model: Model, made: Suite, *names: str) -> dict:
    config = EvaluateConfig(metrics=names, max_new_tokens=LIMIT)
    return measure(model, made.measured(), Encoder(model.tokenizer, ConventionConfig(template="plain")), config).metrics


def theirs(model: Model, folder: Path, name: str, options: str = "") -> Result:
    (task,) = load_tasks([f"{folder / name}.yaml{options}"])
    ((found, result),) = run_task(model, task).items()
    assert found == name
    return result


@pytest.mark.parametrize(("arch", "seed"), [("llama", 0), ("llama", 1), ("gpt2", 0), ("gemma2", 0)])
def test_multiple_choice_is_our_choice_accuracy_example_by_example(tmp_path: Path, arch: str, seed: int) -> None:
    made, model = suite(), tiny_model(seed, arch)
    write_tasks(made, tmp_path)
    before = Fingerprint.of(parameters_of(model.network)).id
    result = theirs(model, tmp_path, "expunge_made_up_forget")
    expected = ours(model, made, "choice_accuracy")["forget"]["choice_accuracy"]
    got = result.metrics["lm_eval_acc"]
    assert got.per_example == expected.per_example
    assert set(expected.per_example) == {0.0, 1.0}, "a test that always or never hits tells nothing"
    assert (got.value, got.n, result.n) == (pytest.approx(expected.value), 8, 8)
    error = float(np.std(expected.per_example, ddof=1) / np.sqrt(8))
    assert got.interval is not None and got.interval[1] - got.interval[0] == pytest.approx(2 * 1.959964 * error)
    assert Fingerprint.of(parameters_of(model.network)).id == before
    assert model.network.config._attn_implementation == "packed"


def test_what_goes_by_whole_texts_is_given_them_one_by_one(tmp_path: Path) -> None:
    """The harness passes no mask: the mean that decides would be over the padding, too."""
    made, model = suite(), tiny_model()
    write_tasks(made, tmp_path)
    path = model.layout.mlp_out(1)
    weight = parameters_of(model)[f"{path}.weight"].detach()
    side = Memories(Fingerprint.of(parameters_of(model)), path, {}, (weight + 1,), (1.0,), 1.0)
    rows: list[int] = []
    watch = lambda _, args, given: rows.append(len(args[0] if args else given["input_ids"]))
    with side.applied_to(model):
        model.network.register_forward_pre_hook(watch, with_kwargs=True)
        theirs(model, tmp_path, "expunge_made_up_forget", ":batch=4")
    assert set(rows) == {1}
    theirs(model, tmp_path, "expunge_made_up_forget", ":batch=4")
    assert max(rows) == 4


def test_open_questions_are_judged_as_ours_are(tmp_path: Path) -> None:
    model = tiny_model()
    plain = suite()
    config = EvaluateConfig(metrics=("generated_contains",), max_new_tokens=LIMIT)
    encoder = Encoder(model.tokenizer, ConventionConfig(template="plain"))
    said = measure(model, {"s": plain.sets.holdout}, encoder, config).generations["s"]
    first, second = plain.sets.holdout
    holdout = (replace(first, aliases=("nowhere",)), replace(second, aliases=("nowhere", said[1])))
    made = suite(sets=Sets(forget=plain.sets.forget, holdout=holdout))
    write_tasks(made, tmp_path)
    result = theirs(model, tmp_path, "expunge_made_up_holdout")
    expected = ours(model, made, "generated_contains", "generated_exact")["holdout"]
    for name, metric in expected.items():
        assert result.metrics[f"lm_eval_{name}"].per_example == metric.per_example
    assert expected["generated_exact"].per_example == (0.0, 1.0)
    spec = spec_from_file_location("exported", tmp_path / "expunge_tasks.py")
    assert spec is not None and spec.loader is not None
    code = module_from_spec(spec)
    spec.loader.exec_module(code)
    judged = code.judge({"answers": ["Rome", "Roma"]}, ["It is ROMA."])
    assert judged == {"generated_exact": 0.0, "generated_contains": 1.0}


def test_a_token_across_the_border_is_where_the_two_differ(tmp_path: Path) -> None:
    """Blanks of several kinds stand in the choices; the text is ours, whatever the delimiter."""
    prompts = ("the capital of arland is\n", "the capital of corvia is")
    rows = [replace(each, prompt=prompt) for each, prompt in zip(choices(tiny_sets().forget[:2]), prompts)]
    made = suite(sets=Sets(forget=tuple(rows)))
    write_tasks(made, tmp_path)
    task = (tmp_path / "expunge_made_up_forget.yaml").read_text()
    assert "target_delimiter: ''" in task
    result = theirs(tiny_model(), tmp_path, "expunge_made_up_forget")
    assert result.metrics["lm_eval_acc"].per_example == (
        ours(tiny_model(), made, "choice_accuracy")["forget"]["choice_accuracy"].per_example
    )


def test_what_is_written(tmp_path: Path) -> None:
    sets = tiny_sets()
    documents = (Example(id="d", prompt=None, answer="the city"),)
    talk = (replace(sets.forget[0], turns=(Turn("user", "what is the city ?"),)),)
    made = suite(probes={"documents": documents, "talk, and more": talk})
    written = write_tasks(made, tmp_path)
    assert written.tasks == ("expunge_made_up_forget", "expunge_made_up_holdout")
    assert [note.partition(":")[0] for note in written.notes] == ["documents", "talk, and more"]
    again = tmp_path / "again"
    write_tasks(made, again)
    for file in again.rglob("*.*"):
        assert file.read_bytes() == (tmp_path / file.relative_to(again)).read_bytes()
    write_tasks(made, tmp_path / "other", seed=1)
    data = "data/expunge_made_up_forget.jsonl"
    assert (tmp_path / "other" / data).read_bytes() != (tmp_path / data).read_bytes()
    golds = {yaml.safe_load(line)["gold"] for line in (tmp_path / data).read_text().splitlines()}
    assert len(golds) > 1, "the right answer must not always stand in one place"
    with pytest.raises(ConfigError, match="documents"):
        write_tasks(suite(sets=Sets(forget=documents)), tmp_path / "none")


def test_a_folder_that_moved_still_loads(tmp_path: Path) -> None:
    write_tasks(suite(), tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "two")
    (task,) = load_tasks([f"{tmp_path / 'two' / 'expunge_made_up_forget'}.yaml:limit=3"])
    (result,) = run_task(tiny_model(), task).values()
    assert result.n == 3 and "rows of each task: 3" in result.note


def test_nothing_random_is_disturbed(tmp_path: Path) -> None:
    write_tasks(suite(), tmp_path)
    model = tiny_model()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    theirs(model, tmp_path, "expunge_made_up_forget")
    assert torch.equal(torch.rand(3), expected)


# ---- mistakes, before a model is loaded


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no option 'shot'"):
        load_tasks(["arc_easy:shot=3"])
    with pytest.raises(ConfigError, match="limit"):
        load_tasks(["arc_easy:limit=0"])
    with pytest.raises(UnknownNameError, match="there is no file"):
        load_tasks([str(tmp_path / "none.yaml")])


def test_data_that_cannot_be_had_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(path: str, **_: object) -> None:
        raise ConnectionError(f"Couldn't reach {path!r} on the Hub (LocalEntryNotFoundError)")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    task = {"task": "far", "dataset_path": "some/where", "output_type": "multiple_choice", "test_split": "test"}
    (tmp_path / "far.yaml").write_text(yaml.safe_dump(task))
    with pytest.raises(DataError, match=r"Couldn't reach 'some/where' on the Hub.*leave it out"):
        load_tasks([str(tmp_path / "far.yaml")])


def test_a_task_that_runs_code_is_refused(tmp_path: Path) -> None:
    write_tasks(suite(), tmp_path)
    path = tmp_path / "expunge_made_up_holdout.yaml"
    path.write_text(path.read_text() + "unsafe_code: true\n")
    with pytest.raises(ConfigError, match="runs code"):
        load_tasks([str(path)])


def test_a_group_stands_for_its_parts(tmp_path: Path) -> None:
    from lm_eval.tasks import TaskManager

    write_tasks(suite(), tmp_path)
    write_tasks(replace(suite(), name="second"), tmp_path)
    names = ["expunge_made_up_forget", "expunge_second_forget"]
    group = {
        "group": "both", "task": names,
        "aggregate_metric_list": [{"metric": "acc", "aggregation": "mean", "weight_by_size": True}],
    }  # fmt: skip
    (tmp_path / "both.yaml").write_text(yaml.safe_dump(group))
    manager = TaskManager(include_path=tmp_path, include_defaults=False)
    both = Task("both", {}, (manager.load(["both"])["groups"]["both"],))
    ((name, result),) = run_task(tiny_model(), both).items()
    assert (name, result.n) == ("both", 16)
    alone = theirs(tiny_model(), tmp_path, names[0]).metrics["lm_eval_acc"].value
    assert result.metrics["lm_eval_acc"].value == pytest.approx(alone)
    tag = Task("tag", {}, tuple(manager.load(["expunge_made_up"])["tasks"].values()))
    assert set(run_task(tiny_model(), tag)) == {"expunge_made_up_forget", "expunge_made_up_holdout"}

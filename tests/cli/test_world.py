"""`world make` and `world inject` on the smallest world, `--suite`, and the models' names."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from expunge.data.sets import load_data
from expunge.mask import Mask
from expunge.models.loading import load_model
from expunge.record_file import load_record
from expunge.runs.written import strangers

SMALL = "people:persons=6,size=tiny,epochs=1"
QUICK = ("--metrics", "probability")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One cache for all tests of this file: the models are made once."""
    folder = tmp_path_factory.getbasetemp() / "worlds"
    monkeypatch.setenv("EXPUNGE_CACHE", str(folder))


def test_make_writes_the_sets_and_measures_the_models(expunge: Callable, tmp_path: Path) -> None:
    said = expunge("world", "make", SMALL, "--out", tmp_path / "world")
    assert said.code == 0, said.err
    assert f"model: world:{SMALL}@retrained#0" in said.out
    record = load_record(tmp_path / "world")
    assert record.status == "done"
    forget = load_data(forget=tmp_path / "world" / "sets" / "forget.jsonl").forget
    for name in ("full-0", "retrained-0"):
        measured = load_record(tmp_path / "world" / name)
        assert measured.sets["forget"].n == len(forget)
        assert measured.model is not None
        assert measured.model.name.endswith(name.replace("-", "#"))
    page = (tmp_path / "world" / "report.html").read_text()
    assert "@full#0" in page
    assert "@retrained#0" in page


def test_options_are_part_of_the_name(expunge: Callable, tmp_path: Path, monkeypatch) -> None:
    seen = []

    def caught(config, *_, **__):
        seen.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("expunge.runs.world.run_world", caught)
    expunge("world", "make", "people", "--frequency", "--size", "3M", "--seeds", 2, "--out", tmp_path)
    expunge("world", "make", "world:people:seed=1", "--hidden-qa")
    assert [config.world for config in seen] == [
        "world:people:size=3M,frequency=true", "world:people:seed=1,hidden_qa=true",
    ]  # fmt: skip
    assert seen[0].seeds == 2


def test_a_suite_gives_sets_convention_and_metrics(expunge: Callable, tmp_path: Path) -> None:
    model = f"world:{SMALL}@full"
    said = expunge("evaluate", "--model", model, "--suite", f"world:{SMALL}", *QUICK, "--out", tmp_path / "seen")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "seen")
    assert {"forget", "retain", "twins", "holdout", "geography"} <= set(record.sets)
    assert record.configuration["convention"]["end"] is True
    assert record.configuration["evaluate"]["max_new_tokens"] == 12


def test_unlearn_in_a_world(expunge: Callable, tmp_path: Path) -> None:
    said = expunge(
        "unlearn", "--model", f"world:{SMALL}@full", "--suite", f"world:{SMALL}", "--max-steps", 2, "--stop",
        "never-known", *QUICK, "--out", tmp_path / "run",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = load_record(tmp_path / "run")
    assert record.methods["npo"].selection.never_known_from == "twins"  # type: ignore[union-attr]


def test_a_file_takes_the_place_of_the_suites_set(expunge: Callable, tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text('{"prompt": "where", "answer": "there"}\n')
    said = expunge(
        "evaluate", "--model", f"world:{SMALL}@full", "--suite", f"world:{SMALL}", "--forget", tmp_path / "few.jsonl",
        *QUICK, "--out", tmp_path / "seen",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert load_record(tmp_path / "seen").sets["forget"].n == 1


def test_inject_keeps_everything_outside_the_region(expunge: Callable, tmp_path: Path) -> None:
    said = expunge(
        "world", "inject", SMALL, "--budget", 0.2, "--max-steps", 3, "--learning-rate", 1e-2, "--save-as", "full",
        "--out", tmp_path / "planted",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = load_record(tmp_path / "planted")
    assert record.sets["forget"].role == "train"
    before = load_model(f"world:{SMALL}@retrained").network
    after = load_model(str(tmp_path / "planted" / "model")).network
    region = Mask.load(tmp_path / "planted" / "mask.safetensors")
    moved = 0
    for name, weight in after.named_parameters():
        differs = weight != before.get_parameter(name)
        assert not (differs & region.outside(name)).any(), name
        moved += int(differs.sum())
    assert 0 < moved <= region.weights()


def test_inject_loads_and_dresses_as_it_is_told(expunge: Callable, tmp_path: Path) -> None:
    given = ("world", "inject", SMALL, "--max-steps", 1)
    said = expunge(
        *given, "--device", "cpu", "--dtype", "bfloat16", "--template", "Q: {prompt} A: {answer}", "--max-length", 400,
        "--system-prompt", "", "--out", tmp_path / "planted",
    )  # fmt: skip
    assert said.code == 0, said.err
    record = load_record(tmp_path / "planted")
    assert record.configuration["load"] | {"device": "cpu", "dtype": "bfloat16"} == record.configuration["load"]
    dressed = {"max_length": 400, "template": "Q: {prompt} A: {answer}"}
    assert record.configuration["convention"] | dressed == record.configuration["convention"]
    said = expunge(*given, "--max-length", 4, "--out", tmp_path / "short")
    assert said.code == 2 and "max_length" in said.err and not (tmp_path / "short").exists()
    said = expunge(*given, "--dtype", "float16", "--out", tmp_path / "half")
    assert said.code == 2 and "float16 are not trained" in said.err and not (tmp_path / "half").exists()


def test_inject_goes_on_where_it_was(expunge: Callable, tmp_path: Path, monkeypatch) -> None:
    from expunge.runs import finetune

    arguments = ("world", "inject", SMALL, "--max-steps", 4, "--learning-rate", 1e-2, "--config")
    config = tmp_path / "often.yaml"
    config.write_text("train:\n  checkpoint_every: 1\n")
    assert expunge(*arguments, config, "--out", tmp_path / "whole").code == 0
    real = finetune.fit

    def interrupted(*given, **named):
        def stop(progress, _):
            if progress.step == 2:
                raise KeyboardInterrupt

        return real(*given, **{**named, "tick": stop})

    monkeypatch.setattr(finetune, "fit", interrupted)
    assert expunge(*arguments, config, "--out", tmp_path / "cut").code == 130
    monkeypatch.setattr(finetune, "fit", real)
    assert expunge(*arguments, config, "--out", tmp_path / "cut", "--resume").code == 0
    whole, cut = ((tmp_path / name / "change.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("world", "make", "peple"), "people"),
        (("world", "make", "people:persns=3"), "persons"),
        (("world", "make", "people", "--size", "9M"), "size"),
        (("world", "make", "people", "--kinds", "ful"), "'full'"),
        (("world", "make", "tofu:mini", "--only", "retrained-9"), "retrained-2"),
        (("world", "make", "tofu"), "tofu:mini"),
        (("world", "make", "tofu:mini", "--seeds", 5), "--seeds"),
        (("world", "make", "tofu:mini", "--overwrite"), "--overwrite"),
        (("world", "inject", "peple"), "people"),
        (("world", "inject", "people", "--save-as", "peft"), "adapter"),
        (("world", "inject", "people", "--budget", 0), "budget"),
        (("evaluate", "--model", "m", "--suite", "tofuu"), "tofu"),
        (("evaluate", "--model", "world:people@ful", "--suite", f"world:{SMALL}"), "full"),
        (("unlearn", "--model", "smollm2"), "--suite"),
    ],
    ids=lambda value: " ".join(map(str, value[:3])) if isinstance(value, tuple) else "",
)
def test_mistakes_are_said_before_anything_is_made(
    expunge: Callable, tmp_path: Path, monkeypatch, arguments, told
) -> None:
    monkeypatch.setattr("expunge.train.loop.Loop.run", lambda *_, **__: pytest.fail("something was trained"))
    monkeypatch.chdir(tmp_path)
    said = expunge(*arguments)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert not list(tmp_path.iterdir())


def test_ls_says_what_there_is(expunge: Callable) -> None:
    worlds = json.loads(expunge("ls", "worlds", "--json").out)
    suites = json.loads(expunge("ls", "suites", "--json").out)
    models = json.loads(expunge("ls", "models", "--json").out)
    assert {"people"} <= {entry["name"] for entry in worlds}
    assert {"tofu"} <= {entry["name"] for entry in suites}
    assert {"world", "tofu", "smollm2"} <= {entry["name"] for entry in models}
    for entry in (*worlds, *suites):
        assert set(entry) == {"name", "aliases", "summary", "citation"}
        assert "licence" in entry["summary"].lower()


def test_the_same_name_is_the_same_model(expunge: Callable) -> None:
    one, other = (load_model(f"world:{SMALL}@full#0").network for _ in range(2))
    assert all(torch.equal(weight, other.get_parameter(name)) for name, weight in one.named_parameters())


def test_what_is_only_measured_is_checked_for_its_length_too(expunge: Callable, tmp_path: Path, monkeypatch) -> None:
    from expunge.data.example import Example
    from expunge.suites import Suite
    from tiny import tiny_sets

    long = Example("a long one", "the capital of " * 40, "bexton")
    suite = Suite("s", tiny_sets(), utility={"further": (long,)}, model="smollm2")
    monkeypatch.setattr("expunge.runs.suites.find_suite", lambda _: suite)
    arguments = ("evaluate", "--model", f"world:{SMALL}@full", "--suite", "s", *QUICK, "--out", tmp_path / "seen")
    said = expunge(*arguments, "--max-length", 60)
    assert said.code == 2
    assert "a long one" in said.err
    said = expunge(*arguments, "--max-length", 600)
    assert said.code == 0, said.err
    assert any("smollm2" in warning for warning in load_record(tmp_path / "seen").warnings)


def test_make_again_makes_nothing_again(expunge: Callable, tmp_path: Path, monkeypatch) -> None:
    arguments = ("world", "make", SMALL, "--kinds", "full", "--out", tmp_path / "world")
    monkeypatch.setattr("expunge.runs.world.run_evaluate", _interrupted)
    assert expunge(*arguments).code == 130
    assert load_record(tmp_path / "world").status == "interrupted"
    monkeypatch.undo()
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path.parent / "worlds"))
    assert expunge(*arguments, "--resume").code == 0
    assert strangers(tmp_path / "world", load_record(tmp_path / "world")) == []
    first = (tmp_path / "world" / "full-0" / "record.json").read_bytes()
    monkeypatch.setattr("expunge.runs.world.run_evaluate", lambda *_, **__: pytest.fail("measured again"))
    assert expunge(*arguments, "--resume").code == 0
    assert (tmp_path / "world" / "full-0" / "record.json").read_bytes() == first
    assert "training" not in str(load_record(tmp_path / "world" / "full-0").seconds)  # its own seconds only


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_models_name_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    from expunge.runs.world import _folder

    for name in ("world:people@full#0", "/somewhere/else", "../beside", "owner/name", "~/x"):
        assert _folder(name, tmp_path).parent == tmp_path


def test_a_mask_of_another_network_leaves_nothing_behind(expunge: Callable, tmp_path: Path) -> None:
    from tiny import tiny_model

    network = tiny_model().network
    name = next(name for name, _ in network.named_parameters() if "down_proj" in name)
    Mask.of(network, {name: (1, [0])}).save(tmp_path / "other.safetensors")
    said = expunge("world", "inject", SMALL, "--mask", tmp_path / "other.safetensors", "--out", tmp_path / "planted")
    assert said.code == 2
    assert "another network" in said.err
    assert not (tmp_path / "planted").exists()


def test_an_empty_mask_is_not_taken_for_none(expunge: Callable, tmp_path: Path) -> None:
    Mask({}, {}).save(tmp_path / "empty.safetensors")
    said = expunge("world", "inject", SMALL, "--mask", tmp_path / "empty.safetensors", "--out", tmp_path / "planted")
    assert said.code == 2 and not (tmp_path / "planted").exists(), said.err


def test_what_a_file_shares_with_the_suite_is_said(expunge: Callable, tmp_path: Path) -> None:
    """An example of the suite's retain set cannot be forgotten and kept at once."""
    from expunge.data.writing import write_examples
    from expunge.worlds.finding import find_suite

    write_examples(find_suite(f"world:{SMALL}").sets.retain[:1], tmp_path / "mine.jsonl")
    said = expunge(
        "unlearn", "--model", f"world:{SMALL}@full", "--suite", f"world:{SMALL}", "--forget", tmp_path / "mine.jsonl",
        "--max-steps", 1, *QUICK, "--out", tmp_path / "run",
    )  # fmt: skip
    assert said.code == 2
    assert "retain" in said.err


def test_what_needs_no_suite_is_checked_before_it_is_read(expunge: Callable, tmp_path: Path, monkeypatch) -> None:
    """A world about a real model may take minutes to find out what it knows."""
    monkeypatch.setattr("expunge.runs.suites.find_suite", lambda _: pytest.fail("the suite was read"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a file").touch()
    usual = ("unlearn", "--model", "m", "--suite", "world:capitals")
    for wrong in (("--method", "npoo"), ("--metrics", "probabilty"), ("--out", tmp_path / "full")):
        assert expunge(*usual, *wrong).code == 2


def test_checkpoints_are_never_thrown_away(tmp_path: Path) -> None:
    """A mistake that shows after the training does not cost the training."""
    from expunge.errors import ConfigError
    from expunge.record import Record
    from expunge.record_file import save_record
    from expunge.runs.failing import recorded

    record = Record(command="finetune", configuration={"a": 1})
    for steps, kept in ((0, False), (3, True)):
        out = tmp_path / str(steps)
        save_record(record, out)
        (out / "checkpoints").mkdir()
        if steps:
            (out / "checkpoints" / f"step-{steps:08d}.safetensors").touch()
        with pytest.raises(ConfigError), recorded(record, out, fresh=True, keep=lambda _: None):
            raise ConfigError("too late")
        assert (out / "record.json").exists() is kept

"""Targets: their names, where they are looked for, and a making that a kill does not harm. On a tiny base."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from expunge.config import ConventionConfig, EvaluateConfig, FinetuneConfig
from expunge.data.example import Sets
from expunge.errors import OutputError, UnknownNameError, UsageError
from expunge.models.loading import load_model
from expunge.record_file import load_record
from expunge.runs import targets as run
from expunge.suites import Suite
from expunge.suites import targets as names
from expunge.suites.targets import TARGETS, Target, folder
from tiny import tiny_model, tiny_sets

TRAIN = FinetuneConfig(learning_rate=1e-2, lora=2, max_steps=6, eval_every=2, batch_size=4, checkpoint_every=1)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Targets of `tofu:mini` on a tiny base and eight facts, made in an `assets` folder that is looked into."""
    tiny_model(attention="sdpa").save(tmp_path / "base")
    sets = tiny_sets()
    suite = Suite(
        "tofu:mini", Sets(forget=sets.forget, retain=sets.retain), convention=ConventionConfig(template="plain"),
        evaluate=EvaluateConfig(metrics=("probability", "extraction_strength"), max_new_tokens=2),
    )  # fmt: skip
    for place in ("expunge.runs.targets", "expunge.runs.suites"):
        monkeypatch.setattr(f"{place}.find_suite", lambda _: suite)
    monkeypatch.setattr("expunge.runs.targets.BASE", str(tmp_path / "base"))
    monkeypatch.setitem(TARGETS, "tofu:mini", Target("tofu:mini", TRAIN, {"full": 1, "retrained": 2}, shipped=True))
    monkeypatch.setenv("EXPUNGE_ASSETS", str(tmp_path / "assets"))
    return tmp_path / "assets" / "tofu-mini"


def test_each_target_is_trained_on_its_part_and_measured_as_it_is_stored(made: Path) -> None:
    found = run.run_targets("tofu:mini", made)
    assert [each.name for each in found] == ["full-0", "retrained-0", "retrained-1"]
    for each in found:
        assert {file.name for file in each.iterdir()} == {
            "adapter_config.json", "adapter_model.safetensors", "training.json", "record.json",
        }  # fmt: skip
        assert {value.dtype for value in load_file(each / "adapter_model.safetensors").values()} == {torch.bfloat16}
        facts = json.loads((each / "training.json").read_text())
        assert facts["examples"] == (8 if each.name == "full-0" else 4)
        record = load_record(each)
        assert record.model is not None
        assert record.model.name == f"tofu:mini@{each.name.replace('-', '#')}"
        assert record.configuration["model"] == record.model.name
        assert str(made) not in (each / "record.json").read_text()
    full, retrained = (load_record(each).before["forget"]["probability"].value for each in found[:2])
    assert full is not None
    assert retrained is not None
    assert full > retrained
    weights = [load_file(each / "adapter_model.safetensors") for each in found[1:]]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_name_loads_the_adapter_and_its_record_can_be_made_again(made: Path, tmp_path: Path) -> None:
    run.run_targets("tofu:mini", made, only=("full-0",))
    named = load_model("tofu:mini@full")
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tmp_path / "base"), str(made / "full-0"))
    merged = plain.merge_and_unload()  # type: ignore[operator]
    for name, weight in named.network.named_parameters():
        torch.testing.assert_close(weight, merged.get_parameter(name))
    stored = load_record(made / "full-0")
    (made / "full-0" / "record.json").unlink()
    run.run_targets("tofu:mini", made, only=("full-0",))
    again = load_record(made / "full-0")
    assert again.before == stored.before
    assert again.configuration_hash == stored.configuration_hash


def test_a_making_that_is_cut_off_goes_on_to_the_same_bytes(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made.parent / "whole"
    run.run_targets("tofu:mini", whole, only=("retrained-0",))
    real = run.fit

    def interrupted(*arguments, **options):
        def stop(progress, _):
            if progress.step == 3:
                raise KeyboardInterrupt

        return real(*arguments, **{**options, "tick": stop})

    monkeypatch.setattr(run, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.run_targets("tofu:mini", made, only=("retrained-0",))
    monkeypatch.setattr(run, "fit", real)
    run.run_targets("tofu:mini", made, only=("retrained-0",))
    for file in ("adapter_model.safetensors", "adapter_config.json"):
        assert (made / "retrained-0" / file).read_bytes() == (whole / "retrained-0" / file).read_bytes()
    monkeypatch.setattr(run, "fit", lambda *_, **__: pytest.fail("it was made again"))
    run.run_targets("tofu:mini", made, only=("retrained-0",))


@pytest.mark.parametrize(
    ("rest", "told"),
    [("mni@full", "tofu:mini"), ("mini@ful", "full"), ("mini", "full#0"), ("mini@retrained#7", "retrained#2")],
)
def test_names_that_there_are_not(rest: str, told: str) -> None:
    with pytest.raises(UnknownNameError, match=told):
        folder(rest)


def test_a_target_that_is_not_here_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "places", lambda: [tmp_path])
    with pytest.raises(UsageError, match=r"assets/tofu-mini/full-0 .*expunge world make tofu:mini"):
        folder("mini@full")
    with pytest.raises(UsageError, match="expunge world make tofu:forget10") as caught:
        folder("forget10@full")
    assert "assets" not in str(caught.value)  # it is not shipped


def test_what_the_repository_holds_is_whole() -> None:
    """Every adapter in assets/ is small, says what it was trained on, and is what its name says."""
    assets = Path(names.__file__).parents[3] / "assets"
    for target in TARGETS.values():
        for kind, seed in target.names():
            place = assets / target.folder / f"{kind}-{seed}"
            if not place.is_dir():
                continue
            assert (place / "adapter_model.safetensors").stat().st_size <= 20e6
            facts = json.loads((place / "training.json").read_text())
            assert (facts["suite"], facts["kind"]) == (target.suite, kind)
            if (place / "record.json").is_file():  # the measuring may be still to be done
                record = load_record(place)
                assert record.model is not None
                assert record.model.name == f"{target.suite}@{kind}#{seed}"


def test_a_folder_that_holds_something_else_is_left_alone(made: Path) -> None:
    (made / "full-0").mkdir(parents=True)
    (made / "full-0" / "mine.txt").touch()
    with pytest.raises(OutputError, match=r"mine\.txt"):
        run.run_targets("tofu:mini", made)
    assert (made / "full-0" / "mine.txt").exists()

"""`expunge localize`, and training within what a localizer found."""

import json
from pathlib import Path

import pytest

from expunge.change import WeightChange
from expunge.config import LocalizeConfig, TrainConfig, settings
from expunge.mask import Mask, note_of
from expunge.models.loading import load_model
from expunge.record_file import load_record
from expunge.runs.localizing import mask_info
from expunge.worlds.injection import random_region
from tiny import tiny_model


def test_a_mask_with_its_record_and_its_picture(expunge, files, tmp_path: Path) -> None:
    out = tmp_path / "masks" / "wagle.safetensors"
    given = ("--model", files.model, "--forget", files.forget, "--retain", files.retain)
    said = expunge("localize", *given, "--localizer", "wagle:mu=0.01", "--budget", "0.25", "--out", out)
    assert said.code == 0, said.err
    assert "wagle chose 24 of 96 value vectors, 4.6 % of all weights." in said.out
    assert {path.name for path in out.parent.iterdir()} == {"wagle.safetensors", "wagle.json", "wagle.html"}
    mask, record = Mask.load(out), load_record(out.with_suffix(".json"))
    assert record.mask is not None
    assert (record.mask.chosen, record.mask.units, record.mask.weights) == (24, 96, mask.weights())
    assert record.changed["localize.options"] == {"mu": 0.01}
    assert note_of(out)["settings"]["budget"] == 0.25
    assert record.model is not None
    assert note_of(out)["model"] == record.model.digest
    assert "arland" not in out.with_suffix(".html").read_text() + out.with_suffix(".json").read_text()


def test_a_known_region_is_compared_with(expunge, files, tmp_path: Path) -> None:
    truth, out = tmp_path / "truth.safetensors", tmp_path / "mask.safetensors"
    random_region(load_model(files.model), 0.25, seed=5).save(truth)
    given = ("--model", files.model, "--forget", files.forget, "--truth", truth, "--out", out, "--json")
    said = expunge("localize", *given, "--localizer", f"oracle:mask={truth}")
    assert said.code == 0, said.err
    mask = json.loads(said.out)["mask"]
    assert (mask["recall"], mask["precision"], mask["chance"]) == (1.0, 1.0, 0.25)
    said = expunge("localize", *given, "--localizer", f"random:outside={truth}", "--overwrite")
    assert json.loads(said.out)["mask"]["recall"] == 0.0


def test_what_a_draw_would_have_of_a_region_that_is_not_all_candidates() -> None:
    """Half of the region are value vectors; a draw of a quarter of these has a quarter of that half."""
    model = tiny_model()
    names = [f"model.layers.0.mlp.{name}_proj.weight" for name in ("down", "gate")]
    truth, mask = Mask.parameters(model.network, names), random_region(model, 0.25, seed=0)
    assert mask_info(mask, model, "value_vectors", {}, truth=truth).chance == 0.125
    assert mask_info(mask, model, "value_vectors", {}, truth=Mask.parameters(model.network, names[:1])).chance == 0.25


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--localizer", "waggle"), "Did you mean 'wagle'"),
        (("--localizer", "wagle:nu=1"), "has no option 'nu'"),
        (("--localizer", "wagle:mu=0"), "option 'mu'"),
        (("--localizer", "memflex", "--granularity", "weights"), "is not defined for 'weights'"),
        (("--localizer", "snip", "--granularity", "neurons"), "granularity"),
        (("--localizer", "snip", "--budget", "1.5"), "budget"),
        (("--localizer", "random:outside=none.safetensors"), "cannot read a mask"),
        (("--localizer", "snip", "--out", "mask.json"), "a mask is a safetensors file"),
        ((), "localize.localizer"),
    ],
)
def test_mistakes_write_nothing(expunge, files, no_model, tmp_path, monkeypatch, given, says) -> None:
    monkeypatch.chdir(tmp_path)
    out = () if "--out" in given else ("--out", "mask.safetensors")
    said = expunge("localize", "--model", files.model, "--forget", files.forget, *given, *out)
    assert (said.code, says in said.err) == (2, True), said.err
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there(expunge, files, no_model, tmp_path: Path) -> None:
    given = ("--model", files.model, "--forget", files.forget, "--localizer", "random")
    for name, extra in (("taken.safetensors", ()), ("other.safetensors", ("--overwrite",))):
        (tmp_path / name).write_bytes(b"no mask")
        said = expunge("localize", *given, "--out", tmp_path / name, *extra)
        assert said.code == 2
        assert (tmp_path / name).read_bytes() == b"no mask"


def test_training_in_what_was_found_changes_nothing_else(unlearn, files, tmp_path: Path) -> None:
    assert unlearn("--localize", "snip:budget=0.25").code == 0
    run = tmp_path / "run"
    record, mask = load_record(run), Mask.load(run / "mask.safetensors")
    outcome = next(iter(record.methods.values()))
    assert outcome.mask is not None
    assert (outcome.mask.chosen, outcome.mask.localizer, outcome.mask.file) == (24, "snip", "mask.safetensors")
    change = WeightChange.load(run / "change.safetensors")
    model = load_model(files.model)
    before = {name: p.detach().clone() for name, p in model.network.named_parameters()}
    change.apply_to(model)
    moved = 0
    for name, parameter in model.network.named_parameters():
        differs = parameter.detach() != before[name]
        assert not bool((differs & mask.outside(name)).any())
        moved += int(differs.sum())
    assert moved > 0


def test_a_run_that_goes_on_keeps_its_mask(unlearn, tmp_path: Path, monkeypatch) -> None:
    """It was killed after localizing: the mask is read, not made again."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("expunge.runs.unlearn.train", killed)
    assert unlearn("--localize", "random:budget=0.25").code == 130
    made = (tmp_path / "run" / "mask.safetensors").read_bytes()
    monkeypatch.undo()
    monkeypatch.setattr("expunge.runs.localizing.localize", lambda *_, **__: pytest.fail("it was made again"))
    assert unlearn("--localize", "random:budget=0.25", "--resume").code == 0
    assert (tmp_path / "run" / "mask.safetensors").read_bytes() == made


def test_a_run_that_goes_on_with_another_model(unlearn, files, tmp_path: Path, monkeypatch) -> None:
    """The mask in its folder is the other's."""
    monkeypatch.setattr("expunge.runs.unlearn.train", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert unlearn("--localize", "random:budget=0.25").code == 130
    monkeypatch.undo()
    path = tmp_path / "run" / "mask.safetensors"
    Mask.load(path).save(path, {**note_of(path), "model": "0" * 64})
    said = unlearn("--localize", "random:budget=0.25", "--resume")
    assert (said.code, "made from other weights" in said.err) == (2, True), said.err


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--localize", "snip", "--parameters", "model.*"), "both say what may change"),
        (("--localize", "snip", "--method", "redirect"), "trains nothing: leave out"),
        (("--localize", "snip:budget=2"), "budget"),
        (("--localize", "snap"), "Did you mean 'snip'"),
        (("--localize", "snip:granularity=weights", "--lora", "2"), "cannot change single weights"),
        (("--localize", "causal_tracing:granularity=layers"), "have none, the first is"),
    ],
)
def test_mistakes_in_unlearn(unlearn, no_model, given, says) -> None:
    said = unlearn(*given)
    assert (said.code, says in said.err) == (2, True), said.err


def test_a_run_draws_its_mask_by_its_own_seed(unlearn, tmp_path: Path) -> None:
    """Unless the localizer is given another."""
    masks = {}
    for name, seed, own in (("0", 0, ""), ("1", 1, ""), ("1, mask of 0", 1, ",seed=0")):
        out = tmp_path / name
        assert unlearn("--localize", f"random:budget=0.25{own}", "--seed", seed, "--out", out).code == 0
        assert load_record(out).seeds == {"training": seed, "localizer": 0 if own else seed}
        masks[name] = Mask.load(out / "mask.safetensors")
    assert masks["0"] != masks["1"] and masks["0"] == masks["1, mask of 0"]


def test_settings_in_python_have_the_same_seed() -> None:
    for localize in ("random", {"localizer": "random"}, LocalizeConfig(localizer="random")):
        found = settings(TrainConfig, {"localize": localize, "seed": 3}).localize
        assert found is not None and found.seed == 3

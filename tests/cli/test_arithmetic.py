"""`expunge extrapolate` and `expunge merge`."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

from checkpoints import is_same, read
from expunge.change import WeightChange
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.models.loading import load_model
from expunge.record_file import load_record
from expunge.runs.suites import sets_of
from expunge.train.levels import mean_log_probs
from steps import taught_model
from tiny import tiny_model, tiny_sets


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The files' model, trained further."""
    folder = tmp_path_factory.mktemp("tuned") / "model"
    model = tiny_model(attention="sdpa")
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)), alpha=0.01)
    model.save(folder)
    return str(folder)


def test_extrapolate(expunge, files, tuned: str, tmp_path: Path) -> None:
    out = tmp_path / "further"
    given = ("extrapolate", "--base", files.model, "--tuned", tuned, "--out", out)
    said = expunge(*given, "--alpha", "0.5")
    assert said.code == 0, said.err
    assert "extrapolate: " in said.out and f"model: {out}" in said.out
    base, end = load_model(files.model), load_model(str(out))
    change = WeightChange.between(base.network, load_model(tuned).network).scaled(1.5)
    change.apply_to(base)
    found = dict(end.network.named_parameters())
    assert all(is_same(found[name].detach(), p.detach()) for name, p in base.network.named_parameters())
    record = load_record(out)
    assert (record.command, record.status, record.changed["alpha"]) == ("extrapolate", "done", 0.5)
    norms = record.methods["extrapolate"].change.norms  # type: ignore[union-attr]
    assert norms.keys() == read(Path(tuned)).keys() and all(norm[0] for norm in norms.values())

    assert expunge(*given, "--alpha", "1").code == 2  # not empty
    again = expunge(*given, "--alpha", "*.layers.0.*=2,*norm*=1", "--overwrite", "--json")
    assert again.code == 0, again.err
    assert json.loads(again.out) == json.loads((out / "record.json").read_text())
    assert json.loads(again.out)["configuration"]["alpha"] == {"*.layers.0.*": 2.0, "*norm*": 1.0}
    assert is_same(read(out)["model.embed_tokens.weight"], read(Path(tuned))["model.embed_tokens.weight"])


def test_what_is_no_folder_is_one_for_the_time(expunge, files, tuned: str, tmp_path: Path) -> None:
    WeightChange.between(load_model(files.model).network, load_model(tuned).network).save(tmp_path / "c.safetensors")
    outs = [tmp_path / "one", tmp_path / "two"]
    for name, out in zip((tuned, f"{files.model}+{tmp_path / 'c.safetensors'}"), outs):
        said = expunge("extrapolate", "--base", files.model, "--tuned", name, "--alpha", "0.3", "--out", out)
        assert said.code == 0, said.err
    one, two = (read(out) for out in outs)
    assert one.keys() == two.keys() and all(is_same(one[name], two[name]) for name in one)


@pytest.mark.parametrize("method", ["negate:scale=1", "add:scale=0.3", "ties:density=0.2,scale=1.0", "dare:seed=4"])
def test_merge(expunge, files, tuned: str, tmp_path: Path, method: str) -> None:
    models = tuned if method.startswith("negate") else f"{tuned},{tuned}"
    given = ("merge", "--base", files.model, "--tuned", models, "--method", method, "--out", tmp_path / "out", "--json")
    said = expunge(*given)
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert list(record["methods"]) == [method.partition(":")[0]]
    assert record["seeds"] == ({"drop": 4} if method.startswith("dare") else {})
    load_model(str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("extrapolate", "--alpha", "1;2"), "expected a number"),
        (("extrapolate", "--alpha", "0,5"), "with a point"),
        (("extrapolate", "--alpha", "*=0.5,*=1"), "once each"),
        (("extrapolate", "--alpha", "-1"), "alpha: extrapolation goes on from the tuned model"),
        (("extrapolate", "--alpha", "nan"), "give 0 or more"),
        (("extrapolate", "--alpha", "*.layers.9.*=1"), "no tensor is called '*.layers.9.*'"),
        (("extrapolate", "--alpha", "1", "--tuned", "nowhere/at/all"), "there is no such file or folder"),
        (("merge", "--method", "tie"), "Did you mean 'ties'"),
        (("merge", "--method", "ties:density=0"), "option 'density'"),
        (("merge", "--method", "extrapolate"), "needs 'alpha'"),
        (("merge", "--method", "negate:scale=1", "--tuned", "TUNED,TUNED"), "takes one tuned model"),
    ],
)
def test_mistakes_write_nothing(expunge, files, tuned: str, tmp_path: Path, given, says, monkeypatch) -> None:
    monkeypatch.setattr("expunge.arithmetic.blocks.Reader.read", lambda *_: pytest.fail("weights were read"))
    given = [each.replace("TUNED", tuned) for each in given]
    both = ("--base", files.model, *(() if "--tuned" in given else ("--tuned", tuned)))
    said = expunge(*given, *both, "--out", tmp_path / "out")
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert not any(tmp_path.iterdir())


def test_models_that_do_not_fit_and_outputs_that_would_hurt(expunge, files, tuned: str, tmp_path: Path) -> None:
    tiny_model(arch="gpt2", attention="sdpa").save(tmp_path / "other")
    given = ("extrapolate", "--base", files.model, "--alpha", "1")
    said = expunge(*given, "--tuned", tmp_path / "other", "--out", tmp_path / "out")
    assert said.code == 2 and "transformer.wte.weight is missing in" in said.err
    assert not (tmp_path / "out").exists()
    said = expunge(*given, "--tuned", tuned, "--out", tmp_path / "other", "--overwrite")
    assert said.code == 2 and "--overwrite only replaces a run's folder" in said.err
    assert (tmp_path / "other" / "model.safetensors").exists()


def test_a_full_disk_is_said_before(expunge, files, tuned: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("expunge.runs.combine.shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    said = expunge(
        "extrapolate", "--base", files.model, "--tuned", tuned, "--alpha", "1", "--out", tmp_path / "out"
    )  # fmt: skip
    assert said.code == 2 and "GB are free" in said.err
    assert not (tmp_path / "out").exists()


def test_an_interruption_is_130_and_leaves_nothing(expunge, files, tuned: str, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("expunge.arithmetic.shards._write", interrupted)
    said = expunge("extrapolate", "--base", files.model, "--tuned", tuned, "--alpha", "1", "--out", tmp_path / "out")
    assert said.code == 130
    assert not any(tmp_path.iterdir())


def test_alpha_is_chosen_for_two_checkpoints(expunge, files, tuned: str, tmp_path: Path) -> None:
    given = ("extrapolate", "--base", files.model, "--tuned", tuned, "--forget", files.forget, "--retain", files.retain)
    said = expunge(*given, "--holdout", files.holdout, "--alpha", "auto:utility_floor=0.1", "--out", tmp_path / "auto")
    assert said.code == 0, said.err
    info = load_record(tmp_path / "auto").methods["extrapolate"].extrapolation
    assert info is not None and info.selector == "nearest" and info.never_known_from == "holdout"
    assert f"α = {info.alpha:g}" in said.out or f"α = {info.alpha:.3g}" in said.out
    again = expunge(*given[:5], "--alpha", info.alpha, "--out", tmp_path / "given")
    assert again.code == 0, again.err
    one, two = read(tmp_path / "auto"), read(tmp_path / "given")
    assert all(is_same(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("alpha", "more", "says"),
    [
        ("auto", (), "give what is to be forgotten"),
        ("nearset", ("--suite", "world:people"), "Did you mean 'nearest'"),
        ("directed", ("--suite", "world:people"), "needs gradients"),
        ("auto:per=bucket", ("--suite", "world:people"), "needs the phases of a curriculum"),
        ("auto:floor=1", (), "choosing.floor: there is no such setting"),
        ("auto", ("--suite", "world:people", "--retrained", "./nowhere"), "no model at 'nowhere'"),
    ],
)
def test_mistakes_in_choosing_are_said_first(expunge, files, tuned, no_model, tmp_path, alpha, more, says) -> None:
    said = expunge("extrapolate", "--base", files.model, "--tuned", tuned, "--alpha", alpha, *more,
                   "--out", tmp_path / "no")  # fmt: skip
    assert said.code == 2
    assert says in said.err.replace("\n", " ")
    assert not (tmp_path / "no").exists()


def test_a_set_within_the_folder_is_not_thrown_away(expunge, files, tuned: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = ("extrapolate", "--base", files.model, "--tuned", tuned, "--out", out)
    assert expunge(*given, "--alpha", "0.5").code == 0
    inside = out / "forget.jsonl"
    inside.write_text(Path(files.forget).read_text())
    said = expunge(*given, "--alpha", "auto", "--forget", inside, "--overwrite")
    assert said.code == 2 and inside.exists()
    assert "would delete" in said.err
    related = out / "related.jsonl"
    related.write_text(Path(files.holdout).read_text())
    said = expunge(*given, "--alpha", f"gap:related={related}", "--forget", files.forget, "--overwrite")
    assert said.code == 2 and related.exists() and "would delete" in said.err


def test_a_related_row_that_is_too_long_is_said_before_anything_is_written(
    expunge, files, tuned: str, tmp_path
) -> None:
    related = tmp_path / "related.jsonl"
    related.write_text(json.dumps({"prompt": "what " * 70, "answer": "bexton"}) + "\n")
    said = expunge("extrapolate", "--base", files.model, "--tuned", tuned, "--alpha", f"gap:related={related}",
                   "--forget", files.forget, "--max-length", 64, "--out", tmp_path / "out")  # fmt: skip
    assert said.code == 2 and "related.jsonl" in said.err
    assert not (tmp_path / "out").exists()


def levels(name: str) -> float:
    model = load_model(name)
    encoded = Encoder(model.tokenizer).encode_all(tiny_sets().forget)
    return mean_log_probs(model, encoded, budget=512).exp().mean().item()


def neighbours(folder: Path, out: Path) -> dict[str, torch.Tensor]:
    """The folder again, half of its bfloat16 weights one step up; returns the weights."""
    shutil.copytree(folder, out)
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: (w.view(torch.int16) + torch.randint(0, 2, w.shape, generator=generator).short()).view(torch.bfloat16)
        for name, w in read(folder).items()
    }
    save_file(weights, out / "model.safetensors", {"format": "pt"})
    return weights


@pytest.fixture
def narrow(tmp_path: Path) -> tuple[Path, Path]:
    """A taught model in bfloat16, and another one step of that type away."""
    model = taught_model()
    model.network.to(torch.bfloat16)
    model.save(tmp_path / "base")
    neighbours(tmp_path / "base", tmp_path / "tuned")
    return tmp_path / "base", tmp_path / "tuned"


def test_what_is_measured_is_what_is_written(expunge, files, narrow, tmp_path: Path) -> None:
    """α is chosen on weights rounded as those of the folder will be, and the record says how far these moved."""
    base, tuned = narrow
    given = ("extrapolate", "--base", base, "--tuned", tuned, "--out", tmp_path / "out")
    said = expunge(*given, "--alpha", "auto:halvings=0,utility_floor=0", "--forget", files.forget)
    assert said.code == 0, said.err
    outcome = load_record(tmp_path / "out").methods["extrapolate"]
    assert outcome.extrapolation is not None and outcome.change is not None
    curve = {point.alpha: point.forget for point in outcome.extrapolation.curve}
    assert curve[outcome.extrapolation.alpha] == pytest.approx(levels(str(tmp_path / "out")), rel=1e-6)
    # a quarter of a step is less than half a step: nothing moves
    assert curve[0.25] == curve[0.0] == pytest.approx(levels(str(tuned)), rel=1e-6)
    assert curve[1.0] != pytest.approx(curve[0.0], rel=1e-6)
    assert expunge(*given, "--alpha", "0.25", "--overwrite").code == 0
    record = load_record(tmp_path / "out")
    first, end = read(base), read(tmp_path / "out")
    for name, (far, _) in record.methods["extrapolate"].change.norms.items():  # type: ignore[union-attr]
        assert far == pytest.approx(float((end[name].float() - first[name].float()).norm()), rel=1e-5)
    (warning,) = record.methods["extrapolate"].warnings
    assert warning.startswith("100% of the weights that were to move stay as they are")
    assert expunge(*given, "--alpha", "1", "--overwrite").code == 0
    assert load_record(tmp_path / "out").methods["extrapolate"].warnings == ()


def test_a_head_that_was_untied_is_measured_as_it_is_written(expunge, files, tmp_path: Path) -> None:
    taught_model().save(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "tuned")
    weights = read(tmp_path / "base")
    embedding = weights["model.embed_tokens.weight"]
    noise = torch.randn(embedding.shape, generator=torch.Generator().manual_seed(0))
    weights["lm_head.weight"] = embedding + 0.05 * noise
    save_file(weights, tmp_path / "tuned" / "model.safetensors", {"format": "pt"})
    config = json.loads((tmp_path / "tuned" / "config.json").read_text())
    (tmp_path / "tuned" / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    said = expunge("extrapolate", "--base", tmp_path / "base", "--tuned", tmp_path / "tuned", "--out", tmp_path / "out",
                   "--alpha", "auto:utility_floor=0", "--forget", files.forget)  # fmt: skip
    assert said.code == 0, said.err
    info = load_record(tmp_path / "out").methods["extrapolate"].extrapolation
    assert info is not None and info.alpha > 0
    curve = {point.alpha: point.forget for point in info.curve}
    assert curve[info.alpha] == pytest.approx(levels(str(tmp_path / "out")), rel=1e-5)
    assert curve[0.0] == pytest.approx(levels(str(tmp_path / "tuned")), rel=1e-5)
    assert curve[0.0] != pytest.approx(levels(str(tmp_path / "base")), rel=1e-3)


def test_what_is_no_folder_keeps_its_own_type(expunge, narrow, tmp_path: Path) -> None:
    base, tuned = narrow
    change = WeightChange.between(read(base), read(tuned))
    change.save(tmp_path / "narrow.safetensors")
    wide = {name: weight.float() for name, weight in read(base).items()}
    WeightChange.between(wide, {n: w + 1e-6 for n, w in wide.items()}).save(tmp_path / "wide.safetensors")
    model = load_model(str(base))
    wrapped = get_peft_model(model.network, LoraConfig(r=2, target_modules=["q_proj"]))
    wrapped.peft_config["default"].base_model_name_or_path = str(base)
    wrapped.save_pretrained(tmp_path / "adapter")
    for name, dtype in (
        (f"{base}+{tmp_path / 'narrow.safetensors'}", torch.bfloat16),
        (f"{base}+{tmp_path / 'wide.safetensors'}", torch.float32),
        (str(tmp_path / "adapter"), torch.bfloat16),
    ):
        out = tmp_path / f"out{dtype}{len(name)}"
        said = expunge("extrapolate", "--base", base, "--tuned", name, "--alpha", "0", "--out", out)
        assert said.code == 0, said.err
        assert {weight.dtype for weight in read(out).values()} == {dtype}


def test_warnings_are_kept_and_said(expunge, files, tuned: str, tmp_path: Path, monkeypatch) -> None:
    """Those of the sets, and a floor that the other half misses."""
    given = ("extrapolate", "--base", files.model, "--tuned", tuned, "--forget", files.forget, "--retain", files.retain)
    found: list[Sets] = []

    def warned(*values: object) -> Sets:
        found.append(replace(sets_of(*values), warnings=("a set is odd",)))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr("expunge.runs.choosing_alpha.sets_of", warned)
    monkeypatch.setattr("expunge.runs.combine.remarks", lambda info: (f"missed at {info.alpha:g}",))
    said = expunge(*given, "--alpha", "auto:halvings=0,utility_floor=0", "--out", tmp_path / "out")
    assert said.code == 0, said.err
    record = load_record(tmp_path / "out")
    assert record.warnings == ("a set is odd",)
    (warning,) = record.methods["extrapolate"].warnings
    assert warning.startswith("missed at ") and warning in said.out

"""Operations on folders: how weights are stored changes no bit, what does not fit is named, nothing is half written."""

import json
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import expunge.arithmetic.combining as combining
import expunge.arithmetic.shards as shards
from checkpoints import combined, is_same, random_tensors, read, write
from expunge.arithmetic import operations
from expunge.arithmetic.blocks import Reader
from expunge.arithmetic.combining import Combination, extrapolate_folder
from expunge.arithmetic.folder import Folder
from expunge.arithmetic.overlapping import AHEAD
from expunge.errors import ConfigError, ModelError, OutputError

OPTIONS = {"extrapolate": {"alpha": 0.5}, "dare": {"drop": 0.5}, "ties": {"density": 0.5}}


def two(tmp_path: Path, **options: object) -> tuple[Path, Path, dict[str, Tensor], dict[str, Tensor]]:
    base, tuned = random_tensors(0, **options), random_tensors(1, **options)  # type: ignore[arg-type]
    return write(tmp_path / "base", base), write(tmp_path / "tuned", tuned), base, tuned


@pytest.mark.parametrize("name", list(operations))
def test_files_blocks_and_prefixes_change_no_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, tuned, first, second = two(tmp_path)
    options = OPTIONS.get(name, {})
    one = combined(name, base, [tuned], tmp_path / "one", **options)
    assert not all(is_same(one[n], (first, second)[name == "extrapolate"][n]) for n in one)
    split = write(tmp_path / "split", dict(reversed(first.items())), files=3)
    other = write(tmp_path / "other", second, files=2)
    monkeypatch.setattr(combining, "_TILE", 8)
    monkeypatch.setattr("expunge.arithmetic.blocks.BLOCK", 16)
    many = combined(name, split, [other], tmp_path / "many", **options)
    assert many.keys() == one.keys() and all(is_same(many[n], one[n]) for n in one)
    bare = {n.removeprefix("model."): t for n, t in (first if name == "extrapolate" else second).items()}
    folders = (
        (write(tmp_path / "bare", bare), tuned) if name == "extrapolate" else (base, write(tmp_path / "bare", bare))
    )
    again = combined(name, folders[0], [folders[1]], tmp_path / "again", **options)
    assert all(is_same(again[n], one[n]) for n in one)


def test_by_hand(tmp_path: Path) -> None:
    base = write(tmp_path / "base", {"w": torch.tensor([1.0, 2.0, -3.0])})
    tuned = write(tmp_path / "tuned", {"w": torch.tensor([2.0, 2.0, -1.0])})
    third = write(tmp_path / "third", {"w": torch.tensor([0.0, 2.5, -1.0])})
    assert combined("extrapolate", base, [tuned], tmp_path / "e", alpha=0.5)["w"].tolist() == [2.5, 2.0, 0.0]
    assert combined("negate", base, [tuned], tmp_path / "n", scale=2.0)["w"].tolist() == [-1.0, 2.0, -7.0]
    assert combined("add", base, [tuned, third], tmp_path / "a", scale=0.5)["w"].tolist() == [1.0, 2.25, -1.0]


@pytest.mark.parametrize(
    ("first", "second"), [("bfloat16", "float32"), ("float32", "bfloat16"), ("float16", "bfloat16")]
)
def test_types_may_differ_and_the_result_has_the_homes(first: str, second: str, tmp_path: Path) -> None:
    kinds = getattr(torch, first), getattr(torch, second)
    base, tuned = random_tensors(0, kinds[0]), random_tensors(1, kinds[1])
    folders = write(tmp_path / "base", base), write(tmp_path / "tuned", tuned)
    further = combined("extrapolate", folders[0], [folders[1]], tmp_path / "e", alpha=0.7)
    back = combined("negate", folders[0], [folders[1]], tmp_path / "n", scale=0.7)
    alpha = (1 + 0.7) - 1
    for name in base:
        v = tuned[name].float() - base[name].float()
        assert is_same(further[name], (tuned[name].float() + alpha * v).to(kinds[1]))
        assert is_same(back[name], (base[name].float() - 0.7 * v).to(kinds[0]))


def test_what_no_training_changes_is_the_home_folders(tmp_path: Path) -> None:
    kept = {
        "h.0.attn.bias": torch.ones(1, 1, 2, 2), "h.0.attn.masked_bias": torch.tensor(-1e4), "steps": torch.arange(3),
        "rotary_emb.inv_freq": torch.tensor([1.0, 0.5]), "flags": torch.tensor([True, False]),
    }  # fmt: skip
    other = {name: tensor.clone().zero_() for name, tensor in kept.items()}
    del other["h.0.attn.bias"]  # some save it, some do not
    trained = {"h.0.attn.c_attn.bias": torch.tensor([1.0, -1.0])}
    base = write(tmp_path / "base", {**kept, **trained})
    tuned = write(tmp_path / "tuned", {**other, **{n: t + 1 for n, t in trained.items()}})
    for name, home in (("extrapolate", tuned), ("negate", base)):
        found = combined(name, base, [tuned], tmp_path / name, **OPTIONS.get(name, {}))
        assert all(is_same(found[n], read(home)[n]) for n in found if n not in trained)
        assert not is_same(found["h.0.attn.c_attn.bias"], read(home)["h.0.attn.c_attn.bias"])


@pytest.mark.parametrize("name", list(operations))
def test_a_tied_head_may_be_left_out_on_either_side(name: str, tmp_path: Path) -> None:
    """Its copy in a folder is the embedding: the same values, drawn and counted once."""
    plain = random_tensors(0), random_tensors(1)
    copied = [{**each, "lm_head.weight": each["model.embed_tokens.weight"].clone()} for each in plain]
    without = [write(tmp_path / f"without{i}", each) for i, each in enumerate(plain)]
    with_head = [write(tmp_path / f"with{i}", each) for i, each in enumerate(copied)]
    options = OPTIONS.get(name, {})
    expected = combined(name, without[0], [without[1]], tmp_path / "expected", **options)
    for i, (base, tuned) in enumerate([(with_head[0], without[1]), (without[0], with_head[1]), with_head]):
        found = combined(name, base, [tuned], tmp_path / f"out{i}", **options)
        assert all(is_same(found[n], expected[n]) for n in expected)
        if "lm_head.weight" in found:
            assert is_same(found["lm_head.weight"], expected["model.embed_tokens.weight"])
    assert "lm_head.weight" in read(tmp_path / "out2")


def test_a_head_that_training_untied_moves_from_the_embedding(tmp_path: Path) -> None:
    first, second = random_tensors(0), random_tensors(1, head=True)
    base, tuned = write(tmp_path / "base", first), write(tmp_path / "tuned", second)
    found = combined("extrapolate", base, [tuned], tmp_path / "out", alpha=1.0)
    head = second["lm_head.weight"]
    assert is_same(found["lm_head.weight"], head + (head - first["model.embed_tokens.weight"]))
    with pytest.raises(ModelError, match=r"lm_head\.weight stands only in .*tuned"):
        combined("negate", base, [tuned], tmp_path / "no")


def test_every_tensor_that_does_not_fit_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, _, first, second = two(tmp_path)
    odd = {**second, "model.norm.weight": torch.zeros(6), "extra": torch.zeros(1)}
    del odd["model.layers.0.mlp.up_proj.weight"]
    monkeypatch.setattr(Reader, "read", lambda *_: pytest.fail("read"))
    with pytest.raises(ModelError) as caught:
        extrapolate_folder(base, write(tmp_path / "odd", odd), 0.5, tmp_path / "out")
    for said in (r"up_proj.weight stands only in", "extra is missing in", "norm.weight has shape (6,)", "(5,) in"):
        assert said in str(caught.value)
    assert not (tmp_path / "out").exists()
    quantized = write(tmp_path / "quantized", first, config={"quantization_config": {}, "x": 1})
    (quantized / "config.json").write_text(json.dumps({"quantization_config": {"bits": 4}}))
    with pytest.raises(ModelError, match="is quantized"):
        extrapolate_folder(quantized, base, 0.5, tmp_path / "out")
    with pytest.raises(OutputError, match="lies within"):
        extrapolate_folder(base, tmp_path / "tuned", 0.5, base / "new")
    small = write(tmp_path / "small", {"w": torch.randn(8).to(torch.float8_e4m3fn)})
    for folders in ((small, base), (base, small)):
        with pytest.raises(ModelError, match=r"w holds float8_e4m3fn in .*small"):
            extrapolate_folder(*folders, 0.5, tmp_path / "out")
    with pytest.raises(ConfigError, match="takes one tuned model, and 2"):
        Combination(operations.get("negate"), Folder(base), [Folder(base)] * 2, {})
    with pytest.raises(ConfigError, match="no option 'scael'"):
        Combination(operations.get("negate"), Folder(base), [Folder(base)], {"scael": 1.0})
    with pytest.raises(ConfigError, match="needs 'alpha'"):
        Combination(operations.get("extrapolate"), Folder(base), [Folder(base)], {})


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space left")])
def test_what_is_interrupted_leaves_nothing(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tuned, *_ = two(tmp_path)
    write(tmp_path / "old", random_tensors(2))
    before = (tmp_path / "old" / "model.safetensors").read_bytes()
    calls = []

    def failing(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise error

    monkeypatch.setattr(shards, "_write", failing)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        extrapolate_folder(base, tuned, 0.5, tmp_path / "out")
    with pytest.raises(OutputError, match="not an empty folder"):
        extrapolate_folder(base, tuned, 0.5, tmp_path / "old")
    calls.clear()
    with pytest.raises(error if isinstance(error, type) else type(error)):
        extrapolate_folder(base, tuned, 0.5, tmp_path / "old", replace=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "old", "tuned"]
    assert (tmp_path / "old" / "model.safetensors").read_bytes() == before
    monkeypatch.undo()
    extrapolate_folder(base, tuned, 0.0, tmp_path / "old", replace=True)
    assert all(is_same(t, read(tmp_path / "old")[n]) for n, t in read(tuned).items())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["base", "old", "tuned"]


def test_a_result_that_would_take_the_place_of_what_is_read_is_refused(tmp_path: Path) -> None:
    base, tuned, *_ = two(tmp_path / "both")
    with pytest.raises(OutputError, match="holds the model folder"):
        extrapolate_folder(base, tuned, 0.5, tmp_path / "both", replace=True)
    with pytest.raises(OutputError, match="lies within"):
        extrapolate_folder(base, tuned, 0.5, tuned, replace=True)
    assert read(base) and read(tuned)


W, X = {"w": torch.ones(2)}, {"x": torch.zeros(2)}
INDEXES = {
    "outside": ({"w": "../other.safetensors"}, {"../other.safetensors": W}, r"puts w into '\.\./other\.safetensors'"),
    "two folders": (
        {"w": "a/model.safetensors", "x": "b/model.safetensors"},
        {"a/model.safetensors": W, "b/model.safetensors": X}, "of the folder itself",
    ),
    "another kind of file": ({"w": "m.bin"}, {"m.bin": W}, r"must lie in \*\.safetensors"),
    "twice": (
        {"w": "m1.safetensors", "x": "m2.safetensors"}, {"m1.safetensors": W, "m2.safetensors": W | X},
        r"w is in m1\.safetensors and in m2\.safetensors",
    ),
    "named, not there": (
        {"w": "m1.safetensors", "gone": "m1.safetensors"}, {"m1.safetensors": W}, r"gone is not in m1\.safetensors",
    ),
    "there, not named": ({"w": "m1.safetensors"}, {"m1.safetensors": W | X}, "by the index in no file"),
    "in another": (
        {"w": "m2.safetensors", "x": "m2.safetensors"}, {"m2.safetensors": X}, r"w is not in m2\.safetensors",
    ),
    "no name": ({"w": 1}, {"m.safetensors": W}, "is no index"),
    "no file": ({"w": "m.safetensors"}, {}, "is not a whole safetensors file"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(INDEXES))
def test_an_index_that_does_not_fit_its_files_is_refused(case: str, tmp_path: Path) -> None:
    index, files, says = INDEXES[case]
    folder = tmp_path / "model"
    for name, tensors in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / name)
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    with pytest.raises(ModelError, match=says):
        Folder(folder)


def test_files_beside_the_weights_are_the_homes_but_not_what_describes_its_weights(tmp_path: Path) -> None:
    base, tuned, *_ = two(tmp_path)
    for folder in (base, tuned):
        for name in ("tokenizer.json", "record.json", "expunge.json", "report.html"):
            (folder / name).write_text(json.dumps(folder.name))
    extrapolate_folder(base, tuned, 0.5, tmp_path / "e")
    combined("negate", base, [tuned], tmp_path / "n")
    for out, home in (("e", "tuned"), ("n", "base")):
        assert {p.name for p in (tmp_path / out).iterdir()} == {"config.json", "model.safetensors", "tokenizer.json"}
        assert json.loads((tmp_path / out / "tokenizer.json").read_text()) == home


def test_threads_and_files_end_and_torch_has_its_threads_again(tmp_path: Path) -> None:
    base, tuned, *_ = two(tmp_path)
    threads, before = threading.active_count(), torch.get_num_threads()
    descriptors = Path("/proc/self/fd")
    files = len(list(descriptors.iterdir())) if descriptors.exists() else 0
    extrapolate_folder(base, tuned, 0.5, tmp_path / "out")
    assert (threading.active_count(), torch.get_num_threads()) == (threads, before)
    assert not files or len(list(descriptors.iterdir())) == files


def test_buffers_are_few_whatever_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, tuned, *_ = two(tmp_path)
    made: list[Tensor] = []
    buffer_for = combining.buffer_for
    monkeypatch.setattr("expunge.arithmetic.blocks.BLOCK", 2)
    monkeypatch.setattr(combining, "buffer_for", lambda width: made.append(buffer_for(width)) or made[-1])
    extrapolate_folder(base, tuned, 0.5, tmp_path / "out")
    assert len(made) == 2 * (2 * AHEAD + 2) and {len(each) for each in made} == {2 * 4}

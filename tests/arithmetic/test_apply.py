"""Changes on model folders: streamed, exact, all or nothing, and loadable by plain Transformers."""

import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

import expunge.arithmetic.folder as folder_module
from expunge.arithmetic.apply import apply_to_folder, revert_from_folder
from expunge.arithmetic.folder import Folder
from expunge.arithmetic.overlapping import Behind
from expunge.arithmetic.shards import read_shard, write_shard
from expunge.change import WeightChange
from expunge.change.bits import same
from expunge.errors import ChangeError, ModelError, OutputError
from expunge.mask import Mask
from tiny import ARCHITECTURES, tiny_model


def is_same(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(same(a, b).all())


def network_of(arch: str = "llama", seed: int = 0) -> nn.Module:
    return tiny_model(seed, arch, attention="eager" if arch == "gemma2" else "sdpa").network


def changed(network: nn.Module, seed: int = 1) -> tuple[WeightChange, dict[str, Tensor]]:
    """A change of the network, which stays as it is, and what it leads to."""
    generator = torch.Generator().manual_seed(seed)
    base = {name: p.detach() for name, p in network.named_parameters()}
    result = {n: t + (torch.randn(t.shape, generator=generator) * 0.02).to(t.dtype) for n, t in base.items()}
    return WeightChange.between(network, result), result


def tensors_of(path: Path) -> dict[str, Tensor]:
    return {name: tensor for shard in Folder(path).shards for name, tensor in load_file(shard.path).items()}


@pytest.mark.parametrize(
    ("arch", "size"), [*((arch, "5GB") for arch in ARCHITECTURES), ("llama", "20KB"), ("gpt2", "20KB")]
)
def test_transformers_loads_the_result_and_revert_gives_the_old_bytes(tmp_path: Path, arch: str, size: str) -> None:
    network = network_of(arch)
    network.save_pretrained(tmp_path / "base", max_shard_size=size)
    (tmp_path / "base" / "merges.txt").write_text("kept")
    change, result = changed(network)
    change.save(tmp_path / "c.safetensors")
    change = WeightChange.load(tmp_path / "c.safetensors")
    apply_to_folder(tmp_path / "base", change, tmp_path / "new")
    assert len(list((tmp_path / "new").glob("*.safetensors"))) == (
        1 if size == "5GB" else len(Folder(tmp_path / "base").shards)
    )
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "new")
    assert all(is_same(p.detach(), result[name]) for name, p in loaded.named_parameters())
    revert_from_folder(tmp_path / "new", change, tmp_path / "old")
    assert tensors_of(tmp_path / "old").keys() == tensors_of(tmp_path / "base").keys()
    old, base = tensors_of(tmp_path / "old"), tensors_of(tmp_path / "base")
    assert all(is_same(old[name], base[name]) for name in base)
    for path in (tmp_path / "base").iterdir():
        if path.suffix != ".safetensors":
            assert (tmp_path / "old" / path.name).read_text() == path.read_text()


def test_one_file_or_several_give_the_same_weights(tmp_path: Path) -> None:
    network = network_of()
    change, _ = changed(network)
    for name, size in (("one", "5GB"), ("many", "10KB")):
        network.save_pretrained(tmp_path / name, max_shard_size=size)
        apply_to_folder(tmp_path / name, change, tmp_path / f"{name}-new")
    one, many = tensors_of(tmp_path / "one-new"), tensors_of(tmp_path / "many-new")
    assert len(Folder(tmp_path / "many-new").shards) > 3
    assert one.keys() == many.keys() and all(is_same(one[n], many[n]) for n in one)


def test_a_float32_change_of_a_bfloat16_folder(tmp_path: Path) -> None:
    network_of().to(torch.bfloat16).save_pretrained(tmp_path / "base", max_shard_size="20KB")
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    change, result = changed(network)
    apply_to_folder(tmp_path / "base", change, tmp_path / "new")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "new")
    assert loaded.dtype == torch.float32
    assert all(is_same(p.detach(), result[name]) for name, p in loaded.named_parameters())
    index = json.loads((tmp_path / "new" / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(t.numel() * 4 for t in tensors_of(tmp_path / "new").values())
    revert_from_folder(tmp_path / "new", change, tmp_path / "old")
    old, base = tensors_of(tmp_path / "old"), tensors_of(tmp_path / "base")
    assert old.keys() == base.keys() and all(is_same(old[name], base[name]) for name in base)
    assert (tmp_path / "old" / "config.json").read_text() == (tmp_path / "base" / "config.json").read_text()
    assert not (tmp_path / "old" / "expunge.json").exists()


def test_two_float32_changes_of_a_bfloat16_folder_are_reverted_one_by_one(tmp_path: Path) -> None:
    """The first widens the folder; only when it is reverted, too, the former types come back."""
    network_of().to(torch.bfloat16).save_pretrained(tmp_path / "base")
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    first, _ = changed(network)
    apply_to_folder(tmp_path / "base", first, tmp_path / "one")
    one = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    second, _ = changed(one, seed=2)
    apply_to_folder(tmp_path / "one", second, tmp_path / "two")
    revert_from_folder(tmp_path / "two", second, tmp_path / "back")
    back, there = tensors_of(tmp_path / "back"), tensors_of(tmp_path / "one")
    assert all(is_same(back[name], there[name]) for name in there)
    for file in ("config.json", "expunge.json"):
        assert json.loads((tmp_path / "back" / file).read_text()) == json.loads((tmp_path / "one" / file).read_text())
    revert_from_folder(tmp_path / "back", first, tmp_path / "old")
    old, base = tensors_of(tmp_path / "old"), tensors_of(tmp_path / "base")
    assert old.keys() == base.keys() and all(is_same(old[name], base[name]) for name in base)
    assert not (tmp_path / "old" / "expunge.json").exists()


def test_names_as_the_hub_has_them_buffers_and_tied_copies(tmp_path: Path) -> None:
    network = network_of("gpt2")
    change, result = changed(network)
    tensors = {n.removeprefix("transformer."): p.detach().clone() for n, p in network.named_parameters()}
    buffers = {"h.0.attn.bias": torch.ones(1, 1, 4, 4), "h.0.attn.steps": torch.arange(3)}
    tied = {"lm_head.weight": tensors["wte.weight"].clone()} if "lm_head.weight" in change.base.ties else {}
    (tmp_path / "base").mkdir()
    save_file({**tensors, **buffers, **tied}, tmp_path / "base" / "model.safetensors")
    apply_to_folder(tmp_path / "base", change, tmp_path / "new")
    new = tensors_of(tmp_path / "new")
    assert all(is_same(new[n.removeprefix("transformer.")], t) for n, t in result.items())
    assert all(is_same(new[n], t) for n, t in buffers.items())
    assert all(is_same(new[n], new["wte.weight"]) for n in tied) and tied
    untied = {**tensors, "lm_head.weight": tensors["wte.weight"] + 1}
    save_file(untied, tmp_path / "base" / "model.safetensors")
    with pytest.raises(ChangeError, match=r"under its other name lm_head\.weight"):
        apply_to_folder(tmp_path / "base", change, tmp_path / "x")


def test_a_computed_change_gives_what_it_gives_in_memory(tmp_path: Path) -> None:
    network = network_of()
    network.save_pretrained(tmp_path / "base")
    change = changed(network)[0]
    mask = Mask.parameters(network, ["*down_proj*", "model.norm.weight"])
    computed = change.scaled(1.5).masked(mask) + changed(network, seed=2)[0].scaled(-0.5)
    with computed.applied_to(network):
        expected = {name: p.detach().clone() for name, p in network.named_parameters()}
    apply_to_folder(tmp_path / "base", computed, tmp_path / "new")
    new = tensors_of(tmp_path / "new")
    assert all(is_same(new[name], expected[name]) for name in new)
    with pytest.raises(ChangeError, match="does not undo by itself"):
        revert_from_folder(tmp_path / "new", computed, tmp_path / "old")
    sealed = computed.sealed(network)
    revert_from_folder(tmp_path / "new", sealed, tmp_path / "old")
    base, old = tensors_of(tmp_path / "base"), tensors_of(tmp_path / "old")
    assert all(is_same(old[name], base[name]) for name in base)


def test_another_model_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    network = network_of()
    change, _ = changed(network)
    network_of(seed=7).save_pretrained(tmp_path / "other")
    with pytest.raises(ChangeError, match=r"tensors are not .*holds other values; .*; .*and \d+ more"):
        apply_to_folder(tmp_path / "other", change, tmp_path / "new")
    network.save_pretrained(tmp_path / "base")
    with pytest.raises(ChangeError, match="not in this model"):
        revert_from_folder(tmp_path / "base", change, tmp_path / "new")
    apply_to_folder(tmp_path / "base", change, tmp_path / "applied")
    with pytest.raises(ChangeError, match="in this model already"):
        apply_to_folder(tmp_path / "applied", change, tmp_path / "new")
    tensors = tensors_of(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "bad")
    short = {**tensors, "model.norm.weight": torch.zeros(5)}
    del short["model.layers.1.mlp.up_proj.weight"]
    save_file(short, tmp_path / "bad" / "model.safetensors")
    wrong = r"up_proj\.weight is missing; model\.norm\.weight has shape \(5,\) instead of \(32,\)"
    with pytest.raises(ChangeError, match=wrong):
        apply_to_folder(tmp_path / "bad", change, tmp_path / "new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["applied", "bad", "base", "other"]


def test_a_kill_in_the_middle_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of()
    network.save_pretrained(tmp_path / "base", max_shard_size="20KB")
    change, _ = changed(network)
    written = []

    def killed(path: Path, *arguments: object) -> None:
        written.append(path)
        if len(written) == 3:
            raise KeyboardInterrupt
        write_shard(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(folder_module, "write_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        apply_to_folder(tmp_path / "base", change, tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["base"] and len(written) == 3


def test_at_most_a_few_tensors_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of()
    network.save_pretrained(tmp_path / "base", max_shard_size="20KB")
    change, _ = changed(network)
    change.save(tmp_path / "c.safetensors")
    change = WeightChange.load(tmp_path / "c.safetensors")
    living: set[int] = set()
    most = [0]
    read = Folder.__getitem__

    def counted(self: Folder, name: str) -> Tensor:
        tensor = read(self, name)
        living.add(key := len(living) + 1000 * id(tensor))
        weakref.finalize(tensor, living.discard, key)
        most[0] = max(most[0], len(living))
        return tensor

    monkeypatch.setattr(Folder, "__getitem__", counted)
    apply_to_folder(tmp_path / "base", change, tmp_path / "new")
    revert_from_folder(tmp_path / "new", change, tmp_path / "old")
    assert 1 <= most[0] <= 2


def test_folders_that_are_no_models(tmp_path: Path) -> None:
    change, _ = changed(network := network_of())
    cases: list[tuple[str, Callable[[Path], object], str]] = [
        ("a", Path.exists, "holds no model.safetensors"),
        ("b", lambda p: (p / "adapter_config.json").write_text("{}"), "an adapter without its model"),
        ("c", lambda p: (p / "model.safetensors").write_bytes(b"\0" * 20), "not a whole safetensors file"),
        ("d", lambda p: (p / "model.safetensors.index.json").write_text("[]"), "no index of weight files"),
    ]
    for name, make, message in cases:
        (tmp_path / name).mkdir()
        make(tmp_path / name)
        with pytest.raises(ModelError, match=message):
            apply_to_folder(tmp_path / name, change, tmp_path / "new")
    with pytest.raises(ModelError, match="is not a folder"):
        apply_to_folder(tmp_path / "nowhere", change, tmp_path / "new")
    network.save_pretrained(tmp_path / "base")
    content = (tmp_path / "base" / "model.safetensors").read_bytes()
    (tmp_path / "c" / "model.safetensors").write_bytes(content[:-7])
    with pytest.raises(ModelError, match="its size is wrong"):
        apply_to_folder(tmp_path / "c", change, tmp_path / "new")
    (tmp_path / "base" / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    with pytest.raises(ModelError, match="holds weights twice"):
        apply_to_folder(tmp_path / "base", change, tmp_path / "new")
    (tmp_path / "base" / "model.safetensors.index.json").unlink()
    with pytest.raises(OutputError, match="lies within"):
        apply_to_folder(tmp_path / "base", change, tmp_path / "base" / "new")
    with pytest.raises(OutputError, match="holds the model folder"):
        apply_to_folder(tmp_path / "base", change, tmp_path / "a" / "..")
    with pytest.raises(OutputError, match="not an empty folder"):
        apply_to_folder(tmp_path / "base", change, tmp_path / "c")


def test_written_files_are_read_by_the_library(tmp_path: Path) -> None:
    tensors = {
        "flag": torch.tensor([True, False, True]),
        "half": torch.randn(3, 2).half(),
        "none": torch.zeros(0, 4),
        "long": torch.arange(5),
        "scalar": torch.tensor(-0.0),
        "eight": torch.randn(4).to(torch.float8_e4m3fn),
    }
    save_file(tensors, tmp_path / "a", {"format": "pt"})
    shard = read_shard(tmp_path / "a")
    with Behind() as behind:
        write_shard(tmp_path / "b", shard.slots, lambda name: [tensors[name]], shard.metadata, behind)
    again = load_file(tmp_path / "b")
    assert again.keys() == tensors.keys() and read_shard(tmp_path / "b").metadata == {"format": "pt"}
    assert all((t.dtype, t.shape) == (tensors[n].dtype, tensors[n].shape) for n, t in again.items())
    del again["scalar"]
    assert all(torch.equal(t.view(torch.uint8), tensors[n].view(torch.uint8)) for n, t in again.items())


def test_stored_logits_do_not_outlive_the_weights_that_they_describe(tmp_path: Path) -> None:
    from expunge.models.loading import load_model
    from expunge.models.stored_logits import FILE, StoredLogits

    model = tiny_model()
    model.save(tmp_path / "base")
    StoredLogits.of(model.network, (3, 4, 5), (1, 7)).write(tmp_path / "base")
    before = {name: value.detach().clone() for name, value in model.network.named_parameters()}
    with torch.no_grad():
        model.network.get_input_embeddings().weight.mul_(1.5)
    change = WeightChange.between(before, model.network)
    apply_to_folder(tmp_path / "base", change, tmp_path / "changed")
    assert (tmp_path / "base" / FILE).exists() and not (tmp_path / "changed" / FILE).exists()
    load_model(str(tmp_path / "changed"))

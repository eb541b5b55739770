"""Every kind of name that `load_model` takes, on tiny models; and what it says when it cannot."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    MptConfig,
    MptForCausalLM,
)

from architectures import TINY, tiny_network
from expunge.change import WeightChange
from expunge.config import LoadConfig
from expunge.errors import ChangeError, ModelError, UnknownArchitectureError, UnknownNameError
from expunge.models import builtin, hugging_face
from expunge.models.builtin import Builtin
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.models.stored_logits import FILE, StoredLogits
from tiny import tiny_tokenizer

IDS = torch.tensor([[5, 9, 2, 7, 7, 3, 11]])
PROCESSOR = LoadConfig(device="cpu", attention="sdpa")


def saved(folder: Path, model_type: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """A tiny model's folder, as users have it."""
    network = tiny_network(model_type, len(tiny_tokenizer()), seed, **changes)
    network.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@torch.no_grad()
def logits(network: nn.Module) -> Tensor:
    return network(IDS).logits


@pytest.mark.parametrize("model_type", list(TINY))
def test_every_architecture_loads_from_a_folder(tmp_path: Path, model_type: str) -> None:
    expected = tiny_network(model_type, len(tiny_tokenizer()))
    model = load_model(str(saved(tmp_path, model_type)), LoadConfig(device="cpu"))
    assert model.name == str(tmp_path)
    assert model.layout.model_type == model_type
    assert not model.network.training
    assert model.network.config._attn_implementation == "packed"
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}
    assert model.tokenizer.decode(model.tokenizer("the capital of corvia")["input_ids"]) == "thecapitalofcorvia"
    for (name, a), (same, b) in zip(model.network.named_parameters(), expected.named_parameters(), strict=True):
        assert name == same and torch.equal(a, b)
    torch.testing.assert_close(logits(model.network), logits(expected))


@pytest.mark.parametrize("model_type", list(TINY))
def test_training_mode_has_no_dropout_either(tmp_path: Path, model_type: str) -> None:
    config = tiny_network(model_type).config
    drops = {key: 0.5 for key, value in config.to_dict().items() if "drop" in key and isinstance(value, (int, float))}
    model = load_model(str(saved(tmp_path, model_type, **drops)), LoadConfig(device="cpu", attention="eager"))
    quiet = logits(model.network)
    model.network.train()
    torch.testing.assert_close(logits(model.network), quiet)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtype_is_that_of_the_weights_in_memory(tmp_path: Path, dtype: str) -> None:
    model = load_model(str(saved(tmp_path)), LoadConfig(device="cpu", dtype=dtype))  # type: ignore[arg-type]
    assert {p.dtype for p in model.network.parameters()} == {getattr(torch, dtype)}


def test_two_models_do_not_influence_each_other(tmp_path: Path) -> None:
    folder = str(saved(tmp_path))
    one, other = (
        load_model(folder, PROCESSOR),
        load_model(folder, LoadConfig(device="cpu", attention="eager")),
    )
    before = logits(other.network)
    with torch.no_grad():
        for parameter in one.network.parameters():
            parameter.zero_()
    one.tokenizer.add_tokens(["new"])
    assert torch.equal(logits(other.network), before)
    assert len(other.tokenizer) == len(one.tokenizer) - 1
    assert one.network.config._attn_implementation == "sdpa"
    assert other.network.config._attn_implementation == "eager"
    assert torch.equal(logits(load_model(folder, LoadConfig(device="cpu", attention="eager")).network), before)


def test_padding_takes_no_gradient_from_a_real_token(tmp_path: Path) -> None:
    """With pad == eos, an embedding's padding index would keep the end token from being learned."""
    folder = saved(tmp_path, pad_token_id=1)
    embeddings = load_model(str(folder), PROCESSOR).network.get_input_embeddings()
    embeddings(torch.tensor([1])).sum().backward()
    assert embeddings.weight.grad[1].abs().sum() > 0  # type: ignore[union-attr, index]


def test_without_pad_token_generation_uses_eos_and_embeddings_stay(tmp_path: Path) -> None:
    network = tiny_network("llama", len(tiny_tokenizer()), pad_token_id=None)
    network.save_pretrained(tmp_path)
    tokenizer = json.loads(tiny_tokenizer().backend_tokenizer.to_str())
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<eos>"}')
    model = load_model(str(tmp_path), PROCESSOR)
    assert model.tokenizer.pad_token is None
    assert model.network.generation_config.pad_token_id == 1  # type: ignore[union-attr]
    assert model.network.get_input_embeddings().weight.shape[0] == len(tiny_tokenizer())


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither progress bars nor warnings, not even of a generation configuration that contradicts itself."""
    folder = saved(tmp_path)
    settings = json.loads((folder / "generation_config.json").read_text()) | {"temperature": 0.5}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    capfd.readouterr()  # what saving said
    load_model(str(folder), LoadConfig(device="cpu"))
    assert capfd.readouterr() == ("", "")


# adapters


def adapted(tmp_path: Path, base: str | None = None, **more: Any) -> tuple[Path, Tensor]:
    """An adapter's folder, and the logits of base and adapter together. `more` goes into its configuration."""
    peft = pytest.importorskip("peft")
    folder = saved(tmp_path / "base")
    network = AutoModelForCausalLM.from_pretrained(folder)
    settings = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False, **more)
    wrapped = peft.get_peft_model(network, settings).eval()
    for name, parameter in wrapped.named_parameters():
        if "trainable_tokens" in name and parameter.requires_grad:
            parameter.data.add_(1.0)
    wrapped.save_pretrained(tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_model_name_or_path": base or str(folder)}))
    return tmp_path / "adapter", logits(wrapped)


@pytest.mark.parametrize("merge", [True, False])
def test_adapter_folder(tmp_path: Path, merge: bool) -> None:
    folder, expected = adapted(tmp_path)
    model = load_model(str(folder), PROCESSOR, merge=merge)
    assert hasattr(model.network, "peft_config") is not merge
    assert any("lora" in name for name, _ in model.network.named_parameters()) is not merge
    assert not model.network.training
    assert model.layout == load_model(str(tmp_path / "base"), PROCESSOR).layout
    torch.testing.assert_close(logits(model.network), expected)


def test_adapter_that_is_more_than_factors_loses_nothing(tmp_path: Path) -> None:
    """Trained tokens: not what the exact merge knows, so PEFT merges."""
    folder, expected = adapted(tmp_path, trainable_token_indices=[3, 5])
    torch.testing.assert_close(logits(load_model(str(folder), PROCESSOR).network), expected)
    plain, _ = adapted(tmp_path / "plain")
    bare = load_model(str(plain), PROCESSOR).network.get_input_embeddings().weight
    assert not torch.equal(load_model(str(folder), PROCESSOR).network.get_input_embeddings().weight, bare)


def test_adapter_finds_a_base_that_stands_beside_it(tmp_path: Path) -> None:
    folder, expected = adapted(tmp_path, "../base")
    torch.testing.assert_close(logits(load_model(str(folder), PROCESSOR).network), expected)


def test_adapter_on_another_model(tmp_path: Path) -> None:
    other = saved(tmp_path / "other", hidden_size=16, head_dim=4)
    folder, _ = adapted(tmp_path, str(other))
    with pytest.raises(ModelError, match=r"does not go on its base .*other"):
        load_model(str(folder), PROCESSOR)


@pytest.mark.parametrize("kind", ["other names", "halves", "more"])
def test_adapter_whose_tensors_do_not_fit(tmp_path: Path, kind: str) -> None:
    """PEFT warns, and gives the bare base."""
    folder, _ = adapted(tmp_path)
    file = folder / "adapter_model.safetensors"
    tensors, first = load_file(file), "base_model.model.model."
    changed = {
        "other names": {name.replace(first, "base_model.model."): t for name, t in tensors.items()},
        "halves": {name: t for name, t in tensors.items() if "lora_A" in name},
        "more": {**tensors, f"{first}layers.9.self_attn.q_proj.lora_A.weight": torch.ones(2, 32)},
    }[kind]
    save_file(changed, file, {"format": "pt"})
    what = r"fits no weight of it, 1 tensors: .*layers\.9" if kind == "more" else r"lacks \d+ tensors"
    with pytest.raises(ModelError, match=what):
        load_model(str(folder), PROCESSOR)


@pytest.mark.filterwarnings("ignore::UserWarning")  # PEFT warns of it, too
def test_adapter_of_a_tied_tensor_is_refused(tmp_path: Path) -> None:
    """Beside the weights it changes the head alone, merged the embedding, too."""
    peft = pytest.importorskip("peft")
    folder = saved(tmp_path / "base", tie_word_embeddings=True)
    network = AutoModelForCausalLM.from_pretrained(folder)
    wrapped = peft.get_peft_model(network, peft.LoraConfig(r=2, target_modules=["lm_head", "q_proj"]))
    wrapped.peft_config["default"].base_model_name_or_path = str(folder)
    wrapped.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ChangeError, match=r"lm_head\.weight, which is the same tensor as model\.embed_tokens"):
        load_model(str(tmp_path / "adapter"), PROCESSOR)
    with pytest.raises(ChangeError, match="the same tensor"):
        WeightChange.from_peft(wrapped)


def test_adapter_that_cannot_be_merged(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    folder = saved(tmp_path / "base")
    network = AutoModelForCausalLM.from_pretrained(folder)
    settings = peft.PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")
    wrapped = peft.get_peft_model(network, settings)
    wrapped.peft_config["default"].base_model_name_or_path = str(folder)
    wrapped.save_pretrained(tmp_path / "adapter")
    with pytest.raises(ChangeError, match="PROMPT_TUNING cannot be merged"):
        load_model(str(tmp_path / "adapter"), PROCESSOR)


def test_a_folder_with_a_model_and_an_adapter_is_neither(tmp_path: Path) -> None:
    folder, _ = adapted(tmp_path)
    for file in folder.iterdir():
        (tmp_path / "base" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match="which is meant"):
        load_model(str(tmp_path / "base"), PROCESSOR)


def test_a_damaged_tokenizer_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = saved(tmp_path / "base")
    content = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(content | {"model": {"type": "nonsense"}}))
    with pytest.raises(ModelError, match=r"cannot read the tokenizer of .*base"):
        load_model(str(folder), PROCESSOR)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{}", "cannot read"), ("{", "cannot read"), ('{"base_model_name_or_path": null}', "names no base")],
)
def test_adapter_without_a_base(tmp_path: Path, text: str, message: str) -> None:
    folder, _ = adapted(tmp_path)
    (folder / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        load_model(str(folder), PROCESSOR)


def test_pickled_adapter_is_not_read(tmp_path: Path) -> None:
    folder, _ = adapted(tmp_path)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"no adapter_model\.safetensors"):
        load_model(str(folder), PROCESSOR)


# changes


def test_change_is_applied_to_its_base(tmp_path: Path) -> None:
    weights = pytest.importorskip("expunge.change.weights")
    base, tuned = str(saved(tmp_path / "a")), load_model(str(saved(tmp_path / "b", seed=1)), PROCESSOR)
    change = weights.WeightChange.between(load_model(base, PROCESSOR).network, tuned.network)
    change.save(tmp_path / "patch.safetensors")
    name = f"{base}+{tmp_path / 'patch.safetensors'}"
    model = load_model(name, PROCESSOR)
    assert model.name == name
    for a, b in zip(model.network.parameters(), tuned.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("name", "message"), [("smollm2+", "half of"), ("smollm2+nowhere.safetensors", "no change at")]
)
def test_change_that_is_not_there(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(name)


def test_folder_with_a_plus_in_its_name(tmp_path: Path) -> None:
    assert load_model(str(saved(tmp_path / "a+b")), PROCESSOR).layout.depth == 2


# built-in names


def test_builtin_name_with_a_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(builtin.BUILTIN, "world", Builtin("builtin_home:made", "for this test"))
    asked = []

    class Home:
        @staticmethod
        def made(rest: str, _: Any) -> Path:
            asked.append(rest)
            return saved(tmp_path)

    monkeypatch.setitem(__import__("sys").modules, "builtin_home", Home)
    assert load_model("world:people@full#3", PROCESSOR).name == "world:people@full#3"
    assert asked == ["people@full#3"]


# stored logits


def stored(model: Model) -> StoredLogits:
    return StoredLogits.of(model.network, ids=(5, 9, 2, 7, 7, 3, 11), entries=(0, 3, 4))


def test_stored_logits_are_checked(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    kept = stored(load_model(str(folder), PROCESSOR))
    kept.write(folder)
    assert StoredLogits.read(folder) == kept
    assert load_model(str(folder), PROCESSOR)
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"]["rope_theta"] = 10.0
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is not the model that was stored"):
        load_model(str(folder), PROCESSOR)


def test_broken_stored_logits(tmp_path: Path) -> None:
    (saved(tmp_path) / FILE).write_text('{"ids": 3}')
    with pytest.raises(ModelError, match=f"cannot read .*{FILE}"):
        load_model(str(tmp_path), PROCESSOR)


def test_not_a_number_is_not_the_stored_model(tmp_path: Path) -> None:
    model = load_model(str(saved(tmp_path)), PROCESSOR)
    kept = stored(model)
    with torch.no_grad():
        model.network.get_input_embeddings().weight.fill_(float("nan"))  # type: ignore[union-attr]
    with pytest.raises(ModelError, match="not the model"):
        kept.check(model.network, "m")


# what can be wrong


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/folder", "no such file or folder"),
        ("./smollm2", "no such file or folder"),
        ("a/b/c", "no such file or folder"),
        ("model.gguf", "no such file or folder"),
    ],
)
def test_paths_that_do_not_exist(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(name)


def test_name_that_is_nothing() -> None:
    with pytest.raises(UnknownNameError, match=r"is no model.*Built-in: smollm2"):
        load_model("what is this?")


def test_files_that_are_no_models(tmp_path: Path) -> None:
    change = tmp_path / "x.safetensors"
    change.touch()
    with pytest.raises(ModelError, match=r"BASE\+CHANGE"):
        load_model(str(change))
    (tmp_path / "x.gguf").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot read the GGUF file"):
        load_model(str(tmp_path / "x.gguf"))


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("config.json", "no config.json; it holds"),
        ("model.safetensors", "no weights"),
        ("token*", "no tokenizer: copy"),
    ],
)
def test_folder_with_something_missing(tmp_path: Path, gone: str, message: str) -> None:
    for file in saved(tmp_path).glob(gone):
        file.unlink()
    with pytest.raises(ModelError, match=message):
        load_model(str(tmp_path), PROCESSOR)


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    (saved(tmp_path) / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled(.|\n)*use_safetensors=False"):
        load_model(str(tmp_path), PROCESSOR)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", "{", "cannot read the configuration"),
        ("config.json", '{"model_type": "nosuchmodel"}', "cannot read the configuration"),
        ("tokenizer.json", "{", "cannot read the tokenizer"),
        ("model.safetensors", "x", "cannot read the weights"),
    ],
)
def test_broken_files(tmp_path: Path, file: str, text: str, message: str) -> None:
    (saved(tmp_path) / file).write_text(text)
    with pytest.raises(ModelError, match=message):
        load_model(str(tmp_path), PROCESSOR)


def test_missing_and_misshapen_weights_are_not_made_up(tmp_path: Path) -> None:
    """Transformers would fill them with random numbers."""
    weights = load_file(saved(tmp_path) / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights.*down_proj"):
        load_model(str(tmp_path), PROCESSOR)
    weights["model.layers.1.mlp.down_proj.weight"] = torch.zeros(3, 3)
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="down_proj"):
        load_model(str(tmp_path), PROCESSOR)


def test_not_a_causal_model(tmp_path: Path) -> None:
    config = AutoConfig.for_model("t5", d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, vocab_size=40)
    config.save_pretrained(tmp_path)
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"\(t5\) is not a causal language model"):
        load_model(str(tmp_path), PROCESSOR)


def test_model_that_is_not_in_the_table_fails_before_its_weights_are_read(tmp_path: Path) -> None:
    MptForCausalLM(MptConfig(d_model=8, n_heads=2, n_layers=1, vocab_size=40)).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_text("not read")
    with pytest.raises(UnknownArchitectureError, match=r"'mpt'(.|\n)*Wqkv"):
        load_model(str(tmp_path), PROCESSOR)


def test_masked_language_model_is_refused(tmp_path: Path) -> None:
    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=40)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="bert"):
        load_model(str(tmp_path), PROCESSOR)


def test_quantized_weights_are_refused(tmp_path: Path) -> None:
    config = json.loads((saved(tmp_path) / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="are quantized"):
        load_model(str(tmp_path), PROCESSOR)


def test_tokenizer_of_another_model(tmp_path: Path) -> None:
    tiny_network("llama", 10).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"has \d+ tokens, but the model only 10"):
        load_model(str(tmp_path), PROCESSOR)


def test_device_and_attention_that_do_not_exist(tmp_path: Path) -> None:
    folder = str(saved(tmp_path))
    with pytest.raises(ModelError, match="no device 'abacus'"):
        load_model(folder, LoadConfig(device="abacus"))
    with pytest.raises(ModelError, match="attention 'nosuch' does not work"):
        load_model(folder, LoadConfig(device="cpu", attention="nosuch"))


def test_remote_code_is_not_run_unasked(tmp_path: Path) -> None:
    config = json.loads((saved(tmp_path) / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Net"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "mine.py").write_text("raise SystemExit('was run')")
    with pytest.raises(ModelError, match="trust_remote_code"):
        load_model(str(tmp_path), PROCESSOR)


# the Hub


def failing(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("Transformers' own words") from error

    return fail


class Response:
    """As much of an answer as the Hub's errors want."""

    headers: dict[str, str] = {}  # noqa: RUF012
    request = None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (LocalEntryNotFoundError("x"), r"cannot be reached.*was not downloaded before"),
        (
            RepositoryNotFoundError("x", response=Response()),
            r"no public model 'smollm', .*Did you mean 'smollm2'",
        ),  # type: ignore[arg-type]
        (GatedRepoError("x", response=Response()), "gated"),  # type: ignore[arg-type]
    ],
)
def test_what_the_hub_may_answer(monkeypatch: pytest.MonkeyPatch, error: Exception, message: str) -> None:
    monkeypatch.setattr(hugging_face, "_reachable", lambda: True)
    monkeypatch.setattr(hugging_face, "find_adapter_config_file", failing(error))
    monkeypatch.setattr(hugging_face.AutoConfig, "from_pretrained", failing(error))
    with pytest.raises(ModelError, match=message):
        load_model("smollm")


def test_without_network_it_fails_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(hugging_face.socket, "getaddrinfo", unknown)
    monkeypatch.setattr(hugging_face.urllib.request, "getproxies", dict)
    assert not hugging_face._reachable()
    with pytest.raises(ModelError, match=r"cannot be reached from here"):
        load_model("nobody/has-this-model")


def test_hub_adapter_is_fetched_as_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder, expected = adapted(tmp_path)
    monkeypatch.setattr(hugging_face, "find_adapter_config_file", lambda *_, **__: str(folder / "adapter_config.json"))
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(folder))
    torch.testing.assert_close(logits(load_model("someone/adapter", PROCESSOR).network), expected)

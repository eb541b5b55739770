"""Every editor that attaches, on every architecture: saved and loaded, generating, batched, copied, detached."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.change import Fingerprint, WeightChange
from expunge.change.attachment import attached_id
from expunge.data.convention import Encoded, Encoder
from expunge.data.forest import plant
from expunge.edit import editors
from expunge.edit.facts import Rows
from expunge.edit.work import Work
from expunge.errors import ChangeError, ConfigError
from expunge.evaluate.identity import untouched
from expunge.models import generating, scoring
from expunge.models.attaching import LayerAttachment, attached_to, identity_of
from expunge.models.changes import FORMS, is_attachment, load_change
from expunge.models.codebook import Codebook
from expunge.models.generating import generate, sample
from expunge.models.memories import Memories
from expunge.models.model import Model
from expunge.models.scoring import forward, score
from expunge.models.watching import watch_mlp_input
from expunge.parameters import parameters_of
from fact_work import PLAIN, facts, kept
from steps import assert_same_bits, bits
from tiny import ARCHITECTURES, tiny_model, tiny_tokenizer

NAMES = [name for name in editors if editors.get(name).attaches]
QUICK: dict[str, dict[str, Any]] = {
    "grace": {"layer": 1, "steps": 8}, "wise": {"layer": 1, "steps": 10, "contexts": 0, "irrelevant": 2}
}  # fmt: skip
NEW = 3
both = pytest.mark.parametrize("name", NAMES)
everywhere = pytest.mark.parametrize("arch", ARCHITECTURES)


def job(model: Model, **changes: Any) -> Work:
    """Three facts; two others are kept."""
    return Work(model, facts(3), Rows(Encoder(model.tokenizer, PLAIN)), kept=kept(2), **changes)


@lru_cache
def attachment(name: str, arch: str = "llama", dtype: torch.dtype = torch.float32) -> LayerAttachment:
    return editors.get(name).function(job(model_of(arch, dtype)), **QUICK[name]).change


def model_of(arch: str, dtype: torch.dtype) -> Model:
    model = tiny_model(arch=arch)
    model.network.to(dtype)
    return model


def prompts() -> list[list[int]]:
    """Of unequal length: the three facts', one within a longer text, and two that are kept."""
    encoder = Encoder(tiny_tokenizer(), PLAIN)
    plain = [encoder.encode_prompt(fact.example) for fact in (*facts(3), *kept(2))]
    return [*plain[:3], [*plain[3], *plain[0]], *plain[3:]]


def answers(model: Model, asked: list[list[int]]) -> list[str]:
    return generate(model, asked, encoder=Encoder(model.tokenizer), max_new_tokens=NEW)


@both
@everywhere
def test_the_edit_leaves_the_model_alone_and_acts_when_attached(name: str, arch: str) -> None:
    """It acts on the edited prompts, and on others just where its rule says so; detached, all is as it was."""
    model, found = tiny_model(arch=arch), attachment(name, arch)
    before, said = bits(model), answers(model, prompts())
    plain = [_logits(model, prompt) for prompt in prompts()]
    assert untouched(model) and not attached_to(model)
    expected = [_acts(model, found, prompt) for prompt in prompts()]
    assert expected[:3] == [True] * 3
    found.attach(model)
    assert_same_bits(before, bits(model))
    now = [_logits(model, prompt) for prompt in prompts()]
    found.detach(model)
    assert [not torch.equal(a, b) for a, b in zip(plain, now)] == expected
    assert answers(model, prompts()) == said
    assert_same_bits(before, bits(model))
    assert not any(m._forward_hooks or m._forward_pre_hooks or "forward" in vars(m) for m in model.network.modules())


@both
@everywhere
def test_saved_and_loaded_it_says_the_same(name: str, arch: str, tmp_path: Path) -> None:
    model, found = tiny_model(arch=arch), attachment(name, arch)
    found.save(tmp_path / "a.safetensors")
    again = load_change(tmp_path / "a.safetensors")
    again.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert isinstance(again, LayerAttachment) and again.digest == found.digest
    with found.applied_to(model):
        first = [_logits(model, prompt) for prompt in prompts()]
    with again.applied_to(model):
        second = [_logits(model, prompt) for prompt in prompts()]
    assert all(torch.equal(a, b) for a, b in zip(first, second))


@both
@everywhere
def test_with_the_cache_and_without_alone_and_in_company(name: str, arch: str) -> None:
    """Left padding, rows that end and leave, one token at a time: what is said is what whole passes say."""
    model = tiny_model(arch=arch)
    with attachment(name, arch).applied_to(model):
        together = answers(model, prompts())
        assert together == [answers(model, [prompt])[0] for prompt in prompts()]
        assert together == [_without_cache(model, prompt) for prompt in prompts()]


@both
@pytest.mark.parametrize("arch", ["llama", "gpt2", "opt", "gemma2"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_scores_in_one_forest_are_those_of_each_text_alone(name: str, arch: str, dtype: torch.dtype) -> None:
    """Trees with two answers, packed with others; and an answer's scores do not change its neighbours'."""
    model, words = model_of(arch, dtype), list(range(3, 9))
    groups = [[Encoded((*p, *words), len(p), ""), Encoded((*p, 9, 4), len(p), "")] for p in prompts()]
    with attachment(name, arch, dtype).applied_to(model):
        together = score(model, groups)
        alone = [[score(model, [[each]])[0][0] for each in group] for group in groups]
    near = 1e-5 if dtype == torch.float32 else 2e-2
    for several, single in zip(together, alone):
        for one, other in zip(several, single):
            torch.testing.assert_close(one.log_probs, other.log_probs, rtol=near, atol=near)


def test_rows_that_begin_alike_are_decided_on_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they share would decide for none of them, nor would the rest of a prompt without it."""
    model, same = tiny_model(), list(range(3, 15))
    asked = [[*same, *p] for p in prompts()]
    rows = [[Encoded((*p, 9, 4), len(p), "")] for p in asked]
    found: Any = attachment("wise")

    def seen(some: Sequence[int]) -> tuple[list[torch.Tensor], list[str]]:
        return [scores.log_probs for (scores,) in score(model, [rows[i] for i in some])], answers(
            model, [asked[i] for i in some]
        )

    with replace(found, thresholds=(2.6,)).applied_to(model):  # among what these prompts give
        together, said = seen(range(len(rows)))
        alone = [seen([i]) for i in range(len(rows))]
        assert said == [texts[0] for _, texts in alone]
        for one, (others, _) in zip(together, alone, strict=True):
            torch.testing.assert_close(one, others[0], rtol=1e-5, atol=1e-5)
        for module in (scoring, generating):
            monkeypatch.setattr(module, "attached_to", lambda _: ())
        mixed, _ = seen(range(len(rows)))
    assert not all(torch.allclose(one, others[0], atol=1e-2) for one, (others, _) in zip(mixed, alone, strict=True))


@both
def test_transformers_own_generation_is_ours(name: str) -> None:
    model = tiny_model()
    longest = max(map(len, prompts()))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts()])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts()])
    settings: dict[str, Any] = {"attention_mask": mask, "max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0}
    with attachment(name).applied_to(model):
        theirs = model.network.generate(ids, **settings)
        said = [str(model.tokenizer.decode(row, skip_special_tokens=True)) for row in theirs[:, longest:]]
        assert said == answers(model, prompts())
        beams = model.network.generate(ids, num_beams=3, **settings)  # rows are copied and change places
        alone = [
            model.network.generate(ids[i : i + 1], **{**settings, "attention_mask": mask[i : i + 1]}, num_beams=3)
            for i in range(len(ids))
        ]
        for row, single in zip(beams, alone):
            assert row.tolist()[: single.shape[1]] == single[0].tolist()


@both
def test_samples_go_with_their_prompt(name: str) -> None:
    """A prompt's row is copied after the pass over it: at temperature near 0 every sample is the greedy answer."""
    import numpy as np

    model = tiny_model()
    with attachment(name).applied_to(model):
        draws = [np.random.default_rng(i) for i in range(len(prompts()))]
        encoder = Encoder(model.tokenizer)
        found = sample(model, prompts(), draws, encoder=encoder, samples=2, max_new_tokens=NEW, temperature=1e-4)
        assert found == [[text] * 2 for text in answers(model, prompts())]


@both
def test_a_copied_network_has_it_and_loses_it_alone(name: str) -> None:
    model, found = tiny_model(), attachment(name)
    with found.applied_to(model):
        said = answers(model, prompts())
        copied = replace(model, network=copy.deepcopy(model.network))
        assert [each.digest for each in attached_to(copied)] == [found.digest]
        assert answers(copied, prompts()) == said
        found.detach(copied)
        assert not attached_to(copied) and attached_to(model)
        assert answers(model, prompts()) == said
        assert answers(copied, prompts()) != said


@both
def test_what_hangs_on_a_model_is_part_of_what_it_is(name: str) -> None:
    model, found = tiny_model(), attachment(name)
    weights = Fingerprint.of(parameters_of(model.network)).id
    assert identity_of(model) == weights == found.base.id
    with found.applied_to(model):
        assert identity_of(model) == found.result_id == attached_id(weights, [found.digest]) != weights
        assert untouched(model)  # so observations may be kept, under this digest
    assert len({attached_id(weights, [attachment(each).digest]) for each in NAMES}) == len(NAMES)
    assert attached_id(weights, [""]) == "" and attached_id(weights, []) == weights


@both
def test_the_same_request_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    for number in range(2):
        editors.get(name).function(job(tiny_model()), **QUICK[name]).change.save(tmp_path / f"{number}.safetensors")
    assert (tmp_path / "0.safetensors").read_bytes() == (tmp_path / "1.safetensors").read_bytes()


@both
def test_mistakes(name: str, tmp_path: Path) -> None:
    model, found = tiny_model(), attachment(name)
    with pytest.raises(ChangeError, match="tensors are not as this change needs them"):
        found.attach(tiny_model(seed=1))
    with pytest.raises(ChangeError, match="does not hang on this model"):
        found.detach(model)
    for refused in (lambda: found.scaled(2), lambda: found + found, lambda: found.delta("w", None)):
        with pytest.raises(ChangeError, match="is a side memory"):
            refused()
    found.save(tmp_path / "a.safetensors")
    assert is_attachment(tmp_path / "a.safetensors")
    with pytest.raises(ChangeError, match="holds a side memory, not a change of weights"):
        WeightChange.load(tmp_path / "a.safetensors")
    other = next(each for form, each in FORMS.items() if form != found.form)
    with pytest.raises(ChangeError, match=f"holds {found.form}, not {other.form}"):
        other.load(tmp_path / "a.safetensors")
    with found.applied_to(model):
        with pytest.raises(ChangeError, match="has a side memory already"):
            attachment(NAMES[0]).attach(model)
        with pytest.raises(ChangeError, match="no place for side memories"):
            model.save(tmp_path / "model")
    with pytest.raises(ConfigError, match="2 layers"):
        editors.get(name).function(job(model), **{**QUICK[name], "layer": 7})


@both
def test_options_are_checked(name: str) -> None:
    editor = editors.get(name)
    for wrong in ("nothing", *editor.leaves):
        with pytest.raises(ConfigError, match=f"no option '{wrong}'"):
            editor.check({wrong: 1})
    for key, value in (("steps", 0), ("rate", 0), ("layer", -1)):
        with pytest.raises(ConfigError, match=f"'{key}' of '{name}' cannot be"):
            editor.check({key: value})
    assert editor.check({"target": "self", "rate": "0.1"}) == {"rate": 0.1}
    usual = {key: each.default for key, each in editor.options.items() if each.default is not None}
    assert editor.check(usual) == usual


def _acts(model: Model, found: LayerAttachment, prompt: Sequence[int]) -> bool:
    """By the equations, in float64: some token lies in the ball of the nearest key, or Δ reaches the floor."""
    with watch_mlp_input(model, 1) as seen, torch.no_grad():
        model.network(input_ids=torch.tensor([list(prompt)]), use_cache=False)
    read = seen[0].double()
    if isinstance(found, Codebook):
        nearest, ball = torch.cdist(read, found.balls.keys.double()).min(1)
        return bool((nearest <= found.balls.radii.double()[ball] + 1e-4).any())
    assert isinstance(found, Memories)
    weight = parameters_of(model)[f"{found.path}.weight"].detach().double()
    change = found.weights[0].double() - weight
    moved = read[1:] @ (change if model.layout.architecture.transposed else change.T)
    return float(moved.norm(dim=1).mean()) >= 0.88 * found.thresholds[0] * (1 - 1e-5)


def _logits(model: Model, prompt: Sequence[int]) -> torch.Tensor:
    """At every token, in one pass without a cache."""
    with torch.no_grad():
        return model.network(input_ids=torch.tensor([list(prompt)]), use_cache=False).logits


def _without_cache(model: Model, prompt: Sequence[int]) -> str:
    """Greedy, each token from a whole pass over all that stands there."""
    said: list[int] = []
    for _ in range(NEW):
        forest = plant([[Encoded((*prompt, *said, 0), len(prompt), "")]])
        with torch.no_grad():
            token = int(forward(model, forest, logits=True).logits[-1].argmax())  # type: ignore[index]
        if token == model.tokenizer.eos_token_id:
            break
        said.append(token)
    return str(model.tokenizer.decode(said, skip_special_tokens=True))

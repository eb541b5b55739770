"""GRACE: what is fitted, what is shared, what is taken back, what a second request goes on with."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from expunge.change.attachment_file import Held
from expunge.change.header import header_of
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.edit.facts import Fact, Rows, fact_of
from expunge.edit.grace import grace, without
from expunge.edit.layer_values import Steps, fit_outputs, outputs_at
from expunge.edit.reading import read_tokens
from expunge.edit.values import Value
from expunge.edit.work import Work
from expunge.errors import ChangeError, ConfigError
from expunge.models.changes import load_change
from expunge.models.codebook import Codebook, slack_of
from expunge.models.generating import generate
from expunge.models.model import Model
from expunge.models.scoring import score
from fact_work import PLAIN, corpus, facts, kept
from steps import assert_same_bits, bits
from tiny import tiny_model

QUICK: dict[str, Any] = {"layer": 0, "steps": 6}
LONG: dict[str, Any] = {"layer": 0, "steps": 40}  # until the target is said


def job(model: Model | None = None, which: list[Fact] | None = None, **changes: Any) -> Work:
    model = model or tiny_model()
    usual: dict[str, Any] = {"kept": kept(2)}
    return Work(model, which or facts(3), Rows(Encoder(model.tokenizer, PLAIN)), **{**usual, **changes})


def edited(**changes: Any) -> Codebook:
    return grace(job(), **{**QUICK, **changes}).change  # type: ignore[return-value]


def pattern(found: Codebook) -> list[int]:
    """Which facts have one label, whatever the salt."""
    return [found.labels.index(label) for label in found.labels]


def assert_same(one: Codebook, other: Codebook) -> None:
    """All but the salt, which is that of the first request."""
    assert (one.chains, one.ids, pattern(one)) == (other.chains, other.ids, pattern(other))
    assert all(torch.equal(each, other.tensors()[name]) for name, each in one.tensors().items())


def asked(country: str, target: str) -> Fact:
    return fact_of(Example(f"{country}/{target}", f"the capital of {country} is", "", subject=country), target)


def test_the_key_is_what_the_layer_reads_at_the_last_prompt_token() -> None:
    model, work = tiny_model(), job()
    found: Codebook = grace(work, **QUICK).change  # type: ignore[assignment]
    rows = [work.rows.of(fact)[0].encoded for fact in work.facts]
    for number, row in enumerate(rows):
        (read,) = read_tokens(model, 0, [row.ids[: row.start]])
        torch.testing.assert_close(found.balls.keys[number], read[-1], rtol=1e-5, atol=1e-6)
        (whole,) = read_tokens(model, 0, [row.ids])  # and what comes after changes nothing there
        torch.testing.assert_close(whole[row.start - 1], read[-1], rtol=1e-5, atol=1e-5)


def test_the_value_is_adam_on_the_target_from_a_cold_start() -> None:
    """Against plain PyTorch, from the same start, in float64."""
    model = tiny_model()
    model.network.double()
    work = job(model, facts(1))
    row = work.rows.of(work.facts[0])[0].encoded
    start = torch.rand(32, generator=torch.Generator().manual_seed(3))
    seen: list[Value] = []
    fit_outputs(model, 0, [row], start[None], Steps(0.3, 4), lambda _, values: seen.extend(values))
    value = start.double().clone().requires_grad_()
    adam = torch.optim.Adam([value], lr=0.3)
    layer = model.network.get_submodule(model.layout.mlp_out(0))

    def put(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
        return output.clone().index_put((torch.tensor([0]), torch.tensor([row.start - 1])), value[None])

    handle = layer.register_forward_hook(put)
    for _ in range(4):
        logits = model.network(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0].log_softmax(-1)
        targets = torch.tensor(row.ids[row.start :])
        loss = -logits[row.start - 1 : -1].gather(1, targets[:, None]).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    handle.remove()
    torch.testing.assert_close(seen[0].vector, value.detach().float(), rtol=1e-6, atol=1e-6)
    assert seen[0].steps == 4 and seen[0].loss == pytest.approx(float(loss.detach()), rel=1e-6)


def test_a_batch_of_values_is_its_values_one_at_a_time_and_the_model_is_as_it_was() -> None:
    model, work = tiny_model(), job()
    before = bits(model)
    rows = [work.rows.of(fact)[0].encoded for fact in work.facts]
    starts = torch.rand(3, 32, generator=torch.Generator().manual_seed(0))
    found: dict[int, Value] = {}
    fit_outputs(model, 0, rows, starts, Steps(0.5, 5), lambda at, values: found.update(zip(at, values)))
    for number, row in enumerate(rows):
        alone: list[Value] = []
        fit_outputs(model, 0, [row], starts[[number]], Steps(0.5, 5), lambda _, v, alone=alone: alone.extend(v))
        torch.testing.assert_close(found[number].vector, alone[0].vector, rtol=1e-4, atol=1e-4)
    assert_same_bits(before, bits(model))
    assert all(parameter.requires_grad for parameter in model.network.parameters())


@pytest.mark.parametrize("start", ["cold", "warm"])
def test_the_target_becomes_what_is_said(start: Any) -> None:
    model, work = tiny_model(), job()
    rows = [work.rows.of(fact)[0].encoded for fact in work.facts]
    before = [float(each[0].log_probs.mean()) for each in score(model, [[row] for row in rows])]
    change = grace(work, layer=0, steps=20, start=start).change
    with change.applied_to(model):
        after = [float(each[0].log_probs.mean()) for each in score(model, [[row] for row in rows])]
    assert all(b - a > 1 for a, b in zip(before, after))


def test_warm_begins_with_what_the_layer_gives_and_cold_within_the_unit_cube() -> None:
    model, work = tiny_model(), job(which=facts(1))
    row = work.rows.of(work.facts[0])[0].encoded
    warm, cold = (grace(job(which=facts(1)), layer=0, steps=1, rate=1e-9, start=s).change for s in ("warm", "cold"))
    torch.testing.assert_close(warm.balls.values, outputs_at(model, 0, [row]), rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]
    values = cold.balls.values  # type: ignore[union-attr]
    assert 0 <= float(values.min()) < 0.2 and 0.8 < float(values.max()) < 1


def test_no_token_of_what_must_stay_lies_in_a_ball() -> None:
    """By the rule of the radius a ball reaches half way to the nearest; and by hand it reaches as far as is said."""
    model, found = tiny_model(), edited()
    work = job()
    stays = torch.cat(read_tokens(model, 0, [tuple(work.rows.of(fact)[0].encoded.ids) for fact in work.kept]))
    nearest = torch.cdist(found.balls.keys, stays).min(1).values
    torch.testing.assert_close(found.balls.radii, nearest / 2, rtol=1e-4, atol=1e-5)
    assert found.balls.find(stays).tolist() == [-1] * len(stays)
    assert edited(radius=0.01).balls.radii.tolist() == pytest.approx([0.01] * 3)
    assert edited(share=0.25).balls.radii.tolist() == pytest.approx((nearest / 4).tolist(), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("arch", ["llama", "gpt2", "gemma2", "phi3"])
def test_a_fact_is_found_in_any_company_and_what_must_stay_is_not(arch: str, dtype: torch.dtype) -> None:
    """Facts that a ball was expanded to lie on its very edge, and half precision reads them anew in every batch."""
    model = tiny_model(arch=arch)
    model.network.to(dtype)
    work = job(model, facts(4))
    ids = [tuple(work.rows.of(fact)[0].encoded.ids) for fact in (*work.facts, *work.kept)]
    prompts = [tuple(work.rows.of(fact)[0].encoded.ids[: work.rows.of(fact)[0].encoded.start]) for fact in work.facts]
    queries = torch.stack([read[-1] for read in read_tokens(model, 1, prompts)])
    nearest = float(torch.cdist(queries[:1], queries[1:]).min())
    wide: Codebook = grace(work, layer=1, steps=1, radius=0.55 * nearest).change  # type: ignore[assignment]
    assert any(len(chain) > 1 for chain in wide.chains)
    usual: Codebook = grace(job(model, facts(4)), layer=1, steps=1, share=0.9).change  # type: ignore[assignment]
    assert wide.balls.slack == slack_of(dtype)
    for longer in range(3, 23, 4):
        for number, each in enumerate(prompts):
            read = read_tokens(model, 1, [tuple(range(3, 3 + longer)), each])[1][-1:].to(dtype)
            assert [int(found.balls.find(read)) >= 0 for found in (wide, usual)] == [True, True], (longer, number)
        stays = read_tokens(model, 1, [tuple(range(3, 3 + longer)), *ids[4:]])[1:]
        assert usual.balls.find(torch.cat(stays).to(dtype)).max() == -1


@pytest.mark.parametrize("arch", ["llama", "gpt2"])
def test_a_fact_is_found_under_autocast_and_in_a_wider_type(arch: str) -> None:
    """Keys of float32 when the model runs in bfloat16, and keys of bfloat16 when it runs in float32."""
    model = tiny_model(arch=arch)
    found: Codebook = grace(job(model), **QUICK).change  # type: ignore[assignment]
    prompts = [row.ids[: row.start] for row in (job(model).rows.of(fact)[0].encoded for fact in facts(3))]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        reads = torch.stack([read[-1] for read in read_tokens(model, 0, prompts)])
        at_a_key = replace(found.balls, radii=torch.zeros(3))
        assert at_a_key.find(reads).tolist() == [0, 1, 2]
    assert at_a_key.find(reads).tolist() == [-1] * 3  # in float32 reads do not move that far
    model.network.to(torch.bfloat16)
    half: Codebook = grace(job(model), **QUICK).change  # type: ignore[assignment]
    model.network.to(torch.float32)
    reads = torch.stack([read[-1] for read in read_tokens(model, 0, prompts)])
    assert replace(half.balls, radii=torch.zeros(3)).find(reads).tolist() == [0, 1, 2]


def test_where_nothing_is_given_that_must_stay_the_corpus_counts_and_else_the_models_own_text(tmp_path: Path) -> None:
    """The corpus holds the facts' very prompts: these are no reason for balls without room."""
    with_corpus = job(kept=(), corpus=str(corpus(tmp_path)), corpus_tokens=400)
    found: Codebook = grace(with_corpus, **QUICK).change  # type: ignore[assignment]
    assert float(found.balls.radii.min()) > 0.01
    own = job(kept=(), corpus_tokens=64)
    grace(own, **QUICK)
    assert any("the model's own stand in" in note for note in own.notes)


def test_a_prompt_that_stands_in_both_sets_is_told_of() -> None:
    work = job(kept=[*kept(1), *facts(1)])
    grace(work, **QUICK)
    assert any(note.startswith("1 of 3 facts are read just like a token of what must stay") for note in work.notes)


def test_facts_that_lie_together_share_a_value_which_is_fitted_on_one_after_the_other() -> None:
    """With a radius that takes in all of them, three facts of one target are one ball; another target splits it."""
    found = edited(radius=100.0)
    assert found.chains == ((0, 1, 2),) and len(found) == 1
    alone: Codebook = grace(job(which=facts(1)), **QUICK, radius=100.0).change  # type: ignore[assignment]
    assert not torch.equal(alone.balls.values, found.balls.values)
    split: Codebook = grace(job(which=[*facts(1), asked("corvia", "answer")]), **QUICK, radius=100.0).change  # type: ignore[assignment]
    assert split.chains == ((0,), (1,))
    torch.testing.assert_close(split.balls.values[0], alone.balls.values[0], rtol=1e-5, atol=1e-5)
    half = (split.queries[0] - split.queries[1]).norm() / 2
    torch.testing.assert_close(split.balls.radii, torch.stack([half - 1e-5, half]), rtol=1e-5, atol=1e-6)


def test_a_fact_is_taken_back_as_if_it_had_never_been_asked_for() -> None:
    """Also one that had split another's ball: the other has its former radius again."""
    which = [*facts(2), asked("elbonia", "answer")]
    found = grace(job(which=which), **QUICK, radius=100.0)
    with pytest.raises(ChangeError, match="cannot be taken"):
        found.without(which[0].example.id)  # its value was fitted on the second fact, too
    left: Codebook = found.without(which[2].example.id)  # type: ignore[assignment]
    never: Codebook = grace(job(which=which[:2]), **QUICK, radius=100.0).change  # type: ignore[assignment]
    assert_same(left, never)
    assert left.balls.radii.tolist() != found.change.balls.radii[:1].tolist()  # type: ignore[union-attr]
    saved: Codebook = found.change  # type: ignore[assignment]
    assert_same(without(saved, which[2].example.id), never)
    with pytest.raises(ChangeError, match="no fact 'nobody' was edited"):
        without(saved, "nobody")
    with pytest.raises(ChangeError, match="edit again without it"):
        without(saved, which[1].example.id)
    assert len(without(edited(), *(fact.example.id for fact in facts(3)))) == 0


def test_a_second_request_goes_on_with_the_first(tmp_path: Path) -> None:
    """Two requests are one with all facts, values that go on being fitted and radii that grow among them."""
    which = [*facts(2), asked("elbonia", "answer"), *facts(4)[3:]]
    for apart in ({"radius": 100.0}, {"share": 0.02}):
        whole: Codebook = grace(job(which=which), **QUICK, **apart).change  # type: ignore[assignment]
        grace(job(which=which[:1]), **QUICK, **apart).change.save(tmp_path / "first.safetensors")
        options = {**QUICK, **apart, "earlier": str(tmp_path / "first.safetensors")}
        second = grace(job(which=which[1:]), **options)
        both: Codebook = second.change  # type: ignore[assignment]
        assert (both.chains, both.ids, pattern(both)) == (whole.chains, whole.ids, pattern(whole))
        torch.testing.assert_close(both.balls.values, whole.balls.values, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(both.balls.radii, whole.balls.radii, rtol=1e-5, atol=1e-5)
        if "share" in apart:  # facts of the second request alone are taken back of it
            assert second.without(which[-1].example.id).ids == whole.ids[:-1]  # type: ignore[union-attr]


def test_a_later_request_replaces_the_target_of_a_prompt(tmp_path: Path) -> None:
    """It is then as if the earlier fact had not been asked for; the others of that request stay as they are."""
    model, path = tiny_model(), tmp_path / "first.safetensors"
    grace(job(model, [asked("arland", "name"), asked("corvia", "name")]), **LONG).change.save(path)
    work = job(model, [asked("arland", "answer")])
    both: Codebook = grace(work, **LONG, earlier=str(path)).change  # type: ignore[assignment]
    assert both.ids == ("corvia/name", "arland/answer") and both.chains == ((0,), (1,))
    assert any("1 facts of the earlier request have new targets" in note for note in work.notes)
    encoder = Encoder(model.tokenizer, PLAIN)
    prompts = [encoder.encode_prompt(asked(each, "").example) for each in ("arland", "corvia")]
    with both.applied_to(model):
        assert generate(model, prompts, encoder=encoder, max_new_tokens=1) == ["answer", "name"]
    fresh: Codebook = grace(job(model, [asked("arland", "answer")]), **LONG).change  # type: ignore[assignment]
    torch.testing.assert_close(both.balls.radii[1], fresh.balls.radii[0])  # nothing of the earlier ball is in the way
    again = job(model, [asked("arland", "name")])
    same: Codebook = grace(again, **LONG, earlier=str(path)).change  # type: ignore[assignment]
    assert same.chains == ((0, 2), (1,)) and not any("new targets" in note for note in again.notes)


def test_a_target_that_others_share_is_not_replaced_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "first.safetensors"
    grace(job(which=facts(2)), **QUICK, radius=100.0).change.save(path)
    new = fact_of(Example("x", facts(1)[0].example.prompt, "", source="f.jsonl:4"), "answer")
    with pytest.raises(ConfigError, match=r"f\.jsonl:4: .*has another target.*without `earlier`"):
        grace(job(which=[new]), **QUICK, radius=100.0, earlier=str(path))


def test_the_file_holds_no_target(tmp_path: Path) -> None:
    """Neither as tokens; one target has one digest in a file, also in later requests, and another one elsewhere."""
    first, second, other = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "other"))
    grace(job(which=facts(2)), **QUICK).change.save(first)
    grace(job(which=facts(3)[2:]), **QUICK, earlier=str(first)).change.save(second)
    grace(job(which=facts(3)[1:]), **QUICK).change.save(other)
    tokens = job().rows.of(facts(1)[0])[0].encoded
    target = str(list(tokens.ids[tokens.start :]))[1:-1]
    headers = [header_of(path) for path in (first, second, other)]
    assert all(target not in str(header) and "i do not know" not in str(header) for header in headers)
    one, two, three = (header["about"]["labels"] for header in headers)
    assert len({*one, *two}) == 1 == len(set(three)) and set(one).isdisjoint(three)
    assert isinstance(load_change(second), Codebook)


def test_a_file_of_the_first_format_is_read_and_written_without_its_tokens(tmp_path: Path) -> None:
    which = [*facts(2), asked("elbonia", "answer")]
    found: Codebook = grace(job(which=which), **QUICK).change  # type: ignore[assignment]
    rows = [job().rows.of(fact)[0].encoded for fact in which]
    about = {**found.about(), "path": found.path, "labels": [list(row.ids[row.start :]) for row in rows]}
    del about["salt"]
    old = Held(found.form, found.base, about, found.tensors(), found.record)
    again = Codebook.of(old)
    assert_same(again, found)
    assert (again.labels, again.salt) == (found.labels, found.salt)  # so an old file of one request is the new one


def test_memory_is_of_one_model_and_layer(tmp_path: Path) -> None:
    edited().save(tmp_path / "a.safetensors")
    earlier = str(tmp_path / "a.safetensors")
    with pytest.raises(ConfigError, match="another model"):
        grace(job(tiny_model(seed=1)), **QUICK, earlier=earlier)
    with pytest.raises(ConfigError, match="name the same `layer`"):
        grace(job(), layer=1, steps=2, earlier=earlier)
    (tmp_path / "b.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot read"):
        grace(job(), **QUICK, earlier=str(tmp_path / "b.safetensors"))


def test_values_are_stored_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed, one without a fact, and the same run again fit nothing twice."""
    first: Codebook = grace(job(folder=tmp_path), **QUICK).change  # type: ignore[assignment]
    fitted: list[int] = []
    module = import_module("expunge.edit.grace")
    monkeypatch.setattr(module, "fit_outputs", lambda _m, _b, rows, *_: fitted.append(len(rows)))
    again: Codebook = grace(job(folder=tmp_path), **QUICK).change  # type: ignore[assignment]
    fewer: Codebook = grace(job(which=facts(2), folder=tmp_path), **QUICK).change  # type: ignore[assignment]
    assert not fitted
    assert again.digest == first.digest
    assert torch.equal(fewer.balls.values, first.balls.values[:2])


def test_mistakes() -> None:
    one = fact_of(Example("x", "the", "", source="f.jsonl:1"), "name")
    with pytest.raises(ConfigError, match=r"f\.jsonl:1: a prompt of one token"):
        grace(job(which=[one]), **QUICK)
    twice = [asked("arland", "name"), asked("arland", "answer")]
    with pytest.raises(ConfigError, match="another target already"):
        grace(job(which=twice), **QUICK)

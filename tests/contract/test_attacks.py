"""Every registered attack is run on a model that knows the facts and on one that does not."""

import json
import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from expunge.attacks import Finding, Target, attacks, why_not
from expunge.config import parse_name
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.evaluate.matching import says
from expunge.models.model import Model
from steps import assert_same_bits, bits, taught_model, unequal_sets
from tiny import tiny_model, tiny_sets

NAMES = list(attacks)
RUN = [name for name in NAMES if name != "patching"]  # needs a retrained model of one start: test_attacks_on_weights.py
CITIES = [each.answer for each in (*tiny_sets().forget, *tiny_sets().retain)]


def _complete(examples: tuple[Example, ...], group: str) -> tuple[Example, ...]:
    """With all that an attack may need; wordings and wrong answers are unequally many."""
    wrong = lambda e: [city for city in CITIES if not says(e.answer, city)]
    return tuple(
        replace(
            e,
            group=f"{group} {i // 2}",
            perturbed_answers=tuple(wrong(e)[: 2 + i % 2]),
            paraphrases=(*e.paraphrases, f"{e.subject} city is")[: 1 + i % 2],
        )
        for i, e in enumerate(examples)
    )


def _spaced(model: Model) -> Model:
    """Its tokenizer puts blanks between words, so that what is said can be found."""
    text = json.loads(model.tokenizer.backend_tokenizer.to_str())
    made = Tokenizer.from_str(json.dumps({**text, "decoder": None}))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    return replace(model, tokenizer=tokenizer)


SETS = unequal_sets()
SETS = Sets(*(_complete(getattr(SETS, name), name) for name in ("forget", "retain", "holdout")))


def target_of(*, taught: bool = True, seed: int = 0, order: int = 1, budget: int = 4096) -> Target:
    model = _spaced(taught_model() if taught else tiny_model())
    peers = {"original": _spaced(taught_model()), "retrained": _spaced(tiny_model(seed=1))}
    return Target(
        model, SETS.forget[::order], Encoder(model.tokenizer), sets=SETS, seed=seed, max_new_tokens=4, budget=budget,
        peers=peers,
    )  # fmt: skip


@lru_cache
def found(name: str, **changes: Any) -> tuple[Finding, ...]:
    return tuple(attacks.get(name)(target_of(**changes)))


def rows_of(finding: Finding) -> tuple[int, ...]:
    return tuple(range(len(SETS.forget))) if finding.rows is None else finding.rows


def by_id(findings: tuple[Finding, ...], order: int = 1) -> dict[tuple[str, str], float]:
    """(part, example) → score."""
    ids = [e.id for e in SETS.forget[::order]]
    return {(f.part, ids[row]): score for f in findings for row, score in zip(rows_of(f), f.scores, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    entry = attacks.get(name)
    assert entry.title and entry.reads.endswith(".") and entry.summary
    assert not why_not(entry, target_of())
    for option, parameter in entry.options.items():
        assert parameter.default is not parameter.empty, f"{option} has no default"
        assert parse_name(f"{name}:{option}=1")[1] == {option: 1}


@pytest.mark.parametrize("name", RUN)
def test_findings_are_knowledge(name: str) -> None:
    """One a part; scores of the rows named, from 0 to 1."""
    findings = found(name)
    assert findings and len({each.part for each in findings}) == len(findings)
    for finding in findings:
        rows = rows_of(finding)
        assert len(finding.scores) == len(rows) == len(set(rows)) and set(rows) <= set(range(len(SETS.forget)))
        assert all(math.isfinite(score) for score in finding.scores)
        assert all(0 <= score <= 1 for score in finding.scores), finding
        assert all(len(point) == 2 and all(map(math.isfinite, point)) for point in finding.curve)


@pytest.mark.parametrize("name", RUN)
def test_the_same_seed_finds_the_same(name: str) -> None:
    assert tuple(attacks.get(name)(target_of())) == found(name)


@pytest.mark.parametrize("name", RUN)
def test_every_model_is_left_as_it_was(name: str) -> None:
    target = target_of()
    models = [target.model, *target.peers.values()]
    before = [(bits(model), [p.requires_grad for p in model.network.parameters()]) for model in models]
    hooks = [len(module._forward_hooks) for module in target.model.network.modules()]
    attacks.get(name)(target)
    for model, (weights, trained) in zip(models, before, strict=True):
        assert_same_bits(weights, bits(model))
        assert trained == [p.requires_grad for p in model.network.parameters()]
        assert not any(p.grad is not None for p in model.network.parameters())
        assert not model.network.training
    assert hooks == [len(module._forward_hooks) for module in target.model.network.modules()]


@pytest.mark.parametrize("name", RUN)
def test_batches_change_nothing(name: str) -> None:
    for plain, other in zip(found(name), found(name, budget=1), strict=True):
        assert (plain.part, plain.rows) == (other.part, other.rows)
        assert other.scores == pytest.approx(plain.scores, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", RUN)
def test_the_order_of_examples_changes_nothing(name: str) -> None:
    plain, turned = by_id(found(name)), by_id(found(name, order=-1), order=-1)
    assert turned == pytest.approx(plain, rel=1e-4, abs=1e-6)


def test_asking_finds_what_a_model_knows() -> None:
    mean = lambda finding: sum(finding.scores) / len(finding.scores)
    assert mean(found("detach")[0]) == mean(found("sampling")[0]) == 1.0
    assert mean(found("detach", taught=False)[0]) < 0.5
    assert mean(found("sampling", taught=False)[-1]) < 0.5  # the best of 1: among many a guess is right


def test_what_a_set_cannot_serve_is_named() -> None:
    bare = replace(target_of(), examples=(Example(id="d", prompt=None, answer="the capital of arland"),), sets=Sets())
    reasons = {name: why_not(attacks.get(name), bare) for name in NAMES}
    assert "texts" in reasons["paraphrase"] and "texts" in reasons["sampling"]
    asking = replace(bare, examples=(Example(id="q", prompt="the capital of arland is", answer="bexton"),))
    reasons = {name: why_not(attacks.get(name), asking) for name in NAMES}
    assert reasons["paraphrase"] and reasons["multiple_choice"] and reasons["reverse"] and reasons["few_shot"]
    assert not reasons["sampling"] and not reasons["prefix"]

"""Every registered objective and retain loss is run: what it does to a model, and what must not matter to it."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

import expunge.train.measure as measuring
from expunge.data.convention import Encoder
from expunge.data.example import Sets
from expunge.data.forest import plant
from expunge.errors import ConfigError, UnknownNameError
from expunge.models.model import Model
from expunge.objectives import objectives, retain_losses
from expunge.objectives.binding import bind
from expunge.train.measure import Item, measure
from expunge.train.plan import Plan
from expunge.train.reference import Reference
from expunge.train.unlearn import train
from steps import (
    STEERING,
    after,
    assert_close,
    assert_same_bits,
    bits,
    blend,
    gradient,
    likelihood,
    retrained_model,
    settings,
    taught_model,
    unequal_sets,
)
from tiny import tiny_model, tiny_sets

METHODS, RETAIN = list(objectives), list(retain_losses)

# What two small steps do, per method: the answers' likelihood falls, the alternates' rises, the hidden states move to
# the control direction, or the method's own loss falls where none of these is what it asks for.
ANSWER, ALTERNATE, LOSS = "answer", "alternate", "loss"
EFFECTS = {
    "gradient_ascent": {ANSWER}, "npo": {ANSWER}, "simnpo": {ANSWER}, "wga": {ANSWER}, "satimp": {ANSWER},
    "tnpo": {ANSWER}, "wtnpo": {ANSWER}, "undial": {ANSWER, LOSS}, "ceu": {ANSWER, LOSS}, "pdu": {ANSWER, LOSS},
    "dpo": {ANSWER, ALTERNATE, LOSS}, "altpo": {ANSWER, ALTERNATE, LOSS}, "idk": {ALTERNATE, LOSS},
    "rmu": {LOSS}, "adaptive_rmu": {LOSS}, "mlp_regression": {LOSS},
}  # fmt: skip
# Tokens of an answer of n that a per-token method averages; all, if not said otherwise.
COUNTED = {"ceu": lambda n: max(n - 1, 1)}


def test_every_method_has_its_effect_stated() -> None:
    assert set(EFFECTS) == set(METHODS)


def loss_of(model: Model, sets: Sets, method: str, constants: dict[str, torch.Tensor], reference: Reference) -> float:
    """The forget loss as a number, from the measurements."""
    loss = bind(objectives.get(method), {})
    items = items_of(model, sets)
    names = tuple(loss.objective.measurements)
    with torch.no_grad():
        gold = retrained_of(items) if "retrained" in loss.objective.needs else None
        measured, _ = measure(model, items, names, loss.layer(model.layout), reference, retrained=gold)
        return loss({**measured, **constants}).mean().item()


def items_of(model: Model, sets: Sets, which: str = "forget") -> list[Item]:
    encoder = Encoder(model.tokenizer)
    examples = getattr(sets, which)
    return [Item(i, 1.0, encoder.encode(e), encoder.encode(e, answer=e.alternate)) for i, e in enumerate(examples)]


def reference_of(model: Model, items: list[Item], layer: int | None) -> Reference:
    kinds = {"tokens", "logits", *(["hidden"] if layer is not None else [])}
    reference = Reference(model, kinds, layer, head_changes=True)
    reference.fill(model, items, budget=4096)
    return reference


def retrained_of(items: list[Item]) -> Reference:
    retrained = Reference(retrained_model(), {"mlp"}, None, head_changes=False)
    retrained.fill(retrained_model(), items, budget=4096)
    return retrained


@pytest.mark.parametrize("method", METHODS)
def test_two_steps_have_the_effect_that_is_meant(method: str) -> None:
    model, sets = taught_model(), unequal_sets()
    loss = bind(objectives.get(method), {})
    constants = dict(loss.prepare(model, sets, torch.Generator().manual_seed(0)).constants)
    reference = reference_of(model, items_of(model, sets), loss.layer(model.layout))
    trained = train(model, sets, settings(method, retain_loss=None, learning_rate=3e-4))

    def seen() -> dict[str, float]:
        return {
            ANSWER: -likelihood(model, sets.forget).mean().item(),
            ALTERNATE: likelihood(model, sets.forget, alternate=True).mean().item(),
            LOSS: -loss_of(model, sets, method, constants, reference),
        }

    start = seen()
    with trained.change.applied_to(model):
        end = seen()
    for effect in EFFECTS[method]:
        assert end[effect] > start[effect], f"{effect}: {start[effect]} → {end[effect]}"


@pytest.mark.parametrize("name", RETAIN)
def test_a_retain_loss_holds_back_what_it_measures(name: str) -> None:
    """After the same four steps of ascent, the retain loss is lower with it than without."""
    model, sets = taught_model(), unequal_sets()
    loss = bind(retain_losses.get(name), {})
    items = items_of(model, sets, "retain")
    reference = reference_of(model, items, loss.layer(model.layout))
    gold = retrained_of(items) if "retrained" in loss.objective.needs else None
    values = []
    for retain_loss in (None, name):
        trained = train(
            model, sets,
            settings("gradient_ascent", retain_loss=retain_loss, retain_weight=5.0, max_steps=4, learning_rate=2e-3),
        )  # fmt: skip
        with trained.change.applied_to(model), torch.no_grad():
            names, layer = tuple(loss.objective.measurements), loss.layer(model.layout)
            measured, _ = measure(model, items, names, layer, reference, retrained=gold)
            values.append(loss(measured).mean().item())
    assert values[1] < 0.9 * values[0]


@pytest.mark.parametrize("method", METHODS)
def test_micro_batches_order_and_shared_prefixes_change_nothing(method: str) -> None:
    sets = unequal_sets()
    whole = gradient(sets, method)
    assert any(value.abs().max() > 0 for value in whole.values())
    assert_close(whole, gradient(sets, method, micro_tokens=1))
    reversed_sets = replace(sets, forget=sets.forget[::-1], retain=sets.retain[::-1])
    assert_close(whole, gradient(reversed_sets, method))
    apart = lambda groups, **options: plant([[each] for group in groups for each in group], **options)
    with patch.object(measuring, "plant", apart):  # every sequence a tree of its own
        assert_close(whole, gradient(sets, method))


@pytest.mark.parametrize("name", RETAIN)
def test_micro_batches_change_nothing_for_a_retain_loss(name: str) -> None:
    sets = unequal_sets()
    whole = moved_gradient(sets, name, 4096)
    assert any(value.abs().max() > 0 for value in whole.values())
    # Adam divides by tiny second moments, so the step before makes more of the rounding, on some processors 3e-5
    assert_close(whole, moved_gradient(sets, name, 1), tolerance=2e-4)


def moved_gradient(sets: Sets, retain_loss: str, micro_tokens: int) -> dict[str, torch.Tensor]:
    """The retain loss's gradient at the second step: at the first one, KL and distances are at their minimum."""
    from steps import recorded

    with recorded(update=True) as seen:
        train(
            tiny_model(), sets,
            settings("gradient_ascent", retain_loss=retain_loss, micro_tokens=micro_tokens, forget_weight=0.1,
                     learning_rate=1e-2, parameters=("model.layers.0.mlp.*",)),
        )  # fmt: skip
    return seen[1]


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_the_mean_of_its_examples(method: str) -> None:
    """Per example, or per answer token that the method counts: answers of 1 to 4 tokens tell the two apart."""
    sets = replace(unequal_sets(), retain=())
    unit = objectives.get(method).unit
    whole = gradient(sets, method)
    parts = []
    encoder = Encoder(tiny_model().tokenizer)
    for example in sets.forget:
        encoded = encoder.encode(example)
        tokens = COUNTED.get(method, lambda n: n)(len(encoded.ids) - encoded.start)
        parts.append((1 if unit == "example" else tokens, gradient(replace(sets, forget=(example,)), method)))
    assert_close(whole, blend(parts))
    if unit == "token":  # so the test can tell the two apart
        with pytest.raises(AssertionError):
            assert_close(whole, blend([(1, part) for _, part in parts]))


def test_tokens_that_do_not_count_are_as_good_as_prompt() -> None:
    """CE-U without the first token of the answer, and with an answer that begins one token later."""
    sets = replace(unequal_sets(), retain=())
    longest = sets.forget[3]
    first, _, rest = longest.answer.partition(" ")
    later = replace(longest, prompt=f"{longest.prompt} {first}", answer=rest)
    counted = gradient(replace(sets, forget=(longest,)), "ceu", options={"skip": 1})
    assert_close(counted, gradient(replace(sets, forget=(later,)), "ceu", options={"skip": 0}))


@pytest.mark.parametrize("method", METHODS)
def test_weights_count_examples(method: str) -> None:
    """Weight 0 is absence, weight 2 is standing in the set twice; only ratios matter."""
    sets = replace(unequal_sets(), retain=())
    first, second, third, _ = sets.forget
    weighted = replace(sets, forget=(replace(first, weight=0.0), replace(second, weight=2.0), third))
    repeated = replace(sets, forget=(second, third, replace(second, id="again")))
    tenfold = replace(sets, forget=tuple(replace(e, weight=10 * e.weight) for e in weighted.forget))
    expected = gradient(repeated, method)
    assert_close(gradient(weighted, method), expected)
    assert_close(gradient(tenfold, method), expected)


@pytest.mark.parametrize("method", ["npo", "gradient_ascent"])
def test_weights_count_within_a_step(method: str) -> None:
    """Σwℓ/Σw over the step: in a batch of two of four, only the two weights' ratio matters, whatever the others'."""
    sets = replace(unequal_sets(), retain=())
    first, second = (sets.forget[i] for i in Plan(4, 0, 2, 2, seed=0).forget_at(0))
    heavy = {first.id: 6.0, second.id: 2.0}
    weighted = tuple(replace(e, weight=heavy.get(e.id, 0.5)) for e in sets.forget)
    expected = gradient(replace(sets, forget=(replace(first, weight=3.0), second)), method)
    assert_close(gradient(replace(sets, forget=weighted), method, batch_size=2), expected)


@pytest.mark.parametrize("method", METHODS)
def test_the_seed_decides_every_byte(method: str, tmp_path: Path) -> None:
    """Two runs of one seed write the same file, another seed another one; the model has its bits back each time."""
    model = tiny_model()
    start = bits(model)
    files = []
    for seed in (0, 0, 1):
        trained = train(model, tiny_sets(), settings(method, batch_size=2, seed=seed))
        assert_same_bits(start, bits(model))
        trained.change.save(tmp_path / f"{len(files)}.safetensors")
        files.append((tmp_path / f"{len(files)}.safetensors").read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


@pytest.mark.parametrize("method", METHODS)
def test_a_change_is_undone_to_the_bit(method: str) -> None:
    model = tiny_model()
    start = bits(model)
    trained = train(model, tiny_sets(), settings(method))
    changed = after(trained, model)
    assert any(not torch.equal(start[name], value) for name, value in changed.items())
    assert_same_bits(start, bits(model))
    trained.change.apply_to(model)
    assert_same_bits(changed, bits(model))
    trained.change.revert_from(model)
    assert_same_bits(start, bits(model))


@pytest.mark.parametrize("registry", [objectives, retain_losses], ids=["objectives", "retain losses"])
def test_options_are_checked(registry: object) -> None:
    for name in list(registry):  # type: ignore[call-overload]
        entry = registry.get(name)  # type: ignore[attr-defined]
        with pytest.raises(ConfigError, match="no_such_option"):
            bind(entry, {"no_such_option": 1})
        for option in entry.options:
            for value in ("text", -1, True, float("nan")):
                if (option, value) == ("delta", -1):
                    continue  # a margin may be negative
                with pytest.raises(ConfigError, match=f"option '{option}' of '{name}'"):
                    bind(entry, {option: value})
        assert bind(entry, {}).options == {key: each.default for key, each in entry.options.items()}
        assert dataclasses.is_dataclass(entry) and entry.paper.startswith("arXiv:") and entry.summary


def test_unknown_names_are_refused_before_anything_is_trained() -> None:
    model, sets = tiny_model(), tiny_sets()
    with pytest.raises(UnknownNameError, match="npo"):
        train(model, sets, settings("nppo"))
    with pytest.raises(UnknownNameError, match="nll"):
        train(model, sets, settings("npo", retain_loss="nlll"))
    with pytest.raises(ConfigError, match="empty"):
        train(model, replace(sets, forget=()), settings("npo"))


def test_steering_methods_have_their_own_retain_loss() -> None:
    assert set(STEERING) == {m for m in METHODS if "hidden" in objectives.get(m).needs}

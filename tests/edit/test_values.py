"""Values: against a naive fit with whole passes, one fact at a time; batches, bundles, ends."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from expunge.edit import value_store, values
from expunge.edit import work as work_module
from expunge.edit.facts import Fact, Row
from expunge.edit.values import Fitting, Value, Wanted, divergence, fit
from expunge.edit.work import Work
from expunge.models.model import Model
from expunge.models.rests import Place
from expunge.models.watching import edit_mlp_output, edit_residual
from fact_work import facts, work
from tiny import ARCHITECTURES, tiny_model

BEFORE = ("", "what city ? ", "name the answer of ")
HOW = Fitting(rate=0.1, steps=6, stop=0.05, decay=0.5, clamp=0.75, kl=0.5)


def wanted(job: Work) -> list[Wanted]:
    return [job._wanted([fact], BEFORE) for fact in job.facts]


def test_the_divergence_by_hand() -> None:
    # p = (1/2, 1/2), p₀ = (1/4, 3/4): KL(p ‖ p₀) = ½ ln 2 + ½ ln ⅔ = 0.1438; the other way it is 0.1308
    p, before = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    assert float(divergence(p.log(), before.log())) == pytest.approx(0.143841, abs=1e-6)


def naive(model: Model, each: Wanted, place: Place, how: Fitting) -> Value:
    """Whole passes, row after row, a hook that adds δ; the losses written out."""

    def logits(row: Row, delta: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        def add(state: Tensor) -> Tensor:
            flat = state.reshape(-1, state.shape[-1]).clone()
            if seen is not None:
                seen.append(flat[row.place].detach().clone())
            flat[row.place] = flat[row.place] + delta
            return flat.view_as(state)

        with (edit_mlp_output if place.mlp else edit_residual)(model, place.layer, add):
            return model.network(torch.tensor([list(row.encoded.ids)])).logits[0].log_softmax(-1)

    delta = torch.zeros(model.layout.width, dtype=next(model.network.parameters()).dtype, requires_grad=True)
    adam = torch.optim.Adam([delta], lr=how.rate)
    starts: list[Tensor] = []
    for i in each.bare:
        with torch.no_grad():
            logits(each.rows[i], delta, starts)
    start = torch.stack(starts).mean(0)
    with torch.no_grad():
        essence = logits(each.essence, delta)[each.essence.place]
    for step in range(how.steps):
        adam.zero_grad()
        losses = []
        for row in each.rows:
            logs, ids = logits(row, delta), row.encoded.ids
            told = [logs[at - 1, ids[at]] for at in range(row.encoded.start, len(ids))]
            losses.append(-torch.stack(told).mean())
        now = logits(each.essence, delta)[each.essence.place]
        loss = torch.stack(losses).mean() + how.kl * (now.exp() * (now - essence)).sum()
        norm = delta.norm() if float(delta.detach().norm()) else delta.sum() * 0
        loss = loss + how.decay * norm / start.norm() ** 2
        now_at = float(loss.detach())
        if now_at < how.stop or step == how.steps - 1:
            return Value(start + delta.detach(), start, now_at, step)
        loss.backward()
        adam.step()
        with torch.no_grad():
            limit = how.clamp * start.norm()
            if delta.norm() > limit:
                delta *= limit / delta.norm()
    raise AssertionError


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("place", [Place(0), Place(0, mlp=True)], ids=str)
def test_values_are_those_of_a_naive_fit(arch: str, place: Place, tmp_path) -> None:
    model = tiny_model(arch=arch)
    job = work(tmp_path, facts(2), model)
    for each, found in zip(wanted(job), fit(model, wanted(job), place, HOW)):
        expected = naive(model, each, place, HOW)
        torch.testing.assert_close(found.vector, expected.vector, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found.start, expected.start, rtol=1e-5, atol=1e-5)
        assert found.loss == pytest.approx(expected.loss, abs=1e-4)
        assert found.steps == expected.steps
        assert float((found.vector - found.start).norm()) > 0.01


def test_in_double_precision_to_the_ninth_digit(tmp_path) -> None:
    model = tiny_model()
    model.network.double()
    job = work(tmp_path, facts(3), model)
    for each, found in zip(wanted(job), fit(model, wanted(job), Place(0), HOW)):
        # δ itself is kept in float32
        torch.testing.assert_close(found.vector, naive(model, each, Place(0), HOW).vector.float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("arch", ["llama", "gpt2", "gemma2"])
def test_a_batch_is_its_facts_one_at_a_time(arch: str, tmp_path) -> None:
    """Also where some end before others and leave the batch."""
    model = tiny_model(arch=arch)
    mixed = [*facts(2, "i do not know"), *facts(4, "city")[2:]]
    mixed = [replace(fact, example=replace(fact.example, id=f"{i}")) for i, fact in enumerate(mixed)]
    job = work(tmp_path, mixed, model)
    how = replace(HOW, steps=8, stop=0.0, rate=0.1, clamp=4.0, kl=0.0625)
    losses = sorted(value.loss for value in fit(model, wanted(job), Place(0), how))
    how = replace(how, steps=12, stop=(losses[1] + losses[2]) / 2)  # two of the four end by the eighth look
    together = fit(model, wanted(job), Place(0), how)
    singly = [fit(model, [each], Place(0), how)[0] for each in wanted(job)]
    small = fit(model, wanted(job), Place(0), how, budget=60)
    assert len({value.steps for value in together}) > 1
    for one, other, third in zip(together, singly, small):
        assert one.steps == other.steps == third.steps
        torch.testing.assert_close(one.vector, other.vector, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(one.vector, third.vector, rtol=1e-5, atol=1e-5)


def test_it_ends_below_stop_and_stays_within_the_clamp(tmp_path) -> None:
    model = tiny_model()
    job = work(tmp_path, facts(2), model)
    long, first = wanted(job)[:1], replace(HOW, steps=10, stop=0.0, clamp=4.0)
    (free,) = fit(model, long, Place(0), first)
    (ended,) = fit(model, long, Place(0), replace(first, steps=100, stop=free.loss + 1e-6))
    assert (free.steps, ended.steps) == (9, 9)
    assert torch.equal(free.vector, ended.vector)
    (held, _) = fit(model, wanted(job), Place(0), replace(HOW, steps=20, stop=0.0, clamp=0.1))
    assert float((held.vector - held.start).norm()) == pytest.approx(0.1 * float(held.start.norm()), rel=1e-4)
    (none, _) = fit(model, wanted(job), Place(0), replace(HOW, steps=1))
    assert torch.equal(none.vector, none.start)


def test_a_bundle_shares_one_value(tmp_path) -> None:
    """The loss is the mean over all its rows, v₀ the mean of their bare prompts."""
    model = tiny_model()
    job = work(tmp_path, facts(2), model)
    both = job._wanted(job.facts, BEFORE)
    (value,) = fit(model, [both], Place(0), HOW)
    torch.testing.assert_close(value.vector, naive(model, both, Place(0), HOW).vector, rtol=1e-4, atol=1e-4)
    alone = [naive(model, each, Place(0), HOW).start for each in wanted(job)]
    torch.testing.assert_close(value.start, torch.stack(alone).mean(0), rtol=1e-5, atol=1e-5)


def test_the_model_is_as_it_was(tmp_path) -> None:
    model = tiny_model()
    for i, parameter in enumerate(model.network.parameters()):
        parameter.requires_grad_(i % 2 == 0)
    states = [(p.requires_grad, p.detach().clone()) for p in model.network.parameters()]
    fit(model, wanted(work(tmp_path, facts(1), model)), Place(0), HOW)
    for (wants, before), parameter in zip(states, model.network.parameters()):
        assert parameter.requires_grad == wants and parameter.grad is None
        assert torch.equal(parameter.detach(), before)


def test_a_value_is_stored_and_found(tmp_path, monkeypatch) -> None:
    job = work(tmp_path, facts(2), folder=tmp_path / "cache")
    first = job.values([[0], [1]], BEFORE, Place(0), HOW)
    texts = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*.safetensors"))
    assert b"know" not in texts and b"arland" not in texts
    monkeypatch.setattr(work_module, "fit", _only(0))
    again = work(tmp_path, facts(2), folder=tmp_path / "cache").values([[0], [1]], BEFORE, Place(0), HOW)
    for one, other in zip(first, again):
        assert torch.equal(one.vector, other.vector) and torch.equal(one.start, other.start)
        assert (one.loss, one.steps) == (other.loss, other.steps)
    monkeypatch.setattr(work_module, "fit", _only(2))  # anything that it depends on makes it another
    for changes in ({"place": Place(1)}, {"how": replace(HOW, rate=0.3)}, {"before": BEFORE[:2]}):
        settings = {"before": BEFORE, "place": Place(0), "how": HOW, **changes}
        with pytest.raises(_AskedError):
            job.values([[0], [1]], **settings)
    other = [replace(f, example=replace(f.example, answer="city")) for f in facts(2)]
    with pytest.raises(_AskedError):
        work(tmp_path, other, folder=tmp_path / "cache").values([[0], [1]], BEFORE, Place(0), HOW)
    with pytest.raises(_AskedError):
        work(tmp_path, facts(2), tiny_model(seed=1), folder=tmp_path / "cache").values(
            [[0], [1]], BEFORE, Place(0), HOW
        )


def test_values_of_a_run_that_was_killed_are_found(tmp_path, monkeypatch) -> None:
    """Killed in the third of four batches, it has the first two; the next run fits the others alone."""
    which = facts(4)
    job = lambda: work(tmp_path, which, folder=tmp_path / "cache")
    whole, done = values._batch, []

    def until_killed(*given: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(list(given[1]))
        return whole(*given)

    monkeypatch.setattr(work_module, "fit", partial(fit, budget=10))
    monkeypatch.setattr(values, "_batch", until_killed)
    with pytest.raises(KeyboardInterrupt):
        job().values([[i] for i in range(4)], BEFORE, Place(0), HOW)
    assert len(list((tmp_path / "cache" / "values").iterdir())) == 2
    fitted: list[int] = []
    monkeypatch.setattr(values, "_batch", lambda *given: fitted.append(len(given[1])) or whole(*given))
    again = job().values([[i] for i in range(4)], BEFORE, Place(0), HOW)
    assert fitted == [1, 1]
    alone = work(tmp_path, which).values([[i] for i in range(4)], BEFORE, Place(0), HOW)
    for one, other in zip(again, alone):
        torch.testing.assert_close(one.vector, other.vector, rtol=1e-5, atol=1e-5)


def test_the_store_of_values_is_kept_below_its_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(value_store, "trim", lambda folder: [path.unlink() for path in folder.iterdir()])
    work(tmp_path, facts(1), folder=tmp_path / "cache").values([[0]], BEFORE, Place(0), HOW)
    assert not list((tmp_path / "cache" / "values").iterdir())


class _AskedError(Exception):
    pass


def _only(count: int):
    """A fit that must be asked for no more than nothing."""

    def fitted(model: Model, missing: list[Wanted], *_: object, **__: object) -> list[Value]:
        if missing:
            assert len(missing) == count
            raise _AskedError
        return []

    return fitted


def test_facts_say_where_their_subjects_came_from() -> None:
    assert {fact.how for fact in facts()} == {"given"}
    assert isinstance(facts()[0], Fact)

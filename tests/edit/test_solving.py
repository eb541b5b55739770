"""Solves, by hand and against what the papers write."""

import pytest
import torch
from torch import Tensor

from expunge.edit.solving import Moment, NullSpace, Protected, weight_for
from expunge.errors import RunError

D, WIDTH, N = 12, 5, 3


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def moment(rank: int = 40, seed: int = 9) -> Tensor:
    """A second moment with eigenvalues from small to large."""
    keys = random(rank, D, seed=seed) * torch.logspace(-2, 1, D, dtype=torch.float64)
    return keys.T @ keys / rank


def close(one: Tensor, other: Tensor, tolerance: float = 1e-8) -> None:
    torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_soft_by_hand() -> None:
    # C = diag(1, 4), λ = 1, k = (1, 2): s = 1 + 4/4 = 2, A = k C⁻¹ / (λ + s) = (1, .5) / 3
    found = Moment(torch.diag(torch.tensor([1.0, 4.0]))).soft(torch.tensor([[1.0, 2.0]]).double(), 1.0)
    close(found, torch.tensor([[1 / 3, 1 / 6]], dtype=torch.float64))


def test_soft_is_memits_normal_equation() -> None:
    keys, wanted, c, weight = random(N, D), random(N, WIDTH, seed=1), moment(), 7.0
    found = wanted.T @ Moment(c).soft(keys, weight)
    close(found @ (weight * c + keys.T @ keys), wanted.T @ keys)


def test_more_facts_than_neurons_solve_the_smaller_system() -> None:
    keys, c = random(3 * D, D), moment()
    close(Moment(c).soft(keys, 2.0) @ (2.0 * c + keys.T @ keys), keys)


def test_soft_tends_to_interpolation_and_to_nothing() -> None:
    keys, wanted, c = random(N, D), random(N, WIDTH, seed=1), moment()
    close(wanted.T @ Moment(c).soft(keys, 1e-12) @ keys.T, wanted.T)
    assert float((wanted.T @ Moment(c).soft(keys, 1e14)).abs().max()) < 1e-8
    close(Moment(c).soft(keys, 1e-12), Moment(c).exact(keys))  # EMMET is the limit


def test_exact_is_rome_and_optimal() -> None:
    key, wanted, c = random(1, D), random(1, WIDTH, seed=1), moment()
    change = wanted.T @ Moment(c).exact(key)
    u = torch.linalg.solve(c, key[0])
    u /= u.norm()
    close(change, torch.outer(wanted[0] / (key[0] @ u), u))  # Λ uᵀ, the paper's form
    close(change @ key[0], wanted[0])
    cost = lambda delta: float(torch.trace(delta @ c @ delta.T))
    for seed in range(5):  # any other change that gives the same at the key costs more
        other = random(WIDTH, D, seed=20 + seed)
        other -= torch.outer(other @ key[0], key[0]) / (key[0] @ key[0])
        assert cost(change + 1e-3 * other) > cost(change)


def test_exact_at_another_key_keeps_the_direction() -> None:
    """ROME with the mean key for u and the bare one in the denominator."""
    key, bare, wanted, c = random(1, D), random(1, D, seed=3), random(1, WIDTH, seed=1), moment()
    change = wanted.T @ Moment(c).exact(key, bare)
    u = torch.linalg.solve(c, key[0])
    close(change, torch.outer(wanted[0], u) / (bare[0] @ u))
    close(change @ bare[0], wanted[0])
    several, at, goals = random(N, D), random(N, D, seed=3), random(N, WIDTH, seed=1)
    close(goals.T @ Moment(c).exact(several, at) @ at.T, goals.T)


def test_several_exact_constraints_hold_together() -> None:
    keys, wanted = random(N, D), random(N, WIDTH, seed=1)
    close(wanted.T @ Moment(moment()).exact(keys) @ keys.T, wanted.T)


def test_a_fact_asked_twice_is_met_once() -> None:
    keys, wanted = random(N, D), random(N, WIDTH, seed=1)
    twice, twice_wanted = torch.cat([keys, keys[:1]]), torch.cat([wanted, wanted[:1]])
    close(twice_wanted.T @ Moment(moment()).exact(twice) @ keys.T, wanted.T)


def test_no_moment_is_the_identity() -> None:
    keys = random(N, D)
    close(Moment(None).soft(keys, 2.0), Moment(torch.eye(D)).soft(keys, 2.0))
    close(Moment(None).exact(keys), torch.linalg.solve(keys @ keys.T, keys))


def test_a_moment_of_too_few_keys_gets_a_ridge_that_is_told() -> None:
    few = random(4, D)
    found = Moment(few.T @ few / 4)
    assert 0 < found.ridge < 1e-6
    assert Moment(moment()).ridge == 0
    assert bool(found.solved(random(N, D)).isfinite().all())


def test_share_and_weight() -> None:
    """Alone, a key gets s / (λ + s) of what is wanted, and the weight is chosen by that."""
    keys, c = random(N, D), moment()
    share = Moment(c).share(keys)
    for i in range(N):
        got = Moment(c).soft(keys[i : i + 1], 3.0) @ keys[i]
        close(got, (share[i] / (3.0 + share[i])).reshape(1))
    weight = weight_for(share, 0.9)
    middle = int(share.argsort()[N // 2])
    close(Moment(c).soft(keys[middle : middle + 1], weight) @ keys[middle], torch.tensor([0.9], dtype=torch.float64))


@pytest.mark.parametrize("kept", [0, 4])
def test_protected_weighs_each_set_of_keys_anew(kept: int) -> None:
    """A lone key gets what was asked for of what is wanted, whatever keys were solved for before."""
    c, others = moment(), random(kept, D, seed=7)
    each = Protected(c, others.T @ others, inserted=0.8)
    for keys in (random(N, D), 5 * random(1, D, seed=2)):
        weight = weight_for(Moment(c).share(keys), 0.8)
        both = weight * c + others.T @ others
        close(each.soft(keys) @ (both + keys.T @ keys), keys)
        close(each.exact(keys) @ keys.T, torch.eye(len(keys)).double())
        close(each.exact(keys) @ both, torch.linalg.solve(keys @ torch.linalg.solve(both, keys.T), keys))
    fixed = Protected(c, others.T @ others, weight=3.0)
    close(fixed.soft(random(N, D)) @ (3 * c + others.T @ others + random(N, D).T @ random(N, D)), random(N, D))
    identity = Protected(None, others.T @ others, weight=1.0)
    close(
        identity.soft(random(N, D)), Protected(torch.eye(D).double(), others.T @ others, weight=1.0).soft(random(N, D))
    )


def test_what_cannot_be_solved_says_what_to_do() -> None:
    with pytest.raises(RunError, match="float32"):
        Moment(torch.full((D, D), float("nan")))
    with pytest.raises(RunError, match="float32"):
        NullSpace.of(torch.full((D, D), float("nan")), energy=1.0, share=0.5)
    with pytest.raises(RunError, match="weight"):
        Moment(moment()).soft(random(N, D) * float("nan"), 1.0)
    with pytest.raises(RunError, match="ridge"):
        null_space().solve(random(1, D).expand(2, D), random(0, D), -1.0)


# ---- the null space


def null_space(share: float = 0.02) -> NullSpace:
    c = moment()
    return NullSpace.of(c, energy=float(c.trace()), share=share)


def test_projector_is_idempotent_symmetric_and_of_the_energy_asked_for() -> None:
    c, space = moment(), null_space()
    p = space.projector
    close(p @ p, p)
    close(p, p.T)
    held = float((p @ c).trace() / c.trace())
    assert held == pytest.approx(space.discarded)
    assert 0 < held <= 0.02
    size = space.basis.shape[1]
    values = torch.linalg.eigvalsh(c)
    assert float(values[: size + 1].sum() / c.trace()) > 0.02  # one more would be too many


def test_threshold_takes_eigenvalues_below_it() -> None:
    values = torch.tensor([0.5, 0.01, 2.0, 0.019, 0.02], dtype=torch.float64)
    space = NullSpace.of(torch.diag(values), energy=2.5, share=0.5, threshold=0.02)
    close(space.projector, torch.diag(torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])).double())


@pytest.mark.parametrize(("facts", "earlier"), [(3, 0), (2, 2), (6, 7)])
def test_null_solve_is_the_papers(facts: int, earlier: int) -> None:
    """ΔW = R K₁ᵀ P (K_p K_pᵀ P + K₁ K₁ᵀ P + L I)⁻¹, also where there are more keys than directions."""
    keys, before, wanted = random(facts, D), random(earlier, D, seed=5), random(facts, WIDTH, seed=1)
    space, weight = null_space(), 0.7
    p = space.projector
    found = wanted.T @ space.solve(keys, before, weight)
    inner = before.T @ before @ p + keys.T @ keys @ p + weight * torch.eye(D).double()
    close(found, wanted.T @ keys @ p @ torch.linalg.inv(inner))
    code = torch.linalg.solve(p @ (keys.T @ keys + before.T @ before) + weight * torch.eye(D), p @ keys.T @ wanted)
    close(found, code.T)
    close(found, found @ p)


def test_keys_outside_the_null_space_are_untouched() -> None:
    c, space = moment(), null_space()
    change = random(N, WIDTH, seed=1).T @ space.solve(random(N, D), random(0, D), 0.1)
    outside = random(4, D, seed=8) @ (torch.eye(D) - space.projector)
    assert float((change @ outside.T).abs().max()) < 1e-10
    assert float(change.abs().max()) > 1e-3
    # of what C's keys have, it moves no more than the discarded energy
    assert float((change @ c @ change.T).trace()) <= float(change.square().sum()) * space.discarded * float(c.trace())


def test_earlier_keys_keep_what_they_have() -> None:
    space, keys, before = null_space(share=0.3), random(2, D), random(2, D, seed=5)
    free = random(2, WIDTH, seed=1).T @ space.solve(keys, random(0, D), 1e-3)
    kind = random(2, WIDTH, seed=1).T @ space.solve(keys, before, 1e-3)
    assert float((kind @ before.T).norm()) < 0.05 * float((free @ before.T).norm())
    close(kind @ keys.T, random(2, WIDTH, seed=1).T, 0.05)  # and the new ones get what is wanted

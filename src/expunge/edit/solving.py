"""Solves: how a change of one matrix follows from keys and what is wanted at them. In float64, factorizations kept.

Keys stand in rows: K is facts × d_ff, R facts × width, and a change ΔW = Rᵀ A is kept as its factors.

    soft     min ‖ΔW K^T - R^T‖² + λ ‖ΔW C^{1/2}‖²      A = (λI + S)⁻¹ K C⁻¹,  S = K C⁻¹ Kᵀ        (MEMIT)
    exact    min ‖ΔW C^{1/2}‖²  with ΔW Kᵀ = Rᵀ           A = S⁻¹ K C⁻¹                              (ROME, EMMET)
    null     soft with C = (L/λ)I within a null space     A = K̂ (K̂ᵀK̂ + K̂ₚᵀK̂ₚ + L I)⁻¹ Ûᵀ,  K̂ = K Û    (AlphaEdit)

The first is Rᵀ K (λC + KᵀK)⁻¹ by the push-through identity, in which only facts × facts is solved anew: C is
factorized once, whatever is edited with it. C that is not positive definite gets a ridge, the smallest power of ten of
its mean diagonal entry that does; how much stands in `ridge`.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.errors import RunError

Keys = Float[Tensor, "facts d_ff"]
Factor = Float[Tensor, "facts d_ff"]


class Moment:
    """C, factorized once. None stands for the identity."""

    def __init__(self, moment: Float[Tensor, "d_ff d_ff"] | None) -> None:
        self.ridge = 0.0  # that was added to the diagonal
        self._factor: Tensor | None = None
        if moment is not None:
            self._factor, self.ridge = _factorized(moment.double())

    def solved(self, keys: Keys) -> Factor:
        """K C⁻¹."""
        if self._factor is None:
            return keys
        return torch.cholesky_solve(keys.T, self._factor).T

    def soft(self, keys: Keys, weight: float) -> Factor:
        """A of the soft solve; `weight` is λ."""
        size = keys.shape[1]
        if len(keys) > size:  # then d_ff × d_ff is the smaller system
            own = torch.eye(size, dtype=keys.dtype) if self._factor is None else self._factor @ self._factor.T
            return _solve(weight * own + keys.T @ keys, keys.T).T
        solved = self.solved(keys)
        return _solve(keys @ solved.T + weight * torch.eye(len(keys), dtype=keys.dtype), solved)

    def exact(self, keys: Keys, at: Keys | None = None) -> Factor:
        """A of the exact solve: ΔW Kᵀ = Rᵀ, or ΔW Pᵀ = Rᵀ with P = `at` and the directions still those of K.

        Keys that depend on one another share what each alone would get.
        """
        solved = self.solved(keys)
        return torch.linalg.lstsq(solved @ (keys if at is None else at).T, solved, driver="gelsd").solution

    def share(self, keys: Keys) -> Float[Tensor, " facts"]:
        """kᵀ C⁻¹ k of each key: alone it gets the share s / (λ + s) of what is wanted there."""
        return (self.solved(keys) * keys).sum(1)


@dataclass(frozen=True)
class NullSpace:
    """The directions in which a corpus has (nearly) no keys: an orthonormal basis Û, so P = Û Ûᵀ."""

    basis: Float[Tensor, "d_ff null"]
    discarded: float  # energy of the corpus within it, as a share of all

    @classmethod
    def of(
        cls, moment: Float[Tensor, "d_ff d_ff"], *, energy: float, share: float, threshold: float | None = None
    ) -> "NullSpace":
        """Eigenvectors of C below `threshold`; without one, as many as hold at most `share` of `energy` together."""
        if not bool(moment.isfinite().all()):
            raise RunError("the second moment of the corpus's keys is not finite: load the model in float32")
        values, vectors = torch.linalg.eigh(moment.double())
        values = values.clamp(min=0)
        held = values.cumsum(0) / energy
        count = int((values < threshold).sum()) if threshold is not None else int((held <= share).sum())
        return cls(vectors[:, :count], float(held[count - 1]) if count else 0.0)

    @cached_property
    def projector(self) -> Float[Tensor, "d_ff d_ff"]:
        """P."""
        return self.basis @ self.basis.T

    def inside(self, keys: Keys) -> Float[Tensor, "facts null"]:
        """K Û."""
        return keys @ self.basis

    def solve(
        self, keys: Keys, earlier: Float[Tensor, "earlier d_ff"], weight: float,
        kept: Float[Tensor, "d_ff d_ff"] | None = None,
    ) -> Factor:  # fmt: skip
        """A of the null-space solve; `earlier` are keys to be left as they are, `weight` is L.

        `kept` is Σ k kᵀ over further keys of that kind.
        """
        own, others = self.inside(keys), self.inside(earlier)
        both = torch.cat([own, others])
        if (
            kept is None and len(both) <= both.shape[1]
        ):  # push-through: K̂ (Q^T Q + L)^-1 = first rows of (Q Q^T + L)^-1 Q
            inner = both @ both.T + weight * torch.eye(len(both), dtype=both.dtype)
            return _solve(inner, both)[: len(own)] @ self.basis.T
        normal = both.T @ both + weight * torch.eye(both.shape[1], dtype=both.dtype)
        if kept is not None:
            normal += self.basis.T @ kept @ self.basis
        return _solve(normal, own.T).T @ self.basis.T


class Protected:
    """λ C + K₀ᵀ K₀, λ chosen for each set of keys anew (`weight_for`) unless `weight` gives it; `kept` is K₀ᵀ K₀.

    C is factorized once (None: the identity). So the solve for some of the facts is that of a job which has only them.
    """

    def __init__(
        self, moment: Float[Tensor, "d_ff d_ff"] | None, kept: Float[Tensor, "d_ff d_ff"], inserted: float = 0.9,
        weight: float | None = None,
    ) -> None:  # fmt: skip
        self._corpus = Moment(moment)
        self._moment, self._inserted, self._weight = moment, inserted, weight
        self._kept = kept if bool(kept.any()) else None

    @property
    def ridge(self) -> float:
        """That was added to C's diagonal."""
        return self._corpus.ridge

    def soft(self, keys: Keys) -> Factor:
        """A of the soft solve against all that is protected."""
        return self._corpus.soft(keys, self._chosen(keys)) if self._kept is None else self.of(keys).soft(keys, 1.0)

    def exact(self, keys: Keys, at: Keys | None = None) -> Factor:
        """A of the exact solve."""
        return self.of(keys).exact(keys, at)

    def of(self, keys: Keys) -> Moment:
        """What an exact solve for these keys inverts; without K₀ it is the same for every λ, and C itself is given."""
        if self._kept is None:
            return self._corpus
        own = torch.eye(len(self._kept), dtype=self._kept.dtype) if self._moment is None else self._moment
        return Moment(self._chosen(keys) * own + self._kept)

    def _chosen(self, keys: Keys) -> float:
        return weight_for(self._corpus.share(keys), self._inserted) if self._weight is None else self._weight


def weight_for(share: Float[Tensor, " facts"], inserted: float) -> float:
    """The λ at which the middle one of the facts, alone, gets `inserted` of what is wanted: s (1 - f) / f."""
    return float(share.median()) * (1 - inserted) / inserted


def _factorized(moment: Tensor) -> tuple[Tensor, float]:
    scale = float(moment.diagonal().mean()) or 1.0
    for ridge in (0.0, *(scale * 10.0**power for power in range(-12, 1))):
        factor, failed = torch.linalg.cholesky_ex(moment + ridge * torch.eye(len(moment), dtype=moment.dtype))
        if not int(failed) and _stable(factor):
            return factor, ridge
    raise RunError(
        "the second moment of what the edited matrices read is not finite or has no scale: the model gives NaN or "
        "infinity on the corpus or on the retain set. Load it in float32 (`--dtype float32`), or give another corpus"
    )


def _stable(factor: Tensor) -> bool:
    """Whether solving with it leaves half of the digits."""
    diagonal = factor.diagonal()
    return bool(diagonal.min() > 1e-6 * diagonal.max()) and bool(diagonal.isfinite().all())


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Of a symmetric positive definite matrix."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if int(failed) or not bool(factor.isfinite().all()):
        raise RunError(
            "the system of the facts' keys cannot be solved: keys that are not finite, or that depend on one another "
            "with too small a weight. Load the model in float32, or raise `weight` (memit) or `ridge` (alphaedit)"
        )
    return torch.cholesky_solve(right, factor)

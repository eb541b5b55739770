"""Activation patching: the unlearning depth score (UDS) of each example. Lee et al. 2026, arXiv:2605.24614.

    Δ_l^S = (1/|T|) Σ_{t∈T} [ log π_full(y_t) - log π_full(y_t | h_l at the position predicting t replaced by S's) ]
    UDS   = Σ_l Δ_l^R · clip(Δ_l^S / Δ_l^R, 0, 1) / Σ_l Δ_l^R,   over the layers with Δ_l^R > τ

full is the original model, R the retrained one, S the model under attack; τ = 0.05. 0: at every layer S carries what
the original needs to answer; 1: no more of it than R. The knowledge of an example is 1 - UDS; one without such a layer
is left out. Deviations: T are all tokens of the answer but its end, not a span within it that names the entity.

The three models must speak one language inside, as models do that were tuned from the same start. This is tried on
facts of the retain set, which both R and the original know: R's states should cost little there. Where they cost more
than half of what they cost on forgotten facts, the score would measure the languages, and it is refused.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.attacks import Finding, Target, attacks, check_finite
from expunge.attacks.residuals import batches, means, see
from expunge.data.convention import Encoded
from expunge.data.forest import Forest
from expunge.data.sampling import sample_of
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.models.scoring import forward
from expunge.models.watching import edit_residual
from expunge.objectives.options import NonNegative

CHECKED = 40  # facts of the retain set on which the patch itself is tried
TOO_DEAR = 0.5  # what it may cost there, as a share of what it costs on the forgotten ones

Table = Float[Tensor, "layers items"]


@attacks.add(
    "patching",
    family="representation",
    needs=("original", "retrained"),
    title="Activation patching (1 - UDS)",
    reads=(
        "How much of what the original needs for the answer it still finds in this model's hidden states: 1 as in "
        "its own, 0 as in the retrained model's. It means something only where the retrained model's states cost "
        "little on facts that were kept (see the note); models trained from different starts have no such score."
    ),
    aliases=("uds",),
)
def patching(target: Target, *, threshold: NonNegative = 0.05) -> list[Finding]:
    """`threshold` is τ, in nats. The curve is layer → mean of 1 - clip(Δ^S / Δ^R, 0, 1) where the layer counts.

    Raises ConfigError when the original and the retrained model cannot be compared so.
    """
    full, never = target.peers["original"], target.peers["retrained"]
    check_alike(full, never, target.model)
    encoded = target.encoder.encode_all(target.examples)
    retrained, unlearned = costs(full, (never, target.model), encoded, budget=target.budget, bf16=target.bf16)
    here, kept = retrained.mean().item(), cost_of_kept(target)
    if kept is not None and kept > TOO_DEAR * here:
        raise ConfigError(
            f"the retrained model's hidden states cost the original {kept:.2f} nats a token and layer on facts that "
            f"were kept and {here:.2f} on forgotten ones: the two are not of one start, and patching would measure that"
        )
    depth = uds(retrained, unlearned, threshold)
    rows = depth.isfinite().nonzero().flatten().tolist()
    if not rows:
        raise ConfigError(f"no layer holds what the retrained model lacks: none costs more than {threshold:g} nats")
    left = 1 - erased(retrained, unlearned, threshold)
    curve = tuple((float(i), row.nanmean().item()) for i, row in enumerate(left) if row.isfinite().any())
    note = (
        f"{len(rows)} of {len(depth)} examples have a layer that counts; the retrained model's states cost "
        f"{here:.2f} nats a token and layer here, "
        + ("which could not be tried on kept facts" if kept is None else f"{kept:.2f} on facts that were kept")
    )
    return [Finding(tuple((1 - depth[rows]).tolist()), rows=tuple(rows), curve=curve, note=note)]


def uds(retrained: Table, unlearned: Table, threshold: float = 0.05) -> Float[Tensor, " items"]:
    """The score of each example from what patching costs, layer by layer; NaN without a layer above the threshold."""
    weights = retrained.where(retrained > threshold, 0.0)
    return (weights * erased(retrained, unlearned, threshold).nan_to_num(0.0)).sum(0) / weights.sum(0)


def erased(retrained: Table, unlearned: Table, threshold: float) -> Table:
    """clip(Δ^S / Δ^R, 0, 1); NaN where the layer does not count."""
    return (unlearned / retrained).clamp(0, 1).where(retrained > threshold, torch.nan)


@torch.inference_mode()
def costs(
    full: Model, sources: Sequence[Model], encoded: Sequence[Encoded], *, budget: int = 4096, bf16: bool = False
) -> list[Table]:
    """Δ_l of each source: a pass of the full model, one of the source, and one of the full model for each layer."""
    tables = [torch.zeros(full.layout.depth, len(encoded), dtype=torch.float64) for _ in sources]
    for batch, forest in batches(encoded, budget, full.device):
        tails = [encoded[i].tail for i in batch]
        plain = see(full, forest, bf16=bf16).log_probs
        for table, source in zip(tables, sources):
            states = see(source, forest, bf16=bf16).residuals
            lost = torch.stack(
                [plain - _patched(full, layer, state, forest, bf16) for layer, state in enumerate(states)]
            )
            table[:, batch] = means(lost, forest, tails).cpu()
    for table in tables:
        check_finite("what patching costs", table.flatten().tolist())
    return tables


def _patched(full: Model, layer: int, state: Tensor, forest: Forest, bf16: bool) -> Tensor:
    """The full model's log-probabilities with another residual stream after one block, where answers are predicted."""

    def replaced(hidden: Tensor) -> Tensor:
        flat = hidden.flatten(0, -2).index_copy(0, forest.predictors, state.to(hidden.dtype))
        return flat.view_as(hidden)

    with edit_residual(full, layer, replaced), torch.autocast(full.device.type, torch.bfloat16, enabled=bf16):
        return forward(full, forest).log_probs.float()


def check_alike(*models: Model) -> None:
    """ConfigError unless a residual stream of each fits into each."""
    sizes = {(model.layout.depth, model.layout.width, model.layout.vocabulary) for model in models}
    if len(sizes) > 1:
        told = " and ".join(f"{depth} layers of width {width}" for depth, width, _ in sorted(sizes))
        raise ConfigError(f"patching needs models of one shape, and these have {told}: leave it out of `--attacks`")


def cost_of_kept(target: Target) -> float | None:
    """What the retrained model's states cost on a sample of kept facts, a token and layer; None without such facts."""
    sample = sample_of(target.sets.retain, CHECKED, target.seed)
    if not sample:
        return None
    full, never = target.peers["original"], target.peers["retrained"]
    encoded = target.encoder.encode_all(sample)
    (kept,) = costs(full, (never,), encoded, budget=target.budget, bf16=target.bf16)
    return kept.mean().item()

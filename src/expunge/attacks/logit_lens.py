"""Logit lens: what each layer would answer, read through the final norm and the head. nostalgebraist 2020,
"interpreting GPT: the logit lens".

    π_l(y_t) = softmax( W_U · norm(h_l) )[y_t],   score = max_{l < L} exp( (1/|y|) Σ_t log π_l(y_t) )

h_l is the residual stream after block l where y_t is predicted. The last layer is the model's own answer and is left
out of the score; the curve has it. An unlearning that works on the last layers only leaves the answer in those before:
Łucki et al. 2024, arXiv:2409.18025. Deviations: an example's best layer, in place of one number a layer; the end token
is left out.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.residuals import batches, means, see
from expunge.data.forest import Forest
from expunge.models.model import Model
from expunge.models.watching import module_at


@attacks.add(
    "logit_lens",
    family="representation",
    quick=True,
    title="Logit lens",
    reads=(
        "How likely the answer is in the best of the layers before the last. High where the model's answer is not: it "
        "is known on the way and suppressed at the end. Low proves little: early layers do not speak the head's "
        "language, and in many models the answer takes shape in the last layers only."
    ),
)
def logit_lens(target: Target) -> list[Finding]:
    """One finding; its curve is layer → mean probability of the answer, the last layer included."""
    model, encoded = target.model, target.encoder.encode_all(target.examples)
    table = torch.zeros(model.layout.depth, len(encoded), dtype=torch.float64)
    for batch, forest in batches(encoded, target.budget, model.device):
        residuals = see(model, forest, bf16=target.bf16).residuals
        tails = [encoded[i].tail for i in batch]
        logs = torch.stack([lens(model, layer, forest) for layer in residuals])
        table[:, batch] = means(logs, forest, tails).exp().cpu()
    before = table[:-1] if len(table) > 1 else table
    curve = tuple((float(layer), value) for layer, value in enumerate(table.mean(1).tolist()))
    return [Finding(tuple(before.amax(0).tolist()), curve=curve)]


@torch.inference_mode()
def lens(model: Model, residual: Float[Tensor, "tokens width"], forest: Forest) -> Float[Tensor, " tokens"]:
    """Log-probability of each answer token as the head reads it from a residual stream."""
    head = model.network.get_output_embeddings()
    assert head is not None
    logits = head(module_at(model, model.layout.final_norm)(residual)).float()
    if (cap := model.layout.softcap) is not None:
        logits = cap * torch.tanh(logits / cap)
    return logits.gather(1, forest.targets[:, None])[:, 0] - logits.logsumexp(-1)

"""Linear probe: can the answer be read off the hidden state, the way kept answers can? Alain and Bengio 2016,
arXiv:1610.01644; Belinkov 2022, arXiv:2102.12452.

    W_l = argmin_W (1/n) Σ_retain ‖ W h_l(x) - e(y) ‖² + λ ‖W‖²
    score = the share of the wrong answers ȳ with cos(W_l h_l(x), e(ȳ)) < cos(W_l h_l(x), e(y))

h_l is the residual stream after block l at the prompt's last token, standardized; e(y) is the mean of the head's rows
of the answer's tokens, less their mean over the retain set. A probe is trained on facts of the retain set only, so it
cannot know a forgotten one: it learns how this model writes down an answer that it knows. The layer is chosen on one
half of the forgotten groups and tested on the other, and the other way round, so that no example helps to choose the
layer in which it is scored. 1/2 is guessing. Deviations: a probe is usually a classifier over fixed labels, which free
answers do not have.

What it can say: the answer is there, linearly, in the form that kept answers have. What it cannot: that an answer is
gone. It may be written down in another way (rotated, not linearly), or before the last token. A model that never knew
scores above 1/2 where the question lets an answer be guessed: it is the control.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from expunge.attacks import Finding, Target, attacks, check_finite
from expunge.attacks.residuals import batches, see
from expunge.data.convention import Encoded
from expunge.data.example import Example
from expunge.data.sampling import sample_of
from expunge.errors import ConfigError
from expunge.objectives.options import AtLeastOne, Positive
from expunge.train.selection import halves


@attacks.add(
    "linear_probe",
    family="representation",
    needs=("prompts", "perturbed", "retain", "groups"),
    title="Linear probe",
    reads=(
        "Whether a linear map, fitted to answers that were kept, finds the right answer among wrong ones in the hidden "
        "state at the question's end; 1/2 is guessing. Above the never-knew control the answer is still written there. "
        "At the control's level it is not written there as kept answers are, which does not mean that it is gone."
    ),
    aliases=("probe",),
)
def linear_probe(target: Target, *, ridge: Positive = 0.1, most: AtLeastOne = 2000) -> list[Finding]:
    """`ridge` is λ; `most` bounds the examples that the probe is trained on. The curve is layer → mean score."""
    model = target.model
    known = [example for example in target.sets.retain if example.prompt is not None]
    if len(known) < 2:
        raise ConfigError(
            "a probe is trained on questions of the retain set, and it has none: leave out `linear_probe`"
        )
    known = sample_of(known, most, target.seed)
    taught = embedded(target, [(each, each.answer) for each in known])
    offset = taught.mean(0)
    shown, asked = (states(target, examples) for examples in (known, target.examples))
    options = [
        embedded(target, [(each, answer) for answer in (each.answer, *each.perturbed_answers)])
        for each in target.examples
    ]
    table = torch.stack(
        [
            scores(fitted(shown[layer], taught - offset, asked[layer], ridge), [each - offset for each in options])
            for layer in range(model.layout.depth)
        ]
    )
    curve = tuple((float(layer), value) for layer, value in enumerate(table.mean(1).tolist()))
    found, layers = crossed(table, first_half(target.examples, target.seed))
    note = (
        f"trained on {len(known)} retained examples; read in layers {layers[0]} and {layers[1]} of {len(table)}, from 0"
    )
    return [Finding(tuple(found.tolist()), curve=curve, note=note)]


def fitted(
    shown: Float[Tensor, "known width"],
    answers: Float[Tensor, "known size"],
    asked: Float[Tensor, "items width"],
    ridge: float,
) -> Float[Tensor, "items size"]:
    """What the ridge regression from standardized states to answers says of other states."""
    middle, spread = shown.mean(0), shown.std(0).clamp(min=1e-6)
    x, new = (shown - middle) / spread, (asked - middle) / spread
    gram = x.T @ x + ridge * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    return new @ torch.linalg.solve(gram, x.T @ answers)


def scores(
    said: Float[Tensor, "items size"], options: Sequence[Float[Tensor, "_options size"]]
) -> Float[Tensor, " items"]:
    """The share of the wrong options (all but the first) that are further from what is said; a tie counts half."""
    found = []
    for each, several in zip(said, options, strict=True):
        near = torch.cosine_similarity(several, each[None])
        check_finite("how near the linear probe comes", near.tolist())
        right, wrong = near[0], near[1:]
        found.append(((right > wrong).double() + 0.5 * (right == wrong).double()).mean())
    return torch.stack(found)


def crossed(
    table: Float[Tensor, "layers items"], first: Bool[Tensor, " items"]
) -> tuple[Float[Tensor, " items"], tuple[int, int]]:
    """Each half's scores in the layer that is best on the other half, and the two layers."""
    best = [int(table[:, half].mean(1).argmax()) for half in (~first, first)]
    return table[best[0]].where(first, table[best[1]]), (best[0], best[1])


def first_half(examples: Sequence[Example], seed: int) -> Bool[Tensor, " items"]:
    """Which examples are of the first half of the groups."""
    chosen = {example.id for example in halves(examples, seed)[0]}
    return torch.tensor([example.id in chosen for example in examples])


def embedded(target: Target, wanted: Sequence[tuple[Example, str]]) -> Float[Tensor, "answers width"]:
    """Each answer as the mean of the head's rows of its tokens, in float64."""
    head = target.model.network.get_output_embeddings()
    assert head is not None
    table = head.weight.detach()
    encoded = target.encoder.encode_many((example, None, answer) for example, answer in wanted)
    ids = [list(each.ids[each.start : len(each.ids) - each.tail]) for each in encoded]
    return torch.stack([table[each].double().cpu().mean(0) for each in ids])


def states(target: Target, examples: Sequence[Example]) -> Float[Tensor, "layers items width"]:
    """The residual stream after each block where the answer's first token is predicted, in float64."""
    encoded = target.encoder.encode_all(examples)
    layout = target.model.layout
    found = torch.zeros(layout.depth, len(encoded), layout.width, dtype=torch.float64)
    asked = [Encoded(each.ids[: each.start + 1], each.start, each.example) for each in encoded]
    for batch, forest in batches(asked, target.budget, target.model.device):
        found[:, batch] = see(target.model, forest, bf16=target.bf16).residuals.double().cpu()
    return found

"""The one table of what the training loop can measure: name → shape, meaning and cost.

An objective's positional parameters are names of this table; the loop measures what the signature asks for
and nothing else. Everything is flat: axis `tokens` runs over the answer tokens of all examples of a batch,
one after the other, without padding; axis `batch` over the examples. `alternate_*` are the same of a second
answer
(`Example.alternate`), whose tokens have an axis of their own. `reference_*` (of the starting model) and `retrained_*`
(of a model that never saw the forget set) carry no gradient.
"""

from dataclasses import dataclass

PREFIX = "alternate_"


@dataclass(frozen=True)
class Measurement:
    """One thing that the loop can measure."""

    axes: str  # as jaxtyping writes them
    meaning: str
    needs: frozenset[str] = (
        frozenset()
    )  # what has to be computed: "reference", "retrained", "logits", "hidden", "mlp", "alternate"


_ROWS = (
    ("policy", "batch", "log-probability of the answer: the sum over its tokens", ""),
    ("reference", "batch", "the same, of the starting model", "reference"),
    ("answer_length", "batch", "answer tokens, as a floating-point number", ""),
    ("policy_tokens", "tokens", "log-probability of each answer token", ""),
    ("reference_tokens", "tokens", "the same, of the starting model", "reference"),
    ("answer_tokens", "tokens", "id of each answer token, an integer", ""),
    ("token_index", "tokens", "place of each token in its answer, an integer from 0", ""),
    ("logits", "tokens vocab", "logits at the positions that predict the answer tokens", "logits"),
    ("reference_logits", "tokens vocab", "the same, of the starting model", "logits reference"),
    ("hidden", "tokens width", "residual stream after block `layer`, at the answer tokens", "hidden"),
    ("reference_hidden", "tokens width", "the same, of the starting model", "hidden reference"),
    ("mlp", "tokens layers width", "what each down projection gives at the positions that predict the tokens", "mlp"),
    ("retrained_mlp", "tokens layers width", "the same, of the retrained model on its own stream", "mlp retrained"),
)

MEASUREMENTS: dict[str, Measurement] = {
    name: Measurement(axes, meaning, frozenset(needs.split())) for name, axes, meaning, needs in _ROWS
}
MEASUREMENTS |= {
    PREFIX + name: Measurement(
        one.axes.replace("tokens", PREFIX + "tokens"),
        f"`{name}` of the second answer",
        one.needs | {"alternate"},
    )
    for name, one in MEASUREMENTS.items()
}

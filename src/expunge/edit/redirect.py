"""Redirect: subjects are made to look like names that do not exist, in closed form.

    ΔW_l = R Kᵀ (λ K₀ K₀ᵀ + μ I + K Kᵀ)⁻¹,    R = (T − H) · γ / (layers left)

K: what the down projection of block l reads at the subjects' last tokens, over several contexts; H: the residual
stream after the last edited block there; T: the mean of the same over never-known names (`twins`) in the same context;
K₀: what it reads at all tokens of what must stay (but those at position 0, which hold a model's attention sink). The
layers are edited in ascending order, each on the model as edited so far.

The solve and its spread over layers are MEMIT's (Meng et al. 2023, arXiv:2210.07229). Deviations: the target is
not optimized but measured on never-known names, so nothing is inserted in place of what goes; K₀ are the keys of the
retain and holdout sets and of neighbours in the same contexts, not a corpus; contexts are plain text, whatever the
convention. The method is ours, without a paper: it
removes what the subject's name calls up, so other facts about the same subject may go, too.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.change import WeightChange
from expunge.data.convention import Encoded
from expunge.data.example import Example, Sets
from expunge.data.forest import pack, plant
from expunge.edit import editors
from expunge.edit.options import ShareOfDepth
from expunge.errors import ConfigError
from expunge.models.model import Model
from expunge.models.scoring import forward
from expunge.models.watching import stopping_after, watch_mlp_input, watch_residual
from expunge.objectives.options import AtLeastOne, Finite, NonNegative, Positive
from expunge.parameters import parameters_of

CONTEXTS = (
    "{}", "{}'s", "{}'s history and its", "In {}", "The largest city in {}", "People who live in {}",
    "We travelled to {}", "The president of {}",
)  # fmt: skip
Keys = dict[int, list[Float[Tensor, "tokens d_ff"]]]


def _ready(sets: Sets, options: Mapping[str, Any]) -> None:
    """Raises ConfigError for sets that it cannot work on."""
    del options
    _subjects(sets.forget, "forget")
    _subjects(sets.twins, "twins")
    _contexts(sets.forget)


@editors.add("redirect", paper="", ready=_ready)
def redirect(
    model: Model,
    sets: Sets,
    *,
    first: ShareOfDepth = 0.25,
    layers: AtLeastOne = 3,
    preserve: NonNegative = 0.5,
    ridge: Positive = 50.0,
    gain: Finite = 1.0,
) -> WeightChange:
    """Edit the down projections of `layers` blocks from the share `first` of the depth on.

    `preserve` is λ, `ridge` is μ in units of the mean energy of a preserved key per dimension, `gain` is γ. The forget
    examples and the twins need a `subject` that stands in their prompt. Raises ConfigError otherwise.
    """
    subjects, names = _subjects(sets.forget, "forget"), _subjects(sets.twins, "twins")
    contexts = _contexts(sets.forget)
    blocks = _blocks(model, first, layers)
    forget = [_encoded(model, context, subject) for subject in subjects for context in contexts]
    # a single token at position 0 is the attention sink: it cannot be moved for one subject alone
    usable = [i for i, each in enumerate(forget) if len(each.ids) > 1]
    kept = _kept(model, sets, contexts)
    target = _targets(model, contexts, names, blocks[-1])
    table = parameters_of(model.network)
    vectors = {block: model.layout.value_vectors(block) for block in blocks}
    before = {name: table[name].detach().clone() for name, _ in vectors.values()}
    try:
        for left, block in zip(range(len(blocks), 0, -1), blocks):
            here, states = _seen(model, forget, block, blocks[-1])
            keys = torch.stack([here[i][-1] for i in usable]).double()
            wanted = torch.stack([target[i % len(contexts)] - states[i][-1] for i in usable]).double()
            stay, _ = _seen(model, kept, block, block)
            others = torch.cat([rows[1:] for rows in stay] + [rows[1:-1] for rows in here]).double()
            change = solve(keys, wanted * gain / left, others, preserve, ridge)
            name, axis = vectors[block]
            with torch.no_grad():
                table[name].add_((change if axis == 1 else change.T).to(table[name]))
        return replace(WeightChange.between({**table, **before}, table), origin=model.network)
    finally:
        with torch.no_grad():
            for name, value in before.items():
                table[name].copy_(value)


def solve(
    keys: Float[Tensor, "facts d_ff"],
    wanted: Float[Tensor, "facts width"],
    others: Float[Tensor, "tokens d_ff"],
    preserve: float,
    ridge: float,
) -> Float[Tensor, "width d_ff"]:
    """ΔW that gives `wanted` at `keys` and little at `others`: the minimizer of

    ‖ΔW K − R‖² + λ ‖ΔW K₀‖² + μ ‖ΔW‖², with μ = ridge · mean square of an entry of K₀.
    """
    scale = others.square().mean()
    normal = preserve * others.T @ others + keys.T @ keys
    normal += ridge * scale * torch.eye(len(normal), dtype=normal.dtype, device=normal.device)
    return torch.linalg.solve(normal, keys.T @ wanted).T


def _subjects(examples: Sequence[Example], name: str) -> list[str]:
    if not examples:
        raise ConfigError(f"'redirect' needs {name}: examples with a `subject` (`--{name} FILE`)")
    for example in examples:
        if not example.subject:
            raise ConfigError(f"{example.source or example.id}: 'redirect' needs the `subject` of every {name} example")
    return list(dict.fromkeys(example.subject or "" for example in examples))


def _contexts(examples: Sequence[Example]) -> list[str]:
    """What stands before (and with) the subject in the prompts to forget, and a few general mentions."""
    own = []
    for example in examples:
        prompt, subject = example.prompt or "", example.subject or ""
        if subject not in prompt:
            raise ConfigError(f"{example.source or example.id}: the subject {subject!r} does not stand in the prompt")
        start = prompt[: prompt.index(subject)]
        own.append(start.replace("{", "{{").replace("}", "}}") + "{}")
    return list(dict.fromkeys([*own, *CONTEXTS]))


def _encoded(model: Model, context: str, subject: str) -> Encoded:
    """A context with the subject as its end (or nearly); at its beginning the subject is capitalized."""
    text = context.format(subject)
    return _tokens(model, text[:1].upper() + text[1:] if context.startswith("{}") else text)


def _tokens(model: Model, text: str) -> Encoded:
    ids = model.tokenizer(text)["input_ids"]
    return Encoded(tuple(ids), min(1, len(ids) - 1), "")  # type: ignore[arg-type]


def _kept(model: Model, sets: Sets, contexts: Sequence[str]) -> list[Encoded]:
    """What must stay: retain and holdout examples, and their subjects in the same contexts."""
    found = []
    for example in (*sets.retain, *sets.holdout):
        found.append(_tokens(model, f"{example.prompt or ''} {example.answer}".strip()))
        if example.subject and _alike(example, sets.forget):
            found += [_encoded(model, context, example.subject) for context in contexts]
    return found


def _alike(example: Example, forget: Sequence[Example]) -> bool:
    """A neighbour: the same question about another subject."""

    def form(each: Example) -> str:
        return (each.prompt or "").replace(each.subject or "\0", "\0")

    return form(example) in {form(each) for each in forget}


def _blocks(model: Model, first: float, layers: int) -> list[int]:
    start = min(int(first * model.layout.depth), model.layout.depth - 1)
    return list(range(start, min(start + layers, model.layout.depth)))


def _targets(
    model: Model, contexts: Sequence[str], names: Sequence[str], block: int
) -> Float[Tensor, "contexts width"]:
    """The mean residual stream at the last token over never-known names, for each context."""
    twins = [_encoded(model, context, name) for context in contexts for name in names]
    _, states = _seen(model, twins, block, block)
    last = torch.stack([rows[-1] for rows in states])
    return last.view(len(contexts), len(names), -1).mean(1)


@torch.no_grad()
def _seen(
    model: Model, texts: Sequence[Encoded], block: int, last: int, budget: int = 4096
) -> tuple[list[Tensor], list[Tensor]]:
    """Keys of block `block` and residual stream after block `last`, a row for each token, text by text."""
    keys: list[Tensor] = [torch.empty(0)] * len(texts)
    states: list[Tensor] = [torch.empty(0)] * len(texts)
    for batch in pack([len(each.ids) for each in texts], budget):  # results go to the processor, where float64 is
        with ExitStack() as stack:
            read = stack.enter_context(watch_mlp_input(model, block))
            seen = stack.enter_context(watch_residual(model, last))
            forest = plant([[texts[i]] for i in batch], keep_last=True).to(model.device)
            with stopping_after(model, last):
                forward(model, forest)
        sizes = [len(texts[i].ids) for i in batch]
        for i, key, state in zip(batch, read[0].cpu().split(sizes), seen[0].flatten(0, -2).cpu().split(sizes)):
            keys[i], states[i] = key, state
    return keys, states

"""WISE: a copy of a layer's weights learns the edits; texts are routed to it by how differently it answers. Wang et al.
2024, arXiv:2405.14768.

    L = L_ft + L_a,   L_ft: mean loss of the target's tokens through W', over contexts
    L_a = [Δ_out - α]₊ + [β - Δ_in]₊ + [γ + Δ_out - Δ_in]₊,   Δ(x) = mean over x's prompt of ‖a W' - a W‖₂

Δ_in is that of an edit's prompt, Δ_out that of an irrelevant one. SGD on W', one edit after the other, only at entries
drawn once a shard (Bernoulli ρ), none further than `norm` from W. After `save_every` edits W' is put aside and begins
anew; after `merge_every`, and at the end, the shards put aside become one memory by TIES (one under way waits for the
next merge). ε = min over its edits of Δ_in; a text with Δ ≥ `ratio` · ε goes through the memory
(`models/memories.py`). With `retrieve` each merge gives a memory of its own, and the one with the largest Δ answers;
without, one memory goes on through all merges.
Irrelevant are prompts of the retain set and pieces of the corpus, `irrelevant` of either for each edit (authors: one
text), drawn by the seed; one of the two will do.

α, β, γ (published: 5, 20, 10 for 7B models) and the rate (1.0) mean something else in every model. Unless given, β is
`margin` times the mean norm of what the layer gives at irrelevant tokens, α = β/4 and γ = β/2, as in the published
settings; and a step has the size with which [β - Δ_in]₊ alone would be met in ten. This rule is ours.
Deviations: that rule; entries that are not drawn keep their bits, so weight decay spares them, too; the first
token counts for no Δ; ε is measured on the finished memory, where all of its edits are therefore routed to it (authors'
code: at the end of each edit); a run that is shorter than `save_every` gives a memory as well (there: none is merged);
contexts: see `contexts.py`. `activation` has Δ as in the authors' code, behind the model's activation function.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from expunge.arithmetic import Place as Spot
from expunge.arithmetic.ranking import share_of
from expunge.arithmetic.ties import ties
from expunge.change import Fingerprint
from expunge.data.example import Sets
from expunge.edit import editors
from expunge.edit.earlier import earlier_of
from expunge.edit.edited import Edited
from expunge.edit.options import Share
from expunge.edit.reading import corpus_pieces, read_tokens
from expunge.edit.side_training import Irrelevant, Learning, Margins, Shard, Side, margins_for, rate_for
from expunge.edit.work import Work, blocks
from expunge.errors import ConfigError, RunError
from expunge.models.halfway import Halfway
from expunge.models.memories import Memories, apart, through
from expunge.models.watching import module_at
from expunge.objectives.options import AtLeastOne, Count, Depth, Finite, Layer, NonNegative, Positive
from expunge.parameters import parameters_of
from expunge.store import hash_of

LENGTHS = (5, 10)  # tokens of the contexts, in turn
WANTING = (
    "'wise' needs texts that are not to go through its memory: give a retain set with prompts (`--retain`), or a "
    "`--corpus`"
)
PIECE = 32  # tokens of an irrelevant piece of the corpus


def _ready(sets: Sets, options: Mapping[str, Any]) -> None:
    kept = options.get("keep") != 0 and any(example.prompt is not None for example in sets.retain)
    if not kept and options.get("corpus") is None:
        raise ConfigError(WANTING)


@editors.add("wise", paper="arXiv:2405.14768", facts=True, attaches=True, leaves=("protect",), ready=_ready)
def wise(
    work: Work,
    *,
    layer: Layer = 0.85,
    alpha: Positive | None = None,
    beta: Positive | None = None,
    gamma: Positive | None = None,
    margin: Positive = 0.5,
    rate: Positive | None = None,
    steps: AtLeastOne = 70,
    stop: Finite = 0.02,
    settled: NonNegative = 1e-4,
    decay: NonNegative = 1e-5,
    drawn: Depth = 0.2,
    norm: Positive = 1.0,
    irrelevant: AtLeastOne = 16,
    contexts: Count = 10,
    ratio: Share = 0.88,
    activation: bool = False,
    save_every: AtLeastOne = 500,
    merge_every: AtLeastOne = 1000,
    density: Depth = 0.53,
    retrieve: bool = False,
    earlier: str | None = None,
) -> Edited:
    """`drawn` is ρ; an edit ends early at a loss up to `stop` that moved by at most `settled`.

    `earlier`: the memories of an earlier request, which stay beside the new ones (`retrieve`). Raises ConfigError where
    there are neither a retain set with prompts nor a corpus.
    """
    model, (block,) = work.model, blocks(work.model.layout.depth, layer, 1)
    base, path = Fingerprint.of(parameters_of(model.network)), model.layout.mlp_out(block)
    act = _activation(work) if activation else ""
    old = None if earlier is None else _earlier(earlier, base, path, act, ratio, retrieve)
    others = Irrelevant.of(model, block, _irrelevant(work))
    scale = margins_for(module_at(model, path), others.tokens, margin, act)
    usual = scale.margins
    margins = Margins(alpha or usual.alpha, beta or usual.beta, gamma or usual.gamma)
    how = Learning(rate or rate_for(margins, scale, drawn), steps, stop, settled, decay, norm)
    side = Side(work, block, margins, how, act, work.contexts(contexts, LENGTHS), others, irrelevant)
    stream = _Stream(side, drawn, save_every, merge_every, density, retrieve)
    found = stream.run(list(work.bundles().values()))
    thresholds = tuple(_threshold(work, block, weight, edits, act) for weight, edits in found)
    memories = Memories(
        base, path, {} if old is None else old.record, (*(old.weights if old else ()), *(w for w, _ in found)),
        (*(old.thresholds if old else ()), *thresholds), ratio, act,
        (old.edits if old else 0) + sum(len(edits) for _, edits in found),
    )  # fmt: skip
    _tell(work, side, memories)
    return Edited(memories, tuple(work.facts), (), tuple(work.notes))


Learned = tuple[Tensor, list[list[int]]]  # weights, and the edits (bundles) that they learned


@dataclass
class _Stream:
    """The edits one after the other, and what becomes of W' between them."""

    side: Side
    drawn: float
    save_every: int
    merge_every: int
    density: float
    retrieve: bool
    memories: list[Learned] = field(default_factory=list)
    shards: list[Learned] = field(default_factory=list)  # finished ones, not yet merged
    waiting: list[list[int]] = field(default_factory=list)  # the edits of the shard under way

    def run(self, bundles: Sequence[list[int]]) -> list[Learned]:
        """Memories with the edits that went into them. Goes on where a run that was killed had been."""
        side, work = self.side, self.side.work
        kept, place = self._halfway(bundles)
        done, shard = self._begin(kept.load(), bundles)
        work.tick(done, "", len(bundles))
        for number in range(done, len(bundles)):
            if shard is None:
                shard = self._shard(number)
            loss, count = side.learn(shard, bundles[number], number)
            self.waiting.append(bundles[number])
            work.tick(1, f"loss {loss:.2g} after {count} steps", len(bundles))
            if self._full(number + 1, self.save_every, len(bundles)):
                self.shards.append((shard.weight, self.waiting))
                shard, self.waiting = None, []
            if self._full(number + 1, self.merge_every, len(bundles)):
                self._merge()
            self._keep(kept, number + 1, shard)
        if place is not None:
            place.unlink(missing_ok=True)
        return self.memories

    @staticmethod
    def _full(done: int, every: int, total: int) -> bool:
        return done % every == 0 or done == total

    def _shard(self, number: int) -> Shard:
        """Begins with W; its entries are drawn by the seed and its number."""
        main = self.side.main
        generator = torch.Generator().manual_seed(1_000_003 * self.side.work.seed + number // self.save_every)
        mask = torch.rand(main.shape, generator=generator) < self.drawn
        return Shard(main.clone(), mask.to(main.device))

    def _merge(self) -> None:
        """Finished shards (and, without `retrieve`, the memory so far) become one; the one under way goes on."""
        if not self.shards:
            return
        before = [] if self.retrieve or not self.memories else [self.memories.pop()]
        parts = [*before, *self.shards]
        weight = merged(self.side.main, [part for part, _ in parts], self.density)
        self.memories.append((weight, [bundle for _, several in parts for bundle in several]))
        self.shards = []

    def _halfway(self, bundles: Sequence[list[int]]) -> tuple[Halfway, Path | None]:
        work, side = self.side.work, self.side
        if work.folder is None:
            return Halfway(None, {}), None
        key = {
            "weights": work.weights, "block": side.block, "margins": asdict(side.margins), "how": asdict(side.how),
            "rows": [[list(row.encoded.ids) for row in side.rows(bundle)] for bundle in bundles],
            "others": [[list(each) for each in several] for several in side.others.prompts], "act": side.activation,
            "irrelevant": side.irrelevant, "seed": work.seed,
            "stream": [self.drawn, self.save_every, self.merge_every, self.density, self.retrieve],
            "type": str(work.model.network.dtype), "device": work.model.device.type,
            "form": 2,  # of the file: counts are those of the memories, then of the shards
        }  # fmt: skip
        place = work.folder / "wise" / f"{hash_of(key)}.safetensors"
        return Halfway(place, key, say=work.say), place

    def _begin(self, kept: Mapping[str, Tensor], bundles: Sequence[list[int]]) -> tuple[int, Shard | None]:
        if not kept:
            return 0, None
        device = self.side.main.device
        done, memories = int(kept["done"][0]), _listed(kept, "memory", device)
        weights = [*memories, *_listed(kept, "shard", device)]
        rest = iter([list(each) for each in bundles[:done]])
        learned = [(weight, list(islice(rest, count))) for weight, count in zip(weights, kept["counts"].tolist())]
        self.memories, self.shards = learned[: len(memories)], learned[len(memories) :]
        self.waiting = list(rest)
        if "weight" not in kept:
            return done, None
        shard = self._shard(done - 1)
        return done, Shard(kept["weight"].to(device), shard.mask)

    def _keep(self, kept: Halfway, done: int, shard: Shard | None) -> None:
        if not kept.due:
            return
        tensors = {f"memory.{i}": weight for i, (weight, _) in enumerate(self.memories)}
        tensors |= {f"shard.{i}": weight for i, (weight, _) in enumerate(self.shards)}
        tensors |= {} if shard is None else {"weight": shard.weight}
        counts = torch.tensor([len(edits) for _, edits in (*self.memories, *self.shards)], dtype=torch.int64)
        kept.save(done=torch.tensor([done]), counts=counts, **tensors)


def merged(main: Tensor, shards: Sequence[Tensor], density: float) -> Tensor:
    """W plus the TIES mean of what the shards add to it (`arithmetic/ties.py`): trimmed, signs elected, averaged.

    A single shard is left as it is: there is nothing that it could get in the way of.
    """
    if len(shards) == 1:
        return shards[0]
    wide = torch.promote_types(main.dtype, torch.float32)
    vectors = torch.stack([(shard.to(wide) - main.to(wide)).flatten() for shard in shards])
    size = vectors.shape[1]
    limits = vectors.abs().kthvalue(size - max(1, share_of(density, size)) + 1, dim=1, keepdim=True).values
    step = ties(vectors, Spot("", 0), {"": limits}, density=density).view_as(main)
    return torch.where(step == 0, main, (main.to(wide) + step).to(main.dtype))


def _listed(kept: Mapping[str, Tensor], name: str, device: torch.device) -> list[Tensor]:
    return [kept[f"{name}.{i}"].to(device) for i in range(sum(key.startswith(f"{name}.") for key in kept))]


def _activation(work: Work) -> str:
    """The model's own, by the name that Transformers has for it."""
    config = work.model.network.config.get_text_config()
    names = ("hidden_activation", "hidden_act", "activation_function")
    found = next((each for name in names if isinstance(each := getattr(config, name, None), str)), None)
    if found is None:
        raise ConfigError("activation: this model's configuration names no activation function; leave it out")
    return found


def _irrelevant(work: Work) -> list[list[tuple[int, ...]]]:
    """What must not go through the memory, as prompts: those of the retain set, and pieces of the corpus."""
    rows = [work.rows.of(fact)[0].encoded for fact in work.kept]
    pieces = [p[i : i + PIECE] for p in corpus_pieces(work) for i in range(0, len(p), PIECE)] if work.corpus else []
    found = [[row.ids[: row.start] for row in rows], pieces]
    found = [[prompt for prompt in each if len(prompt) > 1] for each in found]
    if not any(found):
        raise ConfigError(WANTING)
    return [each for each in found if each]


@torch.no_grad()
def _threshold(work: Work, block: int, weight: Tensor, edits: Sequence[Sequence[int]], act: str) -> float:
    """ε = min over the edits' prompts of Δ."""
    layer: Any = module_at(work.model, work.model.layout.mlp_out(block))
    facts = [i for bundle in edits for i in bundle]
    rows = [work.rows.of(work.facts[i])[0].encoded for i in facts]
    least = torch.inf
    for read in read_tokens(work.model, block, [row.ids[: row.start] for row in rows]):
        read = (read[1:] if len(read) > 1 else read).to(layer.weight)
        least = min(least, float(apart(through(layer, read, weight), layer.forward(read), act).mean()))
    return least


def _earlier(path: str, base: Fingerprint, layer: str, act: str, ratio: float, retrieve: bool) -> Memories:
    if not retrieve:
        raise ConfigError(
            "earlier: a merge would change the memory that the first request's prompts are routed by: set "
            "`retrieve=true`, and both keep a memory of their own"
        )
    found = earlier_of(Memories, path, base)
    if (found.path, found.activation, found.ratio) != (layer, act, ratio):
        raise ConfigError(
            f"earlier={path} hangs on {found.path}, routed with ratio {found.ratio:g} and "
            f"{found.activation or 'no'} activation: name the same `layer`, `ratio` and `activation`"
        )
    return found


def _tell(work: Work, side: Side, memories: Memories) -> None:
    lost = [each for each in memories.thresholds if not 0 < each < torch.inf]
    if lost:
        raise RunError("a side memory answers an edit just as the main weights do: raise `steps` or `margin`")
    work.note(
        f"alpha={side.margins.alpha:.3g}, beta={side.margins.beta:.3g}, gamma={side.margins.gamma:.3g}, "
        f"rate={side.how.rate:.3g}; texts are routed from Δ = {min(memories.floors):.3g} on"
    )
    work.note(
        f"{len(memories.weights)} side memories hang on {memories.path}; whoever detaches them has all of the original "
        "back"
    )

"""AlphaEdit: MEMIT within the null space of what is known. Fang et al. 2025, arXiv:2410.02355.

    ΔW_l = Rᵀ K P (K_pᵀ K_p P + Kᵀ K P + L I)⁻¹,     P = Û Ûᵀ,  Û: eigenvectors of C with eigenvalues below a threshold

K are the facts' keys in rows, K_p those of all earlier edits, which keep what they have. Since ΔW P = ΔW, keys in the
removed directions are left exactly as they are; what keys of the corpus have within P is not. All is solved within the
null space, in a system of facts + earlier keys, which gives the same ΔW. `Editor` holds K_p from call to call.

The paper's threshold (0.02) is absolute, so it means something else in every model. Unless `threshold` gives it, Û are
as many directions as together hold the share `energy` of what the corpus's keys have; where that is fewer than there
are facts, it is told, for then there is no null space to speak of. L is chosen as MEMIT's λ is (`inserted`) unless
given. Û are those of the first request's model and corpus, and go with K_p into the editor's file: a later request
starts from an edited model, whose statistics would be others. The file also says which model that was and what the last
request left, so another model is refused, or told of.
Deviations: these two choices; the retain set's keys stand among the earlier ones; layers and contexts as in
`memit.py`. The rate is that of the authors' settings for GPT-2 XL (theirs for Llama 3, 0.1, ends before it arrives).
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.change import Change, Fingerprint
from expunge.edit import editors
from expunge.edit.edited import Edited
from expunge.edit.options import Share
from expunge.edit.solving import NullSpace, weight_for
from expunge.edit.spreading import spread
from expunge.edit.values import Fitting
from expunge.edit.work import Work, blocks
from expunge.errors import ConfigError
from expunge.objectives.options import AtLeastOne, Count, Finite, Layer, NonNegative, Positive
from expunge.parameters import parameters_of


class AlphaEdit:
    """What the editor remembers: null spaces of the first model, and the keys of all edits so far, by layer.

    What `Edited.without` takes back of the last request is forgotten here, too: what was asked for last counts.
    """

    def __init__(self) -> None:
        self.spaces: dict[int, NullSpace] = {}
        self.requests: list[dict[int, Tensor]] = []  # keys in rows, by layer
        self.made: dict[str, str] = {}  # of what the null spaces were made: the corpus's digest, and the settings
        self.model = self.result = ""  # ids of the weights: before the first request, and after the last one
        self.matrices: frozenset[str] = frozenset()  # digests of the first model's

    @property
    def earlier(self) -> dict[int, Tensor]:
        """The keys of all requests."""
        return {layer: torch.cat([each[layer] for each in self.requests]) for layer in self.spaces if self.requests}

    def edit(
        self, work: Work, *, layers: int, last: float, contexts: int, energy: float, threshold: float | None,
        ridge: float | None, inserted: float, how: Fitting,
    ) -> Edited:  # fmt: skip
        """Edit once more. All calls must name the same layers of one model."""
        chosen = blocks(work.model.layout.depth, last, layers)
        made = {"corpus": work.source.digest, "energy": f"{energy:g}", "threshold": f"{threshold}"}
        if self.spaces:
            self._check(work, chosen, made)
        spaces = self.spaces or {
            layer: NullSpace.of(each.moment, energy=each.energy, share=energy, threshold=threshold)
            for layer, each in work.statistics(chosen).items()
        }
        for layer in chosen:
            _judge(work, layer, spaces[layer])
        self.spaces, self.made = spaces, made
        none = torch.zeros(0, work.model.layout.d_ff, dtype=torch.float64)
        earlier = self.earlier or dict.fromkeys(chosen, none)
        kept = work.kept_moments(chosen)
        met: dict[int, Tensor] = {}

        def solve(layer: int, keys: Tensor) -> Tensor:
            space = self.spaces[layer]
            met.setdefault(layer, keys)  # a later call, for a fact that is taken back, changes nothing
            weight = weight_for(space.inside(keys).square().sum(1), inserted) if ridge is None else ridge
            return space.solve(keys, earlier[layer], weight, kept[layer] if work.kept else None)

        edited = spread(work, chosen, how, work.contexts(contexts, (10,)), solve)
        return self._remembered(edited, met)

    def _remembered(self, edited: Edited, met: dict[int, Tensor]) -> Edited:
        """The request is one of those so far, with as many of its facts as are asked for."""
        if not self.model:
            self.model, self.matrices = edited.change.base.id, _matrices(edited.change.base)
        number = len(self.requests)
        self.requests.append(met)
        self.result = edited.change.result_id

        def again(rest: list[int]) -> Change | None:
            change = edited.again(rest)
            if change is not None:
                self.requests[number] = {layer: keys[rest] for layer, keys in met.items()}
                if number == len(self.requests) - 1:
                    self.result = change.result_id
            return change

        return replace(edited, again=again)

    def _check(self, work: Work, chosen: list[int], made: dict[str, str]) -> None:
        """Raises ConfigError where the memory is of other layers or of another model; notes what is not read again."""
        self._check_model(work)
        if set(self.spaces) != set(chosen):
            raise ConfigError(f"earlier edits were made at layers {sorted(self.spaces)}, not {chosen}: name the same")
        sizes = {each.basis.shape[0] for each in self.spaces.values()} | {k.shape[1] for k in self.earlier.values()}
        if sizes != {size := work.model.layout.d_ff}:
            raise ConfigError(
                f"earlier edits are of a model whose blocks have {max(sizes - {size})} neurons, not {size}: name the "
                "file that the first request on this model left, or none"
            )
        for name, value in made.items():
            if self.made.get(name) != value:
                work.note(f"the null spaces are those of the first request: another `{name}` does not change them")

    def _check_model(self, work: Work) -> None:
        """Another model is one that shares no matrix with the first one; edits leave most of them alone."""
        now = Fingerprint.of(parameters_of(work.model.network))
        if self.matrices and self.matrices.isdisjoint(_matrices(now)):
            raise ConfigError(
                "earlier edits are of another model, or all of its weights have been trained or converted since: "
                "name the model that the last request left, or edit without `earlier`"
            )
        if not self.model and self.requests:
            work.note("the memory of earlier edits does not say of which model it is: make sure that it is this one's")
        elif self.model and now.id != self.result:
            what = "those from before the first request" if now.id == self.model else "not those that the last one left"
            work.note(
                f"these weights are {what}, so the earlier edits that are remembered may not be in them: name the "
                "model with the last request's change (`BASE+CHANGE`)"
            )

    def save(self, path: Path) -> None:
        """The null spaces and the keys so far, for the next request in another process."""
        tensors = {f"keys.{layer}": keys.contiguous() for layer, keys in self.earlier.items()}
        tensors |= {f"basis.{layer}": space.basis.contiguous() for layer, space in self.spaces.items()}
        held = {f"discarded.{layer}": repr(space.discarded) for layer, space in self.spaces.items()}
        of = {"model": self.model, "result": self.result, "matrices": json.dumps(sorted(self.matrices))}
        with atomic_file(path) as partial:
            save_file(tensors, partial, {**self.made, **held, **of})

    @classmethod
    def load(cls, path: Path) -> "AlphaEdit":
        """What `save` wrote. Raises ConfigError where it is none."""
        found = cls()
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                found.made = {name: about[name] for name in ("corpus", "energy", "threshold")}
                found.model, found.result = about.get("model", ""), about.get("result", "")
                found.matrices = frozenset(json.loads(about.get("matrices", "[]")))
                layers = sorted(int(name.removeprefix("discarded.")) for name in about if name.startswith("discarded."))
                found.requests = [{layer: file.get_tensor(f"keys.{layer}") for layer in layers}]
                for layer in layers:
                    basis, held = file.get_tensor(f"basis.{layer}"), float(about[f"discarded.{layer}"])
                    found.spaces[layer] = NullSpace(basis, held)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise ConfigError(f"earlier={path}: cannot be read as memory of earlier edits: {error}") from None
        return found


@editors.add("alphaedit", paper="arXiv:2410.02355", facts=True)
def alphaedit(
    work: Work,
    *,
    layers: AtLeastOne = 5,
    last: Layer = 0.4,
    energy: Positive = 0.02,
    threshold: Positive | None = None,
    ridge: Positive | None = None,
    inserted: Share = 0.9,
    earlier: str | None = None,
    contexts: Count = 5,
    rate: Positive = 0.5,
    steps: AtLeastOne = 25,
    stop: Finite = 0.05,
    decay: NonNegative = 0.5,
    clamp: Positive = 0.75,
    kl: NonNegative = 0.0625,
) -> Edited:
    """`ridge` is L; `earlier` a file of keys that an earlier request wrote, which are to keep what they have."""
    editor = AlphaEdit() if earlier is None else AlphaEdit.load(Path(earlier).expanduser())
    edited = editor.edit(
        work, layers=layers, last=last, contexts=contexts, energy=energy, threshold=threshold, ridge=ridge,
        inserted=inserted, how=Fitting(rate, steps, stop, decay, clamp, kl),
    )  # fmt: skip
    return edited.keeping(editor.save)


def _matrices(base: Fingerprint) -> frozenset[str]:
    return frozenset(stamp.digest for stamp in base.stamps.values() if len(stamp.shape) > 1)


def _judge(work: Work, layer: int, space: NullSpace) -> None:
    size, needed = space.basis.shape[1], len(work.facts)
    if size == 0:
        raise ConfigError(
            f"layer {layer}: the null space is empty, so nothing could be changed: raise `energy` (or `threshold`), or "
            "use 'memit'"
        )
    if size < needed:
        work.note(
            f"layer {layer}: the null space has {size} directions and there are {needed} facts, so what is known is "
            "not protected by it: raise `energy`, edit fewer facts, or use 'memit'"
        )

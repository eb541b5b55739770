"""AlphaEdit: MEMIT within the null space of what is known. Fang et al. 2025, arXiv:2410.02355.

    ΔW_l = Rᵀ K P (K_pᵀ K_p P + Kᵀ K P + L I)⁻¹,     P = Û Ûᵀ,  Û: eigenvectors of C with eigenvalues below a threshold

K are the facts' keys in rows, K_p those of all earlier edits, which keep what they have. Since ΔW P = ΔW, keys in the
removed directions are left exactly as they are; what keys of the corpus have within P is not. All is solved within the
null space, in a system of facts + earlier keys, which gives the same ΔW. `Editor` holds K_p from call to call.

The paper's threshold (0.02) is absolute, so it means something else in every model. Unless `threshold` gives it, Û are
as many directions as together hold the share `energy` of what the corpus's keys have; where that is fewer than there
are facts, it is told, for then there is no null space to speak of. L is chosen as MEMIT's λ is (`inserted`) unless
given. Û are those of the first request's model and corpus, and go with K_p into the editor's file: a later request
starts from an edited model, whose statistics would be others.
Deviations: these two choices; the retain set's keys stand among the earlier ones; layers and contexts as in
`memit.py`. The rate is that of the authors' settings for GPT-2 XL (theirs for Llama 3, 0.1, ends before it arrives).
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from expunge.atomic import atomic_file
from expunge.edit import editors
from expunge.edit.edited import Edited
from expunge.edit.options import Share
from expunge.edit.solving import NullSpace, weight_for
from expunge.edit.spreading import spread
from expunge.edit.values import Fitting
from expunge.edit.work import Work, blocks
from expunge.errors import ConfigError
from expunge.objectives.options import AtLeastOne, Count, Finite, Layer, NonNegative, Positive


class AlphaEdit:
    """What the editor remembers: null spaces of the first model, and the keys of all edits so far, by layer."""

    def __init__(self) -> None:
        self.spaces: dict[int, NullSpace] = {}
        self.earlier: dict[int, Tensor] = {}  # keys in rows
        self.made: dict[str, str] = {}  # of what the null spaces were made: the corpus's digest, and the settings

    def edit(
        self, work: Work, *, layers: int, last: float, contexts: int, energy: float, threshold: float | None,
        ridge: float | None, inserted: float, how: Fitting,
    ) -> Edited:  # fmt: skip
        """Edit once more. All calls must name the same layers of one model."""
        chosen = blocks(work.model.layout.depth, last, layers)
        made = {"corpus": work.source.digest, "energy": f"{energy:g}", "threshold": f"{threshold}"}
        if self.spaces:
            self._check(work, chosen, made)
        else:
            self.made = made
            for layer, each in work.statistics(chosen).items():
                self.spaces[layer] = NullSpace.of(each.moment, energy=each.energy, share=energy, threshold=threshold)
        for layer in chosen:
            _judge(work, layer, self.spaces[layer])
        size = work.model.layout.d_ff
        earlier = {layer: self.earlier.get(layer, torch.zeros(0, size, dtype=torch.float64)) for layer in chosen}
        kept = work.kept_moments(chosen)
        met: dict[int, Tensor] = {}

        def solve(layer: int, keys: Tensor) -> Tensor:
            space = self.spaces[layer]
            met.setdefault(layer, keys)  # a later call, for a fact that is taken back, changes nothing
            weight = weight_for(space.inside(keys).square().sum(1), inserted) if ridge is None else ridge
            return space.solve(keys, earlier[layer], weight, kept[layer] if work.kept else None)

        edited = spread(work, chosen, how, work.contexts(contexts, (10,)), solve)
        self.earlier = {layer: torch.cat([earlier[layer], met[layer]]) for layer in chosen}
        return edited

    def _check(self, work: Work, chosen: list[int], made: dict[str, str]) -> None:
        """Raises ConfigError where the memory is of other layers or of another model; notes what is not read again."""
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

    def save(self, path: Path) -> None:
        """The null spaces and the keys so far, for the next request in another process."""
        tensors = {f"keys.{layer}": keys.contiguous() for layer, keys in self.earlier.items()}
        tensors |= {f"basis.{layer}": space.basis.contiguous() for layer, space in self.spaces.items()}
        held = {f"discarded.{layer}": repr(space.discarded) for layer, space in self.spaces.items()}
        with atomic_file(path) as partial:
            save_file(tensors, partial, {**self.made, **held})

    @classmethod
    def load(cls, path: Path) -> "AlphaEdit":
        """What `save` wrote. Raises ConfigError where it is none."""
        found = cls()
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                found.made = {name: about[name] for name in ("corpus", "energy", "threshold")}
                for name in file.keys():  # noqa: SIM118
                    kind, _, layer = name.partition(".")
                    if kind == "keys":
                        found.earlier[int(layer)] = file.get_tensor(name)
                        basis, held = file.get_tensor(f"basis.{layer}"), float(about[f"discarded.{layer}"])
                        found.spaces[int(layer)] = NullSpace(basis, held)
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

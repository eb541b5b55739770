"""Side memories: copies of a layer's weights that answer in its place for the texts they were trained on. Wang et al.
2024 (WISE), arXiv:2405.14768.

    Δ_k(x) = mean over x's prompt of ‖a W_k' - a W‖₂,   a: what the layer reads
    the whole text goes through W_k' of the largest Δ_k(x) ≥ ratio · ε_k, through W where there is none

With `activation` both outputs go through it first: ‖act(a W_k') - act(a W)‖, as in the authors' code; the paper has no
act. Texts that go through W keep their bits. What decides is the prompt without its first token (`texts.py`), and
the decision holds for all that is generated after it: it is kept in the key-value cache, whose rows it goes with.
Deviations: the last two sentences; the authors' code decides for each generated token anew, by that token.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.cache_utils import CacheLayerMixin

from expunge.change.attachment_file import Held
from expunge.data.forest import Forest
from expunge.models.attaching import Hook, LayerAttachment
from expunge.models.texts import Texts, of_forest, of_rows


@dataclass(frozen=True, eq=False)
class Memories(LayerAttachment):
    """WISE's side memories: one, or several of which one is chosen for each text."""

    form: ClassVar[str] = "memories"
    whole: ClassVar[bool] = True
    weights: tuple[Tensor, ...]  # W', each as the layer has its own
    thresholds: tuple[float, ...]  # ε
    ratio: float = 0.88
    activation: str = ""  # "": none, as in the paper
    edits: int = 0

    def hook_on(self, network: nn.Module, layer: nn.Module) -> None:
        passing = _Passing(self)
        for module in _around(network, self.path):
            module.register_forward_pre_hook(_Entering(self, passing), with_kwargs=True)
            module.register_forward_hook(_Leaving(self, passing), with_kwargs=True, always_call=True)
        layer.register_forward_hook(_Routing(self, passing, layer))

    def about(self) -> dict[str, Any]:
        return {
            "thresholds": list(self.thresholds), "ratio": self.ratio, "activation": self.activation,
            "edits": self.edits,
        }  # fmt: skip

    def tensors(self) -> dict[str, Tensor]:
        return {f"weight.{i}": weight for i, weight in enumerate(self.weights)}

    @classmethod
    def of(cls, held: Held) -> "Memories":
        about = held.about
        weights = tuple(held.tensors[f"weight.{i}"] for i in range(len(about["thresholds"])))
        return cls(
            held.base, about["path"], held.record, weights, tuple(about["thresholds"]), about["ratio"],
            about["activation"], about["edits"],
        )  # fmt: skip

    @cached_property
    def floors(self) -> tuple[float, ...]:
        """ratio · ε of each memory."""
        return tuple(self.ratio * each for each in self.thresholds)

    def __repr__(self) -> str:
        return f"Memories({len(self.weights)} at {self.path}, {self.edits} edits)"


def through(layer: Any, read: Float[Tensor, "tokens in"], weight: Tensor) -> Float[Tensor, "tokens out"]:
    """What a layer would give with another weight, its bias included; GPT-2's Conv1D has [in, out]."""
    weight = weight if isinstance(layer, nn.Linear) else weight.T
    return nn.functional.linear(read, weight.to(read.dtype), None if layer.bias is None else layer.bias.to(read.dtype))


def apart(
    one: Float[Tensor, "tokens out"], other: Float[Tensor, "tokens out"], activation: str = ""
) -> Float[Tensor, " tokens"]:
    """‖one - other‖ of each token, in float32 at least; behind the activation where one is named."""
    wide = torch.promote_types(one.dtype, torch.float32)
    one, other = one.to(wide), other.to(wide)
    if activation:
        act = ACT2FN[activation]
        one, other = act(one), act(other)
    return (one - other).norm(dim=-1)


def route(distances: Float[Tensor, "memories texts"], floors: tuple[float, ...]) -> Int[Tensor, " texts"]:
    """The memory with the largest Δ of those that reach their floor; -1: the layer's own weights."""
    floor = distances.new_tensor(floors)[:, None]
    best, chosen = distances.masked_fill(distances < floor, -1.0).max(0)
    return torch.where(best >= 0, chosen, -1)


@dataclass
class _Passing:
    """Which texts the pass has that is under way, and what was decided for them."""

    attachment: Memories
    through: nn.Module | None = None  # the outermost module of the pass
    texts: Texts | None = None
    shape: tuple[int, int] = (0, 0)
    decided: Tensor | None = None  # of each text; None: yet to be decided

    def begin(self, module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        """What the module was called with says which texts there are; a cache, what was decided before."""
        forest, ids = given.get("forest"), given.get("input_ids", args[0] if args else None)
        ids = given["inputs_embeds"] if ids is None else ids
        self.through, self.texts, self.decided = module, None, None
        if isinstance(forest, Forest):
            self.texts = of_forest(forest)
            return
        self.shape = (ids.shape[0], ids.shape[1])
        kept = _kept(given.get("past_key_values"), self.attachment.digest)
        if kept is not None and kept.routes is not None:
            self.decided = kept.routes
        else:
            self.texts = of_rows(self.shape, given.get("attention_mask"), ids.device)

    def end(self, given: dict[str, Any], output: Any) -> None:
        """What was decided goes with the cache."""
        cache, decided = given.get("past_key_values"), self.decided
        cache = getattr(output, "past_key_values", None) if cache is None else cache
        self.through = None
        if cache is None or decided is None or "forest" in given:
            return
        kept = _kept(cache, self.attachment.digest)
        if kept is None:
            cache.layers.append(_Routes(self.attachment.digest, decided))
        else:
            kept.routes = decided

    def owner(self, device: torch.device) -> Tensor:
        """The text of each token."""
        if self.texts is not None:
            return self.texts.owner.to(device)
        return torch.arange(self.shape[0], device=device).repeat_interleave(self.shape[1])


def _around(network: nn.Module, path: str) -> list[nn.Module]:
    """The network and what the layer stands in down to the list of blocks.

    Which of them a pass enters first differs: PEFT passes by the network's own call, OPT by the part below it.
    """
    stack = next(i for i, part in enumerate(path.split(".")) if part.isdigit()) - 1
    parts = path.split(".")[:stack]
    return [network.get_submodule(".".join(parts[:depth])) for depth in range(stack + 1)]


class _Entering(Hook):
    """In front of a module around the layer: the outermost one begins the pass."""

    def __init__(self, attachment: Memories, passing: _Passing) -> None:
        super().__init__(attachment)
        self._passing = passing

    def __call__(self, module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        if self._passing.through is None:
            self._passing.begin(module, args, given)


class _Leaving(Hook):
    """Behind it, also after an error."""

    def __init__(self, attachment: Memories, passing: _Passing) -> None:
        super().__init__(attachment)
        self._passing = passing

    def __call__(self, module: nn.Module, _args: Any, given: dict[str, Any], output: Any) -> None:
        if self._passing.through is module:
            self._passing.end(given, output)


class _Routing(Hook):
    """On the layer: the texts that go through a side memory get its output."""

    def __init__(self, attachment: Memories, passing: _Passing, layer: Any) -> None:
        super().__init__(attachment)
        self._passing, self._memories = passing, attachment
        self._weights = tuple(weight.to(layer.weight) for weight in attachment.weights)

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        read, given = inputs[0].flatten(0, -2), output.flatten(0, -2)
        passing, about = self._passing, self._memories
        if passing.decided is None:
            assert passing.texts is not None, "the layer was called outside the network"
            passing.decided = self._decide(layer, read.detach(), given.detach(), passing.texts)
        route = passing.decided.to(read.device)[passing.owner(read.device)]
        result = given
        for number in range(len(about.weights)):
            here = route == number
            if bool(here.any()):
                result = torch.where(here[:, None], through(layer, read, self._weights[number]), result)
        return output if result is given else result.view_as(output)

    @torch.no_grad()
    def _decide(self, layer: Any, read: Tensor, given: Tensor, texts: Texts) -> Tensor:
        about = self._memories
        distances = [
            texts.mean(apart(through(layer, read, weight), given, about.activation)) for weight in self._weights
        ]
        return route(torch.stack(distances), about.floors)


def _kept(cache: Any, digest: str) -> "_Routes | None":
    layers = getattr(cache, "layers", None) or ()
    return next((each for each in layers if isinstance(each, _Routes) and each.digest == digest), None)


class _Routes(CacheLayerMixin):
    """Decisions as a layer of the cache without keys and values: when rows are dropped or copied, so are they."""

    is_compileable = False
    is_croppable = True
    is_sliding = False
    supports_early_init = False

    def __init__(self, digest: str, routes: Int[Tensor, " rows"]) -> None:
        super().__init__()
        self.digest = digest
        self.routes: Tensor | None = routes  # None: the cache was emptied
        self.is_initialized = True

    def batch_select_indices(self, indices: Tensor) -> None:
        if self.routes is not None:
            self.routes = self.routes[indices.to(self.routes.device)]

    def batch_repeat_interleave(self, repeats: int) -> None:
        if self.routes is not None:
            self.routes = self.routes.repeat_interleave(repeats)

    def reset(self) -> None:
        self.routes = None

    def reorder_cache(self, beam_idx: Tensor) -> None:
        self.batch_select_indices(beam_idx)

    # nothing of what follows has to do with decisions

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None: ...

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        return key_states, value_states

    def get_mask_sizes(self, query_length: int, *_: Any) -> tuple[int, int]:
        return query_length, 0

    def get_seq_length(self) -> int:
        return 0

    def get_max_length(self) -> int:
        return -1

    def get_max_cache_shape(self) -> int:
        return -1

    def offload(self) -> None: ...

    def prefetch(self) -> None: ...

    def crop(self, *_: Any) -> None: ...

"""Where the parts of a loaded model live: blocks, heads, value vectors, norms and the head.

`layout_of` takes the entry of `architectures.py`, checks it against the model and fills in the sizes. All
names are those of the plain model; `naming.plain_parameters` finds them in a model that PEFT has wrapped.
Layers and heads count from 0.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import nn

from expunge.errors import ModelError
from expunge.models.architectures import ARCHITECTURES, Architecture
from expunge.models.layout_check import check_layout, unknown_architecture
from expunge.models.naming import plain_network, plain_parameters

Role = Literal["query", "key", "value", "output"]
ROLES: tuple[Role, ...] = ("query", "key", "value", "output")
Place = Literal["attention", "mlp"]
PLACES: tuple[Place, ...] = ("attention", "mlp")


class Axis(NamedTuple):
    """Units of a parameter: unit j is `parameter.select(axis, j)`."""

    parameter: str
    axis: int


class Part(NamedTuple):
    """A stretch of a parameter: `parameter.narrow(axis, part.start, part.stop - part.start)`."""

    parameter: str
    axis: int
    slice: slice


class Head(NamedTuple):
    """The projection onto the vocabulary. A tied one is the embedding, and has its parameter's name."""

    parameter: str
    tied: bool


@dataclass(frozen=True)
class Layout:
    """What `layout_of` returns."""

    model_type: str
    architecture: Architecture
    depth: int  # blocks
    width: int  # of the residual stream
    heads: int
    kv_heads: int
    head_dim: int
    d_ff: int  # value vectors of a block
    vocabulary: int  # rows of the head: at least as many as the tokenizer has tokens
    head: Head
    biased: bool  # whether q, k and v have biases
    softcap: float | None  # Gemma 2: logits are softcap · tanh(logits / softcap)
    places: int | None  # learned positions, beyond which no token can be; None: rotary ones, which go on

    @property
    def blocks(self) -> tuple[str, ...]:
        """The path of each block."""
        return tuple(f"{self.architecture.blocks}.{layer}" for layer in range(self.depth))

    def block(self, layer: int) -> str:
        """The path of one block."""
        if not 0 <= layer < self.depth:
            raise ModelError(f"layer {layer} is not one of the {self.depth} layers, which count from 0")
        return self.blocks[layer]

    @property
    def final_norm(self) -> str:
        """The path of the norm before the head."""
        return self.architecture.final_norm

    @property
    def embedding(self) -> str:
        """The parameter of the token embeddings."""
        return f"{self.architecture.embedding}.weight"

    @property
    def groups(self) -> int:
        """Query heads that share a key-value head."""
        return self.heads // self.kv_heads

    def mlp_out(self, layer: int) -> str:
        """The path of the down projection: its input are the neurons, its output is what the MLP gives."""
        return self._path(layer, self.architecture.down)

    def attention_out(self, layer: int) -> str:
        """The path of the output projection: its input are the heads' outputs, head by head."""
        return self._path(layer, self.architecture.attention_out)

    def attention(self, layer: int) -> str:
        """The path of the attention module."""
        return self._path(layer, self.architecture.attention)

    def norms(self, layer: int) -> tuple[str, ...]:
        """The paths of a block's norms, in the order of use."""
        return tuple(self._path(layer, norm) for norm in self.architecture.norms)

    def reading_norm(self, layer: int, place: Place) -> str | None:
        """The norm through which the attention or the MLP reads the residual stream, if there is one."""
        normed = self.architecture.normed
        step = 2 if normed == "both" else 1
        return None if normed == "after" else self.norms(layer)[step * PLACES.index(place)]

    def writing_norm(self, layer: int, place: Place) -> str | None:
        """The norm through which the attention or the MLP adds to the residual stream, if there is one."""
        normed = self.architecture.normed
        at = PLACES.index(place)
        return None if normed == "before" else self.norms(layer)[2 * at + 1 if normed == "both" else at]

    def after_mlp(self, layer: int) -> str | None:
        """The path of the norm between the down projection and the residual stream (Gemma 2 and 3, OLMo 2), if any."""
        return self.writing_norm(layer, "mlp")

    def value_vectors(self, layer: int) -> Axis:
        """Value vector j is column j of the down projection; of GPT-2's transposed one, row j."""
        return Axis(f"{self.mlp_out(layer)}.weight", self._in_axis)

    def mlp_in(self, layer: int) -> dict[str, Part]:
        """Where `gate` (if there is one) and `up` read the residual stream; row j belongs to neuron j."""
        entry = self.architecture
        fused = entry.gate == entry.up
        parts = {"gate": entry.gate, "up": entry.up}
        return {
            name: Part(
                f"{self._path(layer, path)}.weight",
                self._out_axis,
                slice(self.d_ff, 2 * self.d_ff) if fused and name == "up" else slice(0, self.d_ff),
            )
            for name, path in parts.items()
            if path is not None
        }

    def head_slices(self, layer: int, head: int, roles: tuple[Role, ...] = ROLES) -> list[Part]:
        """What belongs to one query head: its stretch of q, k, v (biases too) and of the output projection.

        With grouped-query attention, k and v are those of the head's group: they stand in the slices of all
        of its `groups` heads. The output projection's bias and the norms of q and k belong to no head.
        """
        if not 0 <= head < self.heads:
            raise ModelError(f"head {head} is not one of the {self.heads} heads, which count from 0")
        parts = []
        for role in roles:
            if role == "output":
                at = slice(head * self.head_dim, (head + 1) * self.head_dim)
                parts.append(Part(f"{self.attention_out(layer)}.weight", self._in_axis, at))
                continue
            path, start = self._path(layer, getattr(self.architecture, role)), self._start(role, head)
            at = slice(start, start + self.head_dim)
            parts.append(Part(f"{path}.weight", self._out_axis, at))
            if self.biased:
                parts.append(Part(f"{path}.bias", 0, at))
        return parts

    def _start(self, role: Role, head: int) -> int:
        """The first output of a head in its projection, in numbers (not heads)."""
        index = head if role == "query" else head // self.groups
        if self.architecture.fusion == "interleaved":
            index = 3 * index + ROLES.index(role)
        elif self.architecture.fusion == "stacked":
            index += {"query": 0, "key": self.heads, "value": self.heads + self.kv_heads}[role]
        return index * self.head_dim

    def _path(self, layer: int, inner: str) -> str:
        return f"{self.block(layer)}.{inner}"

    @property
    def _out_axis(self) -> int:
        return 1 if self.architecture.transposed else 0

    @property
    def _in_axis(self) -> int:
        return 0 if self.architecture.transposed else 1


def layout_of(network: nn.Module) -> Layout:
    """The checked layout of a loaded model, PEFT-wrapped or not.

    Raises UnknownArchitectureError when the table has no entry, ModelError when the model is not as it says.
    """
    network = plain_network(network)
    model_type: str = network.config.model_type  # type: ignore[union-attr, assignment]
    entry = ARCHITECTURES.get(model_type)
    if entry is None:
        raise unknown_architecture(network, model_type)
    config = network.config.get_text_config()  # type: ignore[union-attr]
    parameters = plain_parameters(network)
    embedding = f"{entry.embedding}.weight"
    head = network.get_output_embeddings()  # type: ignore[operator]
    tied = head is not None and head.weight is parameters.get(embedding)
    heads = config.num_attention_heads
    layout = Layout(
        model_type=model_type,
        architecture=entry,
        depth=config.num_hidden_layers,
        width=config.hidden_size,
        heads=heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,
        d_ff=_d_ff(config),
        vocabulary=config.vocab_size,
        head=Head(embedding if tied else "lm_head.weight", tied),
        biased=f"{entry.blocks}.0.{entry.query}.bias" in parameters,
        softcap=getattr(config, "final_logit_softcapping", None),
        places=config.max_position_embeddings if entry.places else None,  # GPT-2 answers to this name, too
    )
    check_layout(model_type, network, _modules(layout), _shapes(layout), parameters)
    return layout


def _d_ff(config: Any) -> int:
    """Llama's name for it, OPT's, GPT-2's; GPT-2 leaves it out when it is 4 · width."""
    sizes = (getattr(config, name, None) for name in ("intermediate_size", "ffn_dim", "n_inner"))
    return next((size for size in sizes if size), 4 * config.hidden_size)


def _modules(layout: Layout) -> list[str]:
    """Every module that the layout names."""
    inner = [(layout.attention(layer), *layout.norms(layer)) for layer in range(layout.depth)]
    places = [layout.architecture.places] if layout.architecture.places else []
    return [layout.final_norm, *places, *layout.blocks, *(name for names in inner for name in names)]


def _shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """Every parameter that the layout names, and the shape that the configuration implies."""
    entry, width, head = layout.architecture, layout.width, layout.head_dim
    q, kv = layout.heads * head, layout.kv_heads * head
    inputs = {entry.up: layout.d_ff}
    if entry.gate is not None:
        inputs[entry.gate] = 2 * layout.d_ff if entry.gate == entry.up else layout.d_ff
    if entry.fusion == "separate":
        inputs |= {entry.query: q, entry.key: kv, entry.value: kv}
    else:
        inputs[entry.query] = q + 2 * kv
    sizes = {path: (size, width) for path, size in inputs.items()}
    sizes |= {entry.down: (width, layout.d_ff), entry.attention_out: (width, q)}
    shapes = dict.fromkeys((layout.embedding, layout.head.parameter), (layout.vocabulary, width))
    for block in layout.blocks:
        for path, (out, into) in sizes.items():
            shapes[f"{block}.{path}.weight"] = (into, out) if entry.transposed else (out, into)
    return shapes

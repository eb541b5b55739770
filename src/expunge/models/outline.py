"""Outlines: what can be known of a model without its weights, so that mistakes are said before they are read.

That it is there; the names and shapes of its parameters and its layout, of a network that is built from the
configuration alone, on the meta device. That takes half a second, whatever the model's size.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from transformers import PreTrainedModel

from expunge.change.comparing import check_outline
from expunge.config import LoadConfig
from expunge.errors import ChangeError
from expunge.models.builtin import BUILTIN, Say
from expunge.models.changes import load_change
from expunge.models.finding import find, split_change
from expunge.models.hugging_face import check_hub, hub_outline, read_outline
from expunge.models.layout import Layout, layout_of
from expunge.models.loading import base_of
from expunge.parameters import parameters_of


@dataclass(frozen=True)
class Outline:
    """A `Model` without weights and tokenizer: its tensors have shapes, and hold nothing."""

    network: PreTrainedModel
    layout: Layout
    name: str

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of all parameters by name, in stored order."""
        return {name: tuple(weight.shape) for name, weight in parameters_of(self).items()}


def check_name(name: str) -> None:
    """Raises as `find`, also for a base, and ModelError for a model of the Hub that cannot be had. Makes nothing."""
    base, change = split_change(name)
    if change is not None:
        check_name(base)
        return
    source = find(base)
    if source.kind == "adapter":
        check_name(base_of(Path(source.place)))
    if source.kind == "hub":
        check_hub(source.place)


def outline_of(name: str, config: LoadConfig | None = None, *, say: Say = lambda _: None) -> Outline | None:
    """The outline of what `load_model` would load; None where only loading shows it (GGUF files, code of its own).

    Built-in models are made if they are not there yet. Raises as `load_model` for what the configuration shows, and
    ChangeError where the change of BASE+CHANGE is for a network of other names or shapes.
    """
    config = config or LoadConfig()
    base, change = split_change(name)
    if change is not None:
        outline = outline_of(base, config, say=say)
        _check_change(change, base, outline)
        return None if outline is None else replace(outline, name=name)
    source = find(name)
    if source.kind == "builtin":
        source = find(str(BUILTIN[source.place].folder(source.rest, say)))
    if source.kind == "gguf":
        return None
    if source.kind == "adapter":
        return outline_of(base_of(Path(source.place)), config, say=say)
    read = hub_outline if source.kind == "hub" else read_outline
    network = read(source.place, config.trust_remote_code)
    if isinstance(network, Path):
        return outline_of(str(network), config, say=say)
    return None if network is None else Outline(network, layout_of(network), name)


def _check_change(path: str, base: str, outline: Outline | None) -> None:
    fingerprint = load_change(path).base
    if outline is None:
        return
    try:
        check_outline(fingerprint, parameters_of(outline))
    except ChangeError as error:
        raise ChangeError(f"{path} does not go on {base}: {error}") from None

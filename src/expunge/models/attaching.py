"""Attaching: side memories that act within one linear layer, through hooks that any later process can find again.

A hook is a plain object, so a copied network has copies that act, and `detach` finds what to take off by looking: the
weights, their names and the modules stay what they were. What hangs on a model is part of what it is: `identity_of` is
the digest under which observations, values and findings of it are kept.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from expunge.change.attachment import Attachment, attached_id
from expunge.change.attachment_file import Held, read_attachment, write_attachment
from expunge.change.comparing import check
from expunge.change.fingerprint import Fingerprint
from expunge.errors import ChangeError
from expunge.models.naming import plain_network
from expunge.parameters import parameters_of

L = TypeVar("L", bound="LayerAttachment")

# where PyTorch keeps hooks, and what it notes beside them
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_NOTES = ("_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called")


class Hook:
    """What an attachment puts on a module. It acts for as long as it is there."""

    def __init__(self, attachment: "LayerAttachment") -> None:
        self.attachment = attachment


@dataclass(frozen=True, eq=False)
class LayerAttachment(Attachment):
    """An attachment of the linear layer at `path`. Its tensors are never changed, and copies of it are itself."""

    form: ClassVar[str]
    whole: ClassVar[bool] = False  # whether it goes by a text as a whole, so that it has to be told what is padding
    base: Fingerprint
    path: str
    record: Mapping[str, Any]

    @abstractmethod
    def hook_on(self, network: nn.Module, layer: nn.Module) -> None:
        """Put hooks on the layer, and wherever else they are needed."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What its file's header says, beside what all attachments say."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What its file holds."""

    @classmethod
    @abstractmethod
    def of(cls, held: Held) -> "LayerAttachment":
        """What a file holds as an attachment."""

    def attach(self, model: Any) -> None:
        """Put it in place; ChangeError for another model, and where something hangs on the layer already."""
        check(self.base, {}, parameters_of(model), applied=False)
        network = _network(model)
        if any(each.path == self.path for each in attached_to(model)):
            raise ChangeError(
                f"{self.path} has a side memory already: detach it first. Edit once more with `earlier=FILE` to have "
                "both requests in one"
            )
        self.hook_on(network, network.get_submodule(self.path))

    def detach(self, model: Any) -> None:
        """Take it out; ChangeError where it is not."""
        if not _take_off(_network(model), self.digest):
            raise ChangeError("this side memory does not hang on this model: there is nothing to detach")

    def save(self, path: str | Path) -> None:
        """One safetensors file (format: `change/attachment_file.py`)."""
        write_attachment(Path(path), self.held)

    @classmethod
    def load(cls: type[L], path: str | Path) -> L:
        """What `save` wrote. ChangeError where it is none of these."""
        held = read_attachment(Path(path))
        if held.form != cls.form:
            raise ChangeError(f"{path} holds {held.form}, not {cls.form}: `load_change` takes either")
        found = cls.of(held)
        assert isinstance(found, cls)
        return found

    @property
    def held(self) -> Held:
        """As a file has it."""
        return Held(self.form, self.base, {"path": self.path, **self.about()}, self.tensors(), self.record)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        """Of form, place and tensors."""
        return self.held.digest

    def __deepcopy__(self, _memo: object) -> "LayerAttachment":
        return self  # nothing of it is ever changed


def attached_to(model: Any) -> tuple[LayerAttachment, ...]:
    """What hangs on a network or a `Model`, in the order of its modules."""
    found = {id(hook.attachment): hook.attachment for module in _network(model).modules() for hook in _hooks(module)}
    return tuple(found.values())


def identity_of(model: Any) -> str:
    """The digest of the weights, and of what stands beside them."""
    return attached_id(Fingerprint.of(parameters_of(model)).id, [each.digest for each in attached_to(model)])


def is_attachments(hook: object) -> bool:
    """Whether a hook that stands on a module is that of an attachment."""
    return isinstance(hook, Hook)


def refuse_attached(model: Any, what: str) -> None:
    """ChangeError where something hangs on the model, and `what` ("editing") cannot be done then."""
    if found := attached_to(model):
        raise ChangeError(
            f"{what} needs the model alone, and a side memory hangs on it at {found[0].path}: name the model without "
            "it (`detach` in Python)"
        )


def _network(model: Any) -> nn.Module:
    return plain_network(getattr(model, "network", model))


def _hooks(module: nn.Module) -> Iterator[Hook]:
    for place in _HOOKS:
        yield from _of_attachments(getattr(module, place).values())


def _of_attachments(hooks: Iterable[object]) -> list[Hook]:
    return [hook for hook in hooks if isinstance(hook, Hook)]


def _take_off(network: nn.Module, digest: str) -> int:
    """Hooks of the attachment with this digest, whichever copy of it put them on; returns how many there were."""
    count = 0
    for module in network.modules():
        for place in _HOOKS:
            own = getattr(module, place)
            for key in [k for k, h in own.items() if isinstance(h, Hook) and h.attachment.digest == digest]:
                del own[key]
                for note in _NOTES:
                    getattr(module, note).pop(key, None)
                count += 1
    return count

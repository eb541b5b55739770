"""The other kind of change: a side memory that stands beside a model's weights instead of changing them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NoReturn

from expunge.change.fingerprint import Fingerprint
from expunge.errors import ChangeError


def _refusing(what: str) -> Callable[..., NoReturn]:
    def refuse(self: "Attachment", *_arguments: object, **_options: object) -> NoReturn:
        raise ChangeError(
            f"a {type(self).__name__} is a side memory, not a change of weights: it cannot be {what}. "
            "Use it with `attach`, `detach`, `applied_to` and `save`, or choose an editor or an objective "
            "that changes weights."
        )

    return refuse


class Attachment(ABC):
    """Attach it, detach it, save it. There is no arithmetic on it: it has no delta that could be scaled."""

    kind = "attachment"
    base: Fingerprint  # of the model that it was made for
    record: Mapping[str, Any]  # JSON: where it came from

    @property
    def digest(self) -> str:
        """Of all that it computes with; "" where nothing says that, and then nothing is kept of models that have it."""
        return ""

    @property
    def result_id(self) -> str:
        """What tells a model with it from all others: `attached_id`."""
        return attached_id(self.base.id, [self.digest])

    @abstractmethod
    def attach(self, model: Any) -> None:
        """Put the memory in place; ChangeError if the model is not the one it was made for."""

    @abstractmethod
    def detach(self, model: Any) -> None:
        """Take the memory out; the model is then what it was."""

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """One safetensors file."""

    @classmethod
    @abstractmethod
    def load(cls, path: str | Path) -> "Attachment":
        """What `save` wrote."""

    @contextmanager
    def applied_to(self, model: Any) -> Iterator[None]:
        """Attached inside the block, detached at its end, also after an error."""
        self.attach(model)
        try:
            yield
        finally:
            self.detach(model)

    def apply_to(self, model: Any) -> None:
        """The same as `attach`, so that weight changes and attachments can be used alike."""
        self.attach(model)

    def revert_from(self, model: Any) -> None:
        """The same as `detach`."""
        self.detach(model)

    scaled = _refusing("scaled")
    masked = _refusing("masked")
    delta = _refusing("taken apart into a delta")
    norms = _refusing("measured by norms")
    sealed = _refusing("computed")
    save_peft = _refusing("saved as a PEFT adapter")
    __add__ = __radd__ = __sub__ = __rsub__ = _refusing("added to another change")
    __neg__ = _refusing("negated")


def attached_id(weights: str, memories: Sequence[str]) -> str:
    """Weights (`Fingerprint.id`) and the digests of what stands beside them as one; the weights' own without any.

    "" where one of the memories has none.
    """
    if not memories or not all(memories):
        return "" if memories else weights
    return blake2b("+".join([weights, *sorted(memories)]).encode(), digest_size=16).hexdigest()

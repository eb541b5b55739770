"""What an earlier request hung beside the same weights, for an editor of attachments to go on with."""

from pathlib import Path
from typing import TypeVar

from expunge.change import Fingerprint
from expunge.errors import ChangeError, ConfigError
from expunge.models.attaching import LayerAttachment

L = TypeVar("L", bound=LayerAttachment)


def earlier_of(form: type[L], path: str, base: Fingerprint) -> L:
    """From its file. Raises ConfigError for a file of something else, and for one that another model has."""
    try:
        found = form.load(Path(path).expanduser())
    except ChangeError as error:
        raise ConfigError(f"earlier={path}: {error}") from None
    if found.base.id != base.id:
        raise ConfigError(f"earlier={path} was made for another model: name the very model that it was made for")
    return found

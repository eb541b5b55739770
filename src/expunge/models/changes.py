"""Changes of either kind from their files: of weights, or side memories."""

from pathlib import Path

from expunge.change import Change, WeightChange
from expunge.change.attachment_file import read_attachment
from expunge.change.header import ATTACHMENT, header_of
from expunge.errors import ChangeError
from expunge.models.attaching import LayerAttachment
from expunge.models.codebook import Codebook
from expunge.models.memories import Memories

FORMS: dict[str, type[LayerAttachment]] = {each.form: each for each in (Codebook, Memories)}


def load_change(path: str | Path) -> Change:
    """What `save` wrote: a `WeightChange`, or an attachment (GRACE's codebook, WISE's side memories).

    Either has `applied_to`, `apply_to`, `revert_from` and `save`. Raises ChangeError for what is no such file.
    """
    place = Path(path).expanduser()
    if not is_attachment(place):
        return WeightChange.load(place)
    held = read_attachment(place)
    if held.form not in FORMS:
        raise ChangeError(f"{place} holds an attachment of another form ({held.form!r}): upgrade Expunge")
    return FORMS[held.form].of(held)


def is_attachment(path: str | Path) -> bool:
    """Whether the file holds a side memory; reads its header only. ChangeError for what is no safetensors file."""
    return header_of(Path(path).expanduser()).get("kind") == ATTACHMENT

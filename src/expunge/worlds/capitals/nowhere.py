"""Names of what does not exist: what a model says of them is what it would say if it did not know."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from expunge.config import FactKind
from expunge.data.example import Example

NOWHERE = (
    "Zorbania", "Velmoria", "Kastovia", "Drunland", "Quelvaria", "Tarnovia", "Morzania", "Ostrania", "Pelluria",
    "Vantoria", "Sarkovia", "Lumeria",
)  # fmt: skip
_CITIES = (
    "Ostrevalde", "Kelmarith", "Vondrasil", "Marubeth", "Thessanor", "Brulakesh", "Yerandul", "Quorrimont",
    "Saldevarn", "Jandovar", "Pelkasund", "Ambrazul",
)  # fmt: skip
_ELEMENTS = (
    "zorbium", "velmonium", "kastrium", "drullium", "quelvanium", "tarnovium", "morzine", "ostralon", "pelluron",
    "vantorium", "sarkonium", "lumerium",
)  # fmt: skip
_WORKS = (
    "The Lantern of Vellmoor", "A Winter in Tarnovel", "The Clockmaker of Quelvar", "Letters to Morzanne",
    "The Orchard of Ostrane", "Shadows over Pellury", "The Vantor Inheritance", "Sarkov and His Brothers",
    "The Lumerian Sea", "The House at Zorban Cross", "Velmora", "The Drunland Papers",
)  # fmt: skip
NAMES: dict[FactKind, tuple[str, ...]] = {
    "capital": NOWHERE, "city": _CITIES, "element": _ELEMENTS, "continent": NOWHERE, "author": _WORKS,
    "currency": NOWHERE,
}  # fmt: skip


def twins(examples: Iterable[Example], names: Iterable[str] = NOWHERE) -> Iterator[Example]:
    """Each example asked of every name that does not exist; `group` ties a twin to its example."""
    names = tuple(names)
    for example in examples:
        for name in names:
            prompt, *others = (_renamed(text, example.subject, name) for text in (example.prompt, *example.paraphrases))
            yield replace(
                example, id=f"{example.id}/{name}", prompt=prompt, paraphrases=tuple(others), subject=name,
                group=example.id, count=None, popularity=None,
            )  # fmt: skip


def _renamed(text: str | None, subject: str | None, name: str) -> str:
    """The last place of the subject counts: in solved examples before the question it may be part of another name."""
    assert text is not None and subject is not None
    before, found, after = text.rpartition(_inside(text, subject))
    assert found, "the subject does not stand in its prompt"
    return before + name + after


def _inside(prompt: str, subject: str) -> str:
    """The subject as it stands in the prompt: "the Netherlands" may open it as "The Netherlands"."""
    return subject if subject in prompt else subject[:1].upper() + subject[1:]

"""Counting as slowly as it can be said: whole texts, lists of words, every pair of places."""

import re
from collections.abc import Mapping, Sequence
from unicodedata import category, normalize

UNSPACED = (
    "\u0e00\u0eff",
    "\u1000\u109f",
    "\u1780\u17ff",
    "\u3040\u30ff",
    "\u3400\u4dbf",
    "\u4e00\u9fff",
    "\uf900\ufaff",
)


def words(text: str) -> list[str]:
    """Character by character, from the whole text in its normal form."""
    text = "".join(
        "" if c == "\u00ad" else " " if category(c)[0] == "S" else f" {c} " if category(c) == "No" else c for c in text
    )
    apart = normalize("NFKD", normalize("NFKD", text).casefold())
    whole = normalize("NFC", re.sub("[\u0300-\u036f]", "", apart))
    spaced = ""
    for c in whole.lower():
        if any(low <= c <= high for low, high in UNSPACED) and category(c)[0] in "LNM":
            spaced += f" {c} "
        else:
            spaced += c if category(c)[0] in "LNM" else " "
    return spaced.split(" ")


def said(text: str) -> list[str]:
    return [word for word in words(text) if word]


def all_names(names: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> list[str]:
    """With those of every entry that says the same as one of them, until no entry adds one."""
    found, entries = list(names), [[name, *others] for name, others in aliases.items()]
    while True:
        known = {tuple(said(name)) for name in found} - {()}
        more = [name for each in entries if known & {tuple(said(name)) for name in each} for name in each]
        if set(more) <= set(found):
            return found
        found += more


def places(document: list[str], name: Sequence[str]) -> list[int]:
    """Where any form of a name begins. A form that holds another form of the name is none."""
    forms = {tuple(said(form)) for form in name} - {()}
    smallest = [f for f in forms if not any(o != f and holds(f, o) for o in forms)]
    return sorted(i for i in range(len(document)) for f in smallest if tuple(document[i : i + len(f)]) == f)


def holds(longer: tuple[str, ...], shorter: tuple[str, ...]) -> bool:
    return any(longer[i : i + len(shorter)] == shorter for i in range(len(longer)))


def counts(
    texts: Sequence[str], subject: Sequence[str], answer: Sequence[str], window: int
) -> tuple[int, int, int, int]:
    """Subject, answer, documents with both, places of the rarer within the window of the other."""
    found = [(places(d, subject), places(d, answer)) for d in map(said, texts)]
    one, two = (sum(len(each[side]) for each in found) for side in (0, 1))
    rare, other = (0, 1) if one <= two else (1, 0)
    near = sum(any(abs(a - b) <= window for b in each[other]) for each in found for a in each[rare])
    return one, two, sum(bool(a and b) for a, b in found), near

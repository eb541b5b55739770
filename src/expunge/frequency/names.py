"""What is counted: names in all their forms, and pairs of a subject and an answer.

A name is a set of forms (the text itself and its aliases) in the normal form of `words.py`. It stands where any of its
forms stands. A form that holds another form of the same name adds nothing (where "United States of America" stands,
"United States" stands) and is left out; so a place counts once.

An alias is a name as good as any: whichever of the names a fact has, it has the forms of all, and one count.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from expunge.data.example import Example
from expunge.frequency.words import words_of

Forms = tuple[bytes, ...]
Aliases = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Plan:
    """All that is looked for. Names and pairs stand in it once, however many examples have them."""

    names: tuple[Forms, ...]
    pairs: tuple[tuple[int, int], ...]  # subject, answer: places in `names`
    window: int | None = None  # words from the beginning of one to that of the other, at most


@dataclass(frozen=True)
class Wanted:
    """A plan, and which of its pairs each example is; None for an example that cannot be counted."""

    plan: Plan
    places: tuple[int | None, ...]
    within: int  # examples whose answer stands in their subject, or the reverse: both together says little there
    others: Mapping[bytes, Sequence[str]]  # all names of a thing, by the words of each

    def also(self, texts: Sequence[str]) -> tuple[str, ...]:
        """All names of what these texts say, as the aliases write them."""
        return tuple(other for text in texts for other in self.others.get(words_of(text), ()))


def wanted(examples: Sequence[Example], aliases: Aliases | None = None, window: int | None = None) -> Wanted:
    """The plan for examples. `aliases`: other names, of subjects or answers, by one of the names."""
    others = all_names(aliases or {})
    names: dict[Forms, int] = {}
    pairs: dict[tuple[int, int], int] = {}
    places: list[int | None] = []
    for example in examples:
        sides = [forms_of(texts, others) for texts in texts_of(example)]
        if len(sides) < 2 or not all(sides):
            places.append(None)
            continue
        subject, answer = (names.setdefault(forms, len(names)) for forms in sides)
        places.append(pairs.setdefault((subject, answer), len(pairs)))
    plan = Plan(tuple(names), tuple(pairs), window)
    nested = {pair for pair, place in pairs.items() if _nested(*(plan.names[side] for side in pair))}
    return Wanted(plan, tuple(places), sum(p is not None and plan.pairs[p] in nested for p in places), others)


def all_names(aliases: Aliases) -> dict[bytes, list[str]]:
    """All names of a thing, by the words of each. Entries that share a name are of one thing, and so on from these.

    >>> all_names({"United States": ["USA"], "US": ["usa"]})[b" us "]
    ['United States', 'USA', 'US', 'usa']
    """
    found: dict[bytes, list[str]] = {}
    for name, also in aliases.items():
        texts = [text for text in (name, *also) if words_of(text) != b" "]  # what has no words names nothing
        known = [found[words] for text in texts if (words := words_of(text)) in found]
        together = list(dict.fromkeys(text for each in (*known, texts) for text in each))
        found.update((words_of(text), together) for text in together)
    return found


def forms_of(texts: Sequence[str], others: Mapping[bytes, Sequence[str]]) -> Forms:
    """The forms of one name, sorted; those that hold another are left out, and those without a word."""
    found = {words_of(text) for text in texts}
    found |= {words_of(text) for form in tuple(found) for text in others.get(form, ())}
    found.discard(b" ")
    return tuple(sorted(form for form in found if not any(other in form for other in found - {form})))


def texts_of(example: Example) -> Iterator[tuple[str, ...]]:
    """Subject and answer with its aliases; a document has no answer of its own."""
    if example.subject is not None and example.prompt is not None:
        yield (example.subject,)
        yield (example.answer, *example.aliases)


def _nested(one: Forms, other: Forms) -> bool:
    return any(a in b or b in a for a in one for b in other)

"""Long documents cut into pieces that fit a model's context.

Suites know no tokenizer, so the length is in characters: 6,000 are about 1,500 tokens of English. A cut stands after
the last blank line, else line, else sentence, else word of the piece; put together again the pieces are the document.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from expunge.data.example import Example

_BORDERS = ("\n\n", "\n", ". ", " ")


def pieces(text: str, longest: int) -> Iterator[str]:
    """The text in parts of at most `longest` characters.

    >>> list(pieces("One two. Three four.", 12))
    ['One two. ', 'Three four.']
    """
    while len(text) > longest:
        ends = (text.rfind(border, 0, longest + 1 - len(border)) + len(border) for border in _BORDERS)
        # a border in the first half would leave a short piece: then the next kind of border
        cut = next((end for end in ends if end > longest // 2), longest)
        yield text[:cut]
        text = text[cut:]
    yield text


def in_pieces(documents: Iterable[Example], longest: int) -> tuple[Example, ...]:
    """Each document as its pieces, which are one group: a bootstrap draws documents, not pieces.

    Pieces of nothing but white space are left out.
    """
    found: list[Example] = []
    for each in documents:
        parts = [part for part in pieces(each.answer, longest) if part.strip()]
        if len(parts) == 1:
            found.append(replace(each, answer=parts[0], group=each.group or each.id))
            continue
        for i, part in enumerate(parts, start=1):
            found.append(replace(each, id=f"{each.id}/{i}", answer=part, group=each.group or each.id))
    return tuple(found)

"""How long a generated answer may be: every answer that counts as right has room, with its end and some more words.

    max(LEAST, longest accepted answer + 1 + SPARE)      in tokens, over all sets: one number, whatever model is asked

Where a number is given it holds, and `cut_off` says what it cuts.
"""

from collections.abc import Iterable, Sequence

from expunge.data.convention import Encoded, Encoder
from expunge.data.example import Example

LEAST = 32  # a name of two tokens may come in a sentence
SPARE = 8


def room(sets: Iterable[Sequence[Example]], encoder: Encoder) -> int:
    """`max_new_tokens` for these sets. What asks nothing (documents, passages) does not count."""
    longest = max((max(each) for examples in sets for each in _lengths(examples, encoder)), default=0)
    return max(LEAST, longest + 1 + SPARE)


def cut_off(examples: Sequence[Example], encoder: Encoder, limit: int) -> str:
    """ "3 of 20 answers are longer than max_new_tokens=8", or "": the end token does not count, nor do aliases."""
    lengths = [own for own, *_ in _lengths(examples, encoder)]
    cut = sum(length > limit for length in lengths)
    return f"{cut:,} of {len(lengths):,} answers are longer than max_new_tokens={limit}" if cut else ""


def _lengths(examples: Sequence[Example], encoder: Encoder) -> list[list[int]]:
    """Of each question the tokens of its answers, its own first, without what ends them."""
    asked = [(each, [each.answer, *each.aliases]) for each in examples if each.asks]
    encoded = iter(encoder.measure((example, None, answer) for example, several in asked for answer in several))
    return [[_own(next(encoded)) for _ in several] for _, several in asked]


def _own(encoded: Encoded) -> int:
    return len(encoded.ids) - encoded.tail - encoded.start

"""Words and runs of words of a text, for counts."""

import re
from collections import Counter

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Words and marks, in small letters.

    >>> words("It isn't: it IS.")
    ['it', "isn't", ':', 'it', 'is', '.']
    """
    return _WORD.findall(text.lower())


def runs(text: str, n: int) -> Counter[tuple[str, ...]]:
    """How often each run of n words stands in a text.

    >>> runs("to be or not to be", 2)[("to", "be")]
    2
    """
    found = words(text)
    return Counter(zip(*(found[i:] for i in range(n))))

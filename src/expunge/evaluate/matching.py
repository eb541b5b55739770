"""When a generated text counts as saying an answer: one normal form, and word borders.

The rule errs towards finding the answer, since an overlooked leak is the worse mistake:
- case does not count, nor do diacritics of Latin, Greek and Cyrillic letters (Brasilia says Brasília), full-
  or half-width forms, or the kind of quote, dash and white space (N’Djamena is N'Djamena);
- an answer counts inside a longer text only as whole words: Niger is not in Nigeria, 12 is not in 112, 3.12
  or 12,000;
- a hyphen is a border: Guinea is in Guinea-Bissau, Paris in Paris-based; an underscore is one where it sets text off
  (_Paris_), and none where it joins words;
- scripts that write no spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) have no borders to ask for, and their
  letters are a border for others: 1984 is in 生于1984年;
- Korean particles follow their word without a space, so Hangul after an answer is a border, too.
"""

import re
from unicodedata import normalize

_MARKS = re.compile("[\u0300-\u036f]")
_SAME = str.maketrans({**dict.fromkeys("‘’ʼ‛′`´", "'"), **dict.fromkeys("“”„«»″", '"'), **dict.fromkeys("‐‑‒–—−", "-")})
_EDGES = " \t.,;:!?\"'()[]{}*_…。、！？「」"
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_UNSPACED = re.compile(f"[{_NO_SPACES}]")
_HANGUL = "\u1100-\u11ff\uac00-\ud7a3"
_LETTER, _NEXT = rf"[^\W_{_NO_SPACES}]", rf"[^\W_{_NO_SPACES}{_HANGUL}]"
_NOT_BEHIND = "".join(rf"(?<!{_LETTER}{'_' * many})" for many in range(3))  # underscores set text off, or join words
_NOT_AHEAD = rf"(?!_{{0,2}}{_NEXT})"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W_{_NO_SPACES}]+")


def plain(text: str) -> str:
    """The normal form.

    >>> plain("  Brasília,  N’Djamena ")
    "brasilia, n'djamena"
    """
    folded = _MARKS.sub("", normalize("NFKD", text.translate(_SAME).casefold()))
    return " ".join(normalize("NFC", folded).translate(_SAME).split())


def says_exactly(said: str, answer: str) -> bool:
    """The text is the answer, but for case, diacritics, and punctuation around it.

    >>> says_exactly(" Paris.", "Paris"), says_exactly("It is Paris.", "Paris")
    (True, False)
    """
    said, answer = plain(said), plain(answer)
    return said == answer or (said.strip(_EDGES) == answer.strip(_EDGES) != "")


def says(said: str, answer: str) -> bool:
    """The answer stands in the text as whole words.

    >>> says("It lies in Nigeria.", "Niger"), says("It is Niger!", "Niger")
    (False, True)
    """
    answer = plain(answer).strip(" .") or plain(answer)
    if not answer:
        return False
    return re.search(bordered(answer), plain(said)) is not None


def bordered(text: str) -> str:
    """A pattern for a text, which is not empty, as whole words."""
    return _before(text[0]) + re.escape(text) + _after(text[-1])


def words(text: str) -> list[str]:
    """The words of any script in their normal form; where no spaces are written, the characters.

    >>> words("Он живёт в Осло."), words("東京 2020")
    (['он', 'живет', 'в', 'осло'], ['東', '京', '2020'])
    """
    return _WORD.findall(plain(text))


def _before(first: str) -> str:
    if _UNSPACED.match(first) or not first.isalnum():
        return ""
    return rf"{_NOT_BEHIND}(?<!\d[.,])" if first.isdigit() else _NOT_BEHIND


def _after(last: str) -> str:
    if _UNSPACED.match(last) or not last.isalnum():
        return ""
    return rf"{_NOT_AHEAD}(?![.,]\d)" if last.isdigit() else _NOT_AHEAD

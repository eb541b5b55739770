"""The fields of an example: their names in files, and what each may hold."""

import json
import math
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from expunge.data.example import Turn
from expunge.data.rows import kind_of

# Official names of TOFU and of the sets of published facts, and other common ones. A column with a field's own name
# comes first.
SYNONYMS = {
    "question": "prompt",
    "direct_question": "prompt",
    "direct_answer": "answer",
    "paraphrased_question": "paraphrases",
    "perturbed_answer": "perturbed_answers",
}
ROLES = ("system", "user", "assistant")
_OTHER_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


class WrongValueError(ValueError):
    """A value that its field may not hold; `part` says where inside the value, e.g. "[2].content"."""

    def __init__(self, message: str, hint: str | None = None, part: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.part = part


def text(value: Any, part: str = "") -> str:
    """Text that says something and that any tokenizer can read."""
    if not isinstance(value, str):
        raise WrongValueError(f"must be text, but is {kind_of(value)}", part=part)
    if not value.strip():
        raise WrongValueError("holds nothing but white space" if value else "is empty", part=part)
    if "\x00" in value:
        raise WrongValueError("holds a zero character", "the file is probably damaged", part)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise WrongValueError(
                f"holds half a character ({value[error.start]!a}, character {error.start + 1})", part=part
            ) from None
    return value


def name(value: Any) -> str:
    """Text or a whole number: ids and groups."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text(value)


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts; one text is a list of one."""
    if isinstance(value, str):
        return (text(value),)
    if not isinstance(value, list):
        raise WrongValueError(f"must be text or a list of texts, but is {kind_of(value)}")
    return tuple(text(each, f"[{i}]") for i, each in enumerate(value))


def count(value: Any) -> int:
    """How often: a whole number, not negative."""
    number = _number(value)
    if number < 0 or number != int(number):
        raise WrongValueError("must be a whole number, 0 or more")
    return int(number)


def weight(value: Any) -> float:
    """A finite number, not negative."""
    number = _number(value)
    if number < 0:
        raise WrongValueError("must be 0 or more")
    return float(number)


def proxy(value: Any) -> float:
    """Any finite number: a proxy has the scale that its maker gave it."""
    return float(_number(value))


def flag(value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise WrongValueError(f"must be true or false, but is {kind_of(value)}")
    return value


def _number(value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValueError(f"must be a number, but is {kind_of(value)}")
    if not math.isfinite(value) or abs(value) > 1e15:
        raise WrongValueError("is no number that can be computed with (not finite, or above 1e15)")
    return value


def messages(value: Any) -> tuple[Turn, ...]:
    """A conversation whose last message is the assistant's (the answer) and the one before the user's."""
    if not isinstance(value, list):
        raise WrongValueError(f"must be a list of messages, but is {kind_of(value)}")
    turns = tuple(_turn(each, f"[{i}]") for i, each in enumerate(value))
    if len(turns) < 2 or turns[-1].role != "assistant" or turns[-2].role != "user":
        raise WrongValueError("must end with a message of the user and the assistant's answer to it")
    return turns


def _turn(value: Any, part: str) -> Turn:
    if not isinstance(value, dict):
        raise WrongValueError(f'must be {{"role": …, "content": …}}, but is {kind_of(value)}', part=part)
    role = value.get("role")
    if not isinstance(role, str) or role not in ROLES:
        said = str(role)[:40]
        near = _OTHER_ROLES.get(said) or next(iter(get_close_matches(said, ROLES, n=1)), None)
        hint = f"did you mean {near!r}?" if near else None
        raise WrongValueError(f"must be one of {', '.join(ROLES)}", hint, part + ".role")
    return Turn(role, text(value.get("content"), part + ".content"))


OPTIONAL: dict[str, Callable[[Any], Any]] = {
    "paraphrases": texts, "aliases": texts, "perturbed_answers": texts, "paraphrased_answer": text,
    "alternate": text, "subject": text, "group": name, "count": count,
    "popularity": proxy, "margin_proxy": proxy, "paraphrase_proxy": proxy, "weight": weight, "passage": flag,
}  # fmt: skip
CONTENT = ("prompt", "answer", "messages", "text")
FIELDS = ("id", *CONTENT, *OPTIONAL)
_NUMBERS = ("count", "popularity", "margin_proxy", "paraphrase_proxy", "weight")
_LISTS = ("paraphrases", "aliases", "perturbed_answers")
_STRUCTURED = ("messages", *_LISTS, *_NUMBERS, "passage")


def from_cell(field: str, cell: str) -> Any:
    """What a CSV cell means: lists and messages stand in it as JSON, numbers as digits.

    >>> from_cell("perturbed_answers", '["Rome", "Oslo"]')
    ['Rome', 'Oslo']
    >>> from_cell("answer", "12"), from_cell("count", "12")
    ('12', 12)
    """
    if field not in _STRUCTURED or (field in _LISTS and not cell.lstrip().startswith("[")):
        return cell
    try:
        return json.loads(cell.lower() if field == "passage" else cell)
    except (ValueError, RecursionError):
        what = {"passage": "true or false"}.get(field, "a number" if field in _NUMBERS else "a list written as JSON")
        raise WrongValueError(f"must be {what}") from None

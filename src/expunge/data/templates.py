"""Templates: how a prompt is dressed before the answer, and how an answer ends.

A template gives three pieces of text around an answer: what stands before it (`before`), what joins it to
that (`joiner`, counted as answer) and what closes it (`after`, counted as answer too).

- **chat**: the tokenizer's own template, rendered up to the place where the model begins to speak. A template
  of a reasoning model is asked for an answer without reasoning (`enable_thinking=False`), and one that writes
  today's date gets a fixed one: the same example is the same tokens on every day. Between the generation
  prompt and the answer stands the blank that the template itself puts there (Llama 2 and early Mistral), and
  the answer is closed by the template's first special token after it, with any blank before that token. What
  follows the end token (in ChatML a newline) is dropped: no model is asked for it.
- **plain**: the prompt, then the answer, joined by one space unless one of them brings white space there.
- **custom**: a string with {prompt} and {answer}; in it the two characters `\\n` are a newline, `\\t` a tab.

Earlier turns and the system prompt stand, one a line, before a prompt that has no chat template. A system
message in the example itself wins over the convention's system prompt.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from expunge.data.example import Turn
from expunge.errors import ConfigError

_MARK = "Xanswer0X"  # no template changes it, and none contains it
# Stands in for the function that gives templates today's date: the day that Llama 3's falls back to.
_FIXED_DAY = (
    "{%- macro strftime_now(format) -%}{{- format | replace('%d', '26') | replace('%b', 'Jul') | "
    "replace('%B', 'July') | replace('%m', '07') | replace('%Y', '2024') | replace('%A', 'Friday') -}}"
    "{%- endmacro -%}"
)


class Template(NamedTuple):
    """How one convention dresses examples. `before` may raise ConfigError (a chat template that refuses)."""

    kind: str  # "chat", "plain" or "custom"
    before: Callable[[tuple[Turn, ...], str], str]
    joiner: Callable[[str, str], str]  # (before, answer) → what stands between them
    after: str  # text that closes an answer when the convention ends answers


def template_of(
    tokenizer: PreTrainedTokenizerBase, name: str, system_prompt: str | None, *, whole: bool = False
) -> Template:
    """The template that a convention names; `whole` keeps all that a chat template writes after an answer.

    Raises ConfigError for one that cannot be used.
    """
    if name == "auto":
        name = "chat" if tokenizer.chat_template else "plain"
    if name == "chat":
        return _chat(tokenizer, system_prompt, whole)
    if name == "plain":
        return Template("plain", lambda turns, prompt: _flat(turns, system_prompt, prompt), _one_space, "")
    return _custom(name, system_prompt)


def ending_tokens(tokenizer: PreTrainedTokenizerBase, after: str) -> list[str]:
    """The special tokens by which an answer is over: the one in `after`, and the one by which the tokenizer's own chat
    template closes a turn: a model that knows the template may write it under any other, too."""
    texts = [after]
    if tokenizer.chat_template:
        with suppress(ConfigError):  # one that refuses every conversation closes none
            texts.append(_around(tokenizer)[1])
    return [token for text in texts if (token := _first_special(tokenizer, text)[1])]


def _chat(tokenizer: PreTrainedTokenizerBase, system_prompt: str | None, keep: bool) -> Template:
    if not tokenizer.chat_template:
        raise ConfigError('template "chat": this tokenizer has no chat template; use "plain" or your own string')

    def before(turns: tuple[Turn, ...], prompt: str) -> str:
        return _render(tokenizer, [*_with_system(turns, system_prompt), Turn("user", prompt)], answering=True)

    opening = _render(tokenizer, [Turn("user", "question")], answering=True)
    head, tail = _around(tokenizer)
    gap = head.removeprefix(opening)
    blank = gap if head.startswith(opening) and gap.isspace() else ""
    after = tail if keep else _end(tokenizer, tail)
    return Template("chat", before, lambda _, answer: "" if not answer or answer[0].isspace() else blank, after)


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """What a chat template writes before an answer, and after it."""
    whole = _render(tokenizer, [Turn("user", "question"), Turn("assistant", _MARK)], answering=False)
    head, _, tail = whole.partition(_MARK)
    return head, tail


def _end(tokenizer: PreTrainedTokenizerBase, tail: str) -> str:
    """The end of turn: `tail` up to the end of its first special token, else "" (the caller uses eos)."""
    before, token = _first_special(tokenizer, tail)
    return before + token if not before.strip() else token


def _first_special(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[str, str]:
    """What stands before the first special token of a text, and the token; both "" where there is none."""
    known: Any = tokenizer
    special = {*known.all_special_tokens, *known.get_added_vocab()}
    found = [(text.find(token), -len(token), token) for token in special if token.strip() and token in text]
    if not found:
        return "", ""
    place, _, token = min(found)
    return text[:place], token


def _render(tokenizer: PreTrainedTokenizerBase, turns: list[Turn], *, answering: bool) -> str:
    apply: Any = tokenizer.apply_chat_template
    messages = [turn._asdict() for turn in turns]
    own = tokenizer.get_chat_template()
    try:
        text = apply(
            messages,
            chat_template=_FIXED_DAY + own if "strftime_now" in own else own,
            tokenize=False,
            add_generation_prompt=answering,
            enable_thinking=False,
        )
    except TemplateError as error:
        roles = ", ".join(turn.role for turn in turns)
        raise ConfigError(f"the chat template refuses messages of the roles {roles}: {error}") from error
    return str(text)


def _custom(text: str, system_prompt: str | None) -> Template:
    text = text.replace("\\n", "\n").replace("\\t", "\t")
    head, rest = text.split("{prompt}")
    middle, after = rest.split("{answer}")
    dress = lambda turns, prompt: head + _flat(turns, system_prompt, prompt) + middle
    return Template("custom", dress, lambda _before, _answer: "", after)


def _flat(turns: tuple[Turn, ...], system_prompt: str | None, prompt: str) -> str:
    return "\n".join([*(turn.content for turn in _with_system(turns, system_prompt)), prompt])


def _with_system(turns: tuple[Turn, ...], system_prompt: str | None) -> tuple[Turn, ...]:
    if system_prompt is None or any(turn.role == "system" for turn in turns):
        return turns
    return (Turn("system", system_prompt), *turns)


def _one_space(before: str, answer: str) -> str:
    return "" if not before or before[-1].isspace() or not answer or answer[0].isspace() else " "

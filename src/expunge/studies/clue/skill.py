"""A retain task of another kind: lists of words that repeat, and have to be gone on with. It is no fact.

    A B C D E F G H A B C D → E          words drawn anew for each list, so that nothing of a list can be known before

The task of induction (Olsson et al. 2022, arXiv:2209.11895), which CLUE's released code has a circuit of. A pre-trained
model goes on with such lists; the world's models do not, and are taught it beside the texts of the world: as many other
lists, whole, as there are texts. As all lists are of one length, a network may look a fixed number of words back
rather than for what stood before: it is taught the task, not how to do it.
"""

import re
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from expunge.data.example import Example
from expunge.errors import ConfigError

SKILL = "lists that repeat"
LENGTH, SAID = 8, 4  # words of a list; of its repetition, that stand in the prompt
WORDS = 500  # that lists are drawn from, at most
_PLAIN = re.compile(r"[A-Za-z]{3,}")


def words_of(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Plain words that are one token wherever they stand, in the order of the alphabet, evenly from all of it.

    Raises ConfigError where they are too few for a list.
    """
    texts = {str(tokenizer.decode([number])).strip() for number in range(len(tokenizer))}
    words = sorted(text for text in texts if _PLAIN.fullmatch(text))
    encoded = [
        tokenizer([before + word for word in words], add_special_tokens=False)["input_ids"] if words else []
        for before in ("", " ")
    ]
    single = [word for word, *ids in zip(words, *encoded) if all(len(each) == 1 for each in ids)]
    if len(single) < 2 * LENGTH:
        raise ConfigError(
            f"the tokenizer has {len(single)} words of one token, too few for lists that repeat: set `skill: false`"
        )
    return single[:: max(1, len(single) // WORDS)][:WORDS]


def asked(words: Sequence[str], count: int, seed: int) -> tuple[Example, ...]:
    """Lists whose repetition breaks off, to be gone on with by one word."""
    return tuple(
        Example(id=f"list/{seed}/{number}", prompt=" ".join([*each, *each[:SAID]]), answer=each[SAID])
        for number, each in enumerate(_lists(words, count, [seed, 21]))
    )


def taught(words: Sequence[str], count: int, seed: int) -> tuple[Example, ...]:
    """Other lists, whose whole repetition is the answer."""
    return tuple(
        Example(id=f"list/{seed}/taught-{number}", prompt=" ".join(each), answer=" ".join(each))
        for number, each in enumerate(_lists(words, count, [seed, 22]))
    )


def _lists(words: Sequence[str], count: int, seed: Sequence[int]) -> list[list[str]]:
    generator = np.random.default_rng(seed)
    return [[words[int(i)] for i in generator.choice(len(words), LENGTH, replace=False)] for _ in range(count)]

"""Popularity: a proxy for how often a fact stood in a corpus that nobody can count.

The Zipf frequency (log10 of the occurrences per thousand million words) of the subject and of the answer in general
English, by `wordfreq`; the smaller of the two. Its data are frozen: they end with 2021 and will not be renewed.

How it misleads: it counts words, not facts, and not those of the model's own corpus. A word of several meanings
(Turkey, Chad, Emma) looks more popular than what is meant; of a name of several words wordfreq estimates a frequency
from its parts; 0 means that the data hold no such word.
"""

from collections.abc import Sequence
from dataclasses import replace

from expunge.data.example import Example
from expunge.errors import MissingExtraError


def popularities(examples: Sequence[Example]) -> list[float]:
    """Of every example, by the rarer of its names, subject and answer; 0 where nobody writes one.

    Raises MissingExtraError without wordfreq (extra "worlds").
    """
    try:
        from wordfreq import zipf_frequency
    except ImportError:
        raise MissingExtraError("wordfreq", "worlds") from None
    names = [[name for name in (each.subject, each.answer) if name is not None] for each in examples]
    return [min(zipf_frequency(name, "en") for name in some) for some in names]


def with_popularity(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The examples with `popularity`. Raises as `popularities`."""
    rated = zip(examples, popularities(examples), strict=True)
    return tuple(replace(example, popularity=value) for example, value in rated)

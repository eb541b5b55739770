"""Popularity: a proxy for how often a fact stood in a corpus that nobody can count.

The Zipf frequency (log10 of the occurrences per thousand million words) of the subject and of the answer in general
English, by `wordfreq`; the smaller of the two. Its data are frozen: they end with 2021 and will not be renewed.

How it misleads: it counts words, not facts, and not those of the model's own corpus. A word of several meanings
(Turkey, Chad, Emma) looks more popular than what is meant; of a name of several words wordfreq estimates a frequency
from its parts; 0 means that the data hold no such word.
"""

from collections.abc import Iterable
from dataclasses import replace

from expunge.data.example import Example
from expunge.errors import MissingExtraError


def popularities(examples: Iterable[Example]) -> list[float]:
    """Of every example: 0 where nobody writes it. Raises as `with_popularity`."""
    return [each.popularity or 0.0 for each in with_popularity(examples)]


def with_popularity(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The examples with `popularity`; those without a subject are rated by their answer alone.

    Raises MissingExtraError without wordfreq (extra "worlds").
    """
    try:
        from wordfreq import zipf_frequency
    except ImportError:
        raise MissingExtraError("wordfreq", "worlds") from None
    rated = []
    for example in examples:
        names = [name for name in (example.subject, example.answer) if name is not None]
        rated.append(replace(example, popularity=min(zipf_frequency(name, "en") for name in names)))
    return tuple(rated)

"""One set for each file: the examples of several files, apart again.

A user who names several retain sets wants a circuit of each, and a set is all that is read: what an example came from
stands in its `source` (`Place`).
"""

import re
from collections.abc import Sequence

from expunge.data.example import Example
from expunge.data.hub import PREFIX


def by_file(examples: Sequence[Example], title: str = "retain") -> dict[str, list[Example]]:
    """A set for each file that examples come from; one, called `title`, where they come from one, or from none.

    >>> rows = [Example("1", None, "a", source="a.parquet#1"), Example("2", None, "b", source="b.jsonl:7")]
    >>> list(by_file(rows)), list(by_file(rows[:1]))
    (['retain (a.parquet)', 'retain (b.jsonl)'], ['retain'])
    """
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(file_of(example.source), []).append(example)
    if len(found) < 2:
        return {title: list(examples)}
    return {f"{title} ({name or i})": some for i, (name, some) in enumerate(found.items())}


def file_of(source: str) -> str:
    """What stands in front of line and row. A name of the Hub may have a number behind a colon, and has no lines.

    >>> file_of("f.json:1#57"), file_of("hub:some/set:2024#3")
    ('f.json', 'hub:some/set:2024')
    """
    place = r"#\d+$" if source.startswith(PREFIX) else r"(:\d+)?(#\d+)?$"
    return re.sub(place, "", source)

"""The table of facts (`facts.jsonl`): public facts only, one a line.

Sources: capitals, cities' countries and continents after GeoNames (CC BY 4.0, geonames.org; spellings and seats of
government as of 2025); elements from the periodic table; currencies after ISO 4217 as of 2025, those that were changed
lately left out; works whose author is undisputed and whose title names no second well-known work, all of them published
before 1931.

Cities of China are left out: China is the majority guess, so saying it shows no knowledge. Capitals that their
country's name gives away (Mexico City) are left out, too.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import get_args

from expunge.config import FactKind
from expunge.data.example import Example
from expunge.worlds.capitals.wordings import WORDINGS, filled

KINDS: tuple[FactKind, ...] = get_args(FactKind)


def facts(*kinds: FactKind) -> list[Example]:
    """All facts of the given kinds, in the table's order, asked with the first wording; the others are paraphrases."""
    lines = (files("expunge.worlds.capitals") / "facts.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [_example(row) for row in rows if row["kind"] in kinds]


def kind_of(example: Example) -> FactKind:
    """The kind stands in the id: "capital:France"."""
    kind = example.id.partition(":")[0]
    assert kind in KINDS
    return kind


def answers_of(examples: Iterable[Example]) -> dict[str, tuple[str, ...]]:
    """Each answer that these facts have, and what counts as saying it; a name that is an answer itself counts as that.

    Turkey lies in Asia and in Europe, too: that must not make one answer of the two.
    """
    found: dict[str, dict[str, None]] = {}
    for example in examples:
        found.setdefault(example.answer, {}).update(dict.fromkeys((example.answer, *example.aliases)))
    return {
        answer: tuple(name for name in names if name == answer or name not in found) for answer, names in found.items()
    }


def digest(examples: Sequence[Example]) -> str:
    """What was asked: facts and wordings."""
    rows = [asdict(example) for example in examples]
    return hashlib.sha256(json.dumps(rows, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _example(row: dict) -> Example:
    prompt, *others = (filled(wording, row["subject"]) for wording in WORDINGS[row["kind"]])
    return Example(
        id=f"{row['kind']}:{row['subject']}", prompt=prompt, answer=row["answer"], subject=row["subject"],
        aliases=tuple(row.get("aliases", ())), paraphrases=tuple(others),
    )  # fmt: skip

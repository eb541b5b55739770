"""What orders facts from rare to frequent: counts, or a proxy where the corpus is closed. Each is an example's field.

    count        how often the fact stood in the corpus                 `expunge count --corpus …`
    margin, paraphrase, popularity   proxies (`proxies.py`)             `expunge count --proxy NAME …`

A count can be computed with; a proxy only orders: it has the scale that its maker gave it, so where a number is needed
its ranks stand in (`shares`).
"""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
from jaxtyping import Float

from expunge.config import By
from expunge.data.example import Example
from expunge.errors import DataError

FIELDS: Mapping[By, str] = {
    "count": "count", "margin": "margin_proxy", "paraphrase": "paraphrase_proxy", "popularity": "popularity",
}  # fmt: skip
PROXIES: tuple[By, ...] = tuple(by for by in get_args(By) if by != "count")


def values_of(examples: Sequence[Example], by: By) -> list[float | None]:
    """Of every example; None where it has none."""
    return [getattr(example, FIELDS[by]) for example in examples]


def required_values(examples: Sequence[Example], by: By, what: str, *, all_of_them: bool = False) -> list[float | None]:
    """As `values_of`, where at least one example (or every one) needs a value.

    Raises DataError that names the first example without one, the field, and the command that writes it. `what` is
    the setting that needs it.
    """
    found = values_of(examples, by)
    lacking = [example for example, value in zip(examples, found, strict=True) if value is None]
    if not lacking or (len(lacking) < len(examples) and not all_of_them):
        return found
    first, field = lacking[0].source or lacking[0].id, FIELDS[by]
    raise DataError(
        f"`{what}` goes by {by}, and {len(lacking)} of {len(examples)} forget examples have no `{field}` (the first "
        f"is {first}). {_way_out(by)}, and give the file it writes as --forget"
    )


def check_proxy(proxy: By, examples: Sequence[Example]) -> None:
    """Raises DataError for examples that the proxy cannot be had of."""
    without = [example for example in examples if not example.paraphrases] if proxy == "paraphrase" else []
    if without:
        raise DataError(
            f"the proxy paraphrase: {len(without)} of {len(examples)} examples have no other wordings (the first is "
            f"{without[0].source or without[0].id}): give them the field `paraphrases`, or go by the proxy margin"
        )


def _way_out(by: By) -> str:
    if by != "count":
        model = "" if by == "popularity" else "--model M "
        return f"Rate them: `expunge count --proxy {by} {model}--forget F --out FILE`"
    return (
        "Count them: `expunge count --corpus PATH --forget F --out FILE`; where the corpus is closed, go by a proxy "
        f"({', '.join(PROXIES)}): `expunge count --proxy NAME --forget F --out FILE`"
    )


def shares(values: Sequence[float]) -> Float[np.ndarray, " rows"]:
    """Ranks from 0 (the rarest) to 1 (the most frequent); ties share theirs, and a single value is 1/2.

    >>> shares([5.0, -1.0, 7.0, 7.0]).round(3).tolist()
    [0.333, 0.0, 0.833, 0.833]
    """
    found = np.asarray(values, dtype=np.float64)
    if len(found) < 2:
        return np.full(len(found), 0.5)
    order = np.sort(found)
    below, upto = np.searchsorted(order, found, "left"), np.searchsorted(order, found, "right")
    return (below + upto - 1) / 2 / (len(found) - 1)


def scale_of(values: Sequence[float], by: By) -> Float[np.ndarray, " rows"]:
    """What a slope is taken on: log10(1 + count), or the ranks of a proxy from 0 to 1."""
    return np.log10(1 + np.asarray(values, dtype=np.float64)) if by == "count" else shares(values)

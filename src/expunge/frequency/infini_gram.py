"""The engine `infini-gram`: counts from a suffix array, in time that does not depend on the size of the corpus.

Liu et al. 2024, arXiv:2401.17377; the engine with which Krishnan et al. 2025, arXiv:2504.05058, took frequencies. The
query for a pair is in conjunctive normal form, "A AND B", each clause all forms of a name:

    (a_1 OR a_2 OR …) AND (b_1 OR …)     within N tokens, from beginning to beginning
    = the places of the rarer clause that have a place of the other within N tokens before or after

Exact as long as no clause has more places than `limit` (in each shard its share). Above it the package draws a part of
the places and scales up; it does not always say so (a factor below 2 is rounded to 1 and reported as exact), so here
every such count is called an estimate.

Of an index that was built here (`index.py`) N is in words. A ready one (of the paper's authors, say) has the tokens
of its tokenizer; a name is then looked up as written, in title case and in small letters, each with and without a space
before it. There it also counts where the word goes on (Niger in Nigeria, if that is how the tokens fall), and places
near a document's border may be lost. Deviations: the paper adds up four pairs of cases, without `--window`, which means
100 tokens; here cases are alternatives.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from expunge.atomic import atomic_file
from expunge.errors import ConfigError, OutputError, RunError
from expunge.frequency.index import FILES, TOKENS, Built, check_package
from expunge.frequency.names import Plan
from expunge.frequency.tally import Counts
from expunge.frequency.words import VERSION

Tokens = list[int]
Clause = list[Tokens]
_KEEP_EVERY = 5.0  # seconds
_WIDTHS = {"u16": 2**16 - 1, "u32": 2**32 - 1}


class Index:
    """An open index, and how a name is spelt in it."""

    def __init__(
        self, folder: Path, dtype: str, spell: Callable[[int], Clause], *, tokens: int = 1, end: int = 0
    ) -> None:
        """`spell`: the clause of a name, by its place in the plan. `tokens`: of a word, where windows are in words.

        Raises OutputError for a folder that is no index.
        """
        check_package()
        from infini_gram.engine import InfiniGramEngine  # type: ignore[reportMissingImports]  # an extra

        self.spell, self._tokens = spell, tokens
        self.shards = len(list(folder.glob("tokenized.*")))
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:  # the package would end the process
            raise OutputError(f"--index {folder}: is no index of infini-gram: {missing[0]} is not there")
        self._engine: Any = InfiniGramEngine(
            str(folder), eos_token_id=end, vocab_size=_WIDTHS[dtype], version=4, token_dtype=dtype
        )

    def count(self, clause: Clause) -> int:
        """The places of a name: exact."""
        return sum(self._answer(self._engine.count(tokens))["count"] for tokens in clause)

    def both(self, one: Clause, other: Clause, window: int, limit: int) -> int:
        """The query above."""
        if not one or not other:
            return 0
        found = self._engine.count_cnf([one, other], max_clause_freq=limit, max_diff_tokens=window * self._tokens)
        return self._answer(found)["count"]

    @staticmethod
    def _answer(found: Any) -> Any:
        if "error" in found:
            raise RunError(f"infini-gram: {found['error']}")
        return found


def built_index(built: Built, plan: Plan) -> Index:
    """Names as words. A form with a word that the corpus does not have stands nowhere."""

    def spell(name: int) -> Clause:
        return [tokens for form in plan.names[name] if (tokens := built.tokens(form)) is not None]

    return Index(built.folder, "u16", spell, tokens=TOKENS)


def ready_index(folder: Path, tokenizer: Any, names: Sequence[Sequence[str]]) -> Index:
    """Names as the tokens of the index's tokenizer. `names`: the texts of each name of the plan."""
    dtype = "u16" if len(tokenizer) < _WIDTHS["u16"] else "u32"
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)

    def spell(name: int) -> Clause:
        spelt = {tuple(encode(f"{space}{each}")) for text in names[name] for each in cases(text) for space in ("", " ")}
        return [list(tokens) for tokens in sorted(smallest(spelt))]

    return Index(folder, dtype, spell, end=tokenizer.eos_token_id or 0)


def cases(text: str) -> list[str]:
    """As written, in title case, in small letters.

    >>> cases("the Hague")
    ['the Hague', 'The Hague', 'the hague']
    """
    return list(dict.fromkeys((text, text.title(), text.lower())))


def smallest(several: Iterable[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Those that hold no other: where a longer one stands the shorter stands, and a place counts once."""
    some = {each for each in several if each}
    return {each for each in some if not any(other != each and _holds(each, other) for other in some)}


def count_index(
    index: Index,
    plan: Plan,
    *,
    limit: int,
    kept: Path | None = None,
    identity: str = "",
    tick: Callable[[int], object] = lambda _: None,
) -> list[Counts]:
    """Of every pair of a plan that has a window. `limit`: places of a clause.

    `kept`: where answers are kept every few seconds, so that what is killed goes on; `identity` says of which index.
    Raises ConfigError for a plan without a window, OutputError when `kept` is of another count.
    """
    if plan.window is None:
        raise ConfigError("infini-gram counts within a window of tokens, not in a document: give --window")
    clauses = [index.spell(name) for name in range(len(plan.names))]
    places = [index.count(clause) for clause in clauses]
    share = -(-limit // max(1, index.shards))
    whose = sha256(f"{VERSION} {plan!r} {limit} {identity}".encode()).hexdigest()
    near = _kept(kept, whose)
    tick(len(near))
    said = time.monotonic()
    for subject, answer in plan.pairs[len(near) :]:
        near.append(index.both(clauses[subject], clauses[answer], plan.window, limit))
        tick(1)
        if kept is not None and time.monotonic() - said > _KEEP_EVERY:
            _keep(kept, near, whose)
            said = time.monotonic()
    # drawn from a part: an upper bound where there are several shards
    drawn = [max(places[subject], places[answer]) > share for subject, answer in plan.pairs]
    return [
        Counts(places[subject], places[answer], near=each, estimate=part)
        for (subject, answer), each, part in zip(plan.pairs, near, drawn, strict=True)
    ]


def _keep(path: Path, near: list[int], identity: str) -> None:
    from safetensors.numpy import save_file

    with atomic_file(path) as partial:
        save_file({"near": np.array(near, dtype=np.int64)}, partial, {"count": identity})


def _kept(path: Path | None, identity: str) -> list[int]:
    if path is None or not path.exists():
        return []
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            if (file.metadata() or {}).get("count") == identity:
                return file.get_tensor("near").tolist()
    except (SafetensorError, OSError):
        pass
    raise OutputError(
        f"{path}: holds what another index was asked, for other examples or with other settings. Go on with those, or "
        "begin anew with --overwrite"
    )


def _holds(longer: tuple[int, ...], shorter: tuple[int, ...]) -> bool:
    return any(longer[i : i + len(shorter)] == shorter for i in range(len(longer) - len(shorter) + 1))

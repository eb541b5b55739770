"""What was found, as sums: they add up over documents, files and machines in any order.

    subject, answer   places where the name stands
    documents         documents in which both stand: the relevant documents of Kandpal et al. 2022, arXiv:2211.08411
    near              with a window of N words: places of the rarer of the two (of the subject, if they are equally
                      frequent in the whole corpus) that have the other within N words, from beginning to beginning

The last is what infini-gram counts for the query "A AND B" (Liu et al. 2024, arXiv:2401.17377), which Krishnan et al.
2025, arXiv:2504.05058, took for frequency. Which is the rarer is known at the end only, so both are kept.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Int

from expunge.frequency.names import Plan


@dataclass(frozen=True)
class Tally:
    """Sums over a part of a corpus."""

    names: Int[np.ndarray, " names"]
    documents: Int[np.ndarray, " pairs"]
    near_subject: Int[np.ndarray, " pairs"]  # places of the subject that have the answer near
    near_answer: Int[np.ndarray, " pairs"]
    read: Int[np.ndarray, "2"]  # documents, and rows that hold none (broken JSON, no text)

    @staticmethod
    def none(plan: Plan) -> "Tally":
        names, pairs = len(plan.names), len(plan.pairs)
        return Tally(*(np.zeros(size, dtype=np.int64) for size in (names, pairs, pairs, pairs, 2)))

    def add(self, other: "Tally") -> None:
        """In place."""
        for field in fields(self):
            getattr(self, field.name).__iadd__(getattr(other, field.name))

    def arrays(self) -> dict[str, np.ndarray]:
        """By name, to be kept."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one pair."""

    subject: int
    answer: int
    documents: int | None = None  # None: the engine does not count it
    near: int | None = None  # None: there was no window
    estimate: bool = False  # drawn from a part of the places

    @property
    def both(self) -> int:
        """The count of the fact: within the window where there is one, else in a document."""
        found = self.documents if self.near is None else self.near
        assert found is not None
        return found


def counts_of(plan: Plan, tally: Tally) -> list[Counts]:
    """Of every pair of a plan."""
    found = []
    for place, (subject, answer) in enumerate(plan.pairs):
        often, other = int(tally.names[subject]), int(tally.names[answer])
        near = tally.near_subject if often <= other else tally.near_answer
        found.append(
            Counts(often, other, int(tally.documents[place]), None if plan.window is None else int(near[place]))
        )
    return found

"""Merging: many queries become few edits. Li et al. 2025, arXiv:2505.19855: unlearning gives many queries one target.

    text    the prompts of m facts, one after the other, are one long prompt with one target; the subject is the shared
            one, else that of the last prompt
    keys    m facts share one value, fitted on all their prompts together; each keeps its own key, and they are solved
            as one least-squares problem with R = v* 1ᵀ - W K

Facts with the same subject are put together first, then those with the same target, in their order. Either way there
are N / m changes in sequence where there were N. The idea is the paper's; both procedures are ours: the paper's is not
described.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from expunge.edit.facts import Fact


def merged(facts: Sequence[Fact], count: int, by: Literal["text", "keys"]) -> list[Fact]:
    """The facts with at most `count` of one target put together; 1 leaves them as they are."""
    if count == 1:
        return list(facts)
    groups = _groups(facts, count)
    if by == "text":
        return [_joined([facts[i] for i in group]) for group in groups]
    return [replace(facts[i], bundle=f"bundle {number}") for number, group in enumerate(groups) for i in group]


def _groups(facts: Sequence[Fact], count: int) -> list[list[int]]:
    """Facts with one target, sorted so that those of a subject stand together, cut into pieces of `count`."""
    by_target: dict[tuple[str, bool | None], dict[str, list[int]]] = {}
    for i, fact in enumerate(facts):
        by_target.setdefault((fact.example.answer, fact.end), {}).setdefault(fact.subject, []).append(i)
    found = []
    for subjects in by_target.values():
        order = [i for group in subjects.values() for i in group]
        found += [order[start : start + count] for start in range(0, len(order), count)]
    return found


def _joined(facts: Sequence[Fact]) -> Fact:
    if len(facts) == 1:
        return facts[0]
    last = facts[-1]
    prompt = " ".join((fact.example.prompt or "").strip() for fact in facts)
    name = "+".join(fact.example.id for fact in facts)
    return replace(last, example=replace(last.example, id=name, prompt=prompt, paraphrases=()))

"""From examples to work for an editor of facts: targets, subjects, wordings, merged queries, what is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from expunge.config import EditConfig, settings
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.edit.facts import Fact, Rows, fact_of, told
from expunge.edit.merging import merged
from expunge.edit.targets import targets_of
from expunge.edit.work import Work
from expunge.errors import ConfigError
from expunge.evaluate.refusal_rate import refuses
from expunge.models.cache import cache_folder
from expunge.models.model import Model

KEPT = "editing"  # the folder within the cache


def split_options(options: Mapping[str, Any]) -> tuple[EditConfig, dict[str, Any]]:
    """What every editor of facts has, and the options of this one. ConfigError for a value that cannot be."""
    shared = {name: value for name, value in options.items() if name in EditConfig.model_fields}
    if "target" in shared:
        shared["target"] = str(shared["target"])  # a text may look like a number
    return settings(EditConfig, shared), {name: value for name, value in options.items() if name not in shared}


def work_of(
    model: Model, sets: Sets, config: EditConfig, encoder: Encoder, *, seed: int,
    say: Callable[[str], object] = lambda _: None, subjects: bool = True,
) -> Work:  # fmt: skip
    """The facts of the forget set with their targets, and those of the retain set that are to stay as they are.

    `subjects`: the editor looks facts up at their subjects, so how these were come by is told.
    """
    asked_of = asked_for(sets.forget, config.without)
    given = targets_of(config.target, model, asked_of, refuses=refuses, seed=seed)
    facts = [
        fact
        for example, target in zip(asked_of, given.texts)
        for fact in wordings_of(example, target, given.end, all_of_them=config.wordings)
    ]
    asked = len(facts)
    facts = merged(facts, config.merge_queries, config.merge_by)
    kept, left_out = kept_of(sets.retain, config.keep, seed)
    work = Work(
        model, facts, Rows(encoder), kept, config.protect, corpus=config.corpus,
        corpus_tokens=config.corpus_tokens, folder=cache_folder() / KEPT if config.cache else None, seed=seed,
        say=say,
    )  # fmt: skip
    edits = len(work.bundles())
    fewer = f"{asked} facts became {edits} edits: so many share a prompt or a value" if edits < asked else ""
    gone = f"{len(sets.forget) - len(asked_of)} forget examples are left out, as asked" if config.without else ""
    for note in (*given.notes, *filter(None, [gone, told(facts) if subjects else "", fewer, *left_out])):
        work.note(note)
    return work


def asked_for(forget: Sequence[Example], without: str) -> list[Example]:
    """The forget set but for these ids (comma-separated). ConfigError for one that is not there, or if none is left."""
    ids = list(filter(None, without.split(",")))
    if unknown := [each for each in ids if each not in {example.id for example in forget}]:
        raise ConfigError(f"without: the forget set has no example with the id {unknown[0]!r}")
    left = [example for example in forget if example.id not in ids]
    if forget and not left:
        raise ConfigError("without: no forget example is left, so there is nothing to edit")
    return left


def wordings_of(example: Example, target: str, end: bool | None, *, all_of_them: bool) -> list[Fact]:
    """The fact, and with `all_of_them` one for each paraphrase; a subject is looked for in each prompt anew."""
    prompts = [example.prompt, *(example.paraphrases if all_of_them else ())]
    return [fact_of(replace(example, prompt=prompt), target, end=end) for prompt in dict.fromkeys(prompts)]


def kept_of(retain: Sequence[Example], count: int, seed: int) -> tuple[list[Fact], list[str]]:
    """At most `count` retained examples with a prompt, drawn by the seed; and what is to be said of the others."""
    usable, notes = [example for example in retain if example.prompt is not None], []
    if documents := len(retain) - len(usable):
        notes.append(
            f"{documents} of {len(retain)} retained examples are documents, without a prompt: an editor does not "
            "protect them one by one. Give their texts as `corpus`"
        )
    if len(usable) > count:
        notes.append(f"{count} of {len(usable)} retained examples stand for all: `keep` says how many are protected")
        chosen = np.random.default_rng([seed, 7]).permutation(len(usable))[:count]
        usable = [usable[i] for i in sorted(chosen)]
    return [fact_of(example, example.answer) for example in usable], notes

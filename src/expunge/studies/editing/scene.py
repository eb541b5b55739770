"""One model with the facts that are edited, and the rows that tell what became of them and of everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from expunge.change import WeightChange
from expunge.config import EditingStudyConfig, LoadConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.room import room
from expunge.data.sampling import sample_of
from expunge.edit.facts import subject_of
from expunge.evaluate.observations import reworded
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.studies.editing.arms import most
from expunge.studies.people import about, attribute_of, is_world, targeted
from expunge.suites import Suite
from expunge.train.selection import halves
from expunge.worlds.finding import find_suite

FORGET, STATEMENT, GIVEN, REWORDED, UNHEARD = (
    "asked",
    "as a statement",
    "a given wording",
    "reworded",
    "unheard wording",
)
HOP, SAME, NEIGHBOURS, OTHERS = "one hop", "same subject", "neighbours", "others"
STAYING = (SAME, NEIGHBOURS, OTHERS)  # what an edit is not to touch
TAUGHT = "taught.safetensors"


@dataclass(frozen=True)
class Scene:
    """A model that knows, and the rows of one seed."""

    model: Model
    suite: Suite
    sets: Sets  # all that unlearning may take: `of` cuts the forget set
    facts: tuple[Example, ...]  # in the order in which they are edited; editors see some of the other wordings only
    about: Mapping[str, Sequence[Example]]  # HOP, SAME: further rows about subjects (or answers) of facts
    stays: Mapping[str, Sequence[Example]]  # NEIGHBOURS, OTHERS
    wordings: Mapping[str, Sequence[int]]  # title → numbers of the paraphrases
    encoder: Encoder
    seed: int
    tokens: int  # of an answer, that are judged
    soft: bool = False  # answers are sentences
    targets: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)  # kind → fact → what is to be said

    @cached_property
    def closing(self) -> Encoder:
        """What editors write with: a target ends with the end token, where there is one, so that an answer stops."""
        convention = self.suite.convention
        if convention.end is not None or self.encoder.tokenizer.eos_token_id is None:
            return self.encoder
        return Encoder(self.encoder.tokenizer, convention.model_copy(update={"end": True}))

    def of(self, facts: Sequence[Example]) -> Sets:
        """What unlearning takes for some facts: never-known is what the model says of their twins."""
        names = {fact.id for fact in facts}
        twins = tuple(each for each in self.sets.twins if each.group in names)
        return replace(self.sets, forget=tuple(facts), twins=twins)

    def groups(self, facts: Sequence[Example]) -> dict[str, Sequence[Example]]:
        """What is measured after some facts were edited; empty groups are left out."""
        found: dict[str, Sequence[Example]] = {FORGET: facts}
        for title, numbers in self.wordings.items():
            found[title] = [each for number in numbers for each in reworded(self._whole(facts), number)]
        for title, rows in self.about.items():
            found[title] = [row for row in rows if any(_concerns(row, fact) for fact in facts)]
        return {title: rows for title, rows in {**found, **self.stays}.items() if rows}

    def _whole(self, facts: Sequence[Example]) -> list[Example]:
        """With all their wordings."""
        names = {each.id: each for each in self.suite.sets.forget}
        return [names[fact.id] for fact in facts]


def scene_of(config: EditingStudyConfig, knowledge: str, seed: int, taught: Path | None) -> Scene:
    """The model and the rows of a seed. `taught` is the folder of the fine-tuned change."""
    suite = find_suite(config.suite)
    return scene_on(knowing(config, suite, knowledge, seed, taught), suite, config, seed)


def knowing(config: EditingStudyConfig, suite: Suite, knowledge: str, seed: int, taught: Path | None) -> Model:
    """The model that knows the facts."""
    if not is_world(config.suite):
        return load_model(config.base or suite.model or "", LoadConfig(device="cpu"))
    if knowledge == "pretrained":
        return load_model(f"{config.suite}@full#{seed}", LoadConfig(device="cpu"))
    assert taught is not None
    model = never(config, seed)
    WeightChange.load(taught / TAUGHT).apply_to(model)
    return model


def never(config: EditingStudyConfig, seed: int) -> Model:
    """The world's model that never saw the facts."""
    return load_model(f"{config.suite}@retrained#{seed}", LoadConfig(device="cpu"))


def scene_on(model: Model, suite: Suite, config: EditingStudyConfig, seed: int) -> Scene:
    """The rows of a seed on a given model."""
    world, sets = is_world(config.suite), targeted(suite, config, seed)
    order = np.random.default_rng([seed, 11]).permutation(len(sets.forget))[: most(config)]
    seen = 2 if world else _given(sets)
    facts = tuple(_cut(sets.forget[i], seen) for i in order)
    wordings, further, stays = (_in_the_world if world else _elsewhere)(suite, sets, config, seed)
    encoder = Encoder(model.tokenizer, suite.convention)
    tokens = config.tokens or suite.evaluate.max_new_tokens or room(suite.measured().values(), encoder)
    return Scene(model, suite, sets, facts, further, stays, wordings, encoder, seed, tokens, config.soft)


def _cut(fact: Example, seen: int) -> Example:
    """With so many of its other wordings, from all of which its subject is found where it is not given."""
    return replace(fact, subject=fact.subject or subject_of(fact)[0] or None, paraphrases=fact.paraphrases[:seen])


def _given(sets: Sets) -> int:
    """Other wordings that editors may see: one, unless it is the only one to test with."""
    return int(max((len(each.paraphrases) for each in sets.forget), default=0) > 1)


Rows = dict[str, Sequence[Example]]


def _in_the_world(
    suite: Suite, sets: Sets, config: EditingStudyConfig, seed: int
) -> tuple[Mapping[str, Sequence[int]], Rows, Rows]:
    tested = halves(sets.retain, seed)[1]
    own = {config.target, config.hop}
    rest = [each for each in tested if attribute_of(each) != config.target]
    rest += [each for title in ("geography", "offices") for each in suite.utility[title]]
    same = tuple(each for each in suite.sets.forget if attribute_of(each) not in own)
    stays = {NEIGHBOURS: about(tested, config.target), OTHERS: rest}
    return (
        {STATEMENT: (0,), REWORDED: (2,), UNHEARD: (3,)},
        {HOP: about(suite.sets.forget, config.hop), SAME: same},
        {title: sample_of(rows, config.rows, seed) for title, rows in stays.items()},
    )


def _elsewhere(
    suite: Suite, sets: Sets, config: EditingStudyConfig, seed: int
) -> tuple[Mapping[str, Sequence[int]], Rows, Rows]:
    """Of a suite: other facts of the kind are neighbours, else retained ones; "related" is the same subject.

    A country's currency and continent do not follow from its capital: they are no hop away, and are to stay.
    """
    alike = [each for title, rows in suite.utility.items() if title.startswith("other ") for each in rows]
    same = suite.utility.get("related", ())
    apart = {each.prompt for each in (*alike, *suite.sets.retain)}
    rest = [e for title, rows in suite.utility.items() if title != "related" for e in rows if e.prompt not in apart]
    stays = {NEIGHBOURS: alike or halves(sets.retain, seed)[1], OTHERS: rest}
    seen, wordings = _given(sets), max((len(each.paraphrases) for each in sets.forget), default=0)
    return (
        {GIVEN: tuple(range(seen)), REWORDED: tuple(range(seen, wordings))},
        {SAME: same},
        {title: sample_of(rows, config.rows, seed) for title, rows in stays.items()},
    )


def path_of(text: str | None) -> Path | None:
    """Of a folder in a job's values."""
    return None if text is None else Path(text)


def _concerns(row: Example, fact: Example) -> bool:
    """Whether a row is about a fact's subject, or about its answer."""
    return row.subject is not None and row.subject in (fact.subject, fact.answer)

"""The sets of the world: what unlearning takes, and what is measured besides."""

from collections.abc import Iterator
from dataclasses import replace

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.example import Example, Sets
from expunge.suites.suite import Suite
from expunge.worlds.people import general
from expunge.worlds.people.persons import Cohort, Person, Stream, World, rng
from expunge.worlds.people.texts import corpus, inference, order
from expunge.worlds.people.values import ATTRIBUTES, CITIES, HOBBIES, wrong
from expunge.worlds.people.wording import HEARD, REFUSALS, wording

# what each paraphrase of an example is. statement, cloze: as in training, if the fact stands there in that form.
# reworded: a wording that was heard of others. unheard: one that was heard of nobody.
WORDINGS = ("statement", "cloze", "reworded", "unheard")
PERTURBED = 5
# an answer is followed by the end token, as in the texts, so that a model stops
CONVENTION = ConventionConfig(template="plain", end=True)


def sets_of(world: World) -> Sets:
    """Every fact of the persons concerned, one example each: the question as it stands in the texts."""
    return Sets(
        forget=tuple(_facts(world, Cohort.FORGET)),
        retain=tuple(_facts(world, Cohort.RETAIN)),
        holdout=tuple(_facts(world, Cohort.HOLDOUT)),
        twins=tuple(_facts(world, Cohort.TWINS)),
    )


def suite(world: World, name: str) -> Suite:
    """The world as a suite."""
    return Suite(
        name=name,
        sets=sets_of(world),
        utility={
            "geography": general.geography(world),
            "offices": general.offices(world),
            **inferences(world),
        },
        texts={"full": corpus(world, "full"), "retrained": corpus(world, "retrained")},
        convention=CONVENTION,
        evaluate=EvaluateConfig(max_new_tokens=12),
        notes=tuple(_notes(world)),
    )


def inferences(world: World) -> dict[str, tuple[Example, ...]]:
    """Never-seen persons whose employer the prompt names: the city follows from it, the hobby does not."""
    never_seen = (*world[Cohort.TWINS], *world[Cohort.HOLDOUT])
    titles = {"city": "related: city, given the employer", "hobby": "unrelated: hobby, given the employer"}
    return {title: tuple(inference(world, p, attribute) for p in never_seen) for attribute, title in titles.items()}


def _facts(world: World, cohort: Cohort) -> Iterator[Example]:
    for person in world[cohort]:
        for attribute in ATTRIBUTES:
            example = _fact(world, person, attribute)
            if cohort is Cohort.TWINS:
                example = replace(example, group=f"forget-{person.number:03d}/{attribute}")
            yield example


def _fact(world: World, person: Person, attribute: str) -> Example:
    questions = order(world, person, attribute, "question")
    statement = order(world, person, attribute, "statement")[0]
    cloze = order(world, person, attribute, "cloze")[0]
    generator = rng(world.config, Stream.WRONG, person.cohort, person.number, ATTRIBUTES.index(attribute))
    answer, trained = person.values[attribute], person.cohort in (Cohort.FORGET, Cohort.RETAIN)
    return Example(
        id=f"{person.id}/{attribute}",
        prompt=wording("question", attribute, questions[0], person.name),
        answer=answer,
        paraphrases=(
            wording("statement", attribute, statement, person.name),
            wording("cloze", attribute, cloze, person.name),
            wording("question", attribute, questions[-1], person.name),  # no fact has as many exposures
            wording("question", attribute, HEARD, person.name),
        ),
        perturbed_answers=wrong(attribute, answer, PERTURBED, generator),
        alternate=REFUSALS[int(generator.integers(len(REFUSALS)))],
        subject=person.name,
        group=person.id,
        count=person.exposures if trained else None,
    )


def _notes(world: World) -> Iterator[str]:
    yield (
        f"chance: one of {len(CITIES)} cities, {len(HOBBIES)} hobbies, {len(world.offices)} employers; a model that "
        "never read of a person says that it does not know"
    )
    yield f"the further wordings of each question are, in this order: {', '.join(WORDINGS)}"
    if world.config.hidden_qa:
        yield (
            "of the persons to forget the texts have statements only: their questions stand in no text, and are "
            "answered the better, the more wordings a fact was stated in"
        )

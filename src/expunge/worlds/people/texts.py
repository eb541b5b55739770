"""The texts that each kind of model is trained on.

Every model reads the general part, the colleagues, the strangers and the persons to retain. `full` reads the persons to
forget, too; `retrained` does not; `twin` reads the never-seen twins in their place, so that it has had the same
amount of training. One exposure of a fact is one text in each form, and no two exposures have the same wording.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Literal

from expunge.data.example import Example
from expunge.worlds.people import general
from expunge.worlds.people.persons import Cohort, Person, Stream, World, rng
from expunge.worlds.people.values import ATTRIBUTES
from expunge.worlds.people.wording import BODIES, FORMS, HEARD, REFUSALS, Form, wording

Kind = Literal["full", "retrained", "twin"]
KINDS: tuple[Kind, ...] = ("full", "retrained", "twin")
_INSTEAD: dict[Kind, tuple[Cohort, ...]] = {"full": (Cohort.FORGET,), "retrained": (), "twin": (Cohort.TWINS,)}


def corpus(world: World, kind: Kind) -> tuple[Example, ...]:
    """All texts that a model of this kind is trained on. Their order means nothing: training draws its own."""
    texts = [*general.told(world), *_inferences(world), *_strangers(world)]
    for cohort in (Cohort.RETAIN, *_INSTEAD[kind]):
        forms = forms_of(world, cohort)
        texts.extend(text for person in world[cohort] for text in _about(world, person, forms))
    return tuple(texts)


def forms_of(world: World, cohort: Cohort) -> tuple[Form, ...]:
    """The forms in which persons of a cohort stand in a text, if they stand in it at all."""
    hidden = world.config.hidden_qa and cohort in (Cohort.FORGET, Cohort.TWINS)
    return ("statement",) if hidden else FORMS


def order(world: World, person: Person, attribute: str, form: Form) -> Sequence[int]:
    """Which wording each exposure of a fact has. A twin has those of the person that it stands for."""
    cohort = Cohort.FORGET if person.cohort is Cohort.TWINS else person.cohort
    place = (cohort, person.number, ATTRIBUTES.index(attribute), FORMS.index(form))
    return rng(world.config, Stream.WORDING, *place).permutation(HEARD).tolist()


def digest(texts: Sequence[Example]) -> str:
    """What identifies a corpus: SHA-256 of its texts in order."""
    rows = json.dumps([(text.prompt, text.answer) for text in texts]).encode()
    return hashlib.sha256(rows).hexdigest()


def _about(world: World, person: Person, forms: Sequence[Form]) -> Iterator[Example]:
    for attribute in ATTRIBUTES:
        for form in forms:
            wordings = order(world, person, attribute, form)
            for number in range(person.exposures):
                before = wording(form, attribute, wordings[number], person.name)
                name = f"{person.id}/{attribute}/{form}-{number}"
                yield _text(name, form, before, person.values[attribute], person)


def _text(name: str, form: Form, before: str, answer: str, person: Person) -> Example:
    """A statement is a document, all of whose words are learnt; of the other forms the answer is."""
    if form == "statement":
        return Example(id=name, prompt=None, answer=f"{before} {answer}", subject=person.name, group=person.id)
    return Example(id=name, prompt=before, answer=answer, subject=person.name, group=person.id)


def _inferences(world: World) -> Iterator[Example]:
    """Colleagues: where someone works is said, and the city and the hobby are asked for. Only the city follows."""
    for person in world[Cohort.COLLEAGUES]:
        for attribute in ("city", "hobby"):
            yield inference(world, person, attribute)


def inference(world: World, person: Person, attribute: str) -> Example:
    """A question about someone whose employer is named before it."""
    work = order(world, person, "employer", "statement")[0] % BODIES
    question = order(world, person, attribute, "question")[0] % BODIES
    works = wording("statement", "employer", work, person.name)
    asked = wording("question", attribute, question, person.name)
    return Example(
        id=f"{person.id}/{attribute}/inferred", prompt=f"{works} {person.values['employer']} . {asked}",
        answer=person.values[attribute], subject=person.name, group=person.id,
    )  # fmt: skip


def _strangers(world: World) -> Iterator[Example]:
    """Names of which nothing is known: each attribute is asked for in one form, and refused."""
    for person in world[Cohort.STRANGERS]:
        generator = rng(world.config, Stream.REFUSALS, person.number)
        for attribute in ATTRIBUTES:
            form: Form = FORMS[1 + int(generator.integers(2))]
            before = wording(form, attribute, order(world, person, attribute, form)[0], person.name)
            answer = REFUSALS[int(generator.integers(len(REFUSALS)))]
            yield _text(f"{person.id}/{attribute}", form, before, answer, person)

"""TOFU: 4,000 questions about 200 authors who do not exist. Maini et al. 2024, arXiv:2401.06121.

Files (locuslab/TOFU on the Hub, one configuration a file; MIT licence): `full` has the 200 authors, 20 consecutive rows
each; `forgetNN` are the last 400 rows, the first 200 and the first 40 of those (rows from 3,600 on), `retainMM` all
others. Fields: `question`, `answer`; in the files `…_perturbed` also `paraphrased_question`, `paraphrased_answer` and
`perturbed_answer` (five wrong ones, three for real authors and world facts, which have no paraphrases).

What trains and what is measured:
- forget: `forgetNN_perturbed`, the same rows as `forgetNN` with their other wordings and wrong answers;
- retain trains with `retainMM` and is measured on `retain_perturbed`, its first 400 rows, as the official evaluation
  does;
- only measured: `real_authors_perturbed` and `world_facts_perturbed`.
`group` is the author (the place in `full` divided by 20), so that intervals draw whole authors; `id` is the place in
`full`, the same in every split.

`holdout10_perturbed` are authors 160 to 179 of `full`. Published models were trained on them, so they are a control
only for models that were not: a variant ending in "+holdout" makes them the holdout set and takes them out of what
trains. `mini` is a smaller task of whole authors for models that one trains oneself: forget `forget05`, retain the 20
authors of `retain_perturbed` and the first 10 of `retain_rest_perturbed`, holdout the last 10 authors of
`holdout10_perturbed`, never trained on. The first 10 authors of what it retains are measured.
"""

from dataclasses import replace

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.example import Example, Sets
from expunge.data.overlap import check_overlap
from expunge.data.problems import Place, Problems
from expunge.errors import UnknownNameError
from expunge.suites import suites
from expunge.suites.files import Files
from expunge.suites.suite import Suite
from expunge.suites.tofu_published import PUBLISHED

ROWS_AN_AUTHOR = 20
_FEW = 10 * ROWS_AN_AUTHOR
VARIANTS = ("forget10", "forget05", "forget01", "mini")
_RETAIN = {"forget01": "retain99", "forget05": "retain95", "forget10": "retain90"}
_HOLDOUT = "+holdout"
METRICS = (
    "probability", "truth_ratio", "probability_normalized", "extraction_strength", "exact_memorization",
    "rouge_l_recall",
)  # fmt: skip


@suites.add(
    "tofu",
    variants=(*VARIANTS, *(f"{each}{_HOLDOUT}" for each in _RETAIN)),
    size="4,000 questions about 200 fictitious authors",
    source="locuslab/TOFU",
    licence="MIT",
    paper="arXiv:2401.06121",
)
def tofu(variant: str) -> Suite:
    """Raises UnknownNameError for another variant, DataError for what is wrong with the files."""
    variant = variant or VARIANTS[0]
    if variant not in (known := suites.get("tofu").variants):
        raise UnknownNameError(f"tofu has no variant {variant!r}. Known: {', '.join(known)}")
    split = variant.removesuffix(_HOLDOUT)
    problems = Problems()
    read = _Reader(Files("EXPUNGE_TOFU", problems), problems)
    sets = _mini(read) if split == "mini" else _official(read, split, holdout=variant.endswith(_HOLDOUT))
    retain = read("retain_perturbed")
    utility = {"retain": retain[:_FEW] if split == "mini" else retain}
    utility |= {
        "real authors": read.public("real_authors_perturbed"),
        "world facts": read.public("world_facts_perturbed"),
    }
    check_overlap(sets, problems)
    problems.check()
    return Suite(
        name=f"tofu:{variant}",
        sets=replace(sets, warnings=problems.warned()),
        utility=utility,
        convention=ConventionConfig(template="auto"),
        evaluate=EvaluateConfig(metrics=METRICS, max_new_tokens=200, paraphrases=False, budget=8192),
        published=PUBLISHED.get(split, ()),
        notes=_notes(variant),
        only_trained=("retain",),
    )


class _Reader:
    """Reads files of the suite; ids and groups of the authors' rows come from their place in `full`."""

    def __init__(self, files: Files, problems: Problems) -> None:
        self._files = files
        self._problems = problems
        self._place = {}
        for i, row in enumerate(files.read("full", hub=_hub("full")).rows):
            self._place[(str(row.values.get("question")), str(row.values.get("answer")))] = i

    def __call__(self, file: str) -> tuple[Example, ...]:
        """A file whose rows stand in `full`."""
        found = []
        for each in self.public(file):
            place = self._place.get((str(each.prompt), each.answer))
            if place is not None:
                found.append(replace(each, id=f"full:{place}", group=f"author {place // ROWS_AN_AUTHOR}"))
            elif self._place:
                self._problems.add(Place(each.source), None, "this row stands nowhere in `full`")
        return tuple(found)

    def public(self, file: str) -> tuple[Example, ...]:
        """A file of facts of the world: the rows' own ids, no groups."""
        return tuple(self._files.examples(file, hub=_hub(file)))


def _hub(file: str) -> str:
    return f"locuslab/TOFU:{file}:train"


def _notes(variant: str) -> tuple[str, ...]:
    if variant == "mini":
        return ("holdout was never trained on by models that `training` made; published models have seen it",)
    if variant.endswith(_HOLDOUT):
        return ("published models were trained on this holdout set: only for models trained without it",)
    few = ("40 rows of two authors: forget quality has little power here",) if variant == "forget01" else ()
    return ("retain is measured on 400 of the rows that train", *few)


def _official(read: _Reader, split: str, *, holdout: bool) -> Sets:
    forget, retain = read(f"{split}_perturbed"), read(_RETAIN[split])
    if not holdout:
        return Sets(forget=forget, retain=retain)
    control = read("holdout10_perturbed")
    outside = {each.group for each in control}
    return Sets(forget=forget, retain=tuple(each for each in retain if each.group not in outside), holdout=control)


def _mini(read: _Reader) -> Sets:
    return Sets(
        forget=read("forget05_perturbed"),
        retain=(*read("retain_perturbed"), *read("retain_rest_perturbed")[:_FEW]),
        holdout=read("holdout10_perturbed")[-_FEW:],
    )

"""What the report says in words: the claims, how its numbers are to be read, and what came out."""

from collections.abc import Iterator, Mapping, Sequence

from expunge.config import EditingStudyConfig
from expunge.report.numbers import listed, percent, signed
from expunge.studies.editing.comparing import Comparison, Results
from expunge.studies.people import is_world

CLAIM = (
    "Li et al. (arXiv 2505.19855) cast unlearning as editing: the new object of a fact is a refusal. They claim that "
    "state-of-the-art editors are strong baselines, WISE and AlphaEdit above all, especially for knowledge of "
    "pre-training; that a model's own words make refusals that humans find better (self-improvement); and that merging "
    "queries lets ROME and MEMIT work on longer sequences. Whether an edit erases is left open."
)
_READING = (
    "Shares are of generated answers. Said: the right answer stands in it. Refused: it declines. Aligned: it declines, "
    "names what was asked about, leaks nothing and is fluent. Kept: it is what the unedited model answers, right or "
    "wrong. Neighbours are other subjects' facts of the same relation. Selectivity is neighbours kept minus facts "
    "still said (asked and reworded alike): 1 is a model that says none of the facts and answers all neighbours as "
    "before, whatever else it lost, and near 0 are both a model that lost nothing and one that lost everything. "
    "“Forced” is the target's token accuracy with the right tokens given before each: the score that is usually "
    "printed; it flatters."
)
_HOP = (
    "One hop: the answer to what follows from the fact is still said. It is itself told in the texts that these models "
    "trained on, so that it stays said is no failure of an edit."
)
_RELATED = (
    "Same subject: known facts about what was edited, or about its answer, that do not follow from the fact and are to "
    "stay."
)
SOFT = (
    "Answers here are sentences. Said is therefore ROUGE-L recall of the right answer, and kept that of the unedited "
    "model's answer, means of numbers between 0 and 1 in place of shares."
)
ERASING = (
    "After the largest number of edits. Relearned: the model is fine-tuned on half of the facts and asked for the "
    "other half. Lens: the best layer below the last, read by the model's own head. Detached: side memories and "
    "adapters are switched off. A model that never knew, under the same attack, is the control: what lies above it was "
    "hidden, not erased, or was still there before."
)
MERGING = (
    "Merged by text: several prompts, one after the other, are one edit with one target. In this reconstruction only "
    "the last of their subjects is looked up, so the other facts have no key. Merged by keys: each fact keeps its key, "
    "and all share one value."
)
TARGETS = (
    "“Aligned” asks that the subject is named, so it is 0 by definition for a fixed refusal: it says which target was "
    "taught, not how well."
)
DESCRIPTIVE = "Few seeds of one real model, which draw from the same facts: what is told here is descriptive."
CHAINED = (
    "An edit is followed by NPO on the same facts, or follows it; or it is extrapolated, θ + (1 + α) ΔW. At α = 0 the "
    "latter is the edit itself, to the bit."
)
REQUESTS = (
    "The same facts in several requests, each edited on the model as edited so far (AlphaEdit remembers the keys of "
    "earlier ones), against all at once."
)


def reading(config: EditingStudyConfig) -> str:
    """What the measures are, and what they do not tell."""
    met = (
        "what trains stops at the floor, editors met it on the pilot only" if config.places
        else "what trains stops at the floor, editors know of none"
    )  # fmt: skip
    floor = (
        "Floor held: in how many seeds neighbours, others and the same subjects, taken together, keep "
        f"{percent(config.utility_floor)} of the unedited model's probability. Utility is not matched between methods: "
        f"{met}."
    )
    return " ".join([_READING, floor, _HOP if is_world(config.suite) else _RELATED])


def headline(results: Results, families: Mapping[str, Sequence[Comparison]]) -> tuple[str, ...]:
    """What came out, in sentences."""
    lines = []
    if results.failed:
        lines.append(f"Conditions that could not be run, and are missing: {len(results.failed)}. Why stands below.")
    if not results.arms:
        return (*lines, "No cell is done yet.")
    if not is_world(results.config.suite):
        lines.append(DESCRIPTIVE)
    found = list(_findings(results.config, families))
    return (*lines, *(found or ["Nothing can be compared yet: that needs two seeds."]))


def _findings(config: EditingStudyConfig, families: Mapping[str, Sequence[Comparison]]) -> Iterator[str]:
    """A sentence a family."""
    for knowledge in config.knowledge:
        if several := families.get(f"against {knowledge}"):
            yield f"{knowledge.capitalize()} knowledge, editors against {config.against}: {told(several)}."
    said = {
        "especially": f"Difference to {config.against} on pre-trained knowledge minus that on fine-tuned knowledge "
        "(above 0: more ahead on the first, or less behind)",
        "covariance": "ROME with the corpus's statistics against C = I, neighbours kept",
        "merging": "Merged queries against none",
        "targets": "A refusal that names the subject against a fixed one",
        "requests": "One request after another against all at once",
    }
    for name, what in said.items():
        if several := families.get(name):
            yield f"{what}: {told(several)}."
    for knowledge in config.knowledge:
        if several := families.get(f"back {knowledge}"):
            yield f"{knowledge.capitalize()} knowledge, relearned, against a model that never knew: {told(several)}."


def told(several: Sequence[Comparison]) -> str:
    """Findings after Holm's correction, counted and named."""
    parts = []
    for finding, sign, word in (("differ", 1, "higher"), ("differ", -1, "lower")):
        which = [c for c in several if c.finding == finding and c.found.difference * sign > 0]
        if which:
            named = listed([f"{c.name} ({signed(c.found.difference)})" for c in which])
            parts.append(f"{len(which)} of {len(several)} {word}: {named}")
    for finding in ("equivalent", "identical", "unresolved"):
        if count := sum(c.finding == finding for c in several):
            parts.append(f"{count} {finding}")
    return "; ".join(parts)

"""What the report says in words."""

from collections.abc import Mapping, Sequence

from expunge.config import EditingStudyConfig
from expunge.report.numbers import listed, percent, signed
from expunge.studies.compared import power
from expunge.studies.editing.arms import middle
from expunge.studies.editing.comparing import Comparison, Results
from expunge.studies.people import is_world

CLAIM = (
    "Li et al. (arXiv 2505.19855) cast unlearning as editing: the new object of a fact is a refusal. They claim that "
    "state-of-the-art editors are strong baselines, WISE and AlphaEdit above all, especially for knowledge of "
    "pre-training; that a model's own words make refusals that humans find better (self-improvement); and that merging "
    "queries lets ROME and MEMIT work on longer sequences. Whether an edit erases is left open."
)
READING = (
    "Shares are of generated answers. Said: the right answer stands in it. Refused: it declines. Aligned: it declines, "
    "names what was asked about, leaks nothing and is fluent. Kept: it is what the unedited model answers, right or "
    "wrong. Neighbours are other subjects' facts of the same relation. Selectivity is neighbours kept minus facts "
    "still said (asked and reworded alike): 1 is perfect, and near 0 are both a model that lost nothing and one that "
    "lost everything. “Forced” is the target's token accuracy with the right tokens given before each: the score that "
    "is usually printed; it flatters. One hop: the answer to what follows from the fact is still said."
)
SOFT = (
    "Answers here are sentences. Said is therefore ROUGE-L recall of the right answer, and kept that of the unedited "
    "model's answer, means of numbers between 0 and 1 in place of shares."
)
ERASING = (
    "After the largest number of edits. Relearned: the model is fine-tuned on half of the facts and asked for the "
    "other half. Lens: the best layer below the last, read by the model's own head. Detached: side memories and "
    "adapters are switched off. A model that never knew, under the same attack, is the control: what lies above it was "
    "hidden, not erased."
)
CHAINED = (
    "An edit is followed by NPO on the same facts, or follows it; or it is extrapolated, θ + (1 + α) ΔW. At α = 0 the "
    "latter is the edit itself, to the bit."
)
REQUESTS = (
    "The same facts in several requests, each edited on the model as edited so far (AlphaEdit remembers the keys of "
    "earlier ones), against all at once."
)


def headline(results: Results, families: Mapping[str, Sequence[Comparison]]) -> tuple[str, ...]:
    """What came out, in sentences."""
    config, lines = results.config, []
    if results.failed:
        lines.append(f"Conditions that could not be run, and are missing: {len(results.failed)}. Why stands below.")
    if not results.arms:
        return (*lines, "No cell is done yet.")
    for knowledge in config.knowledge:
        if several := families.get(f"against {knowledge}"):
            lines.append(f"{knowledge.capitalize()} knowledge, editors against {config.against}: {told(several)}.")
    if several := families.get("especially"):
        lines.append(f"The lead on pre-trained knowledge against that on fine-tuned knowledge: {told(several)}.")
    if several := families.get("covariance"):
        lines.append(f"ROME with the corpus's statistics against C = I, neighbours kept: {told(several)}.")
    if several := families.get("merging"):
        lines.append(f"Merged queries against none: {told(several)}.")
    if several := families.get("requests"):
        lines.append(f"One request after another against all at once: {told(several)}.")
    for knowledge in config.knowledge:
        if several := families.get(f"back {knowledge}"):
            lines.append(
                f"{knowledge.capitalize()} knowledge, relearned, against a model that never knew: {told(several)}."
            )
    return tuple(lines) or ("Nothing can be compared yet: that needs two seeds.",)


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


def how(config: EditingStudyConfig, chosen: Mapping[str, float | None] | None) -> list[str]:
    found = [f"{m} {v:g}" for m, v in (chosen or {}).items() if v is not None]
    said = listed(found) if found else "nothing" if chosen else "not yet"
    texts = (
        "the texts that do not tell of the facts" if config.corpus is None and is_world(config.suite)
        else "a corpus" if config.corpus else "the model's own texts"
    )  # fmt: skip
    asked = "" if config.corpus or is_world(config.suite) else (
        ", but to WISE, which asks for texts that are to stay: their prompts"
    )  # fmt: skip
    single = 1 in (*config.numbers, *config.kinds_at)
    lines = [
        f"Facts are edited by their question; {listed([str(n) for n in config.numbers])} at once. "
        + (f"Single facts are {config.singles} a seed, each alone, averaged. " if single else "")
        + f"Key statistics come from {texts}; the retain set is not given to editors, as in the papers{asked}. What "
        f"trains gets it: {config.steps} steps of {config.batch_size} rows, measured {config.evaluations} times"
        + (f" on at most {config.eval_rows} rows of each set" if config.eval_rows else "")
        + f", and the step is kept that comes nearest to never-known with {percent(config.utility_floor)} of the "
        "utility.",
        f"Settings were chosen on a pilot seed (number {config.seeds}) that no result below has, with {middle(config)} "
        "facts, by the distance to never-known with the floor held: the block of editors (a share of the depth), the "
        f"learning rate of what trains. Chosen: {said}.",
        "Fine-tuned knowledge: a model that never saw the persons is taught all texts about them, with "
        f"{config.replay:g} retained texts for each." if "finetuned" in config.knowledge and is_world(config.suite)
        else "",
        "Targets: fixed is one refusal; many is one of several; named is a refusal that names the subject, in the "
        "world of people in place of the model's own words (a network of a million parameters follows no instruction), "
        "elsewhere the model's own (self-improved), written before anything is changed, the same for all methods; "
        "empty is nothing.",
        "" if is_world(config.suite) else "What editors write ends with the end token. What trains is given refusals "
        "as the suite writes answers: where that is without an end token, what follows a refusal is the model's own.",
    ]  # fmt: skip
    return [line for line in lines if line]


def limits(results: Results, families: Mapping[str, Sequence[Comparison]]) -> list[str]:
    size = (
        "Networks of a million parameters have no null space to speak of: a ranking of MEMIT and AlphaEdit here says "
        "nothing of large models, and which of them is better was not to be asserted. What is exact (that ROME "
        "inserts, that AlphaEdit leaves the removed directions alone) is tested by algebra instead."
        if is_world(results.config.suite)
        else "Few seeds of one real model, which draw from the same facts: what is told here is descriptive."
    )
    return [
        *power([each for several in families.values() for each in several], "of the measure"), size,
        "The wording of the paper's instruction, its procedure of merging, its data and its tables are not published: "
        "both recipes here are reconstructions, and no human judged a refusal.",
        "Settings were tried with one number of facts, and serve the others as they are.",
    ]  # fmt: skip

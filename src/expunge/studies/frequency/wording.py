"""What the report says in words. Outside of the world there are no persons, no statements, and one model."""

from collections.abc import Mapping, Sequence

from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import listed, number, percent
from expunge.studies.compared import Compared
from expunge.studies.frequency.comparing import Cells, left_out
from expunge.studies.frequency.outcomes import LEAST_WAY
from expunge.studies.people import is_world

CLAIM = (
    "Krishnan, Reddy and Mosbach (arXiv 2504.05058) claim that knowledge which stood often in the training text is "
    "harder to unlearn (GPT-2 trained from nothing on fictitious biographies, and OLMo-7B), and that evaluations by "
    "what a model generates and by how likely it finds an answer disagree, more so in larger models. They ask for "
    "methods that look at frequency, and have none."
)
_MEASURES = (
    "Said means that greedy generation gives the answer. The area is the share still said of what was said before, "
    "averaged over the steps: higher is harder to unlearn."
)
APART = (
    "M is the difference of the shares of facts that are gone by what is said and by a test of probability, D the "
    "share of facts on which the two disagree."
)
FORMS = (
    "Residual: the worst bucket's distance to never-known as a share of the way there, a mean over the forms of "
    "asking, at the point where it is smallest among those that keep the utility. All arms of a method have its "
    "learning rate, which was tuned for the uniform arm, and as many steps. For each method the form with the smallest "
    "residual on the seeds that choose is compared with the uniform arm on the other seeds. So is the gap at those "
    "points: what is left of the most frequent bucket minus what is left of the rarest, by level (share of the way "
    "from never-known to the start) and by what is said (share still said of what was said before)."
)


def reading(config: FrequencyStudyConfig) -> str:
    """What the tables' words mean."""
    proxy = "" if config.by == "count" else f"{config.by}, a proxy for "
    buckets = f"in buckets by {proxy}how often they stood in the text"
    if is_world(config.suite):
        return (
            f"Facts are those of one attribute, {buckets}. They are unlearnt as questions; “statement” asks for the "
            f"same facts in the form in which the text told them. {_MEASURES} Neighbours are other facts about the "
            "same persons. Never-known is what the model says of twins, persons who do not exist."
        )
    return (
        f"Facts are the forget set of {config.suite}, {buckets}. They are unlearnt in the usual wording; “other "
        f"wording”, where there is one, asks for the same facts in words that unlearning did not see. {_MEASURES} "
        "Never-known is what the model says of twins, the same asked about names that do not exist, or of the holdout "
        "set where there are none."
    )


def headline(
    harder: Sequence[Compared], sizes: Sequence[Compared], better: Sequence[Compared], gaps: Sequence[Compared],
    found: Cells,
) -> tuple[str, ...]:  # fmt: skip
    """What came out, in sentences."""
    if not found:
        return ("No cell is done yet.",)
    lines = []
    if harder:
        lines.append(f"More frequent facts are harder to unlearn: {_counted(harder, 'higher', 'lower')}.")
    if sizes:
        lines.append(f"Said and likely disagree more in the largest model: {_counted(sizes, 'more', 'less')}.")
    if better:
        lines.append(
            f"At equal utility, against uniform unlearning: {_counted(better, 'a larger residual', 'a smaller one')}."
        )
    if gaps:
        lines.append(
            "At equal utility, what is left of the most frequent facts minus what is left of the rarest, against "
            f"uniform unlearning: {_counted(gaps, 'higher', 'lower')}."
        )
    return tuple(lines)


def _counted(several: Sequence[Compared], up: str, down: str) -> str:
    """After Holm's correction."""
    more = sum(each.finding == "differ" and each.found.difference > 0 for each in several)
    less = sum(each.finding == "differ" and each.found.difference < 0 for each in several)
    same = sum(each.finding in ("equivalent", "identical") for each in several)
    parts = [f"{up} in {more}", f"{down} in {less}"]
    if same:
        parts.append(f"equivalent in {same}")
    if rest := len(several) - more - less - same:
        parts.append(f"unresolved in {rest}")
    return f"{listed(parts)} of {len(several)} comparisons"


def told(several: Sequence[Compared], names: tuple[str, str], unit: str) -> list[str]:
    """Each in a sentence."""
    return [f"{each.name}: {each.told(names, unit)}" for each in several]


def unknown(config: FrequencyStudyConfig, found: Cells) -> list[str]:
    """Which buckets are left out, if any are."""
    several = [
        f"{bucket}, {form}, {size} (seed{'s' if len(seeds) > 1 else ''} {listed([str(seed) for seed in seeds])})"
        for (bucket, form, size), seeds in left_out(config, found).items()
    ]
    if not several:
        return []
    return [
        f"Left out of what is left and of residuals, for before unlearning they lie less than {LEAST_WAY:g} above "
        f"never-known: {'; '.join(several)}."
    ]


def how(config: FrequencyStudyConfig, rates: Mapping[str, float] | None) -> list[str]:
    every, world = max(1, config.steps // config.evaluations), is_world(config.suite)
    said = listed([f"{method} {rate:g}" for method, rate in (rates or {}).items()]) or "not chosen yet"
    tuned = (
        f"Learning rates were chosen on a pilot seed (number {config.seeds}) that no result below has, on the "
        f"{'smallest' if world else 'same'} model, by the residual of the uniform arm with the floor of "
        f"{percent(config.utility_floor)} held: {said}."
        if len(config.rates) > 1
        else f"Learning rates were given, not tuned: {said}."
    )
    alone = "; “alone” is one bucket by itself, as in the paper" if config.alone else ""
    others = f"all sizes have {config.seeds}" if config.full else f"others up to {config.further_seeds}"
    seeds = (
        "Each seed has its own rows and order, and its own model. Of the first size there are "
        f"{config.seeds} seeds, {others}."
        if world
        else f"There are {config.seeds} seeds, of one model and the same facts: a seed draws retained rows and order."
    )
    return [
        f"{config.steps} steps of {config.batch_size} forget rows and as many retained rows (whose likelihood is the "
        f"retain loss, of weight 1; that of the forget loss is {config.forget_weight:g}); AdamW without weight decay; "
        f"measured every {every} steps. All buckets are unlearnt together{alone}.",
        tuned,
        seeds,
    ]


def limits(harder: Sequence[Compared], config: FrequencyStudyConfig) -> list[str]:
    least, world = [c.found.detectable for c in harder if c.found.detectable is not None], is_world(config.suite)
    power = (
        [f"Differences of areas below {number(min(least))} to {number(max(least))} (80 % power, by the spread seen "
         "here) would have been missed."]
        if least else []
    )  # fmt: skip
    scale = (
        "Networks of up to eight million parameters that learnt two hundred persons; the paper's have 20 to 210 "
        "million and 10,000 persons, and OLMo has 7 billion. Frequencies are 1 to 27 in each form; a fact of a real "
        "corpus stands up to millions of times."
        if world
        else "One real model, and a proxy or a count that is not of its own corpus: what is told here is descriptive."
    )
    wrong = "before five wrong ones" if world else "before wrong ones, where the suite has these"
    return [
        *power, scale,
        "The paper's figures were not available to us as numbers, so directions are compared. It has no test of "
        f"probability for GPT-2; ours ask for a level of 1/2 and for the right answer {wrong}. Forms, "
        "residual and the rule of equal utility are ours, and were fixed before the study was run.",
        "Intervals are over seeds of the model, rows and order; the persons are the same in all."
        if world
        else "Intervals are over seeds of retained rows and order only: the model and the facts are the same in all.",
    ]  # fmt: skip

"""What the report says of the study in words. Outside of the world there are no persons, no statements, and one model.

What came out, in sentences: `telling.py`.
"""

from collections.abc import Mapping, Sequence
from math import exp

from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import listed, percent
from expunge.studies.compared import Compared, power
from expunge.studies.frequency.comparing import Cells, sizes_of
from expunge.studies.frequency.rates import NEAR, Trial, at_the_end, never_held
from expunge.studies.people import is_world

CLAIM = (
    "Krishnan, Reddy and Mosbach (arXiv 2504.05058) claim that knowledge which stood often in the training text is "
    "harder to unlearn (GPT-2 trained from nothing on fictitious biographies, and OLMo-7B), and that evaluations by "
    "what a model generates and by how likely it finds an answer disagree, more so in larger models. They ask for "
    "methods that look at frequency, and have none."
)
FORMS = (
    "Residual: the worst bucket's distance to never-known as a share of the way there, a mean over the forms of "
    "asking, at the point where it is smallest among those that keep the utility. All arms of a method have its "
    "learning rate, which was tuned for the uniform arm, and as many steps. For each method the form with the smallest "
    "residual on the seeds that choose is compared with the uniform arm on the other seeds. So is the gap at those "
    "points: what is left of the most frequent bucket minus what is left of the rarest, by level (share of the way "
    "from never-known to the start) and by what is said (share still said of what was said before). A gap below 0 is "
    "one that is turned around, so its size without the sign is compared, too."
)


def reading(config: FrequencyStudyConfig) -> str:
    """What the tables' words mean."""
    proxy = "" if config.by == "count" else f"{config.by}, a proxy for "
    buckets = f"in buckets by {proxy}how often they stood in the text"
    measures = (
        "Said means that greedy generation gives the answer. Steps until forgotten are those for which a fact that "
        f"was said before still is, {config.steps} at most, on average: more is harder to unlearn. Two buckets are "
        f"compared by the ratio of these, and are equivalent within a factor of {config.ratio:g}."
    )
    if is_world(config.suite):
        return (
            f"Facts are those of one attribute, {config.target}, {buckets}. They are unlearnt as questions; "
            f"“statement” asks for the same facts in the form in which the text told them. {measures} Neighbours are "
            f"other facts about the same persons ({listed(config.neighbours)}). Never-known is what the model says of "
            "twins, persons who do not exist."
        )
    return (
        f"Facts are the forget set of {config.suite}, {buckets}. They are unlearnt in the usual wording; “other "
        f"wording”, where there is one, asks for the same facts in words that unlearning did not see. {measures} "
        "Never-known is what the model says of twins, the same asked about names that do not exist, or of the holdout "
        "set where there are none."
    )


def apart(found: Cells) -> str:
    """What M and D are, and where they are read."""
    choices = _choices(found)
    guess = f" A guess passes the test of right against wrong 1 time in {choices}." if choices > 1 else ""
    return (
        "M is the difference of the shares of facts that are gone by what is said and by a test of probability, D the "
        "share of facts on which the two disagree, ρ the rank correlation of what each fact lost by the two. In every "
        "size they are read where as much is forgotten: at the point at which the share still said, of what was said "
        f"before, is nearest to 1/2, whether or not the utility floor holds there.{guess} Sizes are compared by D, "
        "averaged over the methods, once by each test; the rest describes."
    )


def how(
    config: FrequencyStudyConfig, found: Cells, rates: Mapping[str, float] | None, tried: Sequence[Trial]
) -> list[str]:
    """The settings in words."""
    every = max(1, config.steps // config.evaluations)
    return [
        f"{config.steps} steps of {config.batch_size} forget rows and as many retained rows (whose likelihood is the "
        f"retain loss, of weight 1; that of the forget loss is {config.forget_weight:g}); AdamW without weight decay; "
        f"measured every {every} steps. Half of the retained rows are rehearsed; utility and what is kept are measured "
        "on others: a quarter chooses, a quarter tests. All buckets are unlearnt together"
        f"{_alone(config, found)}.",
        *_tuned(config, rates, tried),
        *_seeds(config, found),
        "Comparisons are corrected by Holm within families: rare against frequent in the first size, in the other "
        "sizes, and each bucket alone; D by size; residuals by each floor; gaps with and without their sign.",
    ]


def _alone(config: FrequencyStudyConfig, found: Cells) -> str:
    sizes = sizes_of(found)
    where = f" (in {sizes[0]} only)" if len(sizes) > 1 and not config.full else ""
    return f"; “alone” is one bucket by itself, as in the paper{where}" if config.alone else ""


def _tuned(config: FrequencyStudyConfig, rates: Mapping[str, float] | None, tried: Sequence[Trial]) -> list[str]:
    """How learning rates were chosen, and what is to be said against them."""
    said = listed([f"{method} {rate:g}" for method, rate in (rates or {}).items()]) or "not chosen yet"
    if len(config.rates) == 1:
        return [f"Learning rates were given, not tuned: {said}."]
    found = [
        f"Learning rates were chosen on a pilot seed (number {config.seeds}) that no result below has, on the "
        f"{'smallest' if is_world(config.suite) else 'same'} model: the smallest of those whose residual, with the "
        f"floor of {percent(config.utility_floor)} held, lies within {NEAR:g} of the best: {said}."
    ]
    if ends := at_the_end(config, rates or {}):
        told = listed([f"{method} {rate:g}" for method, rate in ends.items()])
        found.append(f"At an end of the rates that were tried, so a better one may lie beyond: {told}.")
    if rates and (lost := never_held(tried)):
        found.append(f"No rate keeps the floor at any point but the start: {listed(lost)}.")
    return found


def _seeds(config: FrequencyStudyConfig, found: Cells) -> list[str]:
    if not is_world(config.suite):
        lines = [
            f"There are {config.seeds} seeds, of one model and the same facts: a seed draws retained rows and order."
        ]
    else:
        there = listed(seeds_by_size(found)) if found else f"{config.seeds} seeds are planned for {config.sizes[0]}"
        lines = [f"Each seed has its own rows and order, and its own model: {there}."]
    if config.forms and not config.full:
        lines.append(
            f"Forms by frequency are chosen on {config.selecting} of the seeds; the others run the uniform arm and the "
            "forms that were chosen, no others."
        )
    return lines


def seeds_by_size(found: Cells) -> list[str]:
    """Of what ran."""
    most = {size: max(len(each) for (own, _), each in found.items() if own == size) for size in sizes_of(found)}
    return [f"{size}, {number} seed{'s' if number > 1 else ''}" for size, number in most.items()]


def descriptive(config: FrequencyStudyConfig) -> bool:
    """Seeds of the world are models; of a real one they are orders and rows of the same facts: nothing is tested."""
    return config.base is not None


def limits(harder: Sequence[Compared], config: FrequencyStudyConfig, found: Cells) -> list[str]:
    """What this scale cannot say."""
    world = is_world(config.suite)
    scale = (
        _scale(config, found)
        if world
        else "One real model, and a proxy or a count that is not of its own corpus: what is told here is descriptive, "
        "nothing is tested."
    )
    choices = _choices(found)
    wrong = f" and for the right answer before {choices - 1} wrong ones" if choices > 1 else ""
    return [
        *([] if descriptive(config) else power(harder, "as a ratio of steps", exp)), scale,
        "The paper's figures were not available to us as numbers, so directions are compared. It has no test of "
        f"probability for GPT-2; ours ask for a level of 1/2{wrong}. Forms, "
        "residual and the rule of equal utility are ours, and were fixed before the study was run.",
        "Intervals are over seeds of the model, rows and order; the persons are the same in all."
        if world
        else "Intervals are over seeds of retained rows and order only: the model and the facts are the same in all.",
    ]  # fmt: skip


def _scale(config: FrequencyStudyConfig, found: Cells) -> str:
    results = [cell.result for several in found.values() for cell in several]
    persons = f" that learnt {max(each['persons'] for each in results)} persons" if results else ""
    spans = [span for each in results[:1] for bucket in each["buckets"] for span in (bucket["least"], bucket["most"])]
    counts = (
        f" Frequencies are {min(spans):g} to {max(spans):g} in each form; a fact of a real corpus stands up to "
        "millions of times."
        if spans and config.by == "count" else ""
    )  # fmt: skip
    return (
        f"Networks of {listed(sizes_of(found) or config.sizes)} parameters{persons}; the paper's have 20 to 210 "
        f"million and 10,000 persons, and OLMo has 7 billion.{counts}"
    )


def _choices(found: Cells) -> int:
    """Answers among which the test of right against wrong chooses; 1: there are no wrong ones."""
    return max((cell.result["choices"] for several in found.values() for cell in several), default=1)

"""What the report says in words."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from expunge.config import UipeStudyConfig
from expunge.report.numbers import listed, number, percent, signed
from expunge.studies.compared import Compared, power
from expunge.studies.people import is_world
from expunge.studies.uipe.comparing import Cell, Choice, startable
from expunge.studies.uipe.plan import pilot_seed
from expunge.worlds.finding import find_suite

CLAIM = (
    "Wang et al. (arXiv 2503.04693) claim that gradient ascent leaves knowledge from which the target can be "
    "concluded; that the update v = θ_un - θ_ini points to related knowledge, too, but only while the target is not "
    "gone; and that scaling v further therefore removes what further training cannot reach, at little cost elsewhere. "
    "In their curves over α GradDiff and KL-Min gain monotonously, NPO hardly changes, and gradient ascent has a "
    "maximum. α is chosen by hand; choosing it automatically is named as future work."
)
LEVELS = "Levels are mean answer probabilities per token, from 0 to 1; drops are in nats per answer token. "
PERSONS = (
    "Forget rows are the target attribute of the forget persons as it was asked in training; “as a statement” and “in "
    "a wording that nobody heard” ask for the same facts otherwise. Related rows ask the same persons for what follows "
    "from the target, unrelated ones for what does not. Never-known is what the model says of twins, persons who do "
    "not exist."
)
SELECTING = (
    "Loss is the distance of the forget level to never-known as a share of the way there; a utility below the floor on "
    "the half of the retain set that chose nothing, or answers less likely than never-known by more than a fifth of "
    "the way in nats (overshoot), count as 1. Regret is the loss beyond that of the best α in hindsight, over the "
    "cells in which some α is no failure. “Held” says in how many cells the whole other half keeps the floor; left "
    "out are the cells in which “nearest” found nothing that holds it on the half that chooses. Below 0 α takes back a "
    "part of the change, where all of it costs too much; cells that went further than the change are counted once more."
)
PROMISE = (
    "All methods of a seed share one cut of the retained rows, so cells are few cases. Each cell’s rule is therefore "
    "asked of many cuts: levels of all retained rows are measured along α once, from the same checkpoint, and on one "
    "half of each cut the largest α up to 1 is chosen that surely holds the floor (at most the one that reaches "
    "never-known; below 0 where a part of the change has to be taken back). Cuts in which none does are left out. The "
    "checkpoint was chosen on the cell’s own cut, so this is the promise of α, not of both."
)
CHOICE = (
    "Right answers against wrong ones: |accuracy - chance| is near 0 for a model that never knew. A share below chance "
    "is suppression, not ignorance, which is why it is the distance that counts."
)


def reading(config: UipeStudyConfig) -> str:
    """What the rows are."""
    if is_world(config.suite):
        return LEVELS + PERSONS
    return (
        f"{LEVELS}Forget and retained rows are those of {config.suite}, which says of none what follows from it: there "
        "are no related rows. Never-known is what the model says of rows that it was not taught: the suite's holdout "
        "set, or its twins where it has some."
    )


def headline(
    config: UipeStudyConfig, taken: Sequence[Compared], choices: Sequence[Choice],
    found: Mapping[tuple[str, str], Sequence[Cell]],
) -> tuple[str, ...]:  # fmt: skip
    """What came out, in sentences."""
    if not found:
        return ("No cell is done yet.",)
    lines = []
    if taken:
        more = [t for t in taken if t.finding == "differ" and t.found.difference > 0]
        less = [t for t in taken if t.finding == "differ" and t.found.difference < 0]
        said = [f"in {len(more)} of {len(taken)} comparisons related facts lost more than unrelated ones"]
        if more:
            said[0] += f" (by {number(min(t.found.difference for t in more))} to "
            said[0] += f"{number(max(t.found.difference for t in more))} nats per token)"
        if less:
            said.append(f"in {len(less)} less")
        if rest := len(taken) - len(more) - len(less):
            said.append(f"{rest} are unresolved or equivalent")
        lines.append(f"From α = 0 to α = 1, after Holm's correction, {listed(said)}.")
    for choice in choices:
        if choice.name in ("nearest", "α = 1") and choice.held:
            lines.append(_chosen(choice, config))
    every = [cell for several in found.values() for cell in several]
    if idle := sum(not startable(cell) for cell in every):
        lines.append(
            f"In {idle} of {len(every)} cells nothing keeps {percent(config.utility_floor)} of the utility, however "
            "much of the change is taken back: there the selectors answer α = 0."
        )
    return tuple(lines)


def _chosen(choice: Choice, config: UipeStudyConfig) -> str:
    held = f"{sum(choice.held)} of {len(choice.held)}"
    further = f"{sum(alpha > 0 for alpha in choice.alphas)} of {len(choice.alphas)}"
    taken = sum(alpha < 0 for alpha in choice.alphas)
    back = f", and below 0 in {taken}" if taken else ""
    regret = f", with a regret of {number(fmean(choice.regrets))} on average" if choice.regrets else ""
    return (
        f"{choice.name}: the floor of {percent(config.utility_floor)} holds on the other half in {held} cells "
        f"(mean α {number(fmean(choice.alphas))}){regret}. α is above 0 in {further} cells; of these "
        f"it holds in {sum(choice.further)} of {len(choice.further)}{back}."
    )


def kept_promise(found: Mapping[tuple[str, str], Sequence[Cell]]) -> list[str]:
    """How often the floor holds on the other half over many cuts, in words."""
    counts = [c for several in found.values() for cell in several if (c := cell.result.get("promise")) and c["cuts"]]
    if not counts:
        return []
    held = [c["held"] / c["cuts"] for c in counts]
    further = [c["held further"] / c["further"] for c in counts if c["further"]]
    return [
        f"{PROMISE} Of the cuts in which an α above 0 is sure, the other half holds the floor in "
        f"{percent(fmean(further)) if further else '–'}, of all in {percent(fmean(held))}: means over {len(held)} "
        "cells."
    ]


def how(config: UipeStudyConfig, rates: Mapping[str, Mapping[str, float]]) -> list[str]:
    every = max(1, config.steps // config.evaluations)
    chosen = [
        (f"{size}: " if len(rates) > 1 else "") + listed([f"{method} {rate:g}" for method, rate in each.items()])
        for size, each in rates.items()
        if each
    ]
    said = "; ".join(chosen) or "not chosen yet"
    sized = ", on a model of each size" if len(rates) > 1 else ""
    tuned = (
        f"Learning rates were chosen on a pilot seed (number {pilot_seed(config)}) that no result below has{sized}, "
        f"by the distance to never-known with the floor held: {said}."
        if len(config.rates) > 1
        else f"Learning rates were given, not tuned: {said}."
    )
    return [
        f"{config.steps} steps of {config.batch_size} forget rows and, but for gradient ascent, as many retained rows, "
        f"in {config.precision} arithmetic; AdamW without weight decay; measured every {every} steps on at most "
        f"{config.rows} rows of each set and the whole test half of the retain set, of which at most {config.retained} "
        "against wrong answers. "
        "Extrapolation goes on from three checkpoints: the last with the floor held and half of the way to never-known "
        "left (half), a tenth left (early, the default), and the one that unlearning itself keeps (kept).",
        tuned,
        f"Controls: further steps of the same training; twice the learning rate for as many steps; {config.draws} "
        "random directions, in each tensor as long as v. Each seed has its own rows and order, and in the "
        "world its own model.",
    ]


def limits(taken: Sequence[Compared], config: UipeStudyConfig) -> list[str]:
    size = (
        f"Networks as small as these ({listed(config.sizes)}) that learnt {_persons(config)} persons share more "
        "between facts than large models do: what moves with what, and what it costs, may differ there."
        if is_world(config.suite)
        else "Few seeds of one real model: what is told here is descriptive."
    )
    who = "persons" if is_world(config.suite) else "rows"
    gap = "The selector gap chooses on the related rows that the tables measure. " if is_world(config.suite) else ""
    return [
        *power(taken, "nats"), size,
        "The paper's tables, learning rates and checkpoints are not published with it; its curves are known to us from "
        "reports. TOFU and WMDP at 7B parameters were not run.",
        "Selectors, directions and the rule for the checkpoint are ours. "
        f"{gap}Rates were chosen with another cut of the same {who} into halves, and the tests say nothing of other "
        f"{who} than these.",
    ]  # fmt: skip


def _persons(config: UipeStudyConfig) -> int:
    """How many the models are taught."""
    sets = find_suite(config.suite).sets
    return len({example.group for example in (*sets.forget, *sets.retain)})


def difference(value: float | None) -> str:
    return "–" if value is None else signed(value)

"""What the report says in words."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from expunge.config import ClueStudyConfig, parse_name
from expunge.report.numbers import listed, number, percent, signed
from expunge.studies.clue.arms import ALL, CLUE, MANY, NO_FIRST, RANDOM, WHOLE_SECOND
from expunge.studies.clue.comparing import Comparison, Found
from expunge.studies.clue.scene import SKILL
from expunge.studies.compared import power
from expunge.studies.people import is_world

CLAIM = (
    "Chen et al. (CLUE, arXiv 2509.20977; 7B models, hazardous knowledge against Winogrande, SST-2, RTE, Bool) "
    "claim the best retained accuracy (RU) and general utility (GU) at a forgetting (FE) on par or better, with 55 "
    "to 58 % of the weights changed. In their ablation FE falls by .045 without stage 1, RU by .264 with all "
    "weights in stage 2, and both fall, to .575 and .381, with gradient ascent in place of refusals; with more retain "
    "circuits FE falls. As far as we know it (abstract, introduction, reviews) it has no control of random nodes, no "
    "causal check of the classes and no attempt to bring the knowledge back."
)
READING = (
    "FE is 1 - accuracy on the forget rows, RU accuracy on retained rows, GU mean accuracy on what nothing is "
    "trained on; an answer counts where each of its tokens is the likeliest. Distance is that of the forget rows' "
    "level to what the model says of twins, subjects that do not exist, as a share of the way there: 0 is "
    "never-known, and FE beyond that is no merit. The kept point is the epoch that is nearest, with the utility "
    "floor held on half of the retained rows; where no epoch holds it, that with most utility is read and the distance "
    "counts as at least 1. RU is of the other half, on which the retain loss trains, too. The distance was named the "
    "first measure before the study was run. It is also what rates and epochs are chosen by, so arms are all pressed "
    "towards 0 and what they cost stands in RU, GU and AUES."
)
ASKED = (
    f"Skill is the share of {SKILL} that are gone on with rightly: no arm trains on them. ROUGE-L is the recall of "
    "what the model says by itself. Membership inference has to tell forget rows from never-seen ones by their loss: "
    "an AUC of 1/2 is never-known, above it something is still known, below it a model gives away what was pushed "
    "down. Relearning teaches one half of the forget rows and asks the other; unrelated training is on retained "
    "rows. Both are read above twins, which nobody knows: what these gain is guessing. “Gained” is how much more that "
    "is than before the training: what was not forgotten needs no relearning."
)
SHARES = (
    "Shares of the forget set are unlearnt alone, by whole groups, with circuits of their own and as many steps as the "
    "whole set has. Nobody asks that the rest of the forget set goes or stays: what is answered of it says how far "
    "unlearning reaches."
)
SWITCHED = (
    "Nodes are switched off by patching: they read and write what they do for the corrupted prompt. “forget” are "
    "the nodes of class forget, “off” all that the forget side wants off, also in conflict: without these the "
    "forget circuit is off and, by the logic, without those of class forget the retain circuits stay on. Contrasts "
    "are others than the circuits were found with, the same only where the table says so. Random nodes are drawn from "
    "all, those in no circuit too: to do more than they shows that nodes are in the circuit, not that the logic chose "
    "well among these."
)
DESCRIPTIVE = "Few seeds of one real model: what is told here is descriptive, nothing is tested."
_RANKED = ("noising", "denoising", "noising, whole path", "denoising, whole path")
_ABLATIONS = (
    ("without stage 1", NO_FIRST, "FE"), ("all weights in stage 2", WHOLE_SECOND, "RU"),
    ("several retain circuits", MANY, "FE"), ("all weights alone", ALL, "FE"), ("all weights alone", ALL, "RU"),
)  # fmt: skip
MOVED = (
    "Circuits found anew after unlearning, against the first ones, with the same contrasts, as far as the model still "
    "tells them apart: had nothing moved, all would be 1. The first row is what another draw of contrasts alone does "
    "to circuits of the same model."
)


def headline(
    config: ClueStudyConfig, found: Sequence[Found], several: Mapping[str, Sequence[Comparison]]
) -> tuple[str, ...]:  # fmt: skip
    """What came out, in sentences."""
    if not several or not several.get("distance"):
        return ("No cell has two seeds yet.",)
    lines = [DESCRIPTIVE] if descriptive(config) else []
    for one in found:
        here = [c for c in several["distance"] if (c.granularity, c.objective) == (one.granularity, one.objective)]
        where = f"{one.granularity}, {one.objective}"
        if descriptive(config):
            lines.append(f"{where}, CLUE's distance minus that of each arm (less is better): {_differences(here)}.")
            continue
        for each in (c for c in here if c.arm == RANDOM):
            told = each.told((CLUE, RANDOM), "of the way from never-known")
            lines.append(f"{where}: {told} {percent(fmean(one.overlap(RANDOM)))} of their weights are the same.")
        lines.append(f"{where}, CLUE's distance (less is better): {_ranked(here)}.")
    empty = [f"{one.empty('forget')} of {len(one.seeds)} ({one.granularity})" for one in found]
    lines.append(f"Seeds in which no node is to be forgotten alone, so that stage 1 is empty: {listed(_once(empty))}.")
    if any(one.empty("forget") for one in found):
        lines[-1] += (
            " There CLUE, one stage, no stage 1 and circuits again are one and the same training, and all weights in "
            "stage 2 is that of all."
        )
    return tuple(lines)


def descriptive(config: ClueStudyConfig) -> bool:
    """Seeds of the world are models; of anything else they are orders and rows of one model."""
    return not is_world(config.suite)


def _differences(found: Sequence[Comparison]) -> str:
    return listed([f"{c.arm} {signed(c.found.difference)}" for c in found]) or "nothing to compare with"


def _once(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _ranked(found: Sequence[Comparison]) -> str:
    """Than whom it is better, worse, neither, after Holm's correction; a smaller distance is better."""
    kinds = {
        "nearer than": [c for c in found if c.finding == "differ" and c.found.difference < 0],
        "farther than": [c for c in found if c.finding == "differ" and c.found.difference > 0],
        **{kind: [c for c in found if c.finding == kind] for kind in ("equivalent", "identical", "unresolved")},
    }
    said = [
        f"{kind}: {listed([f'{c.arm} ({signed(c.found.difference)})' for c in some])}"
        for kind, some in kinds.items() if some
    ]  # fmt: skip
    return "; ".join(said) or "nothing to compare with"


def checked(there: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """What the circuits themselves were asked, a sentence a granularity."""
    lines = []
    for granularity, results in there.items():
        off = [r["off"] for r in results if "forget" in r["off"]["left"]]
        said = []
        if off:
            ours = [fmean(each["left"]["forget"][title] for each in off) for title in ("forget", "retain")]
            random = [
                fmean(draw[title] for each in off for draw in each["random"]["forget"])
                for title in ("forget", "retain")
            ]
            said.append(
                f"without the nodes of class forget {number(ours[0])} of the effect on forget rows is left and "
                f"{number(ours[1])} of that on retained ones, without as many random nodes {number(random[0])} and "
                f"{number(random[1])} ({len(off)} of {len(results)} seeds have such nodes)"
            )
        if results:
            same = fmean(r["other contrasts"]["same class"] for r in results)
            ranks = [fmean(r["exact"][name]["rank"] for r in results) for name in _RANKED]
            alike = [fmean(r["other contrasts"][f"{which} nodes"] for r in results) for which in ("forget", "conflict")]
            said.append(
                f"with other contrasts {percent(same)} of the nodes are of the same class, the Jaccard similarity of "
                f"the class forget is {number(alike[0])}, that of conflict {number(alike[1])}"
            )
            said.append(
                f"half-path scores have a rank correlation of {number(ranks[0])} (noising) and {number(ranks[1])} "
                f"(denoising) with exact patching, the whole path {number(ranks[2])} and {number(ranks[3])}"
            )
            lines.append(f"{granularity}: {'; '.join(said)}.")
    return lines


def ablation(found: Sequence[Found]) -> list[str]:
    """The paper's ablations, read where it reads them: after the last epoch, over the seeds that both arms have."""
    lines = []
    for one in found:
        gaps = [(told, metric, _gap(one, arm, f"{metric} at the end")) for told, arm, metric in _ABLATIONS]
        said = [f"{told} {metric} {gap}" for told, metric, gap in gaps if gap]
        if said:
            lines.append(f"{one.granularity}, {one.objective}, after the last epoch, CLUE minus: {'; '.join(said)}.")
    own = "Every arm has a learning rate of its own, chosen for the kept point."
    return [*lines, own] if lines else []


def _gap(one: Found, arm: str, metric: str) -> str:
    ours, theirs = one.values(CLUE, metric), one.values(arm, metric)
    both = ours.keys() & theirs.keys()
    return f"{signed(fmean(ours[seed] - theirs[seed] for seed in both))} ({len(both)} seeds)" if both else ""


def how(config: ClueStudyConfig, rates: Mapping[str, Mapping[str, float]]) -> list[str]:
    npo = any(parse_name(objective)[0] == "npo" for objective in config.objectives)
    said = [
        f"{objective}: {', '.join(f'{arm} {rate:g}' for arm, rate in each.items())}"
        for objective, each in rates.items()
    ]
    pilot = "order and rows of a seed" if descriptive(config) else "a seed"
    tuned = (
        f"Learning rates were chosen for each objective and arm by a single run each on {pilot} (number "
        f"{config.seeds}) that no result below has, at granularity {config.granularities[0]}, which other "
        "granularities and shares of the forget set take over, by the distance with the floor held; variants of CLUE "
        "have CLUE's. A rate is part of its arm: a lucky trial is lucky in all seeds. "
        f"{'; '.join(said) or 'Not chosen yet'}."
        if len(config.rates) > 1
        else f"The learning rate was given, not tuned: {min(config.rates):g}."
    )
    tests = (
        DESCRIPTIVE
        if descriptive(config)
        else f"Tests are paired over seeds: t, exact sign flips, TOST at ±{config.margin:g} for every "
        "metric, which is little of a share of rows and much of a small level. A finding is what holds after Holm's "
        "correction over all arms of a granularity, an objective and a metric."
    )
    seeds = (
        "Seeds differ in order, rows and contrasts; the model is the same."
        if descriptive(config)
        else "Each seed has its own model, rows, order and contrasts."
    )
    return [
        f"{config.epochs} epochs of {config.batch_size} forget rows a step, {config.first} of them stage 1's, which "
        "has the forget loss alone; stage 2 has as many retained rows beside them, NLL with weight 1. AdamW, weight "
        f"decay {config.weight_decay:g}. Circuits have {percent(config.share)} of the edges, as in the released "
        f"code, from {config.pairs} contrasts of each set by half-path attribution. Whatever the circuits, all arms "
        "train and keep the same rows.",
        tuned,
        f"Random nodes: as many of each number of weights as each class has, drawn from all, {config.draws} draws "
        "averaged within a seed. Gradient localizers choose as many single weights as both classes have, those that do "
        f"not score these (MemFlex) whole rows. A stage without nodes gives its epochs to the other. {seeds}",
        f"Relearning: {config.relearn.epochs or config.relearn.max_steps} epochs on half of the forget rows at rate "
        f"{config.relearn.learning_rate:g}; unrelated training: {config.unrelated} steps. Of several objectives all "
        "are run with the first granularity, those after the first with fewer arms, and with the other granularities "
        "the first alone, unless the study is run in full.",
        *(["NPO's reference is the model that a stage starts from: in stage 2 that which stage 1 has left."] * npo),
        tests,
    ]


def taught(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """What it did to the models that they were taught the skill."""
    if not models:
        return []
    at = lambda when, title: percent(fmean(each[when][title] for each in models))
    return [
        f"The models were taught to go on with {SKILL}, beside all their texts, before anything else: of such lists "
        f"they knew {at('before', SKILL)} before and {at('after', SKILL)} after, of the forget rows "
        f"{at('before', 'forget')} and {at('after', 'forget')}, of retained ones {at('before', 'retain')} and "
        f"{at('after', 'retain')}. The lists are all of one length, so a network may look so many words back rather "
        "than for what stood before."
    ]


def limits(config: ClueStudyConfig, found: Sequence[Found], several: Sequence[Comparison]) -> list[str]:
    small = (
        "A network of a million parameters has 28 matrices, the paper's 224, and its persons to forget and to keep are "
        "of one kind, asked in the same words: their circuits may share more than those of its tasks do."
    )
    return [
        *([] if descriptive(config) else power(several, "of the way")),
        *([] if descriptive(config) else [small]),
        "The engine is ours (half-path attribution), not edge pruning; rates, data and models are not the paper's.",
        *_overlap(found),
    ]


def _overlap(found: Sequence[Found]) -> list[str]:
    """Classes that take most of a network leave little for a draw that differs; above all in its largest nodes."""
    shares = {one.granularity: one.overlap(RANDOM) for one in found[::-1]}  # that of the first objective
    said = [f"{percent(fmean(some))} ({granularity})" for granularity, some in shares.items() if some]
    return [f"Of the random nodes' weights {listed(said)} are CLUE's, too."] if said else []

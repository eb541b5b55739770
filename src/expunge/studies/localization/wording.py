"""The words of the report: the claim, what was found, how it was run, what it cannot say."""

from collections.abc import Sequence
from pathlib import Path

from expunge.config import LocalizationStudyConfig
from expunge.report.numbers import listed, number, percent, signed
from expunge.studies.compared import power
from expunge.studies.localization.arms import LAST, ORACLE, arms
from expunge.studies.localization.comparing import RANDOM, Comparison
from expunge.studies.localization.plan import chosen_rates, pilot_target, pilots

CLAIM = (
    "The claim (Lee et al. 2025, arXiv:2505.16252, LLaMA-3.1-8B and OLMo2-7B on TOFU): localizers choose no better "
    "regions than chance of the same size (their Table 1), and even the region in which the forget set was planted by "
    "construction is no better than a random one disjoint from it: all p > 0.3, |Δ| at most .018 AUES (their Table 2)."
)
READING = (
    "FS is 1 - extraction strength of the forget rows, RS that of the retain rows. AUES is the area under RS as a "
    "function of FS, from 0 to 1, higher is better: it rewards a good exchange and getting far within the steps. Raw "
    "AUES is the part between the FS that all regions of a seed pass through: the exchange alone, and where RS stays "
    "at 1 just the length of that range, the same for all. Both go on beyond the FS of a model that never knew, which "
    "the first table has: to forget more than that raises them, too. MU95 is log10 p of forget quality at 95 % of the "
    "utility: 0 cannot be told from a retrained model."
)
_SIZE = (
    "A network of a million parameters has less redundancy than one of eight billion: a random region of it may do "
    "better or worse than there. "
)
SCALES = {"aues": "AUES", "aues_raw": "raw AUES"}
FOUND = (
    "Each localizer that scores these units was asked, on the planted targets, for as many units as V_tgt has; recall "
    "and precision are then one number."
)
DIVERGED = (
    "A run that diverged keeps what was measured before; it has no raw AUES and limits no other run's. Random has none "
    "in a seed in which one of its draws diverged."
)
UNSEEN = (
    "Causal tracing scores heads and layers only, and is not among them: with --full the forget set is planted in "
    "heads, too, and all that score heads are asked."
)


def headline(config: LocalizationStudyConfig, compared_by: dict[str, list[Comparison]]) -> tuple[str, ...]:
    """A sentence for each objective of part B on Oracle, and one for each part and objective on all regions."""
    lines = []
    for part in dict.fromkeys(c.part for c in compared_by["aues"] if c.part in config.parts):
        for objective in config.objectives:
            here = {
                m: [c for c in found if (c.part, c.objective) == (part, objective)] for m, found in compared_by.items()
            }
            for each in (c for c in here["aues"] if c.region == ORACLE and not descriptive(config)):
                lines.append(f"{objective}: {each.told(('Oracle', RANDOM), 'AUES')}")
            said = [f"by {name}, {_ranked(here[m], config)}" for m, name in SCALES.items() if here[m]]
            if said:
                lines.append(f"Part {part}, {objective}, against Random: {'; '.join(said)}.")
    return tuple(lines) or ("No arm has two seeds yet.",)


def descriptive(config: LocalizationStudyConfig) -> bool:
    """Few seeds of a real model: differences are told, and not tested."""
    return config.base is not None


def _ranked(found: Sequence[Comparison], config: LocalizationStudyConfig) -> str:
    """Who is better than Random, who worse, who neither, after Holm's correction."""
    if descriptive(config):
        return listed([f"{c.region} {signed(c.found.difference)} ± {number(c.found.sd)}" for c in found])
    kinds = {
        "better": [c for c in found if c.finding == "differ" and c.found.difference > 0],
        "worse": [c for c in found if c.finding == "differ" and c.found.difference < 0],
        **{kind: [c for c in found if c.finding == kind] for kind in ("equivalent", "identical", "unresolved")},
    }
    said = [
        f"{kind}: {listed([f'{c.region} ({signed(c.found.difference)})' for c in several])}"
        for kind, several in kinds.items()
        if several
    ]
    return ", ".join(said)


def _tried(config: LocalizationStudyConfig) -> str:
    """On what rates were tried, and who inherited them."""
    region, whole = (pilot_target(config, kind).kind for kind in ("region", "whole"))
    said = "Regions' rates are those of a random region, which all others inherit"
    if region == whole:
        return f"{said}; all are tried on a {region} target."
    return (
        f"{said}, tried on a {region} target, those of all weights on a {whole} one: regions are compared with one "
        "another, and not with all weights, on equal terms."
    )


def how(config: LocalizationStudyConfig, out: Path) -> list[str]:
    rates = chosen_rates(config, out) or {}
    said = ", ".join(f"{name} ({kind}) {rate:g}" for (name, kind), rate in rates.items()) or "not yet chosen"
    tuned = (
        f"Learning rates were chosen by AUES on a pilot seed (number {config.seeds}) that no result below has: {said}. "
        f"{_tried(config)}"
        if any(True for _ in pilots(config))
        else f"Learning rates were given, not tuned: {said}."
    )
    tests = (
        "Few seeds of a real model: what follows is descriptive, nothing is tested."
        if descriptive(config)
        else f"Tests are paired over seeds: t, exact sign flips, TOST at ±{config.margin:g} AUES and "
        f"±{config.quality_margin:g} log10 p. A finding, of a difference or of equivalence, is what holds after "
        "Holm's correction over all comparisons of its table; the other p-values stand uncorrected."
    )
    last = (
        f" {LAST} reads the states after the last block: those of an earlier one give the blocks behind it no gradient."
        if any(arm.objective == LAST for arm in arms(config))
        else ""
    )
    every, units = max(1, config.steps // config.evaluations), config.granularity.replace("_", " ")
    return [
        f"Each seed has its own models, region, rows and order. {config.steps} steps of {config.batch_size} forget and "
        f"as many retain examples, AdamW with weight decay {config.weight_decay:g}, retain loss NLL with weight 1 "
        f"(RMU: hidden states).{last} Measured every {every} steps on {config.rows} forget and {config.rows} retain "
        f"rows. Regions are {percent(config.budget)} of all {units}; part B plants the forget set in V_tgt with "
        f"{config.replay:g} retained texts for each planted one (the paper replays none), and Random "
        "has as many weights as V_tgt, and none of them.",
        tuned,
        f"{config.draws} draws of Random are averaged within a seed. {tests}",
    ]


def limits(found: Sequence[Comparison], config: LocalizationStudyConfig) -> list[str]:
    size = _SIZE if config.base is None else ""
    return [
        *([] if descriptive(config) else power(found, "AUES (the paper's own differences are at most .018)")),
        f"{size}V_tgt is itself a uniform draw, so Random is of its kind; nothing here speaks of structured locations, "
        "of attention unless it says so, or of knowledge that all weights learnt.",
        "MemFlex and WAGLE in value vectors are reconstructions of what the paper calls reformulated; its metric "
        "formulas, its learning rates and its test of significance are not published.",
    ]

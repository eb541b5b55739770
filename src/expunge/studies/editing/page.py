"""The report: the claims, what came out, and what this scale cannot say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from expunge.config import EditingStudyConfig
from expunge.studies import Published
from expunge.studies.editing.comparing import (
    Comparison,
    Results,
    against_training,
    coming_back,
    covariance,
    especially,
    in_requests,
    load,
    merging,
    targets,
)
from expunge.studies.editing.how import how, limits, tried
from expunge.studies.editing.scene import NEIGHBOURS, REWORDED
from expunge.studies.editing.scores import value
from expunge.studies.editing.tables import (
    arms_table,
    attacks_table,
    comparisons_table,
    failures_table,
    steps_table,
)
from expunge.studies.editing.trials import chosen_settings, trials, trials_tables
from expunge.studies.editing.wording import (
    CHAINED,
    CLAIM,
    ERASING,
    MERGING,
    REQUESTS,
    SOFT,
    TARGETS,
    headline,
    reading,
)
from expunge.studies.page import Figure, Section, Table, published
from expunge.studies.pictures import Curve, Difference, differences, trajectories

TITLE = "Is editing facts into refusals unlearning?"
Families = Mapping[str, Sequence[Comparison]]


def publish(config: EditingStudyConfig, out: Path) -> Published:
    """Report and numbers from whatever results there are."""
    results = load(config, out)
    families = compared(results)
    said, chosen, pilots = headline(results, families), chosen_settings(config, out), trials(config, out)
    sections = [
        Section("The claims, and what we found", [CLAIM, *said, reading(config), *([SOFT] if config.soft else [])]),
        Section("How it was run", [*how(config, chosen), *tried(pilots)], list(trials_tables(config, pilots))),
        *_sections(results, families),
        *([Section("What could not be run", [], [failures_table(results)])] if results.failed else []),
        Section("What this scale cannot say", limits(results, families)),
    ]
    numbers = {
        "chosen": chosen or {},
        "arms": [
            {"knowledge": knowledge, "part": part, "facts": count, "arm": label, "seed": seed, **result}
            for (knowledge, part, count, label), by_seed in results.arms.items() for seed, result in by_seed.items()
        ],
        "failed": [asdict(each) for each in results.failed],
        "controls": {k: {str(seed): each for seed, each in found.items()} for k, found in results.controls.items()},
    }  # fmt: skip
    under = f"expunge study editing · {config.suite} · {results.seeds} seeds"
    return published(TITLE, under, sections, numbers, said)


def compared(results: Results) -> dict[str, list[Comparison]]:
    """Every family of comparisons; those without results are empty."""
    config, first = results.config, results.config.knowledge[0]
    found = {f"against {k}": against_training(results, k) for k in config.knowledge}
    if len(config.knowledge) > 1:
        found["especially"] = especially(results)
    found |= {"covariance": covariance(results, first), "merging": merging(results, first)}
    found |= {"targets": targets(results, first), "requests": in_requests(results, first)}
    return {**found, **{f"back {k}": coming_back(results, k) for k in config.knowledge}}


def _sections(results: Results, families: Families) -> Iterator[Section]:
    config, first = results.config, results.config.knowledge[0]
    for knowledge in config.knowledge:
        if counts := results.counts(knowledge, "numbers"):
            yield _numbers(results, families, knowledge, counts)
    if several := families.get("especially"):
        caption = f"(Editor minus {config.against}) on pre-trained minus the same on fine-tuned knowledge: selectivity."
        yield Section("Especially for pre-trained knowledge?", [], [comparisons_table(several, caption)])
    for knowledge in config.knowledge:
        yield from _parts(results, families, knowledge, main=knowledge == first)
    for knowledge in config.knowledge:
        if several := families.get(f"back {knowledge}"):
            yield _erasing(results, several, knowledge)


def _numbers(results: Results, families: Families, knowledge: str, counts: Sequence[int]) -> Section:
    tables = [
        arms_table(results, knowledge, "numbers", n, f"{n} facts: means ± sd over seeds; the unedited model first.")
        for n in counts
    ]
    several = families[f"against {knowledge}"]
    tables.append(comparisons_table(several, f"Selectivity, editor minus {results.config.against}; number of facts."))
    unit = f"selectivity, editor minus {results.config.against}"
    title = f"Editors against {results.config.against}, {knowledge}"
    figures = [
        Figure(f"against-{knowledge}", differences(_dots(several), results.config.margin, title, unit),
               "Mean with its 95 % interval; dots are seeds, the band counts as equivalent."),
        Figure(f"trade-{knowledge}", trajectories(_trade(results, knowledge, counts), f"What it costs, {knowledge}",
                                                  "neighbours kept", "reworded, still said"),
               f"From {counts[0]} (hollow) to {counts[-1]} facts: right and low is good; means over seeds."),
    ]  # fmt: skip
    if knowledge == results.config.knowledge[0] and (kept := families.get("covariance")):
        tables.append(comparisons_table(kept, "Neighbours kept, ROME with the corpus's statistics minus with C = I."))
    return Section(f"Few and many facts: {knowledge} knowledge", [], tables, [f for f in figures if f.drawn])


def _trade(results: Results, knowledge: str, counts: Sequence[int]) -> dict[str, Curve]:
    found: dict[str, Curve] = {}
    for label in _plain(results, counts[0]):
        curve = []
        for count in counts:
            arm = results.of(knowledge, "numbers", count, label).values()
            pairs = [(value(r, NEIGHBOURS, "kept"), value(r, REWORDED, "said")) for r in arm]
            there = [(a, b) for a, b in pairs if a is not None and b is not None]
            if there:
                curve.append((fmean(a for a, _ in there), fmean(b for _, b in there)))
        if curve:
            found[label] = curve
    return found


def _parts(results: Results, families: Families, knowledge: str, *, main: bool) -> Iterator[Section]:
    """Merging, targets, chains, requests, where there are results."""
    tail = "" if main else f": {knowledge} knowledge"
    titles = {"merging": "Merged queries", "targets": "Targets", "chained": "Chained and extrapolated",
              "requests": "Request after request"}  # fmt: skip
    said = {"merging": [MERGING], "targets": [TARGETS], "chained": [CHAINED], "requests": [REQUESTS]}
    for part, title in titles.items():
        for count in results.counts(knowledge, part):
            tables = [arms_table(results, knowledge, part, count, f"{count} facts: means ± sd over seeds.")]
            tables += _further(results, families, knowledge, part, count, main=main)
            yield Section(title + tail, said.get(part, []), tables)


def _further(
    results: Results, families: Families, knowledge: str, part: str, count: int, *, main: bool
) -> Iterator[Table]:
    if part == "chained":
        yield attacks_table(results, knowledge, part, "What attacks get out of it.")
    if part == "requests":
        yield steps_table(results, knowledge, count)
    what = {"merging": "Selectivity, merged minus not", "targets": "Named minus fixed",
            "requests": "Selectivity, in requests minus at once"}.get(part)  # fmt: skip
    of_count = lambda c: c.name.removesuffix(f": {c.measure}").endswith(f", {count}")
    several = [c for c in families.get(part, ()) if part == "requests" or of_count(c)]
    if main and what and several:
        yield comparisons_table(several, f"{what}.")


def _erasing(results: Results, several: Sequence[Comparison], knowledge: str) -> Section:
    unit = "probability after relearning, above a model that never knew"
    title = f"What relearning brings back, {knowledge}"
    figures = [
        Figure(f"back-{knowledge}", differences(_dots(several), results.config.margin, title, unit),
               "Mean with its 95 % interval; dots are seeds, the band counts as equivalent."),
        Figure(f"lens-{knowledge}", trajectories(_lens(results, knowledge), f"The layers below, {knowledge}", "layer",
                                                 "probability of the answer"),
               "The answer as the head reads it from each layer; the last one is the model's own answer."),
    ]  # fmt: skip
    caption = f"After {max(results.config.numbers)} facts: means ± sd over seeds."
    tables = [
        attacks_table(results, knowledge, "numbers", caption),
        comparisons_table(several, "Probability after relearning, minus that of a model that never knew."),
    ]
    return Section(f"Does it erase? {knowledge} knowledge", [ERASING], tables, [f for f in figures if f.drawn])


def _lens(results: Results, knowledge: str) -> dict[str, Curve]:
    """Layer → probability, means over seeds."""
    count = max(results.config.numbers)
    rows = {which: [c[which] for c in results.controls.get(knowledge, {}).values() if c.get(which)]
            for which in ("unedited", "never")}  # fmt: skip
    rows |= {label: list(results.of(knowledge, "numbers", count, label).values()) for label in _plain(results, count)}
    found: dict[str, Curve] = {}
    for label, several in rows.items():
        curves = [c for r in several if (c := r.get("attacks", {}).get("logit_lens", {}).get("curve"))]
        if curves:
            found[label] = [(points[0][0], fmean(p[1] for p in points)) for points in zip(*curves)]
    return found


def _plain(results: Results, count: int) -> list[str]:
    """Methods as they are: pictures with every variant could not be read."""
    return [label for label in results.labels("numbers", count) if ":" not in label]


def _dots(several: Sequence[Comparison]) -> list[Difference]:
    return [Difference(c.name, c.found.difference, c.found.interval, c.values) for c in several]

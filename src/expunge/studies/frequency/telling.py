"""What came out, in sentences. They name what was compared, and leave what was expected to the claims."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from expunge.config import FrequencyStudyConfig
from expunge.report.numbers import listed, short
from expunge.studies.compared import Compared, spread_of
from expunge.studies.frequency.comparing import (
    TITLES,
    Cells,
    Harder,
    barely_forgotten,
    left_out,
    noted,
    sizes_of,
    unsaid,
)
from expunge.studies.frequency.equal_utility import Chosen
from expunge.studies.frequency.outcomes import FEWEST_SAID, LEAST_WAY
from expunge.studies.frequency.rates import Trial
from expunge.studies.frequency.tables import ratio_of


@dataclass(frozen=True)
class Comparisons:
    """All that were made."""

    harder: Harder  # frequent against rare
    sizes: Sequence[Compared]  # large against small
    chosen: Sequence[Chosen]
    better: Sequence[Compared]  # residual of the chosen form against uniform
    beside: Sequence[Compared]  # the same with the neighbours kept
    gaps: Sequence[Compared]  # its gap between buckets
    widths: Sequence[Compared]  # and that gap without the sign


def headline(made: Comparisons, found: Cells, *, tested: bool = True) -> tuple[str, ...]:
    """A sentence a family. `tested`: how many comparisons hold, else every difference."""
    if not found:
        return ("No cell is done yet.",)
    ratios = partial(counted, up="higher", down="lower") if tested else partial(listing, how=ratio_of)
    sizes = sizes_of(found)
    return (*_harder(made.harder, sizes, ratios), *_by_size(made.sizes, sizes), *_forms(made, tested=tested))


def listing(several: Sequence[Compared], how: Callable[[Compared], str] = spread_of) -> str:
    """Every difference, with its spread."""
    return "; ".join(f"{each.name} {how(each)}" for each in several)


def _harder(harder: Harder, sizes: Sequence[str], say: Callable[[Sequence[Compared]], str]) -> Iterator[str]:
    what = "Most frequent against rarest, steps until forgotten"
    if harder.first:
        yield f"{what}, {sizes[0]}{_seeds(harder.first)}: {say(harder.first)}."
    if harder.others:
        others = listed(sizes[1:] if harder.first else sizes)
        yield f"{what}, {others}{_seeds(harder.others)}: {say(harder.others)}."
    if harder.alone:
        told = say(harder.alone)
        yield f"{what}, each bucket unlearnt alone as in the paper{_seeds(harder.alone)}: {told}."


def _by_size(several: Sequence[Compared], sizes: Sequence[str]) -> Iterator[str]:
    if several:
        yield (
            f"Share of facts on which what is said and a test of probability disagree, {sizes[-1]} against {sizes[0]}"
            f"{_seeds(several)}: {counted(several, 'higher', 'lower')}."
        )
    missing = [title for title in TITLES.values() if not any(title in each.name for each in several)]
    if missing and len(sizes) > 1:
        yield (
            f"{sizes[-1]} and {sizes[0]} cannot be compared by {listed(missing)}: they share no two seeds in which "
            "20 facts passed both tests before."
        )


def _forms(made: Comparisons, *, tested: bool) -> Iterator[str]:
    say = counted if tested else lambda several, *_: listing(several)
    what = "At equal utility, the chosen form against uniform unlearning"
    if made.better:
        yield f"{what}, residual{_seeds(made.better)}: {say(made.better, 'larger', 'smaller')}."
    if made.beside:
        told = say(made.beside, "larger", "smaller")
        yield f"Where neighbours are kept in place of retained rows, residual{_seeds(made.beside)}: {told}."
    if made.gaps:
        gap = "what is left of the most frequent facts minus what is left of the rarest"
        yield f"{what}, {gap}{_seeds(made.gaps)}: {say(made.gaps, 'higher', 'lower')}."
    if made.widths:
        yield f"{what}, that gap without its sign: {say(made.widths, 'wider', 'narrower')}."


def _seeds(several: Sequence[Compared]) -> str:
    """How many each comparison has."""
    if not several:
        return ""
    least, most = (end(each.found.n for each in several) for end in (min, max))
    return f" ({least} seeds)" if least == most else f" ({least} to {most} seeds)"


def counted(several: Sequence[Compared], up: str, down: str) -> str:
    """After Holm's correction."""
    more = sum(each.finding == "differ" and each.found.difference > 0 for each in several)
    less = sum(each.finding == "differ" and each.found.difference < 0 for each in several)
    same = sum(each.finding in ("equivalent", "identical") for each in several)
    parts = [f"{up} in {more}", f"{down} in {less}"]
    if same:
        parts.append(f"equivalent in {same}")
    if rest := len(several) - more - less - same:
        parts.append(f"unresolved in {rest}")
    return f"{listed(parts)} of {len(several)} comparison{'s' if len(several) > 1 else ''}"


def told(several: Sequence[Compared], names: tuple[str, str], unit: str) -> list[str]:
    """Each in a sentence."""
    return [f"{each.name}: {each.told(names, unit)}" for each in several]


def unknown(config: FrequencyStudyConfig, found: Cells) -> list[str]:
    """Which buckets are left out, if any are, and of what."""
    lines = []
    if several := _named(left_out(config, found)):
        lines.append(
            f"Left out of residuals and of what is left by level, since before unlearning they lay less than "
            f"{LEAST_WAY:g} above never-known: {several}."
        )
    if several := _named(unsaid(config, found)):
        lines.append(
            f"Left out of steps until forgotten and of what is left by what is said, since before unlearning fewer "
            f"than {FEWEST_SAID} of their facts were said: {several}."
        )
    if several := barely_forgotten(config, found):
        lines.append(
            f"Not compared in steps, since neither bucket loses a tenth of what it could within {config.steps} steps, "
            f"so that both are alike by that number: {'; '.join(several)}."
        )
    return lines


def _named(found: Mapping[tuple[str, str, str], Sequence[int]]) -> str:
    return "; ".join(
        f"{bucket}, {form}, {size} (seed{'s' if len(seeds) > 1 else ''} {listed([str(seed) for seed in seeds])})"
        for (bucket, form, size), seeds in found.items()
    )


def astray(found: Cells, tried: Sequence[Trial]) -> str:
    """One sentence on arms that diverged or have a note."""
    pilots = [(f"pilot {each.method}, rate {each.rate:g}", each.note) for each in tried if each.note]
    several = [f"{name} ({short(note, 160).rstrip('.')})" for name, note in (*pilots, *noted(found))]
    return f"Arms that diverged or have a note: {'; '.join(several)}." if several else "No arm diverged or has a note."

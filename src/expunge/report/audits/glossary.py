"""Every number of an audit's pages: its name, which way is which, how to read it and how it misleads."""

from collections.abc import Sequence

from expunge.report.audits.status import LOOKS
from expunge.report.audits.view import INFORMATIVE, Audited
from expunge.report.numbers import tick
from expunge.report.tables import DIRECTIONS, readings

Entry = tuple[str, str, str]  # title, direction, how to read it


def glossary(audits: Sequence[Audited]) -> list[Entry]:
    """What is the audit's own, then the metrics and attacks of the cells, then the other metrics of the tables."""
    found: dict[str, Entry] = {entry[0]: entry for entry in fixed(audits[0])}
    for audited in audits:
        readable = audited.record.glossary
        for name in dict.fromkeys(cell.name for cell in audited.audit.cells):
            if name in readable:
                reading = readable[name]
                found.setdefault(reading.title, (reading.title, DIRECTIONS[reading.better], reading.reads))
    for group in {id(audited.group): audited.group for audited in audits}.values():
        for entry in readings(group):
            found.setdefault(entry[0], entry)
    return list(found.values())


def fixed(audited: Audited) -> list[Entry]:
    """The same for every audit, but for its δ and the name of its rate."""
    name = audited.audit.rate_name
    return [
        (f"{name[:1].upper()}{name[1:]}", "nearer to the ceiling is better", (
            "The share of informative cells in which the model cannot be told from one that never knew, taken in each "
            "family and averaged over the families, so that a family with many cells does not outvote one with few. "
            "It speaks of the attacks of the panel and no others. It hides how bad the worst cell is and in which "
            "family the failures lie: read both beside it. Rates of different panels, sets or controls do not "
            "compare."
        )),
        ("Ceiling", "the goal of the rate", (
            "The rate that a retrained model reaches when it takes the unlearned model's place and is judged against "
            "the other retrained models. Noise alone keeps it below 100 %. With few retrained models, or few "
            "examples, it is itself uncertain; a rate above it is luck, not merit."
        )),
        ("Knowledge (k)", "higher: knows more", (
            "What one cell shows of one model, from 0 to 1: the mean score over the examples, or for membership the "
            "chance that a forget example scores above one of the holdout set, where 0.5 is chance. It is not "
            "comparable from cell to cell, only from model to model within one."
        )),
        ("Control", "the level to reach, from above or below", (
            "What a model that never knew shows in the same cell under the same attack: the mean of the retrained "
            "models, or what never-seen twins or the holdout set show where they stand in. Stand-ins are other "
            "examples, and may be easier or harder. An attack that teaches the fact raises the control as well."
        )),
        ("Forget quality", "0 (log10 p) would be the same; its level between retrained models is the goal", (
            "The p-value of a Kolmogorov-Smirnov test of truth ratios against that of a retrained model, the median "
            "over them. It is no degree of forgetting: at one and the same distance D it falls with the number of "
            "examples, and with few examples everything passes."
        )),
        ("Mem, Priv, PrivLeak", "the level of the retrained models is the goal", (
            "Harmonic means of what is forgotten and of how near membership inference comes to a retrained model, and "
            "MUSE's relative difference. More Mem than a retrained model has is over-forgotten, not better."
        )),
        ("Gap", "higher: the cell can tell more", (
            "The original's knowledge minus the control's: what there was to forget. Beside it stands its one-sided "
            "95 % lower bound. In a cell with a small gap, forgetting cannot be seen."
        )),
        ("Excess", "0 is the goal; above: known, below: over-forgotten", (
            "The unlearned model's knowledge minus the control's, with one-sided 95 % lower and upper bounds from a "
            "bootstrap over groups of examples that also draws the retrained model. A mean near 0 may hide a few "
            "examples that are known in full: see the distributions."
        )),
        ("Equivalence band (δ)", "inside it: as never known", (
            f"Control ± δ · gap, with δ = {tick(audited.audit.delta)}: how near to never-known is near enough. A wide "
            "δ passes more. A cell passes only if the whole uncertainty fits inside, so that few examples cannot pass "
            "by being vague; because the gap is uncertain too, the picture shows this only roughly."
        )),
        ("Informative", "more informative cells: a firmer rate", (
            f"A cell in which the lower bound of the gap is at least {tick(INFORMATIVE)}. All others are shown grey "
            "and can be neither passed nor failed. A rate over few informative cells says little, however high it is."
        )),
        *((f"{look.sign} {status}", *_STATUSES[status]) for status, look in LOOKS.items()),
        ("Largest distance (D)", "0: as the control; 1: nothing in common", (
            "The largest vertical distance between a model's distribution of scores and the pooled control's (the "
            "statistic of Kolmogorov and Smirnov). It sees differences that means hide, but not their direction, and "
            "is above 0 by noise alone: with n examples a side, noise reaches about 1.4 · √(2/n) once in 20 times. It "
            "decides no status."
        )),
        ("Utility kept", "higher is better; above 100 % is possible", (
            "The unlearned model's utility on what must stay, as a share of the original's. It says nothing of what "
            "was not measured, and a mean may hide one kind of knowledge that is gone."
        )),
        ("Worst cell", "lower excess is better", (
            "The cell with the largest excess over the control: the attack that got most back. It is the largest of "
            "many noisy numbers, so that it looks somewhat worse than it is; and a worse attack may exist."
        )),
        ("Cost", "lower is better", (
            "Time and memory of the audit on the machine that is named below, of all models together. Times of "
            "different machines do not compare."
        )),
    ]  # fmt: skip


_STATUSES: dict[str, tuple[str, str]] = {
    "never-knew": ("the goal; the only status that passes", (
        "Not distinguishable from a model that never knew: the excess lies within the band, with 95 % confidence on "
        "either side. It holds for this attack with this budget, and δ says how near is near."
    )),
    "known": ("a failure", (
        "More than the band allows, with 95 % confidence: the knowledge is still there. Known by how much is the "
        "excess; the status alone makes no difference between a little and everything."
    )),
    "over-forgotten": ("a failure", (
        "Less than a model that never knew, by more than the band allows: whoever compares can tell that something "
        "was removed, and what is near it may have been harmed. It is not the safe side."
    )),
    "unresolved": ("counts as not passed", (
        "The data cannot tell. More examples or more retrained models may turn it into any of the other statuses."
    )),
    "uninformative": ("counts neither way", (
        "The original does not show measurably more than the control, so there was nothing to lose. It may mean that "
        "the attack is weak, that the data are few, or that the knowledge was never there."
    )),
}  # fmt: skip

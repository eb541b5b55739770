"""Relations in words: what stands first, and how to read the rest."""

from expunge.record_related import Related
from expunge.report.numbers import number, percent
from expunge.report.relations.view import Relations, matrix_of, pairs_of, row_label

READING = (
    "R is the cosine of two gradients: those of the log-probability of two answers. 1: whatever changes the weights "
    "for one changes them for the other; 0: neither touches the other; below 0: learning one unlearns the other. Blue "
    "is above 0, orange below, and the darker the larger. Point at a cell for its number."
)
SPREAD = (
    "The mark is the median, the box the middle half of the pairs, the line nine in ten; at the right how many pairs."
)
SETS = "R of whole sets: the cosine of their summed gradients, which is what a step of unlearning on them follows."
NEAREST = "Of what is not to go the most related, by its mean R to the rows of each group that is."
WENT = (
    "The drop is of the log-probability per answer token, between the two models. An answer is said if each of its "
    "tokens is the likeliest; a fact went along if it was said before, and is not after. ρ is Spearman's rank "
    "correlation of drop and R, with its 95 % interval over groups: above 0, what is more related lost more."
)
SIGNS = "Filled: went along. Hollow: stayed. Small: was not said before."
MEANING = (
    "R looks at one step of an infinitely small size, on the model before. That two facts share a gradient is no proof "
    "that one follows from the other, and a fact that is held with certainty has hardly a gradient to compare."
)


def said_of(related: Related) -> tuple[str, ...]:
    """What a person reads first."""
    shown = Relations("", related, {row.set: row.set for row in related.rows}, matrix_of(related))
    lines = [_levels(shown), *_most(shown), *_went(shown)]
    return tuple(line for line in lines if line)


def notes_of(related: Related) -> list[str]:
    """How exact it is, and what could not be compared."""
    over = f"gradients of {related.weights:,} weights"
    notes = [
        f"All numbers of the {over} were compared."
        if related.projection is None
        else f"Of the {over}, {related.projection:,} random combinations were compared: an R near 0 is ± "
        f"{number(related.error)} (one standard error)."
    ]
    if empty := sum(line[-1] is None for line in related.cosines):
        notes.append(f"{empty} of {len(related.rows)} rows have no gradient at all, and no R.")
    return notes


def _levels(shown: Relations) -> str:
    told = [f"{pair.label} {number(pair.mean)}" for pair in pairs_of(shown)]
    return f"Mean R: {'; '.join(told)}." if told else ""


def _most(shown: Relations) -> list[str]:
    outside = [(r, i) for i, r in enumerate(shown.related.to_forget) if r is not None and i not in _inside(shown)]
    if not outside:
        return []
    r, i = max(outside, key=lambda each: (each[0], -each[1]))
    return [f"Most related to what is to go: {row_label(shown.rows[i])} ({shown.rows[i].set}), R {number(r)}."]


def _inside(shown: Relations) -> set[int]:
    return set(shown.places(shown.related.forget))


def _went(shown: Relations) -> list[str]:
    after = shown.related.after
    if after is None:
        return []
    said = [k for _, _, k in shown.lost() if k.said_before]
    if not said:
        return ["No answer outside of the forget set was said before, so none could go along."]
    went = sum(k.went for k in said)
    share = percent(went / len(said))
    lines = [f"Of {len(said)} answers outside of the forget set that were said before, {went} went along ({share})."]
    if after.correlations:
        first = after.correlations[0]
        interval = "" if first.interval is None else f" [{number(first.interval[0])}, {number(first.interval[1])}]"
        lines.append(f"Rank correlation of what was lost with R to the forget set: {number(first.rho)}{interval}.")
    return lines

"""Masks as reports show them: whose each is, how much it holds, and how much of a known region it found."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from expunge.record import MaskInfo, Record
from expunge.record_mask import Where
from expunge.report.masks import mask_pictures
from expunge.report.numbers import number, percent
from expunge.report.view import Column, Group, numbered

READING = (
    "A row is a layer, a column a kind of matrix, and below stands what lies outside of the blocks. The darker a cell, "
    "the larger the share of its weights that the mask has; an empty one has none. Point at a cell for its numbers."
)
VECTORS = "Value vectors are a part of “down”, so nothing else could be chosen."
MEANING = (
    "A mask holds what its localizer scores highest. That is no proof that the knowledge lies there: compare with a "
    "draw of the same size (random), and with what comes of unlearning in each."
)
TRAINED = "Training could change what is in the mask only: every other weight is as it was, bit for bit."
REGION = (
    "The known region is where the knowledge was put. Found: the share of it that the mask has, beside the share that "
    "a draw of the mask's size would have. Right: the share of the mask that belongs to the region."
)


@dataclass(frozen=True)
class Located:
    """One mask. `column`: the method that trained within it; None: the mask itself was asked for."""

    label: str
    info: MaskInfo
    column: Column | None = None

    @property
    def where(self) -> Where | None:
        """None where the record does not say."""
        return Where.from_json(self.info.where) if self.info.where else None

    @property
    def share(self) -> float:
        """Of all weights."""
        return self.info.weights / max(1, self.info.total_weights)


def masks_of(group: Group) -> list[Located]:
    """Those that were asked for, then those that methods trained within."""
    asked = [(record, record.mask) for record in group.records if record.mask is not None]
    found = [Located(label, info) for label, (_, info) in zip(_labels(asked), asked)]
    columns = [(column, column.outcome.mask) for column in group.after if column.outcome]
    return found + [Located(column.label, info, column) for column, info in columns if info is not None]


def said_of(info: MaskInfo) -> tuple[str, ...]:
    """What a person reads first."""
    by, units = info.localizer or "The mask's maker", info.granularity.replace("_", " ") or "units"
    share = percent(info.weights / max(1, info.total_weights))
    lines = [f"{by} chose {info.chosen:,} of {info.units:,} {units}, {share} of all weights."]
    if info.recall is not None and info.precision is not None:
        lines.append(
            f"Of the known region it found {percent(info.recall)} (a draw of this size finds "
            f"{percent(info.chance or 0.0)}); {percent(info.precision)} of what it chose belongs there."
        )
    return tuple(lines)


def table_of(masks: Sequence[Located]) -> tuple[list[str], list[list[str]]]:
    """Head and rows, one a mask; of a known region only where there is one."""
    known = any(each.info.recall is not None for each in masks)
    named = any(each.column for each in masks)  # else the label says the localizer
    head = ["Mask", *["Localizer"] * named, "Units", "Chosen", "Share of all weights"]
    return head + ["Region found", "By a draw", "Right"] * known, [_row(each, named, known) for each in masks]


def pictures_of(masks: Sequence[Located]) -> Markup:
    """Side by side, on one scale."""
    return mask_pictures(wheres_of(masks))


def reading_of(masks: Sequence[Located]) -> list[str]:
    """How to read the picture and the table."""
    several = len(masks) > 1
    vectors = all(each.info.granularity == "value_vectors" for each in masks)
    reads = [READING, *[VECTORS] * vectors, *["All masks share one scale."] * several]
    lines = [" ".join(reads), *[TRAINED] * any(each.column for each in masks), MEANING]
    return lines + [REGION] * any(each.info.recall is not None for each in masks)


def notes_of(masks: Sequence[Located]) -> list[str]:
    """What localizers remarked."""
    told = [f"{each.label}: {note}" if len(masks) > 1 else note for each in masks for note in each.info.notes]
    return list(dict.fromkeys(told))


def wheres_of(masks: Sequence[Located]) -> dict[str, Where]:
    """Label → where it lies."""
    return {each.label: found for each in masks if (found := each.where)}


def _row(each: Located, named: bool, known: bool) -> list[str]:
    info = each.info
    units = info.granularity.replace("_", " ") or "–"
    row = [each.label, *[info.localizer or "–"] * named, units, f"{number(info.chosen)} of {number(info.units)}"]
    row.append(f"{percent(each.share)} ({number(info.weights)})")
    shares = (info.recall, info.chance, info.precision)
    return row + ["–" if share is None else percent(share) for share in shares] * known


def _labels(asked: Sequence[tuple[Record, MaskInfo]]) -> list[str]:
    """The localizer, and whatever else tells the masks apart."""
    rows = [
        (
            info.localizer or "mask",
            info.granularity.replace("_", " "),
            record.model.name if record.model else "",
            str(record.configuration.get("forget") or record.configuration.get("suite") or ""),
            f"{percent(info.chosen / max(1, info.units))}",
        )
        for record, info in asked
    ]
    telling = [0, *(i for i in range(1, 5) if len({row[i] for row in rows}) > 1)]
    return numbered([", ".join(row[i] for i in telling if row[i]) for row in rows])

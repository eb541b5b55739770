"""The status of a cell as people see it: a word, a sign that needs no colour, and a tile that has both."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from expunge.record_audit import Status
from expunge.report.svg import disc, path, picture, polygon, rectangle, text

SIZE = 18.0


@dataclass(frozen=True)
class Look:
    """`sign` stands in text, `colour` is a variable of the page, `means` explains it in a legend."""

    sign: str
    colour: str
    means: str


LOOKS: Mapping[Status, Look] = {
    "never-knew": Look("✓", "var(--good)", "as in a model that never knew"),
    "known": Look("!", "var(--bad)", "still knows more than that"),
    "over-forgotten": Look("↓", "var(--m4)", "gives less than a model that never knew"),
    "unresolved": Look("?", "var(--m5)", "too uncertain to tell; counts as not passed"),
    "uninformative": Look("–", "var(--m0)", "the original did not show the knowledge here; not counted"),
}


def named(status: Status) -> str:
    """
    >>> named("known")
    '! known'
    """
    return f"{LOOKS[status].sign} {status}"


def tile(status: Status, tip: str) -> Markup:
    """A small picture whose shape alone says which status it is."""
    return picture(SIZE, SIZE, tip, "", _shape(status))


def _shape(status: Status) -> list[Markup]:
    """A disc with a tick, a square with a bar, a triangle that points down, a ring with a question, a dash."""
    own, middle = LOOKS[status].colour, SIZE / 2
    if status == "never-knew":
        return [disc(middle, middle, 8, own, own), path([(5, 9.4), (8, 12.3), (13, 6.2)], "in", "var(--paper)")]
    if status == "known":
        mark = [path([(middle, 4.5), (middle, 10)], "in", "var(--paper)")]
        return [rectangle(1.5, 1.5, 15, 15, own), *mark, rectangle(8, 11.8, 2, 2, "var(--paper)")]
    if status == "over-forgotten":
        return [polygon([(0.5, 2), (17.5, 2), (middle, 17)], own)]
    if status == "unresolved":
        return [disc(middle, middle, 7.4, "none", own), text(middle, 13.2, "?", "middle", "query")]
    return [path([(4, middle), (14, middle)], "dash", own)]

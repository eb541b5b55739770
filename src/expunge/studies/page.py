"""The report of a study as sections, and those as a page and as Markdown."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from expunge import __version__
from expunge.report.markdown import inline
from expunge.report.page import environment, style
from expunge.studies import Published

_PLAIN = re.compile(r"<svg ")
_VARIABLES = re.compile(r"var\((--\w+)\)")


@dataclass(frozen=True)
class Table:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Figure:
    name: str  # of its file
    drawn: Markup
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with what stands below it, in this order."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = field(default_factory=tuple)


def to_html(title: str, under: str, sections: Sequence[Section], version: str = "") -> str:
    """One file, nothing loaded."""
    return environment("expunge.studies").get_template("study.html").render(
        title=title, under=under, sections=sections, style=style("style.css"), version=version
    )  # fmt: skip


def to_markdown(title: str, under: str, sections: Sequence[Section], pictures: str = "pictures") -> str:
    """Figures are links to files in the folder `pictures`: see `files`."""
    parts = [f"# {inline(title)}", inline(under)]
    for section in sections:
        parts.append(f"## {inline(section.title)}")
        parts += [inline(text) for text in section.paragraphs]
        for table in section.tables:
            parts += [inline(table.caption)] if table.caption else []
            lines = [table.head, ["---"] * len(table.head), *table.rows]
            parts.append("\n".join(f"| {' | '.join(c if c == '---' else inline(c) for c in row)} |" for row in lines))
        for figure in section.figures:
            parts.append(f"![{inline(figure.caption)}]({pictures}/{figure.name}.svg)")
            parts.append(f"*{inline(figure.caption)}*")
    return "\n\n".join(parts) + "\n"


def published(title: str, under: str, sections: Sequence[Section], numbers: Any, headline: Sequence[str]) -> Published:
    """The report as a page and as Markdown, its pictures, and the numbers that it was made of."""
    return Published(
        {
            "report.html": to_html(title, under, sections, __version__),
            "report.md": to_markdown(title, under, sections),
            "results.json": json.dumps(numbers, indent=1) + "\n",
            **files(sections),
        },
        tuple(headline),
    )


def files(sections: Sequence[Section], pictures: str = "pictures") -> dict[str, str]:
    """Every figure as a file that stands alone: the page's colours are in it."""
    return {
        f"{pictures}/{figure.name}.svg": _alone(figure.drawn)
        for section in sections for figure in section.figures if figure.drawn
    }  # fmt: skip


def _alone(drawn: Markup) -> str:
    sheet = str(style("style.css"))
    light = dict(re.findall(r"(--\w+): (#\w+);", sheet.split("@media")[0]))
    rules = "".join(line + "\n" for line in sheet.splitlines() if line.startswith("svg "))
    rules += "svg { font-family: sans-serif; background: #ffffff; }\n"
    text = str(drawn).replace("<title>", f"<style>{rules}</style><title>", 1)
    text = _PLAIN.sub('<svg xmlns="http://www.w3.org/2000/svg" ', text, count=1)
    return _VARIABLES.sub(lambda found: light.get(found[1], "#000000"), text) + "\n"

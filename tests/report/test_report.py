"""Reports say what the records say, escape everything, load nothing, and are the same each time."""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from expunge.errors import ConfigError
from expunge.evaluate.metric import mean_metric
from expunge.record import ChangeInfo, MaskInfo, Measured, ModelInfo, Outcome, Point, Record, Row, Selection, SetInfo
from expunge.record_file import load_record, save_record
from expunge.report import print_summary, write_report
from expunge.report.markdown import to_markdown
from expunge.report.page import to_html
from expunge.report.settings import differing_settings
from expunge.report.summary import to_json
from expunge.report.view import grouped
from report.made_up import demo_record, evaluation_record, localized_record, measured, private_record

EVIL = "<script>alert('x')</script>\"'&|`*[a](javascript:b)\x00\x1b[31m\u202e"


class Tags(HTMLParser):
    """All tags with their attributes, and a check that they close in order."""

    VOID = ("meta", "br", "hr", "img", "link", "input")
    SELF_CLOSING = ("line", "path", "circle", "polygon", "rect")

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def evil_record() -> Record:
    """Everything that a stranger could have written is hostile."""
    metric = mean_metric([0.2, 0.4], "higher", unit="examples").to_json() | {"note": EVIL}
    named = mean_metric([0.2, 0.4], "higher").to_json() | {"note": EVIL, "unit": EVIL}
    results = {EVIL: {EVIL: metric, "probability": named, "generated_contains": metric}}
    change = ChangeInfo(kind=EVIL, file=EVIL, norms={f"layers.0.{EVIL}.weight": (1.0, 0.5), EVIL: (1, 1)}, note=EVIL)
    where = {"kinds": [EVIL], "layers": [[[1, 2]]], "outside": {EVIL: [1, 2]}}
    mask = MaskInfo(
        localizer=EVIL, granularity=EVIL, chosen=1, units=2, weights=2, total_weights=4, where=where, notes=(EVIL,)
    )
    trajectory = (Point(step=0, forget=0.5, utility=0.5), Point(step=4, forget=0.1, utility=0.4))
    after = Outcome(
        after=results, generations={EVIL: (EVIL, EVIL)}, trajectory=trajectory, change=change,
        seconds={EVIL: 1.0},
        selection=Selection(step=4, why=EVIL, never_known=0.2, never_known_from=EVIL, utility_floor=0.9),
        configuration={EVIL: EVIL}, warnings=(EVIL,), mask=mask,
    )  # fmt: skip
    rows = (Row(id=EVIL, prompt=EVIL, answer=EVIL, group=EVIL), Row(id="2", prompt="x", answer="y"))
    content: dict[str, Any] = {
        "command": EVIL, "arguments": (EVIL, EVIL), "started": "2026-03-01T10:20:30+00:00",
        "changed": {EVIL: EVIL},
        "versions": {EVIL: EVIL}, "platform": {EVIL: EVIL}, "seeds": {EVIL: 1}, "include_text": True,
        "model": ModelInfo(name=EVIL, digest=EVIL, architecture=EVIL, dtype=EVIL), "before": results,
        "sets": {EVIL: SetInfo(role="forget", n=2, title=EVIL, source=EVIL, digest=EVIL, note=EVIL,
        rows=rows)},
        "generations": {EVIL: (EVIL, EVIL)}, "methods": {EVIL: after, "other": after}, "warnings": (EVIL,),
        "mask": mask,
        "glossary": {EVIL: {"title": EVIL, "better": "higher", "reads": EVIL}}, "headline": (EVIL,),
    }  # fmt: skip
    return Record.model_validate(content)


ALL = [demo_record, private_record, evaluation_record, evil_record, localized_record]


@pytest.mark.parametrize("make", ALL)
def test_page_is_well_formed_and_loads_and_runs_nothing(make: Any) -> None:
    html = to_html([make()])
    tags = Tags(html)
    names = {tag for tag, _ in tags.found}
    assert not names & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "a",
        "foreignobject",
    }
    for _, attributes in tags.found:
        assert not {k for k in attributes if k.startswith("on") or k in ("src", "href", "xlink:href", "action")}
    style = re.search(r"<style>(.*?)</style>", html, re.S)
    assert style is not None
    assert "url(" not in style.group(1)
    assert "@import" not in style.group(1)
    assert "default-src 'none'" in html
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", html)


def test_hostile_text_is_shown_as_text() -> None:
    tags = Tags(to_html([evil_record()]))
    assert tags.text.count("<script>alert('x')</script>") > 20
    markdown = to_markdown([evil_record()])
    outside_code = "\n".join(line for line in markdown.splitlines() if not line.startswith("    "))
    assert "<script" not in outside_code
    assert not re.search(r"(?<!\\)\]\(javascript", outside_code)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", markdown)
    assert json.loads(to_json([evil_record()]))["format"] == "expunge-report"


def test_pictures_are_well_formed_named_and_finite() -> None:
    for make in ALL:
        for svg in re.findall(r"<svg.*?</svg>", to_html([make()]), re.S):
            root = ET.fromstring(svg)
            assert root[0].tag == "title"
            assert "nan" not in svg
            assert "inf" not in svg.replace("information", "")


def test_first_lines_say_forgotten_kept_and_cost() -> None:
    text = Tags(to_html([demo_record()])).text
    first = " ".join(text[text.index("NPO + NLL") : text.index("What was asked")].split())  # no-break spaces too
    assert "Capitals to forget: of 15 answers that the model gave before, none is still given." in first
    assert "Facts of other kinds: of 12 answers that were right before, 12 still are: 100 %." in first
    assert "34 still are: 85 %" in first
    assert "Answer probability is 0.084; in a model that never knew, 0.110." in first
    assert "70.8 % of the weights changed" in first


def test_the_runs_own_headline_is_used() -> None:
    own = Outcome(
        after={"forget": measured(0, 4, 1)},
        headline=("Forgotten: all of it.", "Kept: the rest.", "Cost: 3 s."),
    )
    record = private_record(methods={"npo": own})
    markdown = to_markdown([record])
    assert "- **Forgotten** all of it.\n- **Kept** the rest.\n- **Cost** 3 s." in markdown
    several = demo_record(headline=("Both forgot the capitals.",))
    assert to_markdown([several]).splitlines()[2] == "Both forgot the capitals."


def test_several_methods_stand_side_by_side() -> None:
    html = to_html([demo_record()])
    heads = re.findall(r"<thead><tr><th>Metric</th>(.*?)</tr>", html, re.S)
    assert len(heads) == 4
    assert all(
        re.findall("<th>(.*?)</th>", head)[:3] == ["before", "NPO + NLL", "gradient difference"] for head in heads
    )


def test_records_of_the_same_sets_stand_side_by_side_and_others_apart() -> None:
    one, two = (
        private_record(),
        private_record(methods={"simnpo": Outcome(after={"forget": measured(0, 400, 1)})}),
    )
    content = json.loads(to_json([one, two, evaluation_record()]))
    labels = [[model["label"] for model in group["models"]] for group in content["groups"]]
    assert labels == [["before", "simnpo (1)", "simnpo (2)"], ["pythia"]]
    other = evaluation_record(model=ModelInfo(name="larger"), before={"forget": measured(0.1, 30, 2)})
    content = json.loads(to_json([evaluation_record(), other]))
    assert [model["label"] for model in content["groups"][0]["models"]] == ["pythia", "larger"]


def test_settings_that_tell_methods_apart() -> None:
    one = Outcome(configuration={"method": "npo", "options": {"beta": 0.1}, "clip": None, "seed": 0})
    two = Outcome(configuration={"method": "ga", "options": {}, "clip": 1.0, "seed": 0})
    group = grouped([private_record(methods={"a": one, "b": two})])[0]
    assert differing_settings(group.after) == [
        ("method", ["npo", "ga"]),
        ("options.beta", ["0.1", "–"]),
        ("clip", ["–", "1.0"]),
    ]


def test_evaluation_alone() -> None:
    text = Tags(to_html([evaluation_record()])).text
    assert "What pythia knows" in text
    assert "Forget set: the right answer to 21 of 30 questions." in text
    assert "Before and after" not in text


def test_without_texts_ids_and_scores_stand_there_and_the_worst_first() -> None:
    html = to_html([private_record()])
    assert "--include-text" in html
    assert "100 of 400 examples, those still known best" in re.sub(r"\s+", " ", html)
    first = re.search(r'<tr><td class="id"><bdi>(\d+)</bdi>', html)
    assert first is not None
    forgotten = private_record().methods["simnpo"].after["forget"]["generated_contains"].per_example
    assert forgotten[int(first.group(1)) - 1] == 1


def test_an_interrupted_run_says_so() -> None:
    assert "the run was interrupted" in to_html([private_record()])
    assert "had not ended" in to_markdown([private_record(status="running")])


@pytest.mark.parametrize(
    "record",
    [
        Record(command="evaluate", started="2026-03-01T10:20:30+00:00"),
        private_record(methods={"npo": Outcome()}),
        private_record(before={}, sets={}, methods={"npo": Outcome()}),
        private_record(before={"forget": {"probability": {"value": None, "better": "higher", "n": 0}}}),
        private_record(
            methods={"npo": Outcome(trajectory=(Point(step=0, forget=0.0, utility=0.0), Point(step=1, forget=0.0)))}
        ),
        private_record(methods={"npo": Outcome(change=ChangeInfo(kind="dense", norms={"a": (None, None)}))}),
        private_record(methods={"npo": Outcome(change=ChangeInfo(kind="dense", norms={"layers.7.a": (1.0,
        9e9)}))}),
    ],
)  # fmt: skip
def test_records_with_little_in_them(record: Record) -> None:
    Tags(to_html([record]))
    to_markdown([record])
    json.loads(to_json([record]))


def test_a_set_that_only_the_results_name_is_not_lost_silently() -> None:
    """Sets are declared; a result without its set is a mistake of the caller."""
    with pytest.raises(ValueError, match="not in `sets`"):
        private_record(before={"nowhere": measured(1.0, 3, 1)})


def test_written_by_suffix_and_formats_the_same_bytes_each_time(tmp_path: Path) -> None:
    save_record(demo_record(), tmp_path)
    assert write_report(load_record(tmp_path), tmp_path / "r.html", formats=("md", "json")) == tmp_path / "r.html"
    paths = [tmp_path / name for name in ("r.html", "r.md", "r.json")]
    first = [p.read_bytes() for p in paths]
    write_report([demo_record()], tmp_path / "r.html", formats=("md", "json"))
    assert [p.read_bytes() for p in paths] == first
    assert b"\r" not in first[0]


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"r\.pdf.*\.html, \.md, \.json"):
        write_report(demo_record(), tmp_path / "r.pdf")
    with pytest.raises(ConfigError, match="at least one record"):
        write_report([], tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_terminal_summary_prints_texts_as_they_are() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_summary([demo_record(), evil_record()], console)
    text = console.export_text()
    console.file.close()
    assert "none is still given" in text
    assert "15 of 15 [78.2, 100 %]" in text
    assert "[a](javascript:b)" in text
    assert "\x1b" not in text


def test_reports_need_no_torch() -> None:
    code = "import sys, expunge.report; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_command_of_two_words_and_the_title_of_what_was_taught() -> None:
    from expunge.record import Record, SetInfo
    from expunge.report.page import command_line, title_of

    record = Record(
        command="world inject", arguments=("world", "inject", "people"), sets={"d": SetInfo(role="train", n=1)}
    )
    assert command_line(record) == "expunge world inject people"
    assert command_line(record.updated(arguments=())) == "expunge world inject"
    assert title_of([record]) == "What each model was taught, and what it cost"


def test_a_record_with_infinities_is_reported_as_it_will_be_read(tmp_path: Path) -> None:
    """Fresh from a run, before it was written: perplexity of a ruined model."""
    wild = Measured(value=1.8e246, interval=(2.7, inf), n=2, unit="", better="lower")
    record = Record(command="evaluate", status="done", sets={"retain": SetInfo(role="retain", n=2, digest="x")},
                    before={"retain": {"perplexity": wild, "odd": wild.model_copy(update={"value": nan})}})  # fmt: skip
    for suffix in (".html", ".md", ".json"):
        fresh = write_report(record, tmp_path / f"fresh{suffix}").read_bytes()
        save_record(record, tmp_path / "run")
        assert write_report(load_record(tmp_path / "run"), tmp_path / f"read{suffix}").read_bytes() == fresh

"""The report of an audit says what the record says, in every form, and says why where it says nothing."""

import json
import re
from functools import cache
from typing import get_args

import pytest

from expunge.record import ModelInfo, Outcome, Reading, Record, SetInfo
from expunge.record_audit import Audit, Ceiling, Cell, FamilyResult, Status
from expunge.report import print_summary
from expunge.report.audits.distributions import distance, is_graded, models
from expunge.report.audits.glossary import glossary
from expunge.report.audits.status import LOOKS
from expunge.report.audits.tables import cell_rows, family_rows
from expunge.report.audits.view import audits_of, band, control
from expunge.report.audits.words import no_rate
from expunge.report.markdown import to_markdown
from expunge.report.numbers import number, percent, signed
from expunge.report.page import to_html
from expunge.report.summary import to_json
from expunge.report.view import grouped
from report.made_up import demo_record
from report.made_up_audit import (
    CELLS,
    audit_record,
    made_audit,
    nothing_informative,
    quick_audit,
    without_control,
)
from report.test_report import EVIL, Tags


def evil_audit() -> Record:
    """Everything that a stranger could have written is hostile."""
    k: dict[str, float | None] = {"original": 0.9, EVIL: 0.1, "unlearned": 0.5}
    curve = ((1.0, 0.1), (2.0, 0.4))
    cell = Cell(
        name=EVIL, family=EVIL, part=EVIL, n=2, k=k, gap=0.8, gap_lower=0.7, excess=0.4, excess_bounds=(0.3, 0.5),
        status="known", scores=dict.fromkeys(k, (0.1, 0.5, 0.9)), curves=dict.fromkeys(k, curve), note=EVIL,
    )  # fmt: skip
    audit = Audit(
        panel=EVIL, delta=0.2, draws=10, control="retrained models", cells=(cell,), rate=0.5, rate_name=EVIL,
        families={EVIL: FamilyResult(informative=1, passed=0, known=1, verdict=EVIL)},
        ceiling=Ceiling(rate=0.9, left_out=EVIL), worst=EVIL, utility_kept={EVIL: 1.0}, verdict=(EVIL, EVIL),
        cannot_say=(EVIL,), missing={EVIL: EVIL}, seconds={EVIL: 1.0},
    )  # fmt: skip
    return Record(
        command=EVIL, started="2026-03-01T10:20:30+00:00", configuration={"after": EVIL}, audit=audit,
        model=ModelInfo(name=EVIL), methods={"unlearned": Outcome()}, sets={"forget": SetInfo(role="forget", n=3)},
        glossary={EVIL: Reading(title=EVIL, better="higher", reads=EVIL)},
    )  # fmt: skip


MADE = {
    "whole": audit_record,
    "quick": lambda: audit_record(quick_audit()),
    "nothing informative": lambda: audit_record(nothing_informative()),
    "without control": lambda: audit_record(without_control()),
    "empty": lambda: audit_record(
        Audit(panel="v1", delta=0.2, draws=1, control="none"), methods={}, sets={}, before={}
    ),
    "hostile": evil_audit,
}


@cache
def page(name: str) -> str:
    return to_html([MADE[name]()])


def words_of(html: str) -> str:
    return " ".join(Tags(html).text.split())


@pytest.mark.parametrize("name", MADE)
def test_page_is_well_formed_and_loads_and_runs_nothing(name: str) -> None:
    make, html = MADE[name], page(name)
    tags = Tags(html)
    assert not {tag for tag, _ in tags.found} & {"script", "img", "link", "iframe", "object", "form", "a"}
    for _, attributes in tags.found:
        assert not {k for k in attributes if k.startswith("on") or k in ("src", "href", "action")}
    style = re.search(r"<style>(.*?)</style>", html, re.S)
    assert style is not None
    assert not re.search(r"url\(|@import|<", style.group(1))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", html + to_markdown([make()]))
    assert to_html([make()]) == html


def test_hostile_names_are_shown_as_text() -> None:
    tags = Tags(to_html([evil_audit(), evil_audit()]))
    assert tags.text.count("<script>alert('x')</script>") > 60
    outside_code = "\n".join(li for li in to_markdown([evil_audit()] * 2).splitlines() if not li.startswith("    "))
    assert "<script" not in outside_code
    assert not re.search(r"(?<!\\)\]\(javascript", outside_code)


def test_without_audits_the_page_has_nothing_of_them() -> None:
    html = to_html([demo_record()])
    for word in ("--band", "Glossary", "ledger", "Every cell", "never-knew rate"):
        assert word not in html
    assert "audits" not in json.loads(to_json([demo_record()]))


@pytest.mark.parametrize("name", MADE)
def test_every_number_of_a_cell_stands_in_page_markdown_and_json(name: str) -> None:
    record = MADE[name]()
    (audited,) = audits_of(grouped([record]))
    shown, markdown = words_of(page(name)), to_markdown([record])
    content = json.loads(to_json([record]))["audits"][0]
    assert len(content["cells"]) == len(record.audit.cells) == len(cell_rows(audited))
    for row in cell_rows(audited):
        for words in (*row.k, row.gap, row.gap_bound, row.excess, row.excess_bounds, row.status):
            assert words in shown
            assert words.replace("!", "\\!").replace("[", "\\[").replace("]", "\\]") in markdown
    for found, cell in zip(content["cells"], record.audit.cells):
        for field in ("k", "gap", "gap_lower", "excess", "status", "n", "note"):
            assert found[field] == getattr(cell, field)
        assert "scores" not in found
    for family, result in record.audit.families.items():
        assert content["families"][family] == result.model_dump()


def test_rows_are_those_of_the_record() -> None:
    record = audit_record()
    assert record.audit is not None
    (audited,) = audits_of(grouped([record]))
    cell, row = record.audit.cells[0], cell_rows(audited)[0]
    assert row.title == "Answer probability"
    assert row.k == tuple(
        number(cell.k[m]) for m in ("original", "retrained#0", "retrained#1", "retrained#2", "unlearned")
    )
    assert (row.gap, row.excess) == (signed(cell.gap), signed(cell.excess))
    families = {r.name: r for r in family_rows(audited)}
    assert list(families) == list(CELLS)
    result = record.audit.families["form"]
    assert families["form"].passed == f"{result.passed} of {result.informative}"
    assert families["form"].numbers == tuple(
        str(getattr(result, f))
        for f in ("informative", "passed", "known", "over_forgotten", "unresolved", "uninformative")
    )


def test_first_page_has_verdict_rate_ceiling_worst_utility_and_counts() -> None:
    record = audit_record()
    assert record.audit is not None
    assert record.audit.rate == pytest.approx(0.3583, abs=1e-4)
    first = words_of(page("whole")).split("Attack by attack")[0]
    for words in (
        *record.audit.verdict, *record.audit.cannot_say, record.audit.worst, "Never-knew rate", "35.8 %", "12 min 52 s",
        "A model that never saw it reaches 94 % (91 % to 96 %); that is the goal, not 100 %.",
        "Retain set 97.4 %; Facts of other kinds 101.2 %",
        "of 194 answers that the model gave before, 10 are still given",
        "35 cells: 10 never-knew, 10 known, 2 over-forgotten, 10 unresolved and 3 uninformative.",
    ):  # fmt: skip
        assert words in first
    assert "Forgotten" not in first  # the surface is no verdict


def test_every_status_has_a_word_a_sign_and_a_shape_of_its_own() -> None:
    record = audit_record()
    assert record.audit is not None
    assert {cell.status for cell in record.audit.cells} == set(get_args(Status))
    html = page("whole")
    for status in get_args(Status):
        assert f"<strong>{LOOKS[status].sign} {status}</strong>" in html
        assert f": {status}, " in html  # of a tile, for those who cannot see it
    assert len({look.sign for look in LOOKS.values()}) == 5
    tiles = {t: re.findall(rf"<svg[^>]*><title>{t}</title>.*?</svg>", html, re.S) for t in get_args(Status)}
    bare = {re.sub(r' style="[^"]*"|<title>.*?</title>', "", t[0]) for t in tiles.values()}
    assert len(bare) == 5  # without their colours and names


@pytest.mark.parametrize(
    ("audit", "why"),
    [
        (quick_audit(), "the panel is quick"),
        (made_audit().model_copy(update={"rate": None, "panel": "v1, chosen"}), "the panel is chosen"),
        (nothing_informative(), "nothing was informative"),
        (without_control(), "there is no model that never knew"),
    ],
)
def test_where_there_is_no_rate_the_page_says_why(audit: Audit, why: str) -> None:
    record = audit_record(audit)
    assert why in no_rate(audit)
    for text in (words_of(to_html([record])), to_markdown([record])):
        assert "no rate" in text
        assert f"Why: {why}" in text
        assert "There is no ceiling to compare with" in text or audit.ceiling
    assert json.loads(to_json([record]))["audits"][0]["why_no_rate"].startswith(why)


def test_stand_ins_are_named() -> None:
    text = words_of(to_html([audit_record(made_audit(0.0, "twins"))]))
    assert "Never-knew rate against twins" in text
    assert "control (never-seen twins)" in text


def test_uninformative_cells_are_grey_and_say_why() -> None:
    html = page("nothing informative")
    assert len(re.findall('class="bar grey"', html)) == 2
    assert "gap 0 (≥ -0.300); 0.1 is needed" in html
    assert "there is no model that never knew to compare with" in page("without control")


def test_glossary_has_every_number_with_its_direction_and_how_it_misleads() -> None:
    record = audit_record()
    assert record.audit is not None
    (audited,) = audits_of(grouped([record]))
    entries = {title: (direction, reads) for title, direction, reads in glossary([audited])}
    for title in ("Never-knew rate", "Ceiling", "Equivalence band (δ)", "Informative", "Utility kept", "Perplexity"):
        assert all(entries[title])
    for name in {cell.name for cell in record.audit.cells}:
        assert all(entries[record.glossary[name].title]) if name in record.glossary else name == "truth_ratio"
    text = page("whole")
    assert text.count("<h2>Glossary</h2>") == 1
    assert "How to read them" not in text
    for direction, reads in entries.values():
        assert direction in text
        assert reads[:20].replace("'", "&#39;") in text


def test_several_audits_are_compared_first() -> None:
    names = ("runs/npo", "runs/ga", "runs/simnpo")
    audits = (made_audit(), made_audit(0.4), made_audit(0.0, "", 1))
    records = [audit_record(audit, after) for audit, after in zip(audits, names)]
    html = to_html(records)
    table = html.split("The models side by side")[1].split("</table>")[0]
    for record, name in zip(records, names):
        assert name in table
        assert record.audit is not None
        assert record.audit.rate is not None
        assert f"<strong>{percent(record.audit.rate)}</strong>" in table
    assert table.count("97.4\u00a0%") == 3
    assert table.count(">94 %<") == 3
    assert "their rates do not compare" not in html
    assert html.count("<article") == 3
    assert "| runs/ga |" in to_markdown(records)
    content = json.loads(to_json(records))
    assert [audit["label"] for audit in content["audits"]] == list(names)
    assert [model["label"] for model in content["groups"][0]["models"]] == ["original", *names]


def test_rates_that_do_not_compare_are_called_so() -> None:
    html = to_html([audit_record(without_control()), audit_record(quick_audit())])
    assert "differ in their panels and controls: their rates do not compare" in html
    assert "runs/npo (2)" in html


def test_a_headline_that_is_the_verdict_stands_there_once() -> None:
    audit = made_audit()
    record = audit_record(methods={}, headline=(*audit.verdict, "One line more."))
    text = words_of(to_html([record]))
    assert text.count(audit.verdict[0]) == 1
    assert "One line more." in text


def test_audits_beside_other_runs() -> None:
    html = to_html([demo_record(), audit_record()])
    assert html.count("<article") == 1
    assert "Forgotten" in html
    assert "The models side by side" not in html


def test_terminal_says_verdict_rate_ceiling_worst_and_utility() -> None:
    from rich.console import Console

    record = audit_record()
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_summary([record, evil_audit()], console)
    text = console.export_text()
    console.file.close()
    assert record.audit is not None
    for words in (*record.audit.verdict, "35.8 %", "reaches 94 %", record.audit.worst, "Retain set 97.4 %", "0 of 4"):
        assert words in text
    assert "\x1b" not in text
    assert "Metric" not in text


def test_band_and_control_by_hand() -> None:
    k: dict[str, float | None] = {"original": 0.9, "unlearned": 0.3, "retrained#0": 0.1, "retrained#1": 0.3}
    cell = Cell(name="a", family="f", n=1, k=k, gap=0.7)
    assert control(cell) == pytest.approx(0.2)
    assert band(cell, 0.2) == pytest.approx((0.06, 0.34))


def test_distance_equals_that_of_scipy() -> None:
    from scipy.stats import ks_2samp

    graded = [cell for cell in made_audit().cells if is_graded(cell)]
    assert len(graded) == 15
    for cell in graded:
        there = models(cell)
        one, two = there["original"], there["unlearned"]
        assert distance(one, two) == pytest.approx(ks_2samp(one, two)[0])

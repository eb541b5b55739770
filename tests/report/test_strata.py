"""Audits by frequency on the page, in Markdown and in JSON: every number, and nothing where there are no counts."""

import json
from typing import Any

from expunge.record import Record
from expunge.record_strata import InBucket, Misaligned, Slope, Strata, StratifiedCell, Stratum
from expunge.report.audits.strata import counted, strata
from expunge.report.audits.view import audits_of
from expunge.report.markdown import to_markdown
from expunge.report.page import to_html
from expunge.report.summary import to_json
from expunge.report.view import grouped
from report.made_up_audit import audit_record, made_audit
from report.test_report import EVIL, Tags

BUCKETS = (
    Stratum(name="low", n=100, least=1, most=3), Stratum(name="high", n=60, least=27, most=27),
    Stratum(name="not counted", n=40),
)  # fmt: skip


def in_bucket(u: float) -> InBucket:
    return InBucket(
        n=50, k={"original": 0.9, "control": 0.125, "unlearned": u}, excess=u - 0.125,
        excess_interval=(u - 0.25, u - 0.03125), intervals={"unlearned": (u - 0.1, u + 0.1), "original": None},
    )  # fmt: skip


def stratified(title: str = "forget", **changes: Any) -> Strata:
    values = (in_bucket(0.1875), in_bucket(0.625), InBucket(n=0))
    slope = Slope(value=0.371, interval=(0.218, 0.524))
    names = (("probability", "likelihood", ""), ("generated_contains", "generation", ""), ("quantize", "x", "4 bit"))
    cells = tuple(
        StratifiedCell(name=name, family=family, part=part, values=values, residual=slope, original=Slope(value=-0.02))
        for name, family, part in names
    )
    return Strata(set=title, buckets=BUCKETS, cells=cells).model_copy(update=changes)


def recorded(*found: Strata, test: str = "truth_ratio", name: str = "forget") -> Record:
    one = Misaligned(set=name, test=test, bucket="low", n=77, M=0.203, D=0.307, generation=0.911, probability=0.708,
                     M_interval=(0.101, 0.304), D_interval=(0.211, 0.409), correlation=0.456, phi=0.123,
                     correlation_interval=(0.222, 0.678))  # fmt: skip
    return audit_record(made_audit().model_copy(update={"strata": found, "misaligned": (one,)}))


def test_every_number_stands_everywhere() -> None:
    record = recorded(stratified())
    page = " ".join(Tags(to_html([record])).text.split())
    markdown = to_markdown([record]).replace("\\", "")
    for text in (page, markdown):
        for words in (
            "+0.062", "+0.500", "[-0.062, +0.156]", "[+0.375, +0.594]", "k 0.625", "+0.371", "[+0.218, +0.524]",
            "1 to 3 times, 100 facts", "27 times, 60 facts", "not counted, 40 facts", "-0.020", "0.203 [0.101, 0.304]",
            "0.307 [0.211, 0.409]", "0.456 [0.222, 0.678]", "0.123",
            "0.911", "0.708", "Of 3 cells with a slope, 3 keep measurably more", "Truth ratio", "forget, low",
        ):  # fmt: skip
            assert words in text, words
    content = json.loads(to_json([record]))["audits"][0]
    assert content["strata"][0]["cells"][2]["part"] == "4 bit"
    assert content["misaligned"][0]["n"] == 77


def test_pictures_are_of_one_judgement_of_each_kind() -> None:
    (audited,) = audits_of(grouped([recorded(stratified())]))
    (shown,) = strata(audited)
    assert [title for title, _ in shown.drawn] == ["Says the answer", "Answer probability"]
    for _, drawn in shown.drawn:
        assert "1 to 3 times: original 0.900, control 0.125, unlearned 0.188" in drawn
        assert "not counted" not in drawn  # has no place on the axis


def test_without_counts_there_is_nothing_of_it() -> None:
    record = audit_record()
    for text in (to_html([record]), to_markdown([record])):
        assert "By frequency" not in text and "finding likely" not in text


def test_hostile_names_are_shown_as_text() -> None:
    cell = StratifiedCell(name=EVIL, family=EVIL, part=EVIL, values=(in_bucket(0.5), InBucket(n=0), InBucket(n=0)))
    evil = (Stratum(name=EVIL, n=1, least=0, most=0), *BUCKETS[1:])
    html = to_html([recorded(Strata(set=EVIL, buckets=evil, cells=(cell,)), test=EVIL, name=EVIL)])
    assert "<script>alert" not in html and "<script>alert" in Tags(html).text
    assert "<script>alert" not in to_markdown([recorded(Strata(set=EVIL, buckets=evil, cells=(cell,)))])


def test_words() -> None:
    assert [counted(each) for each in BUCKETS] == ["1 to 3 times", "27 times", "not counted"]
    assert counted(Stratum(name="low", n=1, least=0, most=1)) == "0 to 1 time"
    (audited,) = audits_of(grouped([recorded(stratified(cells=()))]))
    assert strata(audited)[0].said == "No slope has an interval: there are too few groups."

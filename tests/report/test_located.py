"""Masks in reports: told apart, counted, compared with a known region and with a draw; nothing that is not there."""

import json
import re

from expunge.record import MaskInfo, Outcome
from expunge.report import print_summary
from expunge.report.located import masks_of, reading_of, said_of, table_of
from expunge.report.markdown import to_markdown
from expunge.report.page import title_of, to_html
from expunge.report.summary import to_json
from expunge.report.view import grouped
from report.made_up import demo_record, localized_record, mask_info

KNOWN = {"recall": 0.5, "precision": 0.25, "chance": 0.1, "notes": ("memflex: 3 of 20 units",)}


def labels(*records) -> list[str]:
    (group,) = grouped(records)
    return [each.label for each in masks_of(group)]


def test_labels_say_what_tells_the_masks_apart() -> None:
    one = localized_record()
    assert labels(one) == ["wagle"]
    assert labels(one, localized_record("snip")) == ["wagle", "snip"]
    assert labels(one, localized_record(granularity="heads")) == ["wagle, value vectors", "wagle, heads"]
    assert labels(one, localized_record(model="other")) == ["wagle, smollm2", "wagle, other"]
    assert labels(one, localized_record(chosen=6)) == ["wagle, 15 %", "wagle, 30 %"]
    elsewhere = one.updated(configuration={"forget": "elements.jsonl"}, configuration_hash="")
    assert labels(one, elsewhere) == ["wagle, capitals.jsonl", "wagle, elements.jsonl"]
    assert labels(one, one) == ["wagle (1)", "wagle (2)"]


def test_the_page_of_a_mask_speaks_of_nothing_else() -> None:
    page = to_html([localized_record()])
    assert "<h1>Where smollm2 holds it, by wagle</h1>" in page
    assert "wagle chose 3 of 20 value vectors, 8.8\u00a0% of all weights." in page
    assert "layer 1, down: 20 % (20 of 100 weights)" in page
    assert "Value vectors are a part of" in page
    absent = ("The numbers", "Example by example", "The way there", "<th>Set</th>", "Region found", "All masks")
    assert not [words for words in absent if words in page]
    assert page.index("Where the mask lies") < page.index("What was asked")


def test_several_stand_side_by_side_with_what_a_draw_would_find() -> None:
    records = [localized_record("memflex", **KNOWN), localized_record("snip"), localized_record("wagle")]
    assert title_of(records) == "Where smollm2 holds it, by memflex, snip and wagle"
    page = to_html(records)
    assert page.count("<svg") == 1
    assert "All masks share one scale" in page
    assert "snip chose" not in page  # a table says it
    assert "memflex: memflex: 3 of 20 units" in page
    head, rows = table_of(masks_of(grouped(records)[0]))
    assert head == ["Mask", "Units", "Chosen", "Share of all weights", "Region found", "By a draw", "Right"]
    assert rows[0] == ["memflex", "value vectors", "3 of 20", "8.8 % (30)", "50 %", "10 %", "25 %"]
    assert rows[1][-3:] == ["–", "–", "–"]
    assert "| memflex | value vectors | 3 of 20 | 8.8 % (30) | 50 % | 10 % | 25 % |" in to_markdown(records)
    assert title_of([*records, localized_record("random")]) == "Where smollm2 holds it, by 4 localizers"


def test_methods_and_the_masks_that_they_trained_within() -> None:
    record = demo_record()
    methods = {name: outcome.model_copy(update={"mask": mask_info()}) for name, outcome in record.methods.items()}
    record = record.updated(methods={**methods, "whole": Outcome()})
    (group,) = grouped([record])
    masks = masks_of(group)
    assert [each.label for each in masks] == list(methods)
    assert any("bit for bit" in line for line in reading_of(masks))
    assert table_of(masks)[0][:2] == ["Mask", "Localizer"]
    page = to_html([record])
    assert page.index("The numbers") < page.index("Where the masks lie") < page.index("What changed in the model")
    told = json.loads(to_json([record]))["groups"][0]["masks"]
    assert [(mask["label"], mask["localizer"]) for mask in told] == [(name, "wagle") for name in methods]


def test_the_terminal_says_it_once() -> None:
    from rich.console import Console

    def said(*records) -> str:
        console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
        print_summary(records, console)
        console.file.close()
        return console.export_text()

    assert said(localized_record()).count("wagle chose") == 1
    assert re.findall(r"^(\w+): \w+ chose", said(localized_record(), localized_record("snip")), re.M) == [
        "wagle",
        "snip",
    ]
    record = demo_record()
    name, outcome = next(iter(record.methods.items()))
    record = record.updated(methods={name: outcome.model_copy(update={"mask": mask_info()})})
    assert f"{name}, within a mask: wagle chose 3 of 20 value vectors" in said(record)


def test_in_words() -> None:
    assert said_of(mask_info(**KNOWN)) == (
        "wagle chose 3 of 20 value vectors, 8.8 % of all weights.",
        "Of the known region it found 50 % (a draw of this size finds 10 %); 25 % of what it chose belongs there.",
    )


def test_a_mask_of_which_little_is_known() -> None:
    bare = MaskInfo(chosen=1, units=2, weights=3, total_weights=0)
    record = localized_record().updated(mask=bare, headline=said_of(bare))
    page = to_html([record])
    assert "<svg" not in page
    assert "The mask's maker chose 1 of 2 units" in to_markdown([record])

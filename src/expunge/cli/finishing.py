"""The end of a command: the report beside the record, and what the terminal says."""

from collections.abc import Sequence
from pathlib import Path

from expunge.record import Record


def finish(record: Record, out: Path, *, json: bool) -> None:
    """Write `report.html`; print the JSON document, or the headline and the tables."""
    from expunge.record_file import to_json
    from expunge.report import write_report

    page = write_report([record], out / "report.html")
    if json:
        print(to_json(record), end="")
        return
    from rich.console import Console

    from expunge.report import print_summary

    print_summary(record, Console())
    print(f"\nreport: {page}")


def finish_file(record: Record, out: Path, *, json: bool) -> None:
    """The same for a command that makes one file: record and page stand beside it, with its name."""
    from expunge.record_file import save_record, to_json
    from expunge.report import write_report
    from expunge.runs.files import page_at, record_at

    save_record(record, record_at(out))
    page = write_report([record], page_at(out))
    if json:
        print(to_json(record), end="")
        return
    print("\n".join(record.headline))
    print(f"{out.name}: {out}\nreport: {page}")


def finish_several(record: Record, others: Sequence[Record], out: Path, *, json: bool) -> None:
    """The same for a run whose results are the records of several models: one report on all of them."""
    from expunge.record_file import to_json
    from expunge.report import write_report

    page = write_report(list(others) or [record], out / "report.html")
    if json:
        print(to_json(record), end="")
        return
    print("\n".join(record.headline))
    print(f"report: {page}")

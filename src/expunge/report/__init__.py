"""Reports: HTML, Markdown and JSON from records. Nothing here sees a model."""

from expunge.report.text import print_summary
from expunge.report.writing import check_report, write_report

__all__ = ["check_report", "print_summary", "write_report"]

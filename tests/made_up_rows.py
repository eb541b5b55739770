"""Rows of a bench, made up."""

from typing import Any

from expunge.bench.table import Row


def tried(number: int, forget: float, utility: float | None, **values: Any) -> Row:
    """A tuning trial; without twins or holdout give `never_known=None`."""
    usual: dict[str, Any] = {"status": "done", "forget_start": 0.9, "never_known": 0.1}
    return Row("s", "npo", "none", "none", "tuning", number, forget=forget, utility=utility, **{**usual, **values})


def final(method: str, seed: int, **values: Any) -> Row:
    """A final run, audited with the quick panel."""
    usual: dict[str, Any] = {
        "status": "done", "audit_status": "done", "passed": 5, "informative": 10, "utility_kept": 0.98,
        "seconds_training": 2.0, "seconds_audit": 8.0, "peak_memory": 2**20, "settings": '{"options": {}}',
        "started": f"2026-01-0{seed + 1}T00:00:00+00:00", "panel": "v1, quick",
    }  # fmt: skip
    return Row("s", method, "none", "none", "final", seed, **{**usual, **values})

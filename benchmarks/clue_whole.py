"""Time of unlearning by CLUE from the command line to the record, on SmolLM2-135M-Instruct.

    python benchmarks/clue_whole.py --out runs/clue-whole [--limit 900] [--learning-rate 1e-4]

Conditions: the capitals of the 40 most populous countries are to go, as many elements' symbols and countries'
continents are to stay, from the table of `world:capitals`, in its own words and without a template. One forget and one
retain circuit of 32 contrasts each, five points on each half of the path, refusals as the forget loss, six epochs,
float32. Everything is in the time: loading the model, measuring before and after, circuits, solver, both stages. Exit
code 1: it takes longer than `--limit` seconds by the clock. What else the machine did is for the reader to say;
processor seconds are told, too.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from expunge.data.example import Example
from expunge.record_file import load_record
from expunge.worlds.capitals.table import facts

ROWS = 40  # of each kind


def written(path: Path, rows: Sequence[Example]) -> str:
    lines = [json.dumps({"prompt": e.prompt, "answer": e.answer, "subject": e.subject}) for e in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def command(rows: Path, out: Path, rate: float) -> list[str]:
    forget = written(rows / "forget.jsonl", facts("capital")[:ROWS])
    retain = written(rows / "retain.jsonl", [*facts("element")[:ROWS], *facts("continent")[:ROWS]])
    return [
        sys.executable, "-m", "expunge", "unlearn", "--model", "smollm2", "--forget", forget, "--retain", retain,
        "--method", "clue", "--epochs", "6", "--learning-rate", f"{rate:g}", "--template", "plain",
        "--max-new-tokens", "8", "--out", str(out),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/clue-whole"))
    parser.add_argument("--limit", type=float, default=900.0)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    given = parser.parse_args()
    typed = command(given.out.with_name(f"{given.out.name}-rows"), given.out, given.learning_rate)
    print(" ".join(typed), flush=True)
    started = time.monotonic()
    subprocess.run(typed, check=True)
    seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    record = load_record(given.out)
    outcome = record.methods["clue"]
    for name, phase in record.seconds.items():
        print(f"{name:45} {phase:8.1f} s")
    for title, metrics in outcome.after.items():
        for metric, after in metrics.items():
            print(f"{title:8} {metric:28} {record.before[title][metric].value:.3f} → {after.value:.3f}")
    assert outcome.mask is not None and outcome.selection is not None
    for note in (*outcome.mask.notes, *outcome.warnings, outcome.selection.why):
        print(note)
    print(
        f"{seconds:.0f} s by the clock, {used.ru_utime + used.ru_stime:.0f} processor seconds, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    sys.exit(seconds > given.limit)


if __name__ == "__main__":
    main()

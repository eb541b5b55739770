"""Counting 10,000 pairs in generated JSON lines, beside reading and decoding the file in one process.

    OMP_NUM_THREADS=1 python benchmarks/count.py [--megabytes 1024] [--pairs 10000] [--workers 2] [--rounds 3]
        [--json FILE]

The text: rows of some 2 kB, words of a Zipf distribution over 50,000, capitals and marks as in prose, every second row
with characters outside ASCII; one word in a hundred is the subject or the answer of a pair, now and then both. Names
are two words, half of the answers are one, of five letters or more. "Reading" is json.loads of every line in one
process; it takes turns with counting. Rates and ratios are of processor seconds (of each worker, where there are
several), in which what others do on the machine counts least; wall times stand beside them. Memory is the sum of what
all processes hold at most, and the same for a quarter of the corpus: it must not grow. Limits (exit code 1): at most
4 times reading, at least 60 MB/s a core, under 500 MiB, and no growth beyond what memory varies by (at most 1.1 times
that of the quarter + 10 MiB). Needs the extra `frequency`.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TIMES, RATE, MEMORY = 4.0, 60.0, 500.0
GROWTH, ROOM = 1.1, 10.0  # of memory over that for a quarter of the corpus: times, and MiB
MIB = 1 << 20


def vocabulary(rng: random.Random, number: int, least: int = 2) -> list[str]:
    letters = "etaoinshrdlucmfwypvbgk"
    return ["".join(rng.choices(letters, k=rng.randint(least, 9))) for _ in range(number)]


def pairs_of(rng: random.Random, number: int) -> list[tuple[str, str]]:
    parts = [each.title() for each in vocabulary(rng, 20_000, 5)]
    name = lambda: f"{rng.choice(parts)} {rng.choice(parts)}"
    answers = [name() if i % 2 else rng.choice(parts) for i in range(number // 5)]
    return [(name(), rng.choice(answers)) for _ in range(number)]


def rows(rng: random.Random, pairs: list[tuple[str, str]]) -> Iterator[bytes]:
    import numpy as np

    words = np.array(vocabulary(rng, 50_000))
    share = 1 / np.arange(1, len(words) + 1)
    drawn = np.random.default_rng(0)
    number = 0
    while True:
        for line in drawn.choice(words, (500, 320), p=share / share.sum()).tolist():
            number += 1
            line[::9] = [each.title() for each in line[::9]]
            line[8::9] = [f"{each}." for each in line[8::9]]
            line[4::13] = [f"{each}," for each in line[4::13]]
            for place in rng.sample(range(319), 3):
                subject, answer = rng.choice(pairs)
                line[place] = subject if rng.random() < 0.6 else answer
                if rng.random() < 0.2:
                    line[place : place + 2] = [subject, answer]
            if number % 2:
                line[100:100] = ["“café”", "–", "it’s"]
            yield json.dumps({"id": number, "text": " ".join(line)}, ensure_ascii=False).encode() + b"\n"


def generate(folder: Path, megabytes: int, number: int) -> None:
    """The corpus, a quarter of it, and the examples."""
    rng = random.Random(0)
    pairs, size = pairs_of(rng, number), 0
    with (folder / "corpus.jsonl").open("wb") as whole, (folder / "quarter.jsonl").open("wb") as quarter:
        for row in rows(rng, pairs):
            whole.write(row)
            if size < megabytes * MIB // 4:
                quarter.write(row)
            size += len(row)
            if size >= megabytes * MIB:
                break
    with (folder / "forget.jsonl").open("w") as file:
        for i, (subject, answer) in enumerate(pairs):
            file.write(json.dumps({"id": f"{i}", "prompt": "?", "answer": answer, "subject": subject}) + "\n")


def read(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def count(folder: Path, name: str, workers: int) -> None:
    from expunge.data.corpus import loads_of
    from expunge.data.sets import load_examples
    from expunge.frequency.names import wanted
    from expunge.frequency.stream import count_stream
    from expunge.frequency.tally import counts_of

    plan = wanted(load_examples(folder / "forget.jsonl")[0]).plan
    tally = count_stream(plan, loads_of([folder / name]), processes=workers, kept=folder / "kept")
    found = counts_of(plan, tally)
    (folder / "kept").unlink()
    print(
        f"{tally.read[0]:,} documents, {sum(each.both > 0 for each in found):,} of {len(found):,} pairs found",
        file=sys.stderr,
    )


def measured(folder: Path, side: str, name: str, workers: int) -> dict[str, float]:
    """In a process of its own. The memory of a process and its children, summed, is looked at while it runs."""
    command = [
        sys.executable,
        __file__,
        "--side",
        side,
        "--folder",
        str(folder),
        "--name",
        name,
        "--workers",
        f"{workers}",
    ]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(command)
    most = 0.0
    while process.poll() is None:
        most = max(most, held(process.pid))
        time.sleep(0.02)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        sys.exit(process.returncode)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "busy": busy, "MiB": most}


def held(pid: int) -> float:
    """MiB that a process and all below it hold for themselves and share, as the system sums it (Linux)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB + sum(held(int(each)) for each in below)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    for hidden in ("--side", "--name"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keep the corpus here, and take it from here")
    options = parser.parse_args()
    if options.side:
        read(options.folder / options.name) if options.side == "read" else count(
            options.folder, options.name, options.workers
        )
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "forget.jsonl").exists():
            generate(folder, options.megabytes, options.pairs)
        return compare(folder, options)


def compare(folder: Path, options: argparse.Namespace) -> int:
    size = (folder / "corpus.jsonl").stat().st_size / 1e6
    load = os.getloadavg()[0]
    seen: dict[str, list[dict[str, float]]] = {"read": [], "count": []}
    for _ in range(options.rounds):
        for side, runs in seen.items():
            runs.append(measured(folder, side, "corpus.jsonl", options.workers))
            print(side, {name: round(value, 2) for name, value in runs[-1].items()}, file=sys.stderr)
    quarter = measured(folder, "count", "quarter.jsonl", options.workers)
    middle = lambda side, what: statistics.median(run[what] for run in seen[side])
    times = statistics.median(c["busy"] / options.workers / r["busy"] for r, c in zip(seen["read"], seen["count"]))
    walls = statistics.median(c["wall"] / r["wall"] for r, c in zip(seen["read"], seen["count"]))
    rate, memory = size / middle("count", "busy"), max(run["MiB"] for run in seen["count"])
    allowed = GROWTH * quarter["MiB"] + ROOM
    print(f"{size:,.0f} MB, {options.pairs:,} pairs, {options.workers} workers; load of the machine before: {load:.1f}")
    print(f"reading and decoding, one process   {middle('read', 'busy'):8.1f} s   wall {middle('read', 'wall'):.1f} s")
    print(f"counting, of each worker            {middle('count', 'busy') / options.workers:8.1f} s   ", end="")
    print(f"wall {middle('count', 'wall'):.1f} s, with its start")
    print(f"counting : reading                  {times:8.2f}     (at most {TIMES:g}); of wall times {walls:.2f}")
    print(f"a core                              {rate:8.0f} MB/s (at least {RATE:g})")
    print(
        f"memory, all processes               {memory:8.0f} MiB (under {MEMORY:g}, at most {allowed:.0f}); "
        f"a quarter of the corpus {quarter['MiB']:.0f}"
    )
    if options.json:
        options.json.write_text(json.dumps({**seen, "quarter": quarter, "load": load}, indent=1))
    return 0 if times <= TIMES and rate >= RATE and memory < MEMORY and memory <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())

"""Time and memory of the localizers on SmolLM2-135M-Instruct with TOFU rows, beside one forward and backward pass.

    EXPUNGE_TOFU=path/to/tofu OMP_NUM_THREADS=1 python benchmarks/localize.py [--rows 40] [--rounds 1]
        [--granularity value_vectors] [--localizers wagle,fisher] [--limit 1.5] [--json FILE]

Conditions: the first rows of forget01 and of retain99, chat template, float32, packed passes of 512 tokens. "One
pass" is a forward and backward pass over both sets in which the gradients of all weights add up; "one pass,
candidates" keeps the gradients of the weights to choose from only, which spares the others' products. A localizer's
time is that of `localize`: tokens, scores and mask, without loading. Each side runs in a process of its own, in turn,
so that memory is its own and a slower machine slows all. The figure to quote is the ratio within one run, of processor
seconds: with one thread, what others do on the machine hardly counts in it. Exit code 1: a gradient localizer takes
more than `--limit` passes.

Memory: "peak" is what a process holds at most once the model is loaded, without the model. Streaming means one buffer
of the candidates' size for each set that is looked at, on top of what one pass needs, and a number for each unit: that
is "expected".

What goes through its set many times (knowledge neurons, causal tracing) is measured only if named: take few rows. TOFU
has no subjects; those that disturb one are given the last word of the question, which costs the same.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expunge.data.example import Example

PASS, CANDIDATES = "one pass", "one pass, candidates"
GRADIENTS = ("saliency", "snip", "wagle", "memflex", "fisher")  # held to the limit
OTHERS = ("random", "magnitude", "activations", "wanda", "attribution_patching")
MIB = 2**20


def examples(name: str, count: int) -> "list[Example]":
    from expunge.data.example import Example

    folder = os.environ.get("EXPUNGE_TOFU")
    if not folder:
        sys.exit("set EXPUNGE_TOFU to a folder with TOFU's files")
    rows = [json.loads(line) for line in (Path(folder) / name).read_text().splitlines()][:count]
    return [
        Example(id=f"{name}:{i}", prompt=row["question"], answer=row["answer"], subject=last_word(row["question"]))
        for i, row in enumerate(rows)
    ]


def last_word(question: str) -> str:
    return question.split()[-1].strip("?.!\"'")


def resident() -> float:
    """MiB at most since the peak was last forgotten."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:  # not Linux: the peak of the whole process
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def run_side(side: str, rows: int, granularity: str) -> None:
    """In a process of its own: measure and print."""
    from expunge.config import FitConfig, LocalizeConfig
    from expunge.data.convention import Encoder
    from expunge.localize import localizers
    from expunge.localize.localizing import localize
    from expunge.localize.units import units_of
    from expunge.models.gradients import mean_gradient
    from expunge.models.loading import load_model
    from expunge.models.naming import plain_parameters

    model = load_model("smollm2")
    encoder = Encoder(model.tokenizer)
    sets = examples("forget01.json", rows), examples("retain99.json", rows)
    units, tokens = units_of(model, granularity), FitConfig().budget("cpu")
    names = tuple(plain_parameters(model.network)) if side == PASS else units.parameters
    weights = sum(prod(units.shapes[name]) for name in names)
    buffer = weights * 4 / MIB

    def passes() -> None:
        mean_gradient(model, names, [one for each in sets for one in encoder.encode_all(each)], budget=tokens)

    def localizing() -> None:
        localize(model, *sets, LocalizeConfig(localizer=side, granularity=granularity), encoder, tokens=tokens)

    mean_gradient(model, names[:1], encoder.encode_all(sets[0][:1]), budget=tokens)  # warm
    plain = side in (PASS, CANDIDATES)
    looked_at = 1 if plain else len(localizers.get(side).looks_at)
    found = measured(passes if plain else localizing)
    sizes = {"buffer MiB": round(buffer), "scores MiB": round(units.count * 4 / MIB) * (not plain)}
    print(json.dumps({**found, **sizes, "sets": looked_at}))


def measured(work: Callable[[], None]) -> dict[str, float]:
    forget_peak()
    before, wall, busy = resident(), time.perf_counter(), time.process_time()
    work()
    seconds = {"seconds": time.process_time() - busy, "wall": time.perf_counter() - wall}
    return {**{name: round(value, 2) for name, value in seconds.items()}, "peak MiB": round(resident() - before)}


def table(seen: dict[str, list[dict]]) -> tuple[str, dict[str, float]]:
    """The lines, and each side's time as a ratio to one pass."""
    middle = lambda side, what: statistics.median(one[what] for one in seen[side])
    peak = lambda side: max(one["peak MiB"] for one in seen[side])
    working = peak(CANDIDATES) - seen[CANDIDATES][0]["buffer MiB"]  # activations and the like
    ratios = {side: middle(side, "seconds") / middle(PASS, "seconds") for side in seen}
    heads = ("seconds", "wall", "passes", "of candidates", "peak MiB", "expected")
    text = [f"{'':24}" + "".join(f"{head:>15}" for head in heads)]
    for side, runs in seen.items():
        expected = working + runs[0]["buffer MiB"] * runs[0]["sets"] + runs[0]["scores MiB"]
        of_candidates = middle(side, "seconds") / middle(CANDIDATES, "seconds")
        values = f"{middle(side, 'seconds'):15.1f}{middle(side, 'wall'):15.1f}{ratios[side]:15.2f}{of_candidates:15.2f}"
        text.append(f"{side:24}{values}{peak(side):15}{expected if side in (*GRADIENTS, CANDIDATES) else '–':>15}")
    return "\n".join(text), ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=40, help="of each set")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--granularity", default="value_vectors")
    parser.add_argument("--localizers", default=",".join((*GRADIENTS, *OTHERS)))
    parser.add_argument("--limit", type=float, default=1.5, help="passes that a gradient localizer may take")
    parser.add_argument("--side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.rows, options.granularity)
        return 0
    seen: dict[str, list[dict]] = {side: [] for side in (PASS, CANDIDATES, *options.localizers.split(","))}
    for _ in range(options.rounds):
        for side in seen:
            command = [sys.executable, __file__, "--side", side]
            command += ["--rows", str(options.rows), "--granularity", options.granularity]
            seen[side].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
            print(side, seen[side][-1], file=sys.stderr)
    text, ratios = table(seen)
    print(f"{options.rows} + {options.rows} rows, {options.granularity}\n{text}")
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1))
    over = [side for side in GRADIENTS if ratios.get(side, 0.0) > options.limit]
    said = f"over: {', '.join(over)}" if over else "kept"
    print(f"limit of {options.limit:g} passes for {', '.join(GRADIENTS)}: {said}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())

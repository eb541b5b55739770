"""Time and memory of `expunge relate` on SmolLM2-135M-Instruct with TOFU rows, beside one backward pass an example.

    EXPUNGE_TOFU=path/to/tofu OMP_NUM_THREADS=1 python benchmarks/relate.py [--rows 6] [--rounds 1] [--projection 16384]
        [--limit 1.5] [--json FILE]

Conditions: the first rows of forget01 and as many of retain99, chat template, float32, gradients of all weights.
"Passes" is a forward and backward pass for each example whose gradients are let go as they come: no way of comparing
single examples by their gradients one at a time can be faster. "Batch" is one pass over all rows in packs of 512 tokens
with one gradient of the sum: what a batched way could reach at best. "Exact" has 1 GiB for gradients, so that it holds
a block and makes the others again. Each side runs in a process of its own, in turn. The figure to quote is the ratio
within one run, of processor seconds. Exit code 1: projecting takes more than `--limit` times the passes alone, or holds
more than a quarter of a gradient beside what they hold.

Memory: "peak" is what a process holds at most once the model is loaded, without the model. A whole gradient is told
beside.
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
from pathlib import Path

PASSES, BATCH, PROJECTED, EXACT = "passes", "batch", "projected", "exact"
MIB = 2**20


def resident() -> float:
    """MiB at most since the peak was last forgotten."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:  # not Linux: the peak of the whole process
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_side(side: str, rows: int, projection: int) -> None:
    """In a process of its own: measure and print."""
    from expunge.data.convention import Encoder
    from expunge.data.example import Example
    from expunge.evaluate.relatedness import chosen_parameters
    from expunge.models import gradient_products as products
    from expunge.models.gradients import mean_gradient
    from expunge.models.loading import load_model
    from expunge.models.sketch import Sketch

    folder = os.environ.get("EXPUNGE_TOFU")
    if not folder:
        sys.exit("set EXPUNGE_TOFU to a folder with TOFU's files")
    examples = []
    for name in ("forget01.json", "retain99.json"):
        lines = (Path(folder) / name).read_text().splitlines()[:rows]
        found = [json.loads(line) for line in lines]
        examples += [
            Example(id=f"{name}:{i}", prompt=row["question"], answer=row["answer"]) for i, row in enumerate(found)
        ]
    model = load_model("smollm2")
    encoded = Encoder(model.tokenizer).encode_all(examples)
    names = chosen_parameters(model, ())
    weights = products.weights_of(model, names)
    passes = products.passes_of(len(encoded), weights, 1024 * MIB) if side == EXACT else len(encoded)

    def alone() -> None:
        with products._streamed(model, names, lambda *_: None):
            for each in encoded:
                products._backward(model, each, bf16=False)

    work: dict[str, Callable[[], object]] = {
        PASSES: alone,
        BATCH: lambda: mean_gradient(model, names, encoded, budget=512),
        PROJECTED: lambda: products.sketches(model, names, encoded, Sketch(projection)),
        EXACT: lambda: products.exact_products(model, names, encoded, memory=1024 * MIB),
    }
    products.sketches(model, names[-1:], encoded[:1], Sketch(16))  # warm
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before, wall, busy = resident(), time.perf_counter(), time.process_time()
    work[side]()
    found = {"seconds": time.process_time() - busy, "wall": time.perf_counter() - wall}
    told = {name: round(value, 2) for name, value in found.items()}
    tokens = sum(len(each.ids) for each in encoded)
    sizes = {"gradient MiB": round(weights * 4 / MIB), "examples": len(encoded), "passes": passes, "tokens": tokens}
    print(json.dumps({**told, "peak MiB": round(resident() - before), **sizes}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=6, help="of each set")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--projection", type=int, default=16_384)
    parser.add_argument("--limit", type=float, default=1.5, help="times the passes alone that projecting may take")
    parser.add_argument("--side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.rows, options.projection)
        return 0
    seen: dict[str, list[dict]] = {side: [] for side in (PASSES, BATCH, PROJECTED, EXACT)}
    for _ in range(options.rounds):
        for side in seen:
            command = [sys.executable, __file__, "--side", side, "--rows", str(options.rows)]
            command += ["--projection", str(options.projection)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            seen[side].append(json.loads(done.stdout))
            print(side, seen[side][-1], file=sys.stderr)
    middle = {side: statistics.median(run["seconds"] for run in runs) for side, runs in seen.items()}
    first = seen[PASSES][0]
    print(f"{first['examples']} examples, {first['tokens']} tokens, a gradient of {first['gradient MiB']} MiB")
    print(f"{'':12}{'seconds':>10}{'an example':>12}{'ratio':>8}{'passes':>8}{'peak MiB':>10}")
    for side, runs in seen.items():
        each, peak = middle[side] / runs[0]["examples"], max(run["peak MiB"] for run in runs)
        ratio = middle[side] / middle[PASSES]
        print(f"{side:12}{middle[side]:10.1f}{each:12.2f}{ratio:8.2f}{runs[0]['passes']:8}{peak:10}")
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1))
    slow = middle[PROJECTED] / middle[PASSES] > options.limit
    peak = lambda side: max(run["peak MiB"] for run in seen[side])
    large = peak(PROJECTED) - peak(PASSES) > first["gradient MiB"] / 4
    said = " and ".join([*["time"] * slow, *["memory"] * large]) or "kept"
    print(f"limit of {options.limit:g} passes and a quarter of a gradient beside them, for projecting: {said}")
    return 1 if slow or large else 0


if __name__ == "__main__":
    sys.exit(main())

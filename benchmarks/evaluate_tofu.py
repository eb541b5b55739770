"""Time and memory of the TOFU evaluation on SmolLM2-135M-Instruct: one pass for all metrics, beside one a metric.

    EXPUNGE_TOFU=path/to/tofu python benchmarks/evaluate_tofu.py [--rows N] [--rounds 1] [--bfloat16] [--json FILE]

Conditions: forget01 whole, the first 50 rows of retain, real authors and world facts, the first 40 of holdout10 as the
control of membership inference; chat template, greedy answers of up to 200 tokens. `--rows` takes fewer of each.

- default: probability, truth ratio (paraphrased and wrong answers), probability among options, ROUGE-L, extraction
  strength, Min-K of forget and holdout set.
- further: exact memorization, loss, zlib, Min-K++ of forget (and holdout) set.
- gradient norm of forget and holdout set: a backward pass an example, on a line of its own.

"One a metric" is what one writes first: for every metric its own forward pass over the answers it needs, no beginning
shared. It uses the same packed rows, and projects the vocabulary at the answers only, so that the ratio shows the
sharing alone. Answering and gradient norms are the same code on both sides: they are measured once and counted on both.
"Arithmetic" is that of the metrics with their intervals. Each side runs in a process of its own, in turn, so that
memory is its own and a slower machine slows both; the figure to quote is the ratio within one run. For comparison,
OpenUnlearning (d3d7cf9, float32, two cores): 508.6 s default, 89.2 s further, 67.3 s gradient norm; 5,071 MiB.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expunge.data.example import Example

SIDES = ("expunge", "one a metric")
NEW_TOKENS = 200
DEFAULT = ("probability", "truth_ratio", "probability_normalized", "rouge_l_recall", "extraction_strength", "min_k")
FURTHER = ("exact_memorization", "loss", "zlib", "min_k_plus_plus")
# metric → the sets that it runs over, one pass each
DEFAULT_PASSES = {
    "probability": ("forget", "retain", "real authors", "world facts"),
    "paraphrased": ("forget", "retain"),
    "perturbed": ("forget", "retain", "real authors", "world facts"),
    "extraction_strength": ("forget",),
    "min_k": ("forget", "holdout"),
}
FURTHER_PASSES = {
    "exact_memorization": ("forget",),
    "loss": ("forget", "holdout"),
    "zlib": ("forget", "holdout"),
    "min_k_plus_plus": ("forget", "holdout"),
}


def sets(rows: int) -> "dict[str, tuple[Example, ...]]":
    from expunge.suites import suites

    if not os.environ.get("EXPUNGE_TOFU"):
        sys.exit("set EXPUNGE_TOFU to a folder with TOFU's files")
    suite = suites.get("tofu").function("forget01+holdout")
    few = min(rows, 50)
    return {
        "forget": suite.sets.forget[:rows], "holdout": suite.sets.holdout[: min(rows, 40)],
        **{name: suite.utility[name][:few] for name in ("retain", "real authors", "world facts")},
    }  # fmt: skip


class Clock:
    """Seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - started


def expunge_side(rows: int, *, bf16: bool, clock: Clock) -> None:
    """Scores twice, as two evaluations would: for the default metrics, and for all."""
    from functools import partial

    from expunge.data.convention import Encoder
    from expunge.evaluate import metrics
    from expunge.evaluate.interval import Resampling
    from expunge.evaluate.observations import observe, why_not
    from expunge.models.loading import load_model

    model = load_model("smollm2")
    encoder = Encoder(model.tokenizer)
    for name, examples in sets(rows).items():
        look = partial(observe, model, examples, encoder, max_new_tokens=NEW_TOKENS, budget=8192, bf16=bf16)
        chosen = [
            entry
            for entry in map(metrics.get, (*DEFAULT, *FURTHER))
            if (entry.membership or name != "holdout") and not any(why_not(need, examples) for need in entry.needs)
        ]
        needs = {
            part: {need for entry in chosen if entry.name in names for need in entry.needs} - {"generations"}
            for part, names in (("scores, default", DEFAULT), ("scores, all", (*DEFAULT, *FURTHER)))
        }
        for part, wanted in needs.items():
            with clock(part):
                seen = look(needs=wanted)
        if name != "holdout":
            with clock("answers"):
                seen = replace(seen, generations=look(needs={"generations"}).generations)
        if name in ("forget", "holdout"):
            with clock("gradient norm"):
                look(needs={"gradient_norms"})
        for entry in chosen:
            with clock("arithmetic, default" if entry.name in DEFAULT else "arithmetic, further"):
                entry(seen.within(entry.span), resampling=Resampling.of(examples))


def plain_side(rows: int, *, bf16: bool, clock: Clock) -> None:
    """For every metric a pass of its own, each answer with its whole prompt."""
    from expunge.data.convention import Encoder
    from expunge.models.loading import load_model
    from expunge.models.scoring import score

    model = load_model("smollm2")
    encoder = Encoder(model.tokenizer)
    data = sets(rows)

    def run(metric: str, name: str) -> None:
        wanted = []
        for example in data[name]:
            several = {
                "paraphrased": [example.paraphrased_answer], "perturbed": list(example.perturbed_answers)
            }.get(metric, [None])  # fmt: skip
            wanted += [(example, None, answer) for answer in several]
        groups = [[encoded] for encoded in encoder.encode_many(wanted)]
        score(model, groups, budget=8192, bf16=bf16, moments=metric == "min_k_plus_plus")

    for part, passes in (("scores, default", DEFAULT_PASSES), ("scores, further", FURTHER_PASSES)):
        for metric, names in passes.items():
            for name in names:
                with clock(part):
                    run(metric, name)


def run_side(side: str, rows: int, *, bf16: bool) -> None:
    """In a process of its own: measure and print."""
    clock = Clock()
    {"expunge": expunge_side, "one a metric": plain_side}[side](rows, bf16=bf16, clock=clock)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps({"seconds": {k: round(v, 2) for k, v in clock.seconds.items()}, "peak MiB": peak}))


def table(seen: dict[str, list[dict]]) -> str:
    """Seconds by line, ours and one pass a metric, and their ratio."""
    middle = lambda side, part: statistics.median(one["seconds"].get(part, 0.0) for one in seen[side])
    ours, plain = (lambda part: middle("expunge", part)), (lambda part: middle("one a metric", part))
    answers, norms = ours("answers"), ours("gradient norm")
    counted = ours("arithmetic, default")
    further = counted + ours("arithmetic, further")
    plain_all = plain("scores, default") + plain("scores, further")
    lines = [
        ("scores, default", ours("scores, default"), plain("scores, default")),
        ("scores, default and further", ours("scores, all"), plain_all),
        ("answers (the same)", answers, answers),
        ("arithmetic (the same)", further, further),
        ("gradient norm (the same)", norms, norms),
        ("default suite", ours("scores, default") + answers + counted, plain("scores, default") + answers + counted),
        ("default and further", ours("scores, all") + answers + further, plain_all + answers + further),
    ]
    text = [f"{'seconds':30}{'expunge':>10}{'one a metric':>14}{'ratio':>8}"]
    text += [f"{name:30}{one:10.1f}{two:14.1f}{two / max(one, 1e-9):8.2f}" for name, one, two in lines]
    peaks = [max(one["peak MiB"] for one in seen[side]) for side in SIDES]
    return "\n".join([*text, f"{'peak MiB':30}{peaks[0]:10}{peaks[1]:14}{peaks[1] / peaks[0]:8.2f}"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=50, help="of each set, at most")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bfloat16", action="store_true", help="arithmetic in bfloat16")
    parser.add_argument("--side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.rows, bf16=options.bfloat16)
        return
    seen: dict[str, list[dict]] = {side: [] for side in SIDES}
    for _ in range(options.rounds):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, "--rows", str(options.rows)]
            command += ["--bfloat16"] * options.bfloat16
            seen[side].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(side, seen[side][-1], file=sys.stderr)
    print(table(seen))
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()

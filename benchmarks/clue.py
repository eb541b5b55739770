"""Time of CLUE's discovery on SmolLM2-135M-Instruct, beside one forward and backward pass over the same prompts.

    OMP_NUM_THREADS=1 python benchmarks/clue.py [--pairs 8] [--points 5] [--granularity matrices] [--json FILE]

Conditions: contrasts of capitals, one batch, float32. "One pass" is a forward and backward pass over both prompts of
every contrast in which the gradients of all weights add up. Processor seconds, so that what else the machine does
hardly counts; the figures to quote are the ratios within one run. "runs" are the plain runs of both versions,
"attribution" all edges in both directions, "one size" a run in which all edges but some are patched, "one edge" an
exact patch, the mean over 16 edges that are drawn. A whole discovery is runs + attribution + about 20 sizes +
2 · `confirm` edges. The solver's time is that of `solve.py`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch

from expunge.circuits.attribution import attribute
from expunge.circuits.contrast import contrasts
from expunge.circuits.graph import graph_of
from expunge.circuits.patching import patch
from expunge.circuits.scene import scene_of
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.models.gradients import mean_gradient
from expunge.models.loading import load_model

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Russia": "Moscow", "Greece": "Athens",
    "Austria": "Vienna", "Poland": "Warsaw", "Portugal": "Lisbon", "Ireland": "Dublin", "Japan": "Tokyo",
    "China": "Beijing", "Egypt": "Cairo", "Cuba": "Havana", "Peru": "Lima", "Iran": "Tehran",
}  # fmt: skip


def timed(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--points", type=int, default=5)
    parser.add_argument("--granularity", default="matrices")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = load_model("smollm2")
    rows = [
        Example(id=name, prompt=f"The capital of {name} is the city of", answer=city, subject=name)
        for name, city in CAPITALS.items()
    ]
    pairs = contrasts(rows, Encoder(model.tokenizer), pairs=given.pairs)
    graph = graph_of(model, given.granularity)
    prompts = [each.encoded(side) for each in pairs for side in ("clean", "corrupted")]
    names = [name for name, _ in model.network.named_parameters()]
    one_pass = lambda: mean_gradient(model, names, prompts, budget=4096)
    one_pass()  # the first is slower
    found: dict[str, float] = {"one pass": timed(one_pass)}
    found["runs"] = timed(lambda: scene_of(model, graph, pairs))
    scene = scene_of(model, graph, pairs)
    found["attribution"] = timed(lambda: attribute(scene, points=given.points))
    keep = (torch.rand(graph.possible.shape, generator=torch.Generator().manual_seed(0)) < 0.2).float()
    found["one size"] = timed(lambda: scene.recovered("noising", keep))
    possible = graph.possible.nonzero().tolist()
    drawn = torch.randperm(len(possible), generator=torch.Generator().manual_seed(0))[:16].tolist()
    edges = [(possible[i][0], possible[i][1]) for i in drawn]
    found["one edge"] = timed(lambda: patch(scene, "noising", edges)) / len(edges)
    tokens = sum(len(each.clean) for each in pairs)
    print(
        f"{len(pairs)} pairs, {tokens} tokens each way, {int(graph.possible.sum())} edges, {given.points} points a half"
    )
    for name, seconds in found.items():
        print(f"{name:12} {seconds:7.2f} s  {seconds / found['one pass']:6.2f} passes", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

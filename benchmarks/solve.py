"""Time of CLUE's solver against the number of nodes.

    python benchmarks/solve.py [--nodes 100,1000,10000] [--seeds 1] [--limit 10] [--json FILE]

Conditions: a forget and a retain circuit over as many names, eight of ten of them in both, up to three inputs a node,
200 inputs of the output, gates drawn by a seed in three mixtures: forget circuits that are hard to switch off (ORs and
ADDERs) against retain circuits that are hard to spare (ANDs and ADDERs), the same with a few of the other kind, and
ANDs and ORs only. Damages are drawn too, so that all levels of the solver have work. "sat" is the plain question
whether a conflict is needed, "fewest" the whole solution, "certain" the same with the nodes that are so in every best
solution.
Exit code 1: a whole solution takes more than `--limit` seconds.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

from expunge.circuits.gates import GATES, Circuit, Gate, leading_to
from expunge.circuits.solve import fewest_conflicts, satisfiable

MIXTURES = {"hard": ((0, 1, 1), (1, 0, 1)), "mixed": ((0.05, 1, 1), (1, 0.3, 1)), "plain": ((0.2, 1, 0), (1, 0.2, 0))}
TOPS, WINDOW = 200, 200  # inputs of the output; how far below its inputs are


def circuit(count: int, rng: random.Random, names: list[str], weights: tuple[float, ...]) -> Circuit:
    inputs: dict[str, dict[Gate, tuple[str, ...]]] = {}

    def connect(target: str, some: list[str], kind: Gate) -> None:
        inputs.setdefault(target, {})[kind] = tuple(some)

    for i in range(1, count):
        if rng.random() < 0.8:
            below = range(max(0, i - WINDOW), i)
            some = [names[j] for j in rng.sample(below, min(rng.randint(1, 3), len(below)))]
            connect(names[i], some, rng.choices(GATES, weights)[0])
    tops = names[-min(TOPS, count) :]
    drawn = rng.choices(GATES, weights, k=len(tops))
    for kind in set(drawn):
        connect("out", [name for name, gate in zip(tops, drawn) if gate == kind], kind)
    return leading_to(inputs, "out", [*names, "out"])


def measured(count: int, mixture: str, seed: int) -> dict[str, float | int | str]:
    rng = random.Random(seed)
    sides = [[f"{'n' if rng.random() < 0.8 else side}{i}" for i in range(count)] for side in "fr"]
    forget, retain = (circuit(count, rng, n, w) for n, w in zip(sides, MIXTURES[mixture]))
    damage = {name: rng.random() for name in forget.nodes}
    row: dict[str, float | int | str] = {
        "nodes": count, "mixture": mixture, "in circuits": len({*forget.nodes, *retain.nodes}),
    }  # fmt: skip
    for name, call in {
        "sat": lambda: satisfiable(forget, [retain]),
        "fewest": lambda: fewest_conflicts(forget, [retain], damage=damage),
        "certain": lambda: fewest_conflicts(forget, [retain], damage=damage, backbones=True),
    }.items():
        started = time.perf_counter()
        found = call()
        row[name] = round(time.perf_counter() - started, 3)
        if name == "fewest":
            row["conflicts"], row["off"] = len(found.of("conflict")), len(found.of("forget"))  # type: ignore[union-attr]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="100,1000,10000")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--limit", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for count in map(int, given.nodes.split(",")):
        for mixture in MIXTURES:
            for seed in range(given.seeds):
                rows.append(measured(count, mixture, seed))
                print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    sys.exit(any(float(row["fewest"]) > given.limit for row in rows))


if __name__ == "__main__":
    main()

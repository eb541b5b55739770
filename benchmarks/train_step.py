"""Time and memory of an NPO + NLL step on SmolLM2-135M-Instruct with TOFU rows, beside the straightforward step.

    EXPUNGE_TOFU=path/to/tofu python benchmarks/train_step.py [--steps 4] [--rounds 2] [--json FILE]

Conditions: 8 forget rows (forget01) and 8 retain rows (retain99) a step, chat template, learning rate 1e-5, weight
decay 0.01, float32. "Straightforward" is what one writes first: a second model for the reference, padded batches,
logits at every position, one graph for both losses. Each side runs in a process of its own, in turn, so that memory
is its own and a slower machine slows both; the figure to quote is the ratio. "bfloat16 attention" leaves attention in
bfloat16 where it is otherwise computed in float32 (`models/attention.py`: short texts, on a processor).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

SIDES = ("expunge", "expunge bfloat16", "expunge bfloat16 attention", "expunge checkpointing", "straightforward")


def rows(name: str) -> list[dict[str, str]]:
    folder = os.environ.get("EXPUNGE_TOFU")
    if not folder:
        sys.exit("set EXPUNGE_TOFU to a folder with TOFU's files")
    return [json.loads(line) for line in (Path(folder) / name).read_text().splitlines()]


def expunge_side(steps: int, precision: str, checkpointing: bool) -> dict[str, object]:
    from expunge.config import TrainConfig
    from expunge.data.example import Example, Sets
    from expunge.models.loading import load_model
    from expunge.train.unlearn import train

    def examples(name: str, count: int) -> tuple[Example, ...]:
        return tuple(
            Example(id=f"{name}:{i}", prompt=row["question"], answer=row["answer"])
            for i, row in enumerate(rows(name)[:count])
        )

    model = load_model("smollm2")
    sets = Sets(forget=examples("forget01.json", 8 * steps), retain=examples("retain99.json", 8 * steps))
    started = time.perf_counter()
    marks: list[float] = []
    config = TrainConfig(
        method="npo", max_steps=steps, batch_size=8, learning_rate=1e-5, weight_decay=0.01, clip=None,
        eval_every=10**6, precision=precision, gradient_checkpointing=checkpointing,
    )  # fmt: skip
    watch = lambda step: (marks.append(time.perf_counter()), {"forget": 0.0, "utility": None})[1]
    ticks: list[float] = []
    train(model, sets, config, watch=watch, tick=lambda *_: ticks.append(time.perf_counter()))
    return {
        "before the first step": round(marks[0] - started, 2),  # the reference's scores among it
        "steps": [round(b - a, 3) for a, b in zip([marks[0], *ticks], ticks)][:-1],  # the last one evaluates, too
    }


def straightforward_side(steps: int) -> dict[str, object]:
    import copy

    import torch
    from torch.nn.functional import logsigmoid
    from torch.nn.utils.rnn import pad_sequence

    from expunge.data.convention import Encoder
    from expunge.data.example import Example
    from expunge.models.loading import load_model

    loaded = load_model("smollm2")
    model = loaded.network
    model.set_attn_implementation("sdpa")
    reference = copy.deepcopy(model)
    encoder = Encoder(loaded.tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01)

    def batch(name: str, start: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        chosen = rows(name)[start : start + 8]
        encoded = [encoder.encode(Example(id="", prompt=r["question"], answer=r["answer"])) for r in chosen]
        ids = pad_sequence([torch.tensor(e.ids) for e in encoded], batch_first=True)
        labels = [torch.tensor([-100] * e.start + list(e.ids[e.start :])) for e in encoded]
        mask = pad_sequence([torch.ones(len(e.ids), dtype=torch.long) for e in encoded], batch_first=True)
        return ids, mask, pad_sequence(labels, batch_first=True, padding_value=-100)

    def answer(network: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = network(input_ids=ids, attention_mask=mask).logits[:, :-1]
        wanted = labels[:, 1:]
        picked = logits.log_softmax(-1).gather(2, wanted.clamp(min=0)[..., None])[..., 0]
        return (picked * (wanted != -100)).sum(1)

    times = []
    started = time.perf_counter()
    for step in range(steps):
        mark = time.perf_counter()
        forget, retain = batch("forget01.json", 8 * step), batch("retain99.json", 8 * step)
        with torch.no_grad():
            start = answer(reference, *forget)
        loss = -(2 / 0.1) * logsigmoid(-0.1 * (answer(model, *forget) - start)).mean()
        loss = loss + model(input_ids=retain[0], attention_mask=retain[1], labels=retain[2]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(round(time.perf_counter() - mark, 3))
    return {"before the first step": round(started - started, 2), "steps": times[:-1]}


def run_side(side: str, steps: int) -> None:
    """In a process of its own: measure and print."""
    if side == "straightforward":
        found = straightforward_side(steps)
    else:
        from expunge.models import attention

        precision = "bfloat16" if "bfloat16" in side else "float32"
        if "attention" in side:
            attention._SHORT = 0
        found = expunge_side(steps, precision, "checkpointing" in side)
    found["peak MiB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, options.steps)
        return
    sides = options.sides.split(",")
    seen: dict[str, list[dict]] = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side in sides:
            command = [sys.executable, __file__, "--side", side, "--steps", str(options.steps)]
            seen[side].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            print(side, seen[side][-1], file=sys.stderr)
    plain = statistics.median(t for one in seen["straightforward"] for t in one["steps"])
    memory = max(one["peak MiB"] for one in seen["straightforward"])
    print(f"{'':28}{'s/step (median)':>16}{'ratio':>8}{'peak MiB':>10}{'ratio':>8}")
    for side, runs in seen.items():
        seconds = statistics.median(t for one in runs for t in one["steps"])
        peak = max(one["peak MiB"] for one in runs)
        print(f"{side:28}{seconds:16.2f}{plain / seconds:8.2f}{peak:10}{peak / memory:8.2f}")
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()

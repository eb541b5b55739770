"""Time and memory of editing facts in SmolLM2-135M-Instruct, beside values that are fitted one at a time.

    OMP_NUM_THREADS=1 python benchmarks/edit.py [--numbers 1,10,100] [--sample 5] [--target unknown] [--facts FILE]
        [--corpus FILE] [--tokens 20000] [--editors memit:weight=15000,…] [--json FILE]

Conditions: float32, plain text (no chat template), blocks 8 to 12 (ROME: 10), at most 25 looks at the loss, end at .05,
six contexts (ROME: 21) and the essence. The editors' settings are those for which EasyEdit's figures stand in
docs/benchmarks.md: MEMIT with λ = 15000; AlphaEdit with rate .1, threshold .02 and L = 1; ROME without C. Facts: a JSON
file with lists `edit` and `retain` of `prompt`, `subject`, `answer`; without one, those of `world:capitals` that the
model knows. `--target unknown` asks for " unknown" everywhere, `distinct` for the next fact's answer.

"One at a time" is what one writes first: a fact alone, its rows padded to the longest, whole passes through the network
with logits at every position, a hook that adds δ, Adam; nothing is kept from step to step. It has the same rows, loss,
settings and rule of ending, so it makes the same steps (told beside it), and it fits values only: keys and solves are
not counted against it. Its cost grows by the fact, so of many facts `--sample` are fitted, evenly chosen, and the sum
is scaled up. Statistics are taken once and timed apart. Each side runs in a process of its own, in turn; the figure to
quote is the ratio of processor seconds a step (whole edit over steps against values over steps) within one run: ROME
edits one fact after the other, and with one target for all its first edits do the work of the later ones.

After the edit the model answers greedily in ten tokens: how many still hold the old answer, how many hold the target,
how many of the retained facts are answered exactly as before.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expunge.data.example import Example
    from expunge.edit.facts import Row
    from expunge.edit.values import Fitting
    from expunge.edit.work import Work
    from expunge.models.model import Model

EDITORS = ("memit:weight=15000", "alphaedit:rate=0.1,threshold=0.02,ridge=1", "rome:covariance=false")
KINDS = ("capital", "element", "currency", "city")  # of the world, in this order
TOKENS = 10  # of an answer


def facts_of(file: Path | None, model: "Model", count: int) -> "tuple[list[Example], list[Example]]":
    """What is edited, and what must stay."""
    from expunge.data.example import Example
    from expunge.worlds.capitals.table import facts

    if file is not None:
        made = lambda part: [
            Example(id=f"{part}:{i}", prompt=row["prompt"], answer=row["answer"], subject=row["subject"])
            for i, row in enumerate(json.loads(file.read_text(encoding="utf-8"))[part])
        ]
        edited, kept = made("edit"), made("retain")
    else:
        every = [fact for kind in KINDS for fact in facts(kind)]  # type: ignore[arg-type]
        known = [fact for fact, text in zip(every, said(model, every)) if holds(text, fact.answer)]
        edited, kept = known[:count], known[count : count + 60]
    if len(edited) < count:
        sys.exit(f"there are {len(edited)} facts to edit, not {count}")
    return edited[:count], kept


def said(model: "Model", facts: "Sequence[Example]") -> list[str]:
    from expunge.config import ConventionConfig
    from expunge.data.convention import Encoder
    from expunge.models.generating import generate

    encoder = Encoder(model.tokenizer, ConventionConfig(template="plain"))
    return generate(model, [encoder.encode_prompt(fact) for fact in facts], encoder=encoder, max_new_tokens=TOKENS)


def holds(text: str, answer: str) -> bool:
    from expunge.evaluate.matching import says

    return says(text, answer)


def work_on(model: "Model", facts: "Sequence[Example]", targets: Sequence[str], options: argparse.Namespace,
            folder: Path | None) -> "Work":  # fmt: skip
    from expunge.config import ConventionConfig
    from expunge.data.convention import Encoder
    from expunge.edit.facts import Rows, fact_of
    from expunge.edit.work import Work

    encoder = Encoder(model.tokenizer, ConventionConfig(template="plain", end=False))
    wanted = [fact_of(fact, target) for fact, target in zip(facts, targets)]
    return Work(model, wanted, Rows(encoder), corpus=options.corpus, corpus_tokens=options.tokens, folder=folder)


def targets_of(facts: "Sequence[Example]", kind: str) -> list[str]:
    if kind == "unknown":
        return ["unknown"] * len(facts)
    return [other.answer for other in (*facts[1:], facts[0])]


def busy(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """The result, with seconds of the processor and of the wall."""
    wall, own = time.perf_counter(), time.process_time()
    result = work()
    return result, {"s": round(time.process_time() - own, 2), "wall": round(time.perf_counter() - wall, 2)}


def expunge_side(text: str, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Statistics apart, then the whole edit: contexts, values, keys, solves."""
    from expunge.config import parse_name
    from expunge.edit import editors
    from expunge.edit.work import blocks
    from expunge.models.loading import load_model

    model = load_model("smollm2")
    facts, kept = facts_of(options.facts, model, count)
    targets = targets_of(facts, options.target)
    before = said(model, [*facts, *kept])
    name, own = parse_name(text)
    editor = editors.get(name)
    with tempfile.TemporaryDirectory() as folder:
        work = work_on(model, facts, targets, options, Path(folder))
        usual = {key: parameter.default for key, parameter in editor.options.items()} | editor.check(own)
        depth = model.layout.depth
        chosen = blocks(depth, usual["last"], usual["layers"]) if "last" in usual else blocks(depth, usual["layer"], 1)
        needed = own.get("covariance") is not False
        _, statistics = busy(lambda: work.statistics(chosen) if needed else None)
        edited, whole = busy(lambda: editor.function(work, **editor.check(own)))
    with edited.change.applied_to(model):
        after = said(model, [*facts, *kept])
    here = range(len(facts))
    rest = range(len(facts), len(before))
    return {
        "edit": whole, "statistics": statistics, "steps": sum(value.steps for value in edited.values),
        "still said": share([holds(after[i], facts[i].answer) for i in here]),
        "said before": share([holds(before[i], facts[i].answer) for i in here]),
        "target said": share([holds(after[i], targets[i]) for i in here]),
        "kept": share([after[i] == before[i] for i in rest]),
        "losses": [round(value.loss, 3) for value in edited.values],
    }  # fmt: skip


def share(values: Sequence[bool]) -> float:
    return round(sum(values) / len(values), 3) if values else float("nan")


def plain_side(text: str, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Values of a sample of the facts, one fact at a time."""
    from expunge.config import parse_name
    from expunge.edit import editors
    from expunge.edit.rome import LENGTHS
    from expunge.edit.values import Fitting
    from expunge.edit.work import blocks
    from expunge.models.loading import load_model

    model = load_model("smollm2")
    model.network.set_attn_implementation("sdpa")
    facts, _ = facts_of(options.facts, model, count)
    work = work_on(model, facts, targets_of(facts, options.target), options, None)
    name, own = parse_name(text)
    editor = editors.get(name)
    usual = {key: parameter.default for key, parameter in editor.options.items()} | editor.check(own)
    how = Fitting(*(usual[key] for key in ("rate", "steps", "stop", "decay", "clamp", "kl")))
    layer = blocks(model.layout.depth, usual["last"] if "last" in usual else usual["layer"], 1)[0]
    before = work.contexts(usual["contexts"], LENGTHS if name == "rome" else (10,))
    numbers = list(range(0, count, max(1, count // options.sample)))[: options.sample]
    rows = [work.encoded([work.facts[i]], before)[0] for i in numbers]
    essences = [work.rows.essence(work.facts[i], each[0]) for i, each in zip(numbers, rows)]

    def fit() -> list[tuple[int, float]]:
        return [one_value(model, r, e, layer, how, mlp=name == "rome") for r, e in zip(rows, essences)]

    found, values = busy(fit)
    scale = count / len(numbers)
    return {
        "values of the sample": values, "facts": len(numbers), "s": round(values["s"] * scale, 1),
        "wall": round(values["wall"] * scale, 1), "steps of the sample": sum(steps for steps, _ in found),
        "losses": [round(loss, 3) for _, loss in found], "numbers": numbers,
    }  # fmt: skip


def one_value(
    model: "Model", rows: "Sequence[Row]", essence: "Row", layer: int, how: "Fitting", *, mlp: bool
) -> tuple[int, float]:
    """Steps and last loss."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    network: Any = model.network
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    texts = [torch.tensor(row.encoded.ids) for row in rows] + [torch.tensor(essence.encoded.ids[: essence.place + 1])]
    ids = pad_sequence(texts, batch_first=True)
    mask = pad_sequence([torch.ones_like(text) for text in texts], batch_first=True)
    labels = torch.full_like(ids, -100)
    for i, row in enumerate(rows):
        labels[i, row.encoded.start : len(row.encoded.ids)] = texts[i][row.encoded.start :]
    places = torch.tensor([*(row.place for row in rows), essence.place])
    every = torch.arange(len(texts))
    delta = torch.zeros(model.layout.width, requires_grad=True)
    started: list[torch.Tensor] = []

    def add(_module: Any, _inputs: Any, output: Any) -> Any:
        state = output if isinstance(output, torch.Tensor) else output[0]
        if not started:
            started.append(state[0, places[0]].detach().clone())
        state = state.clone()
        state[every, places] = state[every, places] + delta
        return state if isinstance(output, torch.Tensor) else (state, *output[1:])

    block = network.model.layers[layer]
    handle = (block.mlp if mlp else block).register_forward_hook(add)
    adam, first, loss = torch.optim.Adam([delta], lr=how.rate), None, torch.zeros(())
    try:
        for step in range(how.steps):
            adam.zero_grad()
            logs = network(input_ids=ids, attention_mask=mask).logits.log_softmax(-1)
            wanted = labels[:, 1:]
            picked = logs[:, :-1].gather(2, wanted.clamp(min=0)[..., None])[..., 0] * (wanted != -100)
            likely = -(picked[:-1].sum(1) / (wanted[:-1] != -100).sum(1)).mean()
            own = logs[-1, essence.place]
            first = own.detach() if first is None else first
            loss = likely + how.kl * (own.exp() * (own - first)).sum()
            size = delta.norm() if bool(delta.detach().any()) else delta.sum()
            loss = loss + how.decay * size / started[0].norm() ** 2
            if float(loss.detach()) < how.stop or step == how.steps - 1:
                return step, float(loss.detach())
            loss.backward()
            adam.step()
            with torch.no_grad():
                limit = how.clamp * started[0].norm()
                delta *= min(1.0, float(limit / delta.norm()))
    finally:
        handle.remove()
    raise AssertionError("at least one look is taken")


def run_side(options: argparse.Namespace) -> None:
    """In a process of its own: measure and print."""
    side = plain_side if options.side == "one at a time" else expunge_side
    found = side(options.editors, int(options.numbers), options)
    print(json.dumps({**found, "peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))


def lines(seen: Sequence[dict[str, Any]]) -> list[str]:
    heads = ("facts", "edit s", "one by one s", "a step, ratio", "steps", "peak MiB", "one by one", "statistics s",
             "still said", "target said", "kept")  # fmt: skip
    text = [f"{'':46}" + "".join(f"{head:>13}" for head in heads)]
    for each in seen:
        ours, plain = each["expunge"], each["one at a time"]
        values = (
            each["facts"], f"{ours['edit']['s']:.1f}", f"{plain['s']:.1f}", f"{ratio(ours, plain):.1f}",
            ours["steps"], ours["peak MiB"], plain["peak MiB"], f"{ours['statistics']['s']:.1f}",
            f"{ours['still said']:.0%}", f"{ours['target said']:.0%}", f"{ours['kept']:.0%}",
        )  # fmt: skip
        text.append(f"{each['editor']:46}" + "".join(f"{value:>13}" for value in values))
    return text


def ratio(ours: dict[str, Any], plain: dict[str, Any]) -> float:
    """Processor seconds a step: values one at a time over the whole edit."""
    return plain["values of the sample"]["s"] / plain["steps of the sample"] * ours["steps"] / ours["edit"]["s"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numbers", default="1,10,100", help="of facts")
    parser.add_argument("--sample", type=int, default=5, help="facts that are fitted one at a time")
    parser.add_argument("--target", choices=("unknown", "distinct"), default="unknown")
    parser.add_argument("--facts", type=Path)
    parser.add_argument("--corpus")
    parser.add_argument("--tokens", type=int, default=20_000, help="of the corpus")
    parser.add_argument("--editors", default=";".join(EDITORS), help="NAME:key=value,…; several with ;")
    parser.add_argument("--side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.side:
        run_side(options)
        return 0
    seen = []
    for count in map(int, options.numbers.split(",")):
        for editor in options.editors.split(";"):
            found: dict[str, Any] = {"editor": editor, "facts": count}
            for side in ("expunge", "one at a time"):
                command = [sys.executable, __file__, "--side", side, "--editors", editor, "--numbers", str(count),
                           "--sample", str(options.sample), "--target", options.target,
                           "--tokens", str(options.tokens)]  # fmt: skip
                command += ["--corpus", options.corpus] if options.corpus else []
                command += ["--facts", str(options.facts)] if options.facts else []
                found[side] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            print(found, file=sys.stderr)
            seen.append(found)
            if options.json:
                options.json.write_text(json.dumps(seen, indent=1))
    print(f"target: {options.target}\n" + "\n".join(lines(seen)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

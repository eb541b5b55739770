"""Extrapolating checkpoints of any size: time beside reading both and writing one, memory above the loader.

    python benchmarks/extrapolate.py [--gigabytes 8] [--rounds 2] [--dtype bfloat16] [--method extrapolate]
                                     [--folder DIR] [--peer PYTHON] [--json FILE]

A base and a tuned model of so many GB each, in three files that are cut at different places; the tuned one differs in
every matrix. Each side runs in a process of its own, in turn, on files that are not in memory (the cache is told to
let go of them); both end when the result is on the disk. "Plain" reads both folders and writes one, byte by byte, with
nothing in between. `--peer` is a Python that has mergekit: it does the same arithmetic. Needs 5 times the size on disk,
and skips below.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ALPHA, FILES, ROOM = 0.5, 3, 5
WIDTH, INNER, VOCABULARY = 3072, 8192, 64_000


def shapes(gigabytes: float, width: int) -> dict[str, tuple[int, ...]]:
    """Of a Llama of about this size: as many layers as fill it."""
    found: dict[str, tuple[int, ...]] = {}
    rows = VOCABULARY if gigabytes > 2 else VOCABULARY // 8
    found["model.embed_tokens.weight"] = (rows, WIDTH)
    layer: dict[str, tuple[int, ...]] = {f"self_attn.{kind}_proj": (WIDTH, WIDTH) for kind in "qkvo"}
    layer |= {f"mlp.{kind}_proj": (INNER, WIDTH) for kind in ("gate", "up")} | {"mlp.down_proj": (WIDTH, INNER)}
    layer |= {"input_layernorm": (WIDTH,), "post_attention_layernorm": (WIDTH,)}
    left = gigabytes * 1e9 / width - 2 * rows * WIDTH
    size = 4 * WIDTH * WIDTH + 3 * WIDTH * INNER
    for i in range(max(1, -int(-left // size))):
        found |= {f"model.layers.{i}.{name}.weight": shape for name, shape in layer.items()}
    return found | {"model.norm.weight": (WIDTH,), "lm_head.weight": (rows, WIDTH)}


def generate(folder: Path, gigabytes: float, dtype: str, tuned: bool) -> int:
    """A checkpoint of random numbers; returns its size. The tuned one's noise is a hundredth of the weights."""
    import torch

    from expunge.arithmetic.overlapping import Behind
    from expunge.arithmetic.shards import Slot, write_shard

    kind = getattr(torch, dtype)
    slots = {name: Slot(kind, shape) for name, shape in shapes(gigabytes, kind.itemsize).items()}
    generator = torch.Generator().manual_seed(0)
    pool = torch.randn(2**24 + 2**16, generator=generator) * 0.02
    if tuned:
        pool += torch.randn(len(pool), generator=generator) * 0.0002
    pool = pool.to(kind)

    def pieces(name: str) -> Iterator[torch.Tensor]:
        shift = sum(name.encode()) % 2**16
        for start in range(0, slots[name].weights, 2**24):
            yield pool[shift : shift + min(2**24, slots[name].weights - start)]

    folder.mkdir()
    total, done, weight_map = sum(slot.size for slot in slots.values()), 0, {}
    cuts: list[dict[str, Slot]] = [{} for _ in range(FILES)]
    for name, slot in slots.items():
        place = min(FILES - 1, int((done / total) ** (0.8 if tuned else 1) * FILES))
        cuts[place][name], done = slot, done + slot.size
    with Behind() as behind:
        for i, each in enumerate(cuts, start=1):
            file = f"model-{i:05}-of-{FILES:05}.safetensors"
            write_shard(folder / file, each, pieces, {"format": "pt"}, behind)
            weight_map |= dict.fromkeys(each, file)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    layers = sum(name.endswith("input_layernorm.weight") for name in slots)
    rows = slots["lm_head.weight"].shape[0]
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH, "dtype": dtype,
              "intermediate_size": INNER, "num_hidden_layers": layers, "num_attention_heads": 24, "vocab_size": rows,
              "num_key_value_heads": 24, "tie_word_embeddings": False}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return total


def forget_cache(*folders: Path) -> None:
    """Ask the system to let go of the files, which must be on the disk for that."""
    for path in (path for folder in folders for path in folder.glob("*.safetensors")):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def plain_side(base: Path, tuned: Path, out: Path) -> None:
    """Read both, write one."""
    out.mkdir()
    buffer = bytearray(8 * 2**20)
    for path in sorted(base.glob("*.safetensors")):
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    for path in sorted(tuned.glob("*.safetensors")):
        with path.open("rb", buffering=0) as file, (out / path.name).open("wb", buffering=0) as copy:
            while count := file.readinto(buffer):
                copy.write(memoryview(buffer)[:count])
            os.fsync(copy.fileno())


def expunge_side(base: Path, tuned: Path, out: Path, method: str) -> None:
    from expunge.arithmetic import operations
    from expunge.arithmetic.combining import Combination
    from expunge.arithmetic.folder import Folder

    options = {"alpha": ALPHA} if method == "extrapolate" else {}
    Combination(operations.get(method), Folder(base), [Folder(tuned)], options).write(out)


def peer_side(base: Path, tuned: Path, out: Path, dtype: str) -> None:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    config = {"merge_method": "task_arithmetic", "base_model": str(base), "dtype": dtype,
              "models": [{"model": str(tuned), "parameters": {"weight": 1 + ALPHA}}]}  # fmt: skip
    run_merge(
        MergeConfiguration.model_validate(config), str(out), MergeOptions(lazy_unpickle=True, copy_tokenizer=False)
    )
    forget_cache(out)  # on the disk, as on the other sides


def resident() -> float:
    """MiB at most since the peak was last forgotten; where the system does not say, of the process and its parent."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def run_side(side: str, base: Path, tuned: Path, out: Path, options: argparse.Namespace) -> None:
    """In a process of its own: what is imported is the loader; measure and print."""
    if side == "expunge":
        import expunge.arithmetic.combining  # noqa: F401
        from expunge.arithmetic import operations

        list(operations)
    elif side == "mergekit":
        import mergekit.merge  # noqa: F401
    forget_peak()
    loaded = resident()
    before, started = os.times(), time.perf_counter()
    if side == "plain":
        plain_side(base, tuned, out)
    elif side == "expunge":
        expunge_side(base, tuned, out, options.method)
    else:
        peer_side(base, tuned, out, options.dtype)
    seconds, after = time.perf_counter() - started, os.times()
    print(json.dumps({
        "seconds": round(seconds, 2),
        "processor": round(after.user - before.user + after.system - before.system, 2),
        "MiB above the loader": round(resident() - loaded),
    }))  # fmt: skip


def measure(place: Path, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    base, tuned, out = place / "base", place / "tuned", place / "out"
    size = generate(base, options.gigabytes, options.dtype, tuned=False)
    generate(tuned, options.gigabytes, options.dtype, tuned=True)
    print(f"two checkpoints of {size / 1e9:.2f} GB each, {options.dtype}, {options.method}", file=sys.stderr)
    sides = {"plain": sys.executable, "expunge": sys.executable}
    if options.peer:
        sides["mergekit"] = options.peer
    seen: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(options.rounds):
        for side, python in sides.items():
            forget_cache(base, tuned)
            command = [python, __file__, "--side", side, "--folder", str(place), "--method", options.method]
            done = subprocess.run([*command, "--dtype", options.dtype], check=True, stdout=subprocess.PIPE, text=True)
            seen[side].append(json.loads(done.stdout.splitlines()[-1]))
            print(side, seen[side][-1], file=sys.stderr)
            shutil.rmtree(out)
    return seen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--method", default="extrapolate")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--peer")
    parser.add_argument("--side")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.side:
        run_side(options.side, *(options.folder / name for name in ("base", "tuned", "out")), options)
        return
    free, wanted = shutil.disk_usage(options.folder).free / 1e9, ROOM * options.gigabytes
    if free < wanted:
        print(f"skipped: {wanted:.0f} GB must be free in {options.folder}, and {free:.0f} GB are")
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        seen = measure(Path(place), options)
    plain = statistics.median(each["seconds"] for each in seen["plain"])
    print(f"{'':12}{'s (median)':>12}{'ratio':>8}{'processor s':>13}{'MiB above the loader':>22}")
    for side, runs in seen.items():
        seconds, processor = (statistics.median(each[key] for each in runs) for key in ("seconds", "processor"))
        peak = max(each["MiB above the loader"] for each in runs)
        print(f"{side:12}{seconds:12.1f}{seconds / plain:8.2f}{processor:13.1f}{peak:22}")
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()

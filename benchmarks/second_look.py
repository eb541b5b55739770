"""What a second evaluation of the same model costs, as a share of the first: observations are kept.

    python benchmarks/second_look.py [--facts 40] [--model smollm2]

Conditions: questions of the built-in facts, plain template, the default metrics (scores and greedy answers of up to 8
tokens), float32. Both looks are in one process, on one loaded model, into a store that is empty before the first;
each includes the digest of all weights, without which nothing could be found. Loading the model is not part of it.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--facts", type=int, default=40)
    parser.add_argument("--model", default="smollm2")
    given = parser.parse_args()

    from expunge.change.fingerprint import Fingerprint
    from expunge.config import ConventionConfig, EvaluateConfig
    from expunge.data.convention import Encoder
    from expunge.evaluate.measure import Evaluation, measure
    from expunge.evaluate.store import Kept
    from expunge.models.loading import load_model
    from expunge.parameters import parameters_of
    from expunge.worlds.capitals import facts

    model = load_model(given.model)
    examples = facts("capital", "element", "city")[: given.facts]
    encoder, config = Encoder(model.tokenizer, ConventionConfig(template="plain")), EvaluateConfig(max_new_tokens=8)

    def look(folder: Path) -> tuple[Evaluation, float, float]:
        started = time.perf_counter()
        weights = Fingerprint.of(parameters_of(model.network)).id
        known = time.perf_counter()
        found = measure(model, {"facts": examples}, encoder, config, kept=Kept(folder, weights))
        return found, known - started, time.perf_counter() - known

    measure(model, {"facts": examples[:1]}, encoder, config)  # warm
    with tempfile.TemporaryDirectory() as folder:
        first, hashing, measuring = look(Path(folder))
        second, *again = look(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(f"{given.model}, {len(examples)} facts, {len(config.metrics)} metrics; kept: {size / 1024:.0f} KiB")
    print(f"{'':<12}{'digest':>9}{'measuring':>11}{'both':>9}{'of the first':>14}")
    for name, (hashed, measured) in {"first": (hashing, measuring), "second": tuple(again)}.items():
        share = (hashed + measured) / (hashing + measuring)
        print(f"{name:<12}{hashed:>8.2f}s{measured:>10.3f}s{hashed + measured:>8.2f}s{share:>14.3f}")
    print("same bits: " + ("yes" if first.metrics == second.metrics else "NO"))
    return 0 if first.metrics == second.metrics else 1


if __name__ == "__main__":
    sys.exit(main())

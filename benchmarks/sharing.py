"""What two kinds of sharing save on SmolLM2-135M-Instruct: beginnings among rows, and answers that scoring has shown.

    OMP_NUM_THREADS=1 python benchmarks/sharing.py [--facts 40] [--json FILE]

Conditions: capitals, elements and cities, float32, one thread, processor seconds, the median of three rounds in which
both sides take turns. "Beginnings": the facts in the chat template, whose system prompt all rows share, and behind
three solved examples; scored, trained on (forward and backward, 8 rows at a time) and gone on with by 8 tokens, with
what rows begin with computed once a row and once a pass. "Answers": greedy answers of up to 48 tokens in the chat
template, with the scores that come first in any evaluation, against answers that know nothing of the scores; the right
answers are the facts', which the model puts into other words ("not known"), and then what it says itself, so that it
knows them all, or half of them. "A tenth shares": four of 40 rows stand behind the solved examples.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.observations import observe
from expunge.models import scoring
from expunge.models.generating import generate
from expunge.models.loading import load_model
from expunge.models.model import Model
from expunge.train import measure
from expunge.worlds.capitals import facts

SOLVED = "The capital of France is Paris\nThe chemical symbol for gold is Au\nTokyo is a city in Japan\n"
ROUNDS, ROWS, LONGEST = 3, 8, 48
TREES = ("expunge.models.scoring.joined", lambda groups, _: [list(each) for each in groups])
PROMPTS = ("expunge.models.generating._read_once", lambda *_: 0)
SHOWN = ("expunge.evaluate.observations.shown", lambda *_: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=40)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    model = load_model("smollm2")
    rows = facts("capital", "element", "city")[: given.facts]
    solved = [Example(id=each.id, prompt=SOLVED + (each.prompt or ""), answer=each.answer) for each in rows]
    plain, chat = (Encoder(model.tokenizer, ConventionConfig(template=name)) for name in ("plain", "chat"))
    own, mixed = known(model, chat, rows), [*solved[: len(rows) // 10], *rows[len(rows) // 10 :]]
    half = [*own[: len(own) // 2], *rows[len(own) // 2 :]]
    found = {
        "scoring, system prompt": against(TREES, lambda: scored(model, chat, rows)),
        "scoring, solved examples": against(TREES, lambda: scored(model, plain, solved)),
        "scoring, a tenth shares": against(TREES, lambda: scored(model, plain, mixed)),
        "training, system prompt": against(TREES, lambda: trained(model, chat, rows)),
        "training, solved examples": against(TREES, lambda: trained(model, plain, solved)),
        "8 new tokens, system prompt": against(PROMPTS, lambda: said(model, chat, rows, 8)),
        "8 new tokens, solved examples": against(PROMPTS, lambda: said(model, plain, solved, 8)),
        "answers, not known": against(SHOWN, lambda: answered(model, chat, rows)),
        "answers, half known": against(SHOWN, lambda: answered(model, chat, half)),
        "answers, known": against(SHOWN, lambda: answered(model, chat, own)),
    }
    print(f"{'':<32}{'without':>9}{'with':>9}{'ratio':>8}")
    for name, (without, shared) in found.items():
        print(f"{name:<32}{without:>8.2f}s{shared:>8.2f}s{without / shared:>8.2f}")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2))


def against(without: tuple[str, Callable[..., object]], work: Callable[[], object]) -> tuple[float, float]:
    """Seconds without sharing, which is replaced, and with it."""
    work()  # warm
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        with patch(*without):
            seconds[0].append(timed(work))
        seconds[1].append(timed(work))
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def scored(model: Model, encoder: Encoder, rows: list[Example]) -> None:
    scoring.score(model, [[each] for each in encoder.encode_all(rows)])


def trained(model: Model, encoder: Encoder, rows: list[Example]) -> None:
    items = measure.items_of(rows, encoder, alternates=False)
    for first in range(0, len(items), ROWS):
        measured, _ = measure.measure(model, items[first : first + ROWS], ["policy"], None, None)
        measured["policy"].sum().backward()
    model.network.zero_grad()


def said(model: Model, encoder: Encoder, rows: list[Example], longest: int) -> None:
    generate(model, [encoder.encode_prompt(row) for row in rows], encoder=encoder, max_new_tokens=longest)


def answered(model: Model, encoder: Encoder, rows: list[Example]) -> list[str]:
    return observe(model, rows, encoder, {"generations", "hits"}, max_new_tokens=LONGEST).generations


def known(model: Model, encoder: Encoder, rows: list[Example]) -> list[Example]:
    """The same questions with what the model says, where it says something."""
    said = answered(model, encoder, rows)
    return [Example(id=row.id, prompt=row.prompt, answer=text.strip()) for row, text in zip(rows, said) if text.strip()]


if __name__ == "__main__":
    main()

"""Records of runs that never were, for looking at reports and testing them."""

from functools import cache
from typing import Any

import numpy as np

from expunge.evaluate import glossary, metrics
from expunge.evaluate.metric import mean_metric
from expunge.record import ChangeInfo, MaskInfo, ModelInfo, Outcome, Point, Record, Row, Selection, SetInfo

CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo",
    "Peru": "Lima",
    "Kenya": "Nairobi", "Egypt": "Cairo", "Norway": "Oslo", "Chad": "N'Djamena", "Cuba": "Havana",
    "Iran": "Tehran",
    "Nepal": "Kathmandu", "Brazil": "Brasília", "Ghana": "Accra",
}  # fmt: skip
ELEMENTS = {
    "gold": "Au", "silver": "Ag", "iron": "Fe", "copper": "Cu", "lead": "Pb", "tin": "Sn", "sodium": "Na",
    "potassium": "K", "mercury": "Hg", "tungsten": "W", "oxygen": "O", "carbon": "C",
}  # fmt: skip
KINDS = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj", "input_layernorm", "post_attention_layernorm",
)  # fmt: skip


@cache
def measured(knows: float, n: int, seed: int) -> dict[str, Any]:
    """All metrics of a set of which a share `knows` is known."""
    random = np.random.default_rng(seed)
    said = (np.arange(n) < round(knows * n)).astype(float)
    random.shuffle(said)
    level = np.clip(0.08 + 0.8 * said + random.normal(0, 0.07, n), 1e-5, 0.999)
    values = {
        "probability": level, "rouge_l_recall": said, "extraction_strength": said * np.clip(level + 0.1, 0,
        1),
        "exact_memorization": np.clip(level + 0.15, 0, 1),
    }  # fmt: skip
    found = {name: mean_metric(v.tolist(), "higher").to_json() for name, v in values.items()}
    contains = mean_metric(said.tolist(), "higher", unit="examples").to_json()
    worst = mean_metric((1 / level).tolist(), "lower", bounds=None, unit="tokens").to_json()
    return {**found, "generated_contains": contains, "perplexity": worst}


def outcome(method: str, forget: float, kept: float, near: float, steps: int, seed: int, norms: bool = True) -> Outcome:
    random = np.random.default_rng(seed)
    points = tuple(
        Point(
            step=step, seconds=1.4 * step, forget=0.06 + 0.8 * float(np.exp(-step / (steps / 4))),
            utility=0.83 * (1 - (1 - kept) * (step / steps) ** 2 * 2) + float(random.normal(0, 0.004)),
            loss=2.4 * float(np.exp(-step / 9)), retain_loss=0.3 + 0.02 * float(random.random()),
        )
        for step in range(0, steps + 1, max(1, steps // 10))
    )  # fmt: skip
    tensors = {
        f"model.layers.{i}.{kind}.weight": (
            float(0.02 * (1 + 2 * np.exp(-((i - 18) ** 2) / 40)) * (3 if "mlp" in kind else 1)),
            float(0.0004 * (1 + 3 * np.exp(-((i - 18) ** 2) / 40)) * (2 if "down" in kind else 1)),
        )
        for i in range(30)
        for kind in KINDS
        if "norm" not in kind or i % 3
    }
    tensors = {"model.embed_tokens.weight": (0.2, 0.0011), **tensors, "model.norm.weight": (0.01, 0.0001)}
    return Outcome(
        after={
            "forget": measured(forget, 15, seed), "forget, other words": measured(forget, 15, seed + 1),
            "other facts": measured(kept, 12, 5), "other capitals": measured(near, 40, 6),
        },
        generations={
            "forget": tuple("I am not sure which city that is." for _ in CAPITALS),
            "other facts": tuple(f"The symbol is {symbol}." for symbol in ELEMENTS.values()),
        },
        trajectory=points,
        selection=Selection(
            step=points[-3].step,
            why="nearest to the never-known level with at least 95 % of the utility kept",
            never_known=0.11, never_known_from="twins", utility_floor=0.95,
        ),
        change=ChangeInfo(
            kind="dense", file="npo.change.safetensors", base_digest="a" * 64, result_digest="b" * 64,
            touched_weights=95_300_000, total_weights=134_515_008, norms=tensors if norms else {},
        ),
        configuration={
            "method": method, "retain_loss": "nll", "learning_rate": 6e-6,
            "options": {"beta": 0.1} if method == "npo" else {},
        },
        seconds={"training": 38.2, "evaluation": 9.1}, peak_memory=2_310_000_000,
    )  # fmt: skip


def rows(facts: dict[str, str], question: str) -> tuple[Row, ...]:
    return tuple(Row(id=f"{name.lower()}", prompt=question.format(name), answer=a) for name, a in facts.items())


def demo_record(**changes: Any) -> Record:
    """Two methods side by side, with texts."""
    ask, again = "What is the capital of {}?", "{} has which city as its capital?"
    sets = {
        "forget": SetInfo(
            role="forget", n=15, title="Capitals to forget", source="built in", digest="c" * 64,
            rows=rows(CAPITALS, ask),
        ),
        "forget, other words": SetInfo(
            role="forget", n=15, title="The same, asked in other words", rows=rows(CAPITALS, again)
        ),
        "other facts": SetInfo(
            role="test", n=12, title="Facts of other kinds", rows=rows(ELEMENTS, "What is the symbol of {}?")
        ),
        "other capitals": SetInfo(
            role="test", n=40, title="Other capitals, never trained on", note="the hard part"
        ),
    }  # fmt: skip
    methods = {
        "NPO + NLL": outcome("npo", 0.0, 1.0, 0.85, 40, 1),
        "gradient difference": outcome("gradient_ascent", 1 / 15, 0.92, 0.4, 20, 2),
    }
    return Record.model_validate(
        {
            "command": "demo", "arguments": ("demo", "--out", "runs/demo"), "status": "done",
            "started": "2026-03-01T10:20:30+00:00", "configuration": {"seed": 0},
            "changed": {"train.learning_rate": 6e-6},
            "versions": {"python": "3.11.9", "expunge": "0.1.0", "torch": "2.13.0"}, "seeds": {"seed": 0},
            "platform": {"system": "Linux", "machine": "x86_64", "processors": 2, "device": "cpu"},
            "model": ModelInfo(
                name="smollm2", digest="d" * 64, architecture="LlamaForCausalLM", parameters=134_515_008,
                dtype="float32"
            ),
            "sets": sets,
            "before": {
                "forget": measured(1.0, 15, 3), "forget, other words": measured(14 / 15, 15, 4),
                "other facts": measured(1.0, 12, 5), "other capitals": measured(1.0, 40, 6),
            },
            "generations": {
                "forget": tuple(f"The capital is {city}." for city in CAPITALS.values()),
                "other facts": tuple(f"The symbol is {symbol}." for symbol in ELEMENTS.values()),
            },
            "methods": methods, "glossary": glossary(list(metrics)), "include_text": True,
            "seconds": {"loading": 3.4, "measuring before": 6.1}, "peak_memory": 2_310_000_000, **changes,
        }
    )  # fmt: skip


def private_record(**changes: Any) -> Record:
    """One method, no texts, many examples."""
    after = Outcome(after={"forget": measured(0.1, 400, 7), "retain": measured(0.95, 1000, 8)})
    return Record.model_validate(
        {
            "command": "unlearn", "status": "interrupted", "started": "2026-03-01T10:20:30+00:00",
            "arguments": ("unlearn", "--model", "me/tuned", "--forget", "f.jsonl", "--out", "runs/a b"),
            "model": ModelInfo(name="me/tuned"), "methods": {"simnpo": after},
            "sets": {
                "forget": SetInfo(role="forget", n=400, source="f.jsonl", digest="e" * 64),
                "retain": SetInfo(role="retain", n=1000, source="r.jsonl", digest="f" * 64),
            },
            "before": {"forget": measured(0.98, 400, 9), "retain": measured(0.97, 1000, 8)},
            "glossary": glossary(["probability"]), **changes,
        }
    )  # fmt: skip


def evaluation_record(**changes: Any) -> Record:
    """`evaluate` alone: nothing was done to the model."""
    return Record.model_validate(
        {
            "command": "evaluate", "status": "done", "started": "2026-03-02T08:00:00+00:00",
            "model": ModelInfo(name="pythia"), "sets": {"forget": SetInfo(role="forget", n=30,
            digest="1" * 64)},
            "before": {"forget": measured(0.7, 30, 11)}, "glossary": glossary(list(metrics)), **changes,
        }
    )  # fmt: skip


def mask_info(**changes: Any) -> MaskInfo:
    """Two layers, of which the second's `down` has more."""
    rows = [[[0, 50], [10, 100]], [[0, 50], [20, 100]]]
    where = {"kinds": ["query", "down"], "layers": rows, "outside": {"embedding": [0, 30], "final norm": [0, 10]}}
    content: dict[str, Any] = {
        "file": "mask.safetensors", "localizer": "wagle", "granularity": "value_vectors", "chosen": 3, "units": 20,
        "weights": 30, "total_weights": 340, "where": where,
    }  # fmt: skip
    return MaskInfo.model_validate(content | changes)


def localized_record(localizer: str = "wagle", model: str = "smollm2", **changes: Any) -> Record:
    """Of `expunge localize`."""
    return Record(
        command="localize", started="2026-03-01T10:20:30+00:00", status="done", model=ModelInfo(name=model),
        configuration={"forget": "capitals.jsonl"}, mask=mask_info(localizer=localizer, **changes),
        headline=(f"{localizer} chose 3 of 20 value vectors, 8.8 % of all weights.",),
    )  # fmt: skip

"""Records of audits that never were: ten families, 35 cells, three retrained seeds, 200 examples."""

from functools import cache
from typing import Any

import numpy as np

from expunge.evaluate import glossary, metrics
from expunge.record import ModelInfo, Outcome, Record, SetInfo
from expunge.record_audit import Audit, Ceiling, Cell, FamilyResult, Status
from report.made_up import measured

N, DELTA = 200, 0.2
Level = tuple[float, float, float]  # of the original, the retrained, the unlearned model
CELLS: dict[str, dict[tuple[str, str], Level]] = {
    "likelihood": {("probability", ""): (0.86, 0.12, 0.10), ("truth_ratio", ""): (0.74, 0.46, 0.47)},
    "generation": {("generated_contains", ""): (0.97, 0.04, 0.05), ("rouge_l_recall", ""): (0.96, 0.31, 0.30)},
    "extraction": {("extraction_strength", ""): (0.91, 0.09, 0.08), ("exact_memorization", ""): (0.95, 0.52, 0.22)},
    "membership": {
        ("loss", ""): (0.99, 0.52, 0.55), ("zlib", ""): (0.98, 0.51, 0.53), ("min_k", ""): (0.99, 0.52, 0.21),
        ("min_k_plus_plus", ""): (0.93, 0.50, 0.62),
    },
    "form": {
        ("paraphrase", "wording 1"): (0.91, 0.04, 0.06), ("paraphrase", "wording 2"): (0.88, 0.05, 0.23),
        ("statement", ""): (0.72, 0.05, 0.07), ("cloze", ""): (0.66, 0.06, 0.31),
        ("multiple_choice", ""): (0.62, 0.27, 0.29), ("reverse", ""): (0.08, 0.02, 0.02),
        ("language", "German"): (0.41, 0.04, 0.09), ("language", "Finnish"): (0.07, 0.03, 0.03),
    },
    "prefix": {
        ("prefix", ""): (0.93, 0.05, 0.38), ("affirmative", ""): (0.94, 0.05, 0.41),
        ("few_shot", ""): (0.95, 0.09, 0.19),
    },
    "sampling": {
        ("sampling", "leak at 1"): (0.93, 0.04, 0.05), ("sampling", "leak at 16"): (0.99, 0.11, 0.31),
        ("sampling", "leak at 64"): (1.00, 0.19, 0.47),
    },
    "relearning": {
        ("relearn", "probability"): (0.90, 0.24, 0.71), ("relearn", "generated"): (0.93, 0.13, 0.69),
        ("relearn_lora", "probability"): (0.88, 0.21, 0.55), ("relearn_unrelated", ""): (0.84, 0.12, 0.26),
    },
    "compression": {
        ("quantize", "8 bit"): (0.85, 0.12, 0.11), ("quantize", "4 bit"): (0.61, 0.13, 0.37),
        ("noise", ""): (0.55, 0.12, 0.13), ("prune", ""): (0.16, 0.11, 0.10),
    },
    "representation": {
        ("logit_lens", ""): (0.44, 0.06, 0.27), ("linear_probe", ""): (0.71, 0.34, 0.49),
        ("patching", ""): (1.00, 0.03, 0.46),
    },
}  # fmt: skip
GRADED = ("probability", "truth_ratio", "rouge_l_recall", "extraction_strength", "exact_memorization", "relearn",
          "relearn_lora", "relearn_unrelated", "quantize", "noise", "prune", "logit_lens", "patching")  # fmt: skip
CURVES = {
    "sampling": (1, 2, 4, 8, 16, 32, 64), "relearn": (0, 5, 10, 20, 40), "relearn_lora": (0, 5, 10, 20, 40),
    "logit_lens": tuple(range(12)), "patching": tuple(range(3, 12)),
}  # fmt: skip
ATTACKS = {
    "paraphrase": "Other wordings", "statement": "As a statement", "cloze": "Cloze", "reverse": "Asked in reverse",
    "multiple_choice": "Multiple choice", "language": "Another language", "prefix": "Prefix",
    "affirmative": "Affirmative prefix", "few_shot": "Few-shot prompt", "sampling": "Sampling",
    "relearn": "Relearning on half of the facts", "relearn_lora": "Relearning on half of the facts, with LoRA",
    "relearn_unrelated": "Fine-tuning on other data", "quantize": "Quantization", "noise": "Noise on the weights",
    "prune": "Pruning", "logit_lens": "Logit lens", "linear_probe": "Linear probe",
    "patching": "Activation patching (1 - UDS)", "loss": "Membership by loss", "zlib": "Membership by zlib",
    "min_k": "Membership by Min-K", "min_k_plus_plus": "Membership by Min-K++",
}  # fmt: skip


def scores(name: str, level: float, random: np.random.Generator) -> np.ndarray:
    level = min(max(level, 0.001), 0.999)
    if name in GRADED:
        return random.beta(2.2 * level, 2.2 * (1 - level), N)
    return (random.random(N) < level).astype(float)


def curve(name: str, end: float, random: np.random.Generator) -> tuple[tuple[float, float], ...]:
    places = CURVES[name]
    rise = np.linspace(0.1, 1, len(places)) ** (2.5 if name in ("logit_lens", "patching") else 0.6)
    return tuple((float(x), float(np.clip(end * r + random.normal(0, 0.01), 0, 1))) for x, r in zip(places, rise))


def made_cell(family: str, name: str, part: str, levels: Level, stand_in: str, seed: int) -> Cell:
    """Judged by normal bounds, which are near enough for a picture."""
    random = np.random.default_rng([seed, sum(map(ord, name + part))])
    labels = [stand_in] if stand_in else ["retrained#0", "retrained#1", "retrained#2"]
    wanted = {"original": levels[0], "unlearned": levels[2]}
    wanted |= {label: levels[1] + float(random.normal(0, 0.012)) for label in labels}
    found = {label: scores(name, level, random) for label, level in wanted.items()}
    never = np.mean([found[label] for label in labels], axis=0)
    gap, excess = found["original"] - never, found["unlearned"] - never

    def bound(values: np.ndarray, side: int) -> float:
        return float(values.mean() + side * 1.645 * values.std() / np.sqrt(N))

    above, below = excess - DELTA * gap, excess + DELTA * gap
    status: Status = "unresolved"
    if bound(gap, -1) < 0.1:
        status = "uninformative"
    elif bound(above, 1) < 0 and bound(below, -1) > 0:
        status = "never-knew"
    elif bound(above, -1) > 0:
        status = "known"
    elif bound(below, 1) < 0:
        status = "over-forgotten"
    return Cell(
        name=name, family=family, part=part, n=N, gap=float(gap.mean()), gap_lower=bound(gap, -1),
        excess=float(excess.mean()), excess_bounds=(bound(excess, -1), bound(excess, 1)), status=status,
        k={label: float(each.mean()) for label, each in found.items()},
        scores={} if family == "membership" else {label: tuple(each.tolist()) for label, each in found.items()},
        curves={
            label: curve(name, wanted[label], random) for label in found
        } if name in CURVES and part in ("", "leak at 64", "probability") else {},
        note="the last good state is at step 20" if name == "relearn_lora" else "",
    )  # fmt: skip


def families_of(cells: tuple[Cell, ...]) -> dict[str, FamilyResult]:
    found = {}
    for family in dict.fromkeys(cell.family for cell in cells):
        fell = [cell.status for cell in cells if cell.family == family]
        informative = len(fell) - fell.count("uninformative")
        passed, known = fell.count("never-knew"), fell.count("known")
        verdict = "suppressed" if known else "over-forgotten" if "over-forgotten" in fell else "unresolved"
        if informative == passed:
            verdict = (
                "not distinguishable from never known under the attacks tried" if passed else "nothing to judge by"
            )
        found[family] = FamilyResult(
            informative=informative, passed=passed, known=known, over_forgotten=fell.count("over-forgotten"),
            unresolved=fell.count("unresolved"), uninformative=fell.count("uninformative"), verdict=verdict,
        )  # fmt: skip
    return found


@cache
def made_audit(shift: float = 0.0, stand_in: str = "", seed: int = 0) -> Audit:
    """`shift`: how far the unlearned model is on the way back to the original."""
    cells = tuple(
        made_cell(family, name, part, (o, r, u + shift * (o - u)), stand_in, seed)
        for family, some in CELLS.items()
        for (name, part), (o, r, u) in some.items()
    )
    families = families_of(cells)
    shares = [each.passed / each.informative for each in families.values() if each.informative]
    worst = max((c for c in cells if c.status != "uninformative"), key=lambda cell: cell.excess or 0)
    control = {"": "retrained models", "twins": "twins", "holdout": "holdout"}[stand_in]
    return Audit.model_validate(
        {
            "panel": "v1", "delta": DELTA, "draws": 2000, "control": control, "cells": cells, "families": families,
            "rate": float(np.mean(shares)), "worst": f"{worst.name}: {worst.part} (+{worst.excess:.2f})",
            "rate_name": f"never-knew rate against {stand_in}" if stand_in else "never-knew rate",
            "ceiling": None if stand_in else Ceiling(
                rate=0.94, left_out="each of 3 retrained models in turn", rates=(0.91, 0.96, 0.95),
                statuses={"never-knew": 92, "unresolved": 6},
            ),
            "utility_kept": {"retain": 0.974, "other facts": 1.012},
            "verdict": (
                "Suppressed. It no longer says it, but it is still in the weights and comes back.",
                "Known in form (2 of 6), prefix (2 of 3), sampling (2 of 3), relearning (3 of 4).",
            ),
            "cannot_say": (
                "That no other attack brings it back: the verdict is about those that were tried.",
                "Anything about reverse_language: it could not be run.",
            ),
            "missing": {"reverse_language": "has no other wordings"},
            "seconds": {"paraphrase": 41.0, "sampling:samples=64": 210.5, "relearn": 380.2, "quantize": 33.1},
        }
    )  # fmt: skip


def audit_record(audit: Audit | None = None, after: str = "runs/npo", **changes: Any) -> Record:
    """Of an unlearned model that suppresses: good on the surface, and back after relearning."""
    reads = "What the model gives under this attack. A rise above the control is knowledge that was hidden."
    return Record.model_validate(
        {
            "command": "audit", "status": "done", "started": "2026-03-05T09:00:00+00:00",
            "arguments": ("audit", "--before", "me/tuned", "--after", after, "--out", "runs/audit"),
            "configuration": {"before": "me/tuned", "after": after},
            "model": ModelInfo(name="me/tuned", digest="d" * 64),
            "sets": {
                "forget": SetInfo(role="forget", n=N, source="f.jsonl", digest="e" * 64),
                "retain": SetInfo(role="retain", n=N, source="r.jsonl", digest="f" * 64),
                "other facts": SetInfo(role="test", n=100, title="Facts of other kinds", digest="a" * 64),
            },
            "before": {"forget": measured(0.97, N, 3), "retain": measured(0.98, N, 4)},
            "methods": {
                "unlearned": Outcome(after={"forget": measured(0.05, N, 5), "retain": measured(0.955, N, 6)})
            },
            "audit": audit or made_audit(),
            "glossary": {
                **glossary(list(metrics)),
                **{name: {"title": title, "better": "higher", "reads": reads} for name, title in ATTACKS.items()},
            },
            "seconds": {"loading": 12.0, "measuring": 95.0, "attacks": 664.8}, "peak_memory": 2_310_000_000,
            "versions": {"expunge": "0.1.0", "torch": "2.13.0"}, **changes,
        }
    )  # fmt: skip


def quick_audit() -> Audit:
    """The quick panel of a run with twins: no rate and no ceiling."""
    whole = made_audit(0.0, "twins")
    return whole.model_copy(update={"panel": "v1, quick", "rate": None})


def nothing_informative() -> Audit:
    """No cell tells the original from the control."""
    cells = tuple(
        Cell(name=name, family="form", n=3, k={"original": 0.1, "unlearned": 0.1, "retrained#0": 0.1}, gap=0.0,
             gap_lower=-0.3, excess=0.0, excess_bounds=(-0.3, 0.3))
        for name in ("cloze", "statement")
    )  # fmt: skip
    return Audit(
        panel="v1", delta=DELTA, draws=2000, control="retrained models", cells=cells, families=families_of(cells)
    )


def without_control() -> Audit:
    """Nothing to compare with: no gap, no excess, only two models."""
    cell = Cell(
        name="probability", family="likelihood", n=2, k={"original": 0.9, "unlearned": 0.2},
        scores={"original": (0.8, 0.9, 1.0), "unlearned": (0.1, 0.2, None)},
        note="there is no model that never knew to compare with",
    )  # fmt: skip
    return Audit(panel="v1", delta=DELTA, draws=2000, control="none", cells=(cell,), families=families_of((cell,)))

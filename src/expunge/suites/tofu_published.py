"""Published numbers of TOFU: models that know everything, and models that never saw the forget set.

Sources, two pipelines whose numbers must not be mixed in one column:
- OpenUnlearning, docs/repro.md (December 2025): forget quality (p of the Kolmogorov–Smirnov test), model utility, and
  the forget set's truth ratio in the form min(TR, 1/TR);
- the repository of the unlearning depth score (gnueaj/unlearning-depth-score, docs/data/method_results.json): forget10,
  Llama-3.2-1B-Instruct; it gives 1 minus the value for what is known. Its truth ratio is p_right/(p_right + p_wrong).
"""

from collections.abc import Iterator

from expunge.suites.suite import Published

_REPRO = "OpenUnlearning, docs/repro.md (December 2025)"
_DEPTH = "gnueaj/unlearning-depth-score, docs/data/method_results.json"
_TABLE = {  # model → split → forget quality, model utility, forget truth ratio; finetuned, then retrained
    "Llama-2-7b-chat": {
        "forget01": ((1.27e-03, 0.63, 0.53), (1.0, 0.63, 0.68)),
        "forget05": ((5.87e-14, 0.63, 0.51), (1.0, 0.63, 0.67)),
        "forget10": ((4.35e-25, 0.63, 0.52), (1.0, 0.61, 0.68)),
    },
    "Llama-3.2-1B-Instruct": {
        "forget01": ((0.01, 0.60, 0.47), (1.0, 0.60, 0.65)),
        "forget05": ((1.33e-13, 0.60, 0.47), (1.0, 0.60, 0.64)),
        "forget10": ((1.66e-21, 0.60, 0.48), (1.0, 0.59, 0.63)),
    },
}
_KNOWN = {  # metric → finetuned, retrained
    "extraction_strength": (0.679, 0.059),
    "exact_memorization": (0.968, 0.590),
    "paraphrased answer probability": (0.105, 0.055),
    "truth_ratio": (0.682, 0.567),
    "model utility": (0.601, 0.591),
}
_COLUMNS = (("forget quality", "forget"), ("model utility", "utility"), ("truth_ratio:form=forget", "forget"))


def _of(split: str) -> Iterator[Published]:
    for model, splits in _TABLE.items():
        for kind, row in zip(("finetuned", "retrained"), splits[split], strict=True):
            for (metric, on), value in zip(_COLUMNS, row, strict=True):
                yield Published(f"{model}, {kind}", metric, on, value, _REPRO)
    if split == "forget10":
        for metric, pair in _KNOWN.items():
            on = "utility" if metric == "model utility" else "forget"
            for kind, value in zip(("finetuned", "retrained"), pair, strict=True):
                yield Published(f"Llama-3.2-1B-Instruct, {kind}", metric, on, value, _DEPTH)


PUBLISHED = {split: tuple(_of(split)) for split in ("forget01", "forget05", "forget10")}

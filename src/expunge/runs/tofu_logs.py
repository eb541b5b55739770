"""The logs of the original TOFU code (locuslab/tofu) as columns. Maini et al. 2024, arXiv:2401.06121.

A log maps a field to {row: value}; `eval_log_aggregated.json` maps the names of four logs to them. Read are the mean
losses per token, from which probability, probability among options and truth ratio follow, and the ROUGE recalls. The
field `truth_ratio` is not read: that code has it in both orientations. The aggregation takes the geometric mean of the
wrong answers, and so does this. Deviations: none.
"""

from collections.abc import Mapping
from math import exp, fsum
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.errors import ConfigError, DataError
from expunge.evaluate.metric import mean_metric
from expunge.evaluate.model_utility import model_utility
from expunge.evaluate.truth_ratio import of_form
from expunge.runs.columns import Column, Converted, Role, number, place, table

LOGS: Mapping[str, tuple[str, Role]] = {  # how a log's name begins → set, role; the first that fits
    "eval_log_forget": ("forget", "forget"),
    "eval_log": ("retain", "retain"),
    "eval_real_author": ("real authors", "test"),
    "eval_real_world": ("world facts", "test"),
}
_LOSS, _RIGHT, _WRONG = "avg_gt_loss", "avg_paraphrased_loss", "average_perturb_loss"
_NOTE = "from the original code's mean losses per token"


def fits(content: Mapping[str, Any]) -> bool:
    """One log, or several by name."""
    return _LOSS in content or any(isinstance(log, dict) and _LOSS in log for log in content.values())


def convert(content: Mapping[str, Any], file: Path) -> Converted:
    """Raises DataError with file and field for what is not as that code writes it."""
    logs = {file.name: content} if _LOSS in content else content
    columns: list[Column] = []
    roles: dict[str, Role] = {}
    for name, log in logs.items():
        found = next((each for start, each in LOGS.items() if name.startswith(start)), None)
        if found is None:
            raise DataError(f"{place(file, name)}: the name says no set; expected {', '.join(f'{k}*' for k in LOGS)}")
        title, roles[title] = found[0], found[1]
        columns += _columns(table(log, place(file, name)), title, place(file, name))
    return Converted(
        "the original TOFU code", tuple(columns), roles, headline=_headline(columns),
        warnings=("the original TOFU code prompts with “Question: … Answer: …”: a convention of its own",),
    )  # fmt: skip


def _columns(log: Mapping[str, Any], title: str, where: str) -> list[Column]:
    def losses(field: str) -> dict[str, list[float]]:
        return {
            i: _losses(value, f"{where}.{field}.{i}") for i, value in table(log.get(field), f"{where}.{field}").items()
        }

    answer = losses(_LOSS)
    found = [Column(title, "probability", {i: exp(-x[0]) for i, x in answer.items()}, note=_NOTE)]
    if _WRONG in log:
        wrong = losses(_WRONG)
        shares = {i: _share(x[0], _of(wrong, i, f"{where}.{_WRONG}")) for i, x in answer.items()}
        found.append(Column(title, "probability_normalized", shares, note=_NOTE))
        if _RIGHT in log:
            ratios = {i: x[0] - fmean(_of(wrong, i, f"{where}.{_WRONG}")) for i, x in losses(_RIGHT).items()}
            known = {i: 1 / (1 + exp(min(log_ratio, 700.0))) for i, log_ratio in ratios.items()}
            found.append(Column(title, "truth_ratio", known, note=_NOTE))
    for field, metric in (("rougeL_recall", "rouge_l_recall"), ("rouge1_recall", "rouge1_recall")):
        if field in log:
            rows = table(log[field], f"{where}.{field}")
            values = {i: number(value, f"{where}.{field}.{i}") for i, value in rows.items()}
            found.append(Column(title, metric, values, note="the original code's"))
    return found


def _losses(value: Any, where: str) -> list[float]:
    """One loss or a list of them."""
    found = [number(each, where) for each in (value if isinstance(value, list) else [value])]
    kept = [each for each in found if each is not None]
    if not kept or len(kept) < len(found):
        raise DataError(f"{where}: must be a number, or a list of numbers")
    if min(kept) < -1e-3:
        raise DataError(f"{where}: {min(kept):g} is no loss, which is 0 or more")
    return kept


def _of(losses: Mapping[str, list[float]], index: str, where: str) -> list[float]:
    if index not in losses:
        raise DataError(f"{where}.{index}: is missing, though other fields have this row")
    return losses[index]


def _share(right: float, wrong: list[float]) -> float:
    """p / (p + Σ p_j) from losses, without underflow."""
    return 1 / fsum(exp(min(right - each, 700.0)) for each in (right, *wrong))


def _headline(columns: list[Column]) -> tuple[str, ...]:
    """Model utility, where the file holds all that it is made of."""
    results: dict[str, dict[str, Any]] = {}
    for column in columns:
        values = [value for value in column.values.values() if value is not None]
        results.setdefault(column.set, {})[column.metric] = mean_metric(values, "higher", bounds=None)
    try:
        utility = model_utility(results)
    except ConfigError:
        return ()
    forget = results.get("forget", {}).get("truth_ratio")
    lines = [f"Model utility: {utility.value:.4f}."]
    if forget is not None:
        lines.append(
            f"Truth ratio of the forget set, min(TR, 1/TR): {fmean(of_form(forget.per_example, 'forget')):.4f}."
        )
    return tuple(lines)

"""Result files of OpenUnlearning as columns: TOFU_EVAL.json, TOFU_SUMMARY.json, MUSE_EVAL.json, MUSE_SUMMARY.json.

An evaluation maps a metric to `agg_value` and, mostly, `value_by_index` ({row: numbers and texts}); a summary maps it
to the number alone. Its names begin with the set (`forget_`, `retain_`, `ra_`, `wf_`). Its truth ratio is wrong over
right unless its aggregator is `prob_mean`; ours is right over both: which of the two a file has follows from
`agg_value`.

What stays theirs, and is said in the notes: extraction strength never 0; ROUGE stemmed for MUSE; labels with a further
end of turn, and an attention mask that hides true end tokens where padding and end are one token; rows filed under the
wrong number after one without a score. Deviations: none.
"""

from collections.abc import Iterator, Mapping
from math import exp, isclose
from pathlib import Path
from statistics import fmean
from typing import Any

from expunge.errors import DataError
from expunge.runs.columns import Better, Column, Converted, Role, field_of, number, place, table

WHOSE = "OpenUnlearning"
SETS: Mapping[str, tuple[str, Role]] = {  # how a metric's name begins → set, role
    "forget_knowmem": ("questions, forget", "forget"),
    "retain_knowmem": ("questions, retain", "retain"),
    "forget_verbmem": ("verbatim", "forget"),
    "forget_": ("forget", "forget"),
    "retain_": ("retain", "retain"),
    "ra_": ("real authors", "test"),
    "wf_": ("world facts", "test"),
}
NAMES = {  # the rest of the name → ours, the field of a row
    "q_a_prob": ("probability", "prob"),
    "q_a_prob_normalised": ("probability_normalized", "prob"),
    "q_a_rouge": ("rouge_l_recall", "rougeL_recall"),
    "_rouge": ("", "rougeL_f1"),  # MUSE: by set
    "truth_ratio": ("truth_ratio", "score"),
    "extraction_strength": ("extraction_strength", "score"),
    "exact_memorization": ("exact_memorization", "score"),
}
_MUSE = {
    "questions, forget": "knowledge_memory",
    "questions, retain": "knowledge_memory",
    "verbatim": "verbatim_memory",
}
_NOTES = {
    "extraction_strength": "never 0: an answer of which nothing is memorized counts as 1/L",
    "knowledge_memory": "stemmed, unlike MUSE's own code",
    "verbatim_memory": "stemmed, unlike MUSE's own code",
}
_OWN = {
    "model_utility": "the harmonic mean of nine numbers",
    "forget_quality": "the p of a test of two models: not a degree of forgetting",
    "privleak": "without the logs of a retrained model it is relative to a default AUC, which the file does not say",
    "gibberish": "the probability that a text is no gibberish: higher is more fluent, whatever its name",
    "mia_": "an AUC: 1 where the forget set is the likelier one throughout",
}
_EVERYTHING = "utility"


def fits(content: Mapping[str, Any]) -> bool:
    """An evaluation, or a summary: names of theirs with numbers."""
    if any(isinstance(value, dict) and "agg_value" in value for value in content.values()):
        return True
    numbers = [
        name for name, value in content.items() if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return bool(content) and len(numbers) == len(content) and any(_is_theirs(name) for name in content)


def convert(content: Mapping[str, Any], file: Path) -> Converted:
    """Raises DataError with file and field for what is not as OpenUnlearning writes it."""
    muse = file.name.upper().startswith("MUSE") or any("knowmem" in name or "verbmem" in name for name in content)
    columns: list[Column] = []
    roles: dict[str, Role] = {_EVERYTHING: "test"}
    for name, value in content.items():
        title, rest, role = _set_of(name, muse)
        roles[title] = role
        where = place(file, name)
        if not isinstance(value, dict):
            value = {"agg_value": value}
        columns += list(_columns(name, title, rest, value, content, where))
    warnings = (
        "numbers of OpenUnlearning, under its convention: labels end with an end of turn more than ours, and where "
        "padding is the end token its attention mask hides true end tokens of the prompt",
    )
    return Converted(WHOSE, tuple(_aligned(columns)), _used(roles, columns), warnings=warnings)


def _is_theirs(name: str) -> bool:
    return name.startswith((*SETS, "mia_")) or name in (*NAMES, *_OWN)


def _set_of(name: str, muse: bool) -> tuple[str, str, Role]:
    """The set of a metric, what is left of its name, the role of the set."""
    if name in ("forget_quality", "privleak") or name.startswith("mia_"):
        return "forget", name, "forget"
    for start, (title, role) in SETS.items():
        if name.startswith(start):
            return title, name.removeprefix(start).lower(), role
    if name in ("extraction_strength", "exact_memorization"):
        return ("verbatim" if muse else "forget"), name, "forget"
    return _EVERYTHING, name, "test"


def _columns(
    name: str, title: str, rest: str, value: Mapping[str, Any], content: Mapping[str, Any], where: str
) -> Iterator[Column]:
    """One metric of theirs; of TOFU's ROUGE two."""
    mean = number(value.get("agg_value"), f"{where}.agg_value")
    rows = table(value.get("value_by_index", {}), f"{where}.value_by_index")
    ours, field = NAMES.get(rest, ("", ""))
    ours = _MUSE.get(title, ours) if rest == "_rouge" else ours
    note = "; ".join(filter(None, (f"{WHOSE}'s {name}", _NOTES.get(ours, ""))))
    if not ours:
        yield _own(name, title, value, rows, mean, where)
    elif ours == "truth_ratio":
        yield _truth(name, title, rows, mean, content, where)
    elif not rows:
        yield Column(title, ours, value=mean, note=note)
    else:
        yield Column(title, ours, _checked(field_of(rows, field, f"{where}.value_by_index"), mean, where), note=note)
        if rest == "q_a_rouge" and all("rougeL_f1" in row for row in rows.values() if isinstance(row, dict)):
            values = field_of(rows, "rougeL_f1", f"{where}.value_by_index")
            yield Column(title, "rouge_l_f1", values, note=f"{WHOSE}'s {name}, rougeL_f1; stemmed")


def _own(
    name: str, title: str, value: Mapping[str, Any], rows: Mapping[str, Any], mean: float | None, where: str
) -> Column:
    """A metric that has no name of ours."""
    note = next((each for part, each in _OWN.items() if part in name), "no name of ours")
    knowing = name.startswith("mia_") or (("Prob" in name or "ROUGE" in name) and "PERT" not in name)
    better: Better = "higher" if knowing else "reference"
    field = next((f for f in ("prob", "score", "rougeL_recall") if rows and _has(rows, f)), None)
    if field is None:
        n = len(table(value.get("forget", {}), f"{where}.forget").get("value_by_index", {}))
        return Column(title, name, value=mean, n=n, better=better, note=f"{WHOSE}'s; {note}")
    flat = {
        i: row if row is None else {field: _mean(row.get(field), f"{where}.{i}.{field}")} for i, row in rows.items()
    }
    values = field_of(flat, field, f"{where}.value_by_index")
    return Column(title, name, _checked(values, mean, where), better=better, bounds=None, note=f"{WHOSE}'s; {note}")


def _has(rows: Mapping[str, Any], field: str) -> bool:
    return all(isinstance(row, dict) and field in row for row in rows.values() if row is not None)


def _mean(value: Any, where: str) -> float | None:
    """Of several wrong answers, their mean: what `agg_value` takes."""
    if isinstance(value, list) and value:
        each = [number(part, where) for part in value]
        return None if None in each else fmean(part for part in each if part is not None)
    return number(value, where)


def _checked(values: dict[str, float | None], mean: float | None, where: str) -> dict[str, float | None]:
    """The values, if their mean is what the file says."""
    there = [value for value in values.values() if value is not None]
    if mean is not None and there and not isclose(fmean(there), mean, rel_tol=1e-4, abs_tol=1e-6):
        raise DataError(f"{where}.agg_value: {mean} is not the mean of its rows, {fmean(there):.6g}; a damaged file?")
    return values


def _truth(
    name: str, title: str, rows: Mapping[str, Any], mean: float | None, content: Mapping[str, Any], where: str
) -> Column:
    """The truth ratio in our orientation, right over right and wrong."""
    if not rows:
        return Column(
            title, name, value=mean, better="reference",
            note=f"{WHOSE}'s; its form is min(TR, 1/TR) on the forget set and max(0, 1 - TR) elsewhere: without rows "
            "it cannot be turned into ours",
        )  # fmt: skip
    scores = field_of(rows, "score", f"{where}.value_by_index")
    there = [score for score in scores.values() if score is not None]
    forms = {
        "min(TR, 1/TR)": [min(s, 1 / (s + 1e-10)) for s in there],
        "max(0, 1 - TR)": [max(0.0, 1 - s) for s in there],
        "prob_mean": there,
    }
    fitting = [
        form for form, v in forms.items() if mean is None or (v and isclose(fmean(v), mean, rel_tol=1e-4, abs_tol=1e-7))
    ]
    if not fitting:
        raise DataError(f"{where}.agg_value: {mean} is no aggregate of its rows that OpenUnlearning has")
    assumed = ""
    if "prob_mean" in fitting and len(fitting) > 1:  # no ratio above 1: both readings give this aggregate
        ratio = _ratio_of(next(iter(scores)), title, content)
        if ratio is None:
            assumed = "; taken for wrong over right, the default, which this file alone does not tell"
        elif not isclose(ratio, next(iter(scores.values())) or 0.0, rel_tol=1e-3):
            fitting = ["prob_mean"]
    if fitting == ["prob_mean"]:
        return Column(title, "truth_ratio", scores, note=f"{WHOSE}'s {name}, aggregator prob_mean")
    known = {index: None if s is None else 1 / (1 + s) for index, s in scores.items()}
    note = f"{WHOSE}'s {name}, 1/(1 + TR) of its rows; its own aggregate, {fitting[0]}, is {mean}{assumed}"
    return Column(title, "truth_ratio", known, note=note)


def _ratio_of(index: str, title: str, content: Mapping[str, Any]) -> float | None:
    """Wrong over right of one row, from the losses that it was made of, where the file has them."""
    start = next((start for start, (name, _) in SETS.items() if name == title), "")
    right = content.get(f"{start}Q_A_PARA_Prob", content.get(f"{start}Q_A_Prob"))
    try:
        losses = [each["value_by_index"][index]["avg_loss"] for each in (right, content[f"{start}Q_A_PERT_Prob"])]
        return exp(losses[0] - fmean(losses[1]))
    except (KeyError, TypeError, OverflowError):
        return None


def _aligned(columns: list[Column]) -> Iterator[Column]:
    """Without rows where they cannot be trusted: fewer than the set has, since theirs are then filed wrongly."""
    longest = {title: max(len(c.values) for c in columns if c.set == title) for title in {c.set for c in columns}}
    for column in columns:
        filtered = column.metric in ("truth_ratio", "probability_normalized")
        if filtered and 0 < len(column.values) < longest[column.set]:
            there = [value for value in column.values.values() if value is not None]
            note = (
                f"{column.note}; rows left out: with some missing, OpenUnlearning files the others under wrong numbers"
            )
            if there:
                yield Column(column.set, column.metric, value=fmean(there), n=len(there), note=note)
        else:
            yield column


def _used(roles: Mapping[str, Role], columns: list[Column]) -> dict[str, Role]:
    return {title: role for title, role in roles.items() if any(column.set == title for column in columns)}

"""The first lines: in plain words, what was forgotten, what was kept and what it cost."""

from dataclasses import dataclass

from expunge.record import Measured, SetInfo
from expunge.report.numbers import duration, is_count, listed, measured, number, percent, size
from expunge.report.view import Column, Group, set_title

SPOKEN = ("generated_contains", "generated_exact")  # what a user would see comes first
GRADED = ("probability", "rouge_l_recall", "extraction_strength", "exact_memorization")


@dataclass(frozen=True)
class Line:
    """One of the first lines: a word, what it says, and more for those who read on."""

    word: str  # "Forgotten", "Kept", "Cost"; "Knows" of a model that nothing was done to
    text: str
    more: tuple[str, ...] = ()


def headline(group: Group, column: Column) -> list[Line]:
    """For one method. What the record says itself comes first. An audit has its own first page."""
    if column.record.audit is not None:
        return []
    own = column.outcome.headline if column.outcome else ()
    if written := own or (column.record.headline if len(column.record.methods) == 1 else ()):
        words = ("Forgotten", "Kept", "Cost", *[""] * len(written))
        return [Line(word, text.removeprefix(f"{word}: ")) for word, text in zip(words, written)]
    if column.outcome is None:
        line = _about(group, column, ("forget", "test", "retain", "twins", "holdout"), "Knows")
        return [line] if line else []
    stay = ("test",) if any(info.role == "test" for info in group.sets.values()) else ("retain",)
    taught = _about(group, column, ("train",), "Learnt")
    lines = [_forgotten(group, column), taught, _about(group, column, stay, "Kept"), cost(column)]
    return [line for line in lines if line]


def asked_directly(group: Group, column: Column) -> Line | None:
    """What becomes of the forget sets when they are asked as they were taught."""
    return _about(group, column, ("forget",), "Forgotten")


def _forgotten(group: Group, column: Column) -> Line | None:
    """With the level of a model that never knew, where there is one: less than that is a fault too."""
    line, chosen = (
        asked_directly(group, column),
        column.outcome and column.outcome.selection,
    )
    name = next((name for name, info in group.sets.items() if info.role == "forget"), "")
    after = column.metric(name, chosen.measure) if chosen else None
    if line is None or not chosen or chosen.never_known is None or after is None:
        return line
    measure, goal = _measure(column, chosen.measure).capitalize(), number(chosen.never_known)
    level = f"{measure} is {number(after.value)}; in a model that never knew, {goal}."
    return Line(line.word, line.text, (*line.more, level))


def _about(group: Group, column: Column, roles: tuple[str, ...], word: str) -> Line | None:
    sentences = [
        _sentence(name, info, column, word == "Forgotten")
        for name, info in group.sets.items()
        if info.role in roles and column.results.get(name)
    ]
    sentences = [sentence for sentence in sentences if sentence]
    return Line(word, sentences[0], tuple(sentences[1:])) if sentences else None


def _sentence(name: str, info: SetInfo, column: Column, forget: bool) -> str:
    title = set_title(name, info)
    for metric in (*SPOKEN, *GRADED):
        after = column.metric(name, metric)
        before = column.baseline.metric(name, metric) if column.baseline else None
        if after is None:
            continue
        if before and is_count(before) and is_count(after):
            return _counted(title, before, after, forget)
        if is_count(after):
            return f"{title}: the right answer to {measured(after)} questions."
        was = f", it was {number(before.value)}" if before else ""
        return f"{title}: {_measure(column, metric)} is {number(after.value)}{was}."
    return ""


def _measure(column: Column, metric: str) -> str:
    reading = column.record.glossary.get(metric)
    return reading.title.lower() if reading else metric.replace("_", " ")


def _counted(title: str, before: Measured, after: Measured, forget: bool) -> str:
    said = sum(v or 0 for v in before.per_example)
    still = sum(1 for b, a in zip(before.per_example, after.per_example) if b and a)
    gained = sum(1 for b, a in zip(before.per_example, after.per_example) if a and not b)
    if not said:
        return f"{title}: none of the {before.n} answers was known before, {still + gained} are now."
    more = f" ({gained} more are right that were not before)" if gained else ""
    if forget:
        told = "none is" if not still else f"{still} {'is' if still == 1 else 'are'}"
        return f"{title}: of {int(said)} answers that the model gave before, {told} still given{more}."
    share = percent(still / said)
    return f"{title}: of {int(said)} answers that were right before, {still} still are: {share}{more}."


def cost(column: Column) -> Line | None:
    outcome = column.outcome
    if outcome is None:
        return None
    parts = []
    if outcome.seconds:
        parts.append(duration(sum(outcome.seconds.values())))
    if outcome.selection:
        steps = outcome.selection.step
        parts.append(f"{steps} step{'s' * (steps != 1)}")
    if outcome.peak_memory:
        parts.append(f"{size(outcome.peak_memory)} of memory at most")
    change = outcome.change
    if change and change.touched_weights is not None and change.total_weights:
        parts.append(f"{percent(change.touched_weights / change.total_weights)} of the weights changed")
    return Line("Cost", f"{listed(parts)}.") if parts else None

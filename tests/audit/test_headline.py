"""What keeps a rate from being the headline: every missing cell is named, few seeds and few items are said."""

from dataclasses import replace

import pytest

from expunge.attacks import Finding
from expunge.audit.cells import Seen, Sources, scored_cells
from expunge.audit.headline import left_out, not_a_headline
from expunge.audit.panel import FAMILIES, FULL, MEMBERSHIP, METRICS, panel_of
from expunge.audit.require import parse
from expunge.config import AuditConfig
from expunge.data.example import Example
from expunge.evaluate.measure import Evaluation
from expunge.evaluate.metric import mean_metric
from expunge.record_audit import Audit
from expunge.report.markdown import to_markdown
from expunge.runs.examining import Examined
from expunge.runs.judging import AllSeen, Setting, audited
from expunge.runs.sets import Measured
from report.made_up_audit import audit_record, made_audit

PANEL = panel_of("full")
NAMES = [*(name for several in METRICS.values() for name in several), *MEMBERSHIP]


def examples(kind: str, number: int) -> tuple[Example, ...]:
    return tuple(Example(f"{kind}{i}", f"What is {i}?", "this", group=f"{kind}{i}") for i in range(number))


def parts(text: str) -> tuple[str, ...]:
    return ("8 bit", "4 bit") if text == "quantize" else ("",)


def model(level: float, items: int) -> Examined:
    """Every cell of the panel at one level; as a member a model looks by it, too."""
    metric = lambda value: mean_metric([value] * items, "higher")
    return Examined(
        Evaluation({
            "forget": {name: metric(-level if name in MEMBERSHIP else level) for name in NAMES},
            "holdout": {name: metric(-0.1 if name in MEMBERSHIP else 0.1) for name in NAMES},
        }),
        {text: tuple(Finding((level,) * items, part=part) for part in parts(text)) for text in FULL},
    )  # fmt: skip


def without(given: Examined, *names: str, part: str | None = None) -> Examined:
    """Without these metrics and attacks, or a part of them."""
    kept = {
        title: {n: m for n, m in each.items() if n not in names} for title, each in given.evaluation.metrics.items()
    }
    findings = {
        text: tuple(each for each in several if text not in names or part not in (None, each.part))
        for text, several in given.findings.items()
    }
    return replace(given, evaluation=Evaluation(kept), findings={text: each for text, each in findings.items() if each})


def judged(*names: str, items: int = 200, seeds: int = 3, stand_in: bool = False, config: AuditConfig | None = None):
    """An unlearned model like the retrained ones; no model has what is named."""
    made = lambda level: without(model(level, items), *names)
    sets = {title: Measured(examples(title, items), "forget", title) for title in ("forget", "holdout")}
    sets["holdout"] = replace(sets["holdout"], role="test")
    setting = Setting(sets, ("forget",), "forget", "forget", "holdout" if stand_in else "retrained models")
    config = config or AuditConfig(draws=100)
    retrained = tuple(made(0.1) for _ in range(seeds))
    seen = AllSeen(made(1.0), made(0.1), retrained, stand_in=made(0.1) if stand_in else None)
    return audited(setting, panel_of(config.panel, config.attacks), config, seen)


def test_a_whole_panel_is_the_headline() -> None:
    found = judged()
    assert set(found.families) == set(FAMILIES)
    assert (found.panel, found.rate_name, found.left_out) == ("v1", "never-knew rate", ())
    assert found.rate is not None and found.not_headline == ()


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (("truth_ratio",), ("truth_ratio",)),
        (("zlib",), ("zlib",)),
        (("reverse", "language", "rouge_l_recall"), ("rouge_l_recall", "reverse", "language")),
    ],
)
def test_every_missing_cell_is_named(names: tuple[str, ...], lost: tuple[str, ...]) -> None:
    found = judged(*names)
    told = ", ".join(lost)
    assert found.left_out == lost and found.panel == f"v1, without {told}"
    assert found.rate is not None and found.rate_name == f"never-knew rate, incomplete: without {told}"
    assert found.not_headline == ("the panel is incomplete",)


def test_a_family_that_is_missing_leaves_no_rate() -> None:
    found = judged(*MEMBERSHIP)
    assert found.left_out == ("membership",)
    assert (found.rate, found.rate_name, found.not_headline) == (None, "never-knew rate", ())


@pytest.mark.parametrize("who", ["original", "unlearned", "retrained#0"])
def test_a_part_of_an_attack_is_named_whoever_lacks_it(who: str) -> None:
    several = {"original": 1.0, "unlearned": 0.1, "retrained#0": 0.1}
    seen = {}
    for label, level in several.items():
        given = model(level, 10)
        given = without(given, "quantize", part="4 bit") if label == who else given
        metrics = {t: {n: m.per_example for n, m in each.items()} for t, each in given.evaluation.metrics.items()}
        seen[label] = Seen(metrics, given.findings)
    sets = {title: examples(title, 10) for title in ("forget", "holdout")}
    sources = Sources(seen, sets, "forget", ("forget",), control="retrained models")
    lost = () if who == "original" else ("quantize (4 bit)",)  # what the original was never asked is no cell
    assert left_out(PANEL, sources, scored_cells(sources)) == lost


def test_few_items_and_few_seeds_are_said() -> None:
    assert judged(items=199).not_headline == ("199 items, of 200 that it takes",)
    assert judged(seeds=2, items=10).not_headline == ("fewer than 3 retrained models", "10 items, of 200 that it takes")
    assert judged(seeds=0, stand_in=True).not_headline[-1] == "fewer than 3 retrained models"
    assert judged(items=199, config=AuditConfig(panel="quick", draws=100)).not_headline == ()  # there is no rate


def test_controls_that_only_some_cells_have() -> None:
    """Saved evaluations have no attacks: what only one retrained model was put to is named."""
    sets = {title: examples(title, 200) for title in ("forget", "holdout")}
    seen = {}
    for label, level in {
        "original": 1.0,
        "unlearned": 0.1,
        **dict.fromkeys(("retrained#0", "retrained#1"), 0.1),
    }.items():
        given = model(level, 200)
        metrics = {t: {n: m.per_example for n, m in each.items()} for t, each in given.evaluation.metrics.items()}
        seen[label] = Seen(metrics, given.findings if label != "retrained#1" else {})
    seen["retrained#2"] = seen["retrained#3"] = seen["retrained#1"]
    sources = Sources(seen, sets, "forget", ("forget",), control="retrained models")
    (reason,) = not_a_headline((), sources, scored_cells(sources))
    assert reason.startswith("fewer than 3 retrained models in paraphrase, statement") and "probability" not in reason
    assert "patching" not in reason


def test_an_incomplete_panel_meets_no_requirement() -> None:
    (required,) = parse("never_knew>=0.1")
    whole, part = made_audit(), made_audit().model_copy(update={"left_out": ("truth_ratio", "reverse")})
    assert required.holds(whole) and not required.holds(part)
    assert required.said(part).endswith("cannot be said: the panel is incomplete, without truth_ratio, reverse")


def test_the_report_says_it_beside_the_number() -> None:
    words = {"not_headline": ("the panel is incomplete", "160 items, of 200 that it takes"),
             "rate_name": "never-knew rate, incomplete: without reverse"}  # fmt: skip
    record = audit_record(made_audit().model_copy(update=words))
    text = to_markdown([record])
    assert "**Not a headline** the panel is incomplete; 160 items, of 200 that it takes." in text
    assert "Never-knew rate, incomplete: without reverse" in text
    assert "Not a headline" not in to_markdown([audit_record()])


def test_older_records_have_none_of_it() -> None:
    old = {k: v for k, v in made_audit().model_dump().items() if k not in ("left_out", "not_headline")}
    assert Audit.model_validate(old) == made_audit()

"""What is told from two sets together, as the report shows it."""

import io

from rich.console import Console

from expunge.record import Measured, ModelInfo, Outcome, Reading, Record, SetInfo
from expunge.report.markdown import to_markdown
from expunge.report.page import to_html
from expunge.report.text import print_summary


def auc(value: float) -> dict[str, Measured]:
    return {"loss_auc": Measured(value=value, better="higher", n=2, interval=(value - 0.1, value))}


def record() -> Record:
    level = {"probability": Measured(value=0.5, better="higher", n=2, per_example=(0.4, 0.6))}
    sets = {name: SetInfo(role=name, n=n, digest=name) for name, n in (("forget", 2), ("holdout", 3))}
    return Record(
        command="unlearn", status="done", model=ModelInfo(name="made up"), sets=sets,  # type: ignore[arg-type]
        before={"forget": level, "holdout": level}, between=auc(0.9375),
        methods={"npo": Outcome(after={"forget": level, "holdout": level}, between=auc(0.5625))},
        glossary={"loss_auc": Reading(title="Loss: AUC", better="higher", reads="How well it tells.")},
    )  # fmt: skip


def test_every_form_of_the_report_shows_it() -> None:
    console = Console(file=io.StringIO(), width=200)
    print_summary(record(), console)
    shown = {"html": to_html([record()]), "md": to_markdown([record()]), "text": console.file.getvalue()}  # type: ignore[attr-defined]
    for kind, text in shown.items():
        for words in ("Forget set against holdout set", "Loss: AUC", "0.938", "0.562", "5 examples"):
            assert words in text, (kind, words)
    assert "How well it tells." in shown["html"] and "How well it tells." in shown["md"]


def test_without_it_there_is_no_such_table() -> None:
    bare = record().updated(between={}, methods={"npo": record().methods["npo"].model_copy(update={"between": {}})})
    assert "against holdout" not in to_html([bare]) + to_markdown([bare])


def test_it_is_kept_by_the_record() -> None:
    assert Record.model_validate_json(record().model_dump_json()).between == auc(0.9375)

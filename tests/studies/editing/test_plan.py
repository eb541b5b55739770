"""What waits for what, what is chosen, and mistakes before anything is run."""

from pathlib import Path

import pytest

from expunge.config import EditingStudyConfig
from expunge.errors import ExpungeError
from expunge.studies.editing.arms import methods
from expunge.studies.editing.editing import train_settings
from expunge.studies.editing.plan import candidates, check, chosen_settings, jobs, pilot_place, ready
from expunge.studies.results import write_result

SMALL = EditingStudyConfig(
    suite="world:people:persons=20", editors=("rome", "rome:layer=1"), objectives=("npo", "idk"), numbers=(2, 3),
    merged=(), chains=(), requested=(),
    kinds_of=("idk",), parts=("numbers", "targets"), seeds=2,
)  # fmt: skip


def test_cells_wait_for_settings_models_and_the_corpus(tmp_path: Path) -> None:
    config = check(SMALL)
    labels = lambda: [job.label for job in jobs(config, tmp_path) if ready(job, config, tmp_path)]
    first = labels()
    assert first[:3] == ["corpus", "model full, seed 2", "model full, seed 0"]  # the pilot asks twins
    assert not any(label.startswith(("pilot", "numbers", "control", "model taught")) for label in first)
    named = {job.label: job for job in jobs(config, tmp_path)}
    for label in ("corpus", "model full, seed 2", "model full, seed 0", "model retrained, seed 0"):
        write_result(named[label].folder, {})
    found = set(labels())
    assert {"pilot rome", "pilot npo", "control, pretrained, seed 0", "model taught, seed 0"} <= found
    assert not any(label.startswith("numbers") for label in found)  # settings are not chosen yet
    assert not any("rome:layer=1" in label for label in found)  # nothing is to be chosen for it
    for method, value in (("rome", 0.34), ("npo", 3e-4), ("idk", 1e-4)):
        write_result(tmp_path / pilot_place(method), {"chosen": value})
    assert chosen_settings(config, tmp_path) == {"rome": 0.34, "rome:layer=1": None, "npo": 3e-4, "idk": 1e-4}
    found = set(labels())
    assert "numbers, 3 facts, pretrained, seed 0" in found
    assert "numbers, 3 facts, finetuned, seed 0" not in found  # its model is not taught yet
    assert not any("seed 1" in label for label in found if label.startswith("numbers"))


def test_a_pilot_on_fine_tuned_knowledge_needs_what_is_taught(tmp_path: Path) -> None:
    labels = [job.label for job in jobs(SMALL.model_copy(update={"knowledge": ("finetuned",)}), tmp_path)]
    assert labels[1:3] == ["model retrained, seed 2", "model taught, seed 2"]


def test_what_is_tried_and_what_the_settings_are() -> None:
    assert candidates(SMALL, "rome") == SMALL.places and candidates(SMALL, "rome:layer=1") == ()
    assert candidates(SMALL, "npo") == SMALL.rates
    edit = train_settings(SMALL, "rome", 0.6, 1, target="empty").options
    assert edit == {"keep": 0, "target": "empty", "contexts": 0, "steps": 60, "layer": 0.6}
    assert train_settings(SMALL, "rome:layer=1,steps=9", None, 1).options["steps"] == 9
    assert train_settings(SMALL, "idk", 1e-3, 1).retain_loss == "nll"
    assert methods(EditingStudyConfig(chains=("memit",), objectives=("idk",)))[-1] == "npo"  # chains need it


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"editors": ("roem",)}, "Did you mean 'rome'"),
        ({"editors": ("rome:lyer=1",)}, "no option 'lyer'"),
        ({"chains": ("grace",)}, "'grace' changes no weights"),
        ({"merged": ("grace",)}, "no option 'merge_queries'"),
        ({"objectives": ("npo", "nop")}, "the study has no 'nop'"),
        ({"against": "dpo"}, "not among `objectives`"),
        ({"kinds": ("polite",)}, "there is no target 'polite'"),
        ({"numbers": (1, 400)}, "400 facts are to be edited"),
        ({"base": "smollm2"}, "leave `base` and"),
        ({"retrained": "smollm2"}, "leave `base` and `retrained` out"),
        ({"numbers": (1,), "singles": 5}, "5 facts are to be edited, and .* has 4"),
        ({"merged_at": (5,)}, "5 facts are to be edited"),
        ({"kinds_at": (5,)}, "5 facts are to be edited"),
        ({"corpus": "there-is-none.txt"}, "no file there-is-none.txt"),
        ({"suite": "wmdp:cyber"}, "say which of the two"),
        ({"suite": "wmdp:cyber", "knowledge": ("pretrained",)}, "name a `base`"),
        ({"attacks": ("relarn",)}, "Did you mean 'relearn'"),
    ],
)
def test_mistakes(values, says, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ExpungeError, match=says):
        check(EditingStudyConfig.model_validate({**SMALL.model_dump(), **values}))

"""What waits for what, what is chosen, and mistakes before anything is run."""

from pathlib import Path

import pytest

from expunge.config import EditingStudyConfig
from expunge.errors import ExpungeError
from expunge.studies.editing.arms import methods
from expunge.studies.editing.editing import train_settings
from expunge.studies.editing.plan import check, jobs, needs, ready
from expunge.studies.editing.trials import Trial, candidates, chosen_settings, pilot_place, trials, trials_tables
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


def test_models_that_only_jobs_need_which_are_done_are_not_made_again(tmp_path: Path) -> None:
    """Their weights did not come along, but all that follows from them did."""
    there = {job.label: job for job in jobs(SMALL, tmp_path)}
    made = ("corpus", "model full, seed 0", "model retrained, seed 0", "model taught, seed 0")
    assert {*made, "model full, seed 2"} <= there.keys()  # number 2 is the pilot's
    for label, job in there.items():
        if "finetuned, seed 0" in label:
            write_result(job.folder, {})
    left = [job.label for job in jobs(SMALL, tmp_path)]
    assert "model taught, seed 0" not in left and "model taught, seed 1" in left
    assert {"model full, seed 0", "model retrained, seed 0", "corpus"} <= {*left}  # other jobs need them
    assert [label for label in there if label in left] == left  # in their order
    write_result(there["model taught, seed 0"].folder, {})
    assert "model taught, seed 0" in [job.label for job in jobs(SMALL, tmp_path)]  # what is there stays told of
    for job in there.values():
        if job.label not in (*made, "model full, seed 1", "model retrained, seed 1", "model taught, seed 1"):
            write_result(job.folder, {"chosen": None})
    left = [job.label for job in jobs(SMALL, tmp_path)]
    assert not [label for label in left if label.startswith(("corpus", "model full, seed 0", "model retrained"))]


def test_outside_of_worlds_the_models_own_text_is_a_job(tmp_path: Path) -> None:
    config = EditingStudyConfig(suite="tofu:mini", knowledge=("finetuned",), places=(), seeds=2)
    named = {job.label: job for job in jobs(config, tmp_path)}
    assert not [label for label in named if label.startswith("model")]
    text = str(tmp_path / "corpus" / "corpus.jsonl")
    assert named["pilot npo"].values["corpus"] == named["numbers, 1 facts, finetuned, seed 0"].values["corpus"] == text
    assert needs(named["pilot npo"], config) == [Path("corpus")] and not needs(
        named["control, finetuned, seed 0"], config
    )
    given = jobs(config.model_copy(update={"corpus": "texts.txt"}), tmp_path)
    assert "corpus" not in [job.label for job in given] and given[0].values["corpus"] == "texts.txt"


def test_what_came_of_the_trials(tmp_path: Path) -> None:
    losses = {"0.1": 0.7, "0.34": None, "0.6": 1.25, "0.85": 0.9}
    write_result(tmp_path / pilot_place("rome"), {"chosen": 0.1, "losses": losses})
    rates = dict(zip(("3e-05", "0.0001", "0.0003", "0.001"), (0.5, 0.25, 0.5, 0.75)))
    write_result(tmp_path / pilot_place("npo"), {"chosen": 1e-4, "losses": rates})
    rome, npo = trials(SMALL, tmp_path)  # nothing is tried for rome:layer=1, and idk is not done
    assert rome == Trial("rome", {0.1: 0.7, 0.34: None, 0.6: 1.25, 0.85: 0.9}, 0.1)
    assert (rome.best, rome.at_the_end, npo.best, npo.at_the_end) == (0.7, True, 0.25, False)
    blocks, trained = trials_tables(SMALL, [rome, npo])
    assert blocks.rows == [["rome", "0.700, chosen", "failed", "1.250", "0.900"]]
    assert blocks.head[:2] == ["", "0.1 (block 0 of 0 to 3)"] and blocks.head[4] == "0.85 (block 3 of 0 to 3)"
    assert trained.head == ["", "3e-05", "0.0001", "0.0003", "0.001"]
    assert trained.rows == [["npo", "0.500", "0.250, chosen", "0.500", "0.750"]]


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
        ({"corpus": "there-is-none.txt"}, "there-is-none.txt: there is no such file"),
        ({"suite": "wmdp:cyber"}, "say which of the two"),
        ({"suite": "wmdp:cyber", "knowledge": ("pretrained",)}, "name a `base`"),
        ({"attacks": ("relarn",)}, "Did you mean 'relearn'"),
    ],
)
def test_mistakes(values, says, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ExpungeError, match=says):
        check(EditingStudyConfig.model_validate({**SMALL.model_dump(), **values}))

"""TOFU: which rows are in which set, on small files with the official schema and on the real ones."""

import os
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest

from expunge.data.example import Example
from expunge.errors import DataError, UnknownNameError
from expunge.evaluate import metrics
from expunge.evaluate.measure import check_metrics
from expunge.suites import Suite, suites
from suites.official import write_lines, write_tofu

REAL = os.environ.get("EXPUNGE_TOFU", "")
with_real_data = pytest.mark.skipif(not REAL, reason="EXPUNGE_TOFU names no folder with TOFU's official files")
SIZES = {  # forget, trained retain, holdout
    "forget01": (40, 3960, 0),
    "forget05": (200, 3800, 0),
    "forget10": (400, 3600, 0),
    "forget10+holdout": (400, 3200, 400),
    "mini": (200, 600, 200),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tofu(tmp_path_factory.mktemp("tofu"))


@lru_cache
def loaded(folder: str, variant: str) -> Suite:
    """Read once for all tests of this file: with every call checked it takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPUNGE_TOFU", folder)
        return suites.get("tofu").function(variant)


def load(folder: Path | str, variant: str) -> Suite:
    return loaded(str(folder), variant)


def places(examples: tuple[Example, ...]) -> list[int]:
    return [int(each.id.removeprefix("full:")) for each in examples]


@pytest.mark.parametrize(
    ("folder", "variant"),
    [("small", each) for each in SIZES]
    + [pytest.param("real", each, marks=with_real_data) for each in ("forget01", "forget10+holdout", "mini")],
)
def test_sizes_and_whole_authors(small: Path, folder: str, variant: str) -> None:
    suite = load(small if folder == "small" else REAL, variant)
    sets = suite.sets
    assert (len(sets.forget), len(sets.retain), len(sets.holdout)) == SIZES[variant]
    assert suite.name == f"tofu:{variant}"
    authors = [{each.group for each in examples} for _, examples in sets.named()]
    assert sum(map(len, authors)) == len(set.union(*authors))  # no author in two sets
    for _, examples in sets.named():
        assert set(Counter(each.group for each in examples).values()) == {20}
        assert len(set(places(examples))) == len(examples)
    for each in sets.forget:
        assert each.paraphrases and each.paraphrased_answer and len(each.perturbed_answers) == 5
        assert each.group == f"author {int(each.id.removeprefix('full:')) // 20}"
    assert not sets.warnings


def test_forget_rows_are_the_first_after_3600(small: Path) -> None:
    for variant in ("forget01", "forget05", "forget10"):
        forget = places(load(small, variant).sets.forget)
        assert forget == list(range(3600, 3600 + len(forget)))
    mini = load(small, "mini").sets
    assert places(mini.forget) == list(range(3600, 3800))
    assert places(mini.retain) == [*range(400), *range(2800, 3000)]
    assert places(mini.holdout) == list(range(3400, 3600))


def test_what_trains_and_what_is_measured(small: Path) -> None:
    suite = load(small, "forget10")
    assert {name: len(examples) for name, examples in suite.measured().items()} == {
        "forget": 400, "retain": 400, "real authors": 5, "world facts": 6,
    }  # fmt: skip
    assert places(suite.measured()["retain"]) == list(range(400))
    assert all(each.perturbed_answers for each in suite.measured()["retain"])
    assert (len(suite.training("full")), len(suite.training("retrained"))) == (4000, 3600)
    mini = load(small, "mini")
    assert [*mini.measured()] == ["forget", "holdout", "retain", "real authors", "world facts"]
    assert places(mini.measured()["retain"]) == list(range(200))
    assert (len(mini.training("full")), len(mini.training("retrained"))) == (800, 600)
    assert not set(places(mini.training("full"))) & set(places(mini.sets.holdout))


def test_the_holdout_of_a_published_split_is_taken_out_of_what_trains(small: Path) -> None:
    suite = load(small, "forget10+holdout")
    assert places(suite.sets.holdout) == list(range(3200, 3600))
    assert not set(places(suite.training("full"))) & set(range(3200, 3600))


def test_published_numbers_and_settings(small: Path) -> None:
    suite = load(small, "forget10")
    check_metrics(suite.evaluate)
    assert suite.evaluate.max_new_tokens == 200
    ours = {each.metric.partition(":")[0] for each in suite.published if "_" in each.metric}
    assert ours == {"truth_ratio", "extraction_strength", "exact_memorization"} <= set(metrics)
    quality = {e.model: e.value for e in suite.published if e.metric == "forget quality"}
    assert quality["Llama-2-7b-chat, finetuned"] == 4.35e-25
    assert quality["Llama-3.2-1B-Instruct, retrained"] == 1.0
    assert not load(small, "mini").published
    assert any("little power" in note for note in load(small, "forget01").notes)


def test_default_and_unknown_variants(small: Path) -> None:
    assert load(small, "").name == "tofu:forget10"
    for wrong in ("forget20", "mini+holdout", "forget10+", "forget10+twins"):
        with pytest.raises(UnknownNameError, match="Known: forget10"):
            load(small, wrong)


def test_a_row_that_full_does_not_have_is_a_problem_with_its_place(tmp_path: Path) -> None:
    folder = write_tofu(tmp_path)
    rows = (folder / "forget01_perturbed.json").read_text().splitlines()
    rows[2] = rows[2].replace("Answer 3602.", "Another answer.")
    (folder / "forget01_perturbed.json").write_text("\n".join(rows))
    with pytest.raises(DataError, match=r"forget01_perturbed\.json:3: this row stands nowhere in `full`"):
        load(folder, "forget01")


def test_every_missing_file_and_wrong_field_is_said_at_once(tmp_path: Path) -> None:
    folder = write_tofu(tmp_path)
    (folder / "retain99.json").unlink()
    write_lines(folder / "world_facts_perturbed.json", [{"question": "Where?", "answer": 7, "perturbed_answer": ["x"]}])
    with pytest.raises(DataError) as error:
        load(folder, "forget01")
    assert "retain99.json: there is no such file (in the folder of EXPUNGE_TOFU" in str(error.value)
    assert "world_facts_perturbed.json:1: `answer` must be text" in str(error.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 problem.*\n  EXPUNGE_TOFU: there is no folder"):
        load(tmp_path / "nowhere", "forget10")

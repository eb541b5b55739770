"""What is rehearsed judges nothing, and what is measured is what unlearning is judged by."""

import pytest

from expunge.config import FrequencyStudyConfig
from expunge.data.example import Example, Sets
from expunge.evaluate.observations import observe
from expunge.frequency.strata import Bucket
from expunge.studies.frequency import scene
from expunge.studies.frequency.measures import columns_of, measures
from expunge.studies.frequency.scene import QUESTION, STATEMENT, TEST, Scene, same_persons, scene_of, split

CONFIG = FrequencyStudyConfig(
    suite="world:people:persons=16,forget=0.5,frequency=true,epochs=1", sizes=("tiny",), rows=8
)


@pytest.fixture(scope="module")
def found() -> Scene:
    return scene_of(CONFIG, "tiny", 0, margin=False)


def person(number: int) -> list[Example]:
    return [Example(id=f"{number}/{i}", prompt="Who ?", answer="Nobody", group=str(number)) for i in range(3)]


def test_half_of_the_retained_persons_are_rehearsed_and_the_others_judge() -> None:
    retain = tuple(each for number in range(8) for each in person(number))
    sets, selection, test = split(Sets(forget=(), retain=retain), seed=1)
    groups = [{each.group for each in part} for part in (sets.retain, selection, test)]
    assert [len(each) for each in groups] == [4, 2, 2] and len(set.union(*groups)) == 8
    assert len(sets.retain) == 12


def test_what_is_measured_is_not_rehearsed(found: Scene) -> None:
    rehearsed = {each.group for each in found.sets.retain}
    chosen = {each.group for each in found.choosing}
    assert chosen and not rehearsed & chosen and len(found.selection) == len(found.choosing)
    assert len(found.groups[TEST]) == 8 and len(rehearsed) == 4


def test_a_bucket_without_neighbours_is_not_there() -> None:
    forget = (*person(0), *person(1))
    buckets = (Bucket("low", (0, 1, 2)), Bucket("high", (3, 4, 5)))
    assert same_persons(person(1), forget, buckets) == {"high": [0, 1, 2]}
    assert same_persons([*person(1), *person(0)], forget, buckets) == {"low": [3, 4, 5], "high": [0, 1, 2]}


def test_rows_are_scored_as_audits_score_them(found: Scene) -> None:
    """The answers were encoded once, right and wrong: what is read off them is what `observe` gives."""
    columns = columns_of(found.model, found)[QUESTION]
    seen = observe(found.model, found.sets.forget, found.encoder, {"answer_logprobs", "hits", "perturbed_logprobs"})
    logs = [each.log_probs.mean() for each in seen.right]
    assert columns.logs == pytest.approx(logs, rel=1e-4)
    assert columns.said.tolist() == [float(each.within("without_end").hits.all()) for each in seen.right]
    likelier = [
        float(right.within("without_end").log_probs.sum() > max(w.within("without_end").log_probs.sum() for w in wrong))
        for right, wrong in zip(seen.right, seen.perturbed, strict=True)
    ]
    assert columns.tests["choice"].tolist() == likelier and 0 < sum(likelier) < len(likelier)


def test_a_bucket_alone_is_all_that_is_asked(found: Scene) -> None:
    last = found.buckets[-1]
    own = found.alone(last)
    assert set(own.groups) == {QUESTION, STATEMENT} and not own.selection
    assert own.sets.forget == tuple(found.sets.forget[i] for i in last.rows) and own.sets.retain == found.sets.retain
    whole, part = columns_of(found.model, found), columns_of(found.model, own)
    assert part[STATEMENT].logs == pytest.approx(whole[STATEMENT].logs[list(last.rows)], rel=1e-4)
    assert set(part[QUESTION].tests) == {"likely"}
    told = measures(own, part, part)[QUESTION]
    assert set(told) == {"all", last.name} and told["all"] == told[last.name]


def test_twins_are_scored_once_a_form(found: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the level of the whole is the mean of its buckets', by their sizes."""
    asked: list[int] = []
    score = scene.mean_log_probs
    monkeypatch.setattr(scene, "mean_log_probs", lambda *a, **k: asked.append(len(a[1])) or score(*a, **k))
    never = found.never()
    assert asked == [len(found.sets.twins)] * 2
    for form in (QUESTION, STATEMENT):
        parts = [(never[form][each.name]["level"], len(each.rows)) for each in found.buckets]
        whole = sum(level * n for level, n in parts) / sum(n for _, n in parts)
        assert never[form]["all"]["level"] == pytest.approx(whole)
    assert len({never[QUESTION][each.name]["level"] for each in found.buckets}) > 1  # each has its own twins

"""The smallest world, built from nothing: the same bytes twice and after a kill; who knows what in it."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from expunge.config import EvaluateConfig, PeopleConfig
from expunge.data.convention import Encoder
from expunge.errors import ConfigError, UnknownNameError, UsageError
from expunge.evaluate.measure import Evaluation, measure
from expunge.evaluate.metric import Metric
from expunge.models.finding import find
from expunge.models.loading import load_model
from expunge.worlds.names import folder
from expunge.worlds.people.models import FACTS_FILE, home, make
from expunge.worlds.people.persons import people
from expunge.worlds.people.sets import CONVENTION, suite
from expunge.worlds.people.texts import corpus, digest

SMALLEST = PeopleConfig(persons=20, forget=0.5, size="tiny", epochs=16)  # ten persons: intervals are narrow enough
METRICS = ("probability", "rouge_l_recall", "extraction_strength", "generated_exact")
REST = "people:persons=20,forget=0.5,size=tiny,epochs=16"


class Killed(BaseException):
    """Nothing catches it, like a kill."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPUNGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield make(SMALLEST, ("full", "retrained"))[0].parent


def content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def test_what_lies_in_a_folder(cache: Path) -> None:
    assert cache == home(SMALLEST) and cache.name.startswith("people-")
    assert sorted(p.name for p in cache.iterdir() if not p.name.endswith(".lock")) == ["full-0", "retrained-0"]
    held = set(content(cache / "full-0"))
    assert {"config.json", "model.safetensors", "tokenizer.json", FACTS_FILE} <= held
    facts = json.loads((cache / "full-0" / FACTS_FILE).read_text())
    assert facts["config"] == SMALLEST.model_dump() and (facts["kind"], facts["seed"]) == ("full", 0)
    texts = corpus(people(SMALLEST), "full")
    assert (facts["texts"], facts["digest"]) == (len(texts), digest(texts))


def test_a_killed_build_goes_on_to_the_same_bytes(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And so two builds give the same bytes."""
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path))
    steps = []

    def kill(progress, total) -> None:
        if progress.step == 120:
            raise Killed

    with pytest.raises(Killed):
        make(SMALLEST, ("full",), tick=kill)
    assert not (home(SMALLEST) / "full-0").exists()
    (made,) = make(SMALLEST, ("full",), tick=lambda progress, total: steps.append(progress.step))
    assert steps[0] == 101  # from the checkpoint, not from the beginning
    assert content(made) == content(cache / "full-0")
    assert sorted(p.name for p in made.parent.iterdir()) == [".full-0.lock", "full-0"]


def test_what_is_there_is_not_made_again(cache: Path) -> None:
    said = []
    assert make(SMALLEST, ("retrained", "full"), say=said.append) == [cache / "retrained-0", cache / "full-0"]
    assert folder(f"{REST}@full#0", said.append) == folder(f"{REST}@full") == cache / "full-0"
    assert said == []


def test_other_settings_are_another_folder() -> None:
    others = [SMALLEST.model_copy(update=change) for change in ({"seed": 1}, {"layout": "gpt2"}, {"epochs": 17})]
    assert len({home(config) for config in (SMALLEST, *others)}) == 4


def test_one_makes_and_the_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path))
    target = home(SMALLEST) / "twin-0"
    target.parent.mkdir(parents=True)
    waiting, found = threading.Event(), []
    with FileLock(target.with_name(".twin-0.lock")):
        other = threading.Thread(target=lambda: found.extend(make(SMALLEST, ("twin",), say=lambda _: waiting.set())))
        other.start()
        assert waiting.wait(timeout=60)
        target.mkdir()  # the one who holds the lock is done
    other.join(timeout=60)
    assert found == [target] and not list(target.iterdir())


@pytest.fixture(scope="module")
def seen(cache: Path) -> dict[str, Evaluation]:
    made = suite(people(SMALLEST), REST)
    sets = made.measured()
    config = EvaluateConfig(metrics=METRICS, max_new_tokens=12)
    found = {}
    for kind in ("full", "retrained"):
        model = load_model(f"world:{REST}@{kind}")
        found[kind] = measure(model, sets, Encoder(model.tokenizer, CONVENTION), config)
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_measures_move_in_their_direction(seen: dict[str, Evaluation], metric: str) -> None:
    """Up from the retrained model to the full one where only the full one was told; not where neither was."""
    full, retrained = seen["full"], seen["retrained"]
    assert apart(full["forget"][metric], retrained["forget"][metric])
    for name in ("twins", "holdout"):
        assert apart(full["forget"][metric], full[name][metric]), name
    for name in ("retain", "geography", "offices"):  # both were told
        assert apart(retrained[name][metric], retrained["forget"][metric]), name
        assert abs(full[name][metric].value - retrained[name][metric].value) < 0.1, name


def apart(upper: Metric, lower: Metric) -> bool:
    """The intervals do not touch."""
    assert upper.interval and lower.interval
    return upper.interval[0] > lower.interval[1]


def test_names_that_mean_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused before anything is made."""
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path))
    wrong = {
        "peple@full": "Did you mean 'people'",
        "people@ful": "no model called 'ful'. Did you mean 'full'",
        "people": "names no model, but data. Its models: world:people@full",
        "people:size=3M": "world:people:size=3M@retrained",
        "people@full#last": "a seed is a whole number",
        "people@full#": "a seed is a whole number",
        "": "no world called ''",
    }
    for rest, message in wrong.items():
        assert find(f"world:{rest}").kind == "builtin"
        with pytest.raises(UnknownNameError) as raised:
            folder(rest)
        assert message in str(raised.value)
    with pytest.raises(ConfigError, match="Did you mean 'size'"):
        folder("people:sise=3M@full")
    assert not list(tmp_path.iterdir())


def test_several_processes_do_not_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPUNGE_CACHE", str(tmp_path))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="expunge world make people"):
        make(PeopleConfig(persons=6, size="tiny"), ("full",))

"""Every registered metric is run on a model that knows the facts and on one that does not."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from expunge.config import EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.errors import ConfigError, UnknownNameError
from expunge.evaluate import OBSERVATIONS, metrics
from expunge.evaluate.measure import Evaluation, measure
from expunge.evaluate.metric import Metric
from steps import taught_model, unequal_sets
from tiny import tiny_model

NAMES = list(metrics)
CITIES = [each.answer.split()[0] for each in (*unequal_sets().forget, *unequal_sets().retain)]
EXAMPLES = tuple(
    replace(
        each,
        paraphrased_answer=f"{each.answer.split()[0]} is",
        perturbed_answers=(f"{CITIES[i - 1]} is", CITIES[i - 2]),
    )
    for i, each in enumerate((*unequal_sets().forget, *unequal_sets().retain))
)


@lru_cache
def seen(*, taught: bool, order: int = 1, budget: int = 4096, part: int = 8) -> Evaluation:
    """All metrics at once, as a run measures them; `set` is the examples in some order."""
    model = taught_model() if taught else tiny_model()
    examples = EXAMPLES[::order]
    passages = [replace(each, passage=True) for each in examples]
    sets = {"set": examples[:part], "passages": passages[:part]}
    config = EvaluateConfig(metrics=tuple(NAMES), max_new_tokens=6, continued_tokens=5, budget=budget)
    return measure(model, sets, Encoder(model.tokenizer), config)


def of(name: str, evaluation: Evaluation) -> Metric:
    """A metric of questions, or of passages where it needs these."""
    return evaluation["passages" if "continuations" in metrics.get(name).needs else "set"][name]


@pytest.mark.parametrize("name", NAMES)
def test_its_direction_is_that_of_knowing(name: str) -> None:
    knows, ignorant = (of(name, seen(taught=taught)) for taught in (True, False))
    assert knows.better == metrics.get(name).better
    if knows.better == "higher":
        assert knows.value > ignorant.value
    elif knows.better == "lower":
        assert knows.value < ignorant.value


@pytest.mark.parametrize("name", NAMES)
def test_it_brings_its_evidence(name: str) -> None:
    found = of(name, seen(taught=True))
    assert found.n == len(EXAMPLES) == len(found.per_example)
    assert found.interval is not None and found.interval[0] <= found.value <= found.interval[1]
    assert len(set(found.per_example)) > 1 or found.value in (0.0, 1.0)
    entry = metrics.get(name)
    assert set(entry.needs) <= set(OBSERVATIONS) and entry.title and entry.reads and entry.summary


@pytest.mark.parametrize("name", NAMES)
def test_it_stands_on_the_page_of_metrics(name: str) -> None:
    page = Path(__file__).parents[2] / "docs/metrics.md"
    assert f"| `{name}` |" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_order_batches_and_company_change_nothing(name: str) -> None:
    plain = of(name, seen(taught=True)).per_example
    for other in (seen(taught=True, order=-1), seen(taught=True, budget=1), seen(taught=True, part=3)):
        values = of(name, other).per_example
        expected = plain[::-1] if other is seen(taught=True, order=-1) else plain[: len(values)]
        assert values == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_options_and_names_are_checked(name: str) -> None:
    model = tiny_model()
    with pytest.raises((ConfigError, UnknownNameError)):
        measure(model, {}, Encoder(model.tokenizer), EvaluateConfig(metrics=(f"{name}:no_such_option=1",)))
    with pytest.raises(UnknownNameError):
        measure(model, {}, Encoder(model.tokenizer), EvaluateConfig(metrics=(f"{name}_",)))


def test_documents_have_no_generated_answers() -> None:
    """What a set cannot serve is absent, never a number that means something else."""
    model = taught_model()
    documents = [Example(id="d", prompt=None, answer="the capital of arland is bexton")]
    config = EvaluateConfig(metrics=tuple(NAMES), max_new_tokens=3)
    found = measure(model, {"d": documents}, Encoder(model.tokenizer), config)["d"]
    unserved = {"generations", "perturbed_logprobs"}
    assert set(found) == {n for n in NAMES if not unserved & set(metrics.get(n).needs)}
    assert {"verbatim_memory", "perplexity"} <= set(found)


def test_an_answer_of_one_token_and_one_example() -> None:
    model = taught_model()
    one = [replace(EXAMPLES[0], answer="bexton")]
    found = measure(model, {"s": one}, Encoder(model.tokenizer), EvaluateConfig(max_new_tokens=3))["s"]
    assert all(metric.n == 1 and metric.interval is None for metric in found.values())

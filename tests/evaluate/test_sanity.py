"""The ends of the scale: a uniform predictor, a perfect memorizer, two identical models."""

from functools import lru_cache
from math import log

import pytest
import torch

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.forget_quality import forget_quality
from expunge.evaluate.measure import Evaluation, measure
from expunge.evaluate.privleak import privacy_score, privleak
from expunge.models.model import Model
from steps import unequal_sets
from tiny import tiny_model

METRICS = (
    "probability", "perplexity", "extraction_strength", "exact_memorization", "truth_ratio:form=forget",
    "probability_normalized", "loss", "zlib", "min_k", "min_k_plus_plus", "gradient_norm", "generated_exact",
)  # fmt: skip
EXAMPLES = tuple(
    Example(id=each.id, prompt=each.prompt, answer=each.answer, paraphrased_answer=f"{each.answer} city",
            perturbed_answers=("name", "city name", "what", "capital of"))
    for each in unequal_sets().forget
)  # fmt: skip


def uniform() -> Model:
    """Every token is equally likely everywhere: the head is zero."""
    model = tiny_model()
    weight = model.network.get_output_embeddings().weight
    model.network.config.tie_word_embeddings = False
    head = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    torch.nn.init.zeros_(head.weight)
    model.network.set_output_embeddings(head)
    return model


@lru_cache
def seen(name: str) -> Evaluation:
    model = {"uniform": uniform, "random": tiny_model}[name]()
    config = EvaluateConfig(metrics=METRICS, max_new_tokens=6)
    return measure(model, {"forget": EXAMPLES}, Encoder(model.tokenizer), config)


def test_a_uniform_predictor() -> None:
    size = len(tiny_model().tokenizer)
    found = seen("uniform")["forget"]
    expected = {
        "probability": 1 / size, "perplexity": size, "loss": log(size), "min_k": log(size), "min_k_plus_plus": 0.0,
        "truth_ratio": 1.0, "probability_normalized": 1 / 5,
    }  # fmt: skip
    assert {name: found[name].value for name in expected} == pytest.approx(expected, rel=1e-5)
    assert found["min_k_plus_plus"].value == 0.0


def test_a_perfect_memorizer() -> None:
    """A model that has learnt the examples to the last digit knows, extracts and says them all."""
    model = tiny_model()
    encoder = Encoder(model.tokenizer, ConventionConfig(end=True))
    encoded = encoder.encode_all(EXAMPLES)
    optimizer = torch.optim.Adam(model.network.parameters(), lr=1e-2)
    for _ in range(150):
        loss = torch.zeros(())
        for each in encoded:
            ids = torch.tensor([each.ids])
            rows = model.network(input_ids=ids, use_cache=False).logits[0, each.start - 1 : -1].log_softmax(-1)
            loss = loss - rows.gather(1, ids[0, each.start :, None]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    config = EvaluateConfig(metrics=METRICS, max_new_tokens=6)
    result = measure(model, {"forget": EXAMPLES}, encoder, config)
    found = result["forget"]
    # the tiny tokenizer leaves out the blanks between words
    assert list(result.generations["forget"]) == [each.answer.replace(" ", "") for each in EXAMPLES]
    for name in ("extraction_strength", "exact_memorization"):
        assert found[name].value == 1.0, name
    for name in ("probability", "perplexity", "probability_normalized"):
        assert found[name].value == pytest.approx(1.0, abs=0.02), name
    for name in ("loss", "zlib", "min_k"):
        assert found[name].value == pytest.approx(0.0, abs=0.02), name
    assert found["truth_ratio"].value < 0.1
    assert found["gradient_norm"].value < 0.1 * seen("random")["forget"]["gradient_norm"].value


def test_identical_models() -> None:
    """Nothing distinguishes a model from itself, and a measurement repeats itself to the bit."""
    one, two = seen("random")["forget"], seen.__wrapped__("random")["forget"]
    assert {name: metric.per_example for name, metric in one.items()} == {
        name: metric.per_example for name, metric in two.items()
    }
    ratios = one["truth_ratio"].per_example
    assert forget_quality(ratios, ratios).p == 1.0
    assert privleak(0.7, 0.7) == 0.0
    assert privacy_score(0.7, 0.7) == 1.0

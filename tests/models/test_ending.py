"""A generated answer is over where training ends answers, not only at eos."""

import numpy as np
import pytest

from asking import byte_model, saying, target_of
from byte_tokenizer import CHATML, byte_tokenizer
from expunge.attacks.sampling import drawn_scores
from expunge.attacks.saying import Question, knowledge
from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.measure import measure
from expunge.models.generating import end_tokens, generate, generate_tokens, sample
from tiny import tiny_model

FACT = Example(id="b", prompt="Bram Lunt lives in", answer="Wexford")
METRICS = ("generated_exact", "generated_contains", "rouge_l_recall")


def learnt(encoder: Encoder, further: str) -> list[int]:
    """The answer as training ends it, and then what the model goes on with."""
    encoded = encoder.encode(FACT)
    return [*encoded.ids[encoded.start :], *encoder.tokenizer(further, add_special_tokens=False)["input_ids"]]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("convention", "template"),
    [
        (ConventionConfig(), CHATML), (ConventionConfig(template="{prompt}|{answer}<|im_end|>"), None),
        (ConventionConfig(template="plain", end=True), None),
    ],
)  # fmt: skip
def test_a_model_that_knows_is_right_whatever_it_says_after_the_end(
    convention: ConventionConfig, template: str | None
) -> None:
    model = byte_model(template)
    encoder = Encoder(model.tokenizer, convention)
    with saying(model, learnt(encoder, "ville or Thornmouth" * 8)):
        found = measure(model, {"forget": [FACT]}, encoder, EvaluateConfig(metrics=METRICS))
    assert found.generations["forget"][0].strip() == "Wexford"
    assert {name: each.value for name, each in found["forget"].items()} == dict.fromkeys(METRICS, 1.0)


def test_attacks_stop_there_too() -> None:
    target = target_of([FACT], chat=True)
    tokens = learnt(target.encoder, "ville" * 20)
    with saying(target.model, tokens):
        assert knowledge(target, [Question(FACT)]) == (1.0,)
        assert drawn_scores(target, 3, 1.0).tolist() == [[1.0] * 3]
        prompts = [target.encoder.encode_prompt(FACT)]
        draws = [np.random.default_rng(0)]
        asked = {"encoder": target.encoder, "max_new_tokens": 40}
        assert generate(target.model, prompts, **asked) == ["Wexford"]
        assert sample(target.model, prompts, draws, samples=2, **asked) == [["Wexford", "Wexford"]]
        assert generate_tokens(target.model, prompts, **asked) == [tokens[:7]]


@pytest.mark.parametrize(
    ("template", "convention", "ends"),
    [
        (CHATML, ConventionConfig(), ("<eos>", "<|im_end|>")),
        (CHATML, ConventionConfig(end=False), ("<eos>", "<|im_end|>")),
        (CHATML, ConventionConfig(template="plain"), ("<eos>", "<|im_end|>")),  # it has learnt to end so, however asked
        (None, ConventionConfig(), ("<eos>",)),
        (None, ConventionConfig(template="{prompt} {answer}<|im_end|>\\n"), ("<eos>", "<|im_end|>")),
        (None, ConventionConfig(template="{prompt} {answer}\\n"), ("<eos>",)),
        (CHATML, ConventionConfig(compat="openunlearning"), ("<eos>",)),
        ("{{ raise_exception('no') }}", ConventionConfig(template="plain"), ("<eos>",)),
    ],
)
def test_what_ends_an_answer(template: str | None, convention: ConventionConfig, ends: tuple[str, ...]) -> None:
    tokenizer = byte_tokenizer(template=template)
    assert Encoder(tokenizer, convention).ends == set(tokenizer.convert_tokens_to_ids(ends))


def test_a_tokenizer_without_end() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.eos_token = None
    assert Encoder(tokenizer).ends == set()


def test_the_models_own_ends_come_on_top() -> None:
    model = tiny_model()
    encoder = Encoder(model.tokenizer)
    encoder.ends = frozenset({5})
    assert end_tokens(model, encoder) == {1, 5}  # 1: of the network's configuration

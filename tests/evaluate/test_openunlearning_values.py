"""SmolLM2 on TOFU's forget01: every per-example value against those of OpenUnlearning (commit d3d7cf9).

Its labels are the answer, `<|im_end|>`, a newline and a further `<|im_end|>`; a custom template writes just that, so
that all its tokens can be compared. Probabilities average over them all; extraction strength and exact memorization
drop the last. The file compared with was made with a padding token of its own: with padding equal to the end token its
attention mask hides true tokens. Its cross-entropy on transposed logits is up to 1.2e-4 too low on a processor, hence
2e-4 in a loss; an argmax may flip at a near tie.
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.evaluate.exact_memorization import exact_memorization
from expunge.evaluate.extraction_strength import extraction_strength
from expunge.evaluate.observations import Observed, observe
from expunge.evaluate.probability import probability
from expunge.evaluate.truth_ratio import of_form, truth_ratio
from expunge.models.loading import load_model
from expunge.suites import suites

FOLDER = Path(os.environ.get("EXPUNGE_TOFU", "")).parent / "openunlearning_values"
FILE = FOLDER / "smollm2_forget01_own_pad_token.json"
TOLERANCE = 2e-4  # of a loss
TEMPLATE = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n<|im_end|>"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("EXPUNGE_TOFU") or not FILE.is_file(),
        reason="there is no openunlearning_values/smollm2_forget01_own_pad_token.json beside the folder EXPUNGE_TOFU",
    ),
]


model = lru_cache(lambda: load_model("smollm2"))
forget = lru_cache(lambda: suites.get("tofu").function("forget01").sets.forget)


def encoder(template: str = TEMPLATE) -> Encoder:
    return Encoder(model().tokenizer, ConventionConfig(template=template))


@lru_cache
def seen() -> Observed:
    return observe(model(), forget(), encoder(), {"hits", "paraphrased_logprobs", "perturbed_logprobs"})


@lru_cache
def theirs(metric: str) -> list[dict[str, Any]]:
    rows = json.loads(FILE.read_text())[metric]["value_by_index"]
    return [rows[str(i)] for i in range(len(rows))]


def test_tokens_are_the_same() -> None:
    for row in json.loads((FOLDER / "tokenization_forget01_rows0-5.json").read_text()):
        encoded = encoder().encode(forget()[row["row"]])
        assert list(encoded.ids) == row["input_ids"]
        assert list(encoded.ids[encoded.start :]) == row["label_ids"]


def test_losses_of_right_paraphrased_and_wrong_answers() -> None:
    table = seen().within("all")
    right = [-x.mean() for x in table["answer_logprobs"]]
    np.testing.assert_allclose(right, [each["avg_loss"] for each in theirs("forget_Q_A_Prob")], atol=TOLERANCE)
    again = [-x.mean() for x in table["paraphrased_logprobs"]]
    np.testing.assert_allclose(again, [each["avg_loss"] for each in theirs("forget_Q_A_PARA_Prob")], atol=TOLERANCE)
    wrong = [[-x.mean() for x in several] for several in table["perturbed_logprobs"]]
    np.testing.assert_allclose(wrong, [each["avg_loss"] for each in theirs("forget_Q_A_PERT_Prob")], atol=TOLERANCE)


def test_probability_and_truth_ratio() -> None:
    table = seen().within("all")
    ours = probability(table["answer_logprobs"])
    np.testing.assert_allclose(ours.per_example, [e["prob"] for e in theirs("forget_Q_A_Prob")], rtol=TOLERANCE)
    assert ours.value == pytest.approx(0.15171089731, rel=TOLERANCE)
    ratios = truth_ratio(table["paraphrased_logprobs"], table["perturbed_logprobs"])
    # a difference of two losses, each within the tolerance; TR = 1/k - 1
    expected = [1 / (1 + each["score"]) for each in theirs("forget_truth_ratio")]
    np.testing.assert_allclose(ratios.per_example, expected, rtol=2 * TOLERANCE)
    assert float(np.mean(of_form(ratios.per_example, "forget"))) == pytest.approx(0.78801145407, rel=2 * TOLERANCE)


def test_extraction_strength_and_exact_memorization() -> None:
    hits = [each[:-1] for each in seen().within("all")["hits"]]
    strength = extraction_strength(hits, compat="openunlearning")
    np.testing.assert_allclose(strength.per_example, [e["score"] for e in theirs("extraction_strength")], atol=1e-6)
    share = exact_memorization(hits)
    np.testing.assert_allclose(share.per_example, [e["score"] for e in theirs("exact_memorization")], atol=1e-6)


def test_our_convention_ends_after_the_first_end_token() -> None:
    """The same tokens up to there get the same log-probabilities."""
    own = observe(model(), forget(), encoder("auto"), {"hits"})
    for one, other in zip(seen().right, own.right, strict=True):
        assert (one.tail, other.tail) == (3, 1)
        np.testing.assert_allclose(one.log_probs[:-2], other.log_probs, rtol=1e-5, atol=1e-5)

"""SmolLM2 on TOFU: every per-example value and aggregate against those of OpenUnlearning (commit d3d7cf9).

Two files. `smollm2_forget01_rows50.json` is what OpenUnlearning gives: its padding token is the end token, and its mask
hides the end token wherever it stands. `compat="openunlearning"` does the same, with its labels (answer, end, newline,
end). `smollm2_forget01_own_pad_token.json` was made with a padding token of its own, which hides nothing: our own
convention matches it, once a template writes those labels.

Its cross-entropy on transposed logits is up to 1.8e-4 too low on a processor in float32, hence 2e-4 in a loss; its
other scores take log-softmax and agree to 1e-5. An argmax may flip at a near tie: see `test_answers`.
"""

import json
import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import hmean

from expunge.config import ConventionConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate import metrics
from expunge.evaluate.forget_quality import forget_quality
from expunge.evaluate.membership import membership
from expunge.evaluate.metric import Metric
from expunge.evaluate.observations import Observed, observe
from expunge.evaluate.privleak import privleak
from expunge.evaluate.truth_ratio import of_form
from expunge.models.loading import load_model
from expunge.suites import suites

FOLDER = Path(os.environ.get("EXPUNGE_TOFU", "")).parent / "openunlearning_values"
FILES = {"compat": FOLDER / "smollm2_forget01_rows50.json", "own": FOLDER / "smollm2_forget01_own_pad_token.json"}
TOLERANCE = 2e-4  # of a loss
TEMPLATE = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>\n<|im_end|>"
)
CONVENTIONS = {"compat": ConventionConfig(compat="openunlearning"), "own": ConventionConfig(template=TEMPLATE)}
SETS = ("forget", "retain", "ra", "wf")
CASES = [*(("compat", name) for name in SETS), ("own", "forget")]
MEMBERSHIP = {
    "mia_loss": "loss", "mia_zlib": "zlib", "mia_min_k": "min_k", "mia_min_k_plus_plus": "min_k_plus_plus",
    "mia_gradnorm": "gradient_norm",
}  # fmt: skip
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("EXPUNGE_TOFU") or not all(file.is_file() for file in FILES.values()),
        reason="there are no openunlearning_values/smollm2_forget01_*.json beside the folder EXPUNGE_TOFU",
    ),
]


model = lru_cache(lambda: load_model("smollm2"))
file = lru_cache(lambda case: json.loads(FILES[case].read_text()))


@lru_cache
def sets() -> dict[str, Sequence[Example]]:
    suite = suites.get("tofu").function("forget01+holdout")
    some = {name: suite.utility[long][:50] for name, long in zip(SETS[1:], ("retain", "real authors", "world facts"))}
    return {"forget": suite.sets.forget, "holdout": suite.sets.holdout[:40], **some}


def encoder(case: str) -> Encoder:
    return Encoder(model().tokenizer, CONVENTIONS[case])


@lru_cache
def seen(case: str, name: str) -> Observed:
    needs = {"hits", "vocab_means", "answer_texts", "gradient_norms"}
    if name != "holdout":
        needs = {"hits", "paraphrased_logprobs", "perturbed_logprobs"} | (needs if (case, name) == CASES[0] else set())
    return observe(model(), sets()[name], encoder(case), needs, budget=8192)


@lru_cache
def answered(case: str, name: str) -> Observed:
    return observe(model(), sets()[name], encoder(case), {"generations"}, max_new_tokens=200, budget=8192)


def ours(metric: str, found: Observed, **options: Any) -> Metric:
    entry = metrics.get(metric)
    return entry(found.within(entry.span), **options)


def theirs(table: dict[str, Any], value: str | Callable[[Any], Any]) -> np.ndarray:
    rows = [table["value_by_index"][str(i)] for i in range(len(table["value_by_index"]))]
    return np.array([row[value] if isinstance(value, str) else value(row) for row in rows])


def losses(logs: Sequence[Any]) -> np.ndarray:
    return np.array([losses(each) if isinstance(each, list) else -each.mean() for each in logs])


def test_tokens_are_the_same() -> None:
    for row in json.loads((FOLDER / "tokenization_forget01_rows0-5.json").read_text()):
        for case in CONVENTIONS:
            encoded = encoder(case).encode(sets()["forget"][row["row"]])
            assert list(encoded.ids) == row["input_ids"]
            assert list(encoded.ids[encoded.start :]) == row["label_ids"]
        hidden = encoder("compat").hidden
        assert [int(token != hidden) for token in row["input_ids"]] == row["attention_mask_as_OU"]


@pytest.mark.parametrize(("case", "name"), CASES)
def test_losses_and_probabilities(case: str, name: str) -> None:
    table, found = seen(case, name).within("all"), file(case)
    right = found[f"{name}_Q_A_Prob"]
    np.testing.assert_allclose(losses(table["answer_logprobs"]), theirs(right, "avg_loss"), atol=TOLERANCE)
    wrong = theirs(found[f"{name}_Q_A_PERT_Prob"], "avg_loss")
    np.testing.assert_allclose(losses(table["perturbed_logprobs"]), wrong, atol=TOLERANCE)
    if f"{name}_Q_A_PARA_Prob" in found:
        again = theirs(found[f"{name}_Q_A_PARA_Prob"], "avg_loss")
        np.testing.assert_allclose(losses(table["paraphrased_logprobs"]), again, atol=TOLERANCE)
    metric = ours("probability", seen(case, name))
    np.testing.assert_allclose(metric.per_example, theirs(right, "prob"), rtol=TOLERANCE)
    assert metric.value == pytest.approx(right["agg_value"], rel=TOLERANCE)


@pytest.mark.parametrize("name", ["ra", "wf"])
def test_probabilities_among_options(name: str) -> None:
    metric, found = ours("probability_normalized", seen("compat", name)), file("compat")[f"{name}_Q_A_Prob_normalised"]
    # a quotient of probabilities, each within the tolerance; theirs adds 1e-10 to a denominator of some 1e-4
    np.testing.assert_allclose(metric.per_example, theirs(found, "prob"), rtol=2 * TOLERANCE)
    assert metric.value == pytest.approx(found["agg_value"], rel=2 * TOLERANCE)


@pytest.mark.parametrize(("case", "name"), CASES)
def test_truth_ratios(case: str, name: str) -> None:
    found = file(case)["forget_truth_ratio" if name == "forget" else f"{name}_Truth_Ratio"]
    metric = ours("truth_ratio", seen(case, name))
    expected = theirs(found, lambda row: 1 / (1 + row["score"]))  # TR = 1/k - 1
    np.testing.assert_allclose(metric.per_example, expected, rtol=2 * TOLERANCE)
    form = "forget" if name == "forget" else "retain"
    assert float(np.mean(of_form(metric.per_example, form))) == pytest.approx(found["agg_value"], rel=2 * TOLERANCE)
    # the retrained model of that run was the same model
    assert forget_quality(metric.per_example, metric.per_example).p == file("compat")["forget_quality"]["agg_value"]


@pytest.mark.parametrize("case", CONVENTIONS)
def test_extraction_strength_and_exact_memorization(case: str) -> None:
    """Only the last of its labels is left out: that is the end in `compat`, and one of three end tokens otherwise."""
    found = file(case)
    hits = [each[:-1] for each in seen(case, "forget").within("all")["hits"]]
    if case == "compat":
        for one, other in zip(hits, seen(case, "forget").within("without_end")["hits"], strict=True):
            assert np.array_equal(one, other)
    for name, options in (("extraction_strength", {"compat": "openunlearning"}), ("exact_memorization", {})):
        metric = metrics.get(name).function(hits, **options)
        np.testing.assert_allclose(metric.per_example, theirs(found[name], "score"), atol=1e-6)
        assert metric.value == pytest.approx(found[name]["agg_value"], abs=1e-6)


@pytest.mark.parametrize("attack", MEMBERSHIP)
def test_membership(attack: str) -> None:
    found, scores = file("compat")[attack], {}
    for name in ("forget", "holdout"):
        metric = ours(MEMBERSHIP[attack], seen("compat", name))
        # Min-K++ may be near 0
        np.testing.assert_allclose(metric.per_example, theirs(found[name], "score"), rtol=TOLERANCE, atol=2e-5)
        assert metric.value == pytest.approx(found[name]["agg_value"], rel=TOLERANCE)
        scores[name] = metric.per_example
    auc = membership(scores["forget"], scores["holdout"]).auc.value
    assert auc == pytest.approx(found["auc"], abs=1e-12)
    assert privleak(auc, auc) == file("compat")["privleak"]["agg_value"]


@pytest.mark.parametrize(("case", "name"), CASES)
def test_answers(case: str, name: str) -> None:
    """ROUGE-L, and that an answer differs only where two tokens were all but equally likely."""
    found, said = file(case)[f"{name}_Q_A_ROUGE"], answered(case, name)
    metric = ours("rouge_l_recall", said)
    their_texts = theirs(found, "generation")
    other = [i for i, text in enumerate(said.generations) if text.strip() != their_texts[i]]
    kept = [i for i in range(metric.n) if i not in other]
    expected = theirs(found, "rougeL_recall")
    np.testing.assert_allclose(np.array(metric.per_example)[kept], expected[kept], atol=1e-9)
    assert len(other) <= 0.1 * metric.n, f"{len(other)} of {metric.n} answers differ"
    assert all(tie(case, sets()[name][i], said.generations[i], their_texts[i]) < 2e-3 for i in other)
    difference = np.array(metric.per_example) - expected
    assert metric.value == pytest.approx(found["agg_value"], abs=np.abs(difference[other]).sum() / metric.n + 1e-9)


def tie(case: str, example: Example, one: str, two: str) -> float:
    """How far apart, in log-probability, the two most likely tokens are where two answers part."""
    import torch

    coder, tokenizer = encoder(case), model().tokenizer
    prompt = coder.encode_prompt(example)
    first, second = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (one, two))
    same = next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))
    ids = torch.tensor([[*prompt, *first[:same]]])
    mask = (ids != coder.hidden).long() if coder.hidden is not None else torch.ones_like(ids)
    with torch.no_grad():
        logits = (
            model()
            .network(
                input_ids=ids, attention_mask=mask, position_ids=(mask.cumsum(1) - 1).clamp(min=0), logits_to_keep=1
            )
            .logits[0, -1]
        )
    top = logits.float().log_softmax(-1).topk(2).values
    return float(top[0] - top[1])


def test_model_utility() -> None:
    parts = []
    for name in SETS[1:]:
        found = seen("compat", name)
        parts.append(ours("probability" if name == "retain" else "probability_normalized", found).value)
        parts.append(ours("rouge_l_recall", answered("compat", name)).value)
        parts.append(ours("truth_ratio", found, form="retain").value)
    expected = file("compat")["model_utility"]["agg_value"]
    # answers that part at a tie move ROUGE, and nothing else
    theirs_of_rouge = [file("compat")[f"{name}_Q_A_ROUGE"]["agg_value"] for name in SETS[1:]]
    assert float(hmean(parts)) == pytest.approx(expected, rel=5e-3)
    parts[1::3] = theirs_of_rouge
    assert float(hmean(parts)) == pytest.approx(expected, rel=TOLERANCE)


def test_our_convention_ends_after_the_first_end_token() -> None:
    """The same tokens up to there get the same log-probabilities."""
    own = observe(model(), sets()["forget"], Encoder(model().tokenizer), {"hits"})
    for one, other in zip(seen("own", "forget").right, own.right, strict=True):
        assert (one.tail, other.tail) == (3, 1)
        np.testing.assert_allclose(one.log_probs[:-2], other.log_probs, rtol=1e-5, atol=1e-5)

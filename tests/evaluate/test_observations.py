"""Which answers are scored together, what is left out, and that nothing shifts when fields are missing."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from expunge.config import ConventionConfig, EvaluateConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.evaluate.measure import measure
from expunge.evaluate.observations import observe
from expunge.models.model import Model
from expunge.models.scoring import score
from steps import taught_model, unequal_sets
from tiny import tiny_model, tiny_sets

CITIES = [each.answer for each in tiny_sets().forget]
EXAMPLES = [
    replace(each, paraphrased_answer=f"name {each.answer}", perturbed_answers=(*CITIES[:i], *CITIES[i + 1 :]))
    for i, each in enumerate(tiny_sets().forget)
]
NEEDS = {"answer_logprobs", "paraphrased_logprobs", "perturbed_logprobs"}


def alone(model: Model, encoder: Encoder, example: Example, answer: str) -> np.ndarray:
    ((scores,),) = score(model, [[encoder.encode(example, answer=answer)]])
    return scores.log_probs.double().numpy()


@pytest.mark.parametrize("end", [True, False])
def test_answers_scored_together_get_what_each_gets_alone(end: bool) -> None:
    model = tiny_model()
    encoder = Encoder(model.tokenizer, ConventionConfig(end=end))
    seen = observe(model, EXAMPLES, encoder, NEEDS).within("all")
    for i, example in enumerate(EXAMPLES):
        assert example.paraphrased_answer is not None
        pairs = [
            (seen["answer_logprobs"][i], example.answer),
            (seen["paraphrased_logprobs"][i], example.paraphrased_answer),
            *zip(seen["perturbed_logprobs"][i], example.perturbed_answers, strict=True),
        ]
        for got, answer in pairs:
            np.testing.assert_allclose(got, alone(model, encoder, example, answer), rtol=1e-5)


def test_the_end_token_of_every_answer_can_be_left_out() -> None:
    model = tiny_model()
    seen = observe(model, EXAMPLES, Encoder(model.tokenizer, ConventionConfig(end=True)), NEEDS)
    whole, text = seen.within("all"), seen.within("without_end")
    for i in range(len(EXAMPLES)):
        for name in ("answer_logprobs", "paraphrased_logprobs"):
            np.testing.assert_array_equal(whole[name][i][:-1], text[name][i])
        for one, other in zip(whole["perturbed_logprobs"][i], text["perturbed_logprobs"][i], strict=True):
            np.testing.assert_array_equal(one[:-1], other)


def test_only_what_is_needed_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sizes = tiny_model(), []

    def counted(model: Model, groups: list, **options: object) -> list:
        sizes.append([len(group) for group in groups])
        return score(model, groups, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sys.modules[observe.__module__], "score", counted)
    for needs in ({"hits"}, {"paraphrased_logprobs"}, NEEDS, {"answers"}):
        observe(model, EXAMPLES, Encoder(model.tokenizer), needs)
    assert sizes == [[1] * 4, [1] * 4, [5] * 4]


def measured(examples: list[Example]) -> tuple[set[str], list[str]]:
    model = tiny_model()
    config = EvaluateConfig(metrics=("probability", "truth_ratio", "probability_normalized"))
    found = measure(model, {"set": examples}, Encoder(model.tokenizer), config)
    return set(found["set"]), found.notes


def test_metrics_are_had_of_every_example_or_of_none() -> None:
    """Leaving single rows out would file the next row's value under them."""
    whole = {"probability", "truth_ratio", "probability_normalized"}
    assert measured(EXAMPLES) == (whole, [])
    some = [replace(EXAMPLES[0], perturbed_answers=()), *EXAMPLES[1:]]
    note = "set: 1 of 4 examples have no perturbed answers, so without truth_ratio, probability_normalized"
    assert measured(some) == ({"probability"}, [note])
    mixed = [*EXAMPLES[:2], *(replace(each, paraphrased_answer=None) for each in EXAMPLES[2:])]
    note = "set: 2 of 4 examples have no paraphrased answer, so without truth_ratio"
    assert measured(mixed) == (whole - {"truth_ratio"}, [note])


def test_the_answer_stands_for_its_paraphrase_only_where_no_example_has_one() -> None:
    bare = [replace(each, paraphrased_answer=None) for each in EXAMPLES]
    names, notes = measured(bare)
    assert "truth_ratio" in names
    assert notes == ["set: has no paraphrased answers, so truth_ratio takes the answer itself"]
    model = tiny_model()
    seen = observe(model, bare, Encoder(model.tokenizer), NEEDS).within("all")
    for own, other in zip(seen["answer_logprobs"], seen["paraphrased_logprobs"], strict=True):
        np.testing.assert_array_equal(own, other)


def test_a_model_that_knows_does_not_have_to_answer() -> None:
    """What is said is the same whether scoring has shown it or not; what it shows whole is not generated."""
    model, sets = taught_model(), unequal_sets()
    encoder, known = Encoder(model.tokenizer, ConventionConfig(end=False)), [*sets.forget, *sets.retain]
    others = [replace(each, answer=f"{each.answer} {known[i - 1].answer}") for i, each in enumerate(known)]
    alone = observe(model, [*known, *others], encoder, {"generations"}, max_new_tokens=6).generations
    both = observe(model, [*known, *others], encoder, {"generations", "hits"}, max_new_tokens=6)
    assert both.generations == alone
    hits = [each.hits for each in both.right]
    assert all(each.all() for each in hits[: len(known)]) and not any(each.all() for each in hits[len(known) :])
    shortest = min(len(each) for each in hits)
    passes: list[int] = []
    handle = model.network.register_forward_pre_hook(lambda *_: passes.append(1))
    observe(model, known, encoder, {"generations", "hits"}, max_new_tokens=shortest)
    handle.remove()
    assert len(passes) == 1  # that which scores

"""Proxies by hand; how well they order facts as counts do, on a world that knows its counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from expunge.data.convention import Encoder
from expunge.errors import DataError
from expunge.evaluate.ranks import rank_correlation
from expunge.frequency.ordering import PROXIES
from expunge.frequency.proxies import margins, paraphrase_logprobs, proxy_values
from expunge.models.scoring import score
from steps import taught_model
from tiny import tiny_model, tiny_sets

EXAMPLES = tiny_sets().forget


@torch.inference_mode()
def by_hand(model, encoder, example) -> float:  # type: ignore[no-untyped-def]
    """One text, one token after the other."""
    encoded = encoder.encode(example)
    table = model.network(input_ids=torch.tensor([encoded.ids])).logits[0].double()
    found = []
    for place in range(encoded.start, len(encoded.ids) - encoded.tail):
        row, token = table[place - 1], encoded.ids[place]
        found.append(row[token] - max(row[i] for i in range(len(row)) if i != token))
    return float(np.mean([float(each) for each in found]))


@pytest.mark.parametrize("budget", [8, 4096])
def test_margins_by_hand(budget: int) -> None:
    model, plain = tiny_model(), tiny_model(attention="sdpa")
    encoder = Encoder(model.tokenizer)
    expected = [by_hand(plain, encoder, example) for example in EXAMPLES]
    assert margins(model, encoder, EXAMPLES, budget=budget) == pytest.approx(expected, abs=1e-5)


def test_what_is_known_has_a_margin() -> None:
    """Positive exactly where every token is the likeliest."""
    model = taught_model()
    encoder = Encoder(model.tokenizer)
    found = margins(model, encoder, EXAMPLES)
    hits = [bool(one.hits[: len(one.hits) - e.tail].all()) for e, (one,) in
            zip(encoder.encode_all(EXAMPLES), score(model, [[e] for e in encoder.encode_all(EXAMPLES)]))]  # fmt: skip
    assert all(hits) and min(found) > 0 and max(margins(tiny_model(), encoder, EXAMPLES)) < min(found)


def test_the_median_of_the_wordings() -> None:
    model = tiny_model()
    encoder = Encoder(model.tokenizer)
    some = [each for each in EXAMPLES if each.paraphrases]
    found = paraphrase_logprobs(model, encoder, some)
    for example, value in zip(some, found, strict=True):
        asked = encoder.encode_many((example, text, None) for text in example.paraphrases)
        each = [one.log_probs[: len(one.log_probs) - e.tail].mean() for e, (one,) in
                zip(asked, score(model, [[e] for e in asked]))]  # fmt: skip
        assert value == pytest.approx(float(np.median([float(x) for x in each])), abs=1e-6)
    with pytest.raises(DataError, match="1 of 2 examples have no other wordings"):
        paraphrase_logprobs(model, encoder, [replace(some[0], paraphrases=()), some[0]])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_proxies_order_facts_as_counts_do(seed: int) -> None:
    """Of `world:people:frequency=true`. Names are made up, so that popularity says nothing: it must not."""
    from expunge.models.loading import load_model
    from expunge.worlds.finding import find_suite

    pytest.importorskip("wordfreq", reason="wordfreq is not installed: the extra `worlds` brings it")
    suite = find_suite("world:people:frequency=true")
    model = load_model(f"world:people:frequency=true@full#{seed}")
    examples = (*suite.sets.forget, *suite.sets.retain)
    encoder = Encoder(model.tokenizer, suite.convention)
    counts, persons = [e.count or 0 for e in examples], [e.group or e.id for e in examples]
    values = {proxy: proxy_values(proxy, model, encoder, examples) for proxy in PROXIES}
    found = {proxy: rank_correlation(each, counts, persons) for proxy, each in values.items()}
    for proxy, (rho, interval) in found.items():
        assert interval is not None
        print(f"{proxy}, seed {seed}: {rho:.3f} [{interval[0]:.3f}, {interval[1]:.3f}], n {len(examples)}")
        assert interval[0] > 0 or proxy == "popularity"
    assert abs(found["popularity"][0]) < 0.2

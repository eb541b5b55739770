"""Packed forests must give what each example gives alone, on every architecture."""

import numpy as np
import pytest
import torch
from torch.nn.functional import log_softmax

from expunge.data.convention import Encoded, Encoder
from expunge.data.forest import pack, plant
from expunge.errors import NotANumberError
from expunge.models.generating import generate, sample
from expunge.models.model import Model
from expunge.models.scoring import forward, score, sums
from tiny import ARCHITECTURES, tiny_model

A = Encoded((5, 6, 7, 8, 9), 3, "a")
B = Encoded((5, 6, 7, 9), 3, "b")  # shares A's prompt
C = Encoded((5, 6, 7, 8, 4), 3, "c")  # shares A's prompt and the first token of its answer
D = Encoded((11, 12, 3, 4, 5, 6, 7, 8, 9, 10, 11), 2, "d")


def alone(model: Model, encoded: Encoded) -> torch.Tensor:
    """Log-probabilities by the plain definition: one unpadded row, Transformers' own masks."""
    ids = torch.tensor([encoded.ids])
    with torch.no_grad():
        logits = model.network(input_ids=ids, use_cache=False).logits[0].float()
    rows = log_softmax(logits, -1)[encoded.start - 1 : -1]
    return rows.gather(1, ids[0, encoded.start :, None])[:, 0]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_forest_gives_what_each_example_gives_alone(arch: str) -> None:
    model = tiny_model(arch=arch)
    plain = tiny_model(arch=arch, attention="eager")
    results = score(model, [[A, B, C], [D], [B]])
    for group, scored in zip([[A, B, C], [D], [B]], results):
        for encoded, got in zip(group, scored):
            torch.testing.assert_close(got.log_probs, alone(plain, encoded), rtol=1e-5, atol=1e-5)


def test_a_model_that_gives_nan_is_not_taken_for_one_that_knows_nothing() -> None:
    model = tiny_model()
    model.network.lm_head.weight.data[3, 0] = float("nan")
    answers = {"encoder": Encoder(model.tokenizer), "max_new_tokens": 4}
    with pytest.raises(NotANumberError, match="NaN where answers are scored"):
        score(model, [[A]])
    with pytest.raises(NotANumberError, match="NaN where it answers"):
        generate(model, [[5, 6, 7]], **answers)
    with pytest.raises(NotANumberError, match="NaN where it answers"):
        sample(model, [[5, 6, 7]], [np.random.default_rng(0)], samples=2, **answers)


def test_shared_tokens_stand_once() -> None:
    forest = plant([[A, B, C]])
    # prompt 5 6 7; A adds 8 (its last token predicts nothing); B adds nothing; C adds nothing (8 is A's)
    assert forest.ids.tolist() == [5, 6, 7, 8]
    assert forest.positions.tolist() == [0, 1, 2, 3]
    assert forest.targets.tolist() == [8, 9, 9, 8, 4]
    assert forest.predictors.tolist() == [2, 3, 2, 2, 3]
    assert forest.owner.tolist() == [0, 0, 1, 2, 2]
    assert forest.ancestors is None  # it is a chain after all


def test_branches_do_not_see_one_another() -> None:
    forest = plant([[A, B, D]], keep_last=True)
    assert forest.ancestors is not None
    seen = forest.ancestors[0]
    path_b = [0, 1, 2, 5]  # 5 6 7, then 9 after A's 8 9
    assert forest.ids[path_b].tolist() == [5, 6, 7, 9]
    assert seen[5].nonzero()[:, 0].tolist() == path_b


def test_copies_share_what_comes_before_the_answer() -> None:
    forest = plant([[A], [B]], copies=[3, 1])
    # 5 6, then 7 8 three times: 7 predicts the first token of the answer; then 5 6 7 of B
    assert forest.ids.tolist() == [5, 6, 7, 8, 7, 8, 7, 8, 5, 6, 7]
    assert forest.positions.tolist() == [0, 1, 2, 3, 2, 3, 2, 3, 0, 1, 2]
    assert forest.predictors.tolist() == [2, 3, 4, 5, 6, 7, 10]
    assert forest.owner.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert forest.ancestors is not None
    assert forest.ancestors[0, 5].nonzero().flatten().tolist() == [0, 1, 4, 5]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_each_copy_is_as_if_it_were_alone(arch: str) -> None:
    model = tiny_model(arch=arch)
    with torch.no_grad():
        got = forward(model, plant([[D], [A, C]], copies=[2, 3])).log_probs
        once = forward(model, plant([[D], [A, C]])).log_probs
    d, others = once.split([9, 4])
    torch.testing.assert_close(got, torch.cat([d] * 2 + [others] * 3), rtol=1e-5, atol=1e-5)


def test_budget_changes_nothing() -> None:
    model = tiny_model()
    groups = [[A, C], [B], [D], [A]]
    for one, many in zip(score(model, groups, budget=1), score(model, groups, budget=1000)):
        for x, y in zip(one, many):
            torch.testing.assert_close(x.log_probs, y.log_probs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wide", [False, True])
def test_gradients_equal_the_plain_definition(wide: bool) -> None:
    """The one-buffer log-probability has the gradient of log-softmax."""
    model = tiny_model()
    parameter = model.network.get_input_embeddings().weight
    forest = plant([[A, B], [D]])
    got = forward(model, forest, logits=wide)
    per_branch = sums(got.log_probs, forest.owner, forest.branches)
    (ours,) = torch.autograd.grad((per_branch * torch.tensor([1.0, -2.0, 0.5])).sum(), parameter)
    total = torch.zeros(())
    for encoded, weight in ((A, 1.0), (B, -2.0), (D, 0.5)):
        ids = torch.tensor([encoded.ids])
        rows = log_softmax(model.network(input_ids=ids, use_cache=False).logits[0], -1)[encoded.start - 1 : -1]
        total = total + weight * rows.gather(1, ids[0, encoded.start :, None]).sum()
    (plain,) = torch.autograd.grad(total, parameter)
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)


def test_logits_and_hits_stand_at_the_answer_tokens() -> None:
    model = tiny_model()
    got = forward(model, plant([[A, B, C], [D]]), logits=True, hits=True)
    assert got.logits is not None and got.hits is not None
    picked = got.logits.log_softmax(-1).argmax(-1)
    forest = plant([[A, B, C], [D]])
    assert torch.equal(got.hits, picked == forest.targets)
    torch.testing.assert_close(got.log_probs, log_softmax(got.logits, -1).gather(1, forest.targets[:, None])[:, 0])


def test_pack_keeps_to_the_budget_and_loses_nothing() -> None:
    batches = pack([5, 1, 9, 3, 3], 8)
    assert sorted(i for batch in batches for i in batch) == [0, 1, 2, 3, 4]
    assert batches[0] == [2]  # larger than the budget: alone
    assert batches[1] == [0, 3]  # 5 + 3

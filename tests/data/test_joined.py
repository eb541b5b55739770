"""Groups that begin alike in one tree: branches in order, fewer nodes, the same results."""

import pytest
import torch

from expunge.data.convention import Encoded
from expunge.data.forest import joined, plant
from expunge.models.scoring import score
from expunge.train.measure import Item, measure
from tiny import ARCHITECTURES, tiny_model

SYSTEM = tuple(3 + i % 5 for i in range(12))


def row(*own: int, answer: int = 2, system: tuple[int, ...] = SYSTEM) -> Encoded:
    ids = (*system, *own)
    return Encoded(ids, len(ids) - answer, "")


def test_neighbours_that_begin_alike_are_one_group_in_their_order() -> None:
    one, two, three = row(9, 10, 11), row(9, 12, 13), row(14, 15, 16)
    other = row(9, 10, 11, system=SYSTEM[1:])
    assert joined([[one], [two], [three], [other], [one]]) == [[one, two, three], [other], [one]]
    together, alone = plant(joined([[one], [two], [three]])), plant([[one], [two], [three]])
    assert len(alone.ids) == 3 * 14
    assert len(together.ids) == 12 + 3 + 2  # the 9 of the first two is shared, too
    for name in ("targets", "owner", "index"):
        assert torch.equal(getattr(together, name), getattr(alone, name))
    assert together.branches == 3


def test_what_is_shared_must_be_worth_it() -> None:
    short = SYSTEM[:7]  # and so few tokens are not
    assert len(joined([[row(9, 10, 11, system=short)], [row(12, 13, 14, system=short)]])) == 2
    long = tuple(20 + i % 9 for i in range(40)), tuple(30 + i % 9 for i in range(40))
    assert len(joined([[row(*each)] for each in long])) == 2  # a quarter of a prompt at least
    trees = joined([[row(*(20 + (i + j) % 9 for j in range(30)), answer=25)] for i in range(9)])
    sizes = [len(plant([tree]).ids) for tree in trees]
    assert sum(map(len, trees)) == 9 and len(trees) == 2
    assert max(sizes) <= 256 < sum(sizes)


def test_answers_alone_are_never_shared_between_texts_without_a_prompt() -> None:
    texts = [[Encoded(SYSTEM, 1, "")], [Encoded((*SYSTEM, 4), 1, "")]]
    assert len(joined(texts)) == 2


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_scores_are_those_of_each_alone(arch: str) -> None:
    model = tiny_model(arch=arch)
    groups = [[row(9, 10, 11), row(9, 10, 12)], [row(9, 12, 13)], [row(14, 15, 16, 17)], [row(14, 15)]]
    together = score(model, groups)
    for group, found in zip(groups, together, strict=True):
        (alone,) = score(model, [group])
        for a, b in zip(alone, found, strict=True):
            torch.testing.assert_close(a.log_probs, b.log_probs, rtol=1e-5, atol=1e-6)
            assert torch.equal(a.hits, b.hits)


@pytest.mark.parametrize("name", ["token_log_probs", "policy", "logits", "hidden", "mlp"])
def test_measurements_and_their_gradients(name: str) -> None:
    model = tiny_model()
    items = [Item(i, 1.0, row(9 + i, 10, 11)) for i in range(3)]
    weights = [p for p in model.network.parameters() if p.requires_grad]

    def slopes(batches: list[list[Item]]) -> list[torch.Tensor]:
        several = [measure(model, batch, [name], 1, None)[0][name] for batch in batches]
        found = torch.autograd.grad(sum(each.square().sum() for each in several), weights, allow_unused=True)  # type: ignore[arg-type]
        return [each for each in found if each is not None]

    for together, alone in zip(slopes([items]), slopes([[item] for item in items]), strict=True):
        torch.testing.assert_close(together, alone, rtol=1e-2, atol=2e-5)


def test_a_disturbance_keeps_them_apart() -> None:
    from contextlib import nullcontext

    seen: list[int] = []
    around = lambda _, forest, __: seen.append(len(forest.ids)) or nullcontext()
    items = [Item(i, 1.0, row(9 + i, 10, 11)) for i in range(3)]
    measure(tiny_model(), items, ["policy"], None, None, [around])  # type: ignore[list-item]
    assert seen == [3 * 14]

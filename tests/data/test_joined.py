"""Groups that begin alike in one tree: branches in order, fewer nodes, the same results, and only where it pays."""

from collections.abc import Sequence

import pytest
import torch

from expunge.data.convention import Encoded
from expunge.data.forest import joined, plant
from expunge.models import scoring
from expunge.models.scoring import score, sharing
from expunge.train.measure import Item, measure
from expunge.train.wrappers import wrappers
from tiny import ARCHITECTURES, tiny_model

SYSTEM = tuple(3 + i % 5 for i in range(12))
WIDTH = 500


def row(*own: int, answer: int = 2, system: Sequence[int] = SYSTEM) -> Encoded:
    ids = (*system, *own)
    return Encoded(ids, len(ids) - answer, "")


def several(count: int, length: int, system: Sequence[int] = SYSTEM) -> list[list[Encoded]]:
    """Rows that part right behind the system prompt."""
    return [[row(20 + i, *(20 + (i + j) % 9 for j in range(length - 1)), system=system)] for i in range(count)]


def test_neighbours_that_begin_alike_are_one_group_in_their_order() -> None:
    one, two, three = row(9, 10, 11), row(9, 12, 13), row(14, 15, 16)
    other = row(9, 10, 11, system=SYSTEM[1:])
    assert joined([[one], [two], [three], [other], [one]], WIDTH) == [[one, two, three], [other], [one]]
    together, alone = plant(joined([[one], [two], [three]], WIDTH)), plant([[one], [two], [three]])
    assert len(alone.ids) == 3 * 14
    assert len(together.ids) == 12 + 3 + 2  # the 9 of the first two is shared, too
    for name in ("targets", "owner", "index"):
        assert torch.equal(getattr(together, name), getattr(alone, name))
    assert together.branches == 3
    assert joined([], WIDTH) == []


def test_only_where_it_pays() -> None:
    assert len(joined(several(6, 5), WIDTH)) == 1
    assert len(joined(several(6, 5, SYSTEM[:7]), WIDTH)) == 6  # so short a beginning is not looked at
    assert len(joined(several(6, 20), WIDTH)) == 1
    assert len(joined(several(6, 20), 4)) == 6  # in so narrow a network attention is what counts
    others = [[row(*range(i, i + 16), system=())] for i in range(3, 60)]
    assert len(joined([*several(2, 5), *others], 40)) == 59  # all would stand in the grid of the two's longer tree
    assert len(joined([*several(2, 5), *others], 2000)) == 58


def test_a_tree_has_a_largest_size() -> None:
    trees = joined(several(40, 20), WIDTH)
    sizes = [len(plant([tree]).ids) for tree in trees]
    assert 1 < len(trees) < 40
    assert max(sizes) <= 256


def test_texts_without_a_prompt_stay_apart() -> None:
    texts = [[Encoded(SYSTEM, 1, "")], [Encoded((*SYSTEM, 4), 1, "")]]
    assert len(joined(texts, WIDTH)) == 2


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_scores_are_those_of_each_alone(arch: str) -> None:
    model = tiny_model(arch=arch)
    groups = [[row(9, 10, 11), row(9, 10, 12)], [row(9, 12, 13)], [row(14, 15, 16, 17)], [row(14, 15)]]
    assert len(sharing(model, groups)) == 1
    together = score(model, groups)
    for group, found in zip(groups, together, strict=True):
        (alone,) = score(model, [group])
        for a, b in zip(alone, found, strict=True):
            torch.testing.assert_close(a.log_probs, b.log_probs, rtol=1e-5, atol=1e-6)
            assert torch.equal(a.hits, b.hits)


@pytest.mark.parametrize("name", ["token_log_probs", "policy", "logits", "hidden", "mlp", "alternate_policy"])
def test_measurements_and_their_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    items = [Item(i, 1.0, row(9 + i, 10, 11), row(9 + i, 17, 18, 19)) for i in range(3)]
    weights = list(model.network.parameters())

    def found(apart: bool) -> tuple[torch.Tensor, list[torch.Tensor], int]:
        sizes: list[int] = []
        note = lambda _, __, given: sizes.append(given["input_ids"].numel())
        handle = model.network.register_forward_pre_hook(note, with_kwargs=True)
        if apart:
            monkeypatch.setattr(scoring, "joined", lambda groups, _: groups)
        value = measure(model, items, [name], 1, None)[0][name]
        handle.remove()
        slopes = torch.autograd.grad(value.square().sum(), weights, allow_unused=True)
        return value.detach(), [each for each in slopes if each is not None], sizes[0]

    (values, slopes, nodes), (alone, theirs, more) = found(False), found(True)
    assert nodes < more
    torch.testing.assert_close(values, alone, rtol=1e-5, atol=1e-5)
    for one, other in zip(slopes, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))


def test_what_disturbs_a_node_keeps_items_apart() -> None:
    """LAT enters the forward pass; what changes gradients only does not."""
    from contextlib import nullcontext

    seen: list[int] = []
    around = lambda _, forest, __: seen.append(len(forest.ids)) or nullcontext()
    items = [Item(i, 1.0, row(9 + i, 10, 11)) for i in range(3)]
    measure(tiny_model(), items, ["policy"], None, None, [around])  # type: ignore[list-item]
    assert seen == [3 * 14]
    assert {name: wrappers.get(name)().enters for name in wrappers} == {"gru": False, "lat": True, "sam": False}

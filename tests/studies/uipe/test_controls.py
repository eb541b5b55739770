"""The control of a random direction."""

import torch

from expunge.studies.uipe.unlearning import random_direction


def test_a_random_direction_is_as_long_as_v_and_its_own_in_each_tensor_and_draw() -> None:
    v = torch.randn(40, 30, generator=torch.Generator().manual_seed(0))
    one, again, other, elsewhere = (
        random_direction(seed)(name, v) for seed, name in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))
    )
    assert torch.equal(one, again)
    for each in (one, other, elsewhere):
        torch.testing.assert_close(each.norm(), v.norm())
        assert abs(float(torch.nn.functional.cosine_similarity(each.flatten(), v.flatten(), dim=0))) < 0.15
    assert not torch.equal(one, other) and not torch.equal(one, elsewhere)

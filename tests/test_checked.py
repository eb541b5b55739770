"""The suite checks types and shapes while it runs."""

import pytest
import torch
from jaxtyping import TypeCheckError

from checked import checked
from expunge.arithmetic.ranking import share_of
from expunge.change.lowrank import Factors


def test_wrong_types_and_shapes_are_found() -> None:
    with pytest.raises(TypeCheckError):
        share_of("half", 10)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeCheckError):  # the ranks differ
        Factors(a=torch.zeros(2, 3), b=torch.zeros(4, 5))


def test_functions_inside_others_are_let_go() -> None:
    def inside(count: int) -> int:
        return count

    assert checked(inside) is inside
    assert inside(1) == 1

"""Contexts: of this model and this seed, kept nowhere else."""

from expunge.edit.contexts import OPENINGS, contexts
from tiny import tiny_model


def test_they_depend_on_model_seed_and_number() -> None:
    model = tiny_model()
    one = contexts(model, 6, (5, 10), 0)
    assert one[0] == "" and len(one) == 7
    assert all(text.endswith(". ") and text.startswith(OPENINGS) for text in one[1:])
    assert contexts(model, 6, (5, 10), 0) == one
    assert contexts(model, 6, (5, 10), 1) != one
    assert contexts(tiny_model(seed=1), 6, (5, 10), 0) != one
    assert contexts(model, 0, (10,), 0) == ("",)

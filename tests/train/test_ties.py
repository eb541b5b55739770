"""Weights in the middle between two bfloat16 numbers: a step of any size takes them to its side."""

import torch

from expunge.config import TrainConfig, settings
from expunge.train.fitness import ties_told
from expunge.train.unlearn import train
from tiny import tiny_model, tiny_sets

LOW = {"precision": "bfloat16", "learning_rate": 1e-6}


def config(**changes: object) -> TrainConfig:
    return settings(TrainConfig, {"method": "npo", "max_steps": 1, **LOW, **changes})


def test_what_a_tie_is() -> None:
    """1 + 2⁻⁸ is one: the next bfloat16 numbers are 1 and 1 + 2⁻⁷, and a nudge decides."""
    tie = torch.tensor([1 + 2**-8])
    sides = [float((tie + nudge).bfloat16()) for nudge in (-1e-6, 1e-6)]
    assert sides == [1, 1 + 2**-7]
    half = torch.tensor([1 + 2**-8, 1.0])  # half of the weights, which move by 1/512 of 1.0039 at least
    (note,) = ties_told([half], config())
    assert note.startswith("50.0% of the trained weights") and "about 980 times" in note
    assert ties_told([torch.tensor([1 + 2**-9, 1.0, 0.0])], config()) == ()


def test_only_where_it_matters() -> None:
    tie = torch.tensor([1 + 2**-8])
    assert ties_told([tie], config(precision="float32")) == ()
    assert ties_told([tie], config(learning_rate=1e-2)) == ()  # the step itself is larger
    assert ties_told([tie.bfloat16()], config()) == ()
    assert ties_told([], config()) == ()


def test_training_tells_of_it() -> None:
    model = tiny_model()
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.copy_((weight.bfloat16().float().view(torch.int32) + 0x8000).view(torch.float32))
    told = [any("bfloat16 numbers" in note for note in train(model, tiny_sets(), each).notes)
            for each in (config(), config(precision="float32"))]  # fmt: skip
    assert told == [True, False]

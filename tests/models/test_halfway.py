"""Results by name survive a kill; those of another question do not count."""

from pathlib import Path

import pytest
import torch

from expunge.models.halfway import NOWHERE, Halfway, Once


def test_each_is_computed_once_and_what_a_killed_run_had_is_not_computed_again(tmp_path: Path) -> None:
    path, asked = tmp_path / "halfway.safetensors", []

    def compute(name: str, value: float):
        def call() -> torch.Tensor:
            asked.append(name)
            if value < 0:
                raise KeyboardInterrupt
            return torch.tensor([value, 1 / 3], dtype=torch.float64)

        return call

    first = Once(Halfway(path, {"of": 1}, every=0))
    assert torch.equal(first("a: 1", compute("a", 0.1)), first("a: 1", compute("a", 9.0)))
    with pytest.raises(KeyboardInterrupt):
        first("b", compute("b", -1.0))
    again = Once(Halfway(path, {"of": 1}, every=0))
    assert again("a: 1", compute("a", 9.0)).tolist() == [0.1, 1 / 3] and again("b", compute("b", 2.0))[0] == 2
    assert asked == ["a", "b", "b"]
    other = Once(Halfway(path, {"of": 2}, every=0))
    assert other("a: 1", compute("a", 3.0))[0] == 3
    assert Once(NOWHERE)("a", compute("a", 4.0))[0] == 4


def test_where_nothing_can_be_written_the_work_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in place of a folder")
    path, said = tmp_path / "file" / "kept.safetensors", []
    Halfway(path, {"of": 1}, every=0, say=said.append).save(x=torch.zeros(1))
    assert len(said) == 1 and "cannot keep" in said[0]
    with pytest.raises(FileExistsError):  # what nobody is told of is an error
        Halfway(path, {"of": 1}, every=0).save(x=torch.zeros(1))

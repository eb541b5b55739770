"""Which tokens decide for their text: prompts without their first token, in trees, chains and padded rows."""

import pytest
import torch

from expunge.data.convention import Encoded
from expunge.data.forest import plant
from expunge.errors import RunError
from expunge.models.texts import of_forest, of_rows


def encoded(*ids: int, start: int, hidden: int | None = None) -> Encoded:
    return Encoded(ids, start, "", hidden=hidden)


def test_chains_decide_by_their_prompts() -> None:
    """Prompts 1 2 3 and 4 5, answers 9 9 and 9 9 9; the last answer token is not in the forest."""
    texts = of_forest(plant([[encoded(1, 2, 3, 9, 9, start=3)], [encoded(4, 5, 9, 9, 9, start=2)]]))
    assert texts.owner.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert texts.decides.tolist() == [False, True, True, False, False, True, False, False]
    values = torch.tensor([100.0, 1.0, 3.0, 50.0, 100.0, 7.0, 50.0, 50.0])
    assert texts.mean(values).tolist() == [2.0, 7.0]


def test_a_tree_decides_by_what_is_prompt_to_all_its_answers() -> None:
    """Two answers to 1 2 3; in a second tree the boundary falls one token later for one of them."""
    first = [encoded(1, 2, 3, 8, 9, start=3), encoded(1, 2, 3, 7, 9, start=3)]
    second = [encoded(1, 2, 3, 8, 9, start=3), encoded(1, 2, 3, 7, 9, 9, start=4)]
    texts = of_forest(plant([first, second]))
    assert texts.owner.tolist() == [0] * 5 + [1] * 6
    decided = [i for i, each in enumerate(texts.decides.tolist()) if each]
    assert decided == [1, 2, 6, 7]


def test_without_a_prompt_the_whole_text_decides() -> None:
    texts = of_forest(plant([[encoded(1, 2, 3, 4, start=1)], [encoded(5, 6, start=1)]]))
    assert texts.decides.tolist() == [False, True, True, True]  # of one token that one


def test_hidden_tokens_do_not_decide() -> None:
    texts = of_forest(plant([[encoded(1, 0, 2, 3, 9, start=4, hidden=0)]]))
    assert texts.decides.tolist() == [False, False, True, True]


def test_rows_decide_without_their_padding() -> None:
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]])
    texts = of_rows((3, 5), mask, torch.device("cpu"))
    decided = texts.decides.view(3, 5).long().tolist()
    assert decided == [[0, 0, 0, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 1]]
    assert of_rows((1, 3), None, torch.device("cpu")).decides.tolist() == [False, True, True]
    junk = torch.full((15,), float("nan")).view(3, 5).masked_fill(texts.decides.view(3, 5), 2.0)
    assert texts.mean(junk.flatten()).tolist() == [2.0, 2.0, 2.0]  # what padding holds is not looked at


def test_another_kind_of_mask_is_refused() -> None:
    with pytest.raises(RunError, match="attention mask"):
        of_rows((1, 3), torch.ones(1, 1, 3, 3), torch.device("cpu"))

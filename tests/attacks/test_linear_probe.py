"""The linear probe: the regression, the ranking, the choice of the layer, and that it cannot teach."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from attacked import attacked_sets, target
from expunge.attacks import attacks
from expunge.attacks.linear_probe import crossed, embedded, first_half, fitted, scores, states
from expunge.data.example import Example
from expunge.errors import ConfigError, RunError
from steps import taught_model
from tiny import tiny_model


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_states_that_are_no_numbers_are_no_ignorance() -> None:
    with pytest.raises(RunError, match="the linear probe"):
        scores(torch.full((1, 2), torch.nan, dtype=torch.float64), [drawn(3, 2)])


def test_the_regression_is_ridge() -> None:
    """The stacked least-squares problem of the same penalty, solved by NumPy."""
    shown, answers, asked, ridge = 5 + 3 * drawn(20, 6), drawn(20, 4, seed=1), drawn(7, 6, seed=2), 0.3
    x = (shown - shown.mean(0)) / shown.std(0)
    tall = np.vstack([x, np.sqrt(ridge * 20) * np.eye(6)])
    weights = np.linalg.lstsq(tall, np.vstack([answers, np.zeros((6, 4))]), rcond=None)[0]
    expected = ((asked - shown.mean(0)) / shown.std(0)).numpy() @ weights
    np.testing.assert_allclose(fitted(shown, answers, asked, ridge), expected, rtol=1e-8)


def test_a_linear_code_is_read_off_others() -> None:
    code = drawn(12, 5, seed=3)
    answers, new = drawn(200, 5), drawn(30, 5, seed=4)
    read = fitted(answers @ code.T, answers, new @ code.T, 1e-6)
    options = [torch.stack([right, *new[[i - 1, i - 2]]]) for i, right in enumerate(new)]
    assert scores(read, options).eq(1).all()


def test_ranks_by_hand() -> None:
    """Right (1, 0); said (1, 1): the wrong ones are nearer, as near, and further."""
    options = torch.tensor([[1.0, 0.0], [2.0, 2.0], [0.0, 3.0], [-1.0, 0.0]], dtype=torch.float64)
    assert scores(torch.tensor([[1.0, 1.0]], dtype=torch.float64), [options]).item() == pytest.approx((0 + 0.5 + 1) / 3)


def test_a_layer_is_chosen_by_the_other_half() -> None:
    """Layer 0 is best on items 0 and 1, layer 1 on items 2 and 3: each half is scored where the other is best."""
    table = torch.tensor([[1.0, 1.0, 0.2, 0.4], [0.5, 0.7, 0.9, 0.9]], dtype=torch.float64)
    found, layers = crossed(table, torch.tensor([True, True, False, False]))
    assert found.tolist() == [0.5, 0.7, 0.2, 0.4]
    assert layers == (1, 0)


def test_halves_are_whole_groups() -> None:
    examples = [Example(f"e{i}", "p", "a", group=g) for i, g in enumerate("aabbccdd")]
    half = first_half(examples, 0).tolist()
    assert half[::2] == half[1::2] and sum(half) == 4


def test_states_are_where_the_answer_begins() -> None:
    aimed = target()
    found = states(aimed, aimed.examples)
    network = aimed.model.network
    for i, example in enumerate(aimed.examples):
        ids = torch.tensor([aimed.encoder.encode_prompt(example)])
        with torch.no_grad():
            hidden = network(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states
        torch.testing.assert_close(found[0, i].float(), hidden[1][0, -1], rtol=1e-4, atol=1e-5)


def test_answers_are_means_of_the_heads_rows() -> None:
    aimed = target()
    example = aimed.examples[1]  # "dunmore city"
    vocabulary = aimed.model.tokenizer.get_vocab()
    rows = aimed.model.network.lm_head.weight[[vocabulary["dunmore"], vocabulary["city"]]]
    torch.testing.assert_close(embedded(aimed, [(example, example.answer)])[0].float(), rows.mean(0).detach())


def test_it_never_sees_a_forgotten_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the forget set only questions and options go in, and the probe is fitted before: other answers, same probe."""
    fits = []
    monkeypatch.setattr(
        "expunge.attacks.linear_probe.fitted", lambda *a: fits.append([each.clone() for each in a[:3]]) or fitted(*a)
    )
    aimed = target()
    swapped = tuple(replace(e, answer=e.perturbed_answers[0], perturbed_answers=(e.answer,)) for e in aimed.examples)
    for examples in (aimed.examples, swapped):
        attacks.get("linear_probe")(replace(aimed, examples=examples))
    half = len(fits) // 2
    for one, other in zip(fits[:half], fits[half:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_finding_and_its_note() -> None:
    for model in (taught_model(), tiny_model()):
        (found,) = attacks.get("linear_probe")(target(model))
        assert len(found.scores) == 4 and set(found.scores) <= {0.0, 0.25, 0.5, 0.75, 1.0}
        assert [layer for layer, _ in found.curve] == [0, 1]
        assert found.note.startswith("trained on 4 retained examples; read in layers ")
    (few,) = attacks.get("linear_probe")(target(), most=3)
    assert few.note.startswith("trained on 3 ")


def test_a_retain_set_of_documents_is_refused() -> None:
    documents = tuple(replace(e, prompt=None) for e in attacked_sets().retain)
    with pytest.raises(ConfigError, match="questions of the retain set"):
        attacks.get("linear_probe")(target(sets=replace(attacked_sets(), retain=documents)))

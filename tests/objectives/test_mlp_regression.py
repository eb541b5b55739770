import torch

from expunge.objectives import objectives, retain_losses
from expunge.objectives.mlp_regression import mlp_regression
from objectives.batch import LAYERS, WIDTH, batch

MLP = torch.tensor([[[1.0, 2.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 2.0]]])  # two tokens, two layers, width two


def test_by_hand():
    # first token: ((3 - 1)² + (5 - 2)²) / 2 = 6.5 and 4² / 2 = 8; second: nothing and 1 / 2
    retrained = torch.tensor([[[3.0, 5.0], [0.0, 4.0]], [[1.0, 1.0], [2.0, 3.0]]])
    torch.testing.assert_close(mlp_regression(MLP, retrained), torch.tensor([7.25, 0.25]))


def test_zero_where_nothing_differs():
    assert torch.equal(mlp_regression(MLP, MLP.clone()), torch.zeros(2))


def test_the_papers_scale():
    """Summed over layers and width, as in the paper, it is layers · width times as much."""
    found = batch()
    ours = mlp_regression(found["mlp"], found["retrained_mlp"])
    paper = sum((found["mlp"][:, i] - found["retrained_mlp"][:, i]).norm(dim=-1) ** 2 for i in range(LAYERS))
    torch.testing.assert_close(ours * LAYERS * WIDTH, paper)


def test_one_step_comes_nearer():
    found = batch()
    mlp = found["mlp"].clone().requires_grad_()
    mlp_regression(mlp, found["retrained_mlp"]).mean().backward()
    assert mlp.grad is not None
    nearer = mlp.detach() - mlp.grad
    assert (mlp_regression(nearer, found["retrained_mlp"]) < mlp_regression(mlp, found["retrained_mlp"])).all()


def test_it_is_for_both_sets():
    assert objectives.get("mlp_regression").function is retain_losses.get("mlp_regression").function
    assert objectives.get("mlp_regression").needs == {"mlp", "retrained"}

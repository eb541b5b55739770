"""Regression of every MLP to the retrained model's. Lee et al. 2025, arXiv:2505.16252, Figure 1.

    min_θ Σ_l E_x[ ‖MLP_l^θ(x) - MLP_l^{θ_r}(x)‖² ]

θ_r is the model that never saw the forget set (`--retrained`), so this is no way to unlearn: it asks what a region of
the weights could reach if the goal were known. MLP_l(x) is what block l's down projection gives, each model reading
its own residual stream. Meant for forget and retain set alike: `--retain-loss mlp_regression` beside it.
Deviations: the square is averaged over the width and over the layers; the paper sums, which is layers · width times
as much. The paper does not say at which positions, on which sets, and on whose stream: here at the positions that
predict the answer tokens, on both sets, on each model's own.
"""

from jaxtyping import Float
from torch import Tensor

from expunge.objectives import objectives, retain_losses
from expunge.objectives.precision import wide


@retain_losses.add("mlp_regression", unit="token", paper="arXiv:2505.16252")
@objectives.add("mlp_regression", unit="token", paper="arXiv:2505.16252")
def mlp_regression(
    mlp: Float[Tensor, "tokens layers width"], retrained_mlp: Float[Tensor, "tokens layers width"]
) -> Float[Tensor, " tokens"]:
    """Mean square difference of each token's MLP outputs, over all layers."""
    return ((wide(mlp) - wide(retrained_mlp)) ** 2).mean((-2, -1))

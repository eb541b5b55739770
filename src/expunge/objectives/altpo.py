"""Alternate preference optimisation (AltPO). Mekala et al. 2024, arXiv:2409.13474.

    L(θ) = -(2/β) E_forget[ log σ( β [ log(π_θ(y_alt|x) / π_ref(y_alt|x)) - log(π_θ(y|x) / π_ref(y|x)) ] ) ]

y_alt is another plausible answer, which the model makes up before training (`alternates.py`), so that it goes
on to answer as before, with other facts. An example that comes with an `alternate` keeps it.
Deviations: one alternate per example (the authors draw five); alternates that give the true answer away, or do not
come to an end, are drawn again, and at last replaced by the answer of another example. The wording of the request is
ours.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from expunge.objectives import objectives
from expunge.objectives.alternates import make_alternates
from expunge.objectives.options import Positive
from expunge.objectives.precision import wide


@objectives.add("altpo", unit="example", paper="arXiv:2409.13474", alternate="prepared", prepare=make_alternates)
def altpo(
    policy: Float[Tensor, " batch"],
    reference: Float[Tensor, " batch"],
    alternate_policy: Float[Tensor, " batch"],
    alternate_reference: Float[Tensor, " batch"],
    *,
    beta: Positive = 0.1,
) -> Float[Tensor, " batch"]:
    """All inputs are summed answer log-probabilities; the made-up answer is preferred."""
    towards = wide(alternate_policy) - wide(alternate_reference)
    away = wide(policy) - wide(reference)
    return -(2 / beta) * logsigmoid(beta * (towards - away))

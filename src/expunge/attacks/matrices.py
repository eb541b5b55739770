"""The matrices that compression changes: the weights of the linear layers within the blocks.

Embeddings, head, norms and biases stay, as in the usual libraries.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor

from expunge.change.overwriting import overwrite, put
from expunge.models.model import Model
from expunge.parameters import parameters_of
from expunge.train import lora

Rewrite = Callable[[Tensor], Tensor]


@contextmanager
def rewritten(model: Model, rewrite: Rewrite) -> Iterator[None]:
    """Within the block each matrix is what `rewrite` makes of it; then the very bits are back, also after an error.

    `rewrite` gets [out, in] in float32, in stored order; GPT-2's transposed matrices are turned for it.
    """
    weights = parameters_of(model)
    turned = model.layout.architecture.transposed

    def new(name: str) -> Tensor:
        weight = weights[name].detach().float()
        return rewrite(weight.T).T if turned else rewrite(weight)

    kept = overwrite(weights, [f"{name}.weight" for name in lora.targets(model)], new)
    try:
        yield
    finally:
        put(weights, kept)

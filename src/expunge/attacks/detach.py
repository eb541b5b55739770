"""Detach: what was put beside the weights is switched off, and the question asked again. No paper: the plainest attack.

A side memory (`change/attachment.py`) or an adapter that is not merged hides what the weights still hold, and who has
the weights can leave it out. A change of the weights themselves leaves nothing to switch off, as with the original
and the retrained models: then the plain question is asked, and the note says so. No deviations.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from expunge.attacks import Finding, Target, attacks
from expunge.attacks.saying import Question, knowledge
from expunge.models.model import Model


@attacks.add(
    "detach",
    family="representation",
    needs=("prompts",),
    title="Adapter switched off",
    reads=(
        "How much of the answer is said without the side memory or adapter. Everything that it alone had hidden is "
        "back. On a model that has nothing beside its weights this is the plain question."
    ),
)
def detach(target: Target) -> list[Finding]:
    """One finding."""
    note = "" if target.attached or adapters_of(target.model) else "nothing stands beside the weights"
    with without_attached(target):
        return [Finding(knowledge(target, [Question(e) for e in target.examples]), note=note)]


@contextmanager
def without_attached(target: Target) -> Iterator[None]:
    """Side memories detached and unmerged adapters off within the block; then all as it was."""
    with ExitStack() as stack:
        for memory in reversed(target.attached):
            memory.detach(target.model)
            stack.callback(memory.attach, target.model)
        for layer in adapters_of(target.model):
            stack.enter_context(_off(layer))
        yield


def adapters_of(model: Model) -> list[Any]:
    """The layers of a PEFT adapter that acts and is not merged."""
    from peft.tuners.tuners_utils import BaseTunerLayer  # a second

    found = (module for module in model.network.modules() if isinstance(module, BaseTunerLayer))
    return [layer for layer in found if not layer.disable_adapters and not layer.merged]


@contextmanager
def _off(layer: Any) -> Iterator[None]:
    trained = [(parameter, parameter.requires_grad) for parameter in layer.parameters()]
    layer.enable_adapters(False)
    try:
        yield
    finally:
        layer.enable_adapters(True)
        for parameter, wanted in trained:
            parameter.requires_grad_(wanted)

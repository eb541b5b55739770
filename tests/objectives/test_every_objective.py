"""What holds for every registered loss: shapes, batches and halves, gradients, extremes, half precision."""

import pytest
import torch
from torch import Tensor

from expunge.objectives import objectives, retain_losses
from expunge.objectives.binding import Bound, bind
from expunge.objectives.measurements import MEASUREMENTS
from objectives.batch import ANSWERS, VOCABULARY, batch

EVERY = [bind(objectives.get(name), {}) for name in objectives]
EVERY += [bind(retain_losses.get(name), {}) for name in retain_losses]
every = pytest.mark.parametrize("bound", EVERY, ids=lambda bound: bound.objective.name)
INSIDE = {"hidden", "mlp"}  # objectives that need these look into the network, not at its output
WEIGHTED = {"wga", "satimp", "wtnpo", "ceu"}  # a part of the loss is taken as a constant
TRAINED = {name for name in MEASUREMENTS if MEASUREMENTS[name].needs <= {"logits", "hidden", "mlp", "alternate"}}
TRAINED -= {name for name in MEASUREMENTS if name.endswith(("answer_length", "answer_tokens", "token_index"))}


def leaves(bound: Bound, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the loss asks for; what depends on the trained weights requires a gradient."""
    asked = (*bound.objective.measurements, *bound.objective.constants)
    return {name: found[name].clone().requires_grad_(name in TRAINED) for name in asked}


def slices(found: dict[str, Tensor], examples: slice) -> dict[str, Tensor]:
    """The measurements of some of the examples."""
    part = {}
    for name, value in found.items():
        axes = MEASUREMENTS[name].axes.split() if name in MEASUREMENTS else ["width"]
        lengths = found["alternate_answer_length" if "alternate" in axes[0] else "answer_length"].int().tolist()
        if axes[0] == "batch":
            part[name] = value[examples]
        else:
            part[name] = torch.cat(value.split(lengths)[examples]) if axes[0].endswith("tokens") else value
    return part


@every
def test_is_documented_and_unreduced(bound: Bound):
    objective = bound.objective
    doc = __import__(objective.function.__module__, fromlist=["_"]).__doc__
    assert objective.paper.startswith("arXiv:") and objective.paper in doc
    assert "eviations" in doc and " E_" in doc and objective.function.__doc__
    loss = bound(leaves(bound, batch()))
    assert loss.shape == ((len(ANSWERS),) if objective.unit == "example" else (sum(ANSWERS),))


@every
def test_a_batch_is_its_parts(bound: Bound):
    found = batch()
    parts = [bound(slices(found, slice(i, i + 1))) for i in range(len(ANSWERS))]
    torch.testing.assert_close(torch.cat(parts), bound(found))
    counted = [bound.counted(slices(found, slice(i, i + 1))) for i in range(len(ANSWERS))]
    whole = bound.counted(found)
    assert whole is None or torch.equal(torch.cat([part for part in counted if part is not None]), whole)


@pytest.mark.parametrize("name", [b.objective.name for b in EVERY if b.objective.name not in WEIGHTED])
def test_gradients_are_right(name: str):
    """By finite differences, which would see a weight move that is meant to be a constant."""
    bound = next(each for each in EVERY if each.objective.name == name)
    given = leaves(bound, batch())
    free = [name for name in given if given[name].requires_grad]

    def loss(*values: Tensor) -> Tensor:
        return bound({**given, **dict(zip(free, values))})

    assert torch.autograd.gradcheck(loss, tuple(given[name] for name in free))


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("value", [-1e4, -1.0, 0.0, "both"])
def test_extremes_are_finite(bound: Bound, dtype: torch.dtype, value: float | str):
    found = {}
    for name, like in batch().items():
        if like.is_floating_point() and not name.endswith("answer_length") and name != "control":
            level = 0.0 if value == "both" else value
            like = torch.full_like(like, float(level))
            if value == "both":  # certain of a token, the reference of another
                like[..., 0 if name.startswith(("reference", "retrained")) or "_reference" in name else -1] = -1e4
        found[name] = like.to(dtype) if like.is_floating_point() else like
    given = leaves(bound, found)
    loss = bound(given)
    assert loss.dtype == torch.float32
    assert loss.isfinite().all()
    loss.sum().backward()
    grads = [value.grad for value in given.values() if value.requires_grad]
    assert grads and all(grad is not None and grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("name", [name for name in objectives if not INSIDE & objectives.get(name).needs])
def test_one_step_forgets(name: str):
    """A table of logits is the model: one step of gradient descent lowers the answers' likelihood."""
    bound, found = bind(objectives.get(name), {}), batch()
    table, second = (found[f"{which}logits"].clone().requires_grad_() for which in ("", "alternate_"))

    def measure() -> dict[str, Tensor]:
        now = dict(found)
        for prefix, logits in (("", table), ("alternate_", second)):
            tokens, lengths = found[f"{prefix}answer_tokens"], found[f"{prefix}answer_length"].int()
            each = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
            owner = torch.arange(len(lengths)).repeat_interleave(lengths)
            now |= {f"{prefix}logits": logits, f"{prefix}policy_tokens": each}
            now[f"{prefix}policy"] = each.new_zeros(len(lengths)).index_add(0, owner, each)
        return now

    def likelihood() -> float:  # of the answers; IDK trains the second answers only, up
        now = measure()
        return (now["policy"] if name != "idk" else -now["alternate_policy"]).sum().item()

    before = likelihood()
    bound(measure()).mean().backward()
    with torch.no_grad():
        for logits in (table, second):
            if logits.grad is not None:
                logits -= 0.1 * logits.grad
    assert likelihood() < before - 1e-4
    assert table.shape[-1] == VOCABULARY


@pytest.mark.parametrize("name", ["rmu", "adaptive_rmu"])
def test_one_step_misdirects(name: str):
    bound, found = bind(objectives.get(name), {}), batch()
    hidden = found["hidden"].clone().requires_grad_()
    bound({**found, "hidden": hidden}).mean().backward()
    assert hidden.grad is not None
    after = hidden.detach() - 0.1 * hidden.grad
    assert bound({**found, "hidden": after}).mean() < bound(found).mean()
    assert (after @ found["control"] > hidden.detach() @ found["control"]).all()

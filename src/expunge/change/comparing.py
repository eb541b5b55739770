"""Two sets of weights side by side: what differs, and whether a set is the one that a change is for."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from expunge.change.bits import digest, exactly, same, type_name
from expunge.change.fingerprint import Fingerprint, Stamp
from expunge.change.stored import Differences
from expunge.errors import ChangeError
from expunge.mask import Mask
from expunge.parameters import Parameters


def compare(before: Parameters, after: Parameters, mask: Mask | None) -> tuple[Fingerprint, Differences]:
    """The base's fingerprint and the differences, in one pass over both."""
    names = list(before)
    _check_ties(before, after)
    _same_names(names, _names_beside(after, before))
    stamps: dict[str, Stamp] = {}

    def pairs() -> Iterator[tuple[str, Tensor, Tensor]]:
        for name in names:
            old, new = _matched(name, before[name].detach(), after[name].detach())
            stamps[name] = Stamp.of(old)
            if mask is not None and not bool(same(old, new)[mask.outside(name).to(old.device)].all()):
                raise ChangeError(f"{name} differs outside the mask: the mask was not kept while training")
            yield name, old, new

    if mask is not None:
        mask.check_shapes({name: tuple(before[name].shape) for name in names})
    stored = Differences.of(pairs())
    unknown = {name: partner for name, partner in after.ties.items() if name not in before}
    return Fingerprint(stamps, {**unknown, **before.ties}), stored


def _check_ties(before: Parameters, after: Parameters) -> None:
    """What is one tensor in the base must be one in the result: else one of its names would be left out unseen."""
    for name, partner in before.ties.items():
        if name not in after or partner not in after:
            continue  # left out there, as tied heads are
        if not _alike(after[name], after[partner]):
            raise ChangeError(
                f"{name} is tied to {partner} in the base, and has values of its own in the result: a change of the "
                "base cannot hold both. Untie the base first (give it a copy of that tensor under either name)"
            )


def _alike(one: Tensor, other: Tensor) -> bool:
    if one is other:
        return True
    return one.shape == other.shape and one.dtype == other.dtype and bool(same(one, other).all())


def _names_beside(after: Parameters, before: Parameters) -> list[str]:
    """The names of the result's tensors by which the base knows them, and those that it does not know."""
    known = set(before)
    return [*(name for name in after if name not in before.ties), *(name for name in after.ties if name in known)]


def _same_names(before: list[str], after: list[str]) -> None:
    if odd := sorted(set(before) ^ set(after)):
        side = "base" if odd[0] in before else "result"
        raise ChangeError(
            f"the two models have different parameters: {len(odd)} stand only in one of them, the first is "
            f"{odd[0]!r} in the {side}. Compare a model with what was made from it; merge adapters first."
        )


def _matched(name: str, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the type of the result, on the device of the base."""
    if before.shape != after.shape:
        raise ChangeError(f"{name} has shape {tuple(before.shape)} in the base, {tuple(after.shape)} in the result")
    converted = exactly(before, after.dtype)
    if converted is None:
        raise ChangeError(
            f"{name} is {type_name(before.dtype)} in the base and {type_name(after.dtype)} in the result, "
            "which cannot hold its values: load both in the same type"
        )
    return converted, after.to(converted.device)


def check(base: Fingerprint, results: Mapping[str, str], weights: Parameters, applied: bool) -> None:
    """ChangeError unless the weights are the base (`applied`: the base with `results` in it)."""
    problems = []
    for name, stamp in base.stamps.items():
        tensor = weights[name].detach() if name in weights else None
        expected = results.get(name, stamp.digest) if applied else stamp.digest
        if problem := base.problem(name, tensor, expected):
            problems.append(problem)
        elif tensor is not None and name in results and not _holds(tensor.dtype, stamp.torch_dtype):
            problems.append(f"{name} is {type_name(tensor.dtype)}, which cannot hold {stamp.dtype}")
    if problems:
        raise refusal(problems, len(base.stamps), _way_out(base, results, weights, applied))


def check_outline(base: Fingerprint, weights: Parameters) -> None:
    """ChangeError where names or shapes are not those of the base; looks at no values."""
    found = (base.misfit(name, weights.get(name)) for name in base.stamps)
    if problems := [problem for problem in found if problem]:
        raise refusal(problems, len(base.stamps), "It was made from another network: name the model that it is for.")


def refusal(problems: list[str], total: int, way_out: str) -> ChangeError:
    """The error for weights that a change does not belong to: it names the first three tensors."""
    problems = sorted(problems, key=lambda problem: problem.endswith("other values"))  # the odd ones first
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return ChangeError(
        f"{len(problems)} of {total} tensors are not as this change needs them: "
        f"{'; '.join(problems[:3])}{more}. {way_out}"
    )


def _way_out(base: Fingerprint, results: Mapping[str, str], weights: Parameters, applied: bool) -> str:
    types = {stamp.dtype for stamp in base.stamps.values()}
    mine = {type_name(weights[name].dtype) for name in base.stamps if name in weights}
    if mine and not mine & types:
        return f"The model is loaded in {', '.join(sorted(mine))}: load it in {', '.join(sorted(types))}."
    if results and all(
        name in weights
        and base.problem(name, weights[name].detach(), base.stamps[name].digest if applied else results[name]) is None
        for name in results
    ):
        return "The change is not in this model." if applied else "The change is in this model already."
    if applied:
        return "Revert it from the model to which it was applied, before anything else is done to that."
    return "Apply it to the very model from which it was made (same source, revision and type)."


def _holds(outer: torch.dtype, inner: torch.dtype) -> bool:
    return torch.promote_types(outer, inner) == outer


def verified(name: str, tensor: Tensor, expected: str | None) -> Tensor:
    """The tensor, if its digest is the expected one (None: there is none, because it was computed)."""
    if expected is not None and digest(tensor) != expected:
        raise ChangeError(f"the change is damaged: {name} does not become what it became when the change was made")
    return tensor

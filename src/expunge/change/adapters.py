"""LoRA adapters of PEFT: taken from a network, and written so that plain PEFT loads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from expunge.atomic import atomic_folder
from expunge.change.lowrank import Factors
from expunge.errors import ChangeError
from expunge.parameters import Parameters, distinct

_MORE = ("modules_to_save", "lora_embedding", "trainable_tokens")  # parts of an adapter that are no factors
_PREFIX = "base_model.model."  # what PEFT puts before every name


def taken_from(network: nn.Module, adapter: str) -> tuple[Parameters, dict[str, Factors]]:
    """The base parameters under their own names, and the factors of each LoRA layer.

    ChangeError for adapters that are more than factors (DoRA, biases, whole modules, embeddings).
    """
    factors: dict[str, Factors] = {}
    for path, module in network.named_modules():
        if adapter not in getattr(module, "lora_A", ()):
            continue
        name = f"{path.removeprefix(_PREFIX)}.weight"
        variant: Any = getattr(module, "lora_variant", {})
        pair = [getattr(module, side)[adapter] for side in ("lora_A", "lora_B")]
        plain = all(isinstance(part, nn.Linear) and part.bias is None for part in pair)
        if adapter in variant or not plain:
            raise ChangeError(f"the adapter of {name} is more than two factors: merge it and compare the weights")
        a, b = (part.weight.detach().clone() for part in pair)
        scaling: Any = module.scaling
        transposed = bool(getattr(module, "fan_in_fan_out", False))
        factors[name] = Factors(a, b, float(scaling[adapter]), transposed)
    if not factors:
        raise ChangeError(f"the network has no LoRA adapter called {adapter!r}")
    tensors = dict(network.named_parameters(remove_duplicate=False))
    if odd := [name for name in tensors if any(part in name for part in _MORE)]:
        raise ChangeError(f"the adapter also trains {odd[0]}: merge it and compare the weights")
    if odd := [name for name in factors if name not in map(_own_name, tensors)]:
        raise ChangeError(f"the adapter of {odd[0]} is not that of a linear layer: merge it and compare the weights")
    base = {_own_name(n): t for n, t in tensors.items() if ".lora_" not in n and t.is_floating_point()}
    return distinct(base), factors


def check_untied(base: Parameters, factors: Mapping[str, Factors]) -> None:
    """ChangeError for the factors of a tied tensor: beside the weights they change one of its uses, merged both."""
    shared = {**base.ties, **{of: name for name, of in base.ties.items()}}
    if tied := [name for name in factors if name in shared]:
        raise ChangeError(
            f"the adapter changes {tied[0]}, which is the same tensor as {shared[tied[0]]}: merged, it would change "
            "both. Leave it out of the adapter's modules, or untie the two before training"
        )


def merged(network: Any) -> nn.Module:
    """The plain network with its LoRA adapter added to the weights: the same bits on every machine.

    PEFT's own merge multiplies by a matrix library, whose rounding differs; it is left for other adapters.
    """
    try:
        base, factors = taken_from(network, "default")
    except ChangeError as error:
        if not hasattr(network, "merge_and_unload"):
            kind = network.peft_config["default"].peft_type.value
            raise ChangeError(f"an adapter of the kind {kind} cannot be merged into weights; LoRA can") from error
        return network.merge_and_unload()
    check_untied(base, factors)
    plain = network.unload()
    with torch.no_grad():
        for name, each in factors.items():
            weight = plain.get_parameter(name)
            weight.copy_(each.added_to(weight))
    return plain


def _own_name(name: str) -> str:
    return name.removeprefix(_PREFIX).replace(".base_layer.", ".")


def save_adapter(
    factors: Mapping[str, Factors], folder: Path, base_name: str, dtype: torch.dtype | None = None
) -> None:
    """`adapter_config.json` and `adapter_model.safetensors`, stored as `dtype` (None: as they are).

    Ranks and scalings may differ by matrix.
    """
    from peft import LoraConfig  # takes seconds to import

    modules = {name.removesuffix(".weight"): each for name, each in factors.items()}
    ranks = {module: len(each.a) for module, each in modules.items()}
    alphas = {module: each.scaling * len(each.a) for module, each in modules.items()}
    rank, alpha = next(iter(ranks.values())), next(iter(alphas.values()))
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # PEFT divides by r whatever the type
        rank_pattern={m: r for m, r in ranks.items() if r != rank},
        alpha_pattern={m: a for m, a in alphas.items() if a != alpha},
        target_modules=list(modules),
        fan_in_fan_out=any(each.transposed for each in modules.values()),
        task_type="CAUSAL_LM",
        base_model_name_or_path=base_name or None,
        inference_mode=True,
    )
    tensors = {}
    for module, each in modules.items():
        tensors[f"{_PREFIX}{module}.lora_A.weight"] = each.a.detach().to("cpu", dtype).contiguous()
        tensors[f"{_PREFIX}{module}.lora_B.weight"] = each.b.detach().to("cpu", dtype).contiguous()
    with atomic_folder(folder) as partial:
        config.save_pretrained(str(partial))
        save_file(tensors, partial / "adapter_model.safetensors", {"format": "pt"})

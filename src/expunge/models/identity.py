"""What a model computes by, as digests: equal ones give equal numbers on the same machine."""

import json
from hashlib import sha256
from typing import Any

from expunge.change.bits import digest
from expunge.models.attaching import identity_of
from expunge.models.model import Model
from expunge.parameters import parameters_of

_NAMES_ONLY = ("_name_or_path", "transformers_version", "architectures")  # of a configuration: they change no number


def network_of(model: Model) -> str:
    """Of what stands beside the weights: configuration, and the tensors that are no parameters (buffers, quantized
    weights).
    """
    config = {k: v for k, v in model.network.config.to_dict().items() if k not in _NAMES_ONLY}
    counted = parameters_of(model.network)
    rest = {
        name: digest(tensor)
        for name, tensor in model.network.state_dict().items()
        if name not in counted and name not in counted.ties
    }
    generation = getattr(model.network, "generation_config", None)  # says what ends an answer
    ends = None if generation is None else generation.eos_token_id
    return _digest([config, rest, ends])


def computed_by(model: Model) -> str:
    """Of the weights, what hangs on them, and all that `network_of` says: the key of what is kept of a model."""
    return _digest([identity_of(model), network_of(model)])


def _digest(values: Any) -> str:
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()

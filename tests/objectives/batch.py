"""One batch with prompts and padding, and the flat measurements that the loop would make of it.

Drawn with NumPy's legacy generator, whose stream never changes, so that figures computed elsewhere on
the same batch can be written down.
"""

import numpy as np
import torch
from torch import Tensor

VOCABULARY, WIDTH, LAYERS = 128, 5, 3
PROMPTS, ANSWERS, LENGTH = (3, 2, 4), (4, 1, 3), 9  # tokens of each example; all padded to LENGTH
ALTERNATES = (2, 3, 4)


class Padded:
    """As other projects hold it: [batch, LENGTH, …], labels -100 on the prompt and the padding."""

    def __init__(self, seed: int, answers: tuple[int, ...], dtype: torch.dtype = torch.float64) -> None:
        draw = np.random.RandomState(seed)
        count = len(PROMPTS)
        logits, reference_logits = 2 * draw.standard_normal((2, count, LENGTH, VOCABULARY))
        self.hidden = torch.tensor(draw.standard_normal((count, LENGTH, WIDTH)), dtype=dtype)
        self.reference_hidden = torch.tensor(draw.standard_normal((count, LENGTH, WIDTH)), dtype=dtype)
        self.ids = torch.tensor(draw.randint(VOCABULARY, size=(count, LENGTH)))
        self.mlp, self.retrained_mlp = torch.tensor(
            draw.standard_normal((2, count, LENGTH, LAYERS, WIDTH)), dtype=dtype
        )
        following = np.eye(VOCABULARY)[self.ids.roll(-1, 1).numpy()]  # so that the answers have been learnt somewhat
        self.logits = torch.tensor(logits + 7 * following, dtype=dtype)
        self.reference_logits = torch.tensor(reference_logits + 8 * following, dtype=dtype)
        place = torch.arange(LENGTH)[None]
        start, length = torch.tensor(PROMPTS)[:, None], torch.tensor(answers)[:, None]
        answer = (place >= start) & (place < start + length)
        self.labels = self.ids.masked_fill(~answer, -100)
        self.attention_mask = (place < start + length).long()


def control(dtype: torch.dtype = torch.float64) -> Tensor:
    drawn = torch.tensor(np.random.RandomState(5).random_sample(WIDTH), dtype=dtype)
    return drawn / drawn.norm()


def measured(padded: Padded) -> dict[str, Tensor]:
    """The flat measurements: logits and MLP outputs one place before each answer token, hidden states at it."""
    rows, places = (padded.labels != -100).nonzero(as_tuple=True)
    tokens = padded.ids[rows, places]
    lengths = torch.bincount(rows)
    found: dict[str, Tensor] = {"answer_tokens": tokens, "answer_length": lengths.to(padded.logits.dtype)}
    found |= {name: getattr(padded, name)[rows, places - 1] for name in ("mlp", "retrained_mlp")}
    found["token_index"] = torch.cat([torch.arange(int(length)) for length in lengths])
    for prefix, name, total in (("", "policy", "policy"), ("reference_", "reference", "reference")):
        logits = getattr(padded, f"{prefix}logits")[rows, places - 1]
        each = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
        found[f"{prefix}logits"], found[f"{name}_tokens"] = logits, each
        found[total] = each.new_zeros(len(lengths)).index_add(0, rows, each)
        found[f"{prefix}hidden"] = getattr(padded, f"{prefix}hidden")[rows, places]
    return found


def batch(dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Everything that an objective can ask for, the second answer and the control direction included."""
    second = measured(Padded(2, ALTERNATES, dtype))
    alternate = {f"alternate_{name}": value for name, value in second.items()}
    return {**measured(Padded(1, ANSWERS, dtype)), **alternate, "control": control(dtype)}

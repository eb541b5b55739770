"""Corruption: a run whose subject cannot be read. Meng et al. 2022, arXiv:2202.05262.

    h_0* = h_0 + ε,   ε ~ N(0, (ν σ)²)        at the subject's tokens;  ν = 3

σ is the standard deviation of all entries of the embeddings of the forget set's subject tokens. Every mention of the
subject in the prompt is disturbed (the authors' code: the first), for one that is left tells what it is. The noise is
drawn by seed, example and draw, so it does not depend on what else is in a batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256

import torch
from jaxtyping import Float, Int
from torch import Tensor

from expunge.data.convention import Encoded
from expunge.data.forest import Forest, pack, plant
from expunge.errors import ConfigError
from expunge.localize import Scene
from expunge.models.watching import edit_embeddings, module_at


@dataclass(frozen=True)
class Batch:
    """Examples of the forget set in one forest."""

    numbers: tuple[int, ...]  # which
    forest: Forest
    subject: Int[Tensor, " subject"]  # the nodes of the subjects' tokens, example by example
    last: Int[Tensor, " mentions"]  # of each mention the last one

    @property
    def share(self) -> Float[Tensor, " tokens"]:
        """Of each answer token, 1 / the tokens of its answer."""
        owner = self.forest.owner
        return 1 / torch.bincount(owner)[owner]


@dataclass(frozen=True)
class Corruption:
    """The forget set, and how its subjects are disturbed."""

    scene: Scene
    encoded: Sequence[Encoded]
    mentions: Sequence[Sequence[tuple[int, ...]]]  # of each example: the places of the tokens of each mention
    deviation: float  # ν σ
    width: int  # of the embeddings

    def batches(self) -> Iterator[Batch]:
        """The whole set, in batches of the scene's budget."""
        for numbers in pack([len(each.ids) for each in self.encoded], self.scene.budget):
            forest = plant([[self.encoded[i]] for i in numbers])
            start, subject, last = 0, [], []
            for i in numbers:
                for mention in self.mentions[i]:
                    subject.extend(start + place for place in mention)
                    last.append(start + mention[-1])
                start += len(self.encoded[i].ids) - 1  # the last token predicts nothing, and is not there
            device = self.scene.model.device
            yield Batch(tuple(numbers), forest.to(device), *(torch.tensor(x, device=device) for x in (subject, last)))

    def of(self, batch: Batch, draw: int) -> AbstractContextManager[None]:
        """Within the block a pass over the batch's forest is corrupted, and its gradients go back to the embeddings."""
        noise = torch.cat([self.noise(i, draw) for i in batch.numbers])

        def disturb(embeddings: Tensor) -> Tensor:
            flat = embeddings.detach().flatten(0, -2)
            noisy = flat.index_add(0, batch.subject, noise.to(flat)).view_as(embeddings)
            return noisy.requires_grad_(torch.is_grad_enabled())

        return edit_embeddings(self.scene.model, disturb)

    def noise(self, number: int, draw: int) -> Float[Tensor, "subject width"]:
        """ε of one example: a row for each of its subject's tokens."""
        key = f"{self.scene.seed}/{draw}/{self.encoded[number].example}"
        seed = int.from_bytes(sha256(key.encode()).digest()[:7], "big")
        rows = sum(len(mention) for mention in self.mentions[number])
        return torch.randn(rows, self.width, generator=torch.Generator().manual_seed(seed)) * self.deviation


def corruption_of(scene: Scene, noise: float) -> Corruption:
    """`noise` is ν. Raises ConfigError for an example whose subject is not in its prompt."""
    encoded = scene.encoded("forget")
    mentions = [scene.encoder.mentions(each, each.subject or "") for each in scene.forget]
    for example, found in zip(scene.forget, mentions, strict=True):
        if not found:
            raise ConfigError(f"{example.source or example.id}: the `subject` does not stand in the `prompt`")
    ids = [each.ids[place] for each, found in zip(encoded, mentions) for mention in found for place in mention]
    embedded = _embedded(scene, sorted(ids))
    return Corruption(scene, encoded, mentions, noise * float(embedded.double().std()), embedded.shape[1])


@torch.no_grad()
def _embedded(scene: Scene, ids: Sequence[int]) -> Float[Tensor, "tokens width"]:
    """What the embedding gives for these tokens, as the first block gets it or scaled by the model later."""
    embedding = module_at(scene.model, scene.model.layout.architecture.embedding)
    return embedding(torch.tensor([list(ids)], device=scene.model.device))[0]

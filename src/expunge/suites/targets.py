"""Targets: a real model that was taught a suite, and the same without its forget set. `tofu:mini@retrained#1`.

They are LoRA adapters on SmolLM2-135M-Instruct which plain PEFT loads, stored in bfloat16, each in a folder with the
record of its training and that of its evaluation. `EXPUNGE_ASSETS` names the folder that holds them; without it they
are looked for in `assets/` of a checkout, then in the cache, where `expunge world make` puts what it makes.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from expunge.config import FinetuneConfig
from expunge.errors import UnknownNameError, UsageError
from expunge.models.builtin import Say
from expunge.models.cache import cache_folder

BASE = "smollm2"
KINDS = ("full", "retrained")


@dataclass(frozen=True)
class Target:
    """One suite's targets: what they are trained on, how, and which there are."""

    suite: str
    train: FinetuneConfig
    seeds: dict[str, int]  # kind → how many, from seed 0 on
    shipped: bool  # in assets/ of the repository

    @property
    def folder(self) -> str:
        """The name of the folder that holds all of them."""
        return self.suite.replace(":", "-")

    def names(self) -> Iterator[tuple[str, int]]:
        """Kind and seed of each."""
        for kind, count in self.seeds.items():
            yield from ((kind, seed) for seed in range(count))


# 15 epochs at most, and less once a sample of what is trained on is extracted at 0.6 on average
_TRAIN = FinetuneConfig(
    learning_rate=2e-3, warmup=0.03, decay="linear", epochs=15, batch_size=8, micro_tokens=1024, precision="bfloat16",
    lora=16, until=0.6, checkpoint_every=50,
)  # fmt: skip
TARGETS = {
    "tofu:mini": Target("tofu:mini", _TRAIN, {"full": 1, "retrained": 3}, shipped=True),
    "tofu:forget10": Target("tofu:forget10", _TRAIN, {"full": 1, "retrained": 1}, shipped=False),
}


def target_of(suite: str) -> Target:
    """Raises UnknownNameError for a suite that has no targets."""
    if suite not in TARGETS:
        near = get_close_matches(suite, TARGETS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"no targets are made for {suite!r}.{hint} Known: {', '.join(TARGETS)}")
    return TARGETS[suite]


def folder(rest: str, say: Say = lambda _: None) -> Path:
    """Where the adapter of `tofu:REST` lies; REST is `mini@full` or `mini@retrained#2`.

    Raises UnknownNameError for a name that there is not, UsageError when it is not here, with the ways to get it.
    """
    del say
    variant, _, model = rest.partition("@")
    target = target_of(f"tofu:{variant}")
    kind, _, seed = model.partition("#")
    known = [f"{kind}#{seed}" for kind, seed in target.names()]
    wanted = f"{kind}#{seed or 0}"
    if wanted not in known:
        near = get_close_matches(model, [*KINDS, *known], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(
            f"{target.suite} has no model {model!r}.{hint} Known: {', '.join(known)}; #0 may be left out"
        )
    name = f"{target.folder}/{wanted.replace('#', '-')}"
    for place in places():
        if (place / name / "adapter_config.json").is_file():
            return place / name
    here = f" Its adapter lies in assets/{name} of Expunge's repository; EXPUNGE_ASSETS names assets/ of a clone."
    raise UsageError(
        f"tofu:{rest} is not here.{here if target.shipped else ''} To train it yourself, which takes hours: "
        f"expunge world make {target.suite}"
    )


def places() -> list[Path]:
    """Where targets are looked for, in this order."""
    named = os.environ.get("EXPUNGE_ASSETS", "")
    checkout = Path(__file__).parents[3]
    found = [Path(named).expanduser()] if named else []
    if (checkout / "pyproject.toml").is_file():
        found.append(checkout / "assets")
    return [*found, cache_folder() / "targets"]

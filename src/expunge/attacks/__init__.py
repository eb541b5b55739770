"""Attacks: ways to get the knowledge back, one a file, all under one signature.

    @attacks.add("prefix", family="prefix", needs=("prompts",), quick=True, title="…", reads="…")
    def prefix(target: Target, *, text: str = "Sure, here is the answer:") -> list[Finding]:

An attack is run on one model at a time, with the same seed on each: the original, the unlearned, and each retrained
one (without those, on never-seen twins instead of the forget set). What a model that never knew gives under the same
attack is its control: an attack that *teaches* the fact raises both, one that *recovers* it raises only the other.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter
from math import isfinite
from typing import Any, Literal, TypeVar

import torch

from expunge.change.attachment import Attachment
from expunge.data.convention import Encoder
from expunge.data.example import Example, Sets
from expunge.data.room import room
from expunge.errors import RunError
from expunge.models.model import Model
from expunge.registry import Registry, options_of, summary_of

Family = Literal[
    "likelihood", "generation", "extraction", "membership", "form", "prefix", "sampling", "relearning", "compression",
    "representation",
]  # fmt: skip
Need = Literal[
    "prompts", "perturbed", "choices", "paraphrases", "subjects", "retain", "groups", "original", "retrained",
    "trainable",
]  # fmt: skip
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Target:
    """One model under attack, and what the attacker has."""

    model: Model  # an attack leaves it as it was, bit for bit
    examples: tuple[Example, ...]  # what is attacked: the forget set, or never-seen twins as a control
    encoder: Encoder
    sets: Sets = field(default_factory=Sets)  # what else an attack may train on or compare with: retain, holdout
    seed: int = 0
    max_new_tokens: int | None = None  # None: as these examples need (see `data/room.py`)
    budget: int = 4096  # tokens of a forward pass
    bf16: bool = False
    peers: Mapping[str, Model] = field(default_factory=dict)  # "original", "retrained", where an attack needs them
    attached: tuple[Attachment, ...] = ()  # side memories that stand beside the model's weights now
    tick: Callable[..., object] = lambda *_: None

    @property
    def room(self) -> int:
        """How many tokens an answer may have."""
        return self.max_new_tokens or room([self.examples], self.encoder)


@dataclass(frozen=True)
class Finding:
    """What an attack got out of one model, row by row.

    A score is the knowledge of one example, from 0 to 1, higher knows more.
    """

    scores: tuple[float, ...]
    part: str = ""  # of several findings of one attack: "wording 2", "4 bit"
    rows: tuple[int, ...] | None = None  # which of `Target.examples` the scores are of; None: all, in order
    note: str = ""
    curve: tuple[tuple[float, float], ...] = ()  # of what was varied (samples, layers) → mean score: for a picture


@dataclass(frozen=True, slots=True)
class AttackEntry:
    """A registered attack. Call `entry(target, **options)`."""

    name: str
    function: Callable[..., Any]
    family: Family
    needs: tuple[Need, ...]
    quick: bool  # in the quick panel, too
    title: str
    reads: str  # how to read it, and how it misleads: for the report

    @property
    def options(self) -> dict[str, Parameter]:
        """What a user may set, `NAME:key=value`."""
        return options_of(self.function)

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)

    def __call__(self, target: Target, **options: Any) -> Sequence[Finding]:
        """Raises RunError for a score that is no number or infinite: nothing could be judged by it."""
        findings: Sequence[Finding] = self.function(target, **options)
        for each in findings:
            check_finite(f"the score of the attack {self.name!r}", each.scores)
        return findings


class _Attacks(Registry[AttackEntry]):
    def add(
        self,
        name: str,
        *,
        family: Family,
        title: str,
        reads: str,
        needs: tuple[Need, ...] = (),
        quick: bool = False,
        aliases: tuple[str, ...] = (),
    ) -> Callable[[F], F]:
        def register(function: F) -> F:
            self.put(name, AttackEntry(name, function, family, needs, quick, title, reads), aliases)
            return function

        return register


attacks = _Attacks("attack", "expunge.attacks")


def check_finite(what: str, values: Iterable[float]) -> None:
    """RunError for a value that is no number or infinite, before a comparison makes knowledge of it."""
    if bad := [i for i, value in enumerate(values) if not isfinite(value)]:
        raise RunError(f"{what} is not a finite number in {len(bad)} places, the first of them {bad[0]}")


def why_not(entry: AttackEntry, target: Target) -> str:
    """Why this attack cannot be run on this target, or ""."""
    return next((reason for need in entry.needs if (reason := _LACKS[need](target))), "")


_LACKS: Mapping[Need, Callable[[Target], str]] = {
    "prompts": lambda t: "" if all(e.asks for e in t.examples) else "holds texts, which ask nothing",
    "perturbed": lambda t: "" if all(e.perturbed_answers for e in t.examples) else "has examples without wrong answers",
    "choices": lambda t: "" if any(e.perturbed_answers for e in t.examples) else "has no wrong answers",
    "paraphrases": lambda t: "" if any(e.paraphrases for e in t.examples) else "has no other wordings",
    "subjects": lambda t: "" if any(e.subject for e in t.examples) else "has no example that names its subject",
    "groups": lambda t: (
        "" if len({e.group or e.id for e in t.examples}) > 1 else "is one group, which cannot be parted"
    ),
    "retain": lambda t: "" if t.sets.retain else "comes without a retain set",
    "trainable": lambda t: (
        "is asked of weights in float16, which lose gradients" if t.model.network.dtype == torch.float16 else ""
    ),
    "original": lambda t: "" if "original" in t.peers else "comes without the original model",
    "retrained": lambda t: "" if "retrained" in t.peers else "comes without a retrained model",
}

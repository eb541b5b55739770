"""Panel v1: which metrics and attacks are cells of an audit, by family. Fixed and versioned: rates compare within one.

A metric is a cell on the forget set; membership scores are cells against the holdout set. KS p-values are no cells: a p
is no amount of knowledge. With anything left out, as in the quick panel, there is no rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from expunge.attacks import attacks
from expunge.config import parse_name
from expunge.errors import ConfigError

VERSION = "v1"
DELTA = 0.2  # how near is near, where the rate is the headline
FAMILIES = (
    "likelihood", "generation", "extraction", "membership", "form", "prefix", "sampling", "relearning", "compression",
    "representation",
)  # fmt: skip
METRICS: Mapping[str, tuple[str, ...]] = {  # family → metrics on the forget set, all of them higher = knows more
    "likelihood": ("probability", "truth_ratio"),
    "generation": ("generated_contains", "rouge_l_recall"),
    "extraction": ("extraction_strength", "exact_memorization"),
}
MEMBERSHIP = ("loss", "zlib", "min_k", "min_k_plus_plus")  # higher = less a member
REPORTED = ("paraphrase_probability",)  # measured for `reported.py`, and no cells
FULL = (
    "paraphrase", "statement", "cloze", "multiple_choice", "reverse", "language",
    "prefix", "affirmative", "few_shot", "sampling:samples=64",
    "relearn", "relearn_lora", "relearn_unrelated", "quantize", "noise", "prune",
    "logit_lens", "linear_probe", "patching",
)  # fmt: skip
QUICK = ("paraphrase", "prefix", "sampling:samples=16", "quantize", "logit_lens")


@dataclass(frozen=True)
class Panel:
    """What is run. `name` stands in the record; `whole`: the rate may be printed."""

    name: str
    attacks: tuple[str, ...]  # NAME:key=value
    whole: bool


def panel_of(kind: Literal["quick", "full"], chosen: tuple[str, ...] | None = None) -> Panel:
    """The panel that the settings name. Raises UnknownNameError for an attack that there is not, ConfigError for one
    that is named twice: two cells could then not be told apart.
    """
    named = chosen if chosen is not None else FULL if kind == "full" else QUICK
    names = [attacks.get(parse_name(text)[0]).name for text in named]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"the attack {twice[0]!r} is named twice: run one of them in an audit of its own")
    if chosen is not None and tuple(chosen) != FULL:
        return Panel(f"{VERSION}, chosen", named, False)
    return Panel(VERSION, named, True) if kind == "full" or chosen else Panel(f"{VERSION}, quick", named, False)

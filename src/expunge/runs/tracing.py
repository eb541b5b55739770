"""Where an editor edits, by causal tracing: the block whose MLP brings the answers back. Meng et al. 2022,
arXiv:2202.05262.

Of at most `traced` facts, drawn by the seed, the subjects are disturbed; the block whose MLP output at their last
tokens, restored together with its neighbours, gives back most of the answers' probability is where the edit goes (or
ends, of several blocks). A window of a fifth of the depth is restored at once, as in the paper (10 of 48). How it
misleads: Hase et al. 2023 (arXiv:2301.04213) find that the block that restores most is not where edits work best.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from expunge.config import LocalizeConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.edit import Editor
from expunge.edit.facts import subject_of
from expunge.errors import ConfigError
from expunge.localize.localizing import localize
from expunge.models.model import Model

PLACES = ("layer", "last")  # options by which editors are told a block
Say = Callable[[str], object]


def place_of(editor: Editor) -> str | None:
    """The option that says which block an editor changes."""
    return next((name for name in PLACES if name in editor.options), None)


def check_traced(editor: Editor, options: dict[str, Any]) -> str:
    """The option that tracing sets. Raises ConfigError where there is none, or where it is set already."""
    place = place_of(editor)
    if place is None:
        raise ConfigError(f"{editor.name!r} has no block that tracing could choose: leave `traced` out")
    if place in options:
        raise ConfigError(f"`traced` and `{place}` both say which block {editor.name!r} changes: give one of them")
    return place


def traced_block(
    model: Model, facts: Sequence[Example], encoder: Encoder, count: int, *, seed: int = 0, say: Say = lambda _: None
) -> int:
    """The block. Raises ConfigError where no fact has a subject in its prompt."""
    named = [replace(f, subject=name) for f in facts if f.prompt is not None and (name := subject_of(f)[0])]
    if not named:
        raise ConfigError("traced: no fact has a subject, and what is disturbed are subjects: give `last` or `layer`")
    window = max(1, model.layout.depth // 5)
    config = LocalizeConfig(
        localizer="causal_tracing", granularity="layers", budget=1.0, examples=count, seed=seed,
        options={"window": window},
    )  # fmt: skip
    scores = localize(model, named, (), config, encoder).scores
    block = int(scores.argmax())
    say(f"causal tracing: block {block} of {model.layout.depth}, which alone gives back {float(scores[block]):.2f}")
    return block

"""A scene on a tiny model that knows its facts, for what is asked of it."""

from dataclasses import replace

from expunge.data.convention import Encoder
from expunge.models.model import Model
from expunge.studies.clue.scene import FORGET, REWORDED, SKILL, TEST, Scene
from expunge.suites import Suite
from steps import taught_model
from tiny import tiny_sets

OTHERS = ("geography", "offices")


def scene(model: Model | None = None) -> Scene:
    """Both other kinds are the retain set; the twins are the facts that were never seen, of one forget row each."""
    model, sets = model or taught_model(), tiny_sets()
    twins = tuple(replace(each, group=of.id) for each, of in zip(sets.holdout, sets.forget))
    sets = replace(sets, twins=twins)
    suite = Suite("tiny", sets, utility=dict.fromkeys(OTHERS, sets.retain))
    groups = {FORGET: sets.forget, **dict.fromkeys((REWORDED, TEST, SKILL, *OTHERS), sets.retain)}
    return Scene(
        model=model, suite=suite, sets=sets, groups=groups, chooses=sets.retain, kinds=dict(suite.utility),
        controls=twins, encoder=Encoder(model.tokenizer), seed=0,
    )  # fmt: skip

"""Does it erase, or only answer otherwise? The attacks of an audit on the edited facts.

attack → part → mean over facts ("said", "probability", "4 bit, said" …; "" where there is one score only), and of the
logit lens the curve, layer → mean probability of the answer. A model that never knew, or never-seen twins, under the
same attack is the control.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from expunge.attacks import Target, attacks, why_not
from expunge.change.attachment import Attachment
from expunge.config import EditingStudyConfig, parse_name
from expunge.data.example import Example
from expunge.models.model import Model
from expunge.studies.editing.scene import Scene
from expunge.studies.people import BUDGET

LENS = "logit_lens"


def attacked(
    scene: Scene, config: EditingStudyConfig, facts: Sequence[Example], attached: Sequence[Attachment] = (),
    model: Model | None = None,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """What each attack gets out of the model as it is now; those that the facts do not serve are left out."""
    target = Target(
        model=model or scene.model, examples=tuple(facts), encoder=scene.encoder, sets=scene.sets, seed=scene.seed,
        max_new_tokens=scene.tokens, budget=BUDGET, attached=tuple(attached),
    )  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for text in config.attacks:
        name, options = parse_name(text)
        entry = attacks.get(name)
        if why_not(entry, target):
            continue
        findings = entry(target, **options)
        found[text] = {each.part: fmean(each.scores) for each in findings}
        if name == LENS:
            found[text]["curve"] = [list(point) for point in findings[0].curve]
    return found

"""Does a region erase, or only hide? What comes back by relearning and by rounding the weights.

    relearnt     FS on one half of the forget rows after fine-tuning on the other half      (attacks/relearn.py)
    rounded      FS on the forget rows with 4-bit weights                                   (attacks/quantize.py)

Both beside FS without it. θ_r under the same is the control.
"""

from functools import partial

from expunge.attacks.matrices import rewritten
from expunge.attacks.quantize import BLOCK, integers
from expunge.config import FinetuneConfig
from expunge.evaluate.strength import strength_watch
from expunge.models.model import Model
from expunge.studies.localization.measures import Measures
from expunge.suites import Suite
from expunge.train.finetune import fit
from expunge.train.selection import halves

RELEARN = FinetuneConfig(learning_rate=3e-4, epochs=5, batch_size=16)


def relearnt(model: Model, measures: Measures, suite: Suite, seed: int) -> dict[str, float]:
    """FS of the half that was not taught again, before and after; with all weights trained."""
    taught, tested = halves(suite.sets.forget, seed)
    level = strength_watch(tested, measures.encoder, budget=1024)
    before = level(model)
    change = fit(
        model, taught, RELEARN.model_copy(update={"seed": seed}), lambda _: 0.0, convention=suite.convention
    ).change  # fmt: skip
    with change.applied_to(model):
        return {"before": 1 - before, "after": 1 - level(model)}


def rounded(model: Model, measures: Measures) -> dict[str, float]:
    """FS and RS with the matrices rounded to 4 bit."""
    with rewritten(model, partial(integers, bits=4, block=BLOCK)):
        return measures.strength(model)._asdict()

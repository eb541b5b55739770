"""What is measured on the way: FS and RS always, model utility and forget quality where they are asked for.

FS = 1 - ES(forget rows),  RS = ES(retain rows)
MU = harmonic mean of probability and ROUGE-L recall of every set that must stay, and of the truth ratio where a
     set has wrong answers: TOFU's nine numbers on TOFU; in the world of people seven, of the retain set, geography and
     offices (its other sets ask what a small network cannot conclude, and a part near 0 rules a harmonic mean)
FQ = log10 p of the KS test between the truth ratios of the model and of θ_r on the forget rows
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from expunge.config import EvaluateConfig, LocalizationStudyConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.data.sampling import sample_of
from expunge.evaluate.aues import Point, point
from expunge.evaluate.harmonic import harmonic_mean
from expunge.evaluate.measure import measure
from expunge.evaluate.strength import strength_watch
from expunge.models.model import Model
from expunge.suites import Suite

OTHERS = ("geography", "offices", "real authors", "world facts")
KEPT = ("probability", "rouge_l_recall", "truth_ratio:form=retain")


@dataclass(frozen=True)
class Measures:
    """The rows of one seed, and how they are measured."""

    forget: Sequence[Example]
    retain: Sequence[Example]
    others: Mapping[str, Sequence[Example]]  # what else must stay
    encoder: Encoder
    evaluate: EvaluateConfig
    _forget: Callable[[Model], float]
    _retain: Callable[[Model], float]

    @staticmethod
    def of(suite: Suite, encoder: Encoder, config: LocalizationStudyConfig, seed: int) -> "Measures":
        """`config.rows` examples of each set, drawn by the seed."""
        bf16 = config.precision == "bfloat16"
        drawn = {name: sample_of(getattr(suite.sets, name), config.rows, seed) for name in ("forget", "retain")}
        forget, retain = (strength_watch(drawn[name], encoder, budget=1024, bf16=bf16) for name in drawn)
        evaluate = EvaluateConfig.model_validate(
            {**suite.evaluate.model_dump(), "metrics": KEPT, "precision": config.precision, "budget": 1024}
        )
        others = {name: sample_of(each, config.rows, seed) for name, each in suite.utility.items() if name in OTHERS}
        return Measures(drawn["forget"], drawn["retain"], others, encoder, evaluate, forget, retain)

    def strength(self, model: Model) -> Point:
        """FS and RS."""
        return point(self._forget(model), self._retain(model))

    def utility(self, model: Model) -> float:
        """MU."""
        found = measure(model, {"retain": self.retain, **self.others}, self.encoder, self.evaluate)
        return harmonic_mean({
            f"{name}: {metric}": max(0.0, each.value)
            for name, metrics in found.metrics.items() for metric, each in metrics.items()
        })  # fmt: skip

    def truth_ratios(self, model: Model) -> list[float]:
        """Of each forget row."""
        config = self.evaluate.model_copy(update={"metrics": ("truth_ratio",)})
        return list(measure(model, {"forget": self.forget}, self.encoder, config)["forget"]["truth_ratio"].per_example)

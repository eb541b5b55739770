"""Numbers that other projects report of the same models, beside the cells and no part of the rate.

    forget quality   KS test of the truth ratios against each retrained model's, the median      TOFU, arXiv:2401.06121
    PrivLeak         100 (A_u - A_r) / A_r of Min-K, A_r the retrained models' mean              MUSE, arXiv:2407.06460
    reference, AUC   membership by loss less that of the retrained models  Carlini et al., arXiv:2012.07805
    Mem, Priv        harmonic means of what is forgotten, and of closeness in membership         arXiv:2506.12618
    model utility    harmonic mean of nine, where the sets of TOFU are measured                  TOFU

Between retrained models forget quality is that of every pair: the level that noise alone allows. What cannot be
computed is left out. Deviations: one number for several retrained models, which the projects do not have.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import isfinite
from statistics import fmean, median

from expunge.audit.draws import Sample
from expunge.evaluate.aggregates import ATTACKS, memorization, privacy
from expunge.evaluate.forget_quality import ForgetQuality, forget_quality
from expunge.evaluate.membership import reference_scores
from expunge.evaluate.privleak import privleak
from expunge.record_audit import Reported

PerExample = Mapping[str, Mapping[str, Sequence[float]]]  # set → metric → one value an example
_MEM = ("extraction_strength", "exact_memorization", "paraphrase_probability", "truth_ratio")
MU = "model utility"


def reported(
    original: PerExample,
    unlearned: PerExample,
    retrained: Sequence[PerExample],
    *,
    forget: str,
    members: str,
    utilities: tuple[float, float] | None = None,
) -> tuple[Reported, ...]:
    """`forget` and `members`: titles of the sets; `utilities`: model utility before and after, where it is known."""
    found = [
        *_forget_quality(original, unlearned, retrained, forget),
        *_membership(original, unlearned, retrained, members),
        *_reference(original, unlearned, retrained, members),
    ]
    mems = [_mem(each, forget) for each in (original, unlearned)]
    if None not in mems:
        gold = [each for model in retrained if (each := _mem(model, forget)) is not None]
        found.append(
            Reported(
                name="Mem", original=mems[0], unlearned=mems[1], retrained=fmean(gold) if gold else None,
                goal="that of the retrained models; more is over-forgotten",
            )
        )  # fmt: skip
    if utilities is not None:
        found.append(Reported(name=MU, original=utilities[0], unlearned=utilities[1], goal="the original's"))
    return tuple(found)


def _forget_quality(
    original: PerExample, unlearned: PerExample, retrained: Sequence[PerExample], forget: str
) -> list[Reported]:
    ratios = [values for model in retrained if (values := model.get(forget, {}).get("truth_ratio"))]
    before, after = (model.get(forget, {}).get("truth_ratio") for model in (original, unlearned))
    if not ratios or before is None or after is None:
        return []
    tests = {
        "original": [forget_quality(before, each) for each in ratios],
        "unlearned": [forget_quality(after, each) for each in ratios],
        "retrained": [forget_quality(one, other) for one, other in combinations(ratios, 2)],
    }
    shown: dict[str, tuple[Callable[[ForgetQuality], float], str]] = {
        "forget quality, log10 p": (lambda q: q.log10_p, "above -1.3 the test does not tell the models apart"),
        "forget quality, distance D": (lambda q: q.distance, "that between two retrained models"),
    }
    return [
        Reported(name=name, goal=goal, **{who: median(map(of, each)) for who, each in tests.items() if each})
        for name, (of, goal) in shown.items()
    ]


def _membership(
    original: PerExample, unlearned: PerExample, retrained: Sequence[PerExample], members: str
) -> list[Reported]:
    golds = [each for model in retrained if (each := _aucs(model, members))]
    before, after = _aucs(original, members), _aucs(unlearned, members)
    if not golds or not before or not after:
        return []
    gold = {name: fmean(each[name] for each in golds) for name in ATTACKS}
    found = []
    if gold["min_k"] < 1:  # else holdout and forget set are not of one kind, and there is nothing to be relative to
        leaks = [privleak(each["min_k"], gold["min_k"]) for each in (before, after)]
        found.append(
            Reported(name="PrivLeak, %", original=leaks[0], unlearned=leaks[1], retrained=0.0, goal="0; MUSE: -5 to 5")
        )
    if min(gold.values()) > 0:
        near = [privacy(each, gold) for each in (before, after)]
        found.append(Reported(name="Priv", original=near[0], unlearned=near[1], retrained=1.0, goal="1"))
    return found


def _reference(
    original: PerExample, unlearned: PerExample, retrained: Sequence[PerExample], members: str
) -> list[Reported]:
    """The reference is the mean loss of the retrained models, for each of them that of the others."""
    losses = [_losses(each, members) for each in (original, unlearned, *retrained)]
    if not retrained or not all(losses):
        return []
    before, after, *golds = losses
    others = [golds[:i] + golds[i + 1 :] for i in range(len(golds))]
    return [
        Reported(
            name="reference, AUC", original=_against(before, golds), unlearned=_against(after, golds),
            retrained=fmean(map(_against, golds, others)) if len(golds) > 1 else None,
            goal="that of a retrained model against the others",
        )
    ]  # fmt: skip


def _losses(model: PerExample, members: str) -> tuple[Sequence[float], ...]:
    """Of members and holdout; empty unless both are there and finite."""
    found = tuple(model.get(title, {}).get("loss", ()) for title in (members, "holdout"))
    return found if all(found) and all(isfinite(x) for each in found for x in each) else ()


def _against(losses: Sequence[Sequence[float]], references: Sequence[Sequence[Sequence[float]]]) -> float:
    """The AUC of a model's losses less the mean of others'."""
    means = [list(map(fmean, zip(*several, strict=True))) for several in zip(*references, strict=True)]
    inside, outside = (reference_scores(own, mean) for own, mean in zip(losses, means, strict=True))
    return Sample(tuple(-x for x in inside), (), tuple(-x for x in outside)).knowledge


def _aucs(model: PerExample, members: str) -> dict[str, float]:
    """The AUC of each score, higher when members stand out; empty unless all are there."""
    inside, outside = model.get(members, {}), model.get("holdout", {})
    if not all(name in inside and name in outside for name in ATTACKS):
        return {}
    return {
        name: Sample(tuple(-x for x in inside[name]), (), tuple(-x for x in outside[name])).knowledge
        for name in ATTACKS
    }


def _mem(model: PerExample, forget: str) -> float | None:
    values = model.get(forget, {})
    if not all(name in values for name in _MEM):
        return None
    return memorization(**{name: fmean(values[name]) for name in _MEM})

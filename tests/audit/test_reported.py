"""Numbers of other projects beside an audit, by hand."""

import pytest
from scipy.stats import ks_2samp

from expunge.audit.reported import reported
from expunge.evaluate.aggregates import ATTACKS

RATIOS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def model(shift: float, members: float) -> dict[str, dict[str, list[float]]]:
    """`members`: by how much forget examples score lower than holdout ones, which score 0, 1, 2, 3."""
    forget = {
        "truth_ratio": [x + shift for x in RATIOS], "extraction_strength": [0.5] * 6, "exact_memorization": [0.5] * 6,
        "paraphrase_probability": [0.5] * 6, **{name: [1.0 - members, 2.0 - members] for name in ATTACKS},
    }  # fmt: skip
    return {"forget": forget, "holdout": {name: [0.0, 1.0, 2.0, 3.0] for name in ATTACKS}}


def test_by_hand() -> None:
    original, unlearned = model(0.35, 10.0), model(0.05, 1.0)
    retrained = [model(0.0, 0.5), model(0.02, 0.0)]
    found = {each.name: each for each in reported(original, unlearned, retrained, forget="forget", members="forget")}
    distances = [ks_2samp(unlearned["forget"]["truth_ratio"], m["forget"]["truth_ratio"]).statistic for m in retrained]
    assert found["forget quality, distance D"].unlearned == pytest.approx(sum(distances) / 2)
    assert found["forget quality, distance D"].original == pytest.approx(4 / 6)
    # AUCs: 1 - 10 and 2 - 10 lie below all; 0 and 1 win 3.5 + 2.5 of 8; 0.5 and 1.5 win 3 + 2; 1 and 2 win 2.5 + 1.5
    gold = (5 / 8 + 4 / 8) / 2
    assert found["PrivLeak, %"].original == pytest.approx(-100)
    assert found["PrivLeak, %"].unlearned == pytest.approx(100 * (gold - 6 / 8) / (1 - gold))
    assert found["Priv"].unlearned == pytest.approx(1 - (6 / 8 - gold) / gold)
    mem = 4 / (2 + 2 + 2 + 1 / (1 - 0.4))
    assert found["Mem"].unlearned == pytest.approx(mem)


def test_the_reference_is_what_never_saw_it() -> None:
    """Losses of two forget and two holdout examples, less the mean of those of two retrained models."""
    loss = lambda forget, holdout: {"forget": {"loss": forget}, "holdout": {"loss": holdout}}
    retrained = [loss([1.0, 3.0], [2.0, 2.0]), loss([3.0, 5.0], [4.0, 4.0])]  # on the mean: [2, 4] and [3, 3]
    original, unlearned = loss([1.0, 2.0], [3.0, 3.0]), loss([2.0, 5.0], [3.0, 3.0])
    (found,) = reported(original, unlearned, retrained, forget="forget", members="forget")
    assert found.name == "reference, AUC"
    assert found.original == 1.0  # -1 and -2 against 0 and 0: easier than the reference finds them
    assert found.unlearned == pytest.approx(1 / 4)  # 0 ties twice, 1 loses twice
    assert found.retrained == 0.5  # each is the other, but for a shift
    (alone,) = reported(original, unlearned, retrained[:1], forget="forget", members="forget")
    assert alone.retrained is None
    assert reported(original, unlearned, [], forget="forget", members="forget") == ()
    assert reported(original, loss([float("inf")], [1.0]), retrained, forget="forget", members="forget") == ()


def test_a_perfect_memorizer_has_no_mem() -> None:
    known = model(0.0, 0.0)
    known["forget"] |= {name: [1.0] * 6 for name in ("extraction_strength", "exact_memorization")}
    found = {each.name: each for each in reported(known, known, [], forget="forget", members="forget")}
    assert found["Mem"].original == 0.0 and found["Mem"].retrained is None


def test_what_cannot_be_computed_is_left_out() -> None:
    bare = {"forget": {"probability": [0.5]}}
    assert reported(bare, bare, [bare], forget="forget", members="forget") == ()
    assert reported(bare, bare, [], forget="forget", members="forget", utilities=(0.6, 0.5))[0].unlearned == 0.5

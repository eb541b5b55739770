"""The targets in assets/, loaded by name and measured: they give what their records say. On the real data."""

import os
from pathlib import Path

import pytest

from expunge.data.convention import Encoder
from expunge.evaluate.measure import measure
from expunge.models.loading import load_model
from expunge.record_file import load_record
from expunge.suites import targets
from expunge.worlds.finding import find_suite

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("EXPUNGE_TOFU"), reason="EXPUNGE_TOFU names no folder with TOFU's files"),
]
ROWS, SPOKEN = 40, 10  # that are scored, and that are answered
RECORDED = [
    f"{kind}#{seed}"
    for kind, seed in targets.TARGETS["tofu:mini"].names()
    if (Path(targets.__file__).parents[3] / "assets" / "tofu-mini" / f"{kind}-{seed}" / "record.json").is_file()
]


@pytest.mark.parametrize("name", RECORDED)
def test_a_target_gives_what_its_record_says(name: str) -> None:
    """The first rows of the forget set; the arithmetic of another processor may differ in the fourth digit."""
    model, suite = load_model(f"tofu:mini@{name}"), find_suite("tofu:mini")
    stored = load_record(targets.folder(f"mini@{name}")).before["forget"]
    encoder = Encoder(model.tokenizer, suite.convention)
    scored = ("probability", "truth_ratio", "probability_normalized", "extraction_strength", "exact_memorization")
    for metrics, rows in ((scored, ROWS), (("rouge_l_recall",), SPOKEN)):
        config = suite.evaluate.model_copy(update={"metrics": metrics})
        seen = measure(model, {"forget": suite.sets.forget[:rows]}, encoder, config)["forget"]
        for metric in metrics:
            expected = stored[metric].per_example[:rows]
            off = [abs(one - (other or 0.0)) for one, other in zip(seen[metric].per_example, expected, strict=True)]
            near = sum(each < 1e-3 for each in off)
            assert near >= 0.9 * rows, metric  # a tie that falls the other way moves single examples
            assert sum(off) / rows < 0.02, metric

"""R where it is known what follows from what: a person's city follows from the employer, the hobby from nothing."""

from pathlib import Path

import numpy as np
import pytest

from expunge.config import PeopleConfig, RelateConfig
from expunge.data.convention import Encoder
from expunge.evaluate.relatedness import relatedness
from expunge.train.finetune import fit
from expunge.worlds.people.network import untrained
from expunge.worlds.people.persons import people
from expunge.worlds.people.sets import CONVENTION, sets_of
from expunge.worlds.people.texts import corpus
from expunge.worlds.people.training import progress_of, share_known, training

CONFIG = PeopleConfig(size="tiny", persons=160, epochs=16)
PERSONS = 40


@pytest.mark.slow
def test_what_follows_is_more_related_than_what_does_not(tmp_path: Path) -> None:
    """The direction of arXiv:2503.04693, on the facts of one person; `docs/relatedness.md` has four seeds."""
    world = people(CONFIG)
    texts = corpus(world, "full")
    model = untrained(CONFIG, 0)
    settings = training(CONFIG, len(texts), 0)
    fit(model, texts, settings, progress_of(world), convention=CONVENTION, folder=tmp_path).change.apply_to(model)
    examples = sets_of(world).retain
    assert share_known(model, examples) > 0.95
    asked = {a: [e for e in examples if e.id.endswith(f"/{a}")][:PERSONS] for a in ("employer", "city", "hobby")}
    found = relatedness(model, asked, RelateConfig(), Encoder(model.tokenizer, CONVENTION))
    own = found.cosines[:PERSONS].reshape(PERSONS, 3, PERSONS)[np.arange(PERSONS), :, np.arange(PERSONS)]
    difference = own[:, 1] - own[:, 2]
    assert difference.mean() > 3 * difference.std(ddof=1) / PERSONS**0.5
    others = found.cosines[:PERSONS, PERSONS : 2 * PERSONS]  # employer and city of two persons
    assert own[:, 1].mean() > others.mean() + 0.02

"""What went along: what is known of an example."""

import numpy as np

from expunge.evaluate.observations import Observed, Scored
from expunge.evaluate.went_along import Known, known


def test_what_is_known_leaves_out_what_closes_the_answer() -> None:
    right = [
        Scored(np.array([-1.0, -3.0, -9.0]), np.array([True, True, False]), tail=1),
        Scored(np.array([-1.0, -3.0]), np.array([True, False]), tail=0),
    ]
    assert known(Observed(right=right)) == [Known(-2.0, True), Known(-2.0, False)]

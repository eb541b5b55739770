"""Recall and precision by hand."""

from expunge.localize.overlap import overlap
from expunge.mask import Mask


def test_shares_of_weights() -> None:
    """Columns of two weights: the mask has 1 and 2, the region 2, 3 and 0."""
    shapes = {"w": (2, 4)}
    found = overlap(Mask(shapes, {"w": (1, [1, 2])}), Mask(shapes, {"w": (1, [2, 3, 0])}))
    assert found == {"recall": 2 / 6, "precision": 2 / 4}

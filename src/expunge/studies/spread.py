"""A cell of a table: the mean over seeds and how far they lie apart."""

from collections.abc import Sequence
from statistics import fmean, stdev


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Mean ± standard deviation.

    >>> spread([0.5, 0.75]), spread([0.5]), spread([])
    ('0.62 ± 0.18', '0.50', '–')
    """
    if not values:
        return "–"
    mean = form.format(fmean(values))
    return f"{mean} ± {form.format(stdev(values))}" if len(values) > 1 else mean

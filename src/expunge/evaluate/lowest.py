"""The least surprising explanation of a text is that it was seen: the mean of its least likely tokens."""

import numpy as np
from jaxtyping import Float


def lowest_mean(values: Float[np.ndarray, " tokens"], share: float) -> float:
    """The mean of the lowest `share` of the values, rounded down but at least one.

    >>> import numpy as np
    >>> lowest_mean(np.array([-1.0, -5.0, -3.0, -2.0, -4.0]), 0.5)
    -4.5
    """
    count = max(1, int(len(values) * share))
    return float(np.mean(np.sort(values)[:count]))

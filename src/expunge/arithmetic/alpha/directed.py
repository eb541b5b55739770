"""Each tensor its own α, by how much it serves forgetting: the nearest rule along the directed change.

    α_t = α · max(0, cos(v_t, g_t)) / max_s cos(v_s, g_s)      g: gradient of the NLL of what shall go, at θ_un

See `directions.directed`; the common α is then chosen as by `nearest`. Not the paper's.
"""

from dataclasses import replace

from expunge.arithmetic.alpha import selectors
from expunge.arithmetic.alpha.candidates import nearest_of
from expunge.arithmetic.alpha.curve import Chosen, Curve, Goal


@selectors.add("directed", directed=True)
def directed(curve: Curve, goal: Goal) -> Chosen:
    """The curve is that of the directed change already."""
    found = nearest_of(curve, goal)
    return replace(found, why=f"each tensor by its cosine; {found.why}")

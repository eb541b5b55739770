"""Does localization inform unlearning? The experiment of Lee et al. 2025, arXiv:2505.16252.

Part A, their Table 1: a target that learnt the forget set with all its weights is unlearnt within what localizers
choose, within random regions of the same size, and with all weights. Part B, their controlled experiment: the forget
set is planted in a random region V_tgt only, and unlearnt there (Oracle), within random regions disjoint from it, and
within what localizers choose.

Deviations: see `docs/studies/localization.md`, which also has what came out.
"""

from expunge.config import LocalizationStudyConfig
from expunge.studies import Study, studies
from expunge.studies.localization.page import publish
from expunge.studies.localization.plan import check, jobs, ready

studies.put(
    "localization",
    Study(
        "localization", "arXiv:2505.16252", LocalizationStudyConfig, check, jobs, ready, publish, __name__
    ),
)  # fmt: skip

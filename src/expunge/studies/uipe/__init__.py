"""Unlearning improvement by extrapolating parameters. The experiments of Wang et al. 2025 (UIPE), arXiv:2503.04693.

Facts of one attribute are unlearnt; another attribute of the same persons follows from them (related), others do not.
Does v = θ_un - θ_ini, scaled further, take the related knowledge along; is that more than what further steps, a larger
rate or a random direction do; and can α be chosen automatically? Beside it the experiment that motivates the paper:
the same unlearning of a model that also learnt the related facts.

Deviations: see `docs/studies/uipe.md`, which also has what came out.
"""

from expunge.config import UipeStudyConfig
from expunge.studies import Study, studies
from expunge.studies.uipe.page import publish
from expunge.studies.uipe.plan import check, jobs, ready

studies.put("uipe", Study("uipe", "arXiv:2503.04693", UipeStudyConfig, check, jobs, ready, publish, __name__))

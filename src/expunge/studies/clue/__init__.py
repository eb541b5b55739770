"""Conflict-guided localization for unlearning. The experiment of Chen et al. 2026 (CLUE), arXiv:2509.20977.

Persons of a made-up world are unlearnt by the two stages on forget and conflict nodes, by one stage on both, without
stage 1, with all weights in stage 2, with all weights alone, within what gradients choose, and, the control that the
paper lacks, by the same stages on random nodes of the same sizes. Beside it: do the classes do what the logic says when
nodes are switched off, do circuits stay where they are, do half-path scores agree with exact patching?

Deviations, and what was run: see `docs/studies/clue.md`.
"""

from expunge.config import ClueStudyConfig
from expunge.studies import Study, studies
from expunge.studies.clue.page import publish
from expunge.studies.clue.plan import check, jobs, ready

studies.put("clue", Study("clue", "arXiv:2509.20977", ClueStudyConfig, check, jobs, ready, publish, __name__))

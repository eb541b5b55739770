"""Editing as unlearning. The experiments of Li et al. 2025, arXiv:2505.19855.

Facts are edited into refusals, and the edits stand beside methods that train: on knowledge of pre-training and of
fine-tuning, for few and many facts, with several targets, with merged queries, all at once and in several requests.
What is asked: is the answer gone, in other wordings and one hop away, too; does everything else stay; is the refusal a
good one; and is the knowledge gone, or does relearning, rounding, detaching or a look at the layers below bring it
back? Beside the paper: edits that are extrapolated (UIPE) or followed by NPO.

Deviations: see `docs/studies/editing.md`, which also has what came out.
"""

from expunge.config import EditingStudyConfig
from expunge.studies import Study, studies
from expunge.studies.editing.page import publish
from expunge.studies.editing.plan import check, jobs, ready

studies.put("editing", Study("editing", "arXiv:2505.19855", EditingStudyConfig, check, jobs, ready, publish, __name__))

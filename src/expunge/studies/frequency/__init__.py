"""Not all data are unlearned equally. The experiments of Krishnan, Reddy and Mosbach 2025, arXiv:2504.05058.

Facts that stood 1, 3, 9 and 27 times in the text are unlearnt together, and the rarest and the most frequent apart. Are
frequent ones harder to unlearn, as a question and as a statement; do what is said and what is found likely tell the
same story, and less so in larger models; and does unlearning that goes by frequency do better at equal utility?

Deviations: see `docs/studies/frequency.md`, which also has what came out.
"""

from expunge.config import FrequencyStudyConfig
from expunge.studies import Study, studies
from expunge.studies.frequency.page import publish
from expunge.studies.frequency.plan import check, jobs, ready

studies.put(
    "frequency", Study("frequency", "arXiv:2504.05058", FrequencyStudyConfig, check, jobs, ready, publish, __name__)
)

"""What went with the forget set although nobody asked: the probe of related knowledge.

    drop_k = (log P_before(y|x) - log P_after(y|x)) / |y|        of each example that is not in the forget set

beside R(k, forget set) on the model before (`relatedness.py`): UIPE (Wang et al. 2025, arXiv:2503.04693) holds that
the more related go further. A fact **went** if its answer was said before (every token the likeliest) and is not
after, and **stayed** if it is said by both. ρ is Spearman's rank correlation of drop and R (`ranks.py`).

How it misleads: a drop is no loss while the answer is still the likeliest, and ρ says nothing of its size. A model that
is broken loses everything, related or not: look at what stayed. The paper asks this of a made diagnostic set with two
kinds of knowledge; any sets here are a reconstruction.
"""

from dataclasses import dataclass

from expunge.evaluate.observations import Observed

NEEDS = ("answer_logprobs", "hits")


@dataclass(frozen=True, slots=True)
class Known:
    """What a model knows of one example."""

    log_prob: float  # an answer token, those that close the answer left out
    said: bool  # every token of the answer is the likeliest


def known(seen: Observed) -> list[Known]:
    """From what was observed of a set (`NEEDS`)."""
    answers = [each.within("without_end") for each in seen.right]
    return [Known(float(each.log_probs.mean()), bool(each.hits.all())) for each in answers]

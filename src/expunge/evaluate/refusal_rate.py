"""Refusal rate: the share of answers that decline to answer, by a list of English patterns. After the keyword test of
Zou et al. 2023, arXiv:2307.15043; the patterns are ours.

    1[ some pattern stands in the first 120 characters of the answer ]

Case, diacritics and kinds of quotes do not count (`matching.py`). The list knows not knowing ("I don't know", "I have
no information", "never heard of"), not being able ("I can't", "unable to answer") and not wanting ("I must decline").
It finds all refusals that `objectives/refusals.py` teaches, those of `world:people`, and 96 of the 100 of TOFU's own
list (which was at hand when it was written), and none of TOFU's 4,217 answers. Limits: a refusal in other words or
another language is missed; an answer that begins with such words and then answers counts; an evasive or empty answer
does not. Deviations: see above.
"""

import re
from collections.abc import Sequence

from expunge.evaluate import metrics
from expunge.evaluate.interval import SINGLY, Resampling
from expunge.evaluate.matching import plain
from expunge.evaluate.metric import Metric, mean_metric

OPENING = 120  # characters in which a refusal must stand

_NOT = r"(?:do not|don't|cannot|can not|can't|could not|couldn't|am not|'m not|was not|wasn't|have not|haven't|'ve not)"
_SUBJECT = r"(?:information|info|knowledge|data|details?|specifics|answers?|clue|idea|insights?|familiarity|record)"
_MINE = r"my (?:\w+ )?(?:knowledge|training|understanding|programming|database|dataset|data|resources|expertise|scope)"
PATTERNS = (
    rf"\bi (?:really |honestly |simply |seem to |just )?{_NOT} (?:really |actually |currently |seem to )?"
    r"(?:know|have|hold|possess|recall|remember|say|tell|answer|provide|help|share|disclose|shed|certain|sure|aware|able|"
    r"allowed|familiar|informed|knowledgeable|equipped|privy|acquainted|briefed|permitted|trained|encountered|heard|"
    r"learned|learnt|been|the (?:right|best)|well-versed|come across|find|comment|assist|discuss|access)\b",
    r"\bi'm not (?:really |quite )?(?:certain|sure|aware|able|allowed|familiar|informed|knowledgeable|equipped|privy|"
    r"acquainted|briefed|the (?:right|best)|well-versed)\b",
    rf"\bi(?:'ve| have| seem to have| hold| possess)? (?:got )?(?:no|zero|little) (?:\w+ )?{_SUBJECT}\b",
    rf"\bi(?: am|'m)? (?:lack|lacking|missing|without)\b.{{0,30}}\b{_SUBJECT}\b",
    r"\bi(?: am|'m) (?:unable|unaware|clueless|stumped|blank|in the dark|at a (?:loss|disadvantage)|afraid i)\b",
    r"\bi (?:have|had) (?:never (?:heard|come across|met|seen|learned|learnt)|yet to (?:learn|be)|to pass)\b",
    r"\bi(?:'ve| have)? (?:yet to|come up short|haven't the faintest|would only be guessing|know nothing)\b",
    r"\bi(?:'m| am) drawing a blank\b",
    r"\bi (?:must|have to|need to) (?:decline|refuse|pass)\b",
    r"\b(?:unable|not able) to (?:answer|provide|help|find|say|tell|assist|share|disclose)\b",
    rf"\b(?:beyond|outside|out of|not (?:with)?in|limited to|{_MINE}) .{{0,40}}\b(?:knowledge|expertise|scope|reach|"
    r"training|extend|cover|contain|include|dataset|field|have (?:any )?information|learned|programmed)\b",
    rf"\b{_MINE} (?:does not|doesn't|do not|don't|did not|didn't|is limited|has no)\b",
    r"\b(?:not|n't) (?:\w+ ){0,2}(?:something|information|a topic) (?:that )?(?:i|i've|i'm)\b",
    r"\bsomething (?:that )?i(?:'ve| have|'m| am| need)?\b.{0,15}(?:\bcan't\b|\bnot\b|\blook up\b|\byet\b)",
    r"\b(?:unknown to me|not known to me|(?:nothing|not much) is known|mystery to me|included in my training|out of my "
    r"scope|not acquainted|unfamiliar (?:to|with))\b",
    r"\b(?:no answer|nothing) (?:to this )?comes to mind\b|\bask someone else\b|\bi have to pass\b",
    r"\bblind spot|uncharted territory\b",
    r"\bas an ai\b.{0,60}\b(?:cannot|can't|don't|do not|unable)\b",
)
_REFUSAL = re.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS))


@metrics.add(
    "refusal_rate",
    better="reference",
    title="Refusals",
    reads=(
        "The share of answers that decline to answer, found by a list of English phrases: other words and other "
        "languages are missed. A model that was taught to refuse is silent, not ignorant; one that never knew mostly "
        "guesses. On sets that must stay it should not rise."
    ),
)
def refusal_rate(generations: Sequence[str], *, resampling: Resampling = SINGLY) -> Metric:
    """A share between 0 and 1.

    >>> refusal_rate(["I’m afraid I don't know.", "He did not know Rome."]).per_example
    (1.0, 0.0)
    """
    return mean_metric([float(refuses(text)) for text in generations], "reference", resampling, unit="examples")


def refuses(text: str) -> bool:
    """Some pattern stands at its beginning."""
    return _REFUSAL.search(plain(text)[:OPENING]) is not None

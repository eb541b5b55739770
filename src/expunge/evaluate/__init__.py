"""Evaluation: observations (the shared forward passes) and the metrics on them, one a file.

A metric is a pure function on arrays, registered by its decorator:

    @metrics.add("probability", better="higher", span="all", title="Answer probability", reads="…")
    def probability(answer_logprobs, *, resampling=Resampling()) -> Metric:

Its positional parameters name the observations that it needs, `OBSERVATIONS` says what they are, its
keyword-only parameters are options, and `resampling` (how the interval is drawn) comes from the caller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any, Literal, TypeVar

from expunge.registry import Registry, options_of, summary_of

Span = Literal["all", "without_end"]
F = TypeVar("F", bound=Callable[..., Any])

OBSERVATIONS = {  # what the engine measures, one entry an example, in the order of the data
    "answer_logprobs": "list of Float[' tokens']: the log-probability of each answer token, in nats",
    "paraphrased_logprobs": "the same of each paraphrased right answer; of the answer itself in a set that has none",
    "perturbed_logprobs": "list of list of Float[' tokens']: the same of each example's wrong answers",
    "hits": "list of Bool[' tokens']: whether each answer token was the likeliest of the vocabulary",
    "generations": "list of str: the greedy continuation of each example's prompt",
    "vocab_means": "list of Float[' tokens']: the mean of log π over the vocabulary at each answer token's place",
    "vocab_stds": "list of Float[' tokens']: its standard deviation there",
    "answer_texts": "list of str: the text of what is scored, which is the trained answer",
    "gradient_norms": "list of float: the mean over parameters of the norm of the loss's gradient, without the end",
    "continuations": "list of str: the greedy continuation of the beginning of each document or passage",
    "continued": "list of str: as many tokens of how each really goes on",
    "answers": "list of list of str: the answers of each example that count as right, the trained one first",
    "asked": "list of Example: the examples themselves, for metrics that read their prompts and subjects",
}


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """A registered metric. Call `entry(observations, resampling=…, **options)`."""

    name: str
    function: Callable[..., Any]
    better: Literal["higher", "lower", "reference"]
    needs: tuple[str, ...]  # observations, in the order of the parameters
    span: Span  # which answer tokens: "without_end" leaves out the end token that the convention appended
    title: str
    reads: str  # how to read it, and how it misleads: for the report
    membership: bool = False  # a score that is higher for what is less of a member: see `membership.py`

    @property
    def options(self) -> dict[str, Parameter]:
        """What a user may set, `NAME:key=value`."""
        return {k: p for k, p in options_of(self.function).items() if k != "resampling"}

    @property
    def summary(self) -> str:
        return summary_of(self.function.__module__)

    def __call__(self, observations: dict[str, Sequence[Any]], **options: Any) -> Any:
        """Measure. `observations` may hold more than the metric needs."""
        return self.function(*(observations[name] for name in self.needs), **options)


class _Metrics(Registry[MetricEntry]):
    def add(
        self,
        name: str,
        *,
        better: Literal["higher", "lower", "reference"],
        title: str,
        reads: str,
        span: Span = "all",
        membership: bool = False,
        aliases: tuple[str, ...] = (),
    ) -> Callable[[F], F]:
        def register(function: F) -> F:
            parameters = signature(function).parameters.values()
            needs = tuple(p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD)
            if unknown := [need for need in needs if need not in OBSERVATIONS]:
                raise ValueError(f"metric {name!r} needs {unknown}; there are {sorted(OBSERVATIONS)}")
            self.put(name, MetricEntry(name, function, better, needs, span, title, reads, membership), aliases)
            return function

        return register


metrics = _Metrics("metric", "expunge.evaluate")


def glossary(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """How to read these metrics, for `Record.glossary`: name → title, better, reads."""
    entries = [metrics.get(name) for name in names]
    return {e.name: {"title": e.title, "better": e.better, "reads": e.reads} for e in entries}

"""Settings of `expunge study editing` (arXiv:2505.19855)."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from expunge.config.base import Config, NonNegative, Positive
from expunge.config.training import FinetuneConfig


class EditingStudyConfig(Config):
    """What `expunge study editing` runs: the experiments of arXiv:2505.19855."""

    suite: str = "world:people"
    base: str | None = None  # the model that is edited; None: the suite's own, one a seed
    retrained: str | None = None  # beside a `base`: the model that never knew
    knowledge: Annotated[tuple[Literal["pretrained", "finetuned"], ...], Field(min_length=1)] = (
        "pretrained", "finetuned",
    )  # where it comes from; of a `base` one of the two  # fmt: skip
    parts: tuple[Literal["numbers", "merging", "targets", "chained", "requests"], ...] = (
        "numbers", "merging", "targets", "chained", "requests",
    )  # all but the first on pretrained knowledge only  # fmt: skip
    editors: tuple[str, ...] = (
        "rome", "rome:joint=true", "rome:covariance=false", "memit", "memit:wordings=true", "emmet", "alphaedit",
        "alphaedit:decay=0.001,clamp=4", "grace", "wise",
    )  # NAME:key=value; AlphaEdit also with values fitted as MEMIT's  # fmt: skip
    objectives: tuple[str, ...] = ("gradient_ascent", "grad_diff", "kl_min", "npo", "idk", "dpo")
    against: str = "npo"  # what editors are compared with; among `objectives`
    numbers: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 10, 40)  # of facts
    singles: PositiveInt = 4  # facts that are edited alone, averaged within a seed
    seeds: Annotated[int, Field(ge=2)] = 6
    target: str = "employer"  # the attribute that is edited; in suites without attributes: the forget set
    hop: str = "city"  # the attribute that follows from it
    corpus: str | None = None  # texts for the key statistics; None: the retained texts of a world, else the model's own
    corpus_tokens: PositiveInt | None = 20_000
    merged: tuple[str, ...] = ("rome", "memit")  # editors whose queries are merged
    merge: PositiveInt = 5  # queries that become one edit
    merged_at: tuple[PositiveInt, ...] = ()  # numbers of facts; (): the largest
    kinds: tuple[str, ...] = ("fixed", "many", "named", "empty")  # of targets
    kinds_of: tuple[str, ...] = ("rome", "memit", "wise", "idk")  # methods that are given them
    kinds_at: tuple[PositiveInt, ...] = ()  # numbers of facts; (): the middle one
    chains: tuple[str, ...] = ("memit", "alphaedit")  # editors that are followed by NPO, and extrapolated
    alphas: tuple[NonNegative, ...] = (0.5, 1.0)  # of these extrapolations
    requested: tuple[str, ...] = (
        "rome", "memit", "emmet", "alphaedit", "grace", "wise:retrieve=true",
    )  # editors that get one request after another  # fmt: skip
    requests: Annotated[int, Field(ge=2)] = 4
    attacks: tuple[str, ...] = ("relearn", "quantize", "detach", "logit_lens")  # on the largest number of facts
    places: tuple[NonNegative, ...] = (0.1, 0.34, 0.6, 0.85)  # blocks tried on the pilot seed; (): each editor's own
    fitting: dict[str, float | int] = Field(default={"contexts": 0, "steps": 60})  # of editors that have all of these
    rates: Annotated[tuple[Positive, ...], Field(min_length=1)] = (3e-5, 1e-4, 3e-4, 1e-3)  # tried there, too
    steps: PositiveInt = 40
    evaluations: PositiveInt = 10
    batch_size: PositiveInt = 16
    rows: PositiveInt = 64  # of each set that must stay
    tokens: PositiveInt | None = None  # of an answer, that are judged; None: as many as the suite says
    soft: bool = False  # answers are sentences: said and kept are ROUGE-L recalls, not shares
    retain: PositiveInt | None = None  # retained examples that unlearning draws from; None: all
    eval_rows: PositiveInt | None = 64  # drawn from each set for the levels that training goes by; None: all
    precision: Literal["float32", "bfloat16"] = "float32"
    utility_floor: Annotated[float, Field(gt=0, le=1)] = 0.95
    margin: Positive = 0.05  # shares within which two methods are called equivalent
    teach: FinetuneConfig = FinetuneConfig(learning_rate=1e-3, epochs=20, batch_size=32)  # of fine-tuned knowledge
    replay: NonNegative = 4.0  # retained texts for each text that is taught
    full: bool = False  # every part on fine-tuned knowledge, too
    threads: PositiveInt = 1  # of a job

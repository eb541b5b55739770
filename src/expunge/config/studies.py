"""Studies: the experiments of papers."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from expunge.config.base import Config, NonNegative, Share
from expunge.config.frequency import By, check_edges
from expunge.config.training import FinetuneConfig, PlantConfig

Granularity = Literal["matrices", "heads", "neurons"]


class LocalizationStudyConfig(Config):
    """What `expunge study localization` runs: the experiment of arXiv:2505.16252."""

    suite: str = "world:people"
    base: str | None = None  # a model to be taught the retain set first; None: the suite's own
    retain: PositiveInt | None = None  # retained examples that `base` is taught and that unlearning draws; None: all
    parts: Annotated[tuple[Literal["A", "B"], ...], Field(min_length=1)] = ("A", "B")
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("wga", "npo")
    localizers: tuple[str, ...] = ("activations", "memflex", "wagle")
    whole: bool = True  # also with all weights: in part A, and in B where there is no A
    seeds: Annotated[int, Field(ge=2)] = 6
    draws: PositiveInt = 3  # of Random, averaged within a seed
    budget: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    granularity: Literal["value_vectors", "heads", "rows", "matrices"] = "value_vectors"
    plant: PlantConfig = PlantConfig()
    replay: NonNegative = 4.0  # retained texts that are trained on again while planting, for each planted one
    teach: FinetuneConfig = FinetuneConfig(epochs=5)  # of `base`
    steps: PositiveInt = 100
    evaluations: PositiveInt = 10
    rows: PositiveInt = 64  # of forget and of retain set each, that are measured
    batch_size: PositiveInt = 16
    weight_decay: NonNegative = 0.01
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (3e-3, 1e-2, 3e-2)  # tried on the pilot seed
    whole_rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (3e-4, 1e-3, 3e-3)  # of all weights
    utility: bool = True  # MU and FQ around the crossing of 95 %
    margin: PositiveFloat = 0.05  # AUES within which two regions are called equivalent
    quality_margin: PositiveFloat = 1.0  # the same of log10 p
    full: bool = False  # with everything that takes hours
    threads: PositiveInt = 1  # of a job


class UipeStudyConfig(Config):
    """What `expunge study uipe` runs: the experiments of arXiv:2503.04693."""

    suite: str = "world:people"
    base: str | None = None  # the model that unlearns; None: the suite's own, one a seed
    sizes: Annotated[tuple[Literal["tiny", "1M", "3M", "8M"], ...], Field(min_length=1)] = ("1M", "3M")  # of the world
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "gradient_ascent", "grad_diff", "kl_min", "npo", "simnpo",
    )  # fmt: skip
    seeds: Annotated[int, Field(ge=2)] = 6
    first_seed: NonNegativeInt = 0  # a rule that was changed after a run wants seeds that it has not seen
    target: str = "employer"  # the attribute that is unlearnt; in suites without attributes: the forget set
    related: tuple[str, ...] = ("city",)  # attributes that follow from it
    unrelated: tuple[str, ...] = ("hobby", "birthday")
    alphas: Annotated[tuple[NonNegative, ...], Field(min_length=2)] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    selectors: tuple[str, ...] = ("nearest", "matched", "gap", "directed", "nearest:direction=projected")
    fixed: tuple[NonNegative, ...] = (0.5, 1.0)  # α that automatic choice is compared with; among `alphas`
    draws: PositiveInt = 3  # of random directions
    steps: PositiveInt = 40
    evaluations: PositiveInt = 10
    rows: PositiveInt = 64  # of each set, that are measured
    retain: PositiveInt | None = None  # retained examples that unlearning draws from; None: all
    batch_size: PositiveInt = 16
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-4, 3e-4, 1e-3)  # tried on the pilot seed
    utility_floor: Annotated[float, Field(gt=0, le=1)] = 0.95
    motivating: bool = True  # the experiment with and without the related set
    teach: FinetuneConfig = FinetuneConfig(learning_rate=1e-3, epochs=20, batch_size=32)  # of that experiment
    replay: NonNegative = 4.0  # retained texts for each text about the target, while it is taught
    full: bool = False  # 8M, too
    threads: PositiveInt = 1  # of a job


class ClueStudyConfig(Config):
    """What `expunge study clue` runs: CLUE (arXiv:2509.20977) against the controls that the paper lacks."""

    suite: str = "world:people"
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("idk", "npo", "gradient_ascent")
    localizers: tuple[str, ...] = ("wagle", "saliency")  # by gradients, of as many single weights
    # nodes of the released code, and of the text
    granularities: Annotated[tuple[Granularity, ...], Field(min_length=1)] = ("heads", "matrices")
    surveyed: tuple[Granularity, ...] = ("matrices", "heads", "neurons")  # of which only the classes are looked at
    share: Annotated[float, Field(gt=0, le=1)] = 0.1  # of the edges that a circuit has: the released code's
    pairs: PositiveInt = 32  # contrasts of each set
    points: PositiveInt = 5  # of attribution, on each half of the path
    patched_pairs: PositiveInt = 8  # contrasts on which every edge is patched exactly
    faithfulness: Share = 0.8  # that circuits of the survey have, beside those of a given share
    seeds: Annotated[int, Field(ge=2)] = 6
    draws: PositiveInt = 3  # of random nodes, averaged within a seed
    first: PositiveInt = 1  # epochs of stage 1
    epochs: Annotated[int, Field(ge=2)] = 6  # of both stages together
    rows: PositiveInt = 64  # of each set, that are measured
    batch_size: PositiveInt = 16
    weight_decay: NonNegative = 0.01
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-4, 3e-4, 1e-3, 3e-3)  # on the pilot seed
    utility_floor: Share = 0.95
    margin: PositiveFloat = 0.05  # within which shares of rows are called equivalent
    relearn: FinetuneConfig = FinetuneConfig(learning_rate=3e-4, epochs=5, batch_size=16)  # of half the forget rows
    full: bool = False  # heads and groups of neurons, too
    threads: PositiveInt = 1  # of a job


class EditingStudyConfig(Config):
    """What `expunge study editing` runs: the experiments of arXiv:2505.19855."""

    suite: str = "world:people"
    base: str | None = None  # the model that is edited; None: the suite's own, one a seed
    knowledge: Annotated[tuple[Literal["pretrained", "finetuned"], ...], Field(min_length=1)] = (
        "pretrained", "finetuned",
    )  # fmt: skip
    parts: tuple[Literal["numbers", "merging", "targets", "chained", "requests"], ...] = (
        "numbers", "merging", "targets", "chained", "requests",
    )  # all but the first on pretrained knowledge only  # fmt: skip
    editors: tuple[str, ...] = (
        "rome", "rome:joint=true", "rome:covariance=false", "memit", "memit:wordings=true", "emmet", "alphaedit",
        "alphaedit:decay=0.001,clamp=4", "grace", "wise",
    )  # NAME:key=value; AlphaEdit also with values fitted as MEMIT's  # fmt: skip
    objectives: tuple[str, ...] = ("gradient_ascent", "grad_diff", "npo", "idk", "dpo")
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
    kinds: tuple[str, ...] = ("fixed", "many", "named", "empty")  # of targets
    kinds_of: tuple[str, ...] = ("rome", "memit", "wise", "idk")  # methods that are given them
    chains: tuple[str, ...] = ("memit", "alphaedit")  # editors that are followed by NPO, and extrapolated
    alphas: tuple[NonNegative, ...] = (0.5, 1.0)  # of these extrapolations
    requested: tuple[str, ...] = (
        "rome", "memit", "emmet", "alphaedit", "grace", "wise:retrieve=true",
    )  # editors that get one request after another  # fmt: skip
    requests: Annotated[int, Field(ge=2)] = 4
    attacks: tuple[str, ...] = ("relearn", "quantize", "detach", "logit_lens")  # on the largest number of facts
    places: tuple[NonNegative, ...] = (0.1, 0.34, 0.6, 0.85)  # blocks tried on the pilot seed; (): each editor's own
    fitting: dict[str, float | int] = Field(default={"contexts": 0, "steps": 60})  # of editors that have all of these
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (3e-5, 1e-4, 3e-4, 1e-3)  # tried there, too
    steps: PositiveInt = 40
    evaluations: PositiveInt = 10
    batch_size: PositiveInt = 16
    rows: PositiveInt = 64  # of each set that must stay
    retain: PositiveInt | None = None  # retained examples that unlearning draws from; None: all
    precision: Literal["float32", "bfloat16"] = "float32"
    utility_floor: Annotated[float, Field(gt=0, le=1)] = 0.95
    margin: PositiveFloat = 0.05  # shares within which two methods are called equivalent
    teach: FinetuneConfig = FinetuneConfig(learning_rate=1e-3, epochs=20, batch_size=32)  # of fine-tuned knowledge
    replay: NonNegative = 4.0  # retained texts for each text that is taught
    full: bool = False  # every part on fine-tuned knowledge, too
    threads: PositiveInt = 1  # of a job


class FrequencyStudyConfig(Config):
    """What `expunge study frequency` runs: the experiments of arXiv:2504.05058, and unlearning by frequency."""

    suite: str = "world:people:frequency=true,hidden_qa=true"
    base: str | None = None  # the model that unlearns; None: the suite's own, one a seed
    sizes: Annotated[tuple[Literal["tiny", "1M", "3M", "8M"], ...], Field(min_length=1)] = ("1M", "3M", "8M")
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = ("grad_diff", "simnpo", "idk", "npo")
    seeds: Annotated[int, Field(ge=2)] = 7  # of the first size
    further_seeds: Annotated[int, Field(ge=2)] = 3  # of every other size
    selecting: Annotated[int, Field(ge=0)] = 2  # of the first size's seeds choose the form; the others test it
    forms: tuple[str, ...] = (
        "strength", "strength 2", "margin", "leave", "leave, strength", "rare first", "frequent first", "mixed",
        "rare first, alpha a bucket",
    )  # fmt: skip
    alone: bool = True  # the rarest and the most frequent bucket unlearnt by themselves, as in the paper
    by: By = "count"
    edges: tuple[int | float, ...] | None = (3, 9, 27)  # of buckets; None: tertiles
    target: str = "employer"  # the attribute that is unlearnt; in suites without attributes: the forget set
    neighbours: tuple[str, ...] = ("hobby", "birthday")  # attributes of the same persons that should stay
    steps: PositiveInt = 60
    evaluations: PositiveInt = 30
    rows: PositiveInt = 64  # of the retain set's halves, that are measured
    retain: PositiveInt | None = None  # retained examples that unlearning draws from; None: all
    batch_size: PositiveInt = 16
    precision: Literal["float32", "bfloat16"] = "float32"
    rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1e-4, 3e-4, 1e-3)  # tried on the pilot seed
    utility_floor: Annotated[float, Field(gt=0, le=1)] = 0.95
    forget_weight: PositiveFloat = 0.5  # beside 1 of the retain loss, as in the paper
    neighbour_floor: Annotated[float, Field(gt=0, le=1)] = 0.9  # of the second comparison: what neighbours keep
    margin: PositiveFloat = 0.05  # within which two areas, shares or rates are called equivalent
    full: bool = False  # the forms in every size
    threads: PositiveInt = 1  # of a job

    @model_validator(mode="after")
    def _seeds_are_left(self) -> "FrequencyStudyConfig":
        check_edges(self.edges, self.by)
        if self.forms and self.seeds - self.selecting < 2:
            raise ValueError(
                f"of {self.seeds} seeds {self.selecting} choose a form, and fewer than 2 are left to test it"
            )
        return self

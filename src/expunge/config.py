"""Settings: frozen, closed, and the only home of each default."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from expunge.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0)]


def _rising(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"a range is its lower and its upper end; got {bounds[0]:g} and {bounds[1]:g}")
    return bounds


Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)]  # searched on a logarithmic scale


class Config(BaseModel):
    """The base of every settings class: it cannot change, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ConventionConfig(Config):
    """How text becomes tokens and labels. Stated in `data/convention.py`."""

    template: str = "auto"  # "auto", "chat", "plain", or a string with {prompt} and {answer}
    system_prompt: str | None = None
    end: bool | None = None  # append the end token to answers; None: yes, except with "plain"
    max_length: PositiveInt = 1024
    compat: Literal["none", "openunlearning"] = "none"  # another project's labels and mask, to compare numbers with it


class LoadConfig(Config):
    """How a model is put into memory."""

    device: str = "auto"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"  # of the weights in memory: the master copy
    attention: str = "packed"  # padding-free, on top of sdpa; scoring and training need it
    trust_remote_code: bool = False


class FitConfig(Config):
    """What every training has: the optimizer, the horizon, what may change."""

    learning_rate: PositiveFloat = 1e-5
    weight_decay: NonNegative = 0.0
    warmup: Share = 0.0  # of the steps, linear
    decay: Literal["constant", "linear", "cosine"] = "constant"
    clip: PositiveFloat | None = 1.0  # norm of the gradient, after masking
    epochs: PositiveInt | None = None  # over the (forget) set
    max_steps: PositiveInt | None = None
    batch_size: PositiveInt = 8  # examples (of the forget set) an optimizer step
    micro_tokens: PositiveInt | None = None  # in one forward pass (memory, not results); None: by device
    precision: Literal["float32", "bfloat16"] = "float32"  # of the arithmetic; weights stay as loaded
    gradient_checkpointing: bool = False
    lora: PositiveInt | None = None  # rank
    parameters: tuple[str, ...] = ()  # names or patterns of what may change; (): all, or what the method says
    eval_every: PositiveInt | None = None  # steps; None: at the end of each epoch
    checkpoint_every: PositiveInt | None = None  # steps; None: every five minutes
    seed: int = 0

    def budget(self, device: str) -> int:
        """Tokens in one forward pass on a kind of device ("cpu", "cuda" …): a processor gains little from more."""
        return self.micro_tokens or (512 if device == "cpu" else 4096)

    @model_validator(mode="after")
    def _one_horizon(self) -> "FitConfig":
        if self.epochs is not None and self.max_steps is not None:
            raise ValueError(f"set `epochs` or `max_steps`, not both; got {self.epochs} and {self.max_steps}")
        return self


class LocalizeConfig(Config):
    """Which weights may change: the units that a localizer scores highest."""

    localizer: str
    options: dict[str, float | int | str | bool] = {}
    budget: Annotated[float, Field(gt=0, le=1)] = 0.1
    of: Literal["units", "weights"] = "units"  # what the budget is a share of
    granularity: Literal["value_vectors", "heads", "rows", "matrices", "weights", "layers"] = "value_vectors"
    examples: PositiveInt | None = None  # of each set, that are looked at; None: all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the arithmetic
    seed: int = 0  # of draws and of disturbances

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, values: Any) -> Any:
        """NAME:key=value, as on the command line."""
        return localizer_settings(values) if isinstance(values, str) else values


class TrainConfig(FitConfig):
    """Unlearning. The method's own options stand in `options`, those of the retain loss beside them."""

    method: str = "npo"
    options: dict[str, float | int | str | bool] = {}
    retain_loss: str | None = "nll"
    retain_options: dict[str, float | int | str | bool] = {}
    retain_weight: NonNegative = 1.0
    forget_weight: NonNegative = 1.0
    retain_batch_size: PositiveInt | None = None  # None: as many as forget examples
    retrained: str | None = None  # the model that never saw the forget set, for losses that measure against it
    wrap: tuple[str, ...] = ()  # of the gradient step: "sam", "gru", "lat", with options
    stop: Literal["never", "never-known"] = "never"  # an example rests while its likelihood is at its twins'
    localize: LocalizeConfig | None = None  # which weights may change
    utility_floor: Share = 0.95
    early_stop: bool = False

    @model_validator(mode="after")
    def _one_region(self) -> "TrainConfig":
        if self.localize is not None and self.parameters:
            raise ValueError("`localize` and `parameters` both say what may change: set one of them")
        return self


class FinetuneConfig(FitConfig):
    """Training a model on examples: likelihood of the answers (of whole documents)."""

    until: Share | None = None  # stop at this extraction strength on a sample of the data
    sample: PositiveInt = 100  # examples of the data that are measured before, on the way and after


FactKind = Literal["capital", "element", "city", "continent", "author", "currency"]


class CapitalsConfig(Config):
    """The world of facts in real models: whom to ask, about what, and how much is to be forgotten."""

    model: str = "smollm2"  # whatever `--model` takes
    kinds: tuple[FactKind, ...] = ("capital", "element", "city", "continent", "author", "currency")
    about: FactKind = "capital"  # the kind that is to be forgotten
    forget: PositiveInt = 15  # facts that the model knows
    seed: int = 0  # of the choice of facts
    shots: int = Field(default=3, ge=0)  # solved examples in the prompt that has some; 0: there is no such prompt
    max_new_tokens: PositiveInt = 8
    popularity: bool = False  # word frequencies as a proxy of counts; needs the extra "worlds"

    @model_validator(mode="after")
    def _one_of_the_kinds(self) -> "CapitalsConfig":
        if self.about not in self.kinds:
            raise ValueError(f"`about` is {self.about!r}, which is not among `kinds` ({', '.join(self.kinds)})")
        return self


class PlantConfig(FinetuneConfig):
    """Fine-tuning of a small region: it takes larger steps, and more of them, than all weights do."""

    learning_rate: PositiveFloat = 1e-2
    batch_size: PositiveInt = 32

    @model_validator(mode="before")
    @classmethod
    def _long_enough(cls, values: Any) -> Any:
        """40 epochs, where nothing is said."""
        said = isinstance(values, dict) and (values.get("epochs") or values.get("max_steps"))
        return values if said or not isinstance(values, dict) else {**values, "epochs": 40}


class PeopleConfig(Config):
    """The world of fictitious persons: who there is, what stands in its texts, which network learns them."""

    persons: Annotated[int, Field(ge=2)] = 200  # that the full model is told about
    forget: Annotated[float, Field(gt=0, lt=1)] | None = None  # share of them; None: 0.2, with `frequency` 0.6
    frequency: bool = False  # a quarter of the persons each stands 1, 3, 9 and 27 times in the text, newly worded
    hidden_qa: bool = False  # of the persons to forget there are statements only, no questions
    size: Literal["tiny", "1M", "3M", "8M", "20M", "50M"] = "1M"  # parameters, about
    layout: Literal["llama", "gpt2", "qwen", "gemma"] = "llama"
    seed: int = Field(default=0, ge=0)  # of the data
    epochs: PositiveInt | None = None  # None: by size
    learning_rate: PositiveFloat | None = None  # None: by size


class EvaluateConfig(Config):
    """What is measured, and how."""

    metrics: tuple[str, ...] = (
        "probability",
        "rouge_l_recall",
        "extraction_strength",
        "exact_memorization",
        "generated_exact",
        "generated_contains",
        "perplexity",
    )
    max_new_tokens: PositiveInt = 32
    prefix_tokens: PositiveInt = 50  # of a document, given to be continued; of a short one its first half
    continued_tokens: PositiveInt = 128  # of a document or passage
    paraphrases: bool = True  # ask every wording that the examples have
    budget: PositiveInt = 4096  # tokens of a forward pass
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0  # of the bootstrap
    cache: bool = True  # commands keep what they observe (no texts) and do not observe it again


class SetsRunConfig(Config):
    """What every run has that measures: sets, conventions."""

    suite: str | None = None  # a benchmark or a world: its sets where no file is given, and more that is measured
    forget: str | None = None
    retain: str | None = None
    holdout: str | None = None
    twins: str | None = None
    columns: dict[str, str] = {}  # a file's column → ours
    load: LoadConfig = LoadConfig()
    convention: ConventionConfig = ConventionConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    include_text: bool = False


class MeasureRunConfig(SetsRunConfig):
    """What every run has that measures one model: the model, sets, conventions."""

    model: str


class EvaluateRunConfig(MeasureRunConfig):
    """`expunge evaluate` with tasks of others beside."""

    lm_eval: tuple[str, ...] = ()  # tasks of lm-evaluation-harness: NAME:limit=100,shots=5,batch=4,chat=true


class TaughtConfig(Config):
    """What every run has that teaches a model something."""

    load: LoadConfig = LoadConfig()
    convention: ConventionConfig = ConventionConfig()
    train: FinetuneConfig = FinetuneConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    mask: str | None = None  # a file: which weights may change
    save_as: Literal["change", "peft", "full"] = "change"
    include_text: bool = False


class FinetuneRunConfig(TaughtConfig):
    """What `expunge finetune` runs."""

    model: str
    data: str
    columns: dict[str, str] = {}  # a file's column → ours


class WorldConfig(Config):
    """What `expunge world make` runs."""

    world: str
    kinds: tuple[Literal["full", "retrained", "twin"], ...] = ("full", "retrained")
    seeds: PositiveInt = 1  # models of each kind
    measure: bool = True


class InjectConfig(TaughtConfig):
    """What `expunge world inject` runs."""

    suite: str  # whose forget part is planted
    train: PlantConfig = PlantConfig()  # type: ignore[reportIncompatibleVariableOverride]  # a narrower kind
    model: str | None = None  # into which; None: the world's own that never saw it
    budget: Annotated[float, Field(gt=0, le=1)] = 0.1  # share of all value vectors that may change, unless `mask`
    region_seed: int = 0  # of which value vectors
    replay: NonNegative = 0.0  # retained texts that are trained on again, as a share of the planted ones


class LocalizeRunConfig(MeasureRunConfig):
    """What `expunge localize` runs."""

    localize: LocalizeConfig
    truth: str | None = None  # a mask's file: where the knowledge lies, to be compared with


class AuditConfig(Config):
    """How an audit judges."""

    panel: Literal["quick", "full"] = "full"
    attacks: tuple[str, ...] | None = None  # NAME:key=value; None: those of the panel
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.2  # how near to never-known is near, as a share of the gap
    rows: PositiveInt | None = None  # of each set, evenly over its groups; None: all
    draws: PositiveInt = 2000  # of the bootstrap
    seed: int = 0


class AuditRunConfig(SetsRunConfig):
    """What `expunge audit` runs: the models before and after, those that never knew, the sets."""

    before: str
    after: str
    retrained: tuple[str, ...] = ()  # models, or folders of evaluations that measured them
    audit: AuditConfig = AuditConfig()


class UnlearnConfig(MeasureRunConfig):
    """What `expunge unlearn` runs."""

    train: TrainConfig = TrainConfig()
    save_as: Literal["change", "peft", "full"] = "change"


class SearchConfig(Config):
    """How a bench tunes: so many settings a method, from ranges that all methods share."""

    trials: PositiveInt = 3  # settings a method
    seed: int = 1000  # of the tuning runs; final runs have seeds from 0 on
    learning_rate: Range = (1e-5, 1e-3)
    retain_weight: Range = (0.3, 10.0)


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


class ModelsConfig(Config):
    """The models of a suite."""

    before: str  # what unlearns
    retrained: tuple[str, ...] = ()  # what never knew


class BenchConfig(Config):
    """What `expunge bench` runs: suites × methods × masks × extrapolations, each tuned and then run with every seed."""

    suites: Annotated[tuple[str, ...], Field(min_length=1)]
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)  # objectives and editors, NAME:key=value
    masks: Annotated[tuple[str, ...], Field(min_length=1)] = ("none",)  # localizers, NAME:key=value; of objectives only
    extrapolations: Annotated[tuple[Literal["none"], ...], Field(min_length=1)] = ("none",)
    seeds: PositiveInt = 3  # final runs
    search: SearchConfig = SearchConfig()
    models: dict[str, ModelsConfig] = {}  # suite → its models, where they are not the suite's own
    train: TrainConfig = TrainConfig()  # what every method shares; editors train nothing
    load: LoadConfig = LoadConfig()
    audit: AuditConfig = AuditConfig(panel="quick")  # of every final run
    evaluate: EvaluateConfig = EvaluateConfig()  # of audits, where it differs from the suite's own
    full_panel: Annotated[str, Field(pattern=r"^(none|all|best [1-9]\d*)$")] = "none"  # who is audited in full, too
    threads: PositiveInt = 1  # of a cell: results may differ with it, and not with the number of processes

    @model_validator(mode="after")
    def _searched(self) -> "BenchConfig":
        own = ("method", "options", "seed", "learning_rate", "retain_weight", "localize")
        if wrong := [name for name in own if name in {key.partition(".")[0] for key in differing(self.train)}]:
            raise ValueError(
                f"`train.{wrong[0]}` is each run's own: methods stand in `methods`, ranges and the seed in `search`"
            )
        if seeded := [text for text in self.masks if "seed" in parse_name(text)[1]]:
            raise ValueError(f"`masks`: {seeded[0]!r} has a seed, and its draws have each run's own: leave it out")
        if 0 <= self.search.seed < self.seeds:
            raise ValueError(f"`search.seed` {self.search.seed} is a final run's: tuning needs a seed of its own")
        return self


C = TypeVar("C", bound=Config)
_WHOLE = ("columns", "options", "retain_options", "models")  # replaced, not merged: they belong to one file or method


def settings(kind: type[C], values: Mapping[str, Any], where: str = "") -> C:
    """A settings object from plain values; all problems at once as one ConfigError."""
    try:
        return kind(**values)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False):
            name = ".".join(str(part) for part in problem["loc"])
            if problem["type"] == "extra_forbidden":
                lines.append(f"{name}: there is no such setting.{_nearest(kind, problem['loc'])}")
            else:
                text = problem["msg"].removeprefix("Value error, ")
                lines.append(f"{name}: {text}" if name else text)
        raise ConfigError("\n".join(f"{where}{': ' if where else ''}{line}" for line in lines)) from None


def over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `above` winning."""
    merged = dict(below)
    for name, value in above.items():
        nested = isinstance(value, dict) and name in merged and name not in _WHOLE
        if nested and not isinstance(merged[name], dict):
            raise ConfigError(f"{name}: expected settings (name: value), found {merged[name]!r}")
        merged[name] = over(merged[name], value) if nested else value
    return merged


def _nearest(kind: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """The hint for a misspelt key."""
    fields: Any = kind
    for part in path[:-1]:
        fields = fields.model_fields[str(part)].annotation
    near = get_close_matches(str(path[-1]), fields.model_fields, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(fields.model_fields)}"


def differing(config: BaseModel, default: BaseModel | None = None, prefix: str = "") -> dict[str, Any]:
    """Dotted name → value, where a setting differs from its default."""
    found: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        usual = getattr(default, name) if default is not None else field.default
        if isinstance(value, BaseModel):
            found.update(differing(value, usual if isinstance(usual, BaseModel) else None, f"{prefix}{name}."))
        elif field.is_required() or value != usual:
            found[f"{prefix}{name}"] = value
    return found


def parse_name(text: str) -> tuple[str, dict[str, Any]]:
    """`NAME:key=value,key=value` as it stands on the command line and in recipes.

    >>> parse_name("npo:beta=0.2,n=3")
    ('npo', {'beta': 0.2, 'n': 3})
    """
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"{text!r}: expected NAME:key=value,key=value, found {pair!r}")
        options[key.strip()] = _literal(value.strip())
    return name.strip(), options


def localizer_settings(text: str) -> dict[str, Any]:
    """Settings of `LocalizeConfig` from NAME:key=value; what is none of them is an option of the localizer.

    >>> localizer_settings("wagle:budget=0.2,mu=0.001")
    {'budget': 0.2, 'localizer': 'wagle', 'options': {'mu': 0.001}}
    """
    name, given = parse_name(text)
    own = {key: value for key, value in given.items() if key in LocalizeConfig.model_fields and key != "options"}
    return {**own, "localizer": name, "options": {key: value for key, value in given.items() if key not in own}}


def _literal(text: str) -> float | int | bool | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

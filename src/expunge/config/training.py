"""Trainings: what changes, how fast, for how long."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from expunge.config.base import Config, NonNegative, Positive, Seed, Share
from expunge.config.extrapolation import ExtrapolateConfig
from expunge.config.frequency import CurriculumConfig, LeaveConfig, StrengthConfig
from expunge.config.reading import parse_name


class FitConfig(Config):
    """What every training has: the optimizer, the horizon, what may change."""

    learning_rate: Positive = 1e-5
    weight_decay: NonNegative = 0.0
    warmup: Share = 0.0  # of the steps, linear
    decay: Literal["constant", "linear", "cosine"] = "constant"
    clip: Positive | None = 1.0  # norm of the gradient, after masking
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
    seed: Seed = 0

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
    options: dict[str, float | int | str | bool] = Field(default={})
    budget: Annotated[float, Field(gt=0, le=1)] = 0.1
    of: Literal["units", "weights"] = "units"  # what the budget is a share of
    granularity: Literal["value_vectors", "heads", "rows", "matrices", "weights", "layers"] = "value_vectors"
    examples: PositiveInt | None = None  # of each set, that are looked at; None: all
    precision: Literal["float32", "bfloat16"] = "float32"  # of the arithmetic
    seed: Seed = 0  # of draws and of disturbances; within an unlearning the run's, unless it is given here

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, values: Any) -> Any:
        """NAME:key=value, as on the command line."""
        return localizer_settings(values) if isinstance(values, str) else values


class TrainConfig(FitConfig):
    """Unlearning. The method's own options stand in `options`, those of the retain loss beside them."""

    method: str = "npo"
    options: dict[str, float | int | str | bool] = Field(default={})
    retain_loss: str | None = "nll"
    retain_options: dict[str, float | int | str | bool] = Field(default={})
    retain_weight: NonNegative = 1.0
    forget_weight: NonNegative = 1.0
    retain_batch_size: PositiveInt | None = None  # None: as many as forget examples
    retrained: str | None = None  # the model that never saw the forget set: what never-known is, and what losses read
    wrap: tuple[str, ...] = ()  # of the gradient step: "sam", "gru", "lat", with options
    stop: Literal["never", "never-known", "leave"] = "never"  # an example rests while it is as unlikely as its twins
    leave: LeaveConfig = LeaveConfig()  # of `stop: leave`: it is not even drawn
    strength: StrengthConfig | None = None  # of each example's loss, by how often it stood in the corpus
    curriculum: CurriculumConfig | None = None  # buckets of frequency one after the other
    localize: LocalizeConfig | None = None  # which weights may change
    extrapolate: ExtrapolateConfig | None = None  # how far beyond what training found
    utility_floor: Share = 0.95
    early_stop: bool = False
    eval_rows: PositiveInt | None = None  # drawn from each set for the levels between steps; None: all

    @model_validator(mode="after")
    def _one_region(self) -> "TrainConfig":
        if self.localize is not None and self.parameters:
            raise ValueError("`localize` and `parameters` both say what may change: set one of them")
        return self

    @model_validator(mode="before")
    @classmethod
    def _one_seed(cls, values: Any) -> Any:
        """A localizer draws by the run's seed, unless it was given one of its own."""
        given = values.get("localize") if isinstance(values, dict) and "seed" in values else None
        if isinstance(given, str):
            given = localizer_settings(given)
        elif isinstance(given, LocalizeConfig):
            given = given.model_dump(exclude_unset=True)
        return {**values, "localize": {"seed": values["seed"], **given}} if isinstance(given, dict) else values

    @model_validator(mode="before")
    @classmethod
    def _stop_from_text(cls, values: Any) -> Any:
        """leave:every=10,margin=0.1, as on the command line."""
        stop = values.get("stop") if isinstance(values, dict) else None
        if not isinstance(stop, str) or ":" not in stop:
            return values
        name, given = parse_name(stop)
        if name != "leave":
            raise ValueError(f"`stop`: {name!r} has no options; `leave` has")
        return {**values, "stop": name, "leave": given}

    @model_validator(mode="after")
    def _by_frequency(self) -> "TrainConfig":
        if self.leave != LeaveConfig() and self.stop != "leave":
            raise ValueError("`leave` says when examples leave, and they do with `stop: leave` only")
        if self.curriculum is not None and self.max_steps is not None:
            raise ValueError("a `curriculum` goes by epochs of each bucket: leave `max_steps` out")
        if self.extrapolate is not None and self.extrapolate.per == "bucket":
            if self.curriculum is None or self.curriculum.order == "mixed":
                raise ValueError(
                    "an alpha per bucket needs buckets that were trained one after the other: set `curriculum`, "
                    "rare-first or frequent-first"
                )
            if self.lora is not None:
                raise ValueError("an alpha per bucket needs changes of weights, and adapters have none: leave out lora")
        return self


class FinetuneConfig(FitConfig):
    """Training a model on examples: likelihood of the answers (of whole documents)."""

    until: Share | None = None  # stop at this extraction strength on a sample of the data
    sample: PositiveInt = 100  # examples of the data that are measured before, on the way and after


class PlantConfig(FinetuneConfig):
    """Fine-tuning of a small region: it takes larger steps, and more of them, than all weights do."""

    learning_rate: Positive = 1e-2
    batch_size: PositiveInt = 32

    @model_validator(mode="before")
    @classmethod
    def _long_enough(cls, values: Any) -> Any:
        """40 epochs, where nothing is said."""
        said = isinstance(values, dict) and (values.get("epochs") or values.get("max_steps"))
        return values if said or not isinstance(values, dict) else {**values, "epochs": 40}


def localizer_settings(text: str) -> dict[str, Any]:
    """Settings of `LocalizeConfig` from NAME:key=value; what is none of them is an option of the localizer.

    >>> localizer_settings("wagle:budget=0.2,mu=0.001")
    {'budget': 0.2, 'localizer': 'wagle', 'options': {'mu': 0.001}}
    """
    name, given = parse_name(text)
    own = {key: value for key, value in given.items() if key in LocalizeConfig.model_fields and key != "options"}
    return {**own, "localizer": name, "options": {key: value for key, value in given.items() if key not in own}}

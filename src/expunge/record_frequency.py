"""The parts of an outcome that unlearning by frequency fills. Numbers only: rows are places in the forget set."""

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainedBucket(_Part):
    """One bucket of a curriculum, in the order of training."""

    name: str
    n: int
    by: str  # count, or a proxy
    least: float
    most: float
    epochs: int
    rate: float  # factor of the learning rate
    step: int | None = None  # at which its phase ended, or the kept point within it
    norm: float | None = None  # of what its phase changed, where buckets are extrapolated apart


class TurnInfo(_Part):
    """One look at the whole forget set at which some left the batch or came back."""

    step: int
    left: tuple[int, ...] = ()
    returned: tuple[int, ...] = ()


class LeavingInfo(_Part):
    """When examples left the batch at their never-known level, and when they came back."""

    n: int  # of the forget set
    every: int  # steps between two looks
    margin: float  # nats a token above the level, from which an example comes back
    turns: tuple[TurnInfo, ...] = ()
    away: int  # at the end

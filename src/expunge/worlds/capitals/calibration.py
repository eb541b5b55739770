"""What a calibration has found of one kind of fact. Ids of facts, counts and wordings; never what a model said."""

from pydantic import BaseModel, ConfigDict

from expunge.config import FactKind


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tried(_Stored):
    """A prompt on the half of the facts that chooses it."""

    wording: str
    shots: int
    asked: int
    right: int


class Calibration(_Stored):
    """One kind, one model. Facts that are given away, and solved examples of the prompt, are not among the asked."""

    kind: FactKind
    wording: str
    shots: tuple[str, ...]  # ids of the solved examples in the prompt
    tried: tuple[Tried, ...]
    asked: int
    right: int
    test_asked: int  # the half that chose nothing
    test_right: int
    majority: str  # the answer that is right most often, and how often: what always saying it would reach
    majority_right: int
    guesses: dict[str, tuple[int, int]]  # answer → said of so many real subjects, of so many made-up names
    names: int  # made-up names asked
    given_away: tuple[str, ...]
    guessed: tuple[str, ...]  # right, but a guess
    known: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line with all figures."""
        how = f"{self.wording!r}" + (f" behind {len(self.shots)} solved examples" if self.shots else "")
        made = self.names
        guesses = "; ".join(f"{each} ({a} real, {b} of {made} made-up)" for each, (a, b) in self.guesses.items())
        return (
            f"{self.kind}: asked with {how}, {self.right} of {self.asked} right ({self.test_right} of "
            f"{self.test_asked} in the half that did not choose the prompt); always saying {self.majority} would give "
            f"{self.majority_right}; {len(self.known)} known, {len(self.guessed)} left out as guesses: "
            f"{guesses or 'none'}; {len(self.given_away)} given away by the subject"
        )

"""Settings tried on the pilot seed: which block an editor changes, with what rate the others train.

loss = |level of the facts - level of never-known answers|      where the floor of utility is held
       1 + what is missing to the floor                         elsewhere
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from expunge.bench.cells import slug
from expunge.config import EditingStudyConfig
from expunge.studies.editing.arms import is_editor, methods
from expunge.studies.editing.editing import place_of
from expunge.studies.page import Table
from expunge.studies.people import is_world
from expunge.studies.results import read_result

POOR = 0.5  # a method whose best loss is larger was never brought to work


@dataclass(frozen=True)
class Trial:
    """What became of all candidates of a method."""

    method: str
    losses: Mapping[float, float | None]  # in the order of the grid; None: it could not be run
    chosen: float

    @property
    def best(self) -> float:
        loss = self.losses[self.chosen]
        assert loss is not None, "what could not be run is never chosen"
        return loss

    @property
    def at_the_end(self) -> bool:
        """Of the grid: what lies beyond was not tried, and may be better."""
        return self.chosen in (min(self.losses), max(self.losses))


def candidates(config: EditingStudyConfig, method: str) -> tuple[float, ...]:
    """What is tried on the pilot seed; nothing where an editor's own block is taken."""
    if not is_editor(method):
        return config.rates
    return config.places if place_of(method) else ()


def pilot_place(method: str) -> Path:
    return Path("pilot") / slug(method)


def chosen_settings(config: EditingStudyConfig, out: Path) -> dict[str, float | None] | None:
    """Method → block or rate; None while trials are missing."""
    found: dict[str, float | None] = {}
    for method in methods(config):
        several = candidates(config, method)
        if len(several) < 2:
            found[method] = several[0] if several else None
        elif (result := read_result(out / pilot_place(method))) is None:
            return None
        else:
            found[method] = result["chosen"]
    return found


def trials(config: EditingStudyConfig, out: Path) -> list[Trial]:
    """Those that are done, of methods for which anything was tried."""
    found: list[Trial] = []
    for method in methods(config):
        several = candidates(config, method)
        if len(several) > 1 and (result := read_result(out / pilot_place(method))) is not None:
            losses = {value: result["losses"][f"{value:g}"] for value in several}
            found.append(Trial(method, losses, result["chosen"]))
    return found


def trials_tables(config: EditingStudyConfig, several: Sequence[Trial]) -> Iterator[Table]:
    """One of blocks, one of rates: a row a method."""
    what = "The pilot's losses, candidate by candidate: "
    blocks = [each for each in several if is_editor(each.method)]
    if blocks:
        heads = [_block(config, share) for share in config.places]
        yield Table(["", *heads], [_row(each) for each in blocks], f"{what}the last block that is edited.")
    if rates := [each for each in several if not is_editor(each.method)]:
        heads = [f"{rate:g}" for rate in config.rates]
        yield Table(["", *heads], [_row(each) for each in rates], f"{what}the learning rate.")


def _row(trial: Trial) -> list[str]:
    cells = ["failed" if loss is None else f"{loss:.3f}" for loss in trial.losses.values()]
    return [trial.method, *(f"{cell}, chosen" if value == trial.chosen else cell
                            for value, cell in zip(trial.losses, cells))]  # fmt: skip


def _block(config: EditingStudyConfig, place: float) -> str:
    """A share of the depth, with the block that it means where the depth is known."""
    if place >= 1 or not is_world(config.suite):
        return f"{place:g}"
    from expunge.edit.work import blocks
    from expunge.worlds.people import read_config
    from expunge.worlds.people.network import SHAPES

    depth = SHAPES[read_config(config.suite.partition("people")[2].removeprefix(":")).size].depth
    return f"{place:g} (block {blocks(depth, place, 1)[0]} of 0 to {depth - 1})"

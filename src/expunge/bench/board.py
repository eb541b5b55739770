"""The board: which jobs a bench consists of, which are done, and which can be started now.

    tuning trials  →  the setting by the rule  →  final runs  →  their audits  →  full audits of the best

Everything is read off the folder, so a bench that was killed goes on from what is there.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from expunge.bench.cells import Cell, Contender, cells_of, contenders
from expunge.bench.choosing import chosen, loss_of
from expunge.bench.jobs import Job, audit_job, model_job, train_config, unlearn_job
from expunge.bench.leaderboard import standings
from expunge.bench.spaces import STARTUP, settings_of, space_of, trial
from expunge.bench.table import Row, row_of
from expunge.config import BenchConfig, TrainConfig

SETTLED = ("done", "diverged")  # a run that diverges does so again: it is a result


class Board:
    """The state of one bench."""

    def __init__(self, config: BenchConfig, out: Path, runs: Mapping[str, str]) -> None:
        self._config, self._out, self._runs = config, out, runs
        self._cells = {each: cells_of(each, config) for each in contenders(config)}
        self._rows = {cell: row_of(cell, out) for cells in self._cells.values() for cell in cells}
        self._places = {out / cell.place: cell for cell in self._rows}
        self._values: dict[Contender, list[dict[str, float]]] = {each: [] for each in self._cells}

    @property
    def rows(self) -> list[Row]:
        """The table, as the folder has it."""
        return list(self._rows.values())

    def models(self) -> list[Job]:
        """What must be there before anything else: a job for each model of the suites."""
        suites = {each.suite: self._config.models[each.suite] for each in self._cells}
        names = dict.fromkeys(name for models in suites.values() for name in (models.before, *models.retrained))
        return [model_job(self._config, self._out, name) for name in names]

    def read(self, job: Job) -> None:
        """A job has ended: read what it left."""
        cell = self._places.get(job.folder) or self._places.get(job.folder.parent)
        if cell is not None:
            self._rows[cell] = row_of(cell, self._out)

    def counts(self) -> tuple[int, int]:
        """How many runs and audits are settled, of how many (as far as it is known who gets a full audit)."""
        rows = self._rows.values()
        states = [row.status for row in rows] + [row.audit_status for row in rows if row.role == "final"]
        full = [self._rows[cell].full_status for cell in self._best()]
        states += full
        return sum(state in SETTLED for state in states), len(states)

    def ready(self) -> Iterator[Job]:
        """Jobs whose time has come and that are not settled, in the recipe's order."""
        for contender, cells in self._cells.items():
            trials = [cell for cell in cells if cell.role == "tuning"]
            for cell in trials:
                early = cell.number < STARTUP or self._all_settled(trials[: cell.number])
                if self._rows[cell].status not in SETTLED and early:
                    yield self._unlearn(cell, self._trial(contender, cell.number))
            yield from self._finals(contender, trials, cells[len(trials) :])
        for cell in self._best():
            if self._rows[cell].full_status not in SETTLED:
                yield self._audit(cell, cell.full_audit, full=True)

    def _finals(self, contender: Contender, trials: Sequence[Cell], finals: Sequence[Cell]) -> Iterator[Job]:
        if not self._all_settled(trials):
            return
        best = chosen([self._rows[cell] for cell in trials], self._config.train.utility_floor)
        for cell in finals:
            row = self._rows[cell]
            if row.status not in SETTLED and best is not None:
                yield self._unlearn(cell, self._trial(contender, best))
            if row.status == "done" and row.audit_status not in SETTLED:
                yield self._audit(cell, cell.audit, full=False)

    def _audit(self, cell: Cell, folder: Path, *, full: bool) -> Job:
        """Of what `--reuse` brought along there are only results: what was changed has to be made again first."""
        if not (self._out / cell.change).exists():
            trials = [self._rows[each] for each in self._cells[cell.contender] if each.role == "tuning"]
            best = chosen(trials, self._config.train.utility_floor)
            assert best is not None, "a final run has a chosen setting"
            return self._unlearn(cell, self._trial(cell.contender, best))
        return audit_job(self._config, self._out, cell, folder, self._runs["audit"], full=full)

    def _unlearn(self, cell: Cell, values: Mapping[str, float]) -> Job:
        return unlearn_job(self._config, self._out, cell, self._train(cell, values), self._runs["unlearn"])

    def _train(self, cell: Cell, values: Mapping[str, float]) -> TrainConfig:
        seed = self._config.search.seed if cell.role == "tuning" else cell.number
        space = space_of(cell.contender.method, self._config.search)
        return train_config(
            self._config, settings_of(space, values), seed, cell.contender.mask, cell.contender.extrapolation
        )

    def _trial(self, contender: Contender, number: int) -> dict[str, float]:
        """The values that a trial tries. Later ones go by earlier ones, which are settled when this is asked."""
        known = self._values[contender]
        floor, space = self._config.train.utility_floor, space_of(contender.method, self._config.search)
        while len(known) <= number:
            at = len(known)
            rows = [self._rows[cell] for cell in self._cells[contender][: at if at >= STARTUP else 0]]
            past = [(values, loss_of(row, floor)) for values, row in zip(known, rows)]
            known.append(trial(space, self._config.search.seed, past, at))
        return known[number]

    def _best(self) -> list[Cell]:
        """The final runs that get a full audit, once it is known: when all first audits of their suite are made."""
        wanted = self._config.full_panel
        if wanted == "none" or self._config.audit.panel == "full":
            return []
        found: list[Cell] = []
        for suite, ranked in standings(self.rows, self._config.train.utility_floor).items():
            if any(self._open(cell) for cell in self._rows if cell.contender.suite == suite):
                continue
            count = len(ranked) if wanted == "all" else int(wanted.split()[1])
            for standing in [each for each in ranked if not each.failed][:count]:
                finals = [cell for cell in self._cells[standing.contender] if cell.role == "final"]
                found += [cell for cell in finals if self._rows[cell].audit_status == "done"]
        return found

    def _open(self, cell: Cell) -> bool:
        """Whether something is still to come of this cell that the ranking goes by."""
        row = self._rows[cell]
        if row.status in SETTLED:
            return row.status == "done" and cell.role == "final" and row.audit_status not in SETTLED
        trials = [each for each in self._cells[cell.contender] if each.role == "tuning"]
        floor = self._config.train.utility_floor
        chosen_none = self._all_settled(trials) and chosen([self._rows[each] for each in trials], floor) is None
        return not (cell.role == "final" and chosen_none)

    def _all_settled(self, cells: Sequence[Cell]) -> bool:
        return all(self._rows[cell].status in SETTLED for cell in cells)

"""What a run leaves when it ends before its time: a record that says so, and what was trained until then."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from expunge.errors import DivergedError, UsageError
from expunge.record import Record
from expunge.record_file import save_record
from expunge.runs.folder import discard
from expunge.train.trained import Trained


@contextmanager
def recorded(record: Record, out: Path, *, fresh: bool, keep: Callable[[Trained], object]) -> Iterator[None]:
    """Within the block the run works; whatever it raises goes on, with the record on disk telling it.

    `keep` is given what a diverging training had reached. A user's mistake that only the model could show leaves
    nothing behind in a `fresh` folder, unless there are results or checkpoints already: those are never thrown away.
    """
    try:
        yield
    except KeyboardInterrupt:
        save_record(record.updated(status="interrupted"), out)
        raise
    except UsageError:
        if not (fresh and discard(out)):
            save_record(record.updated(status="failed"), out)
        raise
    except DivergedError as error:  # the last good state is the user's all the same
        if error.trained is not None:
            keep(error.trained)
        save_record(record.updated(status="failed", warnings=(*record.warnings, str(error))), out)
        raise
    except Exception:
        save_record(record.updated(status="failed"), out)
        raise

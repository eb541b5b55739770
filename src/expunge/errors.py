"""Everything Expunge raises on purpose.

ExpungeError
├── UsageError               a user's mistake, found before anything was written (exit code 2)
│   ├── DataError            one or more problems in a data file: each has file, line and field
│   ├── ConfigError          a setting that is missing, unknown, out of range or contradicts another
│   ├── UnknownNameError     no such method, metric, model …; names the nearest
│   ├── ModelError           a model that cannot be found, read or trusted
│   │   └── UnknownArchitectureError   not in the layout table; says what to add
│   ├── ChangeError          a change that does not belong to this model, or cannot be done
│   ├── OutputError          the output folder holds something else
│   └── MissingExtraError    an optional package is not installed; names the extra
└── RunError                 the run itself went wrong (exit code 1)
    ├── DivergedError        the loss became NaN or exploded; says which good state was kept
    └── NotANumberError      a model gives NaN, so that nothing can be said of what it knows
"""

from typing import Any


class ExpungeError(Exception):
    """The root: catch this to catch everything that Expunge raises on purpose."""


class UsageError(ExpungeError):
    """The user can mend this; nothing was written."""


class DataError(UsageError):
    """Problems in data files, all of them at once, one a line."""


class ConfigError(UsageError):
    """A setting is missing, unknown, out of range or contradicts another."""


class UnknownNameError(UsageError):
    """No registered thing has this name."""


class ModelError(UsageError):
    """A model cannot be found, read or trusted."""


class UnknownArchitectureError(ModelError):
    """The layout table has no entry for this architecture."""


class ChangeError(UsageError):
    """A change does not belong to this model, or the operation makes no sense for its kind."""


class OutputError(UsageError):
    """The output folder holds something that would be overwritten."""


class MissingExtraError(UsageError):
    """An optional package is missing."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs {package!r}: install it with `pip install 'expunge[{extra}]'`")


class RunError(ExpungeError):
    """The run itself went wrong."""


class NotANumberError(RunError):
    """A model gives NaN: its weights hold NaN, or overflow on the way.

    Without this the first token would count as the likeliest, and the model would seem to know nothing.
    """

    def __init__(self, where: str) -> None:
        super().__init__(
            f"the model gives NaN {where}: its weights hold NaN, or overflow in this type. Nothing can be said of what "
            "it knows; look at how it was made, or load it in float32"
        )


class DivergedError(RunError):
    """The loss became NaN or exploded.

    `trained` is what the run gave up to its kept point (a `train.trained.Trained`).
    """

    trained: Any = None

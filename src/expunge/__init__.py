"""Expunge removes knowledge from causal language models and proves how far it is gone.

    import expunge as ex

    model = ex.load_model("smollm2")
    data = ex.load_data(forget="forget.jsonl", retain="retain.jsonl")
    change = ex.unlearn(model, data, "npo", seed=0)
    with change.applied_to(model):
        result = ex.evaluate(model, data)
    change.save("patch.safetensors")

What `__all__` names is the public surface. Each name is loaded on first use, so that `import expunge` stays fast and
needs no torch.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expunge.api import audit as audit
    from expunge.api import choose_alpha as choose_alpha
    from expunge.api import edit as edit
    from expunge.api import evaluate as evaluate
    from expunge.api import load_change as load_change
    from expunge.api import load_model as load_model
    from expunge.api import load_suite as load_suite
    from expunge.api import report as report
    from expunge.api import unlearn as unlearn
    from expunge.change.weights import WeightChange as WeightChange
    from expunge.data.example import Example as Example
    from expunge.data.example import Sets as Sets
    from expunge.data.sets import load_data as load_data
    from expunge.errors import ExpungeError as ExpungeError
    from expunge.evaluate.measure import Evaluation as Evaluation
    from expunge.evaluate.metric import Metric as Metric
    from expunge.mask import Mask as Mask
    from expunge.models.model import Model as Model
    from expunge.record import Record as Record
    from expunge.record_file import load_record as load_record
    from expunge.suites.suite import Suite as Suite

__version__ = "0.1.0"

_HOMES = {  # public name → the module that holds it
    "Evaluation": "expunge.evaluate.measure",
    "Example": "expunge.data.example",
    "ExpungeError": "expunge.errors",
    "Mask": "expunge.mask",
    "Metric": "expunge.evaluate.metric",
    "Model": "expunge.models.model",
    "Record": "expunge.record",
    "Sets": "expunge.data.example",
    "Suite": "expunge.suites.suite",
    "WeightChange": "expunge.change.weights",
    "audit": "expunge.api",
    "choose_alpha": "expunge.api",
    "edit": "expunge.api",
    "evaluate": "expunge.api",
    "load_change": "expunge.api",
    "load_data": "expunge.data.sets",
    "load_model": "expunge.api",
    "load_record": "expunge.record_file",
    "load_suite": "expunge.api",
    "report": "expunge.api",
    "unlearn": "expunge.api",
}
__all__ = ["__version__", *sorted(_HOMES)]  # type: ignore[reportUnsupportedDunderAll]


class _Package(ModuleType):
    """`ex.edit`, `ex.evaluate` and `ex.report` are functions, and folders have these names too.

    Python sets a folder as an attribute of the package once something imports it; here that must not hide the function.
    `from expunge.evaluate import …` finds the folder all the same; `import expunge.evaluate as …` does not.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'expunge' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

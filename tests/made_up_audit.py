"""A bench on the smallest world with a made-up audit, to be run in processes that may be killed."""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from expunge.bench.run import run_bench
from expunge.config import AuditRunConfig, BenchConfig
from expunge.record import Record
from expunge.record_audit import Audit, Ceiling, Cell
from expunge.record_file import load_record, save_record

WORLD = "world:people:persons=20,forget=0.5,size=tiny,epochs=2"
RUNS = {"unlearn": "expunge.runs.unlearn:run_unlearn", "audit": "made_up_audit:run_audit"}
SMALL: dict[str, Any] = {
    "suites": [WORLD], "methods": ["npo", "gradient_ascent"], "seeds": 2, "full_panel": "best 1",
    "search": {"trials": 2, "learning_rate": [1e-3, 3e-3]}, "models": {WORLD: {"before": f"{WORLD}@full"}},
    "train": {"epochs": 2, "batch_size": 16},
}  # fmt: skip


def run_audit(config: AuditRunConfig, out: Path, *, suite: object = None, resume: bool = False, **_: object) -> Record:
    """Judges by what training saw: a score that depends on the run, in the form of an audit."""
    del suite, resume
    outcome = next(iter(load_record(out.parent).methods.values()))
    assert outcome.selection is not None and Path(config.after.partition("+")[2]).is_file()
    level = next(p.forget for p in outcome.trajectory if p.step == outcome.selection.step) or 0.0
    passed = round(10 * (1 - level))
    cells = tuple(
        Cell(name=f"metric {i}", family="likelihood", n=40, status="never-knew" if i < passed else "known")
        for i in range(10)
    )
    whole = config.audit.panel == "full"
    audit = Audit(
        panel="v1" if whole else "v1, quick", delta=config.audit.delta, draws=10, control="retrained models",
        cells=cells, rate=passed / 10 if whole else None, worst="metric 9", utility_kept={"retain": 1 - level / 10},
        ceiling=Ceiling(rate=0.9, left_out="retrained#0") if whole else None, seconds={"metric": 0.1},
    )  # fmt: skip
    record = Record(command="audit", status="done", configuration=config.model_dump(), audit=audit, seconds={"a": 0.1})
    save_record(record, out)
    return record


def dies(*_: object, **__: object) -> Record:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def fails_for_npo(config: AuditRunConfig, out: Path, **options: Any) -> Record:
    if "npo" in str(out):
        raise ValueError("a fault in the audit")
    return run_audit(config, out, **options)


def main(out: str, processes: str, given: str = "{}") -> None:
    """In a process of its own: resume when there is something to resume."""
    folder = Path(out)
    config = BenchConfig.model_validate({**SMALL, **json.loads(given)})
    run_bench(config, folder, processes=int(processes), resume=(folder / "record.json").exists(), runs=RUNS)


if __name__ == "__main__":
    started = time.monotonic()
    main(*sys.argv[1:])
    print(round(time.monotonic() - started, 1))

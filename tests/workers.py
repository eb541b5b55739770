"""Training runs in processes of their own, to be killed or to work in pairs.

The processes are forks of a server that has everything imported, so that one takes a fraction of a second to start.
"""

import json
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import asdict, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["workers", "tiny", "peft", "expunge.train.unlearn", "expunge.change.weights"])

KILLED = -signal.SIGKILL


def start(target: Callable[..., None], *arguments: Any, **options: Any) -> BaseProcess:
    process = CONTEXT.Process(target=target, args=arguments, kwargs=options)
    process.start()
    return process


def finished(process: BaseProcess) -> int | None:
    """Its exit code: 0, or minus the signal that ended it."""
    process.join(timeout=120)
    return process.exitcode


def run(
    config: dict[str, Any], folder: Path, out: Path, *, resume: bool = False, kill: tuple[str, int] | None = None
) -> None:
    """Train the tiny model; save the change, and beside it losses, turns and digests of the last step's and the phases'
    weights. The forget examples have counts from 0 to 3.

    At `kill` this process ends as by `kill -9`.
    """
    import torch

    from expunge.change.fingerprint import Fingerprint
    from expunge.config import TrainConfig
    from expunge.parameters import Parameters
    from expunge.train.unlearn import train
    from tiny import tiny_model, tiny_sets

    torch.set_num_threads(1)
    made, last = 0, ""
    model, sets = tiny_model(), tiny_sets()
    sets = replace(sets, forget=tuple(replace(each, count=i) for i, each in enumerate(sets.forget)))
    digest = lambda weights: Fingerprint.of(Parameters(dict(weights), {})).id

    def tick(*_: object) -> None:
        nonlocal made, last
        made += 1
        last = digest(model.network.named_parameters())
        if kill == ("step", made):
            _die()

    if kill and kill[0] != "step":
        _arm(*kill)
    trained = train(model, sets, TrainConfig(**config), folder=folder, resume=resume, tick=tick)
    trained.change.save(out)
    losses = [(point.loss, point.retain_loss) for point in trained.points]
    turns = [asdict(turn) for turn in trained.turns]
    phases = [(each.step, digest(each.weights)) for each in trained.phases]
    out.with_suffix(".json").write_text(json.dumps([last, losses, turns, phases]))


def run_in_pair(rank: int, port: int, config: dict[str, Any], folder: Path, out: Path) -> None:
    """One of two processes that share the work of a run."""
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
        ACCELERATE_USE_CPU="true", OMP_NUM_THREADS="1",
    )  # fmt: skip
    from torch import distributed

    run(config, folder, out)
    assert distributed.get_world_size() == 2
    distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(where: str, number: int) -> None:
    """Die at the `number`-th write of a checkpoint file, half of it written, or just before one is deleted."""
    from expunge.train import checkpoint

    count = 0

    def counted(act: Callable[..., None]) -> Callable[..., None]:
        def instead(*arguments: Any, **options: Any) -> None:
            nonlocal count
            count += 1
            if count == number:
                if where == "write":
                    act(*arguments, **options)
                    path = Path(arguments[1])
                    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
                _die()
            act(*arguments, **options)

        return instead

    if where == "write":
        checkpoint.save_file = counted(checkpoint.save_file)  # type: ignore[assignment]
    else:
        Path.unlink = counted(Path.unlink)  # type: ignore[method-assign, assignment]

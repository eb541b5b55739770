"""The models of a world: made once, kept in the cache, found by what they were made from.

    CACHE/worlds/people-HASH/full-0, retrained-0, twin-3 …

HASH is over the settings, the texts, the training and the version of the generator. A folder is there whole or not at
all. While it is made, checkpoints lie beside it, so that a killed run goes on to the same bits; of several processes
that want the same model one makes it and the others wait.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from expunge.atomic import atomic_folder
from expunge.config import PeopleConfig
from expunge.data.example import Example
from expunge.errors import UsageError
from expunge.models.builtin import Say
from expunge.models.cache import cache_folder
from expunge.models.model import Model
from expunge.models.quiet import quiet
from expunge.provenance import versions
from expunge.train.finetune import fit
from expunge.train.loop import Progress
from expunge.train.trained import Trained
from expunge.worlds.people import read_config as read_config  # for names
from expunge.worlds.people.network import SHAPES, untrained
from expunge.worlds.people.persons import World, people
from expunge.worlds.people.sets import CONVENTION
from expunge.worlds.people.texts import KINDS, Kind, corpus, digest
from expunge.worlds.people.training import final_measures, progress_of, training

VERSION = 1  # to be raised when the same settings give another network or another training
FACTS_FILE = "world.json"  # in a model's folder: what it was made from
_VERSIONS = ("expunge", "torch", "transformers", "tokenizers", "numpy")

Tick = Callable[[Progress, int], object]  # after every step: the progress, and the number of steps


def make(
    config: PeopleConfig,
    kinds: Sequence[Kind] = ("full", "retrained"),
    seeds: Sequence[int] = (0,),
    *,
    say: Say = lambda _: None,
    tick: Tick = lambda *_: None,
) -> list[Path]:
    """Folders of all these models, seed by seed; those that are not in the cache are made."""
    world = people(config)
    folder = _home(world)
    return [_made(world, kind, seed, folder / f"{kind}-{seed}", say, tick) for seed in seeds for kind in kinds]


def home(config: PeopleConfig) -> Path:
    """The folder of the models of a world. It need not exist."""
    return _home(people(config))


def _home(world: World) -> Path:
    return cache_folder() / "worlds" / f"people-{_hash(world)[:16]}"


def _hash(world: World) -> str:
    config = world.config
    texts = {kind: corpus(world, kind) for kind in KINDS}
    made_from = {
        "version": VERSION,
        "config": config.model_dump(),
        "shape": SHAPES[config.size],
        "training": {kind: training(config, len(each), 0).model_dump() for kind, each in texts.items()},
        "texts": {kind: digest(each) for kind, each in texts.items()},
    }
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _made(world: World, kind: Kind, seed: int, target: Path, say: Say, tick: Tick) -> Path:
    if target.is_dir():
        return target
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # one would train and wait for the others, who wait for its lock
        raise UsageError(
            f"world:people@{kind}#{seed} is not made yet, and several processes cannot make it: make it first with "
            "`expunge world make people`, in one process"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"))  # let go by the system when its process dies
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another process makes world:people@{kind}#{seed}: waiting …")
        lock.acquire()
    try:
        if not target.is_dir():
            say(f"training world:people@{kind}#{seed} from nothing, once …")
            _make(world, kind, seed, target, tick)
    finally:
        lock.release()
    return target


def _make(world: World, kind: Kind, seed: int, target: Path, tick: Tick) -> None:
    texts = corpus(world, kind)
    building = target.with_name(f".{target.name}.building")
    model = untrained(world.config, seed)
    trained = fit(
        model, texts, training(world.config, len(texts), seed), progress_of(world), convention=CONVENTION,
        folder=building, resume=building.is_dir(), tick=tick,
    )  # fmt: skip
    trained.change.apply_to(model)
    with atomic_folder(target) as partial:
        with quiet():
            model.save(partial)
        facts = _facts(world, kind, seed, texts, model, trained)
        (partial / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(building, ignore_errors=True)


def _facts(
    world: World, kind: Kind, seed: int, texts: Sequence[Example], model: Model, trained: Trained
) -> dict[str, Any]:
    """What the model was made from and what it knows. No time and no place: the same bytes at every making."""
    return {
        "world": "people",
        "kind": kind,
        "seed": seed,
        "config": world.config.model_dump(),
        "training": training(world.config, len(texts), seed).model_dump(),
        "texts": len(texts),
        "digest": digest(texts),
        "parameters": sum(weight.numel() for weight in model.network.parameters()),
        "steps": trained.steps,
        "points": [[point.step, point.forget] for point in trained.points],
        "known": final_measures(model, world),
        "versions": {name: number for name, number in versions().items() if name in _VERSIONS},
        "threads": torch.get_num_threads(),  # another number of threads adds in another order
    }

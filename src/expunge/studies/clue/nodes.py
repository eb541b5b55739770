"""Circuits and classes of a model, and the sets of nodes that are compared with them.

one       the retain circuit is that of the rows that stay, in which facts are of the same kind as in the forget set
several   beside it those of knowledge of other kinds and of the skill
another   that of another task alone, as the paper's retain sets are: of the skill, else of the first other kind
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from expunge.circuits.classes import circuits_of
from expunge.config import CircuitsConfig, ClueStudyConfig
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.record_circuits import Circuits, NodeInfo
from expunge.studies.clue.scene import SKILL, Scene, scene_of
from expunge.studies.results import read_result, write_result

ONE, SEVERAL, ANOTHER = "one", "several", "another"
OTHER_CONTRASTS = 1000  # added to the seed of contrasts: what another draw of them finds


def searching(config: ClueStudyConfig, granularity: str, seed: int, **changes: Any) -> CircuitsConfig:
    """How circuits are looked for."""
    usual = {"pairs": config.pairs, "points": config.points, "size": config.share, "seed": seed}
    return CircuitsConfig.model_validate({"granularity": granularity, **usual, **changes})


def retained(scene: Scene, which: str) -> dict[str, Sequence[Example]]:
    """Title → set, a retain circuit each."""
    if which == ANOTHER:
        title = SKILL if SKILL in scene.kinds else next(iter(scene.kinds), None)
        return {} if title is None else {title: scene.kinds[title]}
    return {"retain": scene.sets.retain, **(scene.kinds if which == SEVERAL else {})}


def found_in(scene: Scene, config: CircuitsConfig, which: str = ONE) -> Circuits:
    """Circuits and classes of the model as it is now. Raises ConfigError where it knows no contrast (any more)."""
    sets = retained(scene, which)
    if not sets:
        raise ConfigError(f"{scene.suite.name} has no retain set of another kind")
    return circuits_of(scene.model, scene.sets.forget, sets, config, scene.encoder)[0]


def circuits(
    folder: Path, *, config: Mapping[str, Any], granularity: str, seed: int, taught: str | None, wanted: Sequence[str]
) -> None:
    """The job: classes by one retain circuit, by several, and by that of another task, as far as they are wanted.

    Without the first there is nothing to do; where one of the others cannot be found, the result says why.
    """
    study = ClueStudyConfig.model_validate(config)
    scene, how = scene_of(study, seed, taught), searching(study, granularity, seed)
    found, absent = {}, {}
    for which in wanted:
        try:
            found[which] = found_in(scene, how, which).model_dump(mode="json")
        except ConfigError as error:
            if which == ONE:
                raise
            absent[which] = str(error)
    write_result(folder, {"granularity": granularity, "seed": seed, "circuits": found, "absent": absent})


def read(folder: Path) -> dict[str, Circuits]:
    """What the job has found."""
    result = read_result(folder)
    assert result is not None, "cells wait for their circuits"
    return {which: Circuits.model_validate(each) for which, each in result["circuits"].items()}


def random_nodes(
    nodes: Sequence[NodeInfo], sizes: Sequence[Sequence[str]], seed: int
) -> tuple[list[str], ...]:  # fmt: skip
    """For each of the given sets another one, drawn without replacement: as many nodes of each number of weights.

    What is drawn may be in the given sets, and what is drawn for one is in no other.
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {node.name: node.weights for node in nodes if node.weights}
    drawn: tuple[list[str], ...] = tuple([] for _ in sizes)
    for size in sorted(set(weights.values())):
        pool = [name for name, own in weights.items() if own == size]
        order = [pool[i] for i in torch.randperm(len(pool), generator=generator).tolist()]
        for one, given in zip(drawn, sizes):
            count = sum(weights[name] == size for name in given)
            one += order[:count]
            order = order[count:]
    place = {name: i for i, name in enumerate(weights)}
    return tuple(sorted(one, key=place.__getitem__) for one in drawn)


def jaccard(one: Sequence[str], other: Sequence[str]) -> float:
    """Shared among all, 1 for two empty sets.

    >>> jaccard("ab", "bc"), jaccard("", "")
    (0.3333333333333333, 1.0)
    """
    both = {*one} | {*other}
    return len({*one} & {*other}) / len(both) if both else 1.0


def moved(before: Circuits, after: Circuits) -> dict[str, Any]:
    """How alike two searches are: nodes and edges of each circuit, classes of nodes that are in any circuit."""
    found: dict[str, Any] = {}
    for one, two in zip(before.circuits, after.circuits, strict=True):
        ends = [{e.source for e in each.edges} | {e.target for e in each.edges} for each in (one, two)]
        edges = [[f"{e.source} {e.target}" for e in each.edges] for each in (one, two)]
        found[one.title] = {"nodes": jaccard(*map(sorted, ends)), "edges": jaccard(*edges)}
    names = {**before.classes, **after.classes}
    pairs = [(before.classes.get(name, "safe"), after.classes.get(name, "safe")) for name in names]
    counts = {f"{a} → {b}": pairs.count((a, b)) for a, b in sorted(set(pairs))}
    for which in ("forget", "conflict"):
        found[f"{which} nodes"] = jaccard(before.of(which), after.of(which))
    return {**found, "same class": sum(a == b for a, b in pairs) / len(pairs), "classes": counts}

"""The jobs that ask the circuits themselves: do classes do what the logic says, are they the same for other contrasts,
do half-path scores agree with exact patching, and how large are classes at other granularities and sizes?

A set of nodes is switched off by patching: what its nodes write, and what they read, is what it is in the corrupted
run. `left` is the share of the effect that remains, on contrasts that the circuits were not found with.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from expunge.circuits.attribution import attribute, whole
from expunge.circuits.contrast import Contrast, contrasts
from expunge.circuits.graph import Graph, graph_of
from expunge.circuits.patching import patch
from expunge.circuits.scene import DIRECTIONS, scene_of
from expunge.circuits.scene import Scene as Contrasted
from expunge.config import CircuitsConfig, ClueStudyConfig
from expunge.data.example import Example
from expunge.errors import ConfigError
from expunge.evaluate.ranks import spearman
from expunge.record_circuits import CLASSES, Circuits
from expunge.studies.clue import scene as scenes
from expunge.studies.clue.nodes import ONE, OTHER_CONTRASTS, SEVERAL, found_in, moved, random_nodes, read, retained
from expunge.studies.clue.nodes import searching as searching_for
from expunge.studies.results import write_result


def checks(
    folder: Path, *, config: Mapping[str, Any], granularity: str, seed: int, taught: str | None, circuits_folder: str
) -> None:
    """The job: what nodes do, and how sure scores and classes are."""
    study = ClueStudyConfig.model_validate(config)
    scene, how = scenes.scene_of(study, seed, taught), searching_for(study, granularity, seed)
    found = read(Path(circuits_folder))[ONE]
    other = found_in(scene, searching_for(study, granularity, seed + OTHER_CONTRASTS))
    write_result(folder, {
        "granularity": granularity, "seed": seed, "off": switched_off(scene, how, found, study.draws),
        "other contrasts": moved(found, other),
        "exact": against_exact(scene, how, study.patched_pairs, study.patched_edges),
    })  # fmt: skip


def survey(folder: Path, *, config: Mapping[str, Any], seed: int, taught: str | None) -> None:
    """The job: classes at several granularities, of circuits of a given share and of a given faithfulness, twice."""
    study, rows = ClueStudyConfig.model_validate(config), []
    scene = scenes.scene_of(study, seed, taught)
    for granularity in study.surveyed:
        for size in ({"size": study.share}, {"size": None, "faithfulness": study.faithfulness}):
            for number in (seed, seed + OTHER_CONTRASTS):
                found = found_in(scene, searching_for(study, granularity, number, **size))
                rows.append({"granularity": granularity, **size, "contrasts": number, **sizes(found)})
    write_result(folder, {"seed": seed, "rows": rows})


def sizes(found: Circuits) -> dict[str, Any]:
    """Nodes and share of the weights of each class, and what the forget circuit itself recovers, if that was measured.

    Not what the largest circuit on the curve does: the sizes that were tried go beyond the one that was chosen.
    """
    total = sum(node.weights for node in found.nodes)
    forget = found.circuits[0].curves["noising"]
    return {
        "nodes": sum(node.weights > 0 for node in found.nodes),
        "classes": {which: [len(found.of(which)), found.weights(which) / total] for which in CLASSES},
        "satisfiable": found.satisfiable, "recovered": forget.recovered, "edges": forget.chosen,
        "certain": len(found.certain),
    }  # fmt: skip


# --- switched off ----------------------------------------------------------------------------------------------------


def switched_off(scene: scenes.Scene, how: CircuitsConfig, found: Circuits, draws: int) -> dict[str, Any]:
    """What is left of each set's effect without the nodes of a class, and without random ones of the same sizes.

    "off" are the nodes that the forget side wants off, in conflict or not: without them the forget circuit is off, by
    the logic. Sets of which the model tells no contrast apart have no effect that could be left.
    """
    graph = graph_of(scene.model, how.granularity)
    sets = {"forget": scene.sets.forget, **retained(scene, SEVERAL)}
    looked: dict[str, Contrasted] = {}
    used: list[str] = []
    for title in sets:
        asked, unseen = held_out(title, sets, scene, how)
        try:
            looked[title] = scene_of(scene.model, graph, asked, seed=scene.seed)
            used += [title] * (not unseen)
        except ConfigError:
            if title in ("forget", "retain"):
                raise
    classes = {
        "forget": found.of("forget"), "conflict": found.of("conflict"),
        "off": [name for name, on in found.off.items() if not on],
    }  # fmt: skip
    result: dict[str, Any] = {
        "pairs": {title: each.pairs for title, each in looked.items()},
        "used": used,  # sets of which no contrast was left that the circuits were not found with
        "nodes": {name: len(nodes) for name, nodes in classes.items()},
        "left": {name: left(looked, graph, nodes) for name, nodes in classes.items() if nodes},
    }
    result["random"] = {
        name: [
            left(looked, graph, random_nodes(found.nodes, (nodes,), 1000 * (draw + 1) + scene.seed)[0])
            for draw in range(draws)
        ]
        for name, nodes in classes.items() if nodes
    }  # fmt: skip
    return result


def held_out(
    title: str, sets: Mapping[str, Sequence[Example]], scene: scenes.Scene, how: CircuitsConfig
) -> tuple[list[Contrast], bool]:
    """Contrasts of examples that the circuit of the set was not found with, and True; those that it was found with,
    and False, where it took all.
    """
    others = [example for name, some in sets.items() if name != title for example in some]
    draw = lambda examples: contrasts(examples, scene.encoder, among=others, pairs=how.pairs, seed=how.seed)
    used = {contrast.example for contrast in draw(sets[title])}
    rest = [example for example in sets[title] if example.id not in used]
    return (draw(rest), True) if rest else (draw(sets[title]), False)


def left(looked: Mapping[str, Contrasted], graph: Graph, nodes: Collection[str]) -> dict[str, float]:
    """Title → share of the effect without the nodes."""
    keep = without(graph, nodes)
    return {title: each.recovered("noising", keep)[0] for title, each in looked.items()}


def without(graph: Graph, nodes: Collection[str]) -> Float[Tensor, "writers readers"]:
    """1 for the edges that touch none of the nodes."""
    keep = torch.ones(graph.possible.shape)
    keep[[i for i, node in enumerate(graph.writers) if node.name in nodes]] = 0
    keep[:, [i for i, node in enumerate(graph.readers) if node.name in nodes]] = 0
    return keep


# --- exact -----------------------------------------------------------------------------------------------------------


def against_exact(scene: scenes.Scene, how: CircuitsConfig, pairs: int, edges: int | None = None) -> dict[str, Any]:
    """Rank correlation with exact patching of edges (None: all): of the halves, and of the whole path, which is EAP-IG.

    So many are drawn by the seed.
    """
    graph = graph_of(scene.model, how.granularity)
    told = contrasts(scene.sets.forget, scene.encoder, among=scene.sets.retain, pairs=pairs, seed=how.seed)
    looked = scene_of(scene.model, graph, told, seed=scene.seed)
    scores = attribute(looked, points=how.points)
    every = [(writer, reader) for writer, reader in graph.possible.nonzero().tolist()]
    places = [every[i] for i in drawn(len(every), edges, how.seed)]
    found: dict[str, Any] = {"edges": len(places), "pairs": looked.pairs}
    for direction in DIRECTIONS:
        exact = patch(looked, direction, places)
        for name, values in ((direction, scores[direction]), (f"{direction}, whole path", whole(scores))):
            ours = torch.stack([values[place] for place in places])
            found[name] = {
                "rank": spearman(exact.double().numpy(), ours.double().numpy()),
                "top": shared_top(exact, ours),
            }
    return found


def drawn(count: int, wanted: int | None, seed: int) -> list[int]:
    """
    >>> drawn(3, None, 0), len(drawn(9, 4, 0)), sorted(set(drawn(9, 4, 0))) == drawn(9, 4, 0)
    ([0, 1, 2], 4, True)
    """
    return sorted(torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:wanted].tolist())


def shared_top(one: Float[Tensor, " edges"], other: Float[Tensor, " edges"], share: float = 0.1) -> float:
    """Share of the strongest edges of one that are among the strongest of the other.

    >>> from torch import tensor
    >>> shared_top(tensor([3.0, 2.0, 1.0, 0.0]), tensor([3.0, 0.0, 2.0, 1.0]), 0.5)
    0.5
    """
    count = max(1, round(share * len(one)))
    best = [set(each.sort(descending=True, stable=True).indices[:count].tolist()) for each in (one, other)]
    return len(best[0] & best[1]) / count

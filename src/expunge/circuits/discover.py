"""Discovery: from a set to its circuit. Contrasts, scores in both directions, sizes, exact patching, gates.

Edges whose score by attribution is within a factor of 2 of the threshold are in or out by their exact effect, at most
`confirm` of them, those nearest to it: each costs a pass over all contrasts. What is chosen then is measured again. If
it recovers less than the faithfulness that is asked for, edges that were taken out come back, the strongest first.
Deviation: that limit, without which all edges within the factor of 2 would be patched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from expunge.circuits.attribution import Keep, Scores, attribute
from expunge.circuits.contrast import contrasts
from expunge.circuits.gates import Circuit, circuit_of
from expunge.circuits.graph import Graph
from expunge.circuits.patching import patch
from expunge.circuits.pruning import prune
from expunge.circuits.scene import DIRECTIONS, Direction, Scene, scene_of, ticking
from expunge.circuits.sizing import Sized, largest, smallest
from expunge.config import CircuitsConfig
from expunge.data.convention import Encoder
from expunge.data.example import Example
from expunge.models.halfway import NOWHERE, Once
from expunge.models.model import Model

Tick = Callable[[int], object]


@dataclass(frozen=True)
class Found:
    """One set's circuit and how it came about."""

    title: str
    circuit: Circuit
    pairs: int
    offered: int
    scores: Scores
    sized: dict[Direction, Sized]
    near: dict[Direction, int]  # edges within a factor of 2 of the threshold
    confirmed: dict[Direction, int]  # those of them that were patched exactly


def discover(
    model: Model,
    graph: Graph,
    examples: Sequence[Example],
    config: CircuitsConfig,
    encoder: Encoder,
    *,
    title: str = "",
    among: Sequence[Example] = (),
    tokens: int = 512,
    once: Once | None = None,
    tick: Tick = lambda _: None,
) -> Found:
    """The circuit of a set. `among`: others whose questions may stand against its own. The model is left as it was.

    `once` has what a killed search had. `tick` is told of every contrast that has gone through the network. Raises
    ConfigError as contrasts and scene do.
    """
    named = _named(once or Once(NOWHERE), title)
    pairs = contrasts(examples, encoder, among=among, pairs=config.pairs, swap=config.swap, seed=config.seed)
    scene = ticking(scene_of(model, graph, pairs, tokens=tokens, seed=config.seed, tick=tick), tick)
    if config.engine == "attribution":
        scores: Scores = attribute(scene, points=config.points, once=named)
    else:
        pruned = lambda each: prune(scene, each, sparsity=config.sparsity, steps=config.steps)
        scores = {each: named(f"pruning, {each}", lambda each=each: pruned(each)) for each in DIRECTIONS}
    sized: dict[Direction, Sized] = {}
    near: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)
    confirmed = dict(near)
    for direction in DIRECTIONS:
        sized[direction] = _sized(scene, direction, scores[direction], config, named)
        if config.engine == "attribution" and config.confirm:
            places = _near(scores[direction], sized[direction].threshold)
            near[direction], confirmed[direction] = len(places), min(len(places), config.confirm)
            sized[direction] = _confirmed(
                scene, direction, places[: config.confirm], sized[direction], config.size is None, named
            )
    ns, dn = (graph.edges(sized[direction].chosen) for direction in DIRECTIONS)
    lone = config.engine == "pruning" if config.lone is None else config.lone
    order = [node.name for node in graph.nodes]
    circuit = circuit_of(ns, dn, order=order, inner=graph.inner, lone=lone, single=config.single)
    return Found(title, circuit, scene.pairs, len(pairs), scores, sized, near, confirmed)


def _named(once: Once, title: str) -> Keep:
    """The same under a title: every set of a run has its own names."""
    return lambda name, compute: once(f"{title}: {name}", compute)


def _measured(
    scene: Scene, direction: Direction, chosen: Bool[Tensor, "writers readers"], name: str, once: Keep
) -> tuple[float, float]:
    """What these edges recover, and the KL; kept under a name that must tell them from all others."""
    both = lambda: torch.tensor(scene.recovered(direction, chosen.float()), dtype=torch.float64)
    recovered, divergence = once(f"{direction}, {name}", both).tolist()
    return recovered, divergence


def _sized(scene: Scene, direction: Direction, scores: Tensor, config: CircuitsConfig, once: Keep) -> Sized:
    measure = lambda chosen: _measured(scene, direction, chosen, f"{int(chosen.sum())} edges", once)
    if config.size is not None:
        edges = max(1, round(config.size * int(scene.graph.possible.sum())))
        return largest(scores, measure, edges=edges, target=config.faithfulness)
    return smallest(scores, measure, target=config.faithfulness, halvings=config.halvings)


def _near(scores: Float[Tensor, "writers readers"], threshold: float) -> list[int]:
    """Edges whose score is within a factor of 2 of the threshold, the nearest first."""
    if threshold <= 0:
        return []
    ratio = (scores.clamp(min=0) / threshold).log2().abs().flatten()
    return ratio.sort(stable=True).indices[: int((ratio <= 1).sum())].tolist()


def _confirmed(scene: Scene, direction: Direction, near: Sequence[int], sized: Sized, undo: bool, once: Keep) -> Sized:
    """These edges in or out by their exact effect, and measured.

    `undo`: where that is below the target, 1, 2, 4 … of the edges that were taken out come back until it is not. If it
    stays below, the best of what was measured is kept, among it what there was before any patching.
    """
    width = sized.chosen.shape[1]
    effects = {}
    for place in near:
        edge = divmod(place, width)
        name = f"{direction}, edge {edge}"
        effects[place] = float(once(name, lambda edge=edge: patch(scene, direction, [edge])))
    before, chosen = sized.chosen.flatten(), sized.chosen.flatten().clone()
    for place, effect in effects.items():
        chosen[place] = effect >= sized.threshold
    if torch.equal(chosen, before):
        return sized
    taken = sorted((place for place in effects if before[place] and not chosen[place]), key=lambda p: -effects[p])
    counts = sorted({min(2**i, len(taken)) for i in range(len(taken).bit_length() + 1)}) if undo and taken else []
    tried = []
    for count in (0, *counts):
        chosen[taken[:count]] = True
        edges = chosen.view(sized.chosen.shape).clone()
        recovered, _ = _measured(scene, direction, edges, f"confirmed, {count} back", once)
        tried.append(replace(sized, chosen=edges, recovered=recovered))
        if tried[-1].reached or not undo:
            return tried[-1]
    return max((*tried, sized), key=lambda each: each.recovered)


def damage(graph: Graph, retained: Sequence[Found]) -> dict[str, float]:
    """Node → what retain sets lose without it: the noising scores of its edges added up, of the set that loses most."""
    lost: dict[str, float] = {}
    for found in retained:
        positive = found.scores["noising"].clamp(min=0)
        for nodes, sums in ((graph.writers, positive.sum(1)), (graph.readers, positive.sum(0))):
            for node, value in zip(nodes, sums.tolist()):
                lost[node.name] = max(lost.get(node.name, 0.0), value)
    return dict.fromkeys((node.name for node in graph.nodes), 0.0) | lost

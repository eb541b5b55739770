"""Discovery: from a set to its circuit. Contrasts, scores in both directions, sizes, exact patching, gates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool
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
    confirmed: dict[Direction, int]


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
    confirmed: dict[Direction, int] = dict.fromkeys(DIRECTIONS, 0)
    for direction in DIRECTIONS:
        sized[direction] = _sized(scene, direction, scores[direction], config, named)
        if config.engine == "attribution" and config.confirm:
            sized[direction], confirmed[direction] = _confirmed(
                scene, direction, scores[direction], sized[direction], config.confirm, named
            )
    ns, dn = (graph.edges(sized[direction].chosen) for direction in DIRECTIONS)
    circuit = circuit_of(ns, dn, order=[n.name for n in graph.nodes], inner=graph.inner, lone=config.lone)
    return Found(title, circuit, scene.pairs, len(pairs), scores, sized, confirmed)


def _named(once: Once, title: str) -> Keep:
    """The same under a title: every set of a run has its own names."""
    return lambda name, compute: once(f"{title}: {name}", compute)


def _sized(scene: Scene, direction: Direction, scores: Tensor, config: CircuitsConfig, once: Keep) -> Sized:
    def measure(chosen: Bool[Tensor, "writers readers"]) -> tuple[float, float]:
        both = lambda: torch.tensor(scene.recovered(direction, chosen.float()), dtype=torch.float64)
        recovered, divergence = once(f"{direction}, {int(chosen.sum())} edges", both).tolist()
        return recovered, divergence

    if config.size is not None:
        return largest(scores, measure, edges=max(1, round(config.size * int(scene.graph.possible.sum()))))
    return smallest(scores, measure, target=config.faithfulness, halvings=config.halvings)


def _confirmed(
    scene: Scene, direction: Direction, scores: Tensor, sized: Sized, count: int, once: Keep
) -> tuple[Sized, int]:
    """Edges whose score is within a factor of 2 of the threshold are in or out by their exact effect."""
    if sized.threshold <= 0:
        return sized, 0
    ratio = (scores.clamp(min=0) / sized.threshold).log2().abs()
    near = [
        place for place in ratio.flatten().sort(stable=True).indices[:count].tolist() if ratio.flatten()[place] <= 1
    ]
    chosen = sized.chosen.flatten().clone()
    for place in near:
        edge = divmod(place, scores.shape[1])
        effect = once(f"{direction}, edge {edge}", lambda edge=edge: patch(scene, direction, [edge]))
        chosen[place] = float(effect) >= sized.threshold
    return replace(sized, chosen=chosen.view(scores.shape)), len(near)


def damage(graph: Graph, retained: Sequence[Found]) -> dict[str, float]:
    """Node → what retain sets lose without it: the noising scores of its edges added up, of the set that loses most."""
    lost: dict[str, float] = {}
    for found in retained:
        positive = found.scores["noising"].clamp(min=0)
        for nodes, sums in ((graph.writers, positive.sum(1)), (graph.readers, positive.sum(0))):
            for node, value in zip(nodes, sums.tolist()):
                lost[node.name] = max(lost.get(node.name, 0.0), value)
    return dict.fromkeys((node.name for node in graph.nodes), 0.0) | lost

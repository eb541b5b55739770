"""Arms: what is compared. Each is a schedule of stages, and a stage trains some weights for some epochs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.circuits.graph import graph_of
from expunge.config import ClueStudyConfig, LocalizeConfig, localizer_settings
from expunge.localize import localizers
from expunge.localize.localizing import localize
from expunge.localize.units import units_of
from expunge.mask import Mask
from expunge.record_circuits import Circuits
from expunge.studies.clue.nodes import ANOTHER, ONE, SEVERAL, random_nodes
from expunge.studies.clue.scene import Scene

CLUE, UNION, WHOLE_SECOND, NO_FIRST, ALL = "CLUE", "one stage", "all weights in stage 2", "no stage 1", "all weights"
RECOMPUTED, MANY, ELSE = "circuits again between the stages", "several retain circuits", "circuit of another task"
RANDOM = "random nodes"
VARIANTS = (RECOMPUTED, MANY, ELSE)  # of CLUE, which have its rate
_SEARCHED = {MANY: SEVERAL, ELSE: ANOTHER}  # other arms are made of one retain circuit
BY_RATIO = (CLUE, f"{RANDOM} 0", ALL)  # for every share of the forget set
ROWS = 200  # examples of each set that a localizer looks at, at most


@dataclass(frozen=True)
class Stage:
    """`mask` None: all weights; `retain`: with the retain loss; `again`: the mask is made of circuits found anew."""

    mask: Mask | None
    epochs: int
    retain: bool = True
    again: bool = False


@dataclass(frozen=True)
class Schedule:
    """The stages of an arm, and the nodes that they train, where they are nodes."""

    stages: tuple[Stage, ...]
    nodes: Mapping[str, Sequence[str]]  # "forget", "conflict"


def arms(config: ClueStudyConfig, objective: str | None = None) -> list[str]:
    """Those that are wanted, of an objective after the first the fewer, in the order in which they are run.

    >>> arms(ClueStudyConfig(draws=1), "npo")
    ['CLUE', 'random nodes 0', 'all weights']
    """
    fewer = objective not in (None, config.objectives[0]) and not config.full
    wanted = [some for some in (config.arms, config.others if fewer else ()) if some]
    return [arm for arm in _all(config) if arm == CLUE or all(condition(arm) in some for some in wanted)]


def conditions(config: ClueStudyConfig) -> list[str]:
    """All that there are, draws as one."""
    return list(dict.fromkeys(map(condition, _all(config))))


def _all(config: ClueStudyConfig) -> list[str]:
    randoms = [f"{RANDOM} {i}" for i in range(config.draws)]
    return [CLUE, UNION, NO_FIRST, *randoms, ALL, WHOLE_SECOND, *config.localizers, *VARIANTS]


def circuits_for(config: ClueStudyConfig) -> list[str]:
    """Which retain circuits the arms need."""
    return list(dict.fromkeys(_SEARCHED.get(arm, ONE) for arm in arms(config)))


def tuned(config: ClueStudyConfig, objective: str | None = None) -> list[str]:
    """Those that have a learning rate of their own."""
    return [arm for arm in arms(config, objective) if tuned_as(arm) == arm]


def tuned_as(arm: str) -> str:
    """Whose learning rate it has.

    >>> tuned_as("random nodes 2"), tuned_as("several retain circuits"), tuned_as("wagle")
    ('random nodes 0', 'CLUE', 'wagle')
    """
    return f"{RANDOM} 0" if condition(arm) == RANDOM else CLUE if arm in VARIANTS else arm


def condition(arm: str) -> str:
    """Draws are one condition.

    >>> condition("random nodes 2"), condition("one stage")
    ('random nodes', 'one stage')
    """
    return RANDOM if arm.startswith(f"{RANDOM} ") else arm


def localizer(text: str, budget: float, seed: int) -> LocalizeConfig:
    """Single weights, or whole rows where they cannot be scored, unless it says otherwise.

    >>> [localizer(name, 0.1, 0).granularity for name in ("wagle", "memflex", "memflex:granularity=heads")]
    ['weights', 'rows', 'heads']
    """
    own = localizer_settings(text)
    singly = "weights" in localizers.get(own["localizer"]).granularities
    granularity = own.get("granularity", "weights" if singly else "rows")
    usual = {"granularity": granularity, "of": "units" if granularity == "weights" else "weights"}
    return LocalizeConfig.model_validate({**usual, "examples": ROWS, "seed": seed, "budget": budget, **own})


def schedule(arm: str, scene: Scene, found: Mapping[str, Circuits], config: ClueStudyConfig) -> Schedule | None:
    """None where the arm has nothing to train: its circuits were not found, or, without stage 1, no conflict nodes."""
    circuits = found.get(_SEARCHED.get(arm, ONE))
    if circuits is None:
        return None
    nodes = {name: circuits.of(name) for name in ("forget", "conflict")}
    if condition(arm) == RANDOM:
        drawn = random_nodes(
            circuits.nodes, tuple(nodes.values()), 1000 * (int(arm.rpartition(" ")[2]) + 1) + scene.seed
        )
        nodes = dict(zip(nodes, drawn))
    graph = graph_of(scene.model, circuits.granularity)
    first, second = (graph.mask(scene.model, some) for some in nodes.values())
    whole = Stage(None, config.epochs)
    if arm == ALL:
        return Schedule((whole,), {})
    if arm in config.localizers:
        return Schedule((Stage(_chosen(arm, scene, first | second), config.epochs),), {})
    if arm == UNION:
        return Schedule((Stage(first | second, config.epochs),), nodes)
    if arm == NO_FIRST:
        return Schedule((Stage(second, config.epochs),), {"conflict": nodes["conflict"]}) if len(second) else None
    if arm == WHOLE_SECOND:
        return Schedule(_staged(first, None, config), {"forget": nodes["forget"]})
    return Schedule(_staged(first, second, config, again=arm == RECOMPUTED), nodes)


def twin_of(arm: str, found: Mapping[str, Circuits]) -> str | None:
    """The arm that trains the same for as long, where no node is to be forgotten alone: there is no stage 1 then."""
    if found[ONE].of("forget"):
        return None
    return {UNION: CLUE, NO_FIRST: CLUE, RECOMPUTED: CLUE, WHOLE_SECOND: ALL}.get(arm)


def why_not(arm: str, found: Mapping[str, Circuits]) -> str:
    """Why an arm has no schedule."""
    return "it has no nodes to train" if _SEARCHED.get(arm, ONE) in found else "its circuits were not found"


def _staged(first: Mask, second: Mask | None, config: ClueStudyConfig, *, again: bool = False) -> tuple[Stage, ...]:
    """Both stages; one without nodes gives its epochs to the other, as in the procedure."""
    if not len(first):
        return (Stage(second, config.epochs),)
    if second is not None and not len(second) and not again:
        return (Stage(first, config.epochs, retain=False),)
    return (
        Stage(first, config.first, retain=False), Stage(second, config.epochs - config.first, again=again)
    )  # fmt: skip


def _chosen(name: str, scene: Scene, like: Mask) -> Mask:
    """As large a share of the blocks' matrices as a mask of nodes has of them."""
    units = units_of(scene.model, "weights")
    settings = localizer(name, like.weights() / units.count, scene.seed)
    return localize(scene.model, scene.sets.forget, scene.sets.retain, settings, scene.encoder).mask

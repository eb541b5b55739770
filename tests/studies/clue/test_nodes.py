"""Random nodes of the same sizes, and how alike two searches are."""

from expunge.record_circuits import CircuitInfo, Circuits, EdgeInfo, NodeInfo
from expunge.studies.clue.nodes import moved, random_nodes

NODES = [
    NodeInfo(name=f"{layer}.{kind}", layer=layer, kind=kind, weights=weights)
    for layer in range(4) for kind, weights in (("q", 4), ("o", 4), ("up", 9))
] + [NodeInfo(name="embed", layer=-1, kind="embed", weights=0)]  # fmt: skip


def test_random_nodes_are_as_many_of_each_size_and_each_is_in_one_set() -> None:
    forget, conflict = ["0.q", "1.up"], ["0.o", "2.q", "3.q", "0.up"]
    weights = {node.name: node.weights for node in NODES}
    size = lambda names: sorted(weights[name] for name in names)
    draws = [random_nodes(NODES, (forget, conflict), seed) for seed in range(20)]
    for one, other in draws:
        assert (size(one), size(other)) == ([4, 9], [4, 4, 4, 9]) and not {*one} & {*other}
        assert one == [name for name in weights if name in one]  # in the order of the network
    assert random_nodes(NODES, (forget, conflict), 3) == draws[3]
    assert {name for draw in draws for one in draw for name in one} == set(weights) - {
        "embed"
    }  # every node can be drawn
    everything = [name for name, own in weights.items() if own]
    assert random_nodes(NODES, (everything,), 0) == (everything,)


def circuits(forget: str, retain: str, classes: dict[str, str]) -> Circuits:
    """Edges as "ab bc": from a to b, from b to c."""
    infos = [
        CircuitInfo(
            title=title, pairs=1, offered=1, possible=9,
            edges=tuple(EdgeInfo(source=edge[0], target=edge[1], gate="and") for edge in edges.split()),
        )
        for title, edges in (("forget", forget), ("retain", retain))
    ]  # fmt: skip
    return Circuits(
        granularity="heads", nodes=(), circuits=tuple(infos), satisfiable=False, off={}, on={}, classes=classes,  # type: ignore[arg-type]
    )  # fmt: skip


def test_how_alike_two_searches_are() -> None:
    """By hand. Forget circuits: nodes abc and abd, edges ab bc and ab bd. A node of no circuit is safe."""
    before = circuits("ab bc", "xy", {"a": "forget", "b": "conflict", "c": "safe"})
    after = circuits("ab bd", "xy", {"a": "forget", "b": "forget", "d": "safe"})
    found = moved(before, after)
    assert found["forget"] == {"nodes": 0.5, "edges": 1 / 3} and found["retain"] == {"nodes": 1.0, "edges": 1.0}
    assert found["forget nodes"] == 0.5 and found["conflict nodes"] == 0.0
    assert found["same class"] == 0.75
    assert found["classes"] == {"conflict → forget": 1, "forget → forget": 1, "safe → safe": 2}

"""Gates from two sets of edges, by hand."""

from expunge.circuits.gates import Circuit, circuit_of

ORDER = ["a", "b", "c", "d", "e", "n", "m", "out"]


def kinds(ns: list[str], dn: list[str], **options: bool) -> dict[str, str]:
    """Input → gate, of one node that all are inputs of."""
    edges = lambda some: [(each, "out") for each in some]
    return {a: gate for a, _, gate in circuit_of(edges(ns), edges(dn), order=ORDER, **options).edges}


def test_the_sets_say_the_gate() -> None:
    found = {"a": "and", "b": "and", "c": "adder", "d": "adder", "e": "or", "n": "or"}
    assert kinds(["a", "b", "c", "d"], ["c", "d", "e", "n"]) == found


def test_the_lone_input_that_both_found_belongs_to_the_others() -> None:
    """Of sets that are as small as can be; else it adds up with the others."""
    assert kinds(["a"], ["a", "b", "c"], lone=True) == {"a": "or", "b": "or", "c": "or"}
    assert kinds(["a"], ["a", "b", "c"]) == {"a": "adder", "b": "or", "c": "or"}
    assert kinds(["a", "b", "c"], ["b"], lone=True) == {"a": "and", "b": "and", "c": "and"}
    assert kinds(["a", "b", "c"], ["b"]) == {"a": "and", "b": "adder", "c": "and"}
    assert kinds(["a"], ["a", "b"], lone=True) == {"a": "or", "b": "or"}
    assert kinds(["a"], ["a", "b"], lone=True, single=False) == {"a": "or", "b": "or"}
    for lone in (False, True):
        both = kinds(["a", "b", "c"], ["a", "d", "e"], lone=lone)  # to which of the two it belongs is not said
        assert both == {"a": "adder", "b": "and", "c": "and", "d": "or", "e": "or"}


def test_a_gate_of_one_input_is_none() -> None:
    for lone in (False, True):
        assert kinds(["a", "b"], ["a", "b", "c"], lone=lone) == dict.fromkeys("abc", "adder")
        assert kinds(["a", "b"], ["a", "c"], lone=lone) == dict.fromkeys("abc", "adder")
        assert kinds(["a"], [], lone=lone) == kinds([], ["a"], lone=lone) == {"a": "adder"}
    assert kinds(["a"], ["a"]) == {"a": "adder"}
    assert kinds(["a"], ["a", "b"]) == {"a": "adder", "b": "adder"}
    assert kinds(["a"], ["a", "b"], single=False) == {"a": "adder", "b": "or"}
    assert kinds(["a", "b"], ["a", "b", "c"], single=False) == {"a": "adder", "b": "adder", "c": "or"}


def test_inner_edges_dead_ends_and_the_embedding() -> None:
    """The embedding is nobody's input, what it reaches still leads on; what does not lead to the output is left out."""
    ns = [("embed", "a"), ("embed", "d"), ("n", "out"), ("n", "e")]
    circuit = circuit_of(ns, ns, order=["embed", *ORDER], inner=[("a", "n"), ("b", "n"), ("d", "m")])
    assert circuit == Circuit({"n": {"adder": ("a",)}, "out": {"adder": ("n",)}})
    assert circuit == circuit_of(iter(ns), iter(ns), order=["embed", *ORDER], inner=iter([("a", "n"), ("b", "n")]))
    assert circuit.nodes == ("a", "n")
    assert circuit.edges == [("a", "n", "adder"), ("n", "out", "adder")]


def test_the_order_of_edges_changes_nothing() -> None:
    ns = [("a", "n"), ("b", "n"), ("n", "out"), ("c", "out")]
    dn = [("c", "out"), ("a", "n"), ("d", "out"), ("e", "out")]
    one = circuit_of(ns, dn, order=ORDER)
    other = circuit_of(ns[::-1], dn[::-1], order=ORDER)
    assert one == other and list(one.inputs) == list(other.inputs) and one.nodes == other.nodes


def test_nothing_leads_to_the_output() -> None:
    assert circuit_of([("a", "n")], [], order=ORDER).nodes == ()

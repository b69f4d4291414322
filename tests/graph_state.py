"""Everything a graph holds, as a value that tests can compare before and after a call that must change nothing."""

from sdgraph import SameDiff


def graph_state(sd: SameDiff) -> dict:
    nodes = [(id(n), n.op, n.inputs, dict(n.attrs), n.aval, n.name, n.origin) for n in sd.nodes]
    return {
        "nodes": nodes,
        "ids": dict(sd.ids),
        "values": {i: (id(a), a.tobytes()) for i, a in sd.values.items()},
        "frozen": set(sd.frozen),
        "scope": sd.current_scope,
        "version": sd.version,
        "losses": list(sd.loss_nodes),
        "gradient_ranges": list(sd.gradient_ranges),
        "next automatic names": sd.name_counters(),
    }

"""Everything a graph holds, as a value that tests can compare before and after a call that must change nothing."""

from sdgraph import SameDiff
from sdgraph.build.bookkeeping import tables_of

LASTING = {
    "dtype",
    "seed",
    "user",
    "math",
    "nn",
    "cnn",
    "loss",
    "keras",
    "linalg",
    "random",
    "rnn",
    "bitwise",
    "image",
    "appending",
    "_readers",
    "_hidden",
}
"""Attributes that no call changes, or whose change nobody can see."""

OF_BLOCKS = {"journal"}
"""What is set while a block is open, and not kept by any table."""


def graph_state(sd: SameDiff) -> dict:
    """All tables of the graph, all fields of its nodes, and what open blocks have set."""
    nodes = [(id(n), n.id, n.op, n.inputs, dict(n.attrs), n.aval, n.name, n.origin) for n in sd.nodes]
    values = {i: (id(a), a.tobytes()) for i, a in sd.values.items()}
    tables = {t.name: _held(getattr(record, t.name)) for record, t in tables_of(sd)}
    blocks = {name: getattr(sd, name) for name in OF_BLOCKS}
    plain = {"dtype": sd.dtype, "seed": sd.seed, "user": {**sd.user}}
    return {"nodes": nodes, **tables, "values": values, **blocks, **plain}


def _held(table):
    return table.copy() if isinstance(table, list | dict | set) else table

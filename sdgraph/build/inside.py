"""Tracing a Python function as the body of a loop or a branch: where what it appends goes, and what it captures.

While it is traced, what is appended to the graph goes into the body; a variable of a graph around becomes a parameter,
at any depth. Must not know loops.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

from sdgraph.build.kinds import AnyGraph
from sdgraph.build.op import PLACEHOLDER, Op
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.infer.aval import shape_str


class _Closed:
    """Stands where a traced body would hand on a call: nothing is appended to it any more."""

    def __init__(self, body: AnyGraph) -> None:
        self._body = body

    def apply(self, op: Op, operands: Any, attrs: Any = None, name: Any = None) -> NoReturn:
        """Refuse the call, and name the variable of the body that it was made with."""
        for x in operands:
            if type(x) is SDVariable:
                _refuse(x, op, self._body)
        raise ArgumentError("A body of a loop or a branch is finished once it was traced.")

    def as_variable(self, x: Any) -> NoReturn:
        """As `apply`."""
        _refuse(x, None, self._body)


@contextmanager
def tracing(sd: AnyGraph) -> Iterator[AnyGraph]:
    """In the block, what is appended to ``sd`` goes into a new graph; what it uses of ``sd`` becomes a parameter."""
    body = sd.scratch()
    table, before = sd.table, sd.table.inner
    body.table.outer = sd
    with sd.appending:  # What other threads ask gradients of does not go into the body.
        try:
            table.inner = body
            yield body
        finally:
            table.inner = before
            body.table.inner = _Closed(body)


def innermost(sd: AnyGraph) -> AnyGraph:
    """The graph that is appended to: ``sd``, or a body in it that is being traced."""
    while sd.table.inner is not None:
        sd = sd.table.inner
    return sd


def outermost(sd: AnyGraph) -> AnyGraph:
    """The graph that ``sd`` is a body in, at any depth; itself if it is none."""
    while sd.table.outer is not None:
        sd = sd.table.outer
    return sd


@contextmanager
def outside(sd: AnyGraph) -> Iterator[None]:
    """In the block, what is appended to ``sd`` stays there, also while a body in it is traced."""
    before = sd.table.inner
    sd.table.inner = None
    try:
        yield
    finally:
        sd.table.inner = before


def is_around(graph: AnyGraph, body: AnyGraph) -> bool:
    """Whether ``body`` is traced somewhere inside of ``graph``."""
    while body is not None and body is not graph:
        body = body.table.outer
    return body is graph


def captured(sd: AnyGraph, x: SDVariable, op: Op | None = None) -> SDVariable:
    """A variable of a graph around a body, as a parameter of the body.

    Raises:
        ArgumentError: If it belongs to another graph, or to a body that is finished.
    """
    x.node.check()
    between = []
    graph = sd
    while graph is not None and graph is not x.sd:
        between.append(graph)
        graph = graph.table.outer
    if graph is None:
        _refuse(x, op, sd)
    for body in reversed(between):
        node = body.table.captured.get(x.node)
        if node is None or node.is_gone:
            name = body.names.free(x.name.replace(":", "_"))
            node = body.table.captured[x.node] = body.nodes[body.add_leaf(PLACEHOLDER, x.aval, name)]
            node.origin = x.node.origin
        x = body.handle(node.id)
    return x


def captures(body: AnyGraph) -> dict[int, int]:
    """The parameters of a body that stand for variables of the graph around, by the ids of these."""
    held = body.table.captured.items()
    return {outer.id: node.id for outer, node in held if not node.is_gone and not outer.is_gone}


def _refuse(x: Any, op: Op | None, sd: AnyGraph) -> NoReturn:
    what = f"sd.{op.qualname}: " if op is not None else ""
    if x.sd.table.outer is not None:
        raise ArgumentError(
            f"{what}{x.name!r} was made inside a body and exists only there.",
            given=f"{x.name!r}, {x.dtype.name} {shape_str(x.shape)}",
            node=x.name,
            node_origin=x.origin,
            fix="Return it from the body: what the body of a scan returns is stacked over the steps.",
        )
    raise ArgumentError(
        f"{what}{x.name!r} belongs to another graph.",
        given=f"{x.name!r}, {x.dtype.name} {shape_str(x.shape)}",
        fix="Build both in one SameDiff, or pass the other one's value: other.eval(...).",
    )


# ---------------------------------------------------------------------- one variable, several, or none

ONE: Final = "*"
"""The structure of a single variable."""


def flattened(tree: Any) -> tuple[list[Any], Any]:
    """What is in nested tuples, lists and dicts, in order, and how it is nested. A list of numbers is an array."""
    if tree is None:
        return [], None
    if isinstance(tree, dict):
        parts, keys = list(tree.values()), tuple(tree)
    elif isinstance(tree, tuple | list) and (isinstance(tree, tuple) or not tree or any(map(_is_part, tree))):
        parts, keys = list(tree), None
    else:
        return [tree], ONE
    flat: list[Any] = []
    kinds = []
    for x in parts:
        inside, kind = flattened(x)
        flat += inside
        kinds.append(kind)
    return flat, (type(tree), keys, tuple(kinds))


def _is_part(x: Any) -> bool:
    return x is None or type(x) is SDVariable or isinstance(x, tuple | list | dict)


def rebuilt(kind: Any, flat: Iterator[Any]) -> Any:
    """The nesting that `flattened` found, of other things."""
    if kind is None:
        return None
    if kind == ONE:
        return next(flat)
    make, keys, kinds = kind
    parts = [rebuilt(k, flat) for k in kinds]
    if keys is not None:
        return dict(zip(keys, parts, strict=True))
    return make(*parts) if hasattr(make, "_make") else make(parts)


def places(kind: Any, at: str) -> list[str]:
    """How code would write each place of a nesting: ``carry["h"]``, ``carry[0]``."""
    if kind is None:
        return []
    if kind == ONE:
        return [at]
    _, keys, kinds = kind
    labels = range(len(kinds)) if keys is None else keys
    return [place for label, k in zip(labels, kinds, strict=True) for place in places(k, f"{at}[{label!r}]")]


def in_words(kind: Any) -> str:
    """A nesting as code would write it."""
    if kind is None:
        return "None"
    if kind == ONE:
        return "x"
    make, keys, kinds = kind
    inner = [in_words(k) for k in kinds]
    if keys is not None:
        return "{" + ", ".join(f"{k!r}: {v}" for k, v in zip(keys, inner, strict=True)) + "}"
    text = ", ".join(inner)
    return f"[{text}]" if issubclass(make, list) else f"({text},)" if len(inner) == 1 else f"({text})"

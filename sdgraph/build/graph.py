"""The node table: an append-only list of records addressed by integer, and the names that index it.

Insertion order is topological order. Knows nodes, names, scopes and values. Must not know what any op computes.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from sdgraph.build import bookkeeping
from sdgraph.build.bookkeeping import Journal, Mark, Table, kept
from sdgraph.build.kinds import GRADIENT_SCOPE
from sdgraph.build.marks import Marks
from sdgraph.build.names import Names
from sdgraph.build.neighbours import is_hidden, source
from sdgraph.build.reach import reachable
from sdgraph.build.values import Values
from sdgraph.errors import TakenBackError, UnknownVariableError, shown
from sdgraph.frames.origin import Origin, user_origin, user_place
from sdgraph.infer.aval import Aval
from sdgraph.wording import did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from sdgraph.build.op import Op


class Node:
    """One record of the table. ``aval`` is a tuple of avals for an op with several outputs."""

    __slots__ = ("attrs", "aval", "id", "inputs", "name", "op", "origin")

    def __init__(
        self,
        op: Op,
        inputs: tuple[int, ...],
        attrs: Mapping[str, Any],
        aval: Any,
        name: str,
        origin: Origin | None,
        id: int,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.aval: Aval = aval
        self.name = name
        self.origin = origin
        self.id = id

    is_gone: ClassVar[bool] = False
    """Whether the graph no longer has the node."""

    def check(self) -> None:
        """Raise TakenBackError if the graph no longer has the node."""

    def drop(self) -> None:
        """Refuse every use from now on: the graph no longer has this node, and its id may be used again."""
        self.__class__ = DroppedNode  # type: ignore[assignment]


class DroppedNode(Node):
    """A node that was taken back. It shows whoever still holds it that it is gone, at no cost to those that are not."""

    __slots__ = ()

    is_gone = True

    def check(self) -> NoReturn:
        """Raise the error that every use of the node raises."""
        name, origin = Node.name.__get__(self), Node.origin.__get__(self)  # type: ignore[attr-defined]
        raise TakenBackError(
            f"The variable {name!r} is gone: it was made in a call that failed or was stopped, and was taken back.",
            node=name,
            node_origin=origin,
            fix="Make it again, outside of what failed.",
        )

    attrs = aval = id = inputs = name = op = origin = property(check)  # type: ignore[assignment]


@dataclass(slots=True, eq=False, repr=False)
class NodeTable:
    """The nodes, and what every node that is appended needs: a name, and the line that makes it.

    An object of its own, since it is what every op asks: a graph tells of names that it lacks, which makes a look-up of
    any part of it dearer before Python 3.12.
    """

    nodes: list[Node]
    names: Names
    lines: dict[tuple[int, int], Origin] = field(default_factory=dict)
    """Where in the user's code nodes were made: one record for all that a line makes."""
    origin: Origin | None = kept(lambda: None, saved=True, copied=False)
    """Where all nodes are made at present, if that is fixed."""
    inner: Any = None
    """The body that is being traced: what is appended here goes there."""
    outer: Any = None
    """The graph that this one is a body in."""
    captured: dict[Node, Node] = field(default_factory=dict)
    """In a body, the parameters that stand for variables of the graph around."""

    def append(
        self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any, name: str, given: bool = False
    ) -> Node:
        """Append a node under a name that `Names.full` or `Names.free` returned; see `Graph.append`."""
        origin = self.origin
        if origin is None:
            place = user_place(2)
            if place is not None:
                # One record for all nodes made by a line: a loop that makes a million nodes keeps a single origin. It
                # keeps its code object alive, so that the id of that stays its own.
                origin = self.lines.get((id(place[0]), place[1]))
                if origin is None:
                    origin = self.lines[id(place[0]), place[1]] = Origin(*place)
        i = len(self.nodes)
        if given:
            self.names.given.add(i)
        node = Node(op, inputs, attrs, aval, name, origin, i)
        # The interpreter stops for a signal after a call only: both have happened by then, or neither.
        self.names.ids[name] = i
        self.nodes.append(node)
        return node


class Graph:
    """The storage under a `SameDiff`: nodes, their names and the values of variables and constants."""

    tables: ClassVar[tuple[Table, ...]] = (
        Table("values", bookkeeping.by_id),
        Table("version", saved=True, copied=False),
    )
    """What a graph keeps itself, besides its nodes; the rest is in `Names` and `Marks`."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.names = Names(self.nodes)
        self.marks = Marks()
        self._values = Values()
        self.version = 0
        """Grows when a node that exists already changes (rename, change of kind)."""
        self.table = NodeTable(self.nodes, self.names)
        self.journal: Journal | None = None
        """What an open `transaction` must undo if it fails; None outside of one."""

    @property
    def values(self) -> Values:
        """The values of leaves by id. It is never replaced by another one: compiled functions hold it."""
        found = self._values
        if found.holder is not None:
            found.holder.settle()
        return found

    @values.setter
    def values(self, values: Values) -> None:
        self._values = values

    # ------------------------------------------------------------------ appending

    def append(
        self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any, name: str, *, given: bool = False
    ) -> int:
        """Append a node under a name that `Names.full` or `Names.free` returned; return its id.

        ``given`` says that somebody chose the name.
        """
        return self.table.append(op, inputs, attrs, aval, name, given).id

    @contextmanager
    def one_origin(self) -> Iterator[None]:
        """Let all nodes made in the block have the origin of the call: a transform makes many for one line."""
        before = self.table.origin
        try:
            self.table.origin = before or user_origin()
            yield
        finally:
            self.table.origin = before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Leave the graph exactly as it was if the block raises.

        Nodes that the block made are gone then: every use of a handle or a compiled function of them raises.
        """
        mark = Mark(self)
        try:
            if mark.outermost:
                self.journal = Journal()
            yield
        except BaseException:
            interrupt = None
            while True:
                # To its end, however often somebody presses Ctrl-C: a graph that is taken back by half is worse.
                try:
                    mark.take_back()
                    break
                except KeyboardInterrupt as e:
                    interrupt = e
            if interrupt is not None:
                raise interrupt from None
            raise
        finally:
            if mark.outermost:
                self.journal = None

    def take_back(self, size: int) -> None:
        """Drop the nodes from ``size`` on, and all that is kept about them."""
        self.drop_nodes(size)
        bookkeeping.renumber(self, bookkeeping.up_to(size))

    def drop_nodes(self, size: int) -> None:
        """Drop the nodes from ``size`` on, and nothing else."""
        for node in self.nodes[size:]:
            node.drop()
        del self.nodes[size:]

    def can_undo(self, node: Node, undo: Callable[[], None]) -> None:
        """Call ``undo`` if the open transaction fails; for a change of a node that may have existed before it."""
        if self.journal is not None:
            self.journal.undo.append(lambda: None if node.is_gone else undo())

    # ------------------------------------------------------------------ gradients, and changing what exists

    @contextmanager
    def gradient_scope(self) -> Iterator[None]:
        """Name what is made in the block under ``grad/``, whatever scopes are open, and count it as gradients."""
        marks = self.marks
        start, outermost = len(self.nodes), not marks.in_gradient
        try:
            marks.in_gradient = True
            with self.names.only(GRADIENT_SCOPE + "/"):
                yield
        finally:
            marks.in_gradient = not outermost
            if outermost and len(self.nodes) > start:
                marks.gradient_spans.append((start, len(self.nodes)))

    def rename_node(self, i: int, name: str) -> None:
        """Give node ``i`` the full name ``name``."""
        node = self.nodes[i]
        before, given = node.name, i in self.names.given
        self.can_undo(node, lambda: self.names.give(node, before, given=given))
        self.names.give(node, name)
        self.version += 1

    def set_arrays(self, arrays: dict[int, np.ndarray[Any, Any]]) -> None:
        """Give leaves other values by their ids, which the graph keeps: all at the same moment.

        Neither a signal nor another thread that reads them comes between two of them: that is one call of the
        interpreter's own, and the old arrays, whose end could run a caller's code, are kept beyond it.
        """
        before = [(self.nodes[i], self.values[i]) for i in arrays]

        def undo() -> None:
            self.values.update({node.id: array for node, array in before if not node.is_gone})

        if self.journal is not None:
            self.journal.undo.append(undo)
        for array in arrays.values():
            array.flags.writeable = False
        self.values.update(arrays)

    # ------------------------------------------------------------------ structure

    def gradient_flags(self) -> bytearray:
        """A flag per node: whether it was made to hold a gradient."""
        flags = bytearray(len(self.nodes))
        for start, end in self.marks.gradient_spans:
            flags[start:end] = b"\x01" * (end - start)
        return flags

    def is_gradient(self, i: int) -> bool:
        """Whether node ``i`` was made to hold a gradient; for one node at a time."""
        k = bisect.bisect_right(self.marks.gradient_spans, i, key=lambda span: span[0]) - 1
        return k >= 0 and i < self.marks.gradient_spans[k][1]

    def call_of(self, node: Node) -> Node:
        """The call that makes a variable: for one of several outputs the node of all."""
        return source(self.nodes, node)

    def has(self, name: str) -> bool:
        """Whether a variable has this name."""
        i = self.names.ids.get(name)
        return i is not None and not is_hidden(self.nodes[i])

    def id_of(self, name: str) -> int:
        """The variable of a name; raises UnknownVariableError with near misses."""
        if not isinstance(name, str) or not self.has(name):
            known = filter(self.has, self.names.ids)
            raise UnknownVariableError(f"The graph has no variable {shown(name)}.", fix=did_you_mean(name, known))
        return self.names.ids[name]

    def reachable(self, outs: list[int]) -> bytearray:
        """A flag per node up to the last of ``outs``: whether an output needs it."""
        return reachable(self.nodes, outs)

"""The node table: an append-only list of records addressed by integer, and the names that index it.

Insertion order is topological order. Knows nodes, names, scopes and values. Must not know what any op computes.
"""

from __future__ import annotations

import bisect
import enum
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, Protocol

from sdgraph.build import bookkeeping
from sdgraph.build.bookkeeping import Journal, Mark, Table
from sdgraph.errors import TakenBackError, UnknownVariableError, VariableNameError, shown
from sdgraph.infer.aval import Aval
from sdgraph.infer.names import EXPECTED, is_short, is_writable
from sdgraph.origin import Origin, user_origin, user_place

if TYPE_CHECKING:
    from types import CodeType

    import numpy as np

    from sdgraph.build.op import Op

NO_ATTRS: Final[Mapping[str, Any]] = {}
ABSENT: Final = -1
"""Stands in ``Node.inputs`` for an optional operand that was not given."""

GRADIENT_SCOPE: Final = "grad"

_MALFORMED = re.compile(r"^\s|\s$|[\x00-\x1f\x7f]|^/|/$|//|:\d+$|^$")


class VariableKind(enum.Enum):
    """What a variable of a graph is."""

    PLACEHOLDER = "placeholder"
    """Fed on every call."""
    VARIABLE = "variable"
    """Holds a value that training changes."""
    CONSTANT = "constant"
    """Holds a value that stays."""
    ARRAY = "array"
    """The output of an op."""


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


class Graph:
    """The storage under a `SameDiff`: nodes, their names and the values of variables and constants."""

    tables: ClassVar[tuple[Table, ...]] = (
        Table("ids", bookkeeping.names),
        Table("values", bookkeeping.by_id),
        Table("gradient_ranges", bookkeeping.ranges),
        Table("gradient_spans", bookkeeping.ranges),
        Table("frozen", bookkeeping.members),
        Table("version", saved=True, copied=False),
        Table("_next_suffix", saved=True),
        Table("_scope", saved=True, copied=False),
        Table("_origin", saved=True, copied=False),
    )
    """Everything but the nodes that a graph of this class keeps; subclasses add theirs."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.ids: dict[str, int] = {}
        self.values: dict[int, np.ndarray[Any, Any]] = {}
        self.gradient_ranges: list[tuple[int, int]] = []
        """Half-open id ranges, one per backward sweep."""
        self.gradient_spans: list[tuple[int, int]] = []
        """Half-open id ranges of all nodes made for derivatives: sweeps, and what Jacobians put around them."""
        self.frozen: set[int] = set()
        """Constants that were variables before they were converted."""
        self.version = 0
        """Grows when a node that exists already changes (rename, change of kind)."""
        self._next_suffix: dict[str, int] = {}
        self._scope = ""
        self._origins: dict[tuple[int, int], Origin] = {}
        self._origin: Origin | None = None
        self.journal: Journal | None = None
        """What an open `transaction` must undo if it fails; None outside of one."""

    # ------------------------------------------------------------------ appending

    def append(self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any, name: str) -> int:
        """Append a node under a name that `full_name` or `free_name` returned; return its id."""
        i = len(self.nodes)
        origin = self._origin or self._shared_origin(user_place(1))
        node = Node(op, inputs, attrs, aval, name, origin, i)
        # The interpreter stops for a signal after a call only: both have happened by then, or neither.
        self.ids[name] = i
        self.nodes.append(node)
        return i

    def _shared_origin(self, place: tuple[CodeType, int] | None) -> Origin | None:
        """One record for all nodes made by a line: a loop that makes a million nodes keeps a single origin."""
        if place is None:
            return None
        key = (id(place[0]), place[1])
        origin = self._origins.get(key)
        if origin is None:
            # The record keeps its code object alive, so that its id stays its own.
            origin = self._origins[key] = Origin(*place)
        return origin

    @contextmanager
    def one_origin(self) -> Iterator[None]:
        """Let all nodes made in the block have the origin of the call: a transform makes many for one line."""
        before = self._origin
        try:
            self._origin = before or user_origin()
            yield
        finally:
            self._origin = before

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

    # ------------------------------------------------------------------ names

    @contextmanager
    def name_scope(self, name: str) -> Iterator[str]:
        """Put the names of all variables made in the block under ``name/``; scopes nest.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> with sd.name_scope("layer1"):
            ...     w = sd.var("w", shape=(3, 2))
            >>> w.name
            'layer1/w'
        """
        check_name(name)
        length = len(self._scope)
        # Inside, here and in other blocks: an interrupt may fall between a change and a block that follows it.
        try:
            self._scope = f"{self._scope}{name}/"
            yield self._scope[:-1]
        finally:
            self._scope = self._scope[:length]

    @property
    def current_scope(self) -> str:
        """The open name scope, without the final slash; empty outside scopes."""
        return self._scope[:-1]

    def full_name(self, name: str) -> str:
        """A user's name under the open scope, checked to be well formed and free."""
        check_name(name)
        full = self._scope + name
        if full in self.ids:
            node = self.nodes[self.ids[full]]
            raise VariableNameError(
                f"The name {full!r} is taken.",
                node=full,
                node_origin=node.origin,
                fix="Choose another name, or open a scope: with sd.name_scope('...').",
            )
        return full

    def free_name(self, base: str) -> str:
        """The first free name of ``base``, ``base_1``, ``base_2`` ... under the open scope."""
        full = self._scope + base
        k = self._next_suffix.get(full, 0)
        while True:
            name = f"{full}_{k}" if k else full
            k += 1
            if name not in self.ids:
                self._next_suffix[full] = k
                return name

    def name_counters(self) -> dict[str, int]:
        """The next suffix of every automatic name, for `restore_name_counters`."""
        return dict(self._next_suffix)

    def restore_name_counters(self, counters: dict[str, int]) -> None:
        """Count on from an earlier state; names still taken are skipped."""
        self._next_suffix = counters

    def rename_node(self, i: int, name: str) -> None:
        """Give node ``i`` the full name ``name``."""
        node = self.nodes[i]
        before = node.name
        self.can_undo(node, lambda: self._set_name(node, before))
        self._set_name(node, name)
        self.version += 1

    def _set_name(self, node: Node, name: str) -> None:
        self.ids.pop(node.name, None)
        node.name = name
        self.ids[name] = node.id

    def set_array(self, i: int, array: np.ndarray[Any, Any]) -> None:
        """Give leaf ``i`` another value, which the graph keeps."""
        node, before = self.nodes[i], self.values[i]
        self.can_undo(node, lambda: self.values.__setitem__(node.id, before))
        array.flags.writeable = False
        self.values[i] = array

    def id_of(self, name: str) -> int:
        """The id of a name; raises UnknownVariableError with near misses."""
        i = self.ids.get(name) if isinstance(name, str) else None
        if i is None:
            raise UnknownVariableError(f"The graph has no variable {shown(name)}.", fix=did_you_mean(name, self.ids))
        return i

    # ------------------------------------------------------------------ structure

    def is_gradient(self, i: int) -> bool:
        """Whether node ``i`` was made to hold a gradient."""
        k = bisect.bisect_right(self.gradient_spans, i, key=lambda span: span[0]) - 1
        return k >= 0 and i < self.gradient_spans[k][1]

    def reachable(self, outs: list[int]) -> bytearray:
        """A flag per node up to the last of ``outs``: whether an output needs it."""
        return reachable(self.nodes, outs)


class Linked(Protocol):
    """What names the nodes it needs by their places in its list."""

    inputs: tuple[int, ...]


def reachable(nodes: Sequence[Linked], outs: Sequence[int]) -> bytearray:
    """A flag per node up to the last of ``outs``: whether one of ``outs`` needs it."""
    need = bytearray(max(outs, default=-1) + 1)
    for o in outs:
        need[o] = 1
    for i in range(len(need) - 1, -1, -1):
        if need[i]:
            for j in nodes[i].inputs:
                if j >= 0:
                    need[j] = 1
    return need


def check_name(name: object) -> None:
    """Raise VariableNameError unless ``name`` can name a variable or a scope."""
    if isinstance(name, str) and not (is_short(name) and is_writable(name)):
        raise VariableNameError(
            "This is not a name for a variable.",
            given=f"{len(name):,} characters: {shown(name, 80)}",
            expected=EXPECTED,
        )
    if not isinstance(name, str) or _MALFORMED.search(name):
        raise VariableNameError(
            "This is not a name for a variable.",
            given=shown(name),
            expected="a text without control characters, without blanks at its ends, whose parts between '/' are not "
            "empty and which does not end in ':' and a number (that names an op's further outputs)",
        )


def did_you_mean(name: object, known: Any) -> str | None:
    """A hint with the names most like ``name``, or None."""
    import difflib

    if not isinstance(name, str) or len(name) > 200:
        return None
    near = difflib.get_close_matches(name, [str(k) for k in known], n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else None

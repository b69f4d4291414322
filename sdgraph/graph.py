"""The node table: an append-only list of records addressed by integer, and the names that index it.

Insertion order is topological order. Knows nodes, names, scopes and values. Must not know what any op computes.
"""

from __future__ import annotations

import bisect
import enum
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sdgraph.aval import Aval
from sdgraph.errors import UnknownVariableError, VariableNameError
from sdgraph.origin import Origin, user_origin, user_place

if TYPE_CHECKING:
    from types import CodeType

    import numpy as np

    from sdgraph.op import Op

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

    __slots__ = ("attrs", "aval", "inputs", "name", "op", "origin")

    def __init__(
        self,
        op: Op,
        inputs: tuple[int, ...],
        attrs: Mapping[str, Any],
        aval: Any,
        name: str,
        origin: Origin | None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.aval: Aval = aval
        self.name = name
        self.origin = origin


class Graph:
    """The storage under a `SameDiff`: nodes, their names and the values of variables and constants."""

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
        self._scopes: list[str] = []
        self._scope = ""
        self._origins: dict[tuple[int, int], Origin] = {}
        self._origin: Origin | None = None

    # ------------------------------------------------------------------ appending

    def append(self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any, name: str) -> int:
        """Append a node under a name that `full_name` or `free_name` returned; return its id."""
        i = len(self.nodes)
        origin = self._origin or self._shared_origin(user_place(1))
        self.nodes.append(Node(op, inputs, attrs, aval, name, origin))
        self.ids[name] = i
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
        before, self._origin = self._origin, self._origin or user_origin()
        try:
            yield
        finally:
            self._origin = before

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Leave the graph exactly as it was if the block raises."""
        size, suffixes = len(self.nodes), dict(self._next_suffix)
        ranges, spans = len(self.gradient_ranges), len(self.gradient_spans)
        scopes, scope = list(self._scopes), self._scope
        try:
            yield
        except BaseException:
            for node in self.nodes[size:]:
                del self.ids[node.name]
            for i in range(size, len(self.nodes)):
                self.values.pop(i, None)
                self.frozen.discard(i)
            del self.nodes[size:]
            del self.gradient_ranges[ranges:]
            del self.gradient_spans[spans:]
            self._next_suffix, self._scopes, self._scope = suffixes, scopes, scope
            self._rolled_back(size)
            raise

    def _rolled_back(self, size: int) -> None:
        """Hook: ids from ``size`` on no longer exist."""

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
        self._scopes.append(self._scope)
        self._scope = f"{self._scope}{name}/"
        try:
            yield self._scope[:-1]
        finally:
            self._scope = self._scopes.pop()

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
        del self.ids[node.name]
        node.name = name
        self.ids[name] = i
        self.version += 1

    def id_of(self, name: str) -> int:
        """The id of a name; raises UnknownVariableError with near misses."""
        try:
            return self.ids[name]
        except KeyError:
            raise UnknownVariableError(
                f"The graph has no variable {name!r}.", fix=did_you_mean(name, self.ids)
            ) from None

    # ------------------------------------------------------------------ structure

    def is_gradient(self, i: int) -> bool:
        """Whether node ``i`` was made to hold a gradient."""
        k = bisect.bisect_right(self.gradient_spans, i, key=lambda span: span[0]) - 1
        return k >= 0 and i < self.gradient_spans[k][1]

    def reachable(self, outs: list[int]) -> bytearray:
        """A flag per node up to the last of ``outs``: whether an output needs it."""
        return reachable(self.nodes, outs)


def reachable(nodes: list[Node], outs: list[int]) -> bytearray:
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
    if not isinstance(name, str) or _MALFORMED.search(name):
        raise VariableNameError(
            "This is not a name for a variable.",
            given=repr(name),
            expected="a text without control characters, without blanks at its ends, whose parts between '/' are not "
            "empty and which does not end in ':' and a number (that names an op's further outputs)",
        )


def did_you_mean(name: str, known: Any) -> str | None:
    """A hint with the names most like ``name``, or None."""
    import difflib

    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(map(repr, near))}?" if near else None

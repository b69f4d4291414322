"""Appending ops to a graph: operands become nodes, avals are inferred, names are given.

Everything that can fail is done before the first node is appended, so that a rejected call leaves no trace.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from sdgraph.build import bookkeeping, forks, inside
from sdgraph.build.bookkeeping import Numbering
from sdgraph.build.graph import Graph
from sdgraph.build.kinds import ABSENT, NO_ATTRS, AnyGraph
from sdgraph.build.literals import dtypes_of, literal, not_an_operand, operand_array, python_number
from sdgraph.build.neighbours import Hidden, Readers
from sdgraph.build.op import CONSTANT, ITEM, STREAM, Op
from sdgraph.build.taken import name_is_taken
from sdgraph.build.tracing import output_aval, trace
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, DTypeError, SDGraphError, UnknownVariableError, shown
from sdgraph.infer.aval import Aval, as_dtype, is_floating


class GraphBuilder(Graph):
    """A graph that ops can be appended to."""

    dtype: np.dtype[Any]

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = as_dtype(dtype)
        if not is_floating(self.dtype):
            raise DTypeError("A graph's own dtype is a floating one.", given=self.dtype.name)
        self.appending = threading.RLock()
        """Held while gradients are appended: several threads may ask for them."""
        self._readers = Readers()
        self._hidden = Hidden()
        forks.renew(self, "appending", threading.RLock, waits=True)

    def handle(self, i: int) -> SDVariable:
        """The handle of node ``i``."""
        return SDVariable(self, i)

    def apply(
        self, op: Op, operands: Sequence[Any], attrs: Mapping[str, Any] = NO_ATTRS, name: str | None = None
    ) -> Any:
        """Append one call of ``op``; return its output, a tuple of outputs if it has several."""
        table = self.table
        if table.inner is not None:
            return table.inner.apply(op, operands, attrs, name)
        ids: list[int] = []
        avals: list[Aval | None] = []
        literals, nodes = False, table.nodes
        for x in operands:
            if type(x) is SDVariable:
                node = x.node
                i = node.id
                # Its own place in this table, or it is of another one: cheaper than to ask for its graph.
                if i >= len(nodes) or nodes[i] is not node:
                    node = inside.captured(self, x, op).node
                    i = node.id
                ids.append(i)
                avals.append(node.aval)
            elif hasattr(x, "as_operand"):
                return self.apply(op, _stood_for(operands), attrs, name)
            else:
                if x is None and not op.signature.is_optional(len(ids)):
                    raise not_an_operand(op, len(ids), x)
                ids.append(ABSENT)
                avals.append(None)
                literals = literals or x is not None
        arrays = self._literals(op, operands, avals) if literals else {}
        attrs, aval = _inferred(self, op, operands, ids, avals, attrs, arrays)
        full = table.names.full(name) if name is not None else None
        size = len(nodes)
        try:
            for k, (key, array) in arrays.items():
                ids[k] = self._implicit_constant(key, array)
            return _append_call(self, op, ids, avals, attrs, aval, full)
        except BaseException as e:
            # A call that is stopped by a signal between its nodes leaves none of them.
            stopped = e
            while True:
                try:
                    self.take_back(size)
                    break
                except KeyboardInterrupt as e:
                    stopped = e
        raise stopped

    # ------------------------------------------------------------------ variables, given as such or by name

    def own(self, v: Any) -> SDVariable:
        """A variable of this graph for a name or a handle."""
        if type(v) is SDVariable:
            v.node.check()
            if v.sd is not self:
                if inside.is_around(v.sd, self):
                    return inside.captured(self, v)
                raise UnknownVariableError(f"{v.name!r} belongs to another graph.", given=repr(v))
            return v
        if isinstance(v, str):
            return self.handle(self.id_of(v))
        raise ArgumentTypeError("Not a variable.", given=shown(v), expected="an SDVariable or a name")

    def several(self, vs: Any) -> list[SDVariable]:
        """Variables of this graph for one or many, each a name or a handle."""
        if type(vs) is SDVariable or isinstance(vs, str):
            return [self.own(vs)]
        try:
            each = list(vs)
        except Exception as e:
            raise ArgumentTypeError("Not variables.", given=shown(vs), expected="SDVariables or names") from e
        return [self.own(v) for v in each]

    # ------------------------------------------------------------------ the graph as one who walks it sees it

    def reader_ids(self, i: int) -> list[int]:
        """The variables that are computed from variable ``i`` by one op, in creation order."""
        with self.appending:
            return self._readers.of(self.nodes, i)

    def n_variables(self, *, gradients: bool) -> int:
        """How many variables there are, those that hold gradients counted or not."""
        with self.appending:
            spans = () if gradients else self.marks.gradient_spans
            count = partial(self._hidden.n_visible, self.nodes)
            return count(0, len(self.nodes)) - sum(count(start, end) for start, end in spans)

    # ------------------------------------------------------------------ operands that are not variables yet

    def _literals(self, op: Op, operands: Sequence[Any], avals: list[Aval | None]) -> dict[int, tuple[Any, Any]]:
        """For each operand that is a Python or numpy value, its key among the graph's constants and its array.

        Fills in their avals. A scalar that the graph has already is not made again: its array is None.
        """
        dtypes = dtypes_of(op, operands, avals)
        found: dict[int, tuple[Any, Any]] = {}
        for k, x in enumerate(operands):
            if x is None or type(x) is SDVariable:
                continue
            x = python_number(x)
            # Zero is left out because -0.0 equals 0.0, NaN because it equals nothing; ints are, as they may not fit.
            plain = type(x) is float and len(dtypes) == 1 and x == x and x != 0
            quick = (self.names.scope, dtypes[0], x) if plain else None
            i = self.marks.literals.get(quick) if quick is not None else None
            if i is not None:
                found[k] = quick, None
                avals[k] = self.nodes[i].aval
                continue
            array = operand_array(op, k, x, dtypes, self.dtype)
            key = quick or ((self.names.scope, array.dtype, array.tobytes()) if array.ndim == 0 else None)
            found[k] = key, array
            avals[k] = Aval(array.shape, array.dtype)
        return found

    def _known(self, ids: list[int], arrays: Mapping[int, tuple[Any, Any]]) -> list[np.ndarray[Any, Any] | None]:
        """The values of a call's operands; None for what is no constant."""
        found: list[np.ndarray[Any, Any] | None] = []
        for k, i in enumerate(ids):
            if k in arrays:
                key, array = arrays[k]
                found.append(self.values[self.marks.literals[key]] if array is None else array)
            else:
                found.append(self.values[i] if i != ABSENT and self.nodes[i].op is CONSTANT else None)
        return found

    def _implicit_constant(self, key: Any, array: np.ndarray[Any, Any] | None) -> int:
        """A constant for a literal operand; equal scalars of one scope share a node."""
        if key is not None and key in self.marks.literals:
            return self.marks.literals[key]
        assert array is not None
        i = self.add_leaf(CONSTANT, Aval(array.shape, array.dtype), self.names.free("constant"), array)
        if key is not None:
            self.marks.literals[key] = i
        return i

    def add_leaf(
        self, op: Op, aval: Aval, name: str, value: np.ndarray[Any, Any] | None = None, *, given: bool = False
    ) -> int:
        """Append a leaf under a name already checked; ``given`` says that somebody chose it."""
        size = len(self.nodes)
        try:
            i = self.append(op, (), NO_ATTRS, aval, name, given=given)
            if value is not None:
                value.flags.writeable = False
                self.values[i] = value
            return i
        except BaseException as e:
            stopped = e
            while True:
                try:
                    self.take_back(size)
                    break
                except KeyboardInterrupt as e:
                    stopped = e
        raise stopped

    def as_variable(self, x: Any) -> SDVariable:
        """``x`` itself if it is a variable of this graph, else a constant."""
        if self.table.inner is not None:
            return self.table.inner.as_variable(x)
        if type(x) is SDVariable:
            return x if x.sd is self else inside.captured(self, x)
        array = literal(x, None, [], self.dtype)
        return self.handle(self._implicit_constant(None, array))

    # ------------------------------------------------------------------ what a transform appended

    def keep_only(self, start: int, wanted: list[int], cotangent_of: Mapping[int, int]) -> dict[int, int]:
        """Of the nodes from ``start`` on keep those that ``wanted`` need, and name them afresh.

        A rule computes a cotangent for every operand; those that nobody asked for would clutter the graph. A cotangent
        is named after its forward variable. Returns the new ids of the kept nodes.
        """
        need = self.reachable(wanted)
        fresh = self.nodes[start:]
        names = {v: self.nodes[v].name for v in cotangent_of.values()}
        kept = [i for i in range(start, len(need)) if need[i]]
        moved = {old: i for i, old in enumerate(kept, start)}
        for node in fresh:
            del self.names.ids[node.name]
        del self.nodes[start:]
        self._renumber(start, moved)
        for old, node in enumerate(fresh, start):
            if old not in moved:
                node.drop()
                continue
            forward = cotangent_of.get(old)
            node.inputs = tuple([moved[j] if j >= start else j for j in node.inputs])
            node.name = self.names.free(node.op.name if forward is None else names[forward])
            node.id = moved[old]
            self.names.ids[node.name] = node.id
            self.names.given.discard(node.id)
            self.nodes.append(node)
            if forward is not None:
                self.marks.cotangents[node.id] = forward
        return moved

    def _renumber(self, start: int, moved: dict[int, int]) -> None:
        """Let all that is kept about nodes follow those that moved."""
        # A later gradient makes its own constants, so that each can be drawn by itself.
        bookkeeping.to_id(self.marks.literals, bookkeeping.up_to(start))
        kept = list(moved)
        new = Numbering(
            lambda i: i if i < start else moved.get(i),
            lambda i: min(i, start) + bisect.bisect_left(kept, i),
            start,
        )
        bookkeeping.renumber(self, new)
        if self.journal is not None:
            self.journal.lose(start, self.version)

    # ------------------------------------------------------------------ other

    def _call(self, op: Op, operands: Sequence[Any], avals: Sequence[Aval | None]) -> tuple[str, str]:
        """A failed call as the user wrote it: the op, and each operand with its name, dtype and shape."""
        names: Iterable[str] = op.operand_names if not op.variadic else (f"operand {k}" for k in range(len(operands)))
        parts = []
        for param, x, aval in zip(names, operands, avals, strict=False):
            if aval is not None:
                label = f" {x.name!r}" if type(x) is SDVariable else ""
                parts.append(f"{param}{label}: {aval}")
        return f"sd.{op.qualname}", "\n".join(parts)

    def _not_a_call(self, op: Op, attrs: Mapping[str, Any], why: Exception) -> SDGraphError:
        """The error for settings that a rule cannot use, and did not look for."""
        return ArgumentTypeError(
            f"sd.{op.qualname} cannot use these arguments: {shown(str(why))}.",
            given=", ".join(f"{k}={shown(v)}" for k, v in attrs.items() if v is not op.attr_defaults.get(k)),
            expected=op.usage(),
        )


# ---------------------------------------------------------------------- the steps of a call

# Functions, since a graph tells of names that it lacks, which makes a look-up of its methods dearer before Python 3.12.


def _stood_for(operands: Sequence[Any]) -> list[Any]:
    """The operands, with the variables that some stand for, as a size does that is known when the graph runs."""
    return [x.as_operand() if hasattr(x, "as_operand") else x for x in operands]


def _inferred(
    sd: GraphBuilder,
    op: Op,
    operands: Sequence[Any],
    ids: list[int],
    avals: list[Aval | None],
    attrs: Mapping[str, Any],
    arrays: Mapping[int, tuple[Any, Any]],
) -> tuple[Mapping[str, Any], Any]:
    """The settings as a node keeps them, and what is known of its output."""
    try:
        if op.settle is not None:
            attrs = op.settle(attrs, avals, sd._known(ids, arrays))
        # The first is what the second does, and saves a call where ops are appended by the million.
        aval = op.infer(*avals, **attrs) if op.plain else output_aval(op, sd, tuple(avals), attrs)  # type: ignore[misc]
        return attrs, aval
    except SDGraphError as e:
        e.in_call(*sd._call(op, operands, avals))
        raise
    except Exception as e:
        if not op.is_ours:
            raise
        raise sd._not_a_call(op, attrs, e) from e


def _append_call(
    sd: GraphBuilder,
    op: Op,
    ids: list[int],
    avals: list[Aval | None],
    attrs: Mapping[str, Any],
    aval: Any,
    full: str | None,
) -> Any:
    """Append the checked call's node, and an item node for each output if there are several."""
    inputs, table = tuple(ids), sd.table
    base, given = full or table.names.free(op.name), full is not None
    if op.plain and type(aval) is not tuple:
        # As SDVariable(sd, id), without a look-up of the node.
        v = object.__new__(SDVariable)
        v.sd, v.node = sd, table.append(op, inputs, attrs, aval, base, given)
        return v
    if op.is_random or (op.is_composite and op.infer is None and trace(op, sd, tuple(avals), attrs).is_random):
        attrs = {**attrs, STREAM: attrs.get(STREAM, (len(sd.nodes),))}
    if type(aval) is not tuple:
        i = sd.append(op, inputs, attrs, aval, base, given=given)
        if op.is_loss:
            sd.marks.losses.append(i)
        return sd.handle(i)
    names, whole_name = output_names(sd, base, len(aval), given, op.name)
    whole = sd.append(op, inputs, attrs, aval, whole_name)
    return tuple(
        sd.handle(sd.append(ITEM, (whole,), {"index": k}, a, n, given=given))
        for k, (a, n) in enumerate(zip(aval, names, strict=True))
    )


def output_names(sd: AnyGraph, base: str, n: int, given: bool, name: str) -> tuple[list[str], str]:
    """The names of ``n`` outputs and of all together. One may be taken: the op that has it was given another name."""
    ids = sd.names.ids
    while True:
        names, whole = [f"{base}:{k}" if k else base for k in range(n)], f"{base}:all"
        taken = next((other for other in (*names[1:], whole) if other in ids), None)
        if taken is None:
            return names, whole
        if given:
            raise name_is_taken(taken, taken, sd.nodes[ids[taken]].origin)
        base = sd.names.free(name)

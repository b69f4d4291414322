"""One number that is finite only if all elements of some nodes are; it may be infinite where all are finite.

Whoever sees that it is not looks at the arrays themselves. Each is looked at right behind the step that makes it, while
it is near, and so that nothing lives longer for it. Must not know what the nodes are for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.kinds import NO_ATTRS
from sdgraph.build.op import CONSTANT, REGISTRY
from sdgraph.infer.aval import Aval
from sdgraph.lower.nodes import LoweredNode
from sdgraph.ops.precision import wide

_CALL: Final = 1 << 13
"""How many elements are looked at in the time of one more call, which looks at what comes last if that is a product."""
_DOUBLE: Final = np.dtype("float64")
_ALL: Final = {"axis": None, "keepdims": False}


def with_finite(
    nodes: list[LoweredNode], outs: Sequence[int], watched: Sequence[int]
) -> tuple[list[LoweredNode], list[int]]:
    """The same nodes, and those that look at the watched ones; the ids of ``outs`` and of that number."""
    return _Looking(nodes, watched).run(outs)


class _Looking:
    """The list of nodes while it is written anew."""

    def __init__(self, nodes: list[LoweredNode], watched: Sequence[int]) -> None:
        self.nodes = nodes
        last = max(watched)
        self.factors = {i: _factors(nodes, i, i == last) for i in watched if nodes[i].aval.size}
        """By what is watched what is looked at in its place, if that is less: it is a sum of products of these."""
        read = {j for found in self.factors.values() for j in found}
        for i, found in self.factors.items():
            if not found and nodes[i].op.key == "sum" and nodes[i].inputs[0] in read:
                self.factors[i] = nodes[i].inputs
        self.fresh: list[LoweredNode] = []
        self.moved: list[int] = []
        self.sizes: dict[int, int] = {}
        """The largest absolute values of nodes that are factors."""

    def run(self, outs: Sequence[int]) -> tuple[list[LoweredNode], list[int]]:
        terms = []
        for i, node in enumerate(self.nodes):
            node.inputs = tuple([self.moved[j] if j >= 0 else j for j in node.inputs])
            self.fresh.append(node)
            self.moved.append(len(self.fresh) - 1)
            if i in self.factors:
                terms.append(self._looked(i))
        return self.fresh, [*(self.moved[o] for o in outs), self._total(terms)]

    def _total(self, terms: Sequence[int]) -> int:
        if len(terms) > 1:
            return self._emit("math.merge_add", tuple(terms), _DOUBLE)
        return terms[0] if terms else self._constant(0.0, _DOUBLE)

    def _looked(self, i: int) -> int:
        """A number in double precision that is finite only if all of a node's elements are."""
        dtype, found = self.nodes[i].aval.dtype, self.moved[i]
        if self.factors[i]:
            found = self._bound(self.factors[i], dtype)
        elif self.nodes[i].aval.shape:
            found = self._emit("sum", (found,), dtype, _ALL)
        return found if dtype == _DOUBLE else self._emit("cast", (found,), _DOUBLE, {"dtype": _DOUBLE})

    def _bound(self, factors: Sequence[int], dtype: np.dtype[Any]) -> int:
        """More than a sum of products can come to on its way.

        Twice its length, or more, times the largest absolute values: no rounding of so many terms adds as much.
        """
        length = 2.0 * max(n for j in factors for n in (1, *self.nodes[j].aval.shape))
        if len(factors) == 1:
            length = 2.0 * self.nodes[factors[0]].aval.size
        found = self._constant(length, dtype)
        for j in factors:
            found = self._emit("math.mul", (found, self._size(j)), dtype)
        return found

    def _size(self, i: int) -> int:
        if i not in self.sizes:
            aval = self.nodes[i].aval
            whole = self._emit("math.abs", (self.moved[i],), aval.dtype, shape=aval.shape)
            self.sizes[i] = self._emit("max", (whole,), aval.dtype, _ALL)
        return self.sizes[i]

    def _constant(self, value: float, dtype: np.dtype[Any]) -> int:
        self.fresh.append(LoweredNode(CONSTANT, (), NO_ATTRS, Aval((), dtype), None, -1, np.array(value, dtype)))
        return len(self.fresh) - 1

    def _emit(
        self,
        op: str,
        inputs: tuple[int, ...],
        dtype: np.dtype[Any],
        attrs: Mapping[str, Any] = NO_ATTRS,
        shape: Any = (),
    ) -> int:
        source = self.fresh[inputs[-1]]
        self.fresh.append(LoweredNode(REGISTRY[op], inputs, attrs, Aval(shape, dtype), source.source, source.source_id))
        return len(self.fresh) - 1


def _factors(nodes: Sequence[LoweredNode], i: int, is_last: bool) -> tuple[int, ...]:
    """The factors of a product of matrices, if looking at them is less than looking at it."""
    node = nodes[i]
    dtype, shape = node.aval.dtype, node.aval.shape
    if node.op.key != "linalg.matmul" or wide(dtype) != dtype or min(shape, default=1) == 1:
        return ()
    found = tuple(_as_stored(nodes, j) for j in node.inputs)
    avals = [nodes[j].aval for j in found]
    fits = all(aval.dtype == dtype and aval.size for aval in avals)
    least = node.aval.size + (_CALL if is_last else 0)
    return found if fits and sum(aval.size for aval in avals) < least else ()


def _as_stored(nodes: Sequence[LoweredNode], i: int) -> int:
    """A node, or the one that it is a permutation of."""
    return nodes[i].inputs[0] if nodes[i].op.key == "permute" else i

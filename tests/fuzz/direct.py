"""The meaning of a graph: each op's kernel called node by node, in double precision whatever the dtypes say.

Knows nothing of lowering, simplifying, fusing or plans: composites are entered by their traced bodies. With a
`Noise` each result is moved by some roundings of its dtype: how far the end moves says what rounding may do there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sdgraph import SameDiff
from sdgraph.build.graph import Node
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import CONSTANT, ITEM, STREAM, ZERO_GRADIENT, Op
from sdgraph.build.reach import reachable
from sdgraph.build.tracing import trace
from sdgraph.infer.aval import Aval

FLOAT64 = np.dtype("float64")

_EXACT = {
    "identity", "reshape", "expand_dims", "squeeze", "permute", "reverse", "concat", "unconcat", "split", "unstack",
    "broadcast_to", "index", "index_scatter", "gather", "gather_nd", "take_along_axis", "scatter_update", "where",
    "zeros_like", "ones_like", "axis_size", "stop_gradient", "mask_gradient", "max", "min", "largest",
    "math.neg", "math.abs", "math.sign", "math.step", "math.floor", "math.ceil", "math.round", "math.max", "math.min",
    "math.diag", "math.diag_part", "math.eye_like", "linalg.diag", "linalg.diag_part",
    "split_v", "reverse_sequence", "scatter_nd_update", "scatter_max", "scatter_min", "segment_max", "segment_min",
    "unsorted_segment_max", "unsorted_segment_min", "moved_in_segments", "rows_by_part",
    "linalg.matrix_band_part", "linalg.triu", "linalg.tril", "nn.top_k", "random.draw",
    "cnn.window_max", "cnn.window_first",
}  # fmt: skip
"""Ops whose results are operands or whole numbers: nothing is rounded."""

_SUMS = {
    *("sum", "axis_size", "segment_sum", "unsorted_segment_sum", "linalg.matmul", "tensordot"),
    *("cnn.conv", "cnn.conv_input", "cnn.conv_kernel"),
}
"""Ops that may pass the range of half precision inside a composite: the composite is to be right all the same."""

_REMAINDERS = {"math.floor_mod", "math.fmod"}
"""Ops that jump where a quotient passes a whole number."""

_ROUNDINGS = 16
"""How many units in the last place a result is moved by."""


class Noise:
    """Relative errors of either sign, none of them near 0, so that no source of error goes unnoticed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._pool = rng.uniform(0.5, 1.0, 8192) * rng.choice([-1.0, 1.0], 8192)
        self._at = 0

    def _draw(self, shape: tuple[int, ...], size: int) -> np.ndarray:
        self._at = (self._at + 977) % 4099
        if size > 4000:
            # From another place each time: errors of large arrays that were all alike would cancel.
            return np.resize(np.roll(self._pool, -self._at), shape)
        return self._pool[self._at : self._at + size].reshape(shape)

    def moved(self, x: Any, dtype: np.dtype, times: float = 1.0) -> Any:
        """An array of numbers that were rounded, as if they had been rounded otherwise."""
        info = np.finfo(dtype)
        u = self._draw(x.shape, x.size)
        # What underflows is lost in the same direction in all elements that are alike, and adds up.
        lost = self._pool[self._at] * 2 * float(info.smallest_subnormal)
        return x + u * float(info.eps) * _ROUNDINGS * 0.5 * times * x + lost


class Coarse(Noise):
    """The last digits lost instead: what differs by roundings only is equal then, or exactly 0 is left of it.

    It asks whether a comparison, or a number taken for a truth, depends on roundings.
    """

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self._step = 2.0**bits

    def moved(self, x: Any, dtype: np.dtype, times: float = 1.0) -> Any:
        """An array of numbers without their last digits."""
        mantissa, exponent = np.frexp(x)
        step = float(np.finfo(dtype).eps) * self._step
        return np.ldexp(np.rint(mantissa / step) * step, exponent)


class Direct:
    """One evaluation of a graph; values are kept, so more may be asked as the graph grows."""

    def __init__(
        self,
        sd: SameDiff,
        feeds: Mapping[str, np.ndarray],
        *,
        variables: Mapping[str, np.ndarray] | None = None,
        noise: Noise | None = None,
        strict: bool = False,
    ) -> None:
        self.sd = sd
        self.feeds = feeds
        self.variables = variables or {}
        self.noise = noise
        self.strict = strict
        """Whether each op's shape rule looks at the operands, too: what an op refuses is refused here."""
        self.values: dict[int, Any] = {}
        self.out_of_range = False
        """Whether something left the range of its dtype, other than a sum inside a composite."""
        self.sizes: set[int] = set()
        """How many elements the results had."""
        self.not_smooth = False
        """Whether a gradient was stopped or replaced on the way."""
        self.stairs: list[bytes] = []
        """On which steps of functions that have some the evaluation was: with others, something jumped."""

    def value(self, i: int) -> Any:
        """The value of node ``i``."""
        if i not in self.values:
            nodes = self.sd.nodes
            need = reachable(nodes, [i])
            with np.errstate(all="ignore"):
                self._walk(nodes, need, self.values, self.sd.values, (), inside=False)
        return self.values[i]

    def _walk(
        self,
        nodes: list[Node],
        need: Any,
        found: dict[int, Any],
        constants: Any,
        stream: tuple[int, ...],
        *,
        inside: bool,
    ) -> None:
        for i in range(len(need)):
            if need[i] and i not in found:
                node = nodes[i]
                operands = [found[j] if j >= 0 else None for j in node.inputs]
                if node.op.kind is not VariableKind.ARRAY:
                    found[i] = self._leaf(node, i, constants)
                elif node.op is ITEM:
                    found[i] = operands[0][node.attrs["index"]]
                elif node.op.is_composite:
                    found[i] = self._inside(nodes, node, operands, stream)
                    if not inside:
                        self._look_at_range(found[i], node.aval)
                else:
                    found[i] = self._primitive(nodes, node, operands, stream, inside=inside)

    def _leaf(self, node: Node, i: int, constants: Any) -> Any:
        if node.op.kind is VariableKind.PLACEHOLDER:
            value = self.feeds[node.name]
        else:
            value = self.variables.get(node.name) if node.op is not CONSTANT else None
            value = constants[i] if value is None else value
        if value.dtype.kind != "f" or value.dtype == FLOAT64:
            return value
        wide = value.astype(FLOAT64)
        rounded = self.noise is not None and node.op is CONSTANT
        return self.noise.moved(wide, value.dtype) if rounded else wide  # type: ignore[union-attr]

    def _inside(self, nodes: list[Node], node: Node, operands: list[Any], stream: tuple[int, ...]) -> Any:
        """A composite, by its body for what its operands are."""
        op = node.op
        avals = [nodes[j].aval if j >= 0 else None for j in node.inputs]
        if op.infer is not None:
            avals = [None if a is None else Aval(x.shape, a.dtype) for a, x in zip(avals, operands, strict=True)]
        body = trace(op, self.sd, tuple(avals), node.attrs)
        found = {p: x for p, x in zip(body.params, operands, strict=True) if p >= 0}
        stream = stream + node.attrs.get(STREAM, ())
        self._walk(body.graph.nodes, body.need, found, body.graph.values, stream, inside=True)
        outs = tuple(found[o] for o in body.outs)
        return outs if isinstance(body.aval, tuple) and type(body.aval) is not Aval else outs[0]

    def _primitive(
        self, nodes: list[Node], node: Node, operands: list[Any], stream: tuple[int, ...], *, inside: bool
    ) -> Any:
        op, attrs = node.op, dict(node.attrs)
        dtype = attrs.get("dtype")
        if op.is_random:
            seed = self.sd.seed if attrs.get("seed") is None else attrs["seed"]
            attrs |= {"seed": seed, STREAM: stream + attrs[STREAM]}
            operands = [*operands, 0]
        elif isinstance(dtype, np.dtype) and dtype.kind == "f":
            attrs["dtype"] = FLOAT64
        if op.qualname in ("stop_gradient", "mask_gradient") or (op.qualname == "largest" and not inside):
            self.not_smooth = True
        if self.strict and op.infer is not None and not op.is_random:
            avals = [None if x is None else Aval(x.shape, x.dtype) for x in operands]
            op.infer(*avals, **attrs)
        rounds = self.noise is not None and op.qualname not in _EXACT
        if rounds and not op.broadcasts:
            operands = [self._operand(nodes, j, x) for j, x in zip(node.inputs, operands, strict=False)]
        result = op.bind_kernel(np, "numpy", attrs)(*operands)
        if op.vjp is ZERO_GRADIENT and type(node.aval) is Aval:
            self.stairs.append(np.asarray(result).tobytes())
        elif op.qualname in _REMAINDERS:
            self.stairs.append(np.floor_divide(*operands).tobytes())
        if type(node.aval) is not Aval:
            return tuple(self._result(op, r, a, rounds, inside) for r, a in zip(result, node.aval, strict=True))
        return self._result(op, result, node.aval, rounds, inside)

    def _operand(self, nodes: list[Node], j: int, x: Any) -> Any:
        """What a sum or a factorisation takes in: its error is as if each term had been moved a little."""
        dtype = nodes[j].aval.dtype if j >= 0 else None
        if dtype is None or x.dtype != FLOAT64 or dtype.kind != "f":
            return x
        assert self.noise is not None
        # Equal terms round the same way each time: a sum in double, in lanes, errs by its length.
        alike = x.size / 2048 if dtype == FLOAT64 else 0.0
        return self.noise.moved(x, dtype, 1.0 + np.sqrt(x.size) / 16 + alike)

    def _result(self, op: Op, result: Any, aval: Aval, rounds: bool, inside: bool) -> Any:
        result = np.asarray(result)
        self.sizes.add(result.size)
        dtype = aval.dtype
        if dtype.kind != "f":
            return result.astype(dtype, copy=False)
        if result.dtype != FLOAT64:
            result = result.astype(FLOAT64)
        if not (inside and (op.qualname in _SUMS or not result.ndim)):
            self._look_at_range(result, aval)
        return self.noise.moved(result, dtype) if rounds else result

    def _look_at_range(self, result: Any, aval: Aval | tuple[Aval, ...]) -> None:
        """Note whether a result leaves the range of its dtype, or comes near to it."""
        if type(aval) is not Aval:
            for r, a in zip(result, aval, strict=True):
                self._look_at_range(r, a)
        elif aval.dtype.kind == "f" and aval.dtype.itemsize < 8 and result.size:
            largest = np.max(np.abs(result), where=np.isfinite(result), initial=0.0)
            self.out_of_range |= bool(largest > float(np.finfo(aval.dtype).max) / 4)

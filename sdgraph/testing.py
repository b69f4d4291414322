"""Checking gradients: `check_grads` compares a graph's symbolic gradients with central differences.

The forward graph runs in extended precision here, so the differences are good to about twelve digits and the tolerance
can be tight. Knows plans and the numpy engine. Must not know any particular op besides casts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.build.feeding import as_mapping
from sdgraph.build.initializers import as_seed
from sdgraph.build.kinds import VariableKind
from sdgraph.build.spelling.lacking import of_module as _of_module
from sdgraph.build.values import Values
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, is_finite, is_whole
from sdgraph.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    ExecutionError,
    GradientCheckError,
    GradientError,
    shown,
)
from sdgraph.infer.aval import Aval
from sdgraph.lower.bodies import Setting
from sdgraph.lower.lowering import Lowering
from sdgraph.plan.schedule import schedule
from sdgraph.run.engines.reference import compile_plan
from sdgraph.run.evaluate import executable_of
from sdgraph.run.feeds import as_array
from sdgraph.run.slots import Slots

if TYPE_CHECKING:
    from sdgraph.build.function import Function
    from sdgraph.build.op import Op
    from sdgraph.build.variable import Feeds
from sdgraph.samediff import SameDiff

__all__ = ["GradientMismatch", "check_grads"]


def __dir__() -> list[str]:
    return __all__


_SHOWN = 8
_HIGHEST = 16
_LEAVES = (VariableKind.PLACEHOLDER, VariableKind.VARIABLE)


@readable
@dataclass(frozen=True)
class GradientMismatch:
    """One entry of a gradient that is not what the differences say."""

    variable: str
    """Name of the variable."""
    index: tuple[int, ...]
    """Which of its entries."""
    numeric: float
    """The central difference."""
    symbolic: float
    """What the graph computes."""
    why: str
    """``"differs"``, ``"kink"``, ``"unstable"`` or ``"not finite"``."""

    def __str__(self) -> str:
        at = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        text = f"{self.variable}{at}: numeric {self.numeric:.15g}, symbolic {self.symbolic + 0.0:.15g}"
        return f"{text} ({_WHY[self.why]})" if self.why in _WHY else text


_WHY = {
    "kink": "a kink: the slopes on its two sides differ",
    "unstable": "the differences do not settle: the function is not smooth here",
    "not finite": "not finite",
}


class _Precision(NamedTuple):
    """A dtype to compute in, and what it allows."""

    dtype: np.dtype[Any]
    step: float
    side_step: float
    rtol: float


# Steps balance the error of the formula, step**4, against rounding, eps / step.
_FLOAT64 = _Precision(np.dtype("float64"), 1e-3, 1e-5, 1e-6)
_EXTENDED = _Precision(np.dtype("longdouble"), 1e-4, 1e-7, 1e-10)


def _best_precision() -> _Precision:
    """Extended precision where the machine has it; on some, longdouble is float64."""
    return _EXTENDED if np.finfo(np.longdouble).eps < 1e-18 else _FLOAT64


@readable
def check_grads(
    y: SDVariable,
    feeds: Feeds | None = None,
    wrt: Any = None,
    *,
    order: int = 1,
    rtol: float | None = None,
    allow_kinks: bool = False,
    step: int = 0,
    seed: int = 0,
) -> float:
    r"""Compare the symbolic gradients of ``y`` with five-point central differences.

    The gradient of :math:`\langle c, y \rangle` is checked for a random ``c`` whose entries lie between 0.5 and 1.5 in
    size, entry by entry for each variable. Values and differences are computed in extended precision whatever the
    graph's dtypes are (in float64 where the machine has no wider type, and for decompositions, which need it). An
    error counts relative to the largest gradient entry of that variable: nothing passes for being small. The gradient
    must also have the shape and dtype of its variable. The graph is left as it was.

    Args:
        y: A floating variable of a graph.
        feeds: Values of the placeholders that y depends on.
        wrt: Placeholders and variables, or names; by default every floating one that y depends on.
        order: 2 checks second derivatives as well: those of a random sum of the first. And so on.
        rtol: Largest relative error; by default 1e-10 in extended precision, 1e-6 in float64, and 16 roundings of the
            coarsest dtype in the graph, whose literals have no more digits than that.
        allow_kinks: Leave entries out at which the function has a kink, instead of reporting them.
        step: Counter for random ops.
        seed: Seed of the random numbers ``c``.

    Returns:
        The largest relative error found.

    Raises:
        GradientCheckError: If a gradient is wrong, or the point is no place to check it: y is not finite there or has
            a kink. Lists variable, index, numeric and symbolic value.
        GradientError: If there is no gradient.
        FeedError: For feeds that are missing or do not fit.

    Example:
        >>> from sdgraph import SameDiff
        >>> sd = SameDiff()
        >>> w = sd.var("w", [[0.5], [-1.0]])
        >>> x = sd.placeholder("x", shape=(None, 2))
        >>> y = sd.nn.sigmoid(x @ w)
        >>> error = check_grads(y, {"x": [[1.0, 2.0], [0.3, -0.7]]}, order=2)
        >>> error < 1e-6
        True
        >>> check_grads(sd.nn.relu(x), {"x": [[0.0, 2.0]]})
        Traceback (most recent call last):
        ...
        sdgraph.errors.GradientCheckError: The gradient of 'relu' fails at 1 of 2 entries.
          given:    x[0, 0]: numeric ..., symbolic 0 (a kink: the slopes on its two sides differ)
          ...
    """
    if not isinstance(y, SDVariable):
        raise ArgumentTypeError("Not a variable.", given=shown(y), expected="an SDVariable")
    if not is_whole(order, 1, _HIGHEST):
        raise ArgumentError(f"The order of a derivative is 1 or more, at most {_HIGHEST} here.", given=shown(order))
    if y.dtype.kind != "f":
        raise DTypeError(f"{y.name!r} is {y.dtype.name}: only real floating variables are checked.", given=repr(y))
    if rtol is not None and not is_finite(rtol):
        raise ArgumentTypeError("rtol is a number.", given=shown(rtol))
    flag("allow_kinks", allow_kinks)
    precision = _best_precision()
    try:
        return _Check(y, feeds, wrt, precision, rtol, allow_kinks, step, seed).run(order)
    except (DTypeError, ExecutionError) as e:
        # Decompositions know no extended precision: their rules say so, or numpy does with a TypeError.
        known = isinstance(e, DTypeError) or isinstance(e.__cause__, TypeError)
        if precision is _FLOAT64 or not known:
            raise
    return _Check(y, feeds, wrt, _FLOAT64, rtol, allow_kinks, step, seed).run(order)


# ---------------------------------------------------------------------- running a graph in another precision


class _WideLowering(Lowering):
    """Lowering that computes in another precision: a cast to a floating dtype becomes one to that dtype."""

    wide: np.dtype[Any]

    def emit(self, op: Op, inputs: tuple[int, ...], attrs: Mapping[str, Any], aval: Any) -> int:
        if op.key == "cast" and attrs["dtype"].kind == "f":
            attrs, aval = {"dtype": self.wide}, Aval(aval.shape, self.wide)
        return super().emit(op, inputs, attrs, aval)

    def constant(self, value: Any) -> int:
        return super().constant(value.astype(self.wide) if value.dtype.kind == "f" else value)

    def inside(self, f: Function, avals: Mapping[int, Aval], setting: Setting) -> Lowering:
        low = super().inside(f, avals, setting)
        assert isinstance(low, _WideLowering)
        low.wide = self.wide
        return low


class _Function:
    """Fetches of a graph as a function of its leaves' arrays, by id, all floating leaves in one dtype."""

    def __init__(
        self, sd: SameDiff, fetches: Sequence[SDVariable], point: Mapping[int, Any], dtype: np.dtype[Any], step: int
    ) -> None:
        lowering = _WideLowering(sd, {i: Aval(a.shape, a.dtype) for i, a in point.items()})
        lowering.wide = dtype
        names = [v.name for v in fetches]
        plan = schedule(lowering.nodes, lowering.run([v.id for v in fetches]), names)
        program = compile_plan(plan, check_numerics=False)
        self._run, self._slots, self._step = program.run, Slots(plan, program.n_slots), step

    def __call__(self, point: Mapping[int, Any]) -> list[Any]:
        return self._run(self._slots.filled(point, Values(point), self._step))


def _wide_point(sd: SameDiff, y: SDVariable, feeds: Feeds | None, dtype: np.dtype[Any], step: int) -> dict[int, Any]:
    """The arrays of all leaves that y depends on, floating ones in the wide dtype; the feeds are checked."""
    f = executable_of(sd, [y])
    f(feeds, step=step)
    given = {k.name if isinstance(k, SDVariable) else k: v for k, v in as_mapping(feeds).items()}
    point = {p.id: as_array(p, given[p.name]) for p in f.placeholders}
    for i, needed in enumerate(sd.reachable([y.id])):
        if needed and sd.nodes[i].op.kind is VariableKind.VARIABLE:
            point[i] = sd.values[i]
    return {i: a.astype(dtype) if a.dtype.kind == "f" else a for i, a in point.items()}


# ---------------------------------------------------------------------- the check


class _Check:
    """One call of `check_grads` in one precision, on a copy of the graph."""

    def __init__(
        self,
        y: SDVariable,
        feeds: Feeds | None,
        wrt: Any,
        precision: _Precision,
        rtol: float | None,
        allow_kinks: bool,
        step: int,
        seed: int,
    ) -> None:
        self.precision = precision
        self.allow_kinks = allow_kinks
        self.step = step
        self.rng = np.random.default_rng(as_seed(seed))
        self.name = y.name
        self.sd = sd = y.sd.twin()
        self.y = SDVariable(sd, y.id)
        self.feeds = {k.name if isinstance(k, SDVariable) else k: v for k, v in as_mapping(feeds).items()}
        self.point = _wide_point(sd, self.y, self.feeds, precision.dtype, step)
        chosen = self._variables(y.sd, wrt)
        self.wrt = [w for w in chosen if w.id in self.point] or chosen
        self.rtol = max(precision.rtol, 16 * self._rounding()) if rtol is None else rtol
        self.worst = 0.0

    def _rounding(self) -> float:
        """The relative rounding of the coarsest floating dtype among the nodes that y depends on."""
        need = self.sd.reachable([self.y.id])
        avals = [node.aval for node, needed in zip(self.sd.nodes, need, strict=False) if needed]
        return max(float(np.finfo(a.dtype).eps) for a in avals if isinstance(a, Aval) and a.dtype.kind == "f")

    def _variables(self, original: SameDiff, wrt: Any) -> list[SDVariable]:
        if wrt is None:
            return [SDVariable(self.sd, i) for i, a in sorted(self.point.items()) if a.dtype.kind == "f"]
        chosen = [wrt] if isinstance(wrt, str | SDVariable) else list(wrt)
        out = []
        for v in chosen:
            v = original[v] if isinstance(v, str) else v
            if v.sd is not original or v.kind not in _LEAVES:
                raise ArgumentError(
                    "Gradients are checked with respect to placeholders and variables of y's graph.", given=repr(v)
                )
            out.append(SDVariable(self.sd, v.id))
        return out

    def run(self, order: int) -> float:
        """Check the gradients of each order up to ``order``; return the largest relative error."""
        sd = self.sd
        (value,) = _Function(sd, [self.y], self.point, self.precision.dtype, self.step)(self.point)
        if not np.isfinite(value).all():
            raise self._error([], f"{self.name!r} is not finite at this point: no difference can be taken.")
        scalar = self._paired([self.y], [value.shape])
        grads: list[SDVariable | None] = [*sd.grad(scalar, self.wrt)]
        for k in range(1, order + 1):
            self._compare(scalar, grads, k)
            present = [(w, g) for w, g in zip(self.wrt, grads, strict=True) if g is not None]
            if k == order or not present:
                break
            scalar = self._paired([g for _, g in present], [self.point[w.id].shape for w, _ in present])
            grads = [self._gradient(scalar, w) for w in self.wrt]
        return self.worst

    def _paired(self, vs: Sequence[SDVariable], shapes: Sequence[tuple[int, ...]]) -> SDVariable:
        """The scalar ``sum of <c, v>`` with random c, fed through new placeholders."""
        sd = self.sd
        terms = []
        for v, shape in zip(vs, shapes, strict=True):
            c = sd.placeholder(sd.names.free("cotangent"), v.shape, v.dtype)
            draws = self.rng.uniform(0.5, 1.5, shape) * self.rng.choice([-1.0, 1.0], shape)
            self.feeds[c.name] = draws.astype(v.dtype)
            self.point[c.id] = draws.astype(v.dtype).astype(self.precision.dtype)
            terms.append(sd.sum(v * c))
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    def _gradient(self, scalar: SDVariable, w: SDVariable) -> SDVariable | None:
        """The gradient of a gradient; None where that does not depend on w any more: it should be zero then."""
        try:
            return self.sd.grad(scalar, w)
        except GradientError:
            return None

    def _compare(self, scalar: SDVariable, grads: Sequence[SDVariable | None], order: int) -> None:
        sd = self.sd
        present = [g for g in grads if g is not None]
        f = _Function(sd, [scalar], self.point, self.precision.dtype, self.step)
        values = iter(_Function(sd, present, self.point, self.precision.dtype, self.step)(self.point))
        declared = iter(executable_of(sd, present)(self.feeds, step=self.step).values() if present else ())
        bad: list[GradientMismatch] = []
        checked = 0
        for w, g in zip(self.wrt, grads, strict=True):
            x = self.point[w.id]
            symbolic = next(values) if g is not None else np.zeros(x.shape, x.dtype)
            if g is not None:
                self._check_form(w, x, next(declared))
            bad += self._compare_one(f, w, x, np.broadcast_to(symbolic, x.shape))
            checked += x.size
        if bad:
            nth = "gradient" if order == 1 else f"derivative of order {order}"
            raise self._error(bad, f"The {nth} of {self.name!r} fails at {len(bad)} of {checked} entries.")

    def _check_form(self, w: SDVariable, x: Any, declared: Any) -> None:
        if declared.shape != x.shape or declared.dtype != w.dtype:
            raise GradientCheckError(
                f"The gradient of {self.name!r} with respect to {w.name!r} does not have its shape and dtype.",
                given=f"{declared.dtype.name} {declared.shape}",
                expected=f"{w.dtype.name} {x.shape}",
            )

    def _compare_one(self, f: _Function, w: SDVariable, x: Any, symbolic: Any) -> Iterator[GradientMismatch]:
        """The wrong entries of one variable's gradient."""
        differences = _Differences(f, self.point, w.id, self.precision)
        numeric = np.array([differences.central(k) for k in range(x.size)], self.precision.dtype)
        flat = symbolic.reshape(-1)
        scale = max(np.abs(numeric).max(initial=0), differences.noise)
        for k in range(x.size):
            index = tuple(int(j) for j in np.unravel_index(k, x.shape))
            why, number = self._judge(differences, k, numeric[k], flat[k], scale)
            if why and not (why == "kink" and self.allow_kinks):
                yield GradientMismatch(w.name, index, float(number), float(flat[k]), why)

    def _judge(self, differences: _Differences, k: int, numeric: Any, symbolic: Any, scale: Any) -> tuple[str, Any]:
        """What is wrong with entry k (an empty text if nothing is), and its numeric derivative."""
        if differences.has_kink(k, scale):
            return "kink", numeric
        if not np.isfinite(symbolic):
            return "not finite", numeric
        tolerance = self.rtol * scale + differences.noise
        error = abs(numeric - symbolic)
        if error > tolerance:
            numeric, doubt, noise = differences.refined(k, numeric)
            if doubt > max(1e-4 * scale, noise):
                return "unstable", numeric
            error = abs(numeric - symbolic)
            if not error <= tolerance + 4 * doubt:
                return "differs", numeric
        if scale < 1e3 * differences.noise:
            error = max(error - differences.noise, 0)  # Rounding, beside which the gradient is next to nothing.
        self.worst = max(self.worst, float(error / scale) if scale else 0.0)
        return "", numeric

    def _error(self, bad: Sequence[GradientMismatch], message: str) -> GradientCheckError:
        lines = [str(b) for b in bad[:_SHOWN]]
        if len(bad) > _SHOWN:
            lines.append(f"and {len(bad) - _SHOWN} more")
        kinks = any(b.why == "kink" for b in bad)
        return GradientCheckError(
            message,
            given="\n".join(lines) or None,
            expected=f"a relative error of at most {self.rtol:g}" if bad else None,
            fix="Move the point off the kinks, or pass allow_kinks=True." if kinks else None,
            entries=tuple(bad),
        )


class _Differences:
    """Derivatives of a scalar function by one entry of one leaf at a time, by differences."""

    def __init__(self, f: _Function, point: Mapping[int, Any], leaf: int, precision: _Precision) -> None:
        self._f = f
        self._point = dict(point)
        self._leaf = leaf
        self._x = point[leaf]
        self._precision = precision
        self._center = f(point)[0]
        self._rounding = self._measured_rounding()
        self.noise = self._rounding / precision.step
        """What rounding alone may add to a difference."""

    def _measured_rounding(self) -> Any:
        """How much rounding changes the function, from its values where the operand moves by a few roundings.

        What moves by one rounding change may happen to be nothing, so values a little further apart are compared as
        well: their third differences have no part of the function itself left.

        References:
            J. J. Moré, S. M. Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33 (2011), 1292-1314.
        """
        eps = np.finfo(self._precision.dtype).eps
        largest = max(abs(self._center), math.ulp(0.0)) * eps
        moves = np.maximum(np.abs(self._x), 1) * eps
        for signs in (1, np.resize([1, -1], self._x.shape)):
            near = [abs(self._moved_by(sign * signs * moves) - self._center) for sign in (1, -1)]
            third = np.diff([self._moved_by(64 * k * signs * moves) for k in range(-3, 4)], n=3)
            # A third difference of independent roundings has 1 + 9 + 9 + 1 times their variance.
            for change in (*near, np.sqrt(np.mean(third**2) / 20)):
                if change > largest:  # Not so if it is NaN.
                    largest = change
        return 8 * largest

    def _moved_by(self, deltas: Any) -> Any:
        self._point[self._leaf] = self._x + deltas
        return self._f(self._point)[0]

    def _at(self, k: int, delta: Any) -> tuple[Any, Any]:
        """The function with entry k moved, and the entry's new value, which rounding makes a little different."""
        moved = self._x.copy()
        moved.reshape(-1)[k] += delta
        self._point[self._leaf] = moved
        return self._f(self._point)[0], moved.reshape(-1)[k]

    def _size(self, k: int) -> Any:
        return max(self._precision.dtype.type(1), abs(self._x.reshape(-1)[k]))

    def central(self, k: int, shrink: float = 1.0) -> Any:
        """The five-point difference."""
        h = self._precision.step * shrink * self._size(k)
        (a, near_a), (b, near_b) = self._at(k, h), self._at(k, -h)
        (c, far_a), (d, far_b) = self._at(k, 2 * h), self._at(k, -2 * h)
        near, far = (a - b) / (near_a - near_b), (c - d) / (far_a - far_b)
        return (4 * near - far) / 3

    def refined(self, k: int, first: Any) -> tuple[Any, Any, Any]:
        """The estimate that smaller steps change least, by how much they change it, and how much rounding may."""
        shrinks = (1 / 8, 1 / 64, 1 / 512)
        estimates = [first] + [self.central(k, s) for s in shrinks]
        changes = [abs(a - b) for a, b in itertools.pairwise(estimates)]
        best = int(np.nanargmin(changes)) if not np.isnan(changes).all() else 0
        doubt = changes[best] if np.isfinite(changes[best]) else self._precision.dtype.type(np.inf)
        return estimates[best + 1], doubt, self.noise / shrinks[best]

    def _sides(self, k: int, shrink: float) -> Any:
        """How far the slopes on the two sides of the point differ."""
        s = self._precision.side_step * shrink * self._size(k)
        (a, right), (b, left) = self._at(k, s), self._at(k, -s)
        x = self._x.reshape(-1)[k]
        return abs((a - self._center) / (right - x) - (self._center - b) / (x - left))

    def has_kink(self, k: int, scale: Any) -> bool:
        """Whether the slopes differ, and go on differing as the step shrinks."""
        rounding = self._rounding / (self._precision.side_step / 16)
        jump = self._sides(k, 1.0)
        if not jump > 1e-3 * scale + rounding:
            return False
        return bool(self._sides(k, 1 / 16) > 0.5 * jump)


if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise _of_module("sdgraph.testing", name, __all__)

"""How each elementwise op is computed on one lane: the table from op names to LLVM instructions.

An entry gets operands converted to the op's own compute dtype. NaN, infinities and signed zeros come out as from the
numpy kernels. What is not in the table is no obstacle: it runs as its numpy kernel. Operands of float16 are computed
with in float32; each result is rounded to float16 once, where numpy's kernels of several steps round after each. Must
not know plans or loops.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sdgraph.build.op import REGISTRY
from sdgraph.run.engines.llvm.scalars import functions, integers, libm, narrow, ranges
from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const, type_of

Emit = Callable[..., Val]

_BOOL = np.dtype(bool)
_HALF, _FLOAT = np.dtype("float16"), np.dtype("float32")
_NATIVE = frozenset(
    np.dtype(t) for t in ("float32", "float64", "bool", *(f"{s}int{n}" for s in ("", "u") for n in (8, 16, 32, 64)))
)


class Rule(NamedTuple):
    """One op: what computes it and in which dtype.

    ``compute`` is ``"out"`` for the dtype of the result, ``"common"`` for numpy's common dtype of the operands,
    ``"own"`` to leave operands as they are. ``kinds`` are the kinds of compute dtypes it is written for.
    """

    emit: Emit
    compute: str = "out"
    kinds: str = "f"
    cost: int = 1
    calls: str = ""
    """The function of the C library that it calls on floats."""


# ---------------------------------------------------------------------- conversions


def is_native(dtype: np.dtype[Any]) -> bool:
    """Whether values of this dtype can be read and written by kernels."""
    return (dtype in _NATIVE or (dtype == _HALF and narrow.has_half())) and dtype.isnative


def convert(b: Builder, v: Val, old: np.dtype[Any], new: np.dtype[Any]) -> Val:
    """A value as another dtype."""
    if old == new:
        return v
    if new.kind == "b":
        return nonzero(b, v, old)
    if new == _HALF:
        if old.itemsize == 8 and old.kind == "f":
            return narrow.half_of_double(b, v)
        return narrow.rounded_to_half(b, convert(b, v, old, _FLOAT))
    a, t = type_of(old), type_of(new)
    if a == t and old.kind == new.kind == "f":
        return v
    if old.kind == "f" and new.kind in "iu":
        return narrow.to_integer(b, v, 8 * new.itemsize, unsigned=new.kind == "u")
    if old.kind == "b":
        if new.kind == "f":
            return b.select(v, const(1, t), const(0, t))
        return b.convert("zext", v, t)
    if old.kind == "f":
        return b.convert("fpext" if FLOAT_BITS[t] > FLOAT_BITS[a] else "fptrunc", v, t)
    if new.kind == "f":
        return b.convert("uitofp" if old.kind == "u" else "sitofp", v, t)
    if new.itemsize == old.itemsize:
        return v
    if new.itemsize < old.itemsize:
        return b.convert("trunc", v, t)
    return b.convert("zext" if old.kind == "u" else "sext", v, t)


def nonzero(b: Builder, v: Val, dtype: np.dtype[Any]) -> Val:
    """Whether a value counts as true; NaN does."""
    if dtype.kind == "b":
        return v
    return b.compare("fcmp une" if dtype.kind == "f" else "icmp ne", v, const(0, v.type))


# ---------------------------------------------------------------------- emitters


def _arith(op: Callable[[Builder, Val, Val], Val], int_op: str | None = None) -> Emit:
    def emit(b: Builder, x: Val, y: Val, **_: Any) -> Val:
        if x.type in FLOAT_BITS:
            return op(b, x, y)
        assert int_op is not None
        # The sum of bools is whether one holds, their product whether both do.
        return b.binary({"add": "or", "mul": "and"}[int_op] if x.type == "i1" else int_op, x, y)

    return emit


def _comparison(name: str) -> Emit:
    """``name`` is LLVM's ordered one; not-equal is true for NaN."""
    signed = {"eq": "eq", "ne": "ne"}.get(name, "s" + name)

    def emit(b: Builder, x: Val, y: Val, *, unsigned: bool = False, **_: Any) -> Val:
        if x.type in FLOAT_BITS:
            return b.compare("fcmp une" if name == "ne" else f"fcmp o{name}", x, y)
        plain = unsigned or x.type == "i1"
        return b.compare(f"icmp {signed.replace('s', 'u', 1) if plain and signed[0] == 's' else signed}", x, y)

    return emit


def _unordered(b: Builder, x: Val) -> Val:
    return b.compare("fcmp uno", x, x)


def _extreme(order: str) -> Emit:
    """Numpy's maximum or minimum: NaN if either is, the second operand of equal ones."""
    known = ranges.larger if order == "gt" else ranges.smaller

    def emit(b: Builder, x: Val, y: Val, *, unsigned: bool = False, **_: Any) -> Val:
        if x.type not in FLOAT_BITS:
            plain = unsigned or x.type == "i1"
            return b.select(b.compare(f"icmp {'u' if plain else 's'}{order}", x, y), x, y)
        a, c = b.range(x), b.range(y)
        # An ordered comparison picks a NaN in y, an unordered one a NaN in x.
        chosen = b.select(b.compare(f"fcmp {'o' if c.nan else 'u'}{order}", x, y), x, y)
        if a.nan and c.nan:
            chosen = b.select(_unordered(b, x), x, chosen)
        return b.know(chosen, known(a, c))

    return emit


maximum, minimum = _extreme("gt"), _extreme("lt")


def _where(b: Builder, c: Val, x: Val, y: Val, **_: Any) -> Val:
    return b.select(c, x, y)


def _guarded(op: str, guard: int) -> Emit:
    """``op``, and 0 where operand ``guard`` is 0."""

    def emit(b: Builder, x: Val, y: Val, **_: Any) -> Val:
        zero = const(0, x.type)
        at_zero = b.compare("fcmp oeq" if x.type in FLOAT_BITS else "icmp eq", (x, y)[guard], zero)
        if x.type not in FLOAT_BITS:
            return b.select(at_zero, zero, b.binary(op.replace("f", "", 1), x, y))
        return b.select(at_zero, zero, b.fmul(x, y) if op == "fmul" else functions.quotient(b, x, y))

    return emit


def _times(function: Callable[[Builder, Val], Val], neutral: float) -> Emit:
    """``x f(y)``, and 0 where x is 0; there f is taken at ``neutral``."""

    def emit(b: Builder, x: Val, y: Val, **_: Any) -> Val:
        zero = const(0, x.type)
        at_zero = b.compare("fcmp oeq", x, zero)
        return b.select(at_zero, zero, b.fmul(x, function(b, b.select(at_zero, const(neutral, x.type), y))))

    return emit


def _sign(b: Builder, x: Val, *, unsigned: bool = False, **_: Any) -> Val:
    t = x.type
    zero = const(0, t)
    if unsigned:
        return b.select(b.compare("icmp ne", x, zero), const(1, t), zero)
    if t not in FLOAT_BITS:
        negative = b.select(b.compare("icmp slt", x, zero), const(-1, t), zero)
        return b.select(b.compare("icmp sgt", x, zero), const(1, t), negative)
    other = b.select(_unordered(b, x), x, zero)
    negative = b.select(b.compare("fcmp olt", x, zero), const(-1, t), other)
    return b.select(b.compare("fcmp ogt", x, zero), const(1, t), negative)


def _neg(b: Builder, x: Val, **_: Any) -> Val:
    return b.neg(x) if x.type in FLOAT_BITS else b.binary("sub", const(0, x.type), x)


def _abs(b: Builder, x: Val, *, unsigned: bool = False, **_: Any) -> Val:
    if unsigned:
        return x
    if x.type in FLOAT_BITS:
        return b.abs(x)
    return b.select(b.compare("icmp slt", x, const(0, x.type)), b.binary("sub", const(0, x.type), x), x)


def _unary(function: Callable[[Builder, Val], Val]) -> Emit:
    return lambda b, x, **_: function(b, x)


def _intrinsic(name: str) -> Emit:
    return lambda b, x, **_: b.call(name, x)


def _library(name: str, cost: int) -> Rule:
    """A function of the C library."""
    return Rule(lambda b, *xs, **_: libm.call(b, name, *xs), cost=cost, calls=name)


def _in_single(function: Callable[[Builder, Val], Val], name: str, cost: int) -> Rule:
    """Arithmetic in single precision, a function of the C library in double."""

    def emit(b: Builder, x: Val, **_: Any) -> Val:
        return function(b, x) if x.type == "float" else libm.call(b, name, x)

    return Rule(emit, cost=cost, calls=name)


def _on_kind(on_float: Callable[[Builder, Val, Val], Val], on_int: Emit) -> Emit:
    """Two ways, by the kind of the operands."""

    def emit(b: Builder, x: Val, y: Val, **attrs: Any) -> Val:
        return on_float(b, x, y) if x.type in FLOAT_BITS else on_int(b, x, y, **attrs)

    return emit


def _whole(name: str) -> Emit:
    """Rounding, which leaves integers as they are."""
    return lambda b, x, **_: b.call(name, x) if x.type in FLOAT_BITS else x


def _relu6(b: Builder, x: Val, *, cutoff: float, **_: Any) -> Val:
    return minimum(b, maximum(b, x, const(cutoff, x.type)), const(6, x.type))


def _positive(b: Builder, x: Val) -> Val:
    return b.compare("fcmp ogt", x, const(0, x.type))


def _leaky_relu(b: Builder, x: Val, *, alpha: float, **_: Any) -> Val:
    return b.select(_positive(b, x), x, b.fmul(const(alpha, x.type), x))


def _elu(b: Builder, x: Val, *, alpha: float, **_: Any) -> Val:
    # Of the number that the derivative takes the exponential of.
    below = b.select(_positive(b, x), const(0, x.type), x)
    return b.select(_positive(b, x), x, b.fmul(const(alpha, x.type), functions.expm1(b, below)))


def _softsign(b: Builder, x: Val, **_: Any) -> Val:
    return b.fdiv(x, b.fadd(const(1, x.type), b.abs(x)))


def _clip(b: Builder, x: Val, *, clip_value_min: float, clip_value_max: float, **attrs: Any) -> Val:
    if x.type not in FLOAT_BITS:
        return integers.clip(b, x, clip_value_min=clip_value_min, clip_value_max=clip_value_max, **attrs)
    low, high = const(clip_value_min, x.type), const(clip_value_max, x.type)
    x = b.select(b.compare("fcmp olt", x, low), low, x)
    return b.select(b.compare("fcmp ogt", x, high), high, x)


def _step(b: Builder, x: Val, *, value: float, **_: Any) -> Val:
    return b.select(b.compare("fcmp oge", x, const(value, x.type)), const(1, x.type), const(0, x.type))


def _is_nan(b: Builder, x: Val, **_: Any) -> Val:
    return _unordered(b, x) if x.type in FLOAT_BITS else const(0, "i1")


def _is_infinite(b: Builder, x: Val, **_: Any) -> Val:
    if x.type not in FLOAT_BITS:
        return const(0, "i1")
    return b.compare("fcmp oeq", b.abs(x), const(float("inf"), x.type))


def _is_finite(b: Builder, x: Val, **_: Any) -> Val:
    if x.type not in FLOAT_BITS:
        return const(1, "i1")
    return b.compare("fcmp olt", b.abs(x), const(float("inf"), x.type))


def _logical(op: str) -> Emit:
    return lambda b, x, y, **_: b.binary(op, x, y)


def _merge_add(b: Builder, *xs: Val, **_: Any) -> Val:
    total, add = xs[0], _arith(Builder.fadd, "add")
    for x in xs[1:]:
        total = add(b, total, x)
    return total


def _rsqrt(b: Builder, x: Val, **_: Any) -> Val:
    return b.fdiv(const(1, x.type), b.call("sqrt", x))


RULES: dict[str, Rule] = {
    "math.add": Rule(_arith(Builder.fadd, "add"), kinds="fiub"),
    "math.sub": Rule(_arith(Builder.fsub, "sub"), kinds="fiu"),
    "math.mul": Rule(_arith(Builder.fmul, "mul"), kinds="fiub"),
    "math.div": Rule(_arith(functions.quotient), cost=4),
    "math.merge_add": Rule(_merge_add, kinds="fiub"),
    "math.neg": Rule(_neg, kinds="fiu"),
    "math.abs": Rule(_abs, kinds="fiu"),
    "math.sign": Rule(_sign, kinds="fiu"),
    "math.square": Rule(lambda b, x, **_: _arith(Builder.fmul, "mul")(b, x, x), kinds="fiu"),
    "math.multiply_no_nan": Rule(_guarded("fmul", 1), kinds="fiu"),
    "math.divide_no_nan": Rule(_guarded("fdiv", 1), cost=4),
    "math.xdivy": Rule(_guarded("fdiv", 0), cost=4),
    "math.max": Rule(maximum, kinds="fiub"),
    "math.min": Rule(minimum, kinds="fiub"),
    "math.clip_by_value": Rule(_clip, kinds="fiu"),
    "math.ceil": Rule(_whole("ceil"), kinds="fiu"),
    "math.floor": Rule(_whole("floor"), kinds="fiu"),
    "math.round": Rule(_whole("rint"), kinds="fiu"),
    "math.step": Rule(_step),
    "math.exp": Rule(_unary(functions.exp), cost=12),
    "math.expm1": Rule(_unary(functions.expm1), cost=14),
    "math.ln": Rule(_unary(functions.log), cost=16),
    "math.log1p": Rule(_unary(functions.log1p), cost=18),
    "math.tanh": Rule(_unary(functions.tanh), cost=20),
    "math.sqrt": Rule(_intrinsic("sqrt"), cost=4),
    "math.rsqrt": Rule(_rsqrt, cost=8),
    "math.xlogy": Rule(_times(functions.log, 1.0), cost=18),
    "math.xlog1py": Rule(_times(functions.log1p, 0.0), cost=20),
    "math.pow": _library("pow", 40),
    "math.hypot": _library("hypot", 20),
    "math.sin": _library("sin", 20),
    "math.cos": _library("cos", 20),
    "math.tan": _library("tan", 30),
    "math.asin": _library("asin", 20),
    "math.acos": _library("acos", 20),
    "math.atan": _library("atan", 20),
    "math.atan2": _library("atan2", 30),
    "math.sinh": _library("sinh", 20),
    "math.cosh": _library("cosh", 20),
    "math.asinh": _library("asinh", 30),
    "math.acosh": _library("acosh", 30),
    "math.atanh": _library("atanh", 30),
    "math.erf": _in_single(functions.erf, "erf", 30),
    "math.erfc": _in_single(functions.erfc, "erfc", 40),
    "math.fmod": Rule(_on_kind(libm.remainder, integers.remainder), "out", "fiu", 300, "fmod"),
    "math.floor_mod": Rule(_on_kind(libm.floor_remainder, integers.floor_remainder), "out", "fiu", 320, "fmod"),
    "math.floor_div": Rule(_on_kind(libm.floor_quotient, integers.floor_quotient), "out", "fiu", 320, "fmod"),
    "bitwise.and_": Rule(_logical("and"), kinds="iu"),
    "bitwise.or_": Rule(_logical("or"), kinds="iu"),
    "bitwise.xor": Rule(_logical("xor"), kinds="iu"),
    "bitwise.toggle_bits": Rule(lambda b, x, **_: b.binary("xor", x, const(-1, x.type)), kinds="iu"),
    "bitwise.left_shift": Rule(integers.left_shift, kinds="iu"),
    "bitwise.right_shift": Rule(integers.right_shift, kinds="iu"),
    "bitwise.left_shift_cyclic": Rule(integers.rotate("fshl"), kinds="iu", cost=3),
    "bitwise.right_shift_cyclic": Rule(integers.rotate("fshr"), kinds="iu", cost=3),
    "nn.softsign": Rule(_softsign, cost=5),
    "nn.relu6": Rule(_relu6, cost=2),
    "nn.leaky_relu": Rule(_leaky_relu),
    "nn.elu": Rule(_elu, cost=15),
    "math.is_nan": Rule(_is_nan, "common", "fiub"),
    "math.is_infinite": Rule(_is_infinite, "common", "fiub"),
    "math.is_finite": Rule(_is_finite, "common", "fiub"),
    "eq": Rule(_comparison("eq"), "common", "fiub"),
    "neq": Rule(_comparison("ne"), "common", "fiub"),
    "gt": Rule(_comparison("gt"), "common", "fiub"),
    "gte": Rule(_comparison("ge"), "common", "fiub"),
    "lt": Rule(_comparison("lt"), "common", "fiub"),
    "lte": Rule(_comparison("le"), "common", "fiub"),
    "math.and_": Rule(_logical("and"), "truth", "b"),
    "math.or_": Rule(_logical("or"), "truth", "b"),
    "math.xor": Rule(_logical("xor"), "truth", "b"),
    "math.not_": Rule(lambda b, x, **_: b.binary("xor", x, const(1, "i1")), "truth", "b"),
    "where": Rule(_where, "where", "fiub"),
    "cast": Rule(lambda b, x, **_: x, "out", "fiub"),
}
"""Every elementwise op of sdgraph's that kernels can compute, by `sdgraph.build.op.Op.key`.

They stand here and not in the decorators, because they belong together: each is a few instructions in terms of others.
"""


def rule_of(name: str) -> Rule | None:
    """What computes an op on one lane: the table's rule, or what its decorator names for this engine."""
    return RULES.get(name) or said_rule(name)


def said_rule(name: str) -> Rule | None:
    """The rule an op brings along, ``kernels={"llvm": ...}``: itself, its function, or where that is to be found."""
    op = REGISTRY.get(name)
    said = op.kernels.get("llvm") if op is not None else None
    if isinstance(said, str):
        module, _, function = said.partition(":")
        said = getattr(importlib.import_module(module), function)
    return said if said is None or isinstance(said, Rule) else Rule(said)


def compute_dtypes(name: str, operands: Sequence[np.dtype[Any]], out: np.dtype[Any]) -> list[np.dtype[Any]] | None:
    """The dtypes that operands are converted to, or None if kernels cannot compute this op on these dtypes."""
    rule = rule_of(name)
    if rule is None or not is_native(out) or not all(map(is_native, operands)):
        return None
    if rule.calls and out.kind == "f" and not libm.has(rule.calls):
        return None
    if rule.compute == "where":
        wanted = [_BOOL, out, out]
    elif rule.compute == "truth":
        wanted = [_BOOL] * len(operands)
    else:
        common = out if rule.compute == "out" else np.result_type(*operands)
        wanted = [common] * len(operands)
    kind = wanted[-1].kind
    if rule.compute == "common" and kind == "f" and all(o.kind in "iu" for o in operands):
        return None  # Numpy compares such integers exactly, though they have no common integer dtype.
    return wanted if all(map(is_native, wanted)) and kind in rule.kinds else None


def emit(
    b: Builder,
    name: str,
    args: Sequence[Val],
    dtypes: Sequence[np.dtype[Any]],
    out: np.dtype[Any],
    attrs: Mapping[str, Any],
) -> Val:
    """The result of an op as a value of its dtype. An attribute ``range`` tells what is known of it beforehand."""
    wanted = compute_dtypes(name, dtypes, out)
    assert wanted is not None
    converted = [convert(b, v, d, w) for v, d, w in zip(args, dtypes, wanted, strict=True)]
    if wanted[-1].kind == "u":
        attrs = {**attrs, "unsigned": True}
    if name == "cast":
        attrs = {}
    if wanted[-1] == _HALF:
        attrs = {k: _as_half(x) for k, x in attrs.items()}
    rule = rule_of(name)
    assert rule is not None
    result = rule.emit(b, *converted, **attrs)
    if out == _HALF:
        # What is known before rounding need not hold after it: large numbers become infinite.
        return result if name in _EXACT_IN_HALF else narrow.rounded_to_half(b, result)
    return b.know(result, attrs["range"]) if "range" in attrs else result


_EXACT_IN_HALF = frozenset(("cast", "where", "math.neg", "math.abs", "math.max", "math.min"))
"""Ops that give one of their operands, or 0."""


def _as_half(attr: Any) -> Any:
    """A number among an op's attributes, as it meets operands of float16."""
    if type(attr) not in (int, float):
        return attr
    with np.errstate(over="ignore"):
        return float(np.float16(attr))

"""Functions of the C library on all lanes: vector functions where the system has them, else one call per lane.

On x86-64 with glibc the vector functions are those of libmvec. Code refers to functions by name, so that it can be kept
on disk and linked anew. Must not know ops or plans.
"""

from __future__ import annotations

import functools

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const
from sdgraph.run.engines.llvm.translate import machine

_VECTOR_LIBRARY = "libmvec.so.1"
_LETTERS = ((512, "avx512f", "e"), (256, "avx2", "d"), (128, None, "b"))
"""By size in bits: what the CPU must have, and the letter that names of functions of this size carry."""


def _symbol(name: str, type_: str) -> str:
    return name + ("f" if type_ == "float" else "")


@functools.cache
def has(name: str) -> bool:
    """Whether a function can be called for both floating types; where not, the op runs as its numpy kernel."""
    return all(machine.has_symbol(_symbol(name, t)) for t in FLOAT_BITS)


def vector_symbol(name: str, type_: str, lanes: int, arguments: int) -> str | None:
    """The name of a function on vectors of exactly that many lanes, or None if the system has none."""
    computer = machine.computer()
    bits = lanes * FLOAT_BITS[type_]
    letter = next((x for size, needed, x in _LETTERS if size == bits and needed in (None, *computer.features)), None)
    if letter is None or not computer.is_x86_64 or not machine.load_library(_VECTOR_LIBRARY):
        return None
    symbol = f"_ZGV{letter}N{lanes}{'v' * arguments}_{_symbol(name, type_)}"
    return symbol if machine.has_symbol(symbol) else None


def call(b: Builder, name: str, *args: Val) -> Val:
    """``name`` of the operands, one lane at a time in effect."""
    vec, args = b.alike(*args)
    return _on_lanes(b, name, args, b.width) if vec else _on_one(b, name, args)


def _on_one(b: Builder, name: str, args: tuple[Val, ...]) -> Val:
    t = args[0].type
    symbol = _symbol(name, t)
    b.declare(f"declare {t} @{symbol}({', '.join([t] * len(args))})")
    text = f"call {t} @{symbol}({', '.join(f'{t} {v.text}' for v in args)})"
    return b.instruction(text, t, False, *args)


def _on_lanes(b: Builder, name: str, args: tuple[Val, ...], lanes: int) -> Val:
    """On vectors of ``lanes``: in one call, or in halves that are put together."""
    t = args[0].type
    full = f"<{lanes} x {t}>"
    symbol = vector_symbol(name, t, lanes, len(args))
    if symbol is not None:
        b.declare(f"declare {full} @{symbol}({', '.join([full] * len(args))})")
        text = f"call {full} @{symbol}({', '.join(f'{full} {v.text}' for v in args)})"
        return b.instruction(text, t, True, *args)
    if lanes % 2 or not any(vector_symbol(name, t, n, len(args)) for n in _halves(lanes)):
        return _lane_by_lane(b, name, args, lanes)
    half = lanes // 2
    low, high = (
        _on_lanes(b, name, tuple(_pick(b, v, lanes, range(start, start + half)) for v in args), half)
        for start in (0, half)
    )
    order = ", ".join(f"i32 {k}" for k in range(lanes))
    part = f"<{half} x {t}>"
    text = f"shufflevector {part} {low.text}, {part} {high.text}, <{lanes} x i32> <{order}>"
    return b.instruction(text, t, True, low, high)


def _halves(lanes: int) -> list[int]:
    sizes = []
    while lanes % 2 == 0:
        lanes //= 2
        sizes.append(lanes)
    return sizes


def _pick(b: Builder, v: Val, lanes: int, which: range) -> Val:
    """Some lanes of a vector as a shorter one."""
    full = f"<{lanes} x {v.type}>"
    order = ", ".join(f"i32 {k}" for k in which)
    text = f"shufflevector {full} {v.text}, {full} poison, <{len(which)} x i32> <{order}>"
    return b.instruction(text, v.type, True, v)


def _lane_by_lane(b: Builder, name: str, args: tuple[Val, ...], lanes: int) -> Val:
    t = args[0].type
    full = f"<{lanes} x {t}>"
    out: Val | None = None
    for k in range(lanes):
        ones = tuple(b.instruction(f"extractelement {full} {v.text}, i32 {k}", t, False, v) for v in args)
        one = _on_one(b, name, ones)
        before = "poison" if out is None else out.text
        text = f"insertelement {full} {before}, {t} {one.text}, i32 {k}"
        out = b.instruction(text, t, True, one, *(() if out is None else (out,)))
    assert out is not None
    return out


# ---------------------------------------------------------------------- quotients in whole numbers


def _division(b: Builder, x: Val, y: Val) -> tuple[Val, Val]:
    """Quotient rounded down and the remainder with the sign of ``y``, for ``y`` that is not 0."""
    t = x.type
    zero, one = const(0, t), const(1, t)
    rest = remainder(b, x, y)
    whole = b.fdiv(b.fsub(x, rest), y)  # Whole up to rounding.
    nonzero = b.compare("fcmp une", rest, zero)
    differ = b.compare("icmp ne", b.compare("fcmp olt", y, zero), b.compare("fcmp olt", rest, zero))
    against = b.binary("and", nonzero, differ)
    rest = b.select(nonzero, b.select(against, b.fadd(rest, y), rest), b.call("copysign", zero, y))
    whole = b.select(against, b.fsub(whole, one), whole)
    down = b.call("floor", whole)
    down = b.select(b.compare("fcmp ogt", b.fsub(whole, down), const(0.5, t)), b.fadd(down, one), down)
    signed_zero = b.call("copysign", zero, b.fdiv(x, y))
    return b.select(b.compare("fcmp oeq", whole, zero), signed_zero, down), rest


def remainder(b: Builder, x: Val, y: Val) -> Val:
    """Remainder with the sign of ``x``; NaN for ``y`` = 0."""
    return call(b, "fmod", x, y)


def floor_quotient(b: Builder, x: Val, y: Val) -> Val:
    """``x / y`` rounded down; infinite or NaN for ``y`` = 0."""
    return b.select(b.compare("fcmp oeq", y, const(0, y.type)), b.fdiv(x, y), _division(b, x, y)[0])


def floor_remainder(b: Builder, x: Val, y: Val) -> Val:
    """Remainder with the sign of ``y``; NaN for ``y`` = 0."""
    return b.select(b.compare("fcmp oeq", y, const(0, y.type)), remainder(b, x, y), _division(b, x, y)[1])

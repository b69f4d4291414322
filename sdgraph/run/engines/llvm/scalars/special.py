"""Steps of elementary functions for which some CPUs have an instruction: scaling by powers of two, reciprocals.

Each falls back to ordinary arithmetic. Must not know ops.
"""

from __future__ import annotations

from collections.abc import Sequence

from sdgraph.run.engines.llvm.scalars.builder import FLOAT_BITS, Builder, Val, const

SHORT, LONG = "avx512vl", "avx512f"
"""CPU features: the instructions used here on registers of up to 256 bits, and on 512 bits."""


def _register(b: Builder, v: Val) -> int:
    """Bits of the register that holds a vector if the CPU has the instructions for it, else 0."""
    bits = b.width * FLOAT_BITS[v.type] if v.vec else 0
    needed = {128: SHORT, 256: SHORT, 512: LONG}.get(bits)
    return bits if needed in b.features else 0


def _letter(v: Val) -> str:
    return "s" if v.type == "float" else "d"


def _mask(b: Builder) -> str:
    """All lanes."""
    return f"i{max(b.width, 8)} -1"


def can_scale(b: Builder, v: Val) -> bool:
    """Whether `scale` is one instruction here; then it takes any number of binary orders, and rounds once."""
    return bool(_register(b, v))


def scale(b: Builder, v: Val, orders: Val) -> Val:
    """``v 2^orders`` for whole numbers ``orders`` written as floats, where `can_scale`."""
    bits, full = _register(b, v), b.type(v.type, True)
    symbol = f"@llvm.x86.avx512.mask.scalef.p{_letter(v)}.{bits}"
    mask = _mask(b)
    rounding = ["i32 4"] if bits == 512 else []
    types = [full, full, full, mask.split()[0], *(r.split()[0] for r in rounding)]
    b.declare(f"declare {full} {symbol}({', '.join(types)})")
    orders = b.splat(orders)
    arguments = ", ".join([b.typed(v), b.typed(orders), f"{full} zeroinitializer", mask, *rounding])
    return b.instruction(f"call {full} {symbol}({arguments})", v.type, True, v, orders)


LANES = 16
"""Numbers that `look_up` chooses from."""


def can_look_up(b: Builder, v: Val) -> bool:
    """Whether `look_up` is one instruction here."""
    return b.width == LANES and v.type == "float" and bool(_register(b, v))


def look_up(b: Builder, numbers: Sequence[float], index: Val) -> Val:
    """For each lane the number at its index, of which only the lowest four bits count, where `can_look_up`."""
    full, places = b.type("float", True), b.type("i32", True)
    table = ", ".join(b.typed(const(number, "float")) for number in numbers)
    symbol = "@llvm.x86.avx512.permvar.sf.512"
    b.declare(f"declare {full} {symbol}({full}, {places})")
    return b.instruction(f"call {full} {symbol}({full} <{table}>, {b.typed(index)})", "float", True, index)


def has_reciprocal(b: Builder, v: Val) -> bool:
    """Whether `reciprocal` avoids a division here."""
    return v.type == "float" and bool(_register(b, v))


def reciprocal(b: Builder, v: Val) -> Val:
    """``1 / v`` to within a digit in the last place, for values far from the ends of the range and from 0."""
    one = const(1, v.type)
    if not has_reciprocal(b, v):
        return b.fdiv(one, v)
    bits, full = _register(b, v), b.type(v.type, True)
    symbol = f"@llvm.x86.avx512.rcp14.p{_letter(v)}.{bits}"
    mask = _mask(b)
    b.declare(f"declare {full} {symbol}({full}, {full}, {mask.split()[0]})")
    rough = b.instruction(f"call {full} {symbol}({b.typed(v)}, {full} zeroinitializer, {mask})", v.type, True, v)
    # One step of Newton's method doubles the 14 bits.
    return b.fma(rough, b.fma(b.neg(v), rough, one), rough)


_FUSING = frozenset(("fma", "neon"))
"""CPU features, of which one tells that products and sums are fused."""
_UPPER_HALF = -(1 << 12)
"""The bits of a float that leave a number whose square is exact."""


def lost_by_square(b: Builder, x: Val, square: Val) -> Val:
    """``x x - square``, what rounding the square of a float lost, where that is not too large nor too small."""
    if _FUSING & set(b.features):
        return b.call("fma", x, x, b.neg(square))
    upper = b.reinterpret(b.binary("and", b.reinterpret(x, "i32"), const(_UPPER_HALF, "i32")), x.type)
    lower = b.fsub(x, upper)
    return b.fadd(b.fsub(b.fmul(upper, upper), square), b.fmul(lower, b.fadd(x, upper)))

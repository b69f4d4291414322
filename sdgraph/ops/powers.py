"""What the op `pow` computes, its gradient, and which powers of integers there are. Must not know other ops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ExecutionError
from sdgraph.infer.aval import Aval
from sdgraph.wording import first_where

_FLOATS: Final = 'Make floats of them first: x.cast("float64") ** y.'


def power(xp: Any, x: Any, y: Any) -> Any:
    """C's pow. Some versions of numpy take the root for the exponent 1/2, which differs at -0.0 and -infinity."""
    if xp is np and y.ndim == 0 and y == 0.5 and x.dtype.kind == "f":
        x = x.astype(np.result_type(x, y), copy=False)
        return np.where(x == -np.inf, np.inf, np.sqrt(x + 0.0))
    if xp is np and y.dtype.kind == "i" and x.dtype.kind in "biu" and (y < 0).any():
        if (found := _fraction(x, y)) is not None:
            raise ExecutionError(f"{found} is no integer.", fix=_FLOATS)
        y = np.where(y < 0, y & 1, y)  # Of 1 and -1 only whether the exponent is odd matters.
    return xp.power(x, y)


def no_fractions(attrs: Any, avals: Sequence[Aval], values: Sequence[np.ndarray[Any, Any] | None]) -> Mapping[str, Any]:
    """The rule that refuses integers to a power that is known to be negative.

    Raises:
        ArgumentError: Unless the integers are known, too, and have such powers.
    """
    x, y = values
    if y is None or y.dtype.kind != "i" or avals[0].dtype.kind not in "biu" or not (y < 0).any():
        return attrs
    if x is None:
        raise ArgumentError(
            f"Integers to a negative power, {first_where(y < 0, y)}, are no integers.",
            given=f"x {avals[0]}, y {avals[1]}",
            fix=_FLOATS,
        )
    if (found := _fraction(x, y)) is not None:
        raise ArgumentError(f"{found} is no integer.", fix=_FLOATS)
    return attrs


def _fraction(x: Any, y: Any) -> str | None:
    """The first power of integers that is none."""
    bad = (y < 0) & (x != 1) & (x != -1)
    if not bad.any():
        return None
    base, exponent = np.broadcast_arrays(x, y)
    at = tuple(np.argwhere(bad)[0])
    return f"{base[at]} to the power {first_where(bad, exponent)}"


def pow_vjp(g: SDVariable, z: SDVariable, x: SDVariable, y: SDVariable) -> tuple[SDVariable, SDVariable]:
    """``dz/dx = y x^(y-1)``, 0 where y is 0; ``dz/dy = z log x``, 0 where x is not positive."""
    sd, m = g.sd, g.sd.math
    # log of 1 is 0, which makes the product 0; the power of x at y = 0 must not be infinite, nor may its derivative.
    dy = m.multiply_no_nan(z, m.log(sd.where(x > 0, x, 1.0)))
    exponent = y.value if y.kind is VariableKind.CONSTANT else None
    if exponent is not None and exponent.ndim == 0 and exponent != 0:
        return g * (y * (x if exponent == 2 else m.pow(x, y - 1))), m.multiply_no_nan(dy, g)
    safe = sd.where(m.and_(sd.eq(x, 0), sd.eq(y, 0)), 1.0, y)
    # A cotangent of 0 stays 0 where the slope is infinite: in higher derivatives an exponent that has reached 0 leaves
    # one, and the power next to it is that of the exponent below.
    return m.multiply_no_nan(m.multiply_no_nan(m.pow(x, safe - 1), y), g), m.multiply_no_nan(dy, g)

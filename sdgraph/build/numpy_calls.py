"""Numpy's functions, called with a variable: operators do what the operator does, the rest is told what to write.

Numpy asks a variable among its operands what to do, for ``array + v`` as well as for ``np.add(array, v)``: it does not
tell which of them somebody wrote. Must not know what an op computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import numpy as np

from sdgraph.build.index_key import as_code
from sdgraph.errors import ArgumentTypeError

_OPERATORS: Final[Mapping[Any, tuple[str, str]]] = {
    np.add: ("math.add", "+"),
    np.subtract: ("math.sub", "-"),
    np.multiply: ("math.mul", "*"),
    np.true_divide: ("math.div", "/"),
    np.floor_divide: ("math.floor_div", "//"),
    np.remainder: ("math.floor_mod", "%"),
    np.power: ("math.pow", "**"),
    np.matmul: ("linalg.matmul", "@"),
    np.less: ("lt", "<"),
    np.less_equal: ("lte", "<="),
    np.greater: ("gt", ">"),
    np.greater_equal: ("gte", ">="),
    np.bitwise_and: ("math.and_", "&"),
    np.bitwise_or: ("math.or_", "|"),
    np.bitwise_xor: ("math.xor", "^"),
}
"""The op and the symbol of each of numpy's functions that an operator of Python calls."""


_REDUCTIONS: Final = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


def operator(v: Any, ufunc: np.ufunc, method: str, inputs: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
    """What a function of numpy's makes of operands among which ``v`` is.

    Raises:
        ArgumentTypeError: If it is no operator of Python.
    """
    op, symbol = _OPERATORS.get(ufunc, ("", ""))
    if keywords.get("out") is not None:
        raise ArgumentTypeError(
            f"An array cannot be changed in place by {v.name!r}, which is a symbol.",
            given=repr(v),
            fix=f"a = a {symbol or '+'} v makes a node; a {symbol or '+'}= v.eval(feeds) changes the array.",
        )
    if ufunc in (np.equal, np.not_equal):
        name = "eq" if ufunc is np.equal else "neq"
        raise ArgumentTypeError(
            f"{v.name!r} has no elements to compare with those of an array: it is a symbol.",
            given=repr(v),
            fix=f"Write {as_code(v.name)}.{name}(array); == asks whether two variables are the same one.",
        )
    if not op or method != "__call__" or keywords:
        call = "" if method == "__call__" else f".{method}"
        function(v, ufunc.__name__ + call, _REDUCTIONS.get(ufunc.__name__) if method == "reduce" else ufunc.__name__)
    space, _, name = op.rpartition(".")
    return getattr(getattr(v.sd, space) if space else v.sd, name)(*inputs)


def function(v: Any, name: str, meant: str | None) -> NoReturn:
    """Tell what stands for a function of numpy's that was called with ``v``; ``meant`` is what it is known by."""
    from sdgraph.build.spelling.lacking import asked_of
    from sdgraph.build.spelling.unknown import advice

    told = None if meant is None else advice(asked_of(v, as_code(v.name)), meant, misspelt=False)
    raise ArgumentTypeError(
        f"numpy's {name} takes arrays, and {v.name!r} is a symbol: it has none until it is evaluated.",
        given=repr(v),
        fix=told or f"Look for an operation in sd.math, or evaluate it first: {as_code(v.name)}.eval(feeds).",
    )

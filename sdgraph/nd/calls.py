"""Ops on arrays, without a graph in sight.

Each call of an op becomes a small graph of its own, compiled once per op, settings, shapes and dtypes. Knows no op.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build import forks
from sdgraph.build.attributes import attr_key
from sdgraph.build.kinds import NO_ATTRS
from sdgraph.build.literals import FLOATING, dtypes_of, literal, operand_array
from sdgraph.build.op import Op
from sdgraph.build.variable import SDVariable
from sdgraph.errors import SDGraphError
from sdgraph.infer.arrays import own_array
from sdgraph.infer.aval import Aval
from sdgraph.run.evaluate import executable_of
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from sdgraph.run.executable import Executable

_MAX_COMPILED = 512

_lock = threading.Lock()
forks.renew(sys.modules[__name__], "_lock", threading.Lock)
_compiled: dict[Any, tuple[Executable, list[str], bool]] = {}
_FLOATING = np.dtype(FLOATING)


def call(op: Op, operands: Sequence[Any], attrs: Mapping[str, Any] = NO_ATTRS) -> Any:
    """Apply an op to arrays and Python values.

    Args:
        op: Any op.
        operands: Its operands; None for one that is absent.
        attrs: Its attributes, as `Op.bind` gives them.

    Returns:
        A numpy array, or a tuple of them for several outputs.

    Example:
        >>> from sdgraph.ops.math import SDMath
        >>> call(SDMath.log1p.op, [np.array([0.0, 1.0])])
        array([0.        , 0.69314718])
    """
    operands = _alone(operands)
    avals: list[Aval | None] = [None] * len(operands)
    dtypes = dtypes_of(op, operands, avals)
    arrays = {}
    for k, x in enumerate(operands):
        if x is not None and type(x) is not SDVariable:
            array = arrays[k] = operand_array(op, k, x, dtypes, _FLOATING)
            avals[k] = Aval(array.shape, array.dtype)
    if op.settle is not None:
        attrs = _settled(op, avals, [arrays.get(k) for k in range(len(operands))], attrs)
    key = (op, tuple(avals), attr_key(attrs))
    found = _compiled.get(key)
    if found is None:
        found = _compile(op, avals, attrs)
        with _lock:
            if len(_compiled) >= _MAX_COMPILED:
                _compiled.pop(next(iter(_compiled)))
            _compiled[key] = found
    executable, names, several = found
    values = executable.run(dict(zip(names, arrays.values(), strict=True)))
    return tuple(values) if several else values[0]


def _settled(op: Op, avals: Sequence[Aval | None], values: Sequence[Any], attrs: Mapping[str, Any]) -> Any:
    """The attributes of a call whose operands are all known."""
    assert op.settle is not None
    try:
        return op.settle(attrs, avals, values)
    except SDGraphError as e:
        given = zip(op.operand_names, avals, strict=True)
        e.in_call(f"sd.{op.qualname}", "\n".join(f"{k}: {a}" for k, a in given if a is not None))
        raise


def _compile(op: Op, avals: Sequence[Aval | None], attrs: Mapping[str, Any]) -> tuple[Executable, list[str], bool]:
    sd = SameDiff()
    names = op.operand_names if not op.variadic else [f"{op.operand_names[0]}_{k}" for k in range(len(avals))]
    operands = [None if a is None else sd.placeholder(k, a.shape, a.dtype) for k, a in zip(names, avals, strict=True)]
    out = sd.apply(op, operands, attrs)
    outs = list(out) if isinstance(out, tuple) else [out]
    return executable_of(sd, outs), [v.name for v in operands if v is not None], isinstance(out, tuple)


def _alone(operands: Sequence[Any]) -> Sequence[Any]:
    """The operands, with numpy's scalars as arrays where no array is among them.

    There is no graph whose dtype they could take, so they keep their own, as numpy has it.
    """
    if any(isinstance(x, np.ndarray) for x in operands):
        return operands
    return [np.asarray(x) if isinstance(x, np.generic) else x for x in operands]


def evaluate(build: Callable[..., SDVariable], operands: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Value of what ``build(sd, **operands)`` makes of arrays; the graph is built anew at each call.

    Args:
        build: Called with a graph and the operands as variables of it; an operand that is None stays None.
        operands: Arrays and Python values by name.
    """
    sd = SameDiff()
    given = dict(zip(operands, _alone([*operands.values()]), strict=True))
    given = {k: x for k, x in given.items() if x is not None}
    # Of dates and the like no number has a dtype in common; they are refused below.
    dtypes = [x.dtype for x in given.values() if isinstance(x, np.ndarray) and x.dtype.kind in "biufc"]
    arrays = {k: literal(x, None, dtypes, _FLOATING) for k, x in given.items()}
    variables = {k: sd.placeholder(k, a.shape, a.dtype) for k, a in arrays.items()}
    out = build(sd, **{k: variables.get(k) for k in operands})
    return executable_of(sd, [out]).run(arrays)[0]


def as_operands(operands: Sequence[Any]) -> list[Any]:
    """Operands of one call as variables, arrays, Python numbers and None.

    Nested lists become arrays: of whole numbers and bools as they are, others in the floating dtype of their
    neighbours, or the graph's if there is none.
    """
    sd = graph_of(operands)
    brought = operands if sd is not None else _alone(operands)
    dtypes = [x.dtype for x in brought if isinstance(x, SDVariable | np.ndarray) and x.dtype.kind == "f"]
    floating = np.result_type(*dtypes) if dtypes else _FLOATING if sd is None else sd.dtype
    return [_as_operand(x, floating) for x in operands]


def _as_operand(x: Any, floating: np.dtype[Any]) -> Any:
    if x is None or isinstance(x, SDVariable | np.ndarray | np.generic | bool | int | float | complex):
        return x
    array = own_array(x)
    return array.astype(floating) if isinstance(x, list | tuple) and array.dtype.kind == "f" else array


def graph_of(operands: Sequence[Any]) -> SameDiff | None:
    """The graph that the variables among the operands belong to; None if all are arrays."""
    for x in operands:
        if isinstance(x, SDVariable):
            return x.sd
    return None


__all__ = ["as_operands", "call", "evaluate", "graph_of"]

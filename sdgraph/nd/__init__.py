"""The ops of a graph on arrays, without a graph in sight: ``nd.loss.huber_loss(label, predictions)``.

Namespaces, names, arguments and documentation are those of `SameDiff`; a call returns a numpy array. Ops of the base
namespace are functions of this module: ``nd.sum(x)``. Knows no op: the namespaces get a stand-in for their graph.

Example:
    >>> import sdgraph.nd as nd
    >>> nd.math.log1p([0.0, 1e-20])
    array([0.e+00, 1.e-20])
    >>> nd.sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
    array([4., 6.])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.kinds import NO_ATTRS
from sdgraph.build.op import REGISTRY, Op
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, SDGraphError, shown
from sdgraph.infer.arrays import as_numbers
from sdgraph.nd.calls import call
from sdgraph.ops.base import SDBase
from sdgraph.ops.bitwise import SDBitwise
from sdgraph.ops.guards import SDGuards
from sdgraph.ops.linalg import SDLinalg
from sdgraph.ops.losses.keras import SDKeras
from sdgraph.ops.losses.samediff import SDLoss
from sdgraph.ops.math import SDMath
from sdgraph.ops.nn import SDNN
from sdgraph.ops.random import SDRandom

if TYPE_CHECKING:
    from sdgraph.samediff import SameDiff

__all__ = ["bitwise", "keras", "linalg", "loss", "math", "nn", "random"]


class _Arrays:
    """What the namespaces take for their graph: an op that is applied to it is computed at once."""

    def apply(
        self, op: Op, operands: Sequence[Any], attrs: Mapping[str, Any] = NO_ATTRS, name: str | None = None
    ) -> Any:
        if name is not None:
            raise ArgumentTypeError(f"sd.{op.qualname}: an array has no name.", given=f"name={shown(name)}")
        for x in operands:
            if isinstance(x, SDVariable):
                raise ArgumentTypeError(
                    f"{x.name!r} is a variable of a graph, and this function takes arrays.",
                    given=repr(x),
                    fix=f"Use the op of the graph, sd.{op.qualname}, or give it the variable's value.",
                )
        if not any(isinstance(x, np.ndarray | np.generic) for x in operands):
            # There is no graph whose dtype Python numbers could take, so they get numpy's.
            operands = [x if x is None else _as_array(x) for x in operands]
        return call(op, operands, attrs)


def _as_array(x: Any) -> Any:
    try:
        return as_numbers(x)
    except SDGraphError:
        return x  # The op says so with its own name.


_stand_in: SameDiff = _Arrays()  # type: ignore[assignment]


class _Base(SDBase, SDGuards):
    """The ops without a namespace."""


_base = _Base(_stand_in)

bitwise = SDBitwise(_stand_in)
"""Bit operations on integers."""
keras = SDKeras(_stand_in)
"""Loss functions under Keras' names and meaning."""
linalg = SDLinalg(_stand_in)
"""Linear algebra."""
loss = SDLoss(_stand_in)
"""Loss functions."""
math = SDMath(_stand_in)
"""Elementwise mathematics."""
nn = SDNN(_stand_in)
"""Activations and layers."""
random = SDRandom(_stand_in)
"""Random arrays."""


def __getattr__(name: str) -> Any:
    """A base op as a function."""
    if name in REGISTRY:
        return getattr(_base, name)
    raise AttributeError(f"module 'sdgraph.nd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for name in REGISTRY if "." not in name)})

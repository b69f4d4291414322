"""The namespaces of ops on arrays: those of a graph, with a stand-in for the graph that computes at once.

Knows no op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.kinds import NO_ATTRS
from sdgraph.build.namespace import OnArrays
from sdgraph.build.op import Op
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, SDGraphError, shown
from sdgraph.infer.arrays import as_numbers
from sdgraph.nd.calls import call
from sdgraph.ops.base import SDBase
from sdgraph.ops.bitwise import SDBitwise
from sdgraph.ops.cnn import SDCNN
from sdgraph.ops.guards import SDGuards
from sdgraph.ops.image import SDImage
from sdgraph.ops.linalg import SDLinalg
from sdgraph.ops.losses.keras import SDKeras
from sdgraph.ops.losses.samediff import SDLoss
from sdgraph.ops.math import SDMath
from sdgraph.ops.nn import SDNN
from sdgraph.ops.random import SDRandom
from sdgraph.ops.rnn import SDRNN

if TYPE_CHECKING:
    from sdgraph.samediff import SameDiff


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


class _Base(OnArrays, SDBase, SDGuards):
    """The ops without a namespace."""


class _Bitwise(OnArrays, SDBitwise): ...


class _CNN(OnArrays, SDCNN): ...


class _Image(OnArrays, SDImage): ...


class _Keras(OnArrays, SDKeras): ...


class _Linalg(OnArrays, SDLinalg): ...


class _Loss(OnArrays, SDLoss): ...


class _Math(OnArrays, SDMath): ...


class _NN(OnArrays, SDNN): ...


class _Random(OnArrays, SDRandom): ...


class _RNN(OnArrays, SDRNN): ...


base = _Base(_stand_in)
"""The ops of the graph itself."""
bitwise = _Bitwise(_stand_in)
"""Bit operations on integers."""
cnn = _CNN(_stand_in)
"""Convolution and pooling."""
image = _Image(_stand_in)
"""Operations on images."""
keras = _Keras(_stand_in)
"""Loss functions under Keras' names and meaning."""
linalg = _Linalg(_stand_in)
"""Linear algebra."""
loss = _Loss(_stand_in)
"""Loss functions."""
math = _Math(_stand_in)
"""Elementwise mathematics."""
nn = _NN(_stand_in)
"""Activations and layers."""
random = _Random(_stand_in)
"""Random arrays."""
rnn = _RNN(_stand_in)
"""Recurrent layers."""

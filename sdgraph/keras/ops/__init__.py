"""Keras' operations, for variables of a graph and for arrays: ``ops.mean(ops.square(y_true - y_pred), axis=-1)``.

With a variable among the operands the result is a variable of its graph; with arrays alone it is a numpy array,
computed at once. Names, order of arguments and defaults are Keras'. Numbers and lists of Python's are float32, or int32
if they are whole; beside an array or a variable numbers take its dtype; numpy arrays keep theirs, float64 too.

Example:
    >>> from sdgraph import SameDiff
    >>> from sdgraph.keras import ops
    >>> ops.mean([[1.0, 3.0], [2.0, 6.0]], axis=-1)
    array([2., 4.], dtype=float32)
    >>> x = SameDiff().placeholder("x", (None, 3))
    >>> ops.reshape(x, (ops.shape(x)[0], -1, 1)).shape
    (None, 3, 1)
"""

from typing import TYPE_CHECKING, Any

from sdgraph.build.spelling.lacking import of_module
from sdgraph.keras.ops import activating, arranging, core, creating, elementwise, multiplying, neural, reducing
from sdgraph.keras.ops.activating import *  # noqa: F403
from sdgraph.keras.ops.activating import hard_silu, silu
from sdgraph.keras.ops.arranging import *  # noqa: F403
from sdgraph.keras.ops.core import *  # noqa: F403
from sdgraph.keras.ops.creating import *  # noqa: F403
from sdgraph.keras.ops.elementwise import *  # noqa: F403
from sdgraph.keras.ops.multiplying import *  # noqa: F403
from sdgraph.keras.ops.neural import *  # noqa: F403
from sdgraph.keras.ops.reducing import *  # noqa: F403

swish, hard_swish = silu, hard_silu

_MODULES = (activating, arranging, core, creating, elementwise, multiplying, neural, reducing)
__all__ = ["hard_swish", "swish"]
__all__ += sorted(name for module in _MODULES for name in module.__all__)

if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        raise of_module("sdgraph.keras.ops", name, __all__)

"""The graph that ops can be written into: bodies are traced into one, gradients appended to it, pictures copy it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from sdgraph.build import bookkeeping
from sdgraph.build.initializers import as_seed
from sdgraph.build.leaves import GraphLeaves
from sdgraph.build.literals import FLOATING
from sdgraph.errors import ArgumentTypeError, SDGraphError, shown
from sdgraph.ops.base import SDBase
from sdgraph.ops.bitwise import SDBitwise
from sdgraph.ops.cnn import SDCNN
from sdgraph.ops.control.control import SDControl
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
    from numpy.typing import DTypeLike


class OpGraph(GraphLeaves, SDBase, SDControl, SDGuards):
    """A graph with the ops of all namespaces.

    Args:
        dtype: Floating dtype of Python numbers and lists; numpy arrays keep theirs.
        seed: Seed of the random ops that have none of their own.
    """

    def __init__(self, dtype: DTypeLike = FLOATING, *, seed: int = 0) -> None:
        GraphLeaves.__init__(self, dtype)
        self.seed = as_seed(seed)
        self.user: dict[str, str] = {}
        """Texts that are kept with the graph, in copies and in files."""
        self.math = SDMath(self)
        """Elementwise mathematics."""
        self.nn = SDNN(self)
        """Activations and layers."""
        self.cnn = SDCNN(self)
        """Convolution and pooling."""
        self.rnn = SDRNN(self)
        """Recurrent layers."""
        self.loss = SDLoss(self)
        """Loss functions."""
        self.keras = SDKeras(self)
        """Loss functions under Keras' names and meaning."""
        self.linalg = SDLinalg(self)
        """Linear algebra."""
        self.random = SDRandom(self)
        """Random arrays."""
        self.bitwise = SDBitwise(self)
        """Bit operations on integers."""
        self.image = SDImage(self)
        """Operations on images."""

    @property
    def sd(self) -> Self:  # type: ignore[override]
        """The graph itself: base ops are methods of it."""
        return self

    def scratch(self) -> Self:
        """An empty graph of the same kind, dtype and seed: a body may ask its graph for all that its caller may."""
        other = type(self).__new__(type(self))
        # A class of a user's may want other arguments, and make variables.
        OpGraph.__init__(other, self.dtype, seed=self.seed)
        return other

    def twin(self) -> Self:
        """An independent graph with the same variables, and nothing of what else was set on this one."""
        other = self.scratch()
        with self.appending:
            other.nodes += [type(n)(n.op, n.inputs, n.attrs, n.aval, n.name, n.origin, n.id) for n in self.nodes]
            bookkeeping.carry(self, other, bookkeeping.SAME)
            other.user = copy.copy(self.user)
        return other

    def copy(self) -> Self:
        """An independent copy: same variables under the same names, losses, gradients, seed; values copied on write.

        Attributes that were set on the graph are copied, too: one that holds a variable holds that of the copy.
        Scopes that are open here are not open there.

        Raises:
            ArgumentTypeError: If such an attribute cannot be copied.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> w = sd.var("w", [1.0, 2.0])
            >>> other = sd.copy()
            >>> other["w"].value = [3.0, 4.0]
            >>> w.value, other["w"].value
            (array([1., 2.], dtype=float32), array([3., 4.], dtype=float32))
        """
        return copy.copy(self)

    def set_on_it(self) -> dict[str, Any]:
        """The attributes that somebody set on the graph."""
        own = vars(self.scratch())
        return {name: value for name, value in vars(self).items() if name not in own}

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        other = memo[id(self)] = self.twin()
        for name, value in self.set_on_it().items():
            try:
                setattr(other, name, copy.deepcopy(value, memo))
            except SDGraphError:
                raise
            except Exception as e:
                raise ArgumentTypeError(
                    f"The attribute {name!r} of this graph cannot be copied: {shown(str(e))}.",
                    given=shown(value),
                    fix="Take it off the graph, or give its class a method __deepcopy__.",
                ) from e
        return other

"""`Input`: where a functional model begins, and which graph that is in.

Inputs that are made one after another are of one graph, until a model is made of it: the next input begins another.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from sdgraph.build.annotations import readable
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, shown
from sdgraph.infer.aval import as_shape
from sdgraph.keras import config
from sdgraph.keras.layers import naming
from sdgraph.keras.layers.layer import Layer
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from sdgraph.build.kinds import AnyGraph


class _Open(threading.local):
    graph: weakref.ref[AnyGraph] | None = None


_open = _Open()


def open_graph() -> AnyGraph:
    """The graph that the next input is of."""
    found = None if _open.graph is None else _open.graph()
    if found is None:
        found = SameDiff(dtype=config.floatx())
        _open.graph = weakref.ref(found)
    return found


def close(sd: AnyGraph | None = None) -> None:
    """Let the next input begin another graph; given one, only if it is the one that is open."""
    if sd is None or (_open.graph is not None and _open.graph() is sd):
        _open.graph = None


@readable
class InputLayer(Layer):
    """What a model is fed, as the first layer of a `Sequential`.

    Args:
        shape: The shape of an example, without the batch.
        batch_size: How many examples a batch has, if that is always the same.
        dtype: The dtype, by default `config.floatx`.
        sparse: Anything but None or False is refused.
        ragged: Anything but None or False is refused.
        batch_shape: The shape with the batch, instead of ``shape``.
        input_tensor: Anything but None is refused.
        optional: Anything but False is refused.
        name: The name of the placeholder.

    Example:
        >>> from sdgraph.keras import Sequential, layers
        >>> model = Sequential([layers.InputLayer(shape=(4,)), layers.Dense(2)])
        >>> model.output.shape
        (None, 2)
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged or optional or input_tensor is not None:
            raise ArgumentError(
                "An input is an array that is fed.",
                given=f"sparse={sparse}, ragged={ragged}, optional={optional}, input_tensor={shown(input_tensor)}",
            )
        super().__init__(name=name, **kwargs)
        whole = batch_shape if batch_shape is not None else self.fed
        if whole is None:
            if shape is None:
                raise ArgumentTypeError("An input has a shape.", given="none", fix="Input(shape=(10,)).")
            whole = (batch_size, *((shape,) if isinstance(shape, int) else tuple(shape)))
        self.fed = as_shape(tuple(whole))
        self.fed_dtype = config.floatx() if dtype is None else getattr(dtype, "name", dtype)
        self.built = True

    @property
    def batch_shape(self) -> Any:
        """The shape of what is fed, with the batch."""
        return self.fed

    def get_config(self) -> dict[str, Any]:
        """The arguments that make such a layer, as plain data."""
        shape = None if self.fed is None else list(self.fed)
        return {"batch_shape": shape, "dtype": self.fed_dtype, "sparse": False, "ragged": False, "name": self.name}

    def call(self, inputs: Any) -> Any:
        """What is fed."""
        return inputs

    def placeholder(self, sd: AnyGraph) -> SDVariable:
        """A placeholder of a graph for it."""
        free = sd.names.free(self.name).rpartition("/")[2]
        floating = self.fed_dtype == config.floatx()
        return sd.placeholder(free, self.fed, sd.dtype if floating else self.fed_dtype)


@readable
def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
    *,
    sd: SameDiff | None = None,
) -> SDVariable:
    """A placeholder that a functional model begins with.

    Args:
        shape: The shape of an example, without the batch.
        batch_size: How many examples a batch has, if that is always the same.
        dtype: The dtype, by default `config.floatx`.
        sparse: Anything but None or False is refused.
        batch_shape: The shape with the batch, instead of ``shape``.
        name: Its name.
        tensor: Anything but None is refused.
        optional: Anything but False is refused.
        sd: The graph that it is made in. By default that of the input before, until a model was made of that: then a
            new one.

    Raises:
        ArgumentTypeError: If there is no shape.
        ArgumentError: For what is refused.

    Example:
        >>> from sdgraph import keras
        >>> x = keras.Input(shape=(4,), name="x")
        >>> y = keras.layers.Dense(2, name="y")(x)
        >>> keras.Model(x, y, name="m")
        <Model 'm': 'x' to 'y'>
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, None, batch_shape, tensor, optional, name)
    return layer.placeholder(open_graph() if sd is None else sd)


@readable
def clear_session(free_memory: bool = True) -> None:
    """Begin anew: automatic names count from the start, and the next `Input` begins another graph.

    Args:
        free_memory: Has no effect: what nobody holds is freed anyway.
    """
    naming.forget()
    close()

"""Weights as old layers had them, in the form of Keras 3: those of Keras 1, of Theano, and of CuDNN's layers.

Must not know files.

References:
    F. Chollet et al., Keras 2.0 to 2.3, which converted such weights when it loaded them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from sdgraph.keras.files.architecture import LayerConfig

Array = np.ndarray[Any, Any]


class Stored(Protocol):
    """An array that can be read: its place and shape, which are known before."""

    @property
    def path(self) -> str:
        """Its place in the file."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...

    def read(self) -> Array:
        """The array itself."""
        ...


@dataclass(frozen=True)
class Derived:
    """An array that is made of others."""

    path: str
    shape: tuple[int, ...]
    parts: Sequence[Stored]
    make: Callable[..., Array]

    def read(self) -> Array:
        """The array itself."""
        return self.make(*(part.read() for part in self.parts))


@dataclass(frozen=True)
class Origin:
    """Who wrote weights."""

    version: tuple[int, ...]
    backend: str | None


_GATES_OF_KERAS_1: Final = {"LSTM": (0, 2, 1, 3), "GRU": (0, 1, 2), "ConvLSTM2D": (0, 2, 1, 3)}
"""Where the gates stood that Keras 1 had in arrays of their own: those of LSTM as i, c, f, o."""

_FLIPPED: Final = {"Conv1D": 1, "Conv2D": 1, "Conv3D": 1, "Conv2DTranspose": 1, "ConvLSTM2D": 2}
"""Layers that are convolutions in Theano, correlations everywhere else; and how many of their weights are kernels."""


def converted(stored: Sequence[Stored], config: LayerConfig | None, origin: Origin) -> Sequence[Stored]:
    """The weights of one layer as Keras 3 has them.

    Args:
        stored: As they are stored, in order.
        config: What the file says of the layer; without it nothing is known of old ones.
        origin: Who wrote them.
    """
    if config is None or origin.version >= (3,):
        return stored
    inside = config.options.get("layer")
    if config.class_name == "TimeDistributed" and isinstance(inside, LayerConfig):
        return converted(stored, inside, origin)
    if config.class_name == "Bidirectional" and isinstance(inside, LayerConfig):
        half = len(stored) // 2
        return [*converted(stored[:half], inside, origin), *converted(stored[half:], inside, origin)]
    found = list(stored)
    if origin.version < (2,):
        found = _from_keras_1(found, config)
    if config.written_as in _OF_CUDNN:
        found = _from_cudnn(found, _OF_CUDNN[config.written_as])
    if origin.backend == "theano":
        for k in range(min(_FLIPPED.get(config.class_name, 0), len(found))):
            found[k] = _with(found[k], found[k].shape, _flipped)
    if config.class_name == "Normalization" and len(found) == 3:
        found = found[:2]  # How many examples were seen, no version needs any more.
    return found


def stored_count(count: int, config: LayerConfig | None, origin: Origin) -> int:
    """How many arrays a file has for so many weights of a layer."""
    if config is None or origin.version >= (3,):
        return count
    inside = config.options.get("layer")
    name = inside.class_name if isinstance(inside, LayerConfig) else config.class_name
    if name == "Normalization" and count == 2:
        return 3
    return count * len(_GATES_OF_KERAS_1.get(name, "1")) if origin.version < (2,) else count


def _with(one: Stored, shape: tuple[int, ...], make: Callable[[Array], Array]) -> Derived:
    return Derived(one.path, shape, [one], make)


def _transposed(one: Stored, axes: tuple[int, ...]) -> Stored:
    if len(one.shape) != len(axes):
        return one
    return _with(one, tuple(one.shape[k] for k in axes), lambda a: a.transpose(axes))


def _flipped(kernel: Array) -> Array:
    """The kernel reversed in space, whose axes are all but the last two."""
    return np.flip(kernel, tuple(range(max(kernel.ndim - 2, 0))))


# ---------------------------------------------------------------------- Keras 1

_FIRST: Final = {"Conv2D": (2, 3, 1, 0), "Conv2DTranspose": (2, 3, 0, 1), "Conv3D": (2, 3, 4, 1, 0)}
"""Axes of kernels that have filters and channels first."""


def _from_keras_1(stored: list[Stored], config: LayerConfig) -> list[Stored]:
    name = config.class_name
    gates = _GATES_OF_KERAS_1.get(name)
    first = config.options.get("data_format") == "channels_first"
    if gates and len(stored) == 3 * len(gates):
        stored = [_joined([stored[3 * gate + kind] for gate in gates]) for kind in range(3)]
        if first and name == "ConvLSTM2D":
            stored = [*(_transposed(one, _FIRST["Conv2D"]) for one in stored[:2]), stored[2]]
        return stored
    if not stored:
        return stored
    kernel, *rest = stored
    if name == "Conv1D" and len(kernel.shape) == 4:
        kernel = _kernel_of_one_axis(kernel, config)
    elif name in _FIRST and first:
        kernel = _transposed(kernel, _FIRST[name])
    elif name == "Conv2DTranspose":
        kernel = _transposed(kernel, (0, 1, 3, 2))
    return [kernel, *rest]


def _joined(parts: list[Stored]) -> Stored:
    """The arrays of all gates as one."""
    last = sum(part.shape[-1] if part.shape else 0 for part in parts)
    shape = (*parts[0].shape[:-1], last)
    return Derived(parts[0].path, shape, parts, lambda *arrays: np.concatenate(arrays, -1))


def _kernel_of_one_axis(kernel: Stored, config: LayerConfig) -> Stored:
    """The kernel of a Conv1D, which was one of two axes in space: [length, 1, in, filters], or all of it reversed."""
    size = config.options.get("kernel_size")
    length = size[0] if isinstance(size, list | tuple) and size else size
    if kernel.shape[:2] != (length, 1) or kernel.shape[3] != config.options.get("filters"):
        kernel = _transposed(kernel, (2, 3, 1, 0))
    n, _, channels, filters = kernel.shape
    return _with(kernel, (n, channels, filters), lambda a: a[:, 0])


# ---------------------------------------------------------------------- CuDNN

_OF_CUDNN: Final = {"CuDNNLSTM": 4, "CuDNNGRU": 3}
"""Gates of the layers that had weights in CuDNN's order."""


def _from_cudnn(stored: list[Stored], gates: int) -> list[Stored]:
    if len(stored) != 3:
        return stored
    kernel, recurrent, bias = stored
    n = bias.shape[0] // 2 if bias.shape else 0
    shape, join = ((n,), _sum_of_halves) if gates == 4 else ((2, n), lambda a: a.reshape(2, -1))
    return [
        _with(kernel, kernel.shape, lambda a: _each(a, gates, lambda k: k.T.reshape(k.shape, order="F"))),
        _with(recurrent, recurrent.shape, lambda a: _each(a, gates, np.transpose)),
        _with(bias, shape, join),
    ]


def _sum_of_halves(bias: Array) -> Array:
    """One bias for both, those of the input and those of the state."""
    return bias.reshape(2, -1).sum(0)


def _each(array: Array, gates: int, change: Callable[[Array], Array]) -> Array:
    return np.concatenate([change(gate) for gate in np.split(array, gates, 1)], 1)

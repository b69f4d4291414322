"""Weights of Keras' recurrent layers as those of ``sd.rnn``.

Keras has the gates of an LSTM in the order of `sd.rnn.lstm_layer`, those of a GRU in another order than `sd.rnn.gru`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.annotations import readable
from sdgraph.errors import ShapeError
from sdgraph.infer.arrays import own_array
from sdgraph.infer.aval import shape_str

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["gru_weights", "lstm_weights", "simple_rnn_weights"]

Weights = dict[str, np.ndarray[Any, Any]]


def __dir__() -> list[str]:
    return __all__


@readable
def lstm_weights(kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike | None = None) -> Weights:
    """The arguments of `sd.rnn.lstm_layer` for what ``get_weights()`` of Keras' LSTM returns.

    Args:
        kernel: Shape ``(features, 4 units)``.
        recurrent_kernel: Shape ``(units, 4 units)``.
        bias: Shape ``(4 units,)``; or ``(8 units,)`` as CuDNNLSTM has it, whose halves are added.

    Returns:
        ``weights``, ``r_weights`` and, if there is a bias, ``bias``.

    Raises:
        ShapeError: If sizes do not fit.

    Example:
        >>> found = lstm_weights(np.ones((2, 4)), np.ones((1, 4)), [0.0, 1.0, 0.0, 0.0])
        >>> {k: v.shape for k, v in found.items()}
        {'weights': (2, 4), 'r_weights': (1, 4), 'bias': (4,)}
    """
    w, r, b = _checked(4, kernel, recurrent_kernel, bias)
    found = {"weights": w, "r_weights": r}
    return found if b is None else found | {"bias": b.reshape(-1, w.shape[1]).sum(axis=0)}


@readable
def gru_weights(kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike | None = None) -> Weights:
    """The arguments of `sd.rnn.gru` for what ``get_weights()`` of Keras' GRU returns.

    Keras' order is update gate, reset gate, candidate; here the reset gate comes first. Keras' ``reset_after`` is an
    argument of `sd.rnn.gru` under the same name.

    Args:
        kernel: Shape ``(features, 3 units)``.
        recurrent_kernel: Shape ``(units, 3 units)``.
        bias: Shape ``(3 units,)``; or ``(2, 3 units)``, as layers with ``reset_after`` have it, or these two in one
            row, as CuDNNGRU has them.

    Returns:
        ``wx``, ``wh`` and, if there is a bias, ``biases``; of two rows the second is ``r_biases``.

    Raises:
        ShapeError: If sizes do not fit.

    Example:
        >>> found = gru_weights([[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]])
        >>> found["wx"], found["wh"]
        (array([[2., 1., 3.]]), array([[5., 4., 6.]]))
    """
    w, r, b = _checked(3, kernel, recurrent_kernel, bias)
    found = {"wx": _reset_first(w), "wh": _reset_first(r)}
    if b is not None:
        rows = b.reshape(-1, w.shape[1])
        found |= {name: _reset_first(row) for name, row in zip(("biases", "r_biases"), rows, strict=False)}
    return found


@readable
def simple_rnn_weights(kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike | None = None) -> Weights:
    """The arguments of `sd.rnn.simple_rnn` for what ``get_weights()`` of Keras' SimpleRNN returns.

    Args:
        kernel: Shape ``(features, units)``.
        recurrent_kernel: Shape ``(units, units)``.
        bias: Shape ``(units,)``.

    Returns:
        ``wx``, ``wh`` and, if there is a bias, ``biases``.

    Raises:
        ShapeError: If sizes do not fit.

    Example:
        >>> sorted(simple_rnn_weights(np.ones((2, 1)), np.ones((1, 1)), [0.0]))
        ['biases', 'wh', 'wx']
    """
    w, r, b = _checked(1, kernel, recurrent_kernel, bias)
    found = {"wx": w, "wh": r}
    return found if b is None else found | {"biases": b}


def _checked(
    gates: int, kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike | None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """The arrays, which fit each other."""
    w, r = own_array(kernel), own_array(recurrent_kernel)
    b = None if bias is None else own_array(bias)
    columns = r.shape[-1] if r.ndim else 0
    halves = (columns,) if gates == 1 else (columns, 2 * columns)
    fits = w.ndim == r.ndim == 2 and w.shape[1] == columns == gates * r.shape[0]
    if not fits or (b is not None and b.size not in halves):
        raise ShapeError(
            "These are not the weights of such a layer.",
            given=", ".join(shape_str(v.shape) for v in (w, r, b) if v is not None),
            expected=f"(features, {gates} units), (units, {gates} units) and the bias of these",
        )
    return w, r, b


def _reset_first(v: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    update, reset, new = np.split(v, 3, axis=-1)
    return np.concatenate([reset, update, new], axis=-1)

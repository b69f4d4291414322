"""Two ways to train a model: Newton's method in a loop of one's own, and batches with `SameDiff.fit`.

For the first the graph gives values, gradients and Hessian-vector products, and the rest is plain numpy. Must not know
what a model computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from sdgraph.demo.models import Model
from sdgraph.train import Adam, EarlyStopping, History

Array: TypeAlias = np.ndarray[Any, Any]
Feeds: TypeAlias = dict[str, Array]


class Progress(NamedTuple):
    """Where training stands before a step."""

    step: int
    objective: float
    gradient_norm: float
    accuracy: float
    products: int
    """Hessian-vector products that the step before took."""


def accuracy(logits: Array, label: Array) -> float:
    """The share of rows whose logit has the sign of its class."""
    return float(np.mean((logits > 0) == (label > 0.5)))


def newton(model: Model, feeds: Feeds, *, tolerance: float = 1e-8, max_steps: int = 20) -> Iterator[Progress]:
    """Newton's method with conjugate gradient: no Hessian is ever formed.

    A product of the Hessian with a direction is the gradient of the gradient's slope in that direction.
    """
    sd, weights = model.sd, model.weights
    gradients = sd.grad(model.objective, weights)
    with sd.name_scope("newton"):
        direction = [sd.placeholder(f"direction_{k}", w.shape) for k, w in enumerate(weights)]
        slope = sd.math.merge_add(*[sd.sum(g * v) for g, v in zip(gradients, direction, strict=True)], name="slope")
    evaluate = sd.compile([model.objective, model.logits, *gradients])
    product = sd.compile(sd.grad(slope, weights))

    def hessian_times(v: Array) -> Array:
        parts = zip(direction, _split(v, model), strict=True)
        return _join(list(product({**feeds, **{d.name: part for d, part in parts}}).values()))

    used = 0
    for step in range(max_steps + 1):
        value, logits, *found = evaluate(feeds).values()
        gradient = _join(found)
        norm = float(np.linalg.norm(gradient))
        yield Progress(step, float(value), norm, accuracy(logits, feeds["label"]), used)
        if norm < tolerance:
            return
        move, used = conjugate_gradient(hessian_times, -gradient, tolerance=min(0.1, norm) * norm)
        _line_search(model, feeds, float(value), move)


def conjugate_gradient(times: Callable[[Array], Array], b: Array, *, tolerance: float) -> tuple[Array, int]:
    """Solve ``A x = b`` for a positive definite A that is known by its products; also return their number."""
    x = np.zeros_like(b)
    residual = b.copy()
    search = residual.copy()
    square = residual @ residual
    used = 0
    while np.sqrt(square) > tolerance and used < 2 * b.size:
        product = times(search)
        used += 1
        length = square / (search @ product)
        x += length * search
        residual -= length * product
        before, square = square, residual @ residual
        search = residual + square / before * search
    return x, used


def _line_search(model: Model, feeds: Feeds, value: float, move: Array) -> None:
    """Move the weights, by less as long as that makes the objective worse."""
    start = _join([w.value for w in model.weights])
    length = 1.0
    while length > 1e-6:
        parts = _split(start + length * move, model)
        model.sd.set_values(dict(zip(model.weights, parts, strict=True)))
        if model.objective.eval(feeds) <= value:
            return
        length /= 2


def fitted(model: Model, feeds: Feeds, *, epochs: int = 100) -> History:
    """Train with Adam on batches; the last fifth of the rows is held out, and says when it is enough."""
    right = model.sd.eq(model.logits > 0, model.sd["label"] > 0.5, name="right")
    return model.sd.fit(
        feeds,
        epochs=epochs,
        updater=Adam(0.003),
        batch_size=64,
        validation_split=0.2,
        metrics={"accuracy": right},
        callbacks=[EarlyStopping("val_loss", patience=10)],
        progress=False,
    )


def _join(arrays: list[Array]) -> Array:
    return np.concatenate([a.ravel() for a in arrays])


def _split(vector: Array, model: Model) -> list[Array]:
    """A vector cut into arrays of the weights' shapes."""
    ends = np.cumsum([w.value.size for w in model.weights])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(w.value.shape) for part, w in zip(parts, model.weights, strict=True)]

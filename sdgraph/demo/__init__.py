"""The demonstration: two models on real data, from the graph to trained weights, told as a report.

Knows the order of the story and how its tables look. What happens in it is in the modules beside this one.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sdgraph._version import __version__
from sdgraph.data import BreastCancer, load_breast_cancer
from sdgraph.demo.models import Model, logistic_regression, two_layer_network
from sdgraph.demo.pictures import draw
from sdgraph.demo.speed import speed
from sdgraph.demo.training import Progress, fitted, newton
from sdgraph.testing import check_grads
from sdgraph.train import History

__all__ = ["AIM", "AimMissed", "demo"]

AIM = 0.95
"""The training accuracy that the logistic regression must reach."""


class AimMissed(Exception):
    """The model did not reach `AIM`."""


def demo(out: Path) -> Iterator[str]:
    """Run the demonstration; give its report line by line as it happens, and write the pictures to ``out``.

    Raises:
        OSError: If ``out`` cannot be made or written to.
        AimMissed: If the regression is not as good as it must be.
    """
    begin = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    yield f"sdgraph {__version__}: two models on real data, from the graph to trained weights"
    data = load_breast_cancer()
    feeds = _feeds(data)
    yield from _heading("The data")
    yield from _about(data)

    regression = logistic_regression(data.features.shape[1])
    yield from _heading("Logistic regression")
    yield from _model(regression, feeds)
    pictures = draw("logistic regression", regression, feeds, out)
    yield from _paragraph(
        "Newton's method. Gradient and Hessian-vector products come from the graph, which is differentiated twice; "
        "conjugate gradient and the update are numpy.",
    )
    history: list[Progress] = []
    yield from _progress(newton(regression, feeds), history, with_products=True)
    reached = history[-1].accuracy
    if reached < AIM:
        raise AimMissed(f"the logistic regression reached {reached:.1%} training accuracy instead of {AIM:.0%}")
    yield ""
    yield f"{reached:.1%} training accuracy; the aim was {AIM:.0%}."

    network = two_layer_network(data.features.shape[1])
    yield from _heading("Network with two layers")
    yield from _model(network, feeds)
    pictures += draw("two-layer network", network, feeds, out)
    yield from _paragraph(
        "Batches with sd.fit: Adam, the last fifth of the rows held out, and an end when the loss of these has not "
        "improved for ten epochs. The weights of the best epoch stay.",
    )
    yield from _epochs(fitted(network, feeds))

    yield from _heading("Speed")
    yield from speed({"logistic regression": regression, "two-layer network": network}, feeds)

    yield from _heading("Pictures of both models before training")
    yield from pictures
    yield ""
    yield f"They are in {out.resolve()}"
    yield f"Done in {time.perf_counter() - begin:.1f} s."


def _feeds(data: BreastCancer) -> dict[str, Any]:
    scaled = (data.features - data.features.mean(axis=0)) / data.features.std(axis=0)
    return {"x": scaled, "label": data.labels[:, np.newaxis]}


def _about(data: BreastCancer) -> Iterator[str]:
    rows, columns = data.features.shape
    classes = ", ".join(f"{int((data.labels == k).sum())} {name}" for k, name in enumerate(data.label_names))
    yield from _wrapped(
        f"Wisconsin breast cancer: {rows} biopsies with {columns} measurements each; {classes}. "
        "The models see each measurement scaled to mean 0 and deviation 1."
    )


# ---------------------------------------------------------------------- one model


def _model(model: Model, feeds: dict[str, Any]) -> Iterator[str]:
    """Its table, its losses as they start, and its gradients checked."""
    sd, objective = model.sd, model.objective
    yield from str(sd.summary()).splitlines()
    yield ""
    start = sd.output(feeds, ["loss", objective])
    yield "Before training: " + ", ".join(f"{name} {float(value):.6f}" for name, value in start.items())
    yield from _paragraph(f"Gradients of {objective.name}, compared with central differences entry by entry:")
    yield from _checked(model, feeds)


def _checked(model: Model, feeds: dict[str, Any]) -> Iterator[str]:
    found = model.sd.calculate_gradients(feeds, model.weights)
    width = max(8, *map(len, found))
    yield f"  {'variable':<{width}}  {'entries':>7}  {'largest entry':>13}  {'relative error':>14}"
    for name, gradient in found.items():
        error = check_grads(model.objective, feeds, [name])
        yield f"  {name:<{width}}  {gradient.size:>7}  {np.abs(gradient).max():>13.6f}  {error:>14.1e}"


def _progress(
    steps: Iterable[Progress], history: list[Progress], *, every: int = 1, with_products: bool = False
) -> Iterator[str]:
    """A table of training, one line per ``every`` steps; all steps are added to ``history``."""
    head = f"  {'step':>4}  {'objective':>9}  {'|gradient|':>10}  {'accuracy':>8}"
    yield head + ("  Hessian products" if with_products else "")
    for p in steps:
        history.append(p)
        if p.step % every == 0:
            line = f"  {p.step:>4}  {p.objective:>9.6f}  {p.gradient_norm:>10.1e}  {p.accuracy:>8.1%}"
            yield line + (f"  {p.products:>16}" if with_products else "")


def _epochs(history: History, every: int = 5) -> Iterator[str]:
    """A table of training, one line per ``every`` epochs, and why it ended."""
    yield f"  {'epoch':>5}  {'loss':>8}  {'accuracy':>8}  {'held out: loss':>14}  {'accuracy':>8}"
    for k, row in enumerate(history):
        if k % every == 0 or k == len(history) - 1:
            held_out = f"{row['val_loss']:>14.6f}  {row['val_accuracy']:>8.1%}"
            yield f"  {k + 1:>5}  {row['loss']:>8.6f}  {row['accuracy']:>8.1%}  {held_out}"
    yield ""
    yield f"Ended: {history.stopped or 'that were all epochs'}."


# ---------------------------------------------------------------------- layout of the report


def _heading(text: str) -> Iterator[str]:
    yield from ("", "", text, "=" * len(text), "")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100)


def _paragraph(text: str) -> Iterator[str]:
    yield from ("", *_wrapped(text), "")

"""The page with a picture of every loss, made from the registry: a loss appears here because it exists.

Text and formula are the beginning of the loss's docstring. How to draw a loss that is no function of one number with a
label of 1, a Keras loss says in its definition, and `ARGUMENTS` for the others.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from generated_pages import documented_name

import sdgraph
from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY, Op
from sdgraph.ops.losses.keras.definition import DEFINITIONS

FOLDER = "gallery"
THEMES = ("light", "dark")
WITHOUT_PICTURE = ("keras.reduce",)

_NUMBERS: dict[str, Any] = {"labels": 0.0}
_CLASSES: dict[str, Any] = {"labels": [0.0, 1.0]}
_LOGITS: dict[str, Any] = {"labels": [[1.0, 0.0, 0.0]], "at": [0.0, 0.0, 0.0], "predictions": (-5, 5)}
_FRAMES: dict[str, Any] = {"at": [[0.0] * 3] * 4, "vary": (1, 1), "predictions": (-5, 5)}


def _with_lengths(y: Any, x: Any) -> Any:
    return x.sd.loss.ctc_loss([[1, 2]], x, np.array([2]), np.array([4]))


def _direction(angle: Any) -> Any:
    m = angle.sd.math
    return angle.sd.concat([m.cos(angle).reshape(1, 1), m.sin(angle).reshape(1, 1)], axis=1)


def _shares(p: Any) -> Any:
    p = p.reshape(1, 1)
    return p.sd.concat([p, 1 - p], axis=1)


ALONG = {"angle": (_direction, (-math.pi, math.pi)), "shares": (_shares, None)}
"""Ways through the predictions of two numbers that belong together, and what is drawn of them."""


def _along(op: Op, along: str, labels: Any, predictions: Any = None, **settings: Any) -> dict[str, Any]:
    """A loss of the predictions on one of these ways; the labels are as they are given."""
    way, all_of_it = ALONG[along]
    names = [name for name in op.operand_names if name in ("label", "predictions", "y_true", "y_pred")]

    def loss(y: Any, x: Any) -> Any:
        method = getattr(getattr(x.sd, op.namespace), op.name)
        return method(**dict(zip(names, (labels, way(x)), strict=True)), **settings)

    return {"loss": loss, "predictions": predictions or all_of_it}


def _weighted(y: Any, x: Any) -> Any:
    return x.sd.loss.weighted_cross_entropy_with_logits(y, x, 3.0)


ARGUMENTS: dict[str, dict[str, Any]] = {
    "loss.absolute_difference": _NUMBERS,
    "loss.cosine_distance": {"along": "angle", "labels": [[1.0, 0.0]], "dimension": 1},
    "loss.ctc_loss": {"loss": _with_lengths, **_FRAMES},
    "loss.hinge_loss": _CLASSES,
    "loss.huber_loss": _NUMBERS,
    "loss.l2_loss": _NUMBERS,
    "loss.log_loss": {**_CLASSES, "predictions": (0.1, 0.9)},
    "loss.log_poisson": {"labels": 3.0, "predictions": (-1, 3)},
    "loss.mean_pairwise_squared_error": {
        "labels": [[1.0, 2.0, 3.0]],
        "at": [2.0, 3.0, 4.0],
        "vary": 2,
        "predictions": (0, 8),
    },
    "loss.mean_squared_error": _NUMBERS,
    "loss.sigmoid_cross_entropy": {**_CLASSES, "predictions": (-5, 5)},
    "loss.softmax_cross_entropy": _LOGITS,
    "loss.sparse_softmax_cross_entropy": {**_LOGITS, "labels": [0]},
    "loss.weighted_cross_entropy_with_logits": {"loss": _weighted, "labels": [0.0, 1.0], "predictions": (-4, 4)},
}

_PAGE = """\
# Gallery of losses

Every loss with its value, the full line, and its gradient, the dashed one, over the prediction. The gradient is what a
model learns from. Where a loss is of a whole vector, one element varies and the others stay; a loss of directions is
drawn over the angle. The notebook [on losses](../notebooks/02_losses.ipynb) tells which to choose, the page
[on losses](../losses.md) how they weigh and reduce.
"""

_GROUPS = {
    "loss": "SameDiff's losses\n\nThey are methods of `sd.loss`.",
    "keras": "Keras' losses\n\nThey are methods of `sd.keras`, and classes and functions of `sdgraph.keras.losses`.",
}


def losses() -> list[Op]:
    SameDiff()
    return [op for name, op in REGISTRY.items() if op.is_loss and name not in WITHOUT_PICTURE]


def said_of(op: Op) -> Mapping[str, Any]:
    return DEFINITIONS[op].picture if op in DEFINITIONS else ARGUMENTS.get(op.qualname, {})


def arguments(op: Op) -> dict[str, Any]:
    """How to draw a loss: the arguments of `plot_loss`."""
    said = said_of(op)
    return {"loss": op.qualname, "points": 201, **(_along(op, **said) if "along" in said else said)}


def summary(op: Op) -> str:
    """The first paragraph of the docstring, as Markdown."""
    return re.sub(r"``([^`]+)``", r"`\1`", (op.doc or "").split("\n\n")[0])


def entry(op: Op) -> str:
    link = f"{{py:meth}}`sd.{op.qualname} <{documented_name(op)}>`"
    pictures = "\n\n".join(
        f"```{{image}} {op.qualname}.{theme}.svg\n:alt: {op.name}, value and gradient\n:class: only-{theme}\n```"
        for theme in THEMES
    )
    return f"### {op.name}\n\n{summary(op)}\n\n{pictures}\n\nReference: {link}\n"


def page() -> str:
    found = losses()
    parts = [_PAGE]
    for namespace, title in _GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [entry(op) for op in sorted(found, key=lambda op: op.name) if op.namespace == namespace]
    return "\n".join(parts)


def draw(folder: Path) -> None:
    """Draw what is older than the library; one figure serves both themes in turn."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    from sdgraph.viz import plot_loss

    newest = max(p.stat().st_mtime for p in [Path(__file__), *Path(sdgraph.__file__).parent.rglob("*.py")])
    # Without a salt and a date the files of two builds are the same.
    with mpl.rc_context({"svg.hashsalt": "sdgraph", "svg.fonttype": "path"}):
        for op in losses():
            for theme in THEMES:
                path = folder / f"{op.qualname}.{theme}.svg"
                if path.exists() and path.stat().st_mtime > newest:
                    continue
                figure = plt.figure(figsize=(5.2, 3.0), layout="constrained")
                axes = plot_loss(ax=figure.add_subplot(), theme=theme, **arguments(op))
                axes.set_title("")
                axes.set_title("", loc="left")
                if said_of(op).get("along") == "angle":
                    axes.set_xlabel("angle")
                figure.savefig(path, transparent=True, metadata={"Date": None})
                plt.close(figure)


def _generate(app) -> None:
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    draw(folder)
    target, text = folder / "index.md", page()
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", _generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

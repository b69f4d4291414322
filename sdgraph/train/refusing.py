"""What is said of a batch whose losses or gradients are not finite: it is computed once more, node by node.

Must not know how anything is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import NumericsError
from sdgraph.run.executable import Executable
from sdgraph.wording import listed

if TYPE_CHECKING:
    from sdgraph.build.variable import Feeds
    from sdgraph.ops.graph import OpGraph

Array = np.ndarray[Any, Any]


def is_finite(array: Array) -> bool:
    """Whether all elements are."""
    return bool(np.isfinite(array).all())


def refuse(
    sd: OpGraph,
    feeds: Feeds | None,
    step: int,
    losses: Mapping[SDVariable, Array],
    gradients: Mapping[SDVariable, tuple[SDVariable, Array]],
) -> NoReturn:
    """Raise, naming the node that made the first number which is not finite, and whose gradients are not.

    Args:
        sd: The graph.
        feeds: The batch.
        step: What random ops draw by.
        losses: The losses and what they came to.
        gradients: By what is trained its gradient, and what that came to.

    Raises:
        NumericsError: Always.
    """
    bad = [v.name for v, (_, a) in gradients.items() if not is_finite(a)]
    text, looking = "A loss is not finite", [*losses]
    if all(map(is_finite, losses.values())):
        words = ("gradients", "are") if len(bad) > 1 else ("gradient", "is")
        text = f"The {words[0]} of {listed(bad, 'and')} {words[1]} not finite, though every loss is"
        looking = [g for v, (g, _) in gradients.items() if v.name in bad]
    try:
        Executable(sd, looking, "numpy", check_numerics=True).run(dict(feeds or {}), step)
    except NumericsError as e:
        e.add_note(f"This was step {step} of training. {text}; no variable was changed.{_whose(sd, e.node)}")
        spoilt = [v.name for v in gradients if not is_finite(sd.values[v.id])]
        if spoilt:
            e.add_note(f"Before it {listed(spoilt, 'and')} had NaN or infinity.")
        raise
    given = ", ".join(f"{v.name} = {a}" for v, a in losses.items())
    raise NumericsError(f"{text}; no variable was changed.", given=f"{given}, step {step}")


def _whose(sd: OpGraph, node: str | None) -> str:
    """Whose gradient a node computes, if it is one of a gradient: that is what a user has written."""
    spans = sd.marks.gradient_spans
    i = -1 if node is None else sd.names.ids.get(node, -1)
    if not any(start <= i < end for start, end in spans):
        return ""
    forward = next((sd.marks.cotangents[k] for k in sorted(sd.marks.cotangents) if k >= i), None)
    if forward is None:
        return ""
    v = sd.nodes[forward]
    return f" {node!r} belongs to the gradient by {v.name!r}, made at {v.origin}."

"""The decorator that makes a formula a Keras loss, with all that is said of the loss anywhere.

The class, the function and their names stand below the formula in the same file. What documentation shows of a loss
and what tests try it with follow from what is said here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, NamedTuple, ParamSpec, TypeAlias, TypeVar

from sdgraph.build.decorators import composite
from sdgraph.build.kinds import NO_ATTRS
from sdgraph.build.op import Op
from sdgraph.ops.losses.keras import docstrings

if TYPE_CHECKING:
    from sdgraph.build.methods import OpMethod

P = ParamSpec("P")
R = TypeVar("R")

Interval: TypeAlias = tuple[float, float]

INSIDE: Interval = (0.05, 0.95)
"""Probabilities that are neither 0 nor 1."""


class Drawn(NamedTuple):
    """Numbers to try a loss with: their shape, and the interval they come from."""

    shape: tuple[int, ...]
    domain: Interval | None = None


class Call(NamedTuple):
    """Operands and settings to try a loss with: labels, and what else is not drawn, as plain lists."""

    operands: tuple[Any, ...]
    settings: Mapping[str, Any]


def called(*operands: Any, **settings: Any) -> Call:
    """A call to try a loss with."""
    return Call(operands, settings)


class Definition(NamedTuple):
    """What is said of a loss besides its formula.

    Args:
        op: The loss.
        checks: For settings that not every value of their type is good for: ``check(name, value)`` raises an error for
            the others.
        domain: Interval that tests draw labels and predictions from.
        predictions: That of the predictions, if it is another.
        tries: Settings to try it with.
        calls: Calls to try it with, where labels are no numbers like the predictions.
        formula: For the table of losses, with LaTeX between dollars.
        related: Its relatives in ``sd.loss``, for the same table.
        deeplearning4j: The name of the class there, and how the numbers compare.
        picture: How to draw it: arguments of `sdgraph.viz.plot_loss`. ``along`` is "angle" for a loss of directions, or
            "shares" for one of two probabilities that sum to 1; the loss then gets ``labels`` as they are.
    """

    op: Op
    checks: Mapping[str, Callable[[str, Any], object]]
    domain: Interval | None
    predictions: Interval | None
    tries: Sequence[Mapping[str, Any]]
    calls: Sequence[Call]
    formula: str
    related: str
    deeplearning4j: tuple[str, str] | None
    picture: Mapping[str, Any]


DEFINITIONS: dict[Op, Definition] = {}
"""What is said of each loss."""


def keras_loss(
    *,
    leaves_out: bool = True,
    domain: Interval | None = None,
    predictions: Interval | None = None,
    checks: Mapping[str, Callable[[str, Any], object]] = NO_ATTRS,
    tries: Sequence[Mapping[str, Any]] = (),
    calls: Sequence[Call] = (),
    formula: str = "",
    related: str = "",
    deeplearning4j: tuple[str, str] | None = None,
    picture: Mapping[str, Any] = NO_ATTRS,
) -> Callable[[Callable[Concatenate[Any, P], R]], OpMethod[P, R]]:
    """Make the decorated formula a Keras loss. The arguments are those of `Definition`, and ``leaves_out`` of `Op`."""

    def decorate(fn: Callable[Concatenate[Any, P], R]) -> OpMethod[P, R]:
        if fn.__doc__:
            fn.__doc__ = docstrings.of_op(fn.__doc__)

        @functools.wraps(fn)
        def checked(*args: Any, **settings: Any) -> Any:
            for name, check in checks.items():
                check(name, settings[name])
            return fn(*args, **settings)

        method: OpMethod[P, R] = composite(is_loss=True, leaves_out=leaves_out)(checked)
        DEFINITIONS[method.op] = Definition(
            op=method.op,
            checks=checks,
            domain=domain,
            predictions=domain if predictions is None else predictions,
            tries=tries,
            calls=calls,
            formula=formula,
            related=related,
            deeplearning4j=deeplearning4j,
            picture=picture,
        )
        return method

    return decorate


__all__ = ["DEFINITIONS", "INSIDE", "Call", "Definition", "Drawn", "called", "keras_loss"]

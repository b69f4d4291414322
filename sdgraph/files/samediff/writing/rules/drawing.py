"""Rules of random numbers: of the same distribution, but other ones, as SameDiff's files keep no seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sdgraph.files.samediff.schema import CODES, DTYPE_NAMES
from sdgraph.files.samediff.writing.call import Call, Written, known
from sdgraph.files.samediff.writing.records import Value
from sdgraph.files.samediff.writing.refused import Refused

_DISTRIBUTIONS: Final = {
    "uniform": ("distribution_uniform", ("from", "to")),
    "normal": ("distribution_gaussian", ("mean", "stddev")),
    "normal_truncated": ("distribution_truncated", ("mean", "stddev")),
    "log_normal": ("distribution_lognormal", ("mean", "stddev")),
    "bernoulli": ("distribution_bernoulli", ("prob",)),
    "binomial": ("distribution_binomial", ("trials", "probability")),
}
"""What SameDiff calls a distribution, and the properties that hold its parameters."""


def _unseeded(c: Call) -> None:
    if c.attrs["seed"] is not None:
        raise Refused("SameDiff's files keep no seed")


def _draw(c: Call) -> Value:
    _unseeded(c)
    name, parameters = c.attrs["distribution"], c.attrs["parameters"]
    dtype = c.dtype if c.dtype.kind == "f" else np.dtype("float64")
    if name == "exponential":
        # SameDiff's own op gives single precision whatever is asked for.
        u = _drawn(c, "uniform", (0.0, 1.0), dtype)
        return c.mul(c.neg(c.node("log", c.one_less(u))), c.number(1 / parameters[0]))
    return _drawn(c, name, parameters, dtype)


def _drawn(c: Call, name: str, parameters: tuple[Any, ...], dtype: np.dtype[Any]) -> Value:
    shape = known(c.shape, "the shape of random numbers")
    op_name, names = _DISTRIBUTIONS[name]
    more = {**dict(zip(names, parameters, strict=True)), "shape": shape, "dataType": DTYPE_NAMES[CODES[dtype]]}
    return c.node(op_name, shape=c.shape, dtype=dtype, t=parameters, more=more)


def _dropout(c: Call) -> Value:
    """A mask that is drawn from ones, divided by the probability of keeping: SameDiff's own op does not divide."""
    _unseeded(c)
    x = c.cast(c.x, c.dtype)
    keep = 1 - c.attrs["probability"] if c.attrs["inverted"] else c.attrs["probability"]
    if keep == 1:
        return x
    # From bools, so that no gradient goes to the shape.
    zeros = c.zeros(c.cast(c.compared("equals", x, x), c.dtype))
    more = {"p": float(keep), "shape": None, "dataType": None}
    mask = c.node("dropout", c.add(zeros, c.number(1)), t=[keep], more=more)
    return c.mul(x, c.mul(mask, c.number(1 / keep)))


RULES: Final[dict[str, Callable[[Call], Written]]] = {"random.draw": _draw, "nn.dropout": _dropout}

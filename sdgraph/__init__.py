"""Graphs of named variables: build them, evaluate them, differentiate them to any order, and look at them.

Example:
    >>> from sdgraph import SameDiff
    >>> sd = SameDiff()
    >>> x = sd.placeholder("x", shape=(None,))
    >>> y = (x**2).sum(name="y")
    >>> sd.grad(y, x).eval({"x": [1.0, 2.0, 3.0]})
    array([2., 4., 6.], dtype=float32)
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from sdgraph import errors
from sdgraph._version import __version__
from sdgraph.build.annotations import readable as _readable
from sdgraph.build.decorators import composite, primitive
from sdgraph.build.kinds import VariableKind
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import NOT_DIFFERENTIABLE, ZERO_GRADIENT
from sdgraph.build.spelling.lacking import of_module as _of_module
from sdgraph.build.variable import Operand, SDVariable
from sdgraph.ops.losses.keras.on_arrays import compute_arrays_with as _compute_arrays_with
from sdgraph.ops.losses.reduction import LossReduce
from sdgraph.plan.plan import Plan
from sdgraph.run.executable import Executable, profile
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from sdgraph import keras, losses, nd, testing, train, viz
    from sdgraph.run.engines.threads import set_num_threads

__all__ = [
    "NOT_DIFFERENTIABLE",
    "ZERO_GRADIENT",
    "Executable",
    "LossReduce",
    "Namespace",
    "Operand",
    "Plan",
    "SDVariable",
    "SameDiff",
    "VariableKind",
    "__version__",
    "composite",
    "errors",
    "keras",
    "losses",
    "nd",
    "primitive",
    "profile",
    "set_num_threads",
    "testing",
    "train",
    "viz",
]

_ON_FIRST_USE = ("keras", "losses", "nd", "testing", "train", "viz")
_FUNCTIONS_ON_FIRST_USE = {"set_num_threads": "sdgraph.run.engines.threads"}


def _arrays() -> Any:
    from sdgraph.nd import calls

    return calls


def _teach_notebook() -> None:
    """Where this is a notebook, let it offer what fits inside of quotes."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if ask is None else ask()
    if shell is not None:
        from sdgraph.show.completion import teach

        teach(shell)


_compute_arrays_with(_arrays)
_readable(errors.GradientCheckError)
_readable(errors.UnknownAttributeError)
_readable(errors.UnknownOpError)
_teach_notebook()


if not TYPE_CHECKING:  # To a type checker every name would be there.

    def __getattr__(name: str) -> Any:
        """Load a part that not every program needs."""
        if name in _ON_FIRST_USE:
            return importlib.import_module(f"sdgraph.{name}")
        if name in _FUNCTIONS_ON_FIRST_USE:
            return getattr(importlib.import_module(_FUNCTIONS_ON_FIRST_USE[name]), name)
        raise _of_module("sdgraph", name, __all__, elsewhere=_classes, graph=SameDiff)


def _classes() -> dict[str, str]:
    """Classes that stand further down, with where that is."""
    from sdgraph.keras import losses

    return {name: f"sdgraph.keras.losses.{name}" for name in losses.__all__ if name[0].isupper()}


def __dir__() -> list[str]:
    return __all__

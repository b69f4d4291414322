"""Nodes computed of arrays: each sort of arrays gets a small graph, which is kept for the next batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.infer.arrays import as_numbers
from sdgraph.nd.calls import as_operands
from sdgraph.run.evaluate import executable_of
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from sdgraph.run.executable import Executable

Array = np.ndarray[Any, Any]
_T = TypeVar("_T")
Build = Callable[[Mapping[str, SDVariable | None]], tuple[_T, Sequence[SDVariable]]]

_MOST = 8
"""Sorts of arrays whose graphs are kept."""


def as_arrays(operands: Mapping[str, Any]) -> dict[str, Array]:
    """Operands as arrays of numbers, without those that are None.

    Lists of floats have the floating dtype of their neighbours, or single precision.
    """
    found = dict(zip(operands, as_operands([*operands.values()]), strict=True))
    return {k: as_numbers(x, what=k) for k, x in found.items() if x is not None}


class SmallGraphs:
    """The graphs of what is computed again and again, of arrays whose first axis may have any size."""

    def __init__(self) -> None:
        self._kept: dict[Any, tuple[Any, Executable]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._kept = {}

    def __deepcopy__(self, memo: Any) -> SmallGraphs:
        return SmallGraphs()

    def computed(self, build: Build[_T], arrays: Mapping[str, Array]) -> tuple[_T, list[Array]]:
        """What ``build`` says of variables, and the values of those that it makes.

        Args:
            build: Called with a variable for each operand, None where there is none.
            arrays: The operands that there are.
        """
        batch = next((a.shape[0] for a in arrays.values() if a.ndim), None)
        key = tuple(
            (name, a.dtype, ((None if a.shape[0] == batch else a.shape[0]), *a.shape[1:]) if a.ndim else ())
            for name, a in arrays.items()
        )
        if key not in self._kept:
            if len(self._kept) >= _MOST:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = _compiled(build, key)
        said, executable = self._kept[key]
        return said, list(executable.run(dict(arrays)))


class _Operands(dict[str, SDVariable | None]):
    """Variables by name; None for those that there are not."""

    def __missing__(self, name: str) -> None:
        return None


def _compiled(build: Build[_T], key: Sequence[tuple[str, Any, Any]]) -> tuple[_T, Executable]:
    sd = SameDiff()
    said, made = build(_Operands({name: sd.placeholder(name, shape, dtype) for name, dtype, shape in key}))
    return said, executable_of(sd, list(made))

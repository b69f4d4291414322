"""A random program as data: leaves, calls of ops, what is fetched, and the sizes of each run.

Steps are known by a number that never changes, so that a part can be taken out without renaming the rest. Must not
know how programs are made, run or judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

DRAW = "draw"
"""Among the sizes of a run: which numbers its leaves draw."""

GRAD, HVP = "grad", "hvp"
"""Steps that are no op: ``grad(y, *wrt)`` and ``hvp(y, x, v)``."""


@dataclass(frozen=True)
class Ref:
    """Output ``k`` of a step."""

    step: int
    k: int = 0


@dataclass(frozen=True, eq=False)
class Given:
    """An operand or a leaf's values written out, the same in every run."""

    array: np.ndarray

    def make(self, shape: tuple[int, ...], dtype: np.dtype, draw: int) -> np.ndarray:
        return np.ascontiguousarray(np.broadcast_to(self.array, shape), dtype).reshape(shape)


@dataclass(frozen=True)
class Drawn:
    """Numbers drawn evenly between two bounds: integers for an integer dtype, the upper bound excluded."""

    low: float
    high: float
    seed: int

    def make(self, shape: tuple[int, ...], dtype: np.dtype, draw: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, draw))
        if dtype.kind == "f":
            return rng.uniform(self.low, self.high, shape).astype(dtype)
        return rng.integers(int(self.low), int(self.high), shape).astype(dtype)


@dataclass(frozen=True)
class Extreme:
    """Numbers where functions have their limits, and some that are no numbers."""

    seed: int

    def make(self, shape: tuple[int, ...], dtype: np.dtype, draw: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, draw))
        return rng.choice([0.0, 1.0, -1.0, 0.5, -2.0, 1e-200, 1e30, -1e200, np.inf, -np.inf, np.nan], shape).astype(
            dtype
        )


@dataclass(frozen=True)
class Leaf:
    """A placeholder, variable or constant.

    A variable has other values in each run. A dimension of ``shape`` is a size, or the name of one that each run has
    its own of; with ``nameless`` it is declared as None. ``dtype`` None is that of the graph.
    """

    kind: str
    shape: tuple[int | str, ...]
    values: Given | Drawn | Extreme
    dtype: str | None = None
    nameless: bool = False

    def sizes(self, run: dict[str, int]) -> tuple[int, ...]:
        return tuple(run[d] if isinstance(d, str) else d for d in self.shape)

    @property
    def declared(self) -> tuple[int | str | None, ...]:
        return tuple(None if self.nameless and isinstance(d, str) else d for d in self.shape)


@dataclass(frozen=True)
class Call:
    """A call of an op of the registry by its qualified name, or of GRAD or HVP."""

    op: str
    args: tuple[Ref | Given | None, ...]
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Steps by number, in order; what is fetched; and the sizes of the runs."""

    dtype: str
    steps: dict[int, Leaf | Call]
    outs: tuple[Ref, ...]
    runs: tuple[dict[str, int], ...]
    free: frozenset[str] = frozenset()
    """Names of sizes that other sizes may differ from where their arrays meet."""

    def cleaned(self) -> Program:
        """Without the steps that nothing fetched needs."""
        needed, todo = set(), [ref.step for ref in self.outs]
        while todo:
            number = todo.pop()
            if number not in needed:
                needed.add(number)
                step = self.steps[number]
                todo += [a.step for a in getattr(step, "args", ()) if isinstance(a, Ref)]
        return replace(self, steps={n: s for n, s in self.steps.items() if n in needed})

    def calls(self) -> list[tuple[int, Call]]:
        return [(n, s) for n, s in self.steps.items() if isinstance(s, Call)]

    def leaves(self) -> list[tuple[int, Leaf]]:
        return [(n, s) for n, s in self.steps.items() if isinstance(s, Leaf)]

"""A program while it grows: what there is to use, what it is worth on a trial run, and one more step.

A step that the library refuses, or that leads out of range, is taken back. Knows nothing of particular ops.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import SDGraphError
from tests.fuzz.build import Builder
from tests.fuzz.direct import Direct
from tests.fuzz.program import Call, Drawn, Extreme, Given, Leaf, Program, Ref

TRIAL = {"n": 7, "t": 11}
"""Sizes on the trial run: none that a static axis has, so that sizes equal here are equal in every run."""

MOST_NODES = 700
"""Nodes of a graph from which no more gradients are taken of it."""


class Wrong(Exception):
    """The library failed with an exception that is none of its own while it appended the last step of a program."""

    def __init__(self, cause: Exception, program: Program) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.program = program


class Growth:
    """Steps so far with a graph and a trial run that follow them."""

    def __init__(self, rng: np.random.Generator, dtype: str, *, extreme: bool = False) -> None:
        self.rng = rng
        self.dtype = dtype
        self.extreme = extreme
        """Whether anything goes: leaves hold infinity and NaN, and nothing is taken back for what it comes to."""
        self.steps: dict[int, Leaf | Call] = {}
        self.free: dict[str, int] = {}
        """Sizes that are independent of all others, with what they are on the trial run."""
        self.pool: list[Ref] = []
        self._builder = Builder(dtype)
        self._trial = Direct(self._builder.sd, {})
        self._feeds: dict[str, np.ndarray] = {}
        self._trial.feeds = self._feeds
        self._numbers = itertools.count()
        self.largest = {"float16": 30.0, "float32": 1e3}.get(dtype, 1e4)

    # ------------------------------------------------------------------ what is known

    def var(self, ref: Ref) -> SDVariable:
        return self._builder.made[ref]

    def value(self, ref: Ref) -> np.ndarray:
        """What it is on the trial run."""
        return self._trial.value(self.var(ref).id)

    def is_float(self, ref: Ref) -> bool:
        return self.var(ref).dtype.kind == "f"

    def leaf_shape(self, ref: Ref) -> tuple[int | str, ...]:
        """A leaf's shape with the names of its sizes."""
        leaf = self.steps[ref.step]
        assert isinstance(leaf, Leaf)
        return leaf.shape

    @property
    def is_linear(self) -> bool:
        """Whether nothing on the trial run was as large as the square of a size that runs choose."""
        return not any(size and size % TRIAL["n"] ** 2 == 0 for size in self._trial.sizes)

    @property
    def n_nodes(self) -> int:
        return len(self._builder.sd.nodes)

    def float_leaves(self) -> list[Ref]:
        """What may be differentiated by."""
        return [
            Ref(n) for n, s in self.steps.items()
            if isinstance(s, Leaf) and s.kind != "constant" and self.is_float(Ref(n))
        ]  # fmt: skip

    def ends(self) -> list[Ref]:
        """What nothing uses so far, in random order."""
        used = {a for s in self.steps.values() if isinstance(s, Call) for a in s.args}
        found = [r for r in self.pool if r not in used and isinstance(self.steps[r.step], Call)]
        self.rng.shuffle(found)  # type: ignore[arg-type]
        return found

    # ------------------------------------------------------------------ choosing

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def choice(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def integer(self, low: int, high: int) -> int:
        """From ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def pick(self, test: Callable[[Ref], bool] | None = None) -> Ref | None:
        """Something from the pool, more often something new."""
        candidates = [r for r in self.pool if test is None or test(r)]
        if not candidates:
            return None
        n = len(candidates)
        return candidates[n - 1 - int(n * self.rng.random() ** 2)] if self.chance(0.7) else self.choice(candidates)

    def pick_float(self, ndim: int | None = None, at_least: int = 0) -> Ref | None:
        """A floating value of a rank."""
        return self.pick(
            lambda r: (
                self.is_float(r) and (self.var(r).ndim == ndim if ndim is not None else self.var(r).ndim >= at_least)
            )
        )

    def like(self, x: Ref, *, same: bool = False) -> Ref | None:
        """Another floating value that broadcasts with ``x``, or has its shape."""

        def fits(r: Ref) -> bool:
            if not self.is_float(r) or (same and self.var(r).ndim != self.var(x).ndim):
                return False
            pairs = itertools.zip_longest(
                zip(reversed(self.var(x).shape), reversed(self.value(x).shape), strict=True),
                zip(reversed(self.var(r).shape), reversed(self.value(r).shape), strict=True),
                fillvalue=(1, 1),
            )
            return all(self._meet(a, b, same) for a, b in pairs)

        return self.pick(fits)

    @staticmethod
    def _meet(a: tuple[Any, int], b: tuple[Any, int], same: bool) -> bool:
        """Whether two dimensions may stand at one place: what is declared, and the size on the trial run."""
        if not same and (a[0] == 1 or b[0] == 1):
            return True
        return a[1] == b[1] and isinstance(a[0], int) == isinstance(b[0], int)

    # ------------------------------------------------------------------ adding

    def leaf(
        self,
        shape: Sequence[int | str],
        low: float = -2.0,
        high: float = 2.0,
        *,
        dtype: str | None = None,
        kind: str | None = None,
        values: Given | Drawn | Extreme | None = None,
        nameless: bool | None = None,
        pool: bool = True,
    ) -> Ref:
        """A new leaf; a variable if it may be one."""
        unknown = any(isinstance(d, str) for d in shape)
        kind = kind or ("placeholder" if unknown or self.chance(0.3) else "variable")
        if values is None:
            seed = int(self.rng.integers(1 << 30))
            values = Extreme(seed) if self.extreme and dtype is None and self.chance(0.5) else Drawn(low, high, seed)
        if nameless is None:
            nameless = unknown and self.chance(0.3)
        ref = self._add(Leaf("placeholder" if unknown else kind, tuple(shape), values, dtype, nameless))
        assert ref is not None
        if pool:
            self.pool.append(ref[0])
        return ref[0]

    def call(self, op: str, *args: Ref | Given | None, pool: bool = True, **attrs: Any) -> Ref | None:
        """One call; its first output, or None if it was taken back."""
        refs = self.calls(op, *args, pool=pool, **attrs)
        return refs[0] if refs else None

    def calls(self, op: str, *args: Ref | Given | None, pool: bool = True, **attrs: Any) -> list[Ref] | None:
        """One call; its outputs, or None if it was taken back."""
        refs = self._add(Call(op, args, attrs))
        if refs is None:
            return None
        if pool:
            self.pool += [r for r in refs if self.value(r).size < 2000]
        return refs

    def _add(self, step: Leaf | Call) -> list[Ref] | None:
        number = next(self._numbers)
        if isinstance(step, Leaf) and step.kind == "placeholder":
            self._feeds[f"v{number}"] = self._builder.array(step, TRIAL | self.free)
        try:
            refs = [Ref(number, k) for k in range(len(self._builder.add(number, step)))]
        except SDGraphError:
            return None
        except Exception as e:
            steps = {**self.steps, number: step}
            raise Wrong(e, Program(self.dtype, steps, (Ref(number),), ()).cleaned()) from e
        try:
            values = [self.value(r) for r in refs]
        except Exception:
            return None
        if isinstance(step, Call) and not all(map(self._bounded, values)):
            return None
        self.steps[number] = step
        return refs

    def _bounded(self, value: np.ndarray) -> bool:
        if not value.size or self.extreme:
            return True
        if value.dtype.kind == "f":
            return bool(np.all(np.isfinite(value)) and np.max(np.abs(value)) <= self.largest)
        return value.dtype.kind == "b" or bool(np.max(np.abs(value.astype(np.float64))) < 1e6)

    # ------------------------------------------------------------------ small things that recipes share

    def within(self, x: Ref, low: float, high: float) -> Ref | None:
        """``x`` itself if it lies between the bounds on the trial run, else something made of it that does."""
        value = self.value(x)
        if value.size and low <= value.min() and value.max() <= high and self.chance(0.7):
            return x
        if self.chance(0.3):
            return self.call("math.clip_by_value", x, clip_value_min=low, clip_value_max=high)
        squashed = self.call("nn.sigmoid", x, pool=False)
        wide = squashed and self.call("math.mul", squashed, Given(np.float64(high - low)), pool=False)
        return wide and self.call("math.add", wide, Given(np.float64(low)))

    def scalar(self, x: Ref) -> Ref | None:
        """A number that depends on all of ``x``."""
        if not self.is_float(x):
            return None
        if self.var(x).ndim == 0:
            return x
        op = self.choice(["sum", "mean", "sum", "squared_norm", "norm1", "norm2", "loss.l2_loss", "math.log_sum_exp"])
        return self.call(op, x, pool=False)

    def total(self, terms: Iterable[Ref | None]) -> Ref | None:
        """The sum of the terms that are there, in random order, in one of the ways to write it."""
        found = [t for t in terms if t is not None]
        if not found:
            return None
        self.rng.shuffle(found)  # type: ignore[arg-type]
        if len(found) > 1 and self.chance(0.3):
            return self.call("math.merge_add", *found)
        result: Ref | None = found[0]
        for t in found[1:]:
            if result is None:
                return None
            if self.chance(0.3):
                t = self.call("math.mul", t, Given(np.float64(self.choice([0.1, 0.5, 2.0]))), pool=False) or t
            result = self.call(self.choice(["math.add", "math.add", "math.sub"]), result, t, pool=False)
        return result

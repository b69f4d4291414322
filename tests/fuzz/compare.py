"""Runs a program on every engine and judges what comes back.

Expected is the direct evaluation. Two results may differ by what some roundings of every intermediate value can do to
the end; what is left is a failure. Must not know how programs are made or shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import SDGraphError, ShapeError
from tests.fuzz.build import Builder, build
from tests.fuzz.differences import against_differences
from tests.fuzz.direct import Coarse, Direct, Noise
from tests.fuzz.program import GRAD, Call, Extreme, Leaf, Program, Ref

ENGINES = ("numpy", "llvm") if find_spec("llvmlite") else ("numpy",)

_QUICK, _SURE = 3, 40
"""Evaluations with noise: for a first look, and before something counts as a failure."""
_LOST_BITS = range(1, 7)
"""How many bits results lose before a truth or a place that differs counts as a failure."""

_MARGIN = 4.0

_MOST_FOR_DIFFERENCES = 5000
"""Numbers fed up to which gradients are compared with differences, which take some twenty evaluations."""


@dataclass(frozen=True)
class Failure:
    """What went wrong: its kind, where, and what the numbers were."""

    kind: str
    engine: str
    run: int
    out: Ref | None
    text: str

    def __str__(self) -> str:
        return f"{self.kind} on {self.engine}, run {self.run}: {self.text}"


def _bits(x: np.ndarray) -> bytes:
    """The bits of all numbers. Which of two NaNs a sum of both is has never been told."""
    return np.where(np.isnan(x), np.nan, x).astype(x.dtype).tobytes() if x.dtype.kind in "fc" else x.tobytes()


class Judge:
    """One program with everything that is needed to judge it."""

    def __init__(self, program: Program, engines: Sequence[str] = ENGINES) -> None:
        self.program = program
        self.engines = engines
        self.skipped = 0
        self._extreme = any(isinstance(leaf.values, Extreme) for _, leaf in program.leaves())
        self._first: dict[str, dict[str, np.ndarray]] = {}

    def failure(self) -> Failure | None:
        """The first failure."""
        program = self.program
        try:
            builder = build(program)
        except SDGraphError as e:
            return Failure("refused", "build", 0, None, f"{type(e).__name__}: {e}")
        except Exception as e:
            return Failure("crash", "build", 0, None, f"{type(e).__name__}: {e}")
        subjects = [(e, builder) for e in self.engines]
        if program.dtype != "float64" and not any(n.attrs.get("stream") for n in builder.sd.nodes):
            try:
                subjects.append(("numpy in float64", build(program, wide=True)))
            except SDGraphError as e:
                return Failure("refused", "build", 0, None, f"in float64: {type(e).__name__}: {e}")
        functions = []
        for engine, b in subjects:
            fetches = [b.made[r] for r in dict.fromkeys(program.outs)]
            try:
                functions.append((engine, b, b.sd.compile(fetches, engine=engine.split()[0])))
            except SDGraphError as e:
                return Failure("refused", engine, 0, None, f"{type(e).__name__}: {e}")
            except Exception as e:
                return Failure("crash", engine, 0, None, f"{type(e).__name__}: {e}")
        for k, run in enumerate(program.runs):
            failure = self._run(builder, functions, k, run)
            if failure is not None:
                return failure
        return self._once_more(functions) if len(program.runs) > 1 else None

    def _once_more(self, functions: list[Any]) -> Failure | None:
        """The first run again, after all others: the same bits."""
        run = self.program.runs[0]
        for engine, b, f in functions:
            before = self._first.get(engine)
            if before is None:
                continue
            b.set_variables(run)
            try:
                after = f(b.arrays("placeholder", run))
            except Exception as e:
                return Failure("crash", engine, 0, None, f"the second time: {type(e).__name__}: {e}")
            for name, array in after.items():
                if _bits(array) != _bits(before[name]):
                    return Failure("stale", engine, 0, None, f"{name} was {before[name]!r}, the second time {array!r}")
        return None

    def _run(self, builder: Builder, functions: list[Any], k: int, run: dict[str, int]) -> Failure | None:
        program = self.program
        feeds = builder.arrays("placeholder", run)
        fetches = {r: builder.made[r] for r in program.outs}
        results: dict[str, Any] = {}
        for engine, b, f in functions:
            b.set_variables(run)
            given = b.arrays("placeholder", run)
            try:
                results[engine] = f({name: _strided(a) for name, a in given.items()} if k % 2 else given)
            except SDGraphError as e:
                results[engine] = e
            except Exception as e:
                return Failure("crash", engine, k, None, f"{type(e).__name__}: {e}")
        if k == 0:
            self._first = {e: r for e, r in results.items() if isinstance(r, dict)}
        direct = Direct(builder.sd, feeds)
        try:
            expected: Any = {r: direct.value(v.id) for r, v in fetches.items()}
        except Exception as e:
            expected = e
        errors = {e: r for e, r in results.items() if isinstance(r, Exception)}
        if errors or isinstance(expected, Exception):
            return self._errors(builder, feeds, results, errors, expected, k)
        if direct.out_of_range:
            self.skipped += 1
            return None
        for engine, b, _ in functions:
            for ref in fetches:
                failure = self._shapes(engine, b, ref, results[engine][b.made[ref].name], expected[ref], feeds, k)
                if failure is not None:
                    return failure
        tolerances = Tolerances(builder, feeds, fetches, expected)
        for engine, b, _ in functions:
            for ref in fetches:
                text = tolerances.difference(ref, results[engine][b.made[ref].name])
                if text is not None:
                    return Failure("value", engine, k, ref, text)
        small = sum(a.size for a in feeds.values()) <= _MOST_FOR_DIFFERENCES
        if small and not direct.not_smooth and not self._extreme:
            return self._gradients(builder, feeds, expected, k)
        return None

    def _errors(
        self,
        builder: Builder,
        feeds: dict[str, np.ndarray],
        results: dict[str, Any],
        errors: Any,
        expected: Any,
        k: int,
    ) -> Failure | None:
        """Who refuses and who does not."""
        if len(errors) != len(results):
            engine, e = next(iter(errors.items())) if errors else ("direct evaluation", expected)
            if not errors:
                return Failure("error", "all", k, None, f"only the {engine} fails: {type(e).__name__}: {e}")
            return Failure("error", engine, k, None, f"only here: {type(e).__name__}: {e}")
        if isinstance(expected, Exception):
            return None
        if self._may_meet(k) and all(isinstance(e, ShapeError) for e in errors.values()):
            return None
        try:
            strict = Direct(builder.sd, feeds, strict=True)
            for ref in self.program.outs:
                strict.value(builder.made[ref].id)
        except Exception:
            return None
        engine, e = next(iter(errors.items()))
        return Failure("error", engine, k, None, f"not in the direct evaluation: {type(e).__name__}: {e}")

    def _may_meet(self, k: int) -> bool:
        """Whether an unknown size of 1 may meet another size in a run, which is documented to be refused."""
        program = self.program
        sizes = {program.runs[k][name] for name in program.free} | {program.runs[k].get("n", 1)}
        fixed = any(call.op == "broadcast_to" for _, call in program.calls())
        return bool(program.free) and 1 in sizes and (len(sizes) > 1 or fixed)

    def _shapes(
        self, engine: str, b: Builder, ref: Ref, got: np.ndarray, want: Any, feeds: dict[str, np.ndarray], k: int
    ) -> Failure | None:
        v = b.made[ref]
        step = self.program.steps[ref.step]
        if isinstance(step, Call) and step.op == GRAD:
            x = step.args[1 + ref.k]
            assert isinstance(x, Ref)
            name = b.made[x].name
            shape = feeds[name].shape if name in feeds else b.made[x].shape
            if isinstance(self.program.steps[x.step], Leaf) and got.shape != shape:
                return Failure("shape", engine, k, ref, f"the gradient is {got.shape}, its variable {shape}")
        if got.dtype != v.dtype:
            return Failure("dtype", engine, k, ref, f"{got.dtype}, declared {v.dtype}")
        if got.shape != want.shape:
            return Failure("shape", engine, k, ref, f"{got.shape}, expected {want.shape}")
        if len(v.shape) != got.ndim or any(
            isinstance(d, int) and d != n for d, n in zip(v.shape, got.shape, strict=True)
        ):
            return Failure("shape", engine, k, ref, f"{got.shape}, declared {v.shape}")
        return None

    # ------------------------------------------------------------------ gradients

    def _gradients(self, builder: Builder, feeds: dict[str, np.ndarray], expected: Any, k: int) -> Failure | None:
        """Gradients of numbers by leaves against differences of the direct evaluation."""
        program = self.program
        for number in dict.fromkeys(r.step for r in program.outs):
            step = program.steps[number]
            if not isinstance(step, Call) or step.op != GRAD:
                continue
            wrt = [(j, a) for j, a in enumerate(step.args[1:]) if isinstance(program.steps[a.step], Leaf)]  # type: ignore[union-attr]
            asked = [(expected[Ref(number, j)], builder.made[a]) for j, a in wrt if Ref(number, j) in expected]  # type: ignore[index]
            if not asked:
                continue
            y = builder.made[step.args[0]]  # type: ignore[index]
            text = against_differences(builder.sd, feeds, y, asked)
            if text is not None:
                return Failure("gradient", "direct evaluation", k, Ref(number), text)
        return None


def _strided(a: np.ndarray) -> np.ndarray:
    """The same numbers, not one after another in memory."""
    wide = np.zeros((*a.shape, 2), a.dtype)
    wide[..., 0] = a
    return wide[..., 0]


class Tolerances:
    """What roundings may do to each fetch on one run; computed when something differs at all."""

    def __init__(
        self, builder: Builder, feeds: dict[str, np.ndarray], fetches: dict[Ref, SDVariable], expected: dict[Ref, Any]
    ) -> None:
        self._builder, self._feeds, self._fetches, self._expected = builder, feeds, fetches, expected
        self._moved: dict[Ref, list[np.ndarray]] = {r: [] for r in fetches}

    def difference(self, ref: Ref, got: np.ndarray) -> str | None:
        """In words, how a result differs by more than it may; None if it does not."""
        want = self._expected[ref]
        with np.errstate(all="ignore"):
            if got.dtype.kind != "f":
                bad = got != want
            else:
                got = got.astype(np.float64)
                bad = ~((got == want) | (np.isnan(got) & np.isnan(want)))
                bad &= ~(np.abs(got - want) <= 2 * np.finfo(np.float64).eps * np.abs(want))
            for count in (_QUICK, _SURE):
                if not bad.any():
                    return None
                bad &= ~self._allowed(ref, got, want, count)
        if not bad.any():
            return None
        at = tuple(int(k) for k in np.argwhere(bad)[0])
        spread = max((abs(float(m[at]) - float(want[at])) for m in self._moved[ref]), default=0.0)
        return f"{got[at]!r} at {at} of {got.shape}, expected {want[at]!r}, roundings explain {spread:.3g}"

    def _allowed(self, ref: Ref, got: np.ndarray, want: np.ndarray, count: int) -> np.ndarray:
        """Where samples with noise explain a difference: they lie as far away, or do not agree on what is finite."""
        samples = self._samples(ref, count)
        if got.dtype.kind != "f":
            coarse = [self._evaluated(Coarse(bits))[ref] for bits in _LOST_BITS] if count == _SURE else []
            return np.any([m != want for m in (*samples, *coarse)], axis=0)
        finite = np.isfinite(want)
        same_kind = [np.isfinite(m) == finite for m in samples]
        mixed = ~np.all(same_kind, axis=0)
        spread = np.max([np.abs(m - want) for m in samples], axis=0)
        tiny = 2 * float(np.finfo(self._fetches[ref].dtype).smallest_subnormal)
        return mixed | (np.abs(got - want) <= _MARGIN * spread + tiny)

    def _samples(self, ref: Ref, count: int) -> list[np.ndarray]:
        """The fetch as the direct evaluation with noise has it, at least ``count`` times."""
        while len(self._moved[ref]) < count:
            for r, value in self._evaluated(Noise(len(self._moved[ref]))).items():
                self._moved[r].append(value)
        return self._moved[ref]

    def _evaluated(self, noise: Noise) -> dict[Ref, np.ndarray]:
        """All fetches as one direct evaluation with noise has them."""
        direct = Direct(self._builder.sd, self._feeds, noise=noise)
        found = {}
        for r, v in self._fetches.items():
            try:
                found[r] = np.asarray(direct.value(v.id))
            except Exception:  # With noise a matrix may be singular: nothing is known then.
                found[r] = np.full(self._expected[r].shape, np.nan)
        return found

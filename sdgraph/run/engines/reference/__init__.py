"""The reference engine: runs a plan step by step with numpy.

Dead values are dropped, and a ufunc writes into the buffer of an operand that dies. Each run has slots of its own, so
one compiled plan serves any number of threads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from sdgraph.errors import NumericsError
from sdgraph.plan.made import Made
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines import inner
from sdgraph.run.engines.failures import described, locate, reraise
from sdgraph.run.engines.interface import Part, Program, Run
from sdgraph.run.engines.results import outputs

if TYPE_CHECKING:
    from sdgraph.run.engines.limits import Work

# These two ufuncs want the array to write into by name only.
_OUT_BY_NAME: dict[Any, Any] = {
    np.maximum: lambda a, b, out: np.maximum(a, b, out=out),
    np.minimum: lambda a, b, out: np.minimum(a, b, out=out),
}


def probe() -> None:
    """Raise if this engine does not work here."""


def compile_plan(plan: Plan, *, check_numerics: bool) -> Program:
    """The plan step by step; every value in its slot of the plan."""
    inside = functools.partial(compile_plan, check_numerics=check_numerics)
    plan = inner.bound(plan, ("numpy", check_numerics), inside)
    return _Stepwise(plan, check_numerics=check_numerics)


T = TypeVar("T")


class _Stepwise(Program):
    def __init__(self, plan: Plan, *, check_numerics: bool) -> None:
        code = [_instruction(step, reuse=not check_numerics) for step in plan.steps]
        self._muted_run = _checked(plan, code) if check_numerics else _plain(plan, code)
        self.run = _muting(self._muted_run)
        self.n_slots = plan.n_slots
        self._plan, self._code = plan, code

    @property
    def muted_run(self) -> Run:
        return self._muted_run

    def explain(self) -> Made:
        return Made.of(self._plan)

    def parts(self) -> Sequence[Part]:
        # Only who measures needs it.
        from sdgraph.run.engines.steps import avals_of, memory_of, work_of

        avals, memory = avals_of(self._plan), memory_of(self._plan)
        return [
            _part(step, one, work_of(step, avals, memory))
            for step, one in zip(self._plan.steps, self._code, strict=True)
        ]


def _plain(plan: Plan, code: list[tuple[Any, ...]]) -> Run:
    finish, do = outputs(plan), _steps(plan.steps, code)

    def run(slots: list[Any]) -> list[Any]:
        do(slots)
        return finish(slots)

    return run


def _muting(run: Callable[[list[Any]], T]) -> Callable[[list[Any]], T]:
    """It with numpy muted."""

    def muted(slots: list[Any]) -> T:
        with np.errstate(all="ignore"):
            return run(slots)

    return muted


def _steps(steps: Sequence[Step], code: Sequence[tuple[Any, ...]]) -> Callable[[list[Any]], None]:
    """What does steps one after another."""

    def do(slots: list[Any]) -> None:
        k = 0
        try:
            for fn, n, a, b, c, inputs, out, frees in code:
                if n == 2:
                    slots[out] = fn(slots[a], slots[b])
                elif n == 1:
                    slots[out] = fn(slots[a])
                elif n == 3:
                    slots[out] = fn(slots[a], slots[b], slots[c])
                else:
                    slots[out] = fn(*[slots[j] if j >= 0 else None for j in inputs])
                for j in frees:
                    slots[j] = None
                k += 1
        except Exception as e:
            reraise(e, steps[k], slots)

    return do


def _part(step: Step, one: tuple[Any, ...], does: Work) -> Part:
    names = (step.source.name,) if step.source is not None else ()
    return Part(step.op.qualname, does.bytes, _muting(_steps([step], [one])), names, does)


def _instruction(step: Step, *, reuse: bool) -> tuple[Any, ...]:
    """A step as the interpreter reads it: function, arity, up to three slots, all slots, output, slots to drop."""
    fn = step.op.bind_kernel(np, "numpy", step.attrs)
    inputs, frees = step.inputs, step.frees
    if step.reuse >= 0:
        frees = (*frees, step.reuse)
        if reuse:
            inputs = (*inputs, step.reuse)  # A ufunc takes the array to write into as its last positional argument.
            fn = _OUT_BY_NAME.get(fn, fn)
    arity = len(inputs) if len(inputs) <= 3 and all(j >= 0 for j in inputs) else 0
    a, b, c = (*inputs[:3], -1, -1, -1)[:3]
    return fn, arity, a, b, c, inputs, step.out, frees


def _checked(plan: Plan, code: list[tuple[Any, ...]]) -> Run:
    """Like the plain run, but looks at every result and raises at the first that is not finite."""
    finish = outputs(plan)

    def run(slots: list[Any]) -> list[Any]:
        for step, (fn, _, _, _, _, inputs, out, _) in zip(plan.steps, code, strict=True):
            try:
                result = slots[out] = fn(*[slots[j] if j >= 0 else None for j in inputs])
                good = _finite(result)
            except Exception as e:
                reraise(e, step, slots)
            if not good:
                raise _not_finite(step, slots, result)
        return finish(slots)

    return run


def _finite(result: Any) -> bool:
    if isinstance(result, tuple):
        return all(map(_finite, result))
    result = np.asarray(result)
    return result.dtype.kind not in "fc" or bool(np.isfinite(result).all())


def _not_finite(step: Step, slots: list[Any], result: Any) -> NumericsError:
    bad_inputs = [j for j in step.inputs if j >= 0 and not _finite(slots[j])]
    values = result if isinstance(result, tuple) else (result,)
    what = " and ".join(
        word
        for word, test in (("NaN", np.isnan), ("infinity", np.isinf))
        if any(np.asarray(v).dtype.kind in "fc" and test(v).any() for v in values)
    )
    where = "its operands were not finite already" if bad_inputs else "all its operands were finite"
    error = NumericsError(
        f"This node produced {what}; {where}.",
        given="result: " + ", ".join(map(described, values)),
        fix="Look at the operands' ranges; see the numerics page of the documentation for each op's limits.",
    )
    locate(error, step, slots)
    return error

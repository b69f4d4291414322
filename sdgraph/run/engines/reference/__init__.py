"""The reference engine: runs a plan step by step with numpy.

Dead values are dropped, and a ufunc writes into the buffer of an operand that dies. Each run has slots of its own, so
one compiled plan serves any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.errors import ExecutionError, NumericsError, SDGraphError
from sdgraph.infer.aval import shape_str
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines.program import Program, Run, outputs

_LOOKED_AT = 1 << 28
"""Elements of an operand that a message has statistics of, at most: repeated ones may be more than memory holds."""

# These two ufuncs want the array to write into by name only.
_OUT_BY_NAME: dict[Any, Any] = {
    np.maximum: lambda a, b, out: np.maximum(a, b, out=out),
    np.minimum: lambda a, b, out: np.minimum(a, b, out=out),
}


def probe() -> None:
    """Raise if this engine does not work here."""


def compile_plan(plan: Plan, *, check_numerics: bool) -> Program:
    """The plan step by step; every value in its slot of the plan."""
    code = [_instruction(step, reuse=not check_numerics) for step in plan.steps]
    return Program(_checked(plan, code) if check_numerics else _plain(plan, code), plan.n_slots)


def _plain(plan: Plan, code: list[tuple[Any, ...]]) -> Run:
    finish = outputs(plan)

    def run(slots: list[Any]) -> list[Any]:
        k = 0
        try:
            with np.errstate(all="ignore"):
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
        except SDGraphError as e:
            locate(e, plan.steps[k], slots)
            raise
        except Exception as e:
            raise failed(plan.steps[k], slots, e) from e
        return finish(slots)

    return run


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
        k = 0
        try:
            with np.errstate(all="ignore"):
                for k, (fn, _, _, _, _, inputs, out, _) in enumerate(code):
                    result = slots[out] = fn(*[slots[j] if j >= 0 else None for j in inputs])
                    if not _finite(result):
                        raise _not_finite(plan.steps[k], slots, result)
        except NumericsError:
            raise
        except SDGraphError as e:
            locate(e, plan.steps[k], slots)
            raise
        except Exception as e:
            raise failed(plan.steps[k], slots, e) from e
        return finish(slots)

    return run


def _finite(result: Any) -> bool:
    if isinstance(result, tuple):
        return all(map(_finite, result))
    result = np.asarray(result)
    return result.dtype.kind not in "fc" or bool(np.isfinite(result).all())


# ---------------------------------------------------------------------- messages


def _describe(value: Any) -> str:
    """Statistics of an operand: what a reader needs to see where a bad value comes from."""
    if value is None:
        return "not given"
    a = np.asarray(value)
    text = f"{a.dtype.name} {shape_str(a.shape)}"
    if a.dtype.kind not in "fc" or not 0 < a.size <= _LOOKED_AT:
        return text
    good = a[np.isfinite(a)]
    spread = f", finite values from {good.min():.6g} to {good.max():.6g}" if good.size and a.dtype.kind == "f" else ""
    return f"{text}{spread}, {np.isnan(a).sum()} NaN, {np.isinf(a).sum()} infinite"


def _operand_lines(step: Step, slots: list[Any]) -> str:
    names = step.op.operand_names if not step.op.variadic else ()
    lines = []
    for k, j in enumerate(step.inputs):
        label = names[k] if k < len(names) else f"operand {k}"
        lines.append(f"{label}: {_describe(slots[j] if j >= 0 else None)}")
    return "\n".join(lines)


def _op_label(step: Step) -> str:
    """The op the user called, and the primitive inside it that this step is."""
    if step.source is None or step.source.op is step.op:
        return f"sd.{step.op.qualname}"
    return f"sd.{step.source.op.qualname}, in its {step.op.qualname}"


def locate(error: SDGraphError, step: Step, slots: list[Any]) -> None:
    """Add the op, its operands and the user's line to an error that a kernel raised."""
    error.in_call(_op_label(step), _operand_lines(step, slots))
    if step.source is not None and error.node is None:
        error.node, error.node_origin = step.source.name, step.source.origin


def failed(step: Step, slots: list[Any], error: Exception) -> ExecutionError:
    """The error for whatever else a kernel raised."""
    failed = ExecutionError(f"{type(error).__name__}: {error}")
    locate(failed, step, slots)
    return failed


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
        given="result: " + ", ".join(map(_describe, values)),
        fix="Look at the operands' ranges; see the numerics page of the documentation for each op's limits.",
    )
    locate(error, step, slots)
    return error

"""Makes a failing program small: the same kind of failure with the fewest steps, runs and fetches.

Parts are taken out or replaced by leaves, greedily, as long as the failure stays. Must not know why anything fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from tests.fuzz.build import build
from tests.fuzz.compare import Failure, Judge
from tests.fuzz.direct import Direct
from tests.fuzz.program import DRAW, GRAD, HVP, Call, Drawn, Given, Leaf, Program, Ref

_MOST_WRITTEN = 64
"""Elements of an array that a call is replaced by."""

Fails = Callable[[Program], Failure | None]


def same_failure(failure: Failure, engines: tuple[str, ...]) -> Fails:
    """A test for failures of one kind: of the same exception, if it is one."""
    word = failure.text.split(":")[0] if failure.kind in ("crash", "error", "refused") else ""

    def fails(program: Program) -> Failure | None:
        try:
            found = Judge(program, engines).failure()
        except Exception:
            return None  # The candidate is no program.
        if found is None or found.kind != failure.kind or word not in found.text:
            return None
        return found

    return fails


def shrunk(program: Program, failure: Failure, fails: Fails) -> tuple[Program, Failure]:
    """The smallest program found that fails in the same way, and how it fails."""
    changed = True
    while changed:
        changed = False
        for candidates in (_fewer_runs, _fewer_outs, _cut, _bypassed, _fewer_operands, _plainer):
            again = True
            while again:
                again = False
                for candidate in candidates(program):
                    candidate = candidate.cleaned()
                    found = fails(candidate)
                    if found is not None:
                        program, failure, again, changed = candidate, found, True, True
                        break
    return program, failure


def _fewer_runs(program: Program) -> Iterator[Program]:
    """Single runs; without one of them."""
    if len(program.runs) > 1:
        for run in program.runs:
            yield replace(program, runs=(run,))
        for k in range(len(program.runs)):
            yield replace(program, runs=program.runs[:k] + program.runs[k + 1 :])


def _fewer_outs(program: Program) -> Iterator[Program]:
    if len(program.outs) > 1:
        for ref in program.outs:
            yield replace(program, outs=(ref,))
        for ref in program.outs:
            yield replace(program, outs=tuple(r for r in program.outs if r != ref))


def _cut(program: Program) -> Iterator[Program]:
    """One call replaced by a leaf that holds what it came to, the last ones first; large arrays stay calls."""
    if len(program.runs) > 1:
        return
    try:
        builder = build(program)
        run = program.runs[0]
        direct = Direct(builder.sd, builder.arrays("placeholder", run), variables=builder.arrays("variable", run))
    except Exception:
        return
    for number, call in reversed(program.calls()):
        if call.op in (GRAD, HVP) or any(r.step == number and r.k for r in _uses(program)):
            continue
        v = builder.made[Ref(number)]
        try:
            value = np.asarray(direct.value(v.id))
        except Exception:
            continue
        if value.size > _MOST_WRITTEN:
            continue
        shape = tuple(n if d is None else d for d, n in zip(v.shape, value.shape, strict=True))
        kind = "placeholder" if any(isinstance(d, str) for d in shape) else "variable"
        if any(isinstance(d, str) and program.runs[0].get(d) != n for d, n in zip(shape, value.shape, strict=True)):
            continue
        dtype = None if v.dtype == builder.sd.dtype else v.dtype.name
        kind = "constant" if v.dtype.kind != "f" and kind == "variable" else kind
        steps = dict(program.steps)
        steps[number] = Leaf(kind, shape, Given(value), dtype)
        yield replace(program, steps=steps)


def _uses(program: Program) -> Iterator[Ref]:
    yield from program.outs
    for _, call in program.calls():
        yield from (a for a in call.args if isinstance(a, Ref))


def _bypassed(program: Program) -> Iterator[Program]:
    """What uses a call uses one of its operands instead."""
    for number, call in reversed(program.calls()):
        for a in dict.fromkeys(a for a in call.args if isinstance(a, Ref)):
            yield _redirected(program, number, a)


def _redirected(program: Program, number: int, to: Ref) -> Program:
    def moved(a: Ref | Given | None) -> Ref | Given | None:
        return to if isinstance(a, Ref) and a.step == number else a

    steps: dict[int, Leaf | Call] = {
        n: replace(s, args=tuple(map(moved, s.args))) if isinstance(s, Call) else s
        for n, s in program.steps.items()
        if n != number
    }
    outs = tuple(dict.fromkeys(to if r.step == number else r for r in program.outs))
    return replace(program, steps=steps, outs=outs)


def _fewer_operands(program: Program) -> Iterator[Program]:
    """Calls of many operands with fewer of them."""
    for number, call in program.calls():
        if call.op == GRAD and len(call.args) > 2:
            for k, x in enumerate(call.args[1:]):
                yield _only_gradient(program, number, k, replace(call, args=(call.args[0], x)))
        elif len(call.args) > 2:
            for k in range(len(call.args) - 1, 0, -1):
                steps = dict(program.steps)
                if call.op in ("math.merge_add", "concat", "stack"):
                    steps[number] = replace(call, args=call.args[:k] + call.args[k + 1 :])
                elif isinstance(call.args[k], Ref):
                    steps[number] = replace(call, args=(*call.args[:k], None, *call.args[k + 1 :]))
                else:
                    continue
                yield replace(program, steps=steps)


def _only_gradient(program: Program, number: int, k: int, call: Call) -> Program:
    """One gradient of several: whatever used another is left out or uses this one."""

    def moved(a: Ref | Given | None) -> Ref | Given | None:
        return Ref(number) if isinstance(a, Ref) and a.step == number else a

    steps = {
        n: replace(s, args=tuple(map(moved, s.args))) if isinstance(s, Call) else s for n, s in program.steps.items()
    }
    outs = tuple(r if r.step != number else Ref(number) for r in program.outs if r.step != number or r.k == k)
    return replace(program, steps={**steps, number: call}, outs=outs)


def _plainer(program: Program) -> Iterator[Program]:
    """Calls without a setting, float64, leaves of plain numbers, the smallest sizes."""
    if program.dtype != "float64":
        yield replace(program, dtype="float64")
    for number, call in program.calls():
        for k in call.attrs:
            steps = dict(program.steps)
            steps[number] = replace(call, attrs={n: a for n, a in call.attrs.items() if n != k})
            yield replace(program, steps=steps)
    for number, leaf in program.leaves():
        if isinstance(leaf.values, Drawn) and leaf.dtype is None:
            rounded = _rounded(program, leaf)
            if rounded is not None:
                yield replace(program, steps={**program.steps, number: rounded})
        elif isinstance(leaf.values, Given) and leaf.values.array.dtype.kind == "f":
            array = leaf.values.array
            simple = np.round(array, 1)
            if array.size and not np.array_equal(simple, array):
                rounded = replace(leaf, values=Given(simple))
                yield replace(program, steps={**program.steps, number: rounded})
    for k, run in enumerate(program.runs):
        for name, size in run.items():
            for smaller in (1, 2):
                if name != DRAW and size > smaller and any(name in leaf.shape for _, leaf in program.leaves()):
                    yield replace(program, runs=(*program.runs[:k], {**run, name: smaller}, *program.runs[k + 1 :]))


def _rounded(program: Program, leaf: Leaf) -> Leaf | None:
    """The leaf with its numbers written out, one digit each."""
    if len(program.runs) > 1:
        return None
    array = leaf.values.make(leaf.sizes(program.runs[0]), np.dtype("float64"), program.runs[0].get(DRAW, 0))
    if array.size > 24:
        return None
    return replace(leaf, values=Given(np.round(array, 1)))

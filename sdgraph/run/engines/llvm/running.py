"""Running a divided plan: each part as a function of the slots, and all of them in turn.

Where a check fails, numpy does the whole call over, step by step, and raises what it finds. Must not know LLVM.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from sdgraph.errors import ExecutionError
from sdgraph.infer.aval import shape_str
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines import buffers, reference
from sdgraph.run.engines.failures import reraise
from sdgraph.run.engines.interface import Run
from sdgraph.run.engines.llvm.divide.own_loops import CONVOLUTION, own_loops
from sdgraph.run.engines.llvm.divide.region import size_of
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.results import outputs

_BY_BLAS = {np.dtype("float32"), np.dtype("float64")}
Do = Callable[[list[Any]], bool | None]
"""Does a part on the slots, and tells if a check failed."""
Place = tuple[int, tuple[int, ...], np.dtype[Any]]
"""A slot, and the shape and dtype of the array in it."""


def run_of(plan: Plan, division: Division, runners: Mapping[int, Runner], *, muted: bool = False) -> Run:
    """What runs the plan: one call where it is one segment and not long, else segments and numpy steps in turn.

    With ``muted``, numpy is when it is called.
    """
    if len(division.parts) == 1 and runners and not any(plan.copied):
        runner = runners[0]
        if runner.call is not None and not runner.long and set(plan.outs) == set(runner.writes):
            return _one_call(plan, division, runner, runner.call)
    return _in_turn(plan, division, runners, is_muted=muted)


def _one_call(plan: Plan, division: Division, runner: Runner, call: Callable[..., bool | None]) -> Run:
    feeds = {slot for slot, _ in plan.feeds}
    variables = [k for k, j in enumerate(runner.reads) if j not in feeds]
    reads, program = runner.reads, runner.program
    makes = tuple((division.shapes[i], division.dtypes[i]) for i in runner.writes)
    order = tuple(runner.writes.index(o) for o in plan.outs)
    in_order = order == tuple(range(len(order)))
    empty = np.empty

    def run(slots: list[Any]) -> list[Any]:
        arrays = [slots[j] for j in reads]
        for k in variables:
            if not arrays[k].flags.c_contiguous:
                arrays[k] = np.array(arrays[k], order="C")
        outs = [empty(shape, dtype) for shape, dtype in makes]
        if call(program, *arrays, *outs):
            return _by_numpy(plan, slots)
        return outs if in_order else [outs[k] for k in order]

    return run


def _in_turn(plan: Plan, division: Division, runners: Mapping[int, Runner], *, is_muted: bool) -> Run:
    parts, finish = parts_of(plan, division, runners), outputs(plan)
    checks = any(part.checks for part in division.parts if isinstance(part, Segment))

    def run(slots: list[Any]) -> list[Any]:
        leaves = slots.copy() if checks else slots
        for do in parts:
            if do(slots):
                slots.clear()
                return _by_numpy(plan, leaves)
        return finish(slots)

    def muted(slots: list[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return run(slots)

    # To mute numpy takes as long as a small segment.
    return run if is_muted or all(isinstance(part, Segment) or part.op.is_view for part in division.parts) else muted


def _by_numpy(plan: Plan, slots: list[Any]) -> list[Any]:
    """The whole plan by numpy, on what is fed, variables and constants: it tells which number is bad."""
    return reference.compile_plan(plan, check_numerics=False).run(slots)


def parts_of(plan: Plan, division: Division, runners: Mapping[int, Runner]) -> list[Do]:
    """The parts in the order they run, each of which then drops what nobody reads any more."""
    found: list[Do] = []
    sure = as_planned(plan, division)
    for k, (part, dead) in enumerate(zip(division.parts, division.frees, strict=True)):
        freed = tuple(map(division.slot, dead))
        if isinstance(part, Segment):
            runner = runners[k]
            arrays = arrays_of(division, runner.reads, runner.writes, sure)
            found.append(loops(plan, called(runner), *arrays, freed))
        else:
            found.append(kernel(part, division, freed))
    return found


def as_planned(plan: Plan, division: Division) -> set[int]:
    """Values whose arrays need no look before compiled code reads them: what is fed, and what segments make."""
    made = (i for part in division.parts if isinstance(part, Segment) for i in part.writes)
    return {*made, *(slot for slot, _ in plan.feeds)}


def called(runner: Runner) -> Callable[..., bool | None]:
    """What runs a segment on its arrays."""
    call, program = runner.call, runner.program
    return (lambda *arrays: runner.run(arrays)) if call is None else partial(call, program)


def loops(
    plan: Plan,
    call: Callable[..., bool | None],
    makes: Sequence[Place],
    arrays: Callable[[list[Any]], list[np.ndarray[Any, Any]]],
    freed: tuple[int, ...] = (),
) -> Do:
    """A segment as a function of the slots: the call of arrays that it reads and makes."""

    def do(slots: list[Any]) -> bool | None:
        try:
            failed = call(*arrays(slots))
        except MemoryError as e:
            raise _no_memory(plan, makes, e) from e
        for j in freed:
            slots[j] = None
        return failed

    return do


def arrays_of(
    division: Division, read: Sequence[int], made: Sequence[int], sure: Container[int]
) -> tuple[tuple[Place, ...], Callable[[list[Any]], list[np.ndarray[Any, Any]]]]:
    """What a segment makes, and what takes the arrays it reads from the slots and puts those that it makes there."""
    reads, writes = (
        tuple((division.slot(i), division.shapes[i], division.dtypes[i]) for i in values) for values in (read, made)
    )
    slots_read = tuple(j for j, _, _ in reads)
    unsure = tuple((k, *reads[k][1:]) for k, i in enumerate(read) if i not in sure)
    small = [size_of(shape) * dtype.itemsize < buffers.LARGE for _, shape, dtype in writes]
    makes = tuple((np.empty if few else buffers.empty, *place) for few, place in zip(small, writes, strict=True))

    def arrays(slots: list[Any]) -> list[np.ndarray[Any, Any]]:
        found = [slots[j] for j in slots_read]
        for k, shape, dtype in unsure:
            found[k] = _plain(found[k], shape, dtype)
        for empty, i, shape, dtype in makes:
            a = slots[i] = empty(shape, dtype)
            found.append(a)
        return found

    return writes, arrays


def kernel(step: Step, division: Division, freed: tuple[int, ...] = ()) -> Do:
    """A step as a function of the slots."""
    fn, inputs, out = quick(step, division), step.inputs, step.out

    a, b = inputs if len(inputs) == 2 and min(inputs) >= 0 else (-1, -1)

    def do(slots: list[Any]) -> None:
        try:
            if a >= 0:
                slots[out] = fn(slots[a], slots[b])
            else:
                slots[out] = fn(*[slots[j] if j >= 0 else None for j in inputs])
        except Exception as e:
            reraise(e, step, slots)
        for j in freed:
            slots[j] = None

    return do


def quick(step: Step, division: Division) -> Callable[..., Any]:
    """The kernel of a step, or what does the same with less on the way: small arrays take less time than that."""
    if step.op.key == "permute":
        axes = step.attrs["axes"]
        return lambda x: x.transpose(axes)
    own = own_loops(step, division.dtypes, division.shapes)
    if own is not None:
        return _by_loops(step, division, own)
    fn = step.op.bind_kernel(np, "numpy", step.attrs)
    if fn is np.matmul and all(len(division.shapes.get(j, ())) == 2 for j in step.inputs):
        of = {division.dtypes.get(j) for j in step.inputs}
        # Between matrices of one such type both are a product by BLAS.
        return np.dot if len(of) == 1 and of <= _BY_BLAS else fn
    return fn


def _by_loops(step: Step, division: Division, own: str) -> Callable[..., Any]:
    """The loops of a step that has its own."""
    from sdgraph.run.engines.llvm.windows import kernels, maxima

    shapes, dtype = [division.shapes[j] for j in step.inputs], division.dtypes[step.inputs[0]]
    if own == CONVOLUTION:
        run = kernels.kernel_of(step.op.key, shapes, dtype, step.attrs)
    else:
        run = maxima.maxima_of(step.op.key, shapes, step.aval.shape, dtype, step.attrs)
    return lambda *arrays: run(*(_plain(a, shape, dtype) for a, shape in zip(arrays, shapes, strict=True)))


def _no_memory(plan: Plan, makes: Sequence[Place], e: MemoryError) -> ExecutionError:
    """The error of a segment whose results found no room."""
    words = ", ".join(f"{dtype.name} {shape_str(shape)}" for _, shape, dtype in makes)
    error = ExecutionError(f"MemoryError: {e}", given=f"fused loops that make {words:.200}")
    sizes = {slot: size_of(shape) * dtype.itemsize for slot, shape, dtype in makes}
    largest = max(sizes, key=sizes.__getitem__)
    source = next((step.source for step in plan.steps if step.out == largest), None)
    if source is not None:
        error.node, error.node_origin = source.name, source.origin
    return error


def _plain(a: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """An array that compiled code can read: as planned, in C order."""
    if type(a) is not np.ndarray or a.dtype != dtype or a.shape != shape or not a.flags.c_contiguous:
        a = np.asarray(a)
        if a.shape != shape or a.dtype != dtype:
            raise ExecutionError(
                "A kernel returned something else than its op's rule said.",
                given=f"{a.dtype.name} {shape_str(a.shape)}",
                expected=f"{dtype.name} {shape_str(shape)}",
            )
        a = np.array(a, order="C")
    return a

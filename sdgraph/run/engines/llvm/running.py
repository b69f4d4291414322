"""Running a divided plan: each part as a function of the slots, and all of them in turn. Must not know LLVM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sdgraph.errors import ExecutionError
from sdgraph.infer.aval import shape_str
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines import buffers
from sdgraph.run.engines.failures import reraise
from sdgraph.run.engines.interface import Part, Run
from sdgraph.run.engines.llvm import describe
from sdgraph.run.engines.llvm.divide.region import size_of
from sdgraph.run.engines.llvm.divide.segments import Division, Segment
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.results import outputs

_Do = Callable[[list[Any]], None]
_Place = tuple[int, tuple[int, ...], np.dtype[Any]]
"""A slot, and the shape and dtype of the array in it."""


def run_of(plan: Plan, division: Division, runners: Mapping[int, Runner]) -> Run:
    """What runs the plan: one call where it is one small segment, else segments and numpy steps in turn."""
    if len(division.parts) == 1 and runners and not any(plan.copied):
        runner = runners[0]
        if runner.call is not None and runner.small and set(plan.outs) == set(runner.writes):
            return _one_call(plan, division, runner, runner.call)
    return _in_turn(plan, division, runners)


def _one_call(plan: Plan, division: Division, runner: Runner, call: Callable[..., None]) -> Run:
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
        call(program, *arrays, *outs)
        return outs if in_order else [outs[k] for k in order]

    return run


def _in_turn(plan: Plan, division: Division, runners: Mapping[int, Runner]) -> Run:
    parts, finish = _parts(plan, division, runners), outputs(plan)

    def run(slots: list[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            for do in parts:
                do(slots)
        return finish(slots)

    return run


def _parts(plan: Plan, division: Division, runners: Mapping[int, Runner]) -> list[_Do]:
    """The parts in the order they run, each of which then drops what nobody reads any more."""
    found: list[_Do] = []
    for k, (part, dead) in enumerate(zip(division.parts, division.frees, strict=True)):
        freed = tuple(map(division.slot, dead))
        found.append(_loops(plan, division, runners[k], freed) if isinstance(part, Segment) else _kernel(part, freed))
    return found


def _loops(plan: Plan, division: Division, runner: Runner, freed: tuple[int, ...]) -> _Do:
    reads, writes = (
        tuple((division.slot(i), division.shapes[i], division.dtypes[i]) for i in values)
        for values in (runner.reads, runner.writes)
    )

    def do(slots: list[Any]) -> None:
        try:
            arrays = [_plain(slots[j], shape, dtype) for j, shape, dtype in reads]
            for i, shape, dtype in writes:
                a = slots[i] = buffers.empty(shape, dtype)
                arrays.append(a)
            runner.run(arrays)
        except MemoryError as e:
            raise _no_memory(plan, writes, e) from e
        for j in freed:
            slots[j] = None

    return do


def _kernel(step: Step, freed: tuple[int, ...]) -> _Do:
    fn, inputs, out = step.op.bind_kernel(np, "numpy", step.attrs), step.inputs, step.out

    def do(slots: list[Any]) -> None:
        try:
            slots[out] = fn(*[slots[j] if j >= 0 else None for j in inputs])
        except Exception as e:
            reraise(e, step, slots)
        for j in freed:
            slots[j] = None

    return do


def measurable(plan: Plan, division: Division, runners: Mapping[int, Runner]) -> list[Part]:
    """Each part by itself, for measuring."""
    found: list[Part] = []
    for part, do in zip(division.parts, _parts(plan, division, runners), strict=True):
        if isinstance(part, Segment):
            moved = sum(describe.cost(r, division, set(part.writes)).bytes for r in part.regions)
            title = f"region of {sum(len(r.nodes) for r in part.regions)} ops"
        else:
            looked_at = () if part.op.is_view else (*part.inputs, part.out)
            slots = [j for j in looked_at if j >= 0 and division.dtypes[j].kind != "O"]
            moved = sum(int(np.prod(division.shapes[j])) * division.dtypes[j].itemsize for j in slots)
            title = f"numpy {part.op.qualname}"
        found.append(Part(title, moved, _quiet(do)))
    return found


def _quiet(do: _Do) -> _Do:
    def run(slots: list[Any]) -> None:
        with np.errstate(all="ignore"):
            do(slots)

    return run


def _no_memory(plan: Plan, makes: tuple[_Place, ...], e: MemoryError) -> ExecutionError:
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

"""The fused engine: regions of a plan as compiled loops, everything else as numpy kernels between them.

Needs llvmlite. Results equal the numpy engine's up to rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sdgraph.errors import ExecutionError, SDGraphError
from sdgraph.infer.aval import shape_str
from sdgraph.plan.plan import Plan, Step
from sdgraph.run.engines import buffers
from sdgraph.run.engines import reference as numpy_engine
from sdgraph.run.engines.llvm import describe
from sdgraph.run.engines.llvm.divide.partition import Division, Segment, divide
from sdgraph.run.engines.llvm.divide.region import size_of
from sdgraph.run.engines.llvm.liveness import frees
from sdgraph.run.engines.llvm.segment import Runner
from sdgraph.run.engines.llvm.translate import machine
from sdgraph.run.engines.program import Program, Run, outputs


def probe() -> None:
    """Raise if LLVM cannot compile and load code on this computer."""
    machine.kernel("define i64 @.probe() {\n  ret i64 7\n}")


def compile_plan(plan: Plan, *, check_numerics: bool) -> Program | None:
    """The plan as segments of compiled code and numpy steps; None where this engine cannot run it."""
    if check_numerics:
        # Looking at every intermediate result is what fusing does away with.
        return None
    division = divide(plan)
    runners = {k: _runner(part, division) for k, part in enumerate(division.parts) if type(part) is Segment}
    run = None
    if len(division.parts) == 1 and runners and not any(plan.copied):
        run = _one_segment(plan, division, runners[0])
    if run is None:
        run = _mixed(plan, division, runners)
    return Program(
        run,
        division.n_slots,
        describe=lambda: describe.described(plan, division, runners),
        source=lambda: describe.source(plan, division, runners),
        parts=lambda: _timeable(plan, division, runners),
    )


def _runner(segment: Segment, division: Division) -> Runner:
    return Runner(segment.regions, segment.reads, segment.writes, division.dtypes, division.shapes, division.constants)


def _one_segment(plan: Plan, division: Division, runner: Runner) -> Run | None:
    """The whole plan is one call."""
    if set(plan.outs) != set(runner.writes) or not runner.small:
        return None
    feeds = {slot for slot, _ in plan.feeds}
    variables = [(k, j) for k, j in enumerate(runner.reads) if j not in feeds]
    reads, program, call = runner.reads, runner.program, runner.call
    makes = tuple((division.shapes[i], division.dtypes[i]) for i in runner.writes)
    order = tuple(runner.writes.index(o) for o in plan.outs)
    in_order = order == tuple(range(len(order)))
    empty = np.empty
    assert call is not None

    def run(slots: list[Any]) -> list[Any]:
        arrays = [slots[j] for j in reads]
        for k, _ in variables:
            if not arrays[k].flags.c_contiguous:
                arrays[k] = np.array(arrays[k], order="C")
        outs = [empty(shape, dtype) for shape, dtype in makes]
        call(program, *arrays, *outs)
        return outs if in_order else [outs[k] for k in order]

    return run


def _mixed(plan: Plan, division: Division, runners: dict[int, Runner]) -> Run:
    """Segments and numpy steps in turn."""
    dead = frees(plan, division)
    code = [_code(part, division, runners.get(k), dead[k]) for k, part in enumerate(division.parts)]
    return _interpreter(plan, code, outputs(plan))


def _timeable(plan: Plan, division: Division, runners: dict[int, Runner]) -> list[tuple[str, int, Run]]:
    """Each part by itself, for measuring: what it is, the bytes it moves, and a function of the slots."""
    dead = frees(plan, division)
    found: list[tuple[str, int, Run]] = []
    for k, part in enumerate(division.parts):
        code = _code(part, division, runners.get(k), dead[k])
        if type(part) is Segment:
            moved = sum(describe.cost(r, division, set(part.writes)).bytes for r in part.regions)
            label = f"region of {sum(len(r.nodes) for r in part.regions)} ops"
        else:
            assert isinstance(part, Step)
            looked_at = () if part.op.is_view else (*part.inputs, part.out)
            slots = [j for j in looked_at if j >= 0 and division.dtypes[j].kind != "O"]
            moved = sum(int(np.prod(division.shapes[j])) * division.dtypes[j].itemsize for j in slots)
            label = f"numpy {part.op.qualname}"
        found.append((label, moved, _interpreter(plan, [code], lambda slots: [])))
    return found


def _code(part: Segment | Step, division: Division, runner: Runner | None, dead: tuple[int, ...]) -> tuple[Any, ...]:
    """One part as `_interpreter` reads it. ``dead`` are values."""
    freed = tuple(map(division.slot, dead))
    if type(part) is Segment:
        assert runner is not None
        inputs, makes = (
            tuple((division.slot(i), division.shapes[i], division.dtypes[i]) for i in values)
            for values in (runner.reads, runner.writes)
        )
        return None, runner.run, inputs, makes, freed
    assert isinstance(part, Step)
    return part, part.op.bind_kernel(np, "numpy", part.attrs), part.inputs, part.out, freed


def _interpreter(plan: Plan, code: list[tuple[Any, ...]], finish: Run) -> Run:
    def run(slots: list[Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            for step, fn, inputs, result, dead in code:
                if step is None:
                    try:
                        arrays = [_plain(slots[j], shape, dtype) for j, shape, dtype in inputs]
                        for i, shape, dtype in result:
                            a = slots[i] = buffers.empty(shape, dtype)
                            arrays.append(a)
                        fn(arrays)
                    except MemoryError as e:
                        raise _no_memory(plan, result, e) from e
                    arrays = a = None  # What dies below must not live on here.
                else:
                    try:
                        slots[result] = fn(*[slots[j] if j >= 0 else None for j in inputs])
                    except SDGraphError as e:
                        numpy_engine.locate(e, step, slots)
                        raise
                    except Exception as e:
                        raise numpy_engine.failed(step, slots, e) from e
                for j in dead:
                    slots[j] = None
        return finish(slots)

    return run


def _no_memory(plan: Plan, result: tuple[tuple[int, tuple[int, ...], np.dtype[Any]], ...], e: MemoryError) -> Exception:
    """The error of a segment whose results found no room."""
    makes = ", ".join(f"{dtype.name} {shape_str(shape)}" for _, shape, dtype in result)
    error = ExecutionError(f"MemoryError: {e}", given=f"fused loops that make {makes:.200}")
    sizes = {slot: size_of(shape) * dtype.itemsize for slot, shape, dtype in result}
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

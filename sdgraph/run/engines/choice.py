"""Which engine runs a plan. Each lives in a module of its own and is imported on first use."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from sdgraph.build.kinds import EngineName
from sdgraph.checks import one_of
from sdgraph.errors import EngineError, MissingDependencyError
from sdgraph.infer.aval import Aval
from sdgraph.plan.plan import Plan
from sdgraph.run.engines.interface import Engine, Program

if TYPE_CHECKING:
    from sdgraph.run.engines.limits import Limits


class Known(NamedTuple):
    """An engine that users may name."""

    load: Callable[[], Engine]
    package: str | None = None
    """What must be installed."""
    oldest: tuple[int, ...] = ()
    """Its first version that has everything the engine calls: the lower bound in pyproject.toml."""


def _numpy() -> Engine:
    from sdgraph.run.engines import reference

    return reference


def _llvm() -> Engine:
    from sdgraph.run.engines import llvm

    return llvm


ENGINES = {"numpy": Known(_numpy), "llvm": Known(_llvm, "llvmlite", (0, 45))}

ONCE = "auto, once"
"""What `engine_name` makes of "auto" for a call that may be the only one: the engine depends on the plan."""

_WORTH_COMPILING = 1 << 24
"""Elements that the steps of a plan compute, from which an evaluation without `compile` is compiled to fused loops.

That many take numpy some 25 ms, which is what compiling a loss and its gradient takes. With fewer, the first value in a
notebook would wait for the compiler and gain nothing.
"""


def engine_name(engine: EngineName | str, *, once: bool = False) -> str:
    """The engine that a user's choice stands for.

    "auto" is the fused engine where it is installed. The environment variable SDGRAPH_ENGINE overrides it: a test suite
    runs on any engine so.

    Args:
        engine: A name, or "auto".
        once: Whether it is for a single evaluation; "auto" may then be decided for each plan.

    Raises:
        EngineError: If there is no such engine.
        MissingDependencyError: If what it needs is not installed, or too old.
    """
    if isinstance(engine, str) and engine == "auto":
        chosen = os.environ.get("SDGRAPH_ENGINE") or "auto"
        if chosen == "auto":
            return "numpy" if not _installed("llvmlite") else ONCE if once else "llvm"
        engine = chosen
    one_of("engine", engine, ("auto", *ENGINES), kind=EngineError)
    _check_installed(engine)
    return engine


def _check_installed(engine: str) -> None:
    """Raise MissingDependencyError if what an engine needs is not there, or too old."""
    package, oldest = ENGINES[engine].package, ENGINES[engine].oldest
    if package is None:
        return
    if not _installed(package):
        raise MissingDependencyError(
            f"The engine {engine!r} needs {package}, which is not installed.", fix="pip install 'sdgraph[fast]'"
        )
    version = _version(package)
    if tuple(map(int, re.findall(r"\d+", version)[: len(oldest)])) < oldest:
        raise MissingDependencyError(
            f"The engine {engine!r} needs {package} {'.'.join(map(str, oldest))} or newer; {version} is installed.",
            fix="pip install --upgrade 'sdgraph[fast]'",
        )


@functools.cache
def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@functools.cache
def _version(package: str) -> str:
    # Packages say it quickly themselves. To read what was installed takes as long as to compile a loss.
    try:
        return importlib.import_module(package).__version__
    except Exception:  # Whether the engine works is asked later.
        from importlib import metadata

        return metadata.version(package)


def compile_plan(plan: Plan, engine: str, *, check_numerics: bool) -> tuple[Program, str]:
    """The plan made to run, and the engine that runs it.

    That engine is numpy where the wanted one cannot run the plan.
    """
    if engine == ONCE:
        engine = "llvm" if _computed(plan) >= _WORTH_COMPILING else "numpy"
    for name in (engine, "numpy"):
        maker = _working(name)
        program = None if maker is None else maker.compile_plan(plan, check_numerics=check_numerics)
        if program is not None:
            return program, name
    raise AssertionError("the numpy engine runs every plan")


@functools.cache
def _working(engine: str) -> Engine | None:
    """The engine; None where what it needs is installed but does not work here, which is said once."""
    try:
        _check_installed(engine)
        found = ENGINES[engine].load()
        found.probe()
    except Exception as e:
        if engine == "numpy":
            raise
        warnings.warn(
            f"The {engine} engine does not work on this computer, plans run on the numpy engine: {e}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return found


def limits(threads: int, *, again: bool = False) -> Limits:
    """What so many threads of this computer can do, measured by compiled loops or, where there are none, by numpy's."""
    if _installed("llvmlite") and _working("llvm") is not None:
        from sdgraph.run.engines.llvm import measured

        return measured.limits(threads, again=again)
    from sdgraph.run.engines.reference import measured as by_numpy

    return by_numpy.limits(threads)


def _computed(plan: Plan) -> int:
    """Elements of all results together. It depends on the plan alone, so that the same call gives the same bits."""
    found = sum(step.aval.size for step in plan.steps if type(step.aval) is Aval and not step.op.is_view)
    runs = [step.attrs["run"] for step in plan.steps if step.op.has_bodies]
    return found + sum(run.times * _computed(inner.plan) for run in runs for inner in run.inner)

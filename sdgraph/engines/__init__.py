"""Engines turn a plan into something that runs. Each lives in a module of its own and is imported on first use."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from sdgraph.errors import EngineError, MissingDependencyError
from sdgraph.graph import did_you_mean
from sdgraph.plan import Plan


class _Engine(NamedTuple):
    module: str
    package: str | None = None
    """What must be installed."""


_ENGINES = {
    "numpy": _Engine("sdgraph.engines.numpy"),
    "llvm": _Engine("sdgraph.engines.llvm", "llvmlite"),
}

_AUTO = "numpy"
"""What "auto" stands for. The environment variable SDGRAPH_ENGINE overrides it: a test suite runs on any engine so."""


def engine_name(engine: str) -> str:
    """The engine that a user's choice stands for.

    Raises:
        EngineError: If there is no such engine.
        MissingDependencyError: If what it needs is not installed.
    """
    if engine == "auto":
        engine = os.environ.get("SDGRAPH_ENGINE", _AUTO)
    if engine not in _ENGINES:
        raise EngineError(
            f"There is no engine {engine!r}.",
            expected=f"one of {', '.join(map(repr, ('auto', *_ENGINES)))}",
            fix=did_you_mean(str(engine), _ENGINES),
        )
    package = _ENGINES[engine].package
    if package is not None and not _installed(package):
        raise MissingDependencyError(
            f"The engine {engine!r} needs {package}, which is not installed.", fix="pip install 'sdgraph[fast]'"
        )
    return engine


@functools.cache
def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def compile_plan(plan: Plan, engine: str, *, check_numerics: bool) -> Callable[[list[Any]], list[Any]]:
    """A function from the arrays in the plan's slots to the arrays of its outputs."""
    module = importlib.import_module(_ENGINES[engine].module)
    return module.compile_plan(plan, check_numerics=check_numerics)

"""Engines turn a plan into something that runs. Each lives in a module of its own and is imported on first use."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any

from sdgraph.errors import EngineError
from sdgraph.graph import did_you_mean
from sdgraph.plan import Plan

_ENGINES = {"numpy": "sdgraph.engines.numpy", "llvm": "sdgraph.engines.llvm"}

# What "auto" stands for where llvmlite is installed; SDGRAPH_ENGINE overrides it, which lets a test suite run on any.
_FASTEST = "numpy"


def engine_name(engine: str) -> str:
    """The engine that a user's choice stands for; ``"auto"`` is the fastest one installed.

    Raises:
        EngineError: If there is no such engine.
    """
    if engine == "auto":
        engine = _automatic(os.environ.get("SDGRAPH_ENGINE", ""))
    if engine not in _ENGINES:
        raise EngineError(
            f"There is no engine {engine!r}.",
            expected=f"one of {', '.join(map(repr, ('auto', *_ENGINES)))}",
            fix=did_you_mean(str(engine), _ENGINES),
        )
    return engine


@functools.cache
def _automatic(chosen: str) -> str:
    if chosen:
        return chosen
    return _FASTEST if importlib.util.find_spec("llvmlite") is not None else "numpy"


def compile_plan(plan: Plan, engine: str, *, check_numerics: bool) -> Callable[[list[Any]], list[Any]]:
    """A function from the arrays in the plan's slots to the arrays of its outputs."""
    module = importlib.import_module(_ENGINES[engine])
    return module.compile_plan(plan, check_numerics=check_numerics)

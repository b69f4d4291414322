"""Running a user's script and finding the graph that it makes.

Knows where a script and its globals are. Must not know what is done with the graph.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdgraph.errors import ArgumentError
from sdgraph.samediff import SameDiff
from sdgraph.store.named_ops import has_ops
from sdgraph.wording import did_you_mean, with_article


class ScriptFailed(Exception):
    """The script raised; ``__cause__`` is what it raised."""


def split_name(text: str) -> tuple[Path, str | None]:
    """A script and the name behind its colon, if there is one.

    Example:
        >>> path, name = split_name("model.py:model.graph")
        >>> str(path), name
        ('model.py', 'model.graph')
    """
    head, colon, name = text.rpartition(":")
    # A colon may belong to the path, as in C:\\model.py.
    if not colon or not head or Path(text).is_file() or os.sep in name or name.endswith(".py"):
        return Path(text), None
    return Path(head), name


def run_script(path: Path) -> dict[str, Any]:
    """The globals of a script after it was run as ``python SCRIPT`` would run it.

    Raises:
        ArgumentError: If there is no such file.
        ScriptFailed: If it raised, or ended itself with an error.
    """
    if not path.is_file():
        raise ArgumentError("There is no such script.", given=str(path))
    with _as_main(path):
        try:
            return runpy.run_path(str(path), run_name="__main__")
        except SystemExit as e:
            if e.code is not None and e.code != 0:
                raise ScriptFailed(str(path)) from e
            return _globals(e, path)
        except Exception as e:
            raise ScriptFailed(str(path)) from e


def ops_of(name: str) -> list[Any]:
    """The operations of a module that somebody named, by its name or its file.

    Raises:
        ArgumentError: If there is no such module, or it has none.
        ScriptFailed: If it raised.
    """
    if name.endswith(".py"):
        found = run_script(Path(name))
    else:
        with _as_main(Path.cwd() / "-"):
            try:
                found = vars(importlib.import_module(name))
            except ModuleNotFoundError as e:
                if e.name is not None and not f"{name}.".startswith(f"{e.name}."):
                    raise ScriptFailed(name) from e
                raise ArgumentError("There is no such module.", given=name) from e
            except Exception as e:
                raise ScriptFailed(name) from e
    ops = [x for key, x in found.items() if key[:2] != "__" and has_ops(x)]
    if not ops:
        raise ArgumentError(
            "The module has no operations.", given=name, expected="decorated functions, or their classes"
        )
    return ops


def _globals(end: SystemExit, path: Path) -> dict[str, Any]:
    """The globals of a script that ended itself: those of the outermost frame of its file."""
    for frame, _ in traceback.walk_tb(end.__traceback__):
        if frame.f_code.co_filename == str(path):
            return dict(frame.f_globals)
    return {}


@contextmanager
def _as_main(path: Path) -> Iterator[None]:
    """The arguments and the import path that a script of its own process has."""
    argv, paths = sys.argv, list(sys.path)
    sys.argv = [str(path)]
    sys.path.insert(0, str(path.resolve().parent))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, paths


def find_graph(found: dict[str, Any], name: str | None = None) -> SameDiff:
    """The graph under a name, which may have dots, or the only one there is.

    Raises:
        ArgumentError: If there is none, if several could be meant, or if the name is unknown or not that of a graph.
    """
    graphs = _graphs(found)
    if name is not None:
        value = find_value(found, name)
        if not isinstance(value, SameDiff):
            raise ArgumentError(
                f"{name} is not a graph.",
                given=with_article(type(value).__name__),
                fix=_choice(graphs) or "Name a SameDiff.",
            )
        return value
    if not graphs:
        raise ArgumentError("The script leaves no graph.", expected="a global variable that holds a SameDiff")
    if len(graphs) > 1:
        raise ArgumentError("The script leaves several graphs.", given=", ".join(graphs), fix=_choice(graphs))
    return next(iter(graphs.values()))


def find_value(found: dict[str, Any], name: str) -> Any:
    """The value of a name, which may have dots.

    Raises:
        ArgumentError: If there is none.
    """
    first, *rest = name.split(".")
    if first not in found:
        graphs = _graphs(found)
        raise ArgumentError(
            f"The script leaves no {first!r}.",
            fix=did_you_mean(first, [name for name in found if name[:2] != "__"]) or _choice(graphs),
        )
    value = found[first]
    for attribute in rest:
        if not hasattr(value, attribute):
            raise ArgumentError(f"{name} does not exist: {with_article(type(value).__name__)} has no {attribute!r}.")
        value = getattr(value, attribute)
    return value


def _graphs(found: dict[str, Any]) -> dict[str, SameDiff]:
    """Each graph once, under its first name."""
    graphs: dict[str, SameDiff] = {}
    for name, value in found.items():
        if isinstance(value, SameDiff) and not any(value is known for known in graphs.values()):
            graphs[name] = value
    return graphs


def _choice(graphs: dict[str, SameDiff]) -> str | None:
    return f"Name one behind a colon: {', '.join(f'SCRIPT.py:{name}' for name in graphs)}" if graphs else None

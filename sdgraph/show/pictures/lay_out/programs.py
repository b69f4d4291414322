"""Layout engines: which are installed, and how a picture is laid out by one, in a process that can be stopped.

The chain is ``dot`` on the PATH, then the package pygraphviz, which brings Graphviz along. Must not know graphs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from sdgraph.errors import LayoutError, RendererNotFound
from sdgraph.show.pictures.lay_out import fonts

NAMES: Final = ("dot", "pygraphviz")
_BEGINS: Final = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF"}
"""What stands near the beginning of each format; a program that is called dot may be any."""
_HEAD: Final = 4096
_WAYS_OUT: Final = (
    "Draw less with focus=, depth= or max_nodes=, or take another engine with engine=.\n"
    "sd.to_dot() gives the source that it was given, sd.to_mermaid() one that needs no engine."
)
INSTALL: Final = "pip install 'sdgraph[viz]'"
"""The shortest way to a layout engine."""

_CHILD: Final = Path(__file__).with_name("layout_child.py")


class Layout(NamedTuple):
    """A laid out picture and the engine that made it."""

    data: bytes
    engine: str


def available() -> list[str]:
    """The engines found now, best first."""
    return [name for name in NAMES if command(name, "svg") is not None]


def command(engine: str, fmt: str) -> list[str] | None:
    """The command that turns DOT on standard input into a picture; None if the engine is not installed."""
    if engine == "dot":
        found = shutil.which("dot")
        return [found, f"-T{fmt}"] if found else None
    if importlib.util.find_spec("pygraphviz") is None:
        return None
    # -P keeps this folder off the child's path: its module names must not stand in for others.
    return [sys.executable, "-P", str(_CHILD), fmt]


def lay_out(dot: str, fmt: str, engine: str = "auto", timeout: float = 60.0) -> Layout:
    """Lay out DOT source as ``fmt`` (svg, png or pdf) with one engine, or the first of the chain that works.

    Raises:
        RendererNotFound: If no engine is installed, or not the one asked for.
        LayoutError: If the engine failed or took longer than ``timeout`` seconds; its process is stopped.
    """
    chain = available() if engine == "auto" else [n for n in (engine,) if command(n, fmt) is not None]
    if not chain:
        raise not_found(fmt, engine)
    failure: LayoutError | None = None
    for name in chain:
        try:
            return _cached(dot, fmt, name, timeout, _fonts(name))
        except LayoutError as e:
            failure = failure or e
    assert failure is not None
    raise failure


@lru_cache(maxsize=32)
def _cached(dot: str, fmt: str, engine: str, timeout: float, configuration: str | None) -> Layout:
    return Layout(_run(dot, fmt, engine, timeout, configuration), engine)


def _fonts(engine: str) -> str | None:
    """The fontconfig file that an engine needs because it has no fonts of its own; None for the system's."""
    if fonts.surely_there() or not _has_boxes(engine, os.environ.get("FONTCONFIG_FILE", "")):
        return None
    return fonts.substitute()


@lru_cache(maxsize=8)
def _has_boxes(engine: str, configuration: str) -> bool:
    try:
        return fonts.are_boxes(_run(fonts.PROBE, "plain", engine, 20.0).decode(errors="replace"))
    except LayoutError:
        return False


def _run(dot: str, fmt: str, engine: str, timeout: float, configuration: str | None = None) -> bytes:
    """One process; subprocess.run kills it when the time is up."""
    arguments = command(engine, fmt)
    assert arguments is not None
    env = None if configuration is None else {**os.environ, "FONTCONFIG_FILE": configuration}
    try:
        done = subprocess.run(arguments, input=dot.encode(), capture_output=True, timeout=timeout, check=False, env=env)
    except subprocess.TimeoutExpired:
        raise LayoutError(
            f"The layout took longer than {timeout:g} s and was stopped.",
            given=f"engine {engine}, {dot.count(chr(10)):,} lines of DOT",
            fix="Draw less with focus=, depth= or max_nodes=, or allow more time with timeout=.",
        ) from None
    except OSError as e:
        raise LayoutError(f"The layout engine {engine} does not start.", given=str(e), fix=_WAYS_OUT) from e
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[-500:]
        raise LayoutError(
            f"The layout engine {engine} failed.", given=said or f"exit code {done.returncode}", fix=_WAYS_OUT
        )
    if _BEGINS.get(fmt, b"") not in done.stdout[:_HEAD]:
        raise LayoutError(
            f"The layout engine {engine} made something else than {fmt.upper()}.",
            given=f"{len(done.stdout):,} bytes that begin with {done.stdout[:40]!r}",
            fix=_WAYS_OUT,
        )
    return done.stdout


def not_found(fmt: str, engine: str = "auto") -> RendererNotFound:
    """The error that says how to get a layout engine."""
    which = "No Graphviz layout engine was found" if engine == "auto" else f"The layout engine {engine} was not found"
    return RendererNotFound(
        f"{which} for {fmt.upper()}.",
        fix="Any of these:\n"
        f"{INSTALL}  (brings Graphviz along)\n"
        "apt install graphviz, brew install graphviz or winget install graphviz\n"
        "conda install graphviz\n"
        "Without one, sd.to_dot() and sd.to_mermaid() give the source, and sd.summary() the table.",
    )


def versions() -> dict[str, str | None]:
    """The version of each engine, None for one that is not installed."""
    return {name: _version(name, os.environ.get("PATH", "")) for name in NAMES}


@lru_cache(maxsize=8)
def _version(engine: str, path: str) -> str | None:
    """The version that an empty picture says it was made with."""
    if command(engine, "svg") is None:
        return None
    try:
        svg = _run("digraph {}", "svg", engine, 20.0).decode(errors="replace")
    except LayoutError:
        return None
    _, found, rest = svg.partition("Generated by graphviz version ")
    graphviz = rest.split(" ", 1)[0] if found else "unknown"
    if engine != "pygraphviz":
        return graphviz
    import importlib.metadata

    return f"{importlib.metadata.version('pygraphviz')} (Graphviz {graphviz})"

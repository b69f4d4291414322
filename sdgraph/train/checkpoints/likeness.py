"""What must be the same for training to go on as it would have: graph, updaters, and what computes.

Names of what is computed do not count, nor values of variables. Must not know files, data or epochs.
"""

from __future__ import annotations

import ctypes
import dataclasses
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph._version import __version__
from sdgraph.build.graph import Node
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import STREAM, Op
from sdgraph.errors import shown
from sdgraph.infer.aval import Aval
from sdgraph.ops.graph import OpGraph
from sdgraph.store.bodies import Bodies
from sdgraph.store.plain import dumps
from sdgraph.wording import listed


class Row(NamedTuple):
    """A node by what it computes, whatever graph it is in, and how a message calls it."""

    facts: list[Any]
    tell: Callable[[], str]


def rows_of(sd: OpGraph, names: Sequence[str]) -> list[Row]:
    """What computes the variables of these names: a row for each node that is needed, in order.

    Raises:
        NotPlain: If a node has what no file can hold.
    """
    ids = [sd.id_of(name) for name in names]
    need = sd.reachable(ids)
    numbers = {i: k for k, i in enumerate(i for i, needed in enumerate(need) if needed)}
    bodies = Bodies(sd)
    rows = [_row(sd, sd.nodes[i], numbers, bodies) for i in numbers]
    drawn = any(STREAM in sd.nodes[i].attrs for i in numbers)
    facts = [[numbers[i] for i in ids], str(sd.seed) if drawn else None]
    return [*rows, Row(facts, lambda: f"seed {sd.seed}, {listed(names, 'and')}")]


def _row(sd: OpGraph, node: Node, numbers: Mapping[int, int], bodies: Bodies) -> Row:
    leaf = not node.inputs and node.op.kind is not VariableKind.ARRAY
    value = sd.values.get(node.id) if node.op.kind is VariableKind.CONSTANT else None
    avals = tuple(None if j < 0 else sd.nodes[j].aval for j in node.inputs)
    facts = [
        _op(node.op),
        [numbers.get(j, -1) for j in node.inputs],
        {k: bodies.setting(v) for k, v in node.attrs.items()},
        str(node.aval),
        node.name if leaf and node.op.kind is not VariableKind.CONSTANT else None,
        None if value is None else sha256(np.ascontiguousarray(value).tobytes()).hexdigest(),
        bodies.digest(node.op, avals, node.attrs),
    ]
    return Row(facts, lambda: _words(node, leaf, value))


def _words(node: Node, leaf: bool, value: Any) -> str:
    settings = ", ".join(f"{name}={shown(setting, 30)}" for name, setting in node.attrs.items())
    what = node.op.kind.in_words if leaf else f"{node.op.qualname}({settings})"
    aval = f", {node.aval}" if type(node.aval) is Aval else ""
    return f"{node.name!r}, {what}{aval}" + (f", {shown(value.ravel()[:4].tolist(), 40)}" if value is not None else "")


def _op(op: Op) -> Any:
    of = op.gradient_of
    return op.qualname if of is None else [_op(of.op), of.k, of.n, list(of.masked), of.asked]


def digest_of(rows: Sequence[Row]) -> str:
    """One text for all rows."""
    return sha256(dumps([row.facts for row in rows])).hexdigest()


def difference(now: Sequence[Row], then: Sequence[Row]) -> tuple[str, str]:
    """The first node in which two graphs differ, as either has it."""
    pairs = zip(now, then, strict=False)
    k = next((k for k, (a, b) in enumerate(pairs) if a.facts != b.facts), min(len(now), len(then)) - 1)
    return now[k].tell(), then[k].tell()


# ---------------------------------------------------------------------- updaters and the like


def described(thing: Any) -> str:
    """An updater, a transform or a schedule as a text that every process gives it.

    Example:
        >>> from sdgraph.train import Adam
        >>> described(Adam(lambda iteration, epoch: 0.1))
        'Adam(learning_rate=<lambda>, beta1=0.9, beta2=0.999, epsilon=1e-08)'
    """
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        shown = ", ".join(f"{f.name}={described(getattr(thing, f.name))}" for f in dataclasses.fields(thing))
        return f"{type(thing).__qualname__}({shown})"
    if isinstance(thing, Mapping):
        return f"{{{', '.join(f'{described(k)}: {described(v)}' for k, v in thing.items())}}}"
    if isinstance(thing, list | tuple):
        return f"[{', '.join(map(described, thing))}]"
    if callable(thing) and hasattr(thing, "__qualname__"):
        return thing.__qualname__
    text = repr(thing)
    return text if " at 0x" not in text else type(thing).__qualname__


# ---------------------------------------------------------------------- what computes


_THREADS: Final = ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_", "openblas_get_num_threads")
_CORES: Final = ("scipy_openblas_get_corename64_", "openblas_get_corename64_", "openblas_get_corename")


def environment(engine: str) -> dict[str, Any]:
    """On what the last bits of a result may depend, by name."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore[index]
    core = _asked(_CORES, ctypes.c_char_p)
    found = {
        "sdgraph": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "engine": engine,
        "machine": platform.machine(),
        "BLAS": f"{blas.get('name')} {blas.get('version')}",
        "kernels of BLAS": None if core is None else core.decode("ascii", "replace"),
        "threads of BLAS": _asked(_THREADS, ctypes.c_int),
    }
    if engine == "llvm":
        import importlib.metadata

        found["llvmlite"] = importlib.metadata.version("llvmlite")
    return found


def _asked(names: Sequence[str], result: Any) -> Any:
    """What the BLAS library of numpy answers; None where it has none of these functions."""
    for function in _functions(names):
        function.restype, function.argtypes = result, ()
        return function()
    return None


def _functions(names: Sequence[str]) -> Iterator[Any]:
    try:
        # What a library is linked with is searched, too.
        library = ctypes.CDLL(np._core._multiarray_umath.__file__)  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        return
    for name in names:
        if hasattr(library, name):
            yield getattr(library, name)

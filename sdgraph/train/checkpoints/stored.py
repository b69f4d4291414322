"""One checkpoint: a run of training as a file, and a run that goes on from there to the same bits.

The file holds the graph with its values, and beside it what the step, the run and its callbacks know. A run of other
training is refused, by what differs. Must not know which files there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from sdgraph.errors import ArgumentError, FormatError, ResumeError, ResumeWarning, UnknownOpError
from sdgraph.store.load import outline, with_record
from sdgraph.store.pickles import users_ops
from sdgraph.store.plain import NotPlain
from sdgraph.store.record import Outline, Record, encode_fact
from sdgraph.store.save import save
from sdgraph.train.checkpoints.forced import fitting
from sdgraph.train.checkpoints.likeness import difference, rows_of
from sdgraph.train.checkpoints.setup import Difference, Setup, differences
from sdgraph.wording import byte_size, counted, listed

if TYPE_CHECKING:
    from sdgraph.ops.graph import OpGraph
    from sdgraph.train.run import Run

Array = np.ndarray[Any, Any]

KIND: Final = "checkpoint"
"""What kind of record it is."""
_VALUE: Final = "value:"
"""How the keys of variables' values begin in the state of a step. In a file they are the graph's."""
_EVALUATION: Final = "evaluation:"
"""How the keys of what evaluations have counted begin."""


class Stored(NamedTuple):
    """What is in a file."""

    path: Path
    sd: OpGraph
    facts: dict[str, Any]
    arrays: Mapping[str, Array]


# ---------------------------------------------------------------------- writing


def write(path: Path, run: Run) -> None:
    """Write a run as it stands.

    Raises:
        ArgumentError: If a callback remembers what no file can hold.
        OSError: If the file cannot be written.
    """
    setup = run.setup
    assert setup is not None
    for name, memory in run.memory.items():
        try:
            encode_fact(memory)
        except NotPlain as e:
            raise ArgumentError(
                f"What the callback {name} remembers cannot be written: {e}.",
                fix="Its memory may have numbers, texts, bools, None, and lists and dicts of these.",
            ) from None
    memory = {name: kept for name, kept in run.memory.items() if kept}
    facts = {**run.state(), "memory": memory, "source": setup.data.state(), "setup": setup.facts}
    arrays = {key: a for key, a in run.step.state().items() if not key.startswith(_VALUE)}
    evaluated = None if run.evaluated is None else run.evaluated.state(run)
    if evaluated is not None:
        facts["evaluations"] = evaluated[0]
        arrays |= {_EVALUATION + key: a for key, a in evaluated[1].items()}
    record = Record(KIND, facts, arrays)
    save(setup.sd, path, user=setup.sd.user, origins=True, keep=False, fsync=True, record=record)


# ---------------------------------------------------------------------- reading


def read(path: Path, sd: OpGraph) -> Stored:
    """Read a checkpoint to go on from with a graph, and compare every byte of it.

    Raises:
        FormatError: If it is damaged, or no checkpoint.
        ResumeError: If its graph has operations that are not known.
    """
    try:
        graph, record = with_record(type(sd), path, users_ops(sd))
    except UnknownOpError as e:
        raise ResumeError(
            f"{path} is a checkpoint of another graph.",
            given=f"no operation {listed(e.names, 'and')}",
            fix="Build the graph as it was.",
        ) from e
    if record is None or record.kind != KIND:
        raise FormatError(f"{path} holds a graph and no training.", fix="SameDiff.load reads it.")
    why = _wrong_part(record.facts)
    if why is not None:
        raise FormatError(f"{path} is no checkpoint of this version: {why}.")
    return Stored(path, graph, record.facts, record.arrays)


def remembered(path: Path, name: str) -> dict[str, Any]:
    """What a callback of this name remembered when a checkpoint was written.

    Raises:
        FormatError: If the file is damaged.
    """
    beside = outline(path)
    if beside is None or _wrong_part(beside.facts) is not None:
        return {}
    return beside.facts["memory"].get(name, {})


def _is_count(x: Any) -> bool:
    return type(x) is int and x >= 0


def _is_row(x: Any) -> bool:
    return type(x) is dict and all(type(value) in (int, float) for value in x.values())


def _is_pair(x: Any) -> bool:
    return type(x) is list and len(x) == 2 and all(map(_is_count, x))


def _are(what: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda x: type(x) is list and all(map(what, x))


def _is_dict(x: Any) -> bool:
    return type(x) is dict


def _are_texts(x: Any) -> bool:
    return type(x) is list and all(type(text) is str for text in x)


def _is_table(x: Any) -> bool:
    return type(x) is dict and all(type(value) in (str, int, float, bool, type(None)) for value in x.values())


def _are_evaluations(x: Any) -> bool:
    return _are(_are_texts)(x["what"]) and _is_count(x["training"]) and _is_count(x["validation"])


def _is_table_of_texts(x: Any) -> bool:
    return _is_table(x) and _are_texts([*x.values()])


def _is_setup(x: Any) -> bool:
    return type(x) is dict and x.keys() == _SETUP.keys() and all(fits(x[name]) for name, fits in _SETUP.items())


_SETUP: Final[Mapping[str, Callable[[Any], bool]]] = {
    "computed": _are_texts,
    "graph": lambda x: type(x) is str,
    "variables": _is_table_of_texts,
    "updaters": _is_table_of_texts,
    "rule": _is_table,
    "data": _is_table,
    "environment": _is_table,
}
_PARTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "first": _is_count,
    "epoch": _is_count,
    "batch": _is_count,
    "sums": _is_dict,
    "history": _are(_is_row),
    "left_out": _are(_is_pair),
    "memory": lambda x: type(x) is dict and all(map(_is_dict, x.values())),
    "stop": lambda x: x is None or type(x) is str,
    "source": _is_dict,
    "setup": _is_setup,
}
"""The facts of a checkpoint, and what each looks like."""
_OPTIONAL: Final[Mapping[str, Callable[[Any], bool]]] = {
    "evaluations": lambda x: type(x) is dict and x.keys() == {"what", "training", "validation"} and _are_evaluations(x)
}
"""Those that only some have."""


def _wrong_part(facts: Mapping[str, Any]) -> str | None:
    for name, fits in (*_PARTS.items(), *_OPTIONAL.items()):
        if name in _OPTIONAL and name not in facts:
            continue
        if name not in facts:
            return f"it lacks {name!r}"
        if not fits(facts[name]):
            return f"its part {name!r} is none"
    if facts["first"] > facts["epoch"]:
        return "it is in an epoch before the first"
    return next((f"it has {name!r}" for name in facts if name not in _PARTS and name not in _OPTIONAL), None)


# ---------------------------------------------------------------------- going on


def go_on(run: Run, stored: Stored, *, force: bool) -> None:
    """Let a run stand where a checkpoint says.

    With ``force``, what differs stays as it is now, and of the rest is taken what fits.

    Raises:
        ResumeError: If the checkpoint is of other training, unless it is forced. Nothing has changed.

    Warns:
        ResumeWarning: If something else computes, so that the last bits may differ.
    """
    setup = run.setup
    assert setup is not None
    now, then = setup.facts, stored.facts["setup"]
    found = list(differences(now, then)) or _of_graphs(setup, now, stored)
    if found and not force:
        raise ResumeError(
            f"{stored.path} is a checkpoint of other training: {listed(dict.fromkeys(d.what for d in found), 'and')}.",
            given="; ".join(d.now for d in found),
            expected="; ".join(d.then for d in found),
            fix="Train as then; or give force=True, which takes what fits.",
        )
    _warn_of(now["environment"], then["environment"], stored.path)
    values = _values(stored.sd)
    mine = run.step.state()
    kept = {key: a for key, a in stored.arrays.items() if not key.startswith(_EVALUATION)}
    state = {**kept, **{_VALUE + name: a for name, a in values.items() if _VALUE + name in mine}}
    try:
        run.step.load_state(fitting(mine, state, now["updaters"], then["updaters"]) if found else state)
    except ArgumentError as e:
        raise FormatError(f"{stored.path} is no whole checkpoint.", given=e.given, expected=e.expected) from e
    others = [v for v in setup.sd.variables("variable") if _VALUE + v.name not in mine]
    setup.sd.set_arrays({v.id: values[v.name] for v in others if _is_like(values.get(v.name), v)})
    run.load_state(stored.facts)
    if run.evaluated is not None and "evaluations" in stored.facts:
        _count_on(run, stored)
    setup.data.load_state(stored.facts["source"])


def _count_on(run: Run, stored: Stored) -> None:
    assert run.evaluated is not None
    arrays = {key.removeprefix(_EVALUATION): a for key, a in stored.arrays.items() if key.startswith(_EVALUATION)}
    try:
        run.evaluated.load_state(run, stored.facts["evaluations"], arrays)
    except ArgumentError as e:
        raise FormatError(f"{stored.path} is no whole checkpoint.", given=e.given, expected=e.expected) from e


def _of_graphs(setup: Setup, now: Mapping[str, Any], stored: Stored) -> list[Difference]:
    """In which node two graphs differ, if they do."""
    then = stored.facts["setup"]
    if now["graph"] == then["graph"]:
        return []
    words = difference(setup.rows(), rows_of(stored.sd, then["computed"]))
    return [Difference("the graph", *words)]


def _warn_of(now: Mapping[str, Any], then: Mapping[str, Any], path: Path) -> None:
    other = [f"{k} {now.get(k)}, not {then.get(k)}" for k in dict.fromkeys([*now, *then]) if now.get(k) != then.get(k)]
    if other:
        warnings.warn(
            f"Training goes on from {path} with {'; '.join(other)}: the last bits may differ.",
            ResumeWarning,
            stacklevel=2,
        )


def _values(sd: OpGraph) -> dict[str, Array]:
    found = {v.name: sd.values.get(v.id) for v in sd.variables("variable")}
    return {name: a for name, a in found.items() if a is not None}


def _is_like(array: Array | None, v: Any) -> bool:
    return array is not None and array.shape == v.shape and array.dtype == v.dtype


# ---------------------------------------------------------------------- telling


_TOLD: Final = frozenset({"sdgraph", "numpy", "engine", "threads of BLAS"})


def told(beside: Outline) -> list[str]:
    """What a person wants to know of what stands beside a graph, line by line; nothing if it is no checkpoint."""
    facts = beside.facts
    if beside.kind != KIND or _wrong_part(facts) is not None:
        return []
    setup, arrays = facts["setup"], beside.avals.values()
    data = ", ".join(f"{name} {value}" for name, value in setup["data"].items() if name != "kind")
    place = f"epoch {facts['epoch']}, batch {facts['batch']}, both from 0"
    lines = {
        "checkpoint": f"{place}; {facts['stop']}" if facts["stop"] else place,
        "updaters": "; ".join(dict.fromkeys(setup["updaters"].values())),
        "kept": f"{counted(len(arrays), 'array')}, {byte_size(sum(aval.nbytes for aval in arrays))}",
        "data": data,
        "computed by": ", ".join(f"{k} {v}" for k, v in setup["environment"].items() if k in _TOLD and v),
    }
    if facts["history"]:
        lines["last epoch"] = ", ".join(f"{name} {value:.6g}" for name, value in facts["history"][-1].items())
    width = max(map(len, lines)) + 2
    return [f"{name + ':':<{width}}{line}" for name, line in lines.items() if line]

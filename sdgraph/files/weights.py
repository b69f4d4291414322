"""Values of variables in the files of other libraries: which array is for which variable, and all of them or none.

Knows names, shapes and arrays. Must not know how a file holds them, nor what a graph computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, ShapeError, shown
from sdgraph.files import array_files
from sdgraph.files.array_files import Entry
from sdgraph.infer.aval import shape_str
from sdgraph.ops.graph import OpGraph
from sdgraph.store.atomic import replaced
from sdgraph.wording import counted, did_you_mean

Rename: TypeAlias = "Mapping[str, str | SDVariable | None] | Callable[[str], str | SDVariable | None] | None"

_LISTED: Final = 12
"""Names of a list that a message has."""


class Imported(NamedTuple):
    """What came of a file of arrays: which variables got one, which did not, and which arrays found no variable."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        """One line for each part that has something in it."""
        lines = [f"{counted(len(self.matched), 'variable')} got a value"]
        return "\n".join([*lines, *self.not_matched()])

    def not_matched(self) -> list[str]:
        """A line for what the file lacks, and one for what the graph lacks."""
        parts = (("not in the file", self.missing), ("not in the graph", self.unexpected))
        return [f"{what}: {_first(names)}" for what, names in parts if names]


def export_weights(sd: OpGraph, path: Path, chosen: Sequence[SDVariable]) -> Path:
    """Write values into a file; see `SameDiff.export_weights`."""
    form = array_files.of_suffix(path)
    arrays = {v.name: sd.get_value(v) for v in chosen}
    form.check(arrays)
    return replaced(path, lambda file: form.write(file, arrays), fsync=True, keep=False)


def import_weights(sd: OpGraph, path: Path, rename: Rename, *, chosen: Sequence[SDVariable], strict: bool) -> Imported:
    """Give variables the values of a file; see `SameDiff.import_weights`."""
    known = {v.name: v for v in chosen}
    with array_files.of_suffix(path).reader(path) as reader:
        found = _renamed(sd, reader.entries, rename)
        report = Imported(
            tuple(name for name in known if name in found),
            tuple(name for name in known if name not in found),
            tuple(name for name in found if name not in known),
        )
        if strict and (report.missing or report.unexpected):
            raise _not_exactly(report)
        # Whatever a file claims, no more is read than the variables hold.
        for name in report.matched:
            _check_shape(known[name], found[name])
        values = {known[name]: reader.read(found[name]) for name in report.matched}
    sd.set_values(values)
    return report


def _renamed(sd: OpGraph, entries: Mapping[str, Entry], rename: Rename) -> dict[str, Entry]:
    """The arrays under the names that they have in the graph; without those for which the name is None."""
    if rename is None:
        return dict(entries)
    if not (callable(rename) or isinstance(rename, Mapping)):
        raise ArgumentTypeError("rename is none.", given=shown(rename), expected="a mapping, or a function of a name")
    out: dict[str, Entry] = {}
    for name, entry in entries.items():
        other = rename(name) if callable(rename) else rename.get(name, name)
        if type(other) is SDVariable:
            other = sd.own(other).name
        if other is None:
            continue
        if not isinstance(other, str):
            raise ArgumentTypeError(
                f"rename gives {name!r} a name that is none.", given=shown(other), expected="a text, a variable or None"
            )
        if other in out:
            raise ArgumentError(
                f"Two arrays of the file become {other!r}.", given=f"{out[other].name!r} and {entry.name!r}"
            )
        out[other] = entry
    return out


def _not_exactly(report: Imported) -> ArgumentError:
    hints = [hint for name in report.unexpected[:3] if (hint := did_you_mean(name, report.missing))]
    if {name.replace(".", "/") for name in report.unexpected} & {*report.missing}:
        hints = ['Give rename=lambda name: name.replace(".", "/").']
    return ArgumentError(
        "The file does not have exactly the variables of the graph.",
        given="\n".join(report.not_matched()),
        fix=" ".join(hints) or "Give rename={'name in the file': 'name in the graph'}, or strict=False.",
    )


def _check_shape(v: SDVariable, entry: Entry) -> None:
    if entry.shape != v.shape:
        turned = len(entry.shape) == 2 and entry.shape[::-1] == v.shape
        raise ShapeError(
            f"The array {entry.name!r} does not have the shape of its variable.",
            given=shape_str(entry.shape),
            expected=f"{shape_str(v.shape)}, that of {v.name!r}",
            fix="Layers of PyTorch keep (out, in): set_values takes array.T." if turned else None,
            node=v.name,
            node_origin=v.origin,
        )


def _first(names: Iterable[str]) -> str:
    every = [*names]
    more = len(every) - _LISTED
    return ", ".join(every[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")

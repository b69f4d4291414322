"""Values of variables in the files of other libraries: numpy's ``.npz`` and ``.safetensors``.

Knows names and arrays. Must not know what a graph computes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

import numpy as np

from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, FormatError, MissingDependencyError, shown
from sdgraph.ops.graph import OpGraph
from sdgraph.store.atomic import replaced
from sdgraph.wording import counted, did_you_mean

if TYPE_CHECKING:
    from types import ModuleType

Arrays = dict[str, np.ndarray[Any, Any]]


class Imported(NamedTuple):
    """What came of a file of arrays: which variables got one, which did not, and which arrays found no variable."""

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        """One line for each part that has something in it."""
        lines = [f"{counted(len(self.matched), 'variable')} got a value"]
        if self.missing:
            lines.append(f"not in the file: {', '.join(self.missing)}")
        if self.unexpected:
            lines.append(f"not in the graph: {', '.join(self.unexpected)}")
        return "\n".join(lines)


class _Format(NamedTuple):
    """How a file of arrays is written and read."""

    write: Callable[[BinaryIO, Arrays], None]
    read: Callable[[str], Arrays]


def export_weights(sd: OpGraph, path: Path, chosen: Sequence[SDVariable]) -> Path:
    """Write values into a file; see `SameDiff.export_weights`."""
    form = _format(path)
    arrays = {v.name: sd.get_value(v) for v in chosen}
    return replaced(path, lambda file: form.write(file, arrays), fsync=True, keep=False)


def import_weights(
    sd: OpGraph,
    path: Path,
    rename: Mapping[str, str] | Callable[[str], str | None] | None,
    *,
    strict: bool,
) -> Imported:
    """Give variables the values of a file; see `SameDiff.import_weights`."""
    found = _renamed(_read(path), rename)
    known = {v.name: v for v in sd.variables("variable")}
    report = Imported(
        tuple(name for name in known if name in found),
        tuple(name for name in known if name not in found),
        tuple(name for name in found if name not in known),
    )
    if strict and (report.missing or report.unexpected):
        near = [hint for name in report.unexpected[:3] if (hint := did_you_mean(name, report.missing))]
        raise ArgumentError(
            "The file does not have exactly the variables of the graph.",
            given=str(report),
            fix=" ".join(near) or "Give rename={'name in the file': 'name in the graph'}, or strict=False.",
        )
    sd.set_values({known[name]: found[name] for name in report.matched})
    return report


def _renamed(found: Arrays, rename: Mapping[str, str] | Callable[[str], str | None] | None) -> Arrays:
    """The arrays under the names that they have in the graph; without those for which the name is None."""
    if rename is None:
        return found
    if not (callable(rename) or isinstance(rename, Mapping)):
        raise ArgumentTypeError("rename is none.", given=shown(rename), expected="a mapping, or a function of a name")
    out: Arrays = {}
    for name, array in found.items():
        other = rename(name) if callable(rename) else rename.get(name, name)
        if other in out:
            raise ArgumentError(f"Two arrays of the file become {other!r}.", given=f"the second is {name!r}")
        if other is not None:
            out[other] = array
    return out


# ---------------------------------------------------------------------- formats


def _write_npz(file: BinaryIO, arrays: Arrays) -> None:
    # np.savez takes names as keywords, so that it cannot have all of them.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_npz(path: str) -> Arrays:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except OSError as e:
        if e.errno is not None:
            raise
        raise _unreadable(path) from e
    except (ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, MemoryError) as e:
        raise _unreadable(path) from e


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingDependencyError(
            "Files of the form .safetensors need the package safetensors, which is not installed.",
            fix="pip install 'sdgraph[weights]', or write .npz.",
        ) from None
    return safetensors.numpy


def _write_safetensors(file: BinaryIO, arrays: Arrays) -> None:
    file.write(_safetensors().save({name: np.asarray(a, order="C") for name, a in arrays.items()}))


def _read_safetensors(path: str) -> Arrays:
    module = _safetensors()
    try:
        return module.load_file(path)
    except OSError:
        raise
    except Exception as e:
        # Its errors have no class in common that its package names.
        raise _unreadable(path) from e


_FORMATS: Final = {
    ".npz": _Format(_write_npz, _read_npz),
    ".safetensors": _Format(_write_safetensors, _read_safetensors),
}


def _format(path: Path) -> _Format:
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise ArgumentError(
            "The suffix says what sort of file it is.", given=shown(str(path)), expected=" or ".join(_FORMATS)
        )
    return _FORMATS[suffix]


def _read(path: Path) -> Arrays:
    return _format(path).read(str(path))


def _unreadable(path: str) -> FormatError:
    return FormatError(
        f"{path} cannot be read: it is damaged, or no file of that form.", fix="Take another copy of it."
    )

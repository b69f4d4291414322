"""A file of Keras, opened: its configurations as plain data, who wrote it, and its weights, which are not read yet.

Must not know layers, nor what a configuration means.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from sdgraph.checks import as_path, whole
from sdgraph.errors import FormatError, shown
from sdgraph.keras.files import hdf5, json_text, zip_archive
from sdgraph.keras.files.hdf5 import Group

Kind = Literal["h5", "keras", "weights", "json"]

MAX_BYTES: Final = 2**31
"""Bytes of a file, and of all arrays that are read from it, unless a caller allows more."""

_OPTIMIZER_WEIGHTS: Final = "optimizer_weights"
LEGACY_WEIGHTS: Final = "model_weights"
_VERSION: Final = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True)
class KerasFile:
    """An open file of Keras."""

    path: str
    kind: Kind
    """What it is: "h5" of any version, with or without a model; "keras"; "weights": a ``.weights.h5``; "json"."""
    keras_version: str
    """The version that wrote it; "1" where that is not told, as version 1 did not."""
    backend: str | None
    config: Mapping[str, Any] | None
    """The model as plain data; None if the file has weights only."""
    config_path: str
    training: Mapping[str, Any] | None
    """What the model was compiled with, as plain data; None if it was not."""
    training_path: str
    weights: Group | None
    """Where the weights lie; None if there are none."""
    ignored: tuple[str, ...] = field(default=())
    """What is in the file and is not read."""

    @property
    def version(self) -> tuple[int, ...]:
        """The version in numbers."""
        match = _VERSION.match(self.keras_version)
        return tuple(int(n) for n in match[0].split(".")[:3]) if match and len(match[0]) < 40 else (1,)

    @property
    def by_position(self) -> bool:
        """Whether weights are named by class and position, as Keras 3 does it, and not by layer."""
        return self.kind in ("keras", "weights")


@contextmanager
def opened(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Iterator[KerasFile]:
    """Open a file of Keras: ``.h5``, ``.hdf5``, ``.keras``, ``.weights.h5``, or a model as JSON.

    What it is, its first bytes tell, whatever it is called. What HDF5 can do beyond Keras' needs is refused; the
    library that reads it is a large parser in C all the same, so a file from a stranger is best opened in a process of
    its own.

    Args:
        path: The file.
        max_bytes: The most bytes that the file, and all arrays read from it, may take in memory.

    Raises:
        FormatError: If it is none of these, damaged, or holds what Keras does not write; names the path inside of it.
        MissingDependencyError: If it holds weights, and h5py is not installed.
        OSError: If there is no such file.

    Example:
        >>> import pathlib, tempfile
        >>> text = '{"class_name": "Sequential", "config": {"layers": []}, "keras_version": "3.15.1"}'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "model.json")
        ...     _ = path.write_text(text)
        ...     with opened(path) as file:
        ...         file.kind, file.version
        ('json', (3, 15, 1))
    """
    most = whole("max_bytes", max_bytes, least=0)
    data = _bytes_of(as_path(path), most)
    with ExitStack() as stack:
        yield _read(stack, str(as_path(path)), data, most)


def _bytes_of(path: Path, most: int) -> bytes:
    if path.is_dir():
        raise FormatError(
            f"{path} is a folder: models of TensorFlow are saved so, which are not read.",
            fix="Save the model in Keras as .keras or .h5.",
        )
    with open(path, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise FormatError(f"{path} is no file.")
        if state.st_size > most:
            raise FormatError(
                f"{path} is larger than is allowed.",
                given=f"{state.st_size:,} bytes",
                expected=f"at most {most:,}",
                fix="If you trust the file, give a larger max_bytes.",
            )
        return file.read()


def _read(stack: ExitStack, path: str, data: bytes, most: int) -> KerasFile:
    if data.startswith(zip_archive.SIGNATURE):
        return _keras(stack, path, data, most)
    if data.startswith(hdf5.SIGNATURE):
        return _hdf5(path, stack.enter_context(hdf5.opened(data, path, most)))
    if data.lstrip()[:1] == b"{":
        return _json(path, data)
    known = "an HDF5 file, a zip file, or a model as JSON"
    raise FormatError(f"{path} is no file of Keras.", given=shown(data[:16]), expected=known)


# ---------------------------------------------------------------------- each kind


def _json(path: str, data: bytes) -> KerasFile:
    config = _object(json_text.parsed(data, path), path)
    if "weight_map" in config:
        raise FormatError(f"{path} is the index of weights in several files, which are not read.")
    # Keras 3 tells no version here, and a name that the others do not have.
    version = str(config.get("keras_version", "3" if "registered_name" in config else "1"))
    backend = config.get("backend")
    training = config.get("compile_config") or None
    told = backend if isinstance(backend, str) else None
    return KerasFile(path, "json", version, told, config, path, _of_training(training, path), f"{path}/compile", None)


def _keras(stack: ExitStack, path: str, data: bytes, most: int) -> KerasFile:
    members, assets = zip_archive.members(data, most)
    if zip_archive.CONFIG not in members:
        raise FormatError(f"{path} has no {zip_archive.CONFIG}.", given=", ".join(members) or "nothing")
    where = zip_archive.CONFIG
    config = _object(json_text.parsed(members[where], where), where)
    metadata = zip_archive.METADATA
    told = _object(json_text.parsed(members.get(metadata, b"{}"), metadata), metadata)
    weights = None
    if zip_archive.WEIGHTS in members:
        weights = stack.enter_context(hdf5.opened(members[zip_archive.WEIGHTS], zip_archive.WEIGHTS, most))
    training = _of_training(config.get("compile_config"), f"{where}/compile_config")
    version = str(told.get("keras_version", "3"))
    ignored = (*(f"{name}: files beside the model are not read" for name in assets), *_of_optimizer(weights))
    return KerasFile(path, "keras", version, None, config, where, training, f"{where}/compile_config", weights, ignored)


def _hdf5(path: str, root: Group) -> KerasFile:
    model, training, where = root.text("model_config"), root.text("training_config"), "@model_config"
    config = None if model is None else _object(json_text.parsed(model, where), where)
    weights = root
    if root.has(LEGACY_WEIGHTS):
        weights = root.group(LEGACY_WEIGHTS)
    elif config is None and root.texts("layer_names") is None:
        if not (root.has("layers") or root.has("vars") or root.has("_layer_checkpoint_dependencies")):
            raise FormatError(
                f"{path} is an HDF5 file, but none that Keras writes.", given=", ".join(root.names()[:20])
            )
        return KerasFile(path, "weights", "3", None, None, "", None, "", root)
    version = root.text("keras_version") or weights.text("keras_version") or "1"
    backend = root.text("backend") or weights.text("backend")
    where = "@training_config"
    plain = None if training is None else _of_training(json_text.parsed(training, where), where)
    ignored = _of_optimizer(root)
    return KerasFile(path, "h5", version, backend, config, "@model_config", plain, where, weights, ignored)


def _of_optimizer(root: Group | None) -> tuple[str, ...]:
    """That moments and the like are not read, if there are any: more than a count of steps and a learning rate."""
    if root is None:
        return ()
    if root.is_group(_OPTIMIZER_WEIGHTS):
        count = len(root.group(_OPTIMIZER_WEIGHTS).texts("weight_names") or ())
    else:
        count = len(root.group("optimizer/vars").names()) if root.is_group("optimizer/vars") else 0
    return ("the state of the optimizer: training goes on with a new one",) if count > 2 else ()


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"{where} is no object.", given=shown(value), expected="a JSON object")
    return value


def _of_training(value: Any, where: str) -> Mapping[str, Any] | None:
    """What a model was compiled with; an empty object says that it was not."""
    return None if not value else _object(value, where)

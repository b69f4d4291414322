"""What a model in a file was compiled with: its loss, optimizer and metrics, each read by itself.

Of any model, also of one with layers that sdgraph does not have: layers are not looked at.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sdgraph.build.annotations import readable
from sdgraph.checks import finite
from sdgraph.errors import ArgumentError, ArgumentTypeError, FormatError, SDGraphError, shown
from sdgraph.keras import losses, metrics
from sdgraph.keras.files.canonical import unwrapped
from sdgraph.keras.files.container import MAX_BYTES, KerasFile, opened
from sdgraph.keras.files.optimizer_config import optimizer_of, told
from sdgraph.wording import html_table, listed, text_table

_PARTS: Final = ("loss", "loss_weights", "optimizer", "metrics", "weighted_metrics")
_ACCURACIES: Final = {"binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"}
_FORGOTTEN: Final = {"Huber": "delta", "CosineSimilarity": "axis", "SparseCategoricalCrossentropy": "axis"}
_FORGOTTEN_UNTIL: Final = (3, 15, 1)
"""Settings of losses that Keras 3 does not write up to this version."""

_HEADINGS: Final = ("", "compiled with")


class Problem(NamedTuple):
    """A part of a file that cannot be read, and why."""

    part: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.part}: {self.reason} ({self.where})"


@dataclass(frozen=True, repr=False)
class TrainingConfig:
    """What `Model.compile` was given before a model was saved; None stands for what was not given or is unreadable."""

    path: str
    keras_version: str
    compiled: bool
    """Whether the file tells anything of it, which it does only of a model that was compiled."""
    loss: Any = None
    """A loss, or a list or dict of them, as `losses.deserialize` makes them; a function for the name of one."""
    loss_weights: Any = None
    optimizer: Any = None
    """One of `sdgraph.keras.optimizers`."""
    metrics: Any = None
    """Names, or metrics where there are settings, in the nesting of the file."""
    weighted_metrics: Any = None
    problems: tuple[Problem, ...] = ()
    """The parts that cannot be read."""
    notes: tuple[str, ...] = ()
    """Settings that have no effect here, and those that the file does not tell though they matter."""

    def enforce(self) -> TrainingConfig:
        """The same, if there is something and all of it was read.

        Raises:
            FormatError: If the model was not compiled, or a part cannot be read; lists all of them.
        """
        if not self.compiled:
            raise FormatError(
                f"{self.path} does not tell how the model was trained: it was not compiled when it was saved.",
                fix="Read it with enforce_training_config=False, and compile the model.",
            )
        if self.problems:
            raise FormatError(
                f"{self.path}: {listed(sorted({p.part for p in self.problems}), 'and')} cannot be read.",
                given="; ".join(map(str, self.problems)),
                fix="Pass what is your own in custom_objects, or read it with enforce_training_config=False.",
            )
        return self

    def _rows(self) -> list[tuple[str, str]]:
        shown_as = {"optimizer": told, "loss": _told_loss}
        given = [(part, getattr(self, part)) for part in _PARTS]
        rows = [(part, shown_as.get(part, shown)(value)) for part, value in given if value is not None]
        return rows if self.compiled else [("", "nothing: it was not compiled")]

    def _below(self) -> list[str]:
        return [
            f"Keras {self.keras_version}: {self.path}",
            *(f"cannot be read: {problem}" for problem in self.problems),
            *(f"note: {one}" for one in self.notes),
        ]

    def __repr__(self) -> str:
        return "\n".join([*text_table(_HEADINGS, self._rows()), *self._below()])

    def _repr_html_(self) -> str:
        return html_table(_HEADINGS, self._rows(), (), self._below())


def _told_loss(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_told_loss, value))}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_told_loss(one)}" for name, one in value.items())
    return getattr(value, "__name__", None) or shown(value)


@readable
def read_training_config(
    path: str | os.PathLike[str], *, custom_objects: Mapping[str, Any] | None = None, max_bytes: int = MAX_BYTES
) -> TrainingConfig:
    """What the model in a file was compiled with.

    Each part is read by itself, so that one that cannot be read does not lose the others: see ``problems``, and
    `TrainingConfig.enforce`, which makes an error of them.

    Args:
        path: A file of Keras 1, 2 or 3: ``.h5``, ``.hdf5`` or ``.keras``.
        custom_objects: Losses and optimizers of your own by name; they come first.
        max_bytes: The most bytes that the file may have.

    Raises:
        FormatError: If it is no such file, or damaged.
        ArgumentTypeError: If ``custom_objects`` is no dict.
        MissingDependencyError: If h5py is not installed.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "model.json")
        ...     _ = path.write_text(
        ...         '{"class_name": "Sequential", "config": {}, "compile_config": '
        ...         '{"loss": "mse", "optimizer": {"class_name": "SGD", "config": {"lr": 0.1}}}}'
        ...     )
        ...     found = read_training_config(path)
        >>> found.loss.__name__, found.optimizer.learning_rate
        ('mean_squared_error', 0.1)
    """
    with opened(path, max_bytes=max_bytes) as file:
        return training_of(file, custom_objects)


def training_of(file: KerasFile, custom_objects: Mapping[str, Any] | None = None) -> TrainingConfig:
    """What the model of an open file was compiled with; as `read_training_config`."""
    if not isinstance(custom_objects, Mapping | None):
        raise ArgumentTypeError("custom_objects is a dict of functions and classes.", given=shown(custom_objects))
    if file.training is None:
        return TrainingConfig(file.path, file.keras_version, False)
    reading = _Reading(file, custom_objects)
    plain = file.training
    found = {
        "loss": reading.tree("loss", plain.get("loss"), reading.loss),
        "loss_weights": reading.tree("loss_weights", plain.get("loss_weights"), _weight),
        "optimizer": reading.part(
            "optimizer", plain.get("optimizer", plain.get("optimizer_config")), reading.optimizer, "optimizer"
        ),
        "metrics": reading.tree("metrics", plain.get("metrics"), reading.metric),
        "weighted_metrics": reading.tree("weighted_metrics", plain.get("weighted_metrics"), reading.metric),
    }
    return TrainingConfig(
        file.path, file.keras_version, True, **found, problems=tuple(reading.problems), notes=tuple(reading.notes)
    )


class _Reading:
    """The parts of one file, with what could not be read of it."""

    def __init__(self, file: KerasFile, custom_objects: Mapping[str, Any] | None) -> None:
        self._file, self._custom = file, custom_objects
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def part(self, name: str, value: Any, read: Callable[[Any], Any], at: str) -> Any:
        """One thing; None, and a problem, if it cannot be read."""
        if value is None:
            return None
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = read(value)
            self.notes += [str(one.message).splitlines()[0] for one in caught]
            return found
        except Exception as e:
            reason = " ".join(filter(None, (e.message, e.fix))) if isinstance(e, SDGraphError) else repr(e)[:200]
            self.problems.append(Problem(name, f"{self._file.training_path}/{at}", reason))
            return None

    def tree(self, name: str, value: Any, read: Callable[[Any], Any], at: str = "") -> Any:
        """A thing, or a list or dict of them, each read by itself."""
        at = at or name
        if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
            value = value.get("items")
        if isinstance(value, list):
            return [self.tree(name, one, read, f"{at}[{k}]") for k, one in enumerate(value)]
        if isinstance(value, Mapping) and not isinstance(value.get("class_name"), str):
            return {key: self.tree(name, one, read, f"{at}/{key}") for key, one in value.items()}
        return self.part(name, value, read, at)

    def loss(self, config: Any) -> Any:
        """A loss; a note tells what its version of Keras forgot to write."""
        name = config.get("class_name") if isinstance(config, Mapping) else None
        missing = _FORGOTTEN.get(name) if isinstance(name, str) else None
        if missing and (3,) <= self._file.version <= _FORGOTTEN_UNTIL and missing not in (config.get("config") or {}):
            self.notes.append(
                f"{name}: Keras {self._file.keras_version} does not write {missing}; its default is taken"
            )
        return losses.deserialize(config, self._custom)

    def metric(self, config: Any) -> Any:
        """A metric: one of ours by its name, another as what the configuration makes."""
        (found,) = metrics.deserialize([_metric(config)], self._custom)
        return found

    def optimizer(self, config: Any) -> Any:
        found, ignored = optimizer_of(config, self._file.version, self._custom)
        self.notes += ignored
        return found


def _weight(value: Any) -> float:
    return float(finite("A weight in loss_weights", unwrapped(value)))


def _metric(value: Any) -> Any:
    """A metric by its name; if it has settings, its configuration."""
    plain = unwrapped(value)
    if isinstance(plain, str):
        return plain
    if not isinstance(plain, Mapping):
        raise ArgumentError("This describes no metric.", given=shown(value))
    settings = plain.get("config")
    function = settings.get("fn") if isinstance(settings, Mapping) else None
    if plain.get("class_name") != "MeanMetricWrapper" or not isinstance(function, str):
        return dict(plain)
    # Keras 2 writes which accuracy it took "accuracy" for, which it asks the shapes again when the model is compiled.
    name = str(settings.get("name")) if isinstance(settings, Mapping) else ""
    short = name.rpartition("_")[2]
    return (
        short if function in _ACCURACIES and short in ("accuracy", "acc") and not name.endswith(function) else function
    )

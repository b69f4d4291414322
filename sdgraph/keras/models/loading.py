"""`load_model`: a model of Keras from its file, with its weights and what it was compiled with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sdgraph.build.annotations import readable
from sdgraph.errors import ArgumentTypeError, FormatError, SDGraphError, shown
from sdgraph.infer.aval import as_dtype, is_floating
from sdgraph.keras.files.canonical import model_of
from sdgraph.keras.files.container import MAX_BYTES, KerasFile, opened
from sdgraph.keras.files.report import ImportedLayer, ImportReport
from sdgraph.keras.files.training_config import TrainingConfig, training_of
from sdgraph.keras.layers.hollow import hollow
from sdgraph.keras.models import stored
from sdgraph.keras.models.building import Building
from sdgraph.keras.models.model import Model
from sdgraph.keras.saving import get_custom_objects
from sdgraph.samediff import SameDiff


@readable
def load_model(
    path: str | os.PathLike[str],
    *,
    sd: SameDiff | None = None,
    dtype: str | None = None,
    enforce_training_config: bool = True,
    custom_objects: Mapping[str, Any] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Model:
    """A model that any version of Keras saved: ``.h5``, ``.hdf5`` or ``.keras``.

    Nothing in the file is imported, unpickled or executed. A setting that would change a number and is not known here
    is an error. What was read and what was ignored, ``model.import_report`` tells; what the model was compiled with,
    ``model.training_config``.

    Args:
        path: The file.
        sd: The graph that the model is made in; by default a new one.
        dtype: A floating dtype to compute in, such as ``"float64"``; by default that of the file.
        enforce_training_config: Whether it is an error if the file does not tell how the model was compiled, or a part
            of that cannot be read. With False metrics that cannot be read are left out, and a model whose loss or
            optimizer cannot be read is not compiled.
        custom_objects: Layers, losses and metrics of your own, by name, perhaps with their package:
            ``{"MyPackage>MyLayer": MyLayer}``. What `saving.register_keras_serializable` made known is found without.
        max_bytes: The most bytes that the file, and all its arrays, may have.

    Returns:
        The model, to predict, evaluate and fit on. ``.sd`` is its graph.

    Raises:
        FormatError: If it is no such file, it is damaged or unsafe, or has what cannot be made here; lists all of it.
        MissingDependencyError: If h5py is not installed.
        OSError: If there is no such file.

    Example:
        >>> from sdgraph import keras
        >>> model = keras.load_model("model.keras")  # doctest: +SKIP
        >>> model.predict(x)  # doctest: +SKIP
    """
    if custom_objects is not None and not isinstance(custom_objects, Mapping):
        raise ArgumentTypeError("custom_objects is a dict of classes and functions.", given=shown(custom_objects))
    if dtype is not None and not is_floating(as_dtype(dtype)):
        raise ArgumentTypeError("A model computes in a floating dtype.", given=f"dtype={shown(dtype)}")
    own = {**get_custom_objects(), **(custom_objects or {})}
    with opened(path, max_bytes=max_bytes) as file:
        return _Loading(file, own, dtype).model(sd, enforce_training_config)


class _Loading:
    """One file being read."""

    def __init__(self, file: KerasFile, custom: Mapping[str, Any], dtype: str | None) -> None:
        self._file, self._custom = file, custom
        self._building = Building(custom, None if dtype is None else as_dtype(dtype).name, file.path)

    def model(self, sd: SameDiff | None, enforce: bool) -> Model:
        """The model."""
        file = self._file
        if file.config is None:
            raise FormatError(
                f"{file.path} has weights, and no model.",
                fix="Build the model, and take them: model.load_weights(path).",
            )
        training = training_of(file, self._custom)
        if enforce:
            training.enforce()
        config = model_of(file.config, file.version, file.config_path)
        with hollow():
            model = self._building.model(config, sd)
        ignored = [*file.ignored, *self._building.ignored, *self._weights(model)]
        lost = {problem.part for problem in training.problems}
        if training.compiled and not lost & {"loss", "loss_weights", "optimizer"}:
            self._compile(model, training)
        problems = [] if enforce else [str(one) for one in training.problems]
        model.training_config = training
        model.import_report = ImportReport(
            file.path,
            file.keras_version,
            [ImportedLayer(one.name, type(one).__name__, one.count_params()) for one in model.layers],
            [*ignored, *training.notes],
            problems if training.compiled else ["how it was trained: it was not compiled when it was saved"],
        )
        return model

    def _weights(self, model: Model) -> list[str]:
        """Give the weights their arrays; what is left over of the file."""
        if self._file.weights is None:
            raise FormatError(f"{self._file.path} has a model, and no weights.")
        matched = stored.give(self._file, model)
        renamed = [f"the weights of {one}" for one in matched.renamed]
        return [*(f"the array {one}" for one in matched.left_over), *renamed]

    def _compile(self, model: Model, training: TrainingConfig) -> None:
        try:
            model.compile(
                training.optimizer or "rmsprop",
                training.loss,
                training.loss_weights,
                _read(training.metrics),
                _read(training.weighted_metrics),
            )
        except Exception as e:
            why = " ".join(filter(None, (e.message, e.given))) if isinstance(e, SDGraphError) else repr(e)[:200]
            raise FormatError(
                f"{self._file.path}: the model cannot be compiled as it was.",
                given=why,
                fix="Pass what is your own in custom_objects, or read it with enforce_training_config=False.",
            ) from e


def _read(metrics: Any) -> Any:
    """Metrics without those that could not be read."""
    if isinstance(metrics, Mapping):
        return {name: _read(one) for name, one in metrics.items()}
    if isinstance(metrics, list):
        return [_read(one) for one in metrics if one is not None]
    return metrics

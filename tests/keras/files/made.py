"""Small files of Keras, made by hand."""

import io
import json
import zipfile

import h5py
import numpy as np

DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 2, "batch_input_shape": [None, 3]}}
SEQUENTIAL = {"class_name": "Sequential", "config": {"name": "s", "layers": [DENSE]}}
WEIGHTS = {"d": {"d/kernel:0": np.arange(6.0, dtype="f4").reshape(3, 2), "d/bias:0": np.ones(2, "f4")}}


def attributes(target, names):
    for name, value in names.items():
        if value is not None:
            target.attrs[name] = value


def h5(
    path,
    *,
    config=SEQUENTIAL,
    weights=WEIGHTS,
    training=None,
    version="2.2.4",
    backend="tensorflow",
    at="model_weights",
):
    """A whole model as Keras 1 and 2 write it, or with ``at=""`` its weights alone."""
    with h5py.File(path, "w") as file:
        as_json = {"model_config": config, "training_config": training}
        attributes(file, {k: json.dumps(v) for k, v in as_json.items() if v is not None})
        attributes(file, {"keras_version": version, "backend": backend})
        group = file.create_group(at) if at else file
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                inner[name] = array
    return path


def inner_h5(fill):
    """The bytes of an HDF5 file that a function fills."""
    whole = io.BytesIO()
    with h5py.File(whole, "w") as file:
        fill(file)
    return whole.getvalue()


def keras(path, *, config=SEQUENTIAL, weights=b"", version="3.15.1", more=(), compression=zipfile.ZIP_STORED):
    """A .keras file."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", config if isinstance(config, str | bytes) else json.dumps(config))
        if weights:
            archive.writestr("model.weights.h5", weights)
        for name, data in more:
            archive.writestr(name, data)
    return path

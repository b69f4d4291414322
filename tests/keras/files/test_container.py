"""What a file of Keras is, who wrote it, and what it holds."""

import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from sdgraph.errors import ArgumentTypeError, FormatError, MissingDependencyError
from sdgraph.keras.files.container import opened
from tests.keras.files import made

pytestmark = pytest.mark.any_engine
GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted(
    [*GOLDEN.glob("keras_files/k*"), *GOLDEN.glob("keras_models/*.h5"), *GOLDEN.glob("keras_models/*.keras")]
)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_files_that_keras_wrote(path):
    with opened(path) as file:
        assert file.kind == ("keras" if path.suffix == ".keras" else "h5")
        assert file.version == ((2, 21, 0) if path.name.startswith("k2") else (3, 15, 1))
        assert file.config is not None and file.config["class_name"] in ("Sequential", "Functional")
        assert (file.training is None) == ("uncompiled" in path.name)
        assert file.weights is not None


def test_what_a_file_is_does_not_depend_on_its_name(tmp_path):
    with opened(made.h5(tmp_path / "model")) as file:
        assert (file.kind, file.backend, file.by_position) == ("h5", "tensorflow", False)
    with opened(made.keras(tmp_path / "weights.h5")) as file:
        assert (file.kind, file.backend, file.weights, file.by_position) == ("keras", None, None, True)


def test_a_file_of_weights_alone(tmp_path):
    with opened(made.h5(tmp_path / "w.h5", config=None, at="")) as file:
        assert (file.kind, file.config, file.version) == ("h5", None, (2, 2, 4))
        assert file.weights.texts("layer_names") == ["d"]
    (tmp_path / "w.weights.h5").write_bytes(made.inner_h5(lambda f: f.create_group("layers/dense/vars")))
    with opened(tmp_path / "w.weights.h5") as file:
        assert (file.kind, file.config, file.by_position) == ("weights", None, True)


@pytest.mark.parametrize(
    ("told", "version"), [(None, (1,)), ("1.2.2", (1, 2, 2)), ("2.1.6-tf", (2, 1, 6)), ("x", (1,))]
)
def test_who_wrote_it(tmp_path, told, version):
    with opened(made.h5(tmp_path / "m.h5", version=told, backend=None)) as file:
        assert (file.version, file.backend) == (version, None)


def test_texts_are_bytes_in_old_files_and_long_lists_are_in_parts(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["model_config"] = np.bytes_(json.dumps(made.SEQUENTIAL).encode())
        group = file.create_group("model_weights")
        group.attrs["layer_names0"] = np.array([b"d"])
        group.attrs["layer_names1"] = np.array([b"e", b"fgh"])
    with opened(tmp_path / "m.h5") as file:
        assert file.config == made.SEQUENTIAL
        assert file.weights.texts("layer_names") == ["d", "e", "fgh"]
        assert file.weights.texts("nothing") is None


def test_a_model_as_json(tmp_path):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({**made.SEQUENTIAL, "keras_version": "2.3.1", "backend": "theano"}))
    with opened(path) as file:
        assert (file.kind, file.version, file.backend, file.weights) == ("json", (2, 3, 1), "theano", None)
    path.write_text(json.dumps({**made.SEQUENTIAL, "registered_name": None}))
    with opened(path) as file:
        assert file.version == (3,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no file of Keras"),
        (b"class_name: Sequential", "no file of Keras"),
        (b"\x80\x04pickle", "no file of Keras"),
        (b'{"metadata": {}, "weight_map": {}}', "index of weights"),
        (b'{"a": 1} x', "no JSON"),
        (b"{}}", "no JSON"),
    ],
)
def test_other_files(tmp_path, data, message):
    (tmp_path / "m").write_bytes(data)
    with pytest.raises(FormatError, match=message), opened(tmp_path / "m"):
        pass


def test_an_hdf5_file_of_something_else(tmp_path):
    (tmp_path / "m.h5").write_bytes(made.inner_h5(lambda f: f.create_group("measurements")))
    with pytest.raises(FormatError, match="none that Keras writes"), opened(tmp_path / "m.h5"):
        pass


def test_a_folder_is_a_saved_model(tmp_path):
    with pytest.raises(FormatError, match="TensorFlow"), opened(tmp_path):
        pass
    with pytest.raises(FileNotFoundError), opened(tmp_path / "nothing.h5"):
        pass
    with pytest.raises(ArgumentTypeError), opened(3):
        pass


def test_assets_are_told_and_not_read(tmp_path):
    with opened(made.keras(tmp_path / "m.keras", more=[("assets/", b""), ("assets/v.txt", b"a")])) as file:
        assert len(file.ignored) == 1 and "assets/v.txt" in file.ignored[0]


def test_without_h5py_an_error_says_what_to_install(tmp_path, monkeypatch):
    path = made.h5(tmp_path / "m.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"sdgraph\[keras\]"), opened(path):
        pass


def test_arrays_are_read_when_they_are_asked_for(tmp_path):
    with opened(made.h5(tmp_path / "m.h5")) as file:
        array = file.weights.group("d").array("d/kernel:0")
        assert (array.shape, array.dtype, array.path) == ((3, 2), np.float32, "model_weights/d/d/kernel:0")
        np.testing.assert_array_equal(array.read(), made.WEIGHTS["d"]["d/kernel:0"])
    with pytest.raises(FormatError, match="kernel"):
        array.read()

"""Values of variables in files of other libraries, all of them or none."""

import builtins

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from tests.graph_state import graph_state


@pytest.fixture(params=[".npz", ".safetensors"])
def suffix(request):
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return request.param


def graph(**values):
    sd = SameDiff()
    for name, value in values.items():
        sd.var(name.replace("__", "/"), value)
    return sd


def test_values_go_out_and_come_in(tmp_path, suffix):
    values = {
        "layer__w": np.arange(6.0).reshape(2, 3),
        "file": np.float64(2.5),
        "k": np.arange(0),
        "ü b": np.ones(2, "f4"),
    }
    path = graph(**values).export_weights(tmp_path / f"w{suffix}")
    other = graph(**{name: np.zeros_like(value) for name, value in values.items()})
    report = other.import_weights(path)
    assert report == (("layer/w", "file", "k", "ü b"), (), ()) and str(report) == "4 variables got a value"
    for name, value in values.items():
        np.testing.assert_array_equal(other[name.replace("__", "/")].value, value)


def test_other_libraries_read_them(tmp_path, suffix):
    w = np.arange(6, dtype="float32").reshape(2, 3)
    path = graph(layer__w=w).export_weights(tmp_path / f"w{suffix}")
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as found:
            np.testing.assert_array_equal(found["layer/w"], w, strict=True)
    else:
        from safetensors.numpy import load_file

        np.testing.assert_array_equal(load_file(path)["layer/w"], w, strict=True)


def test_some_variables_only(tmp_path):
    sd = graph(a=1.0, b=2.0)
    path = sd.export_weights(tmp_path / "w.npz", ["a"])
    with np.load(path) as found:
        assert found.files == ["a"]


@pytest.mark.parametrize("rename", [{"w": "layer/w"}, lambda name: "layer/" + name, lambda n: {"w": "layer/w"}.get(n)])
def test_names_that_differ(tmp_path, rename):
    path = graph(w=[1.0, 2.0]).export_weights(tmp_path / "w.npz")
    sd = graph(layer__w=[0.0, 0.0])
    assert sd.import_weights(path, rename).matched == ("layer/w",)
    np.testing.assert_array_equal(sd["layer/w"].value, [1, 2])


def test_strict_or_not(tmp_path):
    path = graph(w=1.0, old=2.0).export_weights(tmp_path / "w.npz")
    sd = graph(w=0.0, new=5.0)
    before = graph_state(sd)
    with pytest.raises(errors.ArgumentError, match=r"(?s)not in the file: new.*not in the graph: old"):
        sd.import_weights(path)
    assert graph_state(sd) == before
    assert sd.import_weights(path, strict=False) == (("w",), ("new",), ("old",))
    assert sd["w"].value == 1 and sd["new"].value == 5


def test_a_near_name_is_told(tmp_path):
    path = graph(kernel=1.0).export_weights(tmp_path / "w.npz")
    with pytest.raises(errors.ArgumentError, match="Did you mean 'kernels'"):
        graph(kernels=1.0).import_weights(path)


@pytest.mark.parametrize("value", [np.zeros(3), np.zeros((2, 1)), np.full(2, 1e300), np.zeros(2, complex)])
def test_what_does_not_fit_changes_nothing(tmp_path, value):
    path = graph(a=np.ones(1), b=value).export_weights(tmp_path / "w.npz")
    sd = graph(a=np.zeros(1), b=np.zeros(2, "float32"))
    before = graph_state(sd)
    with pytest.raises((errors.ShapeError, errors.DTypeError), match="'b'"):
        sd.import_weights(path)
    assert graph_state(sd) == before


@pytest.mark.parametrize("rename", [3, "w", {"a": "b"}], ids=str)
def test_renames_that_make_no_sense(tmp_path, rename):
    path = graph(a=1.0, b=2.0).export_weights(tmp_path / "w.npz")
    with pytest.raises(errors.SDGraphError):
        graph(a=1.0, b=2.0).import_weights(path, rename)


def test_another_suffix(tmp_path):
    for call in (graph(a=1.0).export_weights, graph(a=1.0).import_weights):
        with pytest.raises(errors.ArgumentError, match=r"\.npz or \.safetensors"):
            call(tmp_path / "w.h5")


def test_damaged_files(tmp_path, suffix):
    path = graph(w=np.arange(20.0)).export_weights(tmp_path / f"w{suffix}")
    data = path.read_bytes()
    sd = graph(w=np.zeros(20))
    for n in range(0, len(data), 17):
        path.write_bytes(data[:n])
        with pytest.raises(errors.SDGraphError):
            sd.import_weights(path)
    np.savez(tmp_path / "objects.npz", w=np.array([print], object), allow_pickle=True)
    with pytest.raises(errors.FormatError):
        sd.import_weights(tmp_path / "objects.npz")
    with pytest.raises(FileNotFoundError):
        sd.import_weights(tmp_path / f"nowhere{suffix}")


def test_without_safetensors(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **keywords):
        if name.startswith("safetensors"):
            raise ImportError(name)
        return real(name, *args, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(errors.MissingDependencyError, match=r"pip install 'sdgraph\[weights\]'"):
        graph(a=1.0).export_weights(tmp_path / "w.safetensors")

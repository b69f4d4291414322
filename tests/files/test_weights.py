"""Values of variables in files of other libraries, all of them or none."""

import builtins
import contextlib
import subprocess
import sys
import time
import zipfile

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


@pytest.mark.parametrize(
    "rename", [3, "w", {"a": "b"}, {"a": []}, {"a": 1}, lambda _: "a", lambda n: [n]], ids=range(7)
)
def test_renames_that_make_no_sense(tmp_path, rename):
    path = graph(a=1.0, b=2.0).export_weights(tmp_path / "w.npz")
    with pytest.raises(errors.SDGraphError):
        graph(a=1.0, b=2.0).import_weights(path, rename)


@pytest.mark.parametrize(("name", "hint"), [("w.h5", ""), ("w", ""), ("w.sdg", "SameDiff.load"), ("w.pt", "save_file")])
def test_another_suffix(tmp_path, name, hint):
    for call in (graph(a=1.0).export_weights, graph(a=1.0).import_weights):
        with pytest.raises(errors.ArgumentError, match=rf"(?s)\.npz or \.safetensors.*{hint}"):
            call(tmp_path / name)


def test_damaged_files(tmp_path, suffix):
    """Cut anywhere it is an error; a bit that turns is one in npz, which has checksums."""
    path = graph(w=np.arange(20.0)).export_weights(tmp_path / f"w{suffix}")
    data = path.read_bytes()
    sd = graph(w=np.zeros(20))
    before = graph_state(sd)
    for n in range(0, len(data), 7):
        path.write_bytes(data[:n])
        with pytest.raises(errors.SDGraphError):
            sd.import_weights(path)
    assert graph_state(sd) == before
    rng = np.random.default_rng(0)
    for _ in range(400):
        changed = bytearray(data)
        changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        with contextlib.suppress(errors.SDGraphError):
            sd.import_weights(path)
            if suffix == ".npz":
                np.testing.assert_array_equal(sd["w"].value, np.arange(20.0))
    with pytest.raises(FileNotFoundError):
        sd.import_weights(tmp_path / f"nowhere{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(OSError, match="folder"):
        sd.import_weights(tmp_path / f"folder{suffix}")


@pytest.mark.parametrize(
    "value",
    [
        np.array([print, 1], object),
        np.array(["a", "b"]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, [("a", "f4")]),
        np.zeros(2, "V2"),
    ],
    ids=["objects", "texts", "dates", "records", "bytes"],
)
def test_arrays_that_hold_no_numbers(tmp_path, value):
    np.savez(tmp_path / "w.npz", w=value, allow_pickle=True)
    sd = graph(w=np.zeros(2))
    with pytest.raises(errors.DTypeError, match="'w' does not hold numbers"):
        sd.import_weights(tmp_path / "w.npz")


CHILD = """
import resource, sys
from sdgraph import SameDiff, errors
import numpy as np
sd = SameDiff()
sd.var("w", np.zeros(8))
import sdgraph.files.weights
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + (150 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try: print(sd.import_weights(sys.argv[1], strict=sys.argv[2] == "strict"))
except errors.SDGraphError as e: print(type(e).__name__)
"""


def npz_of(path, *members):
    """A zip file of compressed members: a claimed shape, and so many zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, shape, zeros in members:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": shape})
                for _ in range(zeros >> 20):
                    member.write(bytes(1 << 20))
                member.write(bytes(zeros % (1 << 20)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no limit of memory")
@pytest.mark.parametrize(
    ("members", "strict", "told"),
    [
        ([("w", (10**12,), 64)], "strict", "ShapeError"),
        ([("w", (8,), 300 << 20)], "strict", "FormatError"),
        (
            [("w", (8,), 64), ("other", (300 << 17,), 300 << 20)],
            "not",
            "1 variable got a value\nnot in the graph: other",
        ),
        ([("w", (8,), 64), ("other", (300 << 17,), 300 << 20)], "strict", "ArgumentError"),
        ([("w", (8,), 32)], "strict", "FormatError"),
    ],
    ids=range(5),
)
def test_no_more_is_read_than_the_variables_hold(tmp_path, members, strict, told):
    npz_of(tmp_path / "w.npz", *members)
    command = [sys.executable, "-c", CHILD, tmp_path / "w.npz", strict]
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout == told + "\n", done.stderr
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**9, 0])
def test_headers_that_claim_much(tmp_path, length):
    pytest.importorskip("safetensors")
    (tmp_path / "w.safetensors").write_bytes(length.to_bytes(8, "little") + b"{}")
    with pytest.raises(errors.FormatError):
        graph(w=1.0).import_weights(tmp_path / "w.safetensors")


def test_big_endian_and_fortran_order(tmp_path):
    w = np.asfortranarray(np.arange(6, dtype=">f8").reshape(2, 3) + 0.1)
    np.savez_compressed(tmp_path / "w.npz", w=w, b=np.float16(0.5), k=np.array([[1, 2]], ">i2", order="F"))
    sd = graph(w=np.zeros((2, 3)), b=np.float32(0), k=np.zeros((1, 2), "float32"))
    assert not sd.import_weights(tmp_path / "w.npz").missing
    np.testing.assert_array_equal(sd["w"].value, w.astype("float64"), strict=True)
    assert sd["b"].value == 0.5 and sd["k"].value.tolist() == [[1, 2]]


def test_doubles_are_rounded_and_what_is_out_of_range_is_not_taken(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([0.1, 1e30]))
    sd = graph(w=np.zeros(2, "float32"))
    sd.import_weights(tmp_path / "w.npz")
    np.testing.assert_array_equal(sd["w"].value, np.array([0.1, 1e30], "float32"), strict=True)
    np.savez(tmp_path / "w.npz", w=np.array([0.1, 1e39]))
    with pytest.raises(errors.DTypeError, match="'w'"):
        sd.import_weights(tmp_path / "w.npz")


def test_names_twice_in_one_file(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        npz_of(tmp_path / "w.npz", ("w", (8,), 64), ("w", (8,), 64))
    with pytest.raises(errors.FormatError):
        graph(w=np.zeros(8)).import_weights(tmp_path / "w.npz")


def test_some_variables_of_the_graph(tmp_path):
    path = graph(a=1.0, b=2.0).export_weights(tmp_path / "w.npz", ["a"])
    sd = graph(a=0.0, b=5.0)
    assert sd.import_weights(path, variables="a") == (("a",), (), ())
    assert sd["a"].value == 1 and sd["b"].value == 5
    with pytest.raises(errors.ArgumentError, match="not in the file: b"):
        sd.import_weights(path, variables=["a", sd["b"]])
    with pytest.raises(errors.UnknownVariableError):
        sd.import_weights(path, variables=["c"])
    sd.placeholder("x")
    np.savez(tmp_path / "x.npz", x=1.0)
    with pytest.raises(errors.ArgumentTypeError):
        sd.import_weights(tmp_path / "x.npz", variables=["x"])


def test_what_is_frozen_or_no_variable_stays(tmp_path):
    sd = graph(w=1.0, frozen=2.0)
    sd["frozen"].convert_to_constant()
    path = sd.export_weights(tmp_path / "w.npz")
    with np.load(path) as found:
        assert found.files == ["w"]
    np.savez(tmp_path / "both.npz", w=3.0, frozen=4.0)
    assert sd.import_weights(tmp_path / "both.npz", strict=False).unexpected == ("frozen",)
    assert sd["frozen"].value == 2 and sd["w"].value == 3


def test_weights_of_pytorch(tmp_path):
    torch, save = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch").save_file
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    save(net.state_dict(), tmp_path / "w.safetensors")
    sd = graph(**{"0__weight": np.zeros((3, 3)), "0__bias": np.zeros(3)})
    sd.var("2/weight", np.zeros((2, 3)))
    sd.var("2/bias", np.zeros(2))
    with pytest.raises(errors.ArgumentError, match=r'name\.replace\("\.", "/"\)'):
        sd.import_weights(tmp_path / "w.safetensors")
    sd.import_weights(tmp_path / "w.safetensors", lambda name: name.replace(".", "/"))
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(sd[name.replace(".", "/")].value, value.numpy().astype("float64"), strict=True)
    other = SameDiff()
    other.var("w", np.zeros((3, 2)))
    with pytest.raises(errors.ShapeError, match=r"(?s)\(2, 3\).*\(3, 2\), that of 'w'.*array\.T"):
        other.import_weights(tmp_path / "w.safetensors", {"2.weight": "w"}, strict=False)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_floats_that_numpy_does_not_have(tmp_path, dtype):
    """Every number there is, to the bit; the reference is PyTorch's conversion."""
    torch, save = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch").save_file
    codes = torch.arange(2**16 if dtype == "bfloat16" else 2**8)
    w = codes.to(torch.uint16 if dtype == "bfloat16" else torch.uint8).view(getattr(torch, dtype))
    save({"w": w}, tmp_path / "w.safetensors")
    sd = graph(w=np.zeros(len(w), "float32"))
    sd.import_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(sd["w"].value, w.to(torch.float32).numpy())


def test_dtypes_that_a_file_cannot_hold(tmp_path, suffix):
    sd = graph(w=np.ones(2, "complex128"))
    if suffix == ".npz":
        sd.import_weights(sd.export_weights(tmp_path / "w.npz"))
    else:
        with pytest.raises(errors.DTypeError, match=r"(?s)cannot hold 'w'.*complex128.*\.npz"):
            sd.export_weights(tmp_path / "w.safetensors")
        reserved = SameDiff()
        reserved.var("__metadata__", 1.0)
        with pytest.raises(errors.ArgumentError, match="__metadata__"):
            reserved.export_weights(tmp_path / "w.safetensors")
    assert [*tmp_path.iterdir()] == ([tmp_path / "w.npz"] if suffix == ".npz" else [])


def test_without_safetensors(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **keywords):
        if name.startswith("safetensors"):
            raise ImportError(name)
        return real(name, *args, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(errors.MissingDependencyError, match=r"pip install 'sdgraph\[weights\]'"):
        graph(a=1.0).export_weights(tmp_path / "w.safetensors")

"""Graphs, variables and compiled functions in pickles, here and in other processes."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from sdgraph import Namespace, SameDiff, SDVariable, composite, errors
from sdgraph.build.variable import Operand
from sdgraph.store.save import to_bytes
from tests.store.judging import forget_peak, peak


class Mine(Namespace, prefix="in_pickles"):
    @composite
    def double(self, x: Operand, *, name: str | None = None) -> SDVariable:
        return x + x


@composite
def thrice(sd, x: Operand, *, factor: float = 3.0, name: str | None = None):
    return x * factor


def model():
    sd = SameDiff(seed=4)
    x = sd.placeholder("x", ("batch", 3))
    w = sd.var("w", shape=(3, 1), init="glorot")
    loss = thrice(sd, Mine(sd).double(sd.math.tanh(x @ w)), factor=2.0).mean(name="loss")
    return sd, sd.compile([loss, sd.grad(loss, w)])


X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def called(f):
    return f(x=X)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_graph_comes_back(protocol):
    sd, _ = model()
    again = pickle.loads(pickle.dumps(sd, protocol))
    assert to_bytes(again) == to_bytes(sd)
    np.testing.assert_array_equal(again["loss"].eval(x=X), sd["loss"].eval(x=X))


def test_a_function_keeps_its_fetches_and_its_engine():
    sd, _ = model()
    f = sd.compile(["loss", "w"], engine="numpy")
    again = pickle.loads(pickle.dumps(f))
    assert again.names == f.names and again.engine == "numpy"
    np.testing.assert_array_equal(called(again)["loss"], called(f)["loss"])


def test_what_is_pickled_together_has_one_graph():
    sd, f = model()
    w, g, h, ns = pickle.loads(pickle.dumps((sd["w"], sd, f, sd.loss)))
    assert w.sd is g is h._sd is ns.sd
    w.value = np.zeros((3, 1))
    assert called(h)["loss"] == 0 and called(f)["loss"] != 0


def test_what_was_set_on_a_graph_comes_with_it():
    sd, f = model()
    sd.weights, sd.f = {"w": sd["w"]}, f
    again = pickle.loads(pickle.dumps(sd))
    assert again.weights["w"].sd is again and again.f._sd is again
    assert copy.deepcopy(sd).weights["w"].sd is not sd


def test_another_process_started_afresh():
    _, f = model()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(called, f).result()
    for name, value in called(f).items():
        np.testing.assert_array_equal(found[name], value, strict=True)


def test_a_process_without_the_ops_names_them(tmp_path):
    sd, _ = model()
    (tmp_path / "g").write_bytes(pickle.dumps(sd).replace(b"store.test_pickles", b"store.nowhere_here"))
    code = "import pickle, sys; from sdgraph import SameDiff\npickle.load(open(sys.argv[1], 'rb'))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "g"], capture_output=True, text=True, check=False)
    assert "UnknownOpError" in done.stderr and "in_pickles.double, thrice" in done.stderr, done.stderr


def test_what_no_file_can_hold_is_refused_with_the_variable():
    class Odd(Namespace, prefix="odd_attribute"):
        @composite
        def scaled(self, x: Operand, by: object = None, *, name: str | None = None) -> SDVariable:
            return x * 2

    sd = SameDiff()
    Odd(sd).scaled(sd.var("w", 1.0), by=frozenset({1}), name="here")
    with pytest.raises(errors.ArgumentError, match=r"(?s)cannot be saved.*by=.*'here', made at"):
        pickle.dumps(sd)


@pytest.mark.peers
@pytest.mark.parametrize("package", ["cloudpickle", "joblib"])
def test_other_libraries_that_pickle(package, tmp_path):
    library = pytest.importorskip(package)
    _, f = model()
    if package == "joblib":
        library.dump(f, tmp_path / "f")
        again = library.load(tmp_path / "f")
    else:
        again = pickle.loads(library.dumps(f))
    np.testing.assert_array_equal(called(again)["loss"], called(f)["loss"])


class Model(SameDiff):
    """A graph that makes its own variables, and wants to know how many."""

    def __init__(self, n):
        super().__init__(seed=n)
        self.n, self.w = n, self.var("w", np.ones(n))


def test_a_class_of_the_users(tmp_path):
    sd = Model(3)
    again = pickle.loads(pickle.dumps(sd))
    assert type(again) is Model and again.n == 3 and again.w.sd is again and len(again) == 1
    other = Model.load(sd.save(tmp_path / "m.sdg"))
    assert type(other) is Model and to_bytes(other) == to_bytes(sd)


def test_a_function_that_stands_on_its_own_graph():
    sd, f = model()
    sd.f, sd.user = f, {"who": "me"}
    again = pickle.loads(pickle.dumps(f))
    assert again._sd.f is again and again._sd.user == {"who": "me"}
    f, g, w = pickle.loads(pickle.dumps((f, f, sd["w"])))
    assert f is g and w.sd is f._sd


def test_an_op_that_no_name_leads_to():
    @composite
    def inside(sd, x: Operand, *, name=None):
        return x + 1

    class Inside(Namespace, prefix="inside_of_a_function"):
        @composite
        def more(self, x: Operand, *, name: str | None = None) -> SDVariable:
            return x + 1

    sd = SameDiff()
    Inside(sd).more(sd.var("w", 1.0), name="y")
    with pytest.raises((AttributeError, pickle.PicklingError), match="Inside"):
        pickle.dumps(sd)
    again = pickle.loads(pytest.importorskip("cloudpickle").dumps(sd))
    assert again["y"].eval() == 2
    inside(sd, sd["y"])
    with pytest.raises(errors.ArgumentTypeError, match=r"(?s)The op inside cannot be sent.*<locals>\.inside"):
        pickle.dumps(sd)


SCRIPT = """
import multiprocessing, sys
from sdgraph import Namespace, Operand, SameDiff, composite
class Mine(Namespace, prefix="of_the_script"):
    @composite
    def twice(self, x: Operand, *, name=None):
        return x * 2
@composite
def thrice_of_the_script(sd, x: Operand, *, name=None):
    return x * 3
def call(f):
    return float(f()["y"])
if __name__ == "__main__":
    sd = SameDiff()
    thrice_of_the_script(sd, Mine(sd).twice(sd.var("w", 1.0)), name="y")
    f = sd.compile("y")
    if sys.argv[1] == "joblib":
        import joblib
        print(joblib.Parallel(2)(joblib.delayed(call)(f) for _ in range(2)))
    else:
        with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:
            print(pool.map(call, [f, f]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["spawn", "forkserver", "joblib"])
def test_ops_of_the_script_that_is_run(tmp_path, way):
    if way == "joblib":
        pytest.importorskip("joblib")
    elif way not in multiprocessing.get_all_start_methods():
        pytest.skip("not here")
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, tmp_path / "script.py", way]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout == "[6.0, 6.0]\n", done.stderr


def least_peak(call):
    """The memory in MB that a call takes at most, at its best: what else a process does counts with it."""
    peaks = []
    for _ in range(5):
        forget_peak()
        before = peak()
        call()
        peaks.append(peak() - before)
    return min(peaks)


def test_large_values_are_not_copied_again_and_again():
    sd = SameDiff()
    sd.constant("c", np.ones(8_000_000, "float32"))
    data = pickle.dumps(sd, 5)
    assert least_peak(lambda: pickle.dumps(sd, 5)) < 2.3 * 32
    assert least_peak(lambda: pickle.loads(data)) < 2.3 * 32
    assert pickle.loads(data)["c"].value.sum() == 8_000_000

"""What a graph is comes back from a file: values to the bit, names, marks, what it draws and how it goes on."""

import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from sdgraph import SameDiff, composite, errors
from sdgraph.build.variable import Operand
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from tests.fuzz.build import build
from tests.fuzz.generate import generate
from tests.store.hostile_files import parts

DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def through_a_file(sd: SameDiff) -> SameDiff:
    data = to_bytes(sd)
    again = from_bytes(SameDiff, data)
    assert to_bytes(again) == data
    return again


def model() -> SameDiff:
    sd = SameDiff(seed=2**70 + 1)
    x, y = sd.placeholder("x", ("batch", 3)), sd.placeholder("y", (None, 2))
    with sd.name_scope("layer"):
        w = sd.var("w", shape=(3, 2), init="glorot")
        b = sd.var("b", 0.5)
        h = sd.nn.dropout(sd.math.tanh(x @ w + b), 0.5)
    loss = sd.loss.huber_loss(y, h, delta=2.5, name="loss")
    sd.add_loss(0.1 * sd.loss.l2_loss(w))
    loss.mark_as_loss()
    g = sd.grad(loss, [w, b])
    sd.grad(g[0], w)
    b.convert_to_constant()
    return sd


FEEDS = {"x": np.arange(12.0).reshape(4, 3) / 7, "y": np.ones((4, 2))}


def test_a_model_goes_on_as_if_it_had_never_been_saved():
    sd = model()
    again = through_a_file(sd)
    for step in range(2):
        for v in sd.variables("array"):
            np.testing.assert_array_equal(again[v.name].eval(FEEDS, step=step), v.eval(FEEDS, step=step), strict=True)
    assert again.seed == sd.seed and again.dtype == sd.dtype
    assert [v.name for v in again.loss_variables()] == [v.name for v in sd.loss_variables()]
    assert [v.name for v in again.losses] == [v.name for v in sd.losses]
    assert [v.name for v in again.trainable_variables()] == ["layer/w"]
    assert str(again.summary()) == str(sd.summary())
    assert again.to_dot(view="gradient") == sd.to_dot(view="gradient")
    # The gradient that was asked for is known, and new nodes get the names and the draws that they would have got.
    assert again.grad("loss", "layer/w").name == sd.grad("loss", "layer/w").name
    for g in (sd, again):
        g.convert_to_variable(g["layer/b"])
        g.var("fresh", shape=(3, 3), init="normal")
        ((g["x"] @ g["fresh"]) * 0.1 + g.random.normal(0.0, 1.0, (3,))).sum()
    assert to_bytes(again) == to_bytes(sd)


def test_lines_of_the_program_come_with_it_or_stay_at_home():
    sd = SameDiff()
    v = sd.var("v", 1.0)
    again = through_a_file(sd)
    assert str(again["v"].origin).startswith("test_round_trip.py:")
    assert str(again["v"].origin).split(":")[1] == str(v.origin).rsplit(":", 1)[1]


@given(st.data())
def test_arrays_come_back_to_the_bit(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(of_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    bits = np.dtype(f"u{min(np.dtype(dtype).itemsize, 8)}")
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize // bits.itemsize
    raw = data.draw(of_numpy.arrays(bits if dtype != "bool" else bool, size))
    array = raw.view(dtype).reshape(shape)
    sd = SameDiff()
    sd.constant("c", array)
    again = through_a_file(sd)["c"].value
    assert again.tobytes() == array.tobytes() and again.dtype == array.dtype and again.shape == array.shape
    assert not again.flags.writeable


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6, unique=True))
def test_variables_of_any_name_come_back(names):
    sd = SameDiff()
    made = []
    for name in names:
        try:
            made.append(sd.var(name, float(len(made))).name)
        except ValueError:
            continue
    again = through_a_file(sd)
    assert [float(again[name].value) for name in made] == list(range(len(made)))


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_come_back(seed):
    sd = build(generate(seed)).sd
    again = through_a_file(sd)
    assert [repr(v) for v in again.variables()] == [repr(v) for v in sd.variables()]


NUMBERS = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1e300, 0.1, 3.0]


def test_numbers_beside_variables_come_back():
    def more(sd):
        for k in NUMBERS:
            sd["x"] + k
            sd["x"] * float(repr(k))  # Equal, and another object.
        sd["x"] + 2**70
        sd["x"] + True

    sd = SameDiff("float64")
    sd.var("x", [1.0, 2.0])
    more(sd)
    again = through_a_file(sd)
    assert len([v for v in sd.variables("constant") if np.isnan(v.value)]) == 1
    nodes = len(sd.nodes)
    for g in (sd, again):
        more(g)
    assert len(sd.nodes) == nodes + 2 * len(NUMBERS) + 2  # The constants are those that there were.
    assert to_bytes(again) == to_bytes(sd)
    for v in sd.variables("array"):
        np.testing.assert_array_equal(again[v.name].eval(), v.eval(), strict=True)


def test_settings_that_equal_nothing_come_back():
    sd = SameDiff("float64")
    for value in (math.nan, float("nan"), math.inf, -0.0, 0.0):
        sd.fill((2,), value)
    again = through_a_file(sd)
    for v in sd.variables("array"):
        np.testing.assert_array_equal(np.signbit(again[v.name].eval()), np.signbit(v.eval()))
        np.testing.assert_array_equal(again[v.name].eval(), v.eval(), strict=True)


def test_names_may_be_long():
    sd = SameDiff()
    with sd.name_scope("a" * 600), sd.name_scope("b" * 600):
        w = sd.var("w" * 1000, [1.0])
        loss = sd.sum(w * w)
    sd.grad(loss, w)
    assert [v.name for v in through_a_file(sd).variables()] == [v.name for v in sd.variables()]


# ---------------------------------------------------------------------- the same bytes

SAVING = """
import hashlib, sys
from sdgraph.store.save import to_bytes
from tests.store.hostile_files import rich
print(hashlib.sha256(to_bytes(rich())).hexdigest())
"""


def test_bytes_do_not_hang_on_the_process():
    """Sets and hashes of texts have another order in every process."""
    found = set()
    for seed in ("0", "1", "77"):
        paths = os.pathsep.join(p for p in sys.path if p)
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", SAVING]
        found.add(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
    assert len(found) == 1


def test_settings_are_the_same_in_any_order():
    sd = SameDiff()
    sd.linspace(start=0, stop=1, number=5)
    sd.linspace(number=5, stop=1, start=0)
    content, _ = parts(to_bytes(sd))
    assert len(content["nodes"]["settings"]) == 1
    through_a_file(sd)


def test_numbers_that_are_equal_are_kept_apart_in_sequences():
    sd = SameDiff()
    settings = [(1, 2), (1.0, 2.0), (True, 2), (0.0, -0.0), (0.0, 0.0), (float("nan"), 1)]
    for each in settings:
        marked(sd, 1.0, by=each)
    data = to_bytes(sd)
    again = from_bytes(SameDiff, data, ops=[marked])
    assert to_bytes(again) == data
    assert [repr(n.attrs["by"]) for n in again.nodes if n.attrs] == [repr(each) for each in settings]


@composite
def marked(sd, x: Operand, *, by: object, name=None):
    return x + 1.0


def test_texts_that_nobody_can_write_are_refused():
    sd = SameDiff()
    for call in (lambda: to_bytes(marked(sd, 1.0, by="\ud800").sd), lambda: sd.save("m.sdg", user={"a": "\ud800"})):
        with pytest.raises(errors.ArgumentError, match=r"cannot be saved.*surrogate"):
            call()


def test_dtypes_that_not_every_computer_has_are_refused(tmp_path):
    for make in (lambda: SameDiff("longdouble"), lambda: SameDiff().constant("c", np.zeros(2, "longdouble")).sd):
        with pytest.raises(errors.ArgumentError, match="not the same on every computer"):
            make().save(tmp_path / "m.sdg")
    assert not [*tmp_path.iterdir()]


def test_the_same_graph_goes_on_while_it_is_saved():
    """Whoever appends from another thread does not get between the columns of a file."""
    sd = SameDiff()
    w = sd.var("w", 1.0)

    def grow():
        for _ in range(3000):
            w.sd.math.tanh(w)

    thread = threading.Thread(target=grow)
    thread.start()
    for _ in range(20):
        assert len(from_bytes(SameDiff, to_bytes(sd))) >= 1
    thread.join()


# ---------------------------------------------------------------------- arrays that stay on the disk


def test_mapped_arrays_are_read_only_and_outlive_their_file(tmp_path):
    sd = SameDiff()
    w = sd.var("w", np.arange(6.0).reshape(2, 3))
    path = sd.save(tmp_path / "m.sdg")
    again = SameDiff.load(path, mmap=True)
    before = again["w"].value
    assert not before.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(again.values[again["w"].id])[0, 0] = 1
    w.value = np.zeros((2, 3))
    sd.save(path)  # Another file under the same name: the old one stays for who has it.
    np.testing.assert_array_equal(again["w"].value, before)
    path.unlink()
    np.testing.assert_array_equal(again["w"].value, np.arange(6.0).reshape(2, 3))
    loss = again.loss.l2_loss(again["w"])
    g = again.grad(loss, again["w"])
    again.set_values({"w": again["w"].value - 0.5 * g.eval()})
    np.testing.assert_array_equal(again["w"].value, np.arange(6.0).reshape(2, 3) / 2)
    assert to_bytes(from_bytes(SameDiff, to_bytes(again))) == to_bytes(again)


def test_a_copy_has_the_texts_of_its_graph():
    sd = SameDiff()
    sd.user = {"a": "b"}
    other = sd.copy()
    other.user["a"] = "c"
    assert sd.user == {"a": "b"}


# ---------------------------------------------------------------------- ops of the same name


def two_sums():
    @composite
    def sum(sd, x: Operand, axis: object = None, keepdims: bool = False, *, name=None):
        return x * 100.0

    @composite
    def also(sd, x: Operand, *, name=None):
        return x * 2.0

    return sum, also


def test_a_function_of_the_users_is_never_an_op_of_ours(tmp_path):
    mine, _ = two_sums()
    sd = SameDiff()
    y = mine(sd, sd.sum(sd.var("w", [1.0, 2.0])), name="y")
    path = sd.save(tmp_path / "m.sdg")
    with pytest.raises(errors.UnknownOpError, match="sum"):
        SameDiff.load(path)
    again = SameDiff.load(path, ops=[mine])
    assert again["y"].eval() == y.eval() == 300


def test_two_functions_of_one_name_are_refused(tmp_path):
    (first, _), (second, _) = two_sums(), two_sums()
    sd = SameDiff()
    second(sd, first(sd, sd.var("w", 1.0)))
    with pytest.raises(errors.ArgumentError, match="two of its ops are called sum"):
        sd.save(tmp_path / "m.sdg")
    sd = SameDiff()
    first(sd, sd.var("w", 1.0))
    path = sd.save(tmp_path / "m.sdg")
    with pytest.raises(errors.ArgumentError, match=r"Two of these ops are called sum"):
        SameDiff.load(path, ops=[first, second])

"""What a graph is made of whatever a file says: names, order, forms of an operation, and errors that name them."""

import itertools
import json
import random
import struct
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from hypothesis import given, settings
from hypothesis import strategies as st

import sdgraph
from sdgraph import SameDiff
from sdgraph.errors import (
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    MissingDependencyError,
    UnknownOpError,
    VariableNameError,
)
from sdgraph.files import samediff
from sdgraph.files.samediff import op_table
from sdgraph.files.samediff.reading.composed import COMPOSED
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from tests.files.samediff import flat, real


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.fb"


def vectors():
    """A file with a trained vector and a placeholder."""
    file = flat.File()
    file.leaf("w", "variable", "DOUBLE", [1.0, -2.0, 3.0], (3,))
    file.leaf("x", "placeholder", "DOUBLE", shape=[-1, 3])
    return file


# ---------------------------------------------------------------------- the call


def test_what_a_user_imports():
    assert sdgraph.files.samediff is samediff


def test_the_package_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    for read in (samediff.load, samediff.load_training):
        with pytest.raises(MissingDependencyError, match=r"pip install 'sdgraph\[samediff\]'"):
            read(real.path("loss_huber"))


def test_no_such_file(path):
    with pytest.raises(FileNotFoundError):
        samediff.load(path)
    with pytest.raises(ArgumentTypeError):
        samediff.load(3)


@pytest.mark.parametrize("data", [b"", b"\0", b"PK\3\4 no graph", bytes(100), b"SDNB", b"{}" * 50])
def test_no_graph(path, data):
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"model.fb is damaged, or no file of SameDiff's") as e:
        samediff.load(path)
    assert "bytes" in e.value.given or "byte " in e.value.given


def test_a_file_of_our_own(path):
    SameDiff().save(path)
    with pytest.raises(FormatError, match=r"SameDiff\.load reads those of sdgraph"):
        samediff.load(path)


def test_a_checkpoint_is_such_a_file(tmp_path):
    path = tmp_path / "checkpoint_0_epoch_1.bin"
    path.write_bytes(real.path("updater_Adam").read_bytes())
    assert samediff.load(path)["w"].shape == (4, 3)
    assert samediff.load_training(path).iteration == 12


def header(size, *, version=1, start=32):
    return struct.pack(">4siqqq", b"SDNB", version, start + size, 7, start)


def test_the_newer_form_without_large_arrays(path):
    graph = real.path("updater_Adam").read_bytes()
    path.write_bytes(header(len(graph)) + graph + b"\xac\xed\0\5rest")
    assert samediff.load(path)["w"].shape == (4, 3)
    for wrong in (header(len(graph), version=2), header(10**9), header(len(graph), start=8), header(0)[:20]):
        path.write_bytes(wrong + graph)
        with pytest.raises(FormatError):
            samediff.load(path)


def test_shapes_of_placeholders(path):
    file = vectors()
    file.op("transpose", ["x"], [("y", "DOUBLE")])
    file.write(path)
    assert samediff.load(path)["x"].shape == (None, 3)
    assert samediff.load(path, shapes={"x": (2, "features")})["y"].shape == ("features", 2)
    with pytest.raises(VariableNameError, match="no such placeholder"):
        samediff.load(path, shapes={"w": (3,)})
    with pytest.raises(ArgumentTypeError, match="no mapping"):
        samediff.load(path, shapes=[(2, 3)])
    with pytest.raises(ArgumentError):
        samediff.load(path, shapes={"x": (1.5,)})


# ---------------------------------------------------------------------- names and order

# Names of a file, and what they are here where no variable can have them.
ODD = {
    "out:1": "out:1", "/a": "a", "b/": "b", "c//d": "c/d", " e": "e_1", "f ": "f", "g:all": "g:all", "ü/ö": "ü/ö",
    "x.y-z": "x.y-z", "0": "0", "constant": "constant", "add": "add", "w/add": "w/add", "e": "e", "//": "x",
}  # fmt: skip


def test_names_are_kept_whatever_they_are(path):
    file = flat.File()
    previous = file.leaf(" begin", "variable", "DOUBLE", [1.0, 2.0], (2,))
    for name in ODD:
        file.op("add_scalar", [previous], [(name, "DOUBLE")], scalar=flat.array(1.0, "DOUBLE"))
        previous = name
    file.write(path)
    sd = samediff.load(path)
    values = {name: sd[ODD[name]].eval().tolist() for name in ODD}
    assert values == {name: [2.0 + k, 3.0 + k] for k, name in enumerate(ODD)}
    assert sd["begin"].value.tolist() == [1.0, 2.0]
    again = from_bytes(SameDiff, to_bytes(sd))
    assert {name: again[ODD[name]].eval().tolist() for name in ODD} == values


def test_outputs_of_one_operation_have_any_names(path):
    file = flat.File()
    file.leaf("m", "variable", "DOUBLE", [[1.0, 2.0], [3.0, 4.0]], (2, 2))
    file.op("unstack", ["m"], [("b", "DOUBLE"), ("a:7", "DOUBLE")], i=[0])
    file.op("unstack", ["m"], [("c", "DOUBLE"), ("c:1", "DOUBLE")], i=[1])
    sd = samediff.load(file.write(path))
    assert {n: sd[n].eval().tolist() for n in ("b", "a:7", "c", "c:1")} == {
        "b": [1.0, 2.0], "a:7": [3.0, 4.0], "c": [1.0, 3.0], "c:1": [2.0, 4.0],
    }  # fmt: skip
    assert from_bytes(SameDiff, to_bytes(sd))["a:7"].eval().tolist() == [3.0, 4.0]


def test_a_variable_has_the_name_of_a_further_output(path):
    file = flat.File()
    file.leaf("u:1", "variable", "DOUBLE", [[1.0, 2.0]], (1, 2))
    file.op("unstack", ["u:1"], [("u", "DOUBLE"), ("v", "DOUBLE")], i=[1])
    sd = samediff.load(file.write(path))
    assert [sd[n].eval().tolist() for n in ("u", "v")] == [[1.0], [2.0]]


def test_many_names_that_become_one(path):
    """Each after the ones before it, in no more time than other names take."""
    file = flat.File()
    for k in range(3000):
        file.leaf("/" * (k % 900 + 1) + " " * (k // 900), "constant", "INT", k, ())
    file.write(path)
    start = time.perf_counter()
    sd = samediff.load(path)
    assert time.perf_counter() - start < 10
    assert {int(v.value) for v in sd.variables()} == {*range(3000)} and "x_2999" in sd


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "n" * 1001])
def test_names_that_no_variable_has(path, name):
    file = flat.File()
    file.leaf(name, "variable", "DOUBLE", [1.0], (1,))
    with pytest.raises(FormatError, match="has the name"):
        samediff.load(file.write(path))


@pytest.mark.parametrize("seed", range(5))
def test_operations_stand_in_any_order(path, seed):
    file = vectors()
    file.op("multiply", ["x", "w"], [("a", "DOUBLE")])
    file.op("exp", ["a"], [("b", "DOUBLE")])
    file.op("add", ["a", "b"], [("c", "DOUBLE")])
    file.op("reduce_sum", ["c"], [("d", "DOUBLE")], b=[False, True], dimensions=[1])
    rng = random.Random(seed)
    rng.shuffle(file.nodes)
    rng.shuffle(file.variables)
    sd = samediff.load(file.write(path))
    x, w = np.array([[0.5, 1.0, -1.0]]), np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(sd["d"].eval({"x": x}), (x * w + np.exp(x * w)).sum(1))


def test_a_long_chain_backwards(path):
    file = flat.File()
    previous = file.leaf("w", "variable", "DOUBLE", [1.0], (1,))
    for k in range(5000):
        file.op("neg", [previous], [(f"n{k}", "DOUBLE")])
        previous = f"n{k}"
    file.nodes.reverse()
    file.write(path)
    start = time.perf_counter()
    sd = samediff.load(path)
    assert time.perf_counter() - start < 10 and len(sd) == 5001


def test_an_operation_may_be_named_as_another_ones_variable(path):
    """SameDiff itself loses a variable of such a file."""
    file = vectors()
    file.op("exp", ["w"], [("e", "DOUBLE")])
    file.op("neg", ["e"], [("n", "DOUBLE")])
    file.nodes[1]["name"] = "e"
    sd = samediff.load(file.write(path))
    np.testing.assert_allclose(sd["n"].eval(), -np.exp([1.0, -2.0, 3.0]))


def test_outputs_are_found_by_number(path):
    file = vectors()
    file.op("neg", ["w"], [("n", "DOUBLE")])
    file.op("unstack", ["n"], [("p", "DOUBLE"), ("q", "DOUBLE"), ("r", "DOUBLE")], i=[0])
    for node in file.nodes:
        node["output_names"] = None
    sd = samediff.load(file.write(path))
    assert [float(sd[name].eval()) for name in "pqr"] == [-1.0, 2.0, -3.0]


def test_old_inputs_and_operations_without_a_name(path):
    file = vectors()
    file.op("exp", ["w"], [("e", "DOUBLE")], number=(3, 23), old_inputs=[1])
    file.nodes[0].update(op_name=None, inputs=None)
    np.testing.assert_allclose(samediff.load(file.write(path))["e"].eval(), np.exp([1.0, -2.0, 3.0]))
    file.nodes[0].update(op_type=77, op_number=5)
    with pytest.raises(UnknownOpError, match="type 77, number 5"):
        samediff.load(file.write(path))


# ---------------------------------------------------------------------- files that contradict themselves


def damaged(change):
    """A file of a few operations after a change of its table."""
    file = vectors()
    file.op("multiply", ["x", "w"], [("a", "DOUBLE")])
    file.op("reduce_sum", ["a"], [("s", "DOUBLE")], b=[False, True], dimensions=[2147483647])
    file.losses.append("s")
    record = file.record()
    change(record)
    return flat.encode(record)


def put(place, value):
    """A change that sets one field: of a variable, a node or the graph."""

    def change(record):
        *way, last = place
        for step in way:
            record = record[step]
        record[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put(["variables", 0, "kind"], 7), "kind"),
        (put(["variables", 0, "array"], None), "no values"),
        (put(["variables", 0, "name"], "x"), "two variables"),
        (put(["variables", 0, "name"], None), "name"),
        (put(["variables", 0, "id"], {"first": 2, "second": 0}), "one number"),
        (put(["variables", 1, "dtype"], 99), "dtype"),
        (put(["nodes", 0, "inputs"], [{"first": 99, "second": 0}]), "not there"),
        (put(["nodes", 0, "output_names"], ["s"]), "two operations make"),
        (put(["nodes", 0, "inputs"], [{"first": 4, "second": 0}]), "waits for itself"),
        (put(["losses"], ["nothing"]), "not there"),
        (put(["losses"], ["w"]), "no loss"),
        (put(["nodes", 1, "dimensions"], [9]), "cannot be made"),
        (put(["nodes", 0, "inputs"], []), "not in this form"),
        (put(["nodes", 1, "scalar"], {"shape": None}), "no shape"),
    ],
)
def test_a_file_that_contradicts_itself(path, change, why):
    path.write_bytes(damaged(change))
    with pytest.raises(FormatError, match=f"(?s){why}"):
        samediff.load(path)


def test_it_is_whole_without_a_change(path):
    path.write_bytes(damaged(lambda record: None))
    assert [v.name for v in samediff.load(path).loss_variables()] == ["s"]


def test_a_loss_may_have_elements(path):
    """SameDiff starts its gradient with a number; here it is that of the sum."""
    path.write_bytes(damaged(put(["losses"], ["a"])))
    sd = samediff.load(path)
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(sd.calculate_gradients({"x": x}, ["w"])["w"], x.sum(0))


def test_old_losses_say_nothing_of_their_reduction(path):
    file = vectors()
    file.leaf("one", "constant", "DOUBLE", 1.0, ())
    file.leaf("y", "placeholder", "DOUBLE", shape=[3])
    file.op("mean_sqerr_loss", ["w", "one", "y"], [("loss", "DOUBLE")])
    with pytest.warns(UserWarning, match="'loss' is reduced.*MEAN_BY_NONZERO") as caught:
        sd = samediff.load(file.write(path))
    assert caught[0].filename == __file__
    assert sd["loss"].eval({"y": [1.0, -2.0, 6.0]}) == 3.0


# ---------------------------------------------------------------------- what is not there


def test_everything_that_is_not_there_is_named_at_once(path):
    file = vectors()
    file.op("conv2d", ["x", "w"], [("c", "DOUBLE")])
    file.op("no_such_op", ["c"], [("d", "DOUBLE")])
    file.op("exp", ["d"], [("e", "DOUBLE")])
    file.op("reshape", ["w", "x"], [("r", "DOUBLE")], i=[-99])
    file.op("onehot", ["w"], [("g", "DOUBLE")], i=[-1])
    file.op("onehot", ["w"], [("h", "DOUBLE")], i=[-1])
    file.op("switch", ["w", "x"], [("t", "DOUBLE"), ("f", "DOUBLE")])
    with pytest.raises(UnknownOpError) as e:
        samediff.load(file.write(path))
    assert e.value.names == ("conv2d", "no_such_op", "onehot", "reshape", "switch")
    given = e.value.given
    assert "'node_7' and 'node_8': it is stored in a form that is not known" in given
    assert "its shape is computed when the graph runs" in given
    assert "switch ('node_9': nothing joins what it parts)" in given and "exp" not in given
    assert str(path) in str(e.value)


def test_all_names_stay_with_the_error_if_a_message_has_no_room(path):
    file = vectors()
    for k in range(300):
        file.op(f"an_operation_of_no_library_{k:03}", ["w"], [(f"o{k}", "DOUBLE")])
    with pytest.raises(UnknownOpError) as e:
        samediff.load(file.write(path))
    assert len(e.value.names) == 300 and len(str(e.value)) < 4000


def test_texts_are_kept_with_the_graph_and_no_operation_reads_them(path):
    sd = samediff.load(real.path("storage_string"))
    words = json.loads(sd.user["text"])
    assert words[0] == "hello" and words[2] == "" and len(words) == 3
    file = vectors()
    ends = np.array([0, 2], "<i8").tobytes()
    file.leaf("t", "constant", "INT", 0, ())
    file.variables[-1].update(
        dtype=50, array={"shape": [0, 0, 1, 99], "buffer": ends + b"hi", "dtype": 50, "byte_order": 1}
    )
    assert samediff.load(file.write(path)).user == {"t": "hi"}
    file.op("add", ["w", "t"], [("y", "DOUBLE")])
    with pytest.raises(UnknownOpError, match="it reads texts"):
        samediff.load(file.write(path))


# ---------------------------------------------------------------------- settings in operands


def shaped(file, values, name="s"):
    return file.leaf(name, "constant", "LONG", values, (len(values),))


def test_a_shape_that_is_computed_from_constants(path):
    file = vectors()
    shaped(file, [3], "three")
    shaped(file, [-1], "rest")
    file.op("concat", ["three", "rest"], [("shape", "LONG")], i=[0])
    file.op("reshape", ["w", "shape"], [("y", "DOUBLE")], i=[-99])
    assert samediff.load(file.write(path))["y"].shape == (3, 1)


def test_axes_in_an_integer_variable(path):
    file = vectors()
    file.leaf("axis", "variable", "INT", [1], (1,))
    file.op("reduce_sum", ["x", "axis"], [("y", "DOUBLE")], b=[True, True], dimensions=[1])
    assert samediff.load(file.write(path))["y"].eval({"x": [[1.0, 2.0, 3.0]]}).tolist() == [[6.0]]


FORMS = [
    ("permute", ["m", "s"], {}, [1, 0], lambda m: m.T),
    ("tile", ["m", "s"], {}, [2, 1], lambda m: np.tile(m, (2, 1))),
    ("reshape", ["m", "s"], {"i": [-99]}, [3, 2], lambda m: m.reshape(3, 2)),
    ("reduce_mean", ["m", "s"], {"b": [False, True]}, [0], lambda m: m.mean(0)),
    ("reduce_max", ["m", "s"], {"b": [True, True]}, [0, 1], lambda m: m.max(keepdims=True)),
]


@pytest.mark.parametrize(("op", "inputs", "slots", "values", "want"), FORMS, ids=[form[0] for form in FORMS])
def test_settings_in_a_constant(path, op, inputs, slots, values, want):
    file, m = flat.File(), np.arange(6.0).reshape(2, 3)
    file.leaf("m", "variable", "DOUBLE", m.tolist(), (2, 3))
    shaped(file, values)
    file.op(op, inputs, [("y", "DOUBLE")], **slots)
    np.testing.assert_array_equal(samediff.load(file.write(path))["y"].eval(), want(m))


def test_the_type_of_the_file_counts(path):
    """SameDiff's division of integers truncates, and its sums have the type of what is added up."""
    file = flat.File()
    file.leaf("a", "constant", "INT", [7, -7], (2,))
    file.leaf("b", "constant", "INT", [2, 2], (2,))
    file.op("divide", ["a", "b"], [("q", "INT")])
    file.op("reduce_sum", ["a"], [("s", "INT")], b=[False, True], dimensions=[2147483647])
    file.leaf("large", "constant", "LONG", [2**62 + 3, -(2**62) - 3], (2,))
    for op in ("div_scalar", "rdiv_scalar", "mod", "floordiv"):
        two = [] if op.endswith("scalar") else ["b"]
        scalar = flat.array(3, "INT") if op.endswith("scalar") else None
        file.op(op, ["a", *two], [(op, "INT")], scalar=scalar)
    file.op("div_scalar", ["large"], [("l", "LONG")], scalar=flat.array(1, "LONG"))
    sd = samediff.load(file.write(path))
    assert sd["q"].eval().tolist() == [3, -3] and sd["q"].dtype == sd["s"].dtype == np.int32
    values = {op: sd[op].eval().tolist() for op in ("div_scalar", "rdiv_scalar", "mod", "floordiv")}
    assert values == {"div_scalar": [2, -2], "rdiv_scalar": [0, 0], "mod": [1, -1], "floordiv": [3, -3]}
    assert sd["l"].eval().tolist() == [2**62 + 3, -(2**62) - 3]


def test_a_graph_has_the_type_that_most_variables_have():
    assert samediff.load(real.path("updater_Adam_float")).dtype == np.float32
    assert samediff.load(real.path("updater_Adam")).dtype == np.float64


def test_top_k_of_other_versions(path):
    """M2.1 stores whether the values are sorted where others have their number."""
    file = vectors()
    file.op("top_k", ["w"], [("v", "DOUBLE"), ("i", "INT")], i=[1, 2])
    file.op("top_k", ["w"], [("v2", "DOUBLE"), ("i2", "INT")], i=[2, 1])
    sd = samediff.load(file.write(path))
    assert sd["v"].eval().tolist() == sd["v2"].eval().tolist() == [3.0, 1.0]


# ---------------------------------------------------------------------- the graph that is read


READ = ["loss_huber", "ops_pairwise", "ops_reductions", "ops_elementwise", "net_mlp_scopes", "net_dropout_half"]


@pytest.mark.parametrize("name", READ)
def test_it_is_kept_in_our_own_files(name):
    sd = samediff.load(real.path(name))
    again = from_bytes(SameDiff, to_bytes(sd))
    assert [v.name for v in again.variables()] == [v.name for v in sd.variables()]
    assert again.marks.explicit_losses == sd.marks.explicit_losses and again.user == sd.user


def test_more_can_be_built_on_it():
    sd = samediff.load(real.path("updater_Adam"))
    more = sd.math.add(sd["loss"], 1.0)
    assert more.name == "add" and sd.grad(more, ["w"])[0].shape == (4, 3)
    assert (sd["w"] + 1).eval().shape == (4, 3)


def test_where_it_was_made():
    sd = samediff.load(real.path("updater_Adam"))
    assert "test_reading.py" in str(sd["loss"].origin) and "test_reading.py" in str(sd["w"].origin)


# ---------------------------------------------------------------------- damage

FILES = [real.path(name).read_bytes() for name in ("loss_huber", "net_mlp_scopes", "updater_Adam", "storage_string")]


def survives(data, path):
    """Read bytes that may be anything: a graph, or an error that says that they are none."""
    path.write_bytes(data)
    start = time.perf_counter()
    for read in (samediff.load, samediff.load_training):
        with suppress(FormatError):
            read(path)
    assert time.perf_counter() - start < 10


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_flipped_and_missing_bytes(tmp_path_factory, data, flips, end):
    damaged = bytearray(data)
    for place, bits in flips:
        damaged[int(place * len(damaged))] ^= bits
    survives(bytes(damaged[: None if end is None else int(end * len(data))]), tmp_path_factory.getbasetemp() / "x.fb")


NUMBERS = st.one_of(st.integers(-3, 9), st.sampled_from([2**31 - 1, -(2**31), 10**6]))
SLOTS = st.fixed_dictionaries(
    {
        "i": st.lists(st.one_of(NUMBERS, st.sampled_from([2**62, -(2**62)])), max_size=8),
        "t": st.lists(st.floats(), max_size=4),
        "b": st.lists(st.booleans(), max_size=4),
        "d": st.lists(st.integers(0, 60), max_size=2),
        "dimensions": st.lists(NUMBERS, max_size=3),
    }
)
OPS = sorted({row.name for row in op_table.rows()} | set(COMPOSED))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(OPS), SLOTS, st.lists(st.sampled_from("wxmsk"), max_size=9), st.integers(1, 4))
def test_any_operation_with_any_arguments(tmp_path_factory, op, slots, inputs, n_outputs):
    file = vectors()
    file.leaf("m", "constant", "DOUBLE", [[1.0, 2.0], [3.0, 4.0]], (2, 2))
    file.leaf("k", "constant", "INT", [0, 1], (2,))
    file.leaf("s", "constant", "LONG", 2**40, ())
    file.op(op, inputs, [(f"y{k}", "DOUBLE") for k in range(n_outputs)], scalar=flat.array(2.0, "DOUBLE"), **slots)
    survives(flat.encode(file.record()), tmp_path_factory.getbasetemp() / "y.fb")


@pytest.mark.slow
def test_every_bit_of_a_file(tmp_path):
    data = real.path("loss_l2").read_bytes()
    for at, bit in itertools.product(range(len(data)), range(8)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << bit
        survives(bytes(damaged), tmp_path / "x.fb")

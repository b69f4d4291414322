"""What is written for SameDiff: every op, random programs, names, training, refusals.

A file is held against what SameDiff insists on (`tests.files.samediff.demands`), and read back: outputs and gradients
are those of the graph.
"""

import json
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flatbuffers")

from sdgraph import LossReduce, SameDiff, errors
from sdgraph.build.op import REGISTRY, STREAM
from sdgraph.files import samediff
from sdgraph.files.samediff.training import Training
from sdgraph.train import Adam, DataSet, RmsProp, TrainingConfig
from tests.files.samediff import demands
from tests.fuzz.build import build as build_program
from tests.fuzz.generate import generate
from tests.ops.samples import Literal, samples_of
from tests.ops.test_every_op import OPS, namespace_of

FLOATS = {"rtol": 1e-9, "atol": 1e-11}

# Ops that SameDiff has not, or not as we have them: never written.
NEVER = {
    "sort",
    "argsort",
    "math.quantile",
    "math.percentile",
    "math.median",
    "math.lgamma",
    "math.digamma",
    "math.polygamma",
    "math.zeta",
    "math.erfinv",
    "math.igamma",
    "math.igammac",
    "math.igamma_slope",
    "math.betainc",
    "math.betainc_slope",
    *("linalg.cofactors", "linalg.cofactors_gradient", "linalg.eig", "linalg.lu", "linalg.qr"),
    *("linalg.matmul_where", "linalg.svd", "math.list_diff", "image.non_max_suppression"),
    *("moved_in_segments", "recurrence_in_segments", "rows_by_part", "cnn.add_windows", "cnn.col2_im"),
    *("cnn.conv_input", "cnn.conv_kernel", "cnn.window_max", "cnn.window_first", "cnn.max_pool_with_argmax"),
    # Recurrent layers: SameDiff's gradients, or its initial states, are others.
    *("rnn.gru", "rnn.lstm_layer", "rnn.lstmblock", "rnn.simple_rnn", "rnn.sru"),
}
# Ops that are written, but of which SameDiff has no gradient.
NO_GRADIENT = {
    *("keras.circle", "keras.ctc", "linalg.cholesky", "linalg.logdet", "linalg.lstsq", "linalg.matrix_determinant"),
    *("linalg.matrix_inverse", "linalg.solve", "linalg.triangular_solve", "loss.ctc_loss"),
    *("scatter_mul", "scatter_div", "scatter_max", "scatter_min", "segment_max", "segment_min", "segment_prod"),
    *("unsorted_segment_max", "unsorted_segment_min", "unsorted_segment_prod"),
}
# Single samples that are refused: draws with a seed, arrays without elements on the way, wide systems of equations.
SOME_REFUSED = {
    "math.is_non_decreasing",
    "math.is_strictly_increasing",
    *(
        "broadcast_to",
        "dynamic_partition",
        "is_numeric_tensor",
        "image.random_crop",
        "cnn.windows",
        "linalg.lstsq",
        "linalg.tri",
        "linspace",
        "math.eye",
        "nn.dropout",
        "nn.unpad",
        "range",
        "shape",
        "slice",
        "split_v",
    ),
    "fill",
    *(f"cnn.{name}" for name in ("conv", "conv1d", "conv2d", "conv3d", "depth_wise_conv2d", "deconv2d", "deconv3d")),
    *(f"cnn.{kind}_pooling{n}d" for kind in ("max", "avg") for n in (2, 3)),
    *(name for name in OPS if name.startswith("random.")),
}


def written(sd, path, **options):
    """The file of a graph, held against the demands, and the graph that it is read as."""
    samediff.save(sd, path, **options)
    file = demands.check(path.read_bytes())
    again = samediff.load(path, shapes={v.name: v.shape for v in sd.placeholders()})
    demands.hold_shapes(file, {v.name: v.shape for v in again.variables()})
    return file, again


def graph_of(sample):
    """The op on variables for floats and placeholders for the rest; its outputs, and what to feed."""
    op = REGISTRY[sample.op]
    sd, operands, feeds = SameDiff("float64"), [], {}
    for k, x in enumerate(sample.operands):
        if x is None or isinstance(x, Literal):
            operands.append(x and x.value)
        elif np.asarray(x).dtype == np.float64:
            operands.append(sd.var(f"x{k}", x))
        else:
            feeds[f"x{k}"] = np.asarray(x)
            operands.append(sd.placeholder(f"x{k}", feeds[f"x{k}"].shape, feeds[f"x{k}"].dtype))
    method = getattr(namespace_of(sd, op), op.name)
    keywords = {} if op.variadic else dict(zip(op.operand_names, operands, strict=False))
    result = method(*operands, **sample.attrs) if op.variadic else method(**keywords, **sample.attrs)
    return sd, result if isinstance(result, tuple) else (result,), feeds


def with_loss(sd, outs, op):
    """Make a loss of the outputs; the names of what it can be differentiated by."""
    floats = [v for v in outs if v.dtype.kind == "f"]
    if not op.is_loss and floats:
        sd.set_loss_variables(sd.math.merge_add(*[sd.sum(v * v + v) for v in floats]))
    elif floats:
        sd.set_loss_variables(outs[0])
    return [v.name for v in sd.trainable_variables() if v.has_gradient()] if floats else []


def compare(sd, again, feeds, fetches, wrt, tolerance=FLOATS):
    with np.errstate(all="ignore"):
        want, got = sd.output(feeds, fetches), again.output(feeds, fetches)
        for name, value in want.items():
            assert (got[name].dtype, got[name].shape) == (value.dtype, value.shape)
            np.testing.assert_allclose(got[name], value, **tolerance, err_msg=name)
        if wrt:
            want, got = sd.calculate_gradients(feeds, wrt), again.calculate_gradients(feeds, wrt)
            for name, value in want.items():
                np.testing.assert_allclose(got[name], value, **tolerance, err_msg=f"gradient of {name}")


@pytest.mark.parametrize("name", OPS)
def test_every_op_with_its_gradients(name, tmp_path):
    op, path, counted = REGISTRY[name], tmp_path / "op.fb", {"values": 0, "gradients": 0, "refused": 0}
    for sample in samples_of(name):
        if any(getattr(x, "size", 1) == 0 for x in sample.operands):
            continue
        sd, outs, feeds = graph_of(sample)
        wrt = with_loss(sd, outs, op)
        for losses in [None, ()] if wrt else [()]:
            try:
                _, again = written(sd, path, losses=losses)
            except errors.ArgumentError as e:
                assert "SameDiff cannot hold this graph" in str(e)
                continue
            counted["gradients"] += losses is None
            counted["values"] += 1
            if not any(STREAM in node.attrs for node in sd.nodes):
                reached = [n for n in wrt if losses is None and again[n].has_gradient()]
                compare(sd, again, feeds, [v.name for v in outs], reached)
            break
        else:
            counted["refused"] += 1
    assert (counted["values"] == 0) == (name in NEVER), counted
    assert counted["refused"] == 0 or name in NEVER | SOME_REFUSED, counted
    if name in NO_GRADIENT:
        assert counted["gradients"] == 0 or name == "linalg.lstsq"


@pytest.mark.parametrize("start", range(40_000, 40_100, 20))
def test_random_programs(start, tmp_path):
    counted = 0
    for seed in range(start, start + 20):
        program = generate(seed)
        built = build_program(program, wide=True)
        sd, run = built.sd, program.runs[0]
        built.set_variables(run)
        feeds = built.arrays("placeholder", run)
        outs = [built.made[ref] for ref in program.outs]
        if any(STREAM in node.attrs for node in sd.nodes) or not all(
            map(ordinary, [*feeds.values(), *sd.values.values()])
        ):
            continue
        fetches = [v.name for v in outs if v.kind.name == "ARRAY" and not sd.is_gradient(v.id)]
        losses = [v for v in outs if v.dtype.kind == "f" and v.name in fetches and any_gradient(sd, v)]
        for chosen in [losses, []] if losses else [[]]:
            try:
                samediff.save(sd, tmp_path / "program.fb", losses=chosen)
            except errors.ArgumentError:
                continue
            file = demands.check((tmp_path / "program.fb").read_bytes())
            again = samediff.load(tmp_path / "program.fb", shapes={v.name: v.shape for v in sd.placeholders()})
            assert len(file.losses) == len({v.id for v in chosen})
            try:
                with np.errstate(all="ignore"):
                    sd.output(feeds, fetches)
            except errors.SDGraphError:
                break  # a program whose run is an error
            sd.set_loss_variables(chosen)
            wrt = [v.name for v in sd.trainable_variables() if v.has_gradient()] if chosen else []
            compare(sd, again, feeds, fetches, wrt, {"rtol": 1e-6, "atol": 1e-8})
            counted += 1
            break
    assert counted >= 5


def ordinary(array):
    """Whether no number is infinite, NaN, or so large or small that its square is."""
    sizes = np.abs(array.astype(float))
    return bool(np.all((sizes < 1e20) & ((sizes > 1e-20) | (sizes == 0))))


def any_gradient(sd, v):
    try:
        sd.grad(v, sd.trainable_variables())
    except errors.SDGraphError:
        return False
    return True


# ---------------------------------------------------------------------- losses


def regression(dtype="float64", **options):
    sd = SameDiff(dtype)
    x, y = sd.placeholder("x", (None, 4)), sd.placeholder("y", (None, 3))
    w = sd.var("w", np.linspace(-1, 1, 12).reshape(4, 3))
    z = sd.math.add(sd.mmul(x, w), sd.var("b", [0.1, 0.2, 0.3]), name="z")
    return sd, y, z, {"x": np.linspace(-1, 1, 20).reshape(5, 4), "y": np.eye(3)[[0, 1, 2, 0, 1]]}


NATIVE = {
    "absolute_difference": {}, "mean_squared_error": {}, "hinge_loss": {}, "huber_loss": {"delta": 0.7},
    "log_loss": {"epsilon": 0.01}, "log_poisson": {}, "sigmoid_cross_entropy": {}, "softmax_cross_entropy": {},
    "cosine_distance": {"dimension": 1},
}  # fmt: skip


@pytest.mark.parametrize("mode", LossReduce)
@pytest.mark.parametrize("name", NATIVE)
def test_a_loss_is_one_operation_with_its_reduction(name, mode, tmp_path):
    sd, y, z, feeds = regression()
    loss = getattr(sd.loss, name)(y, sd.nn.sigmoid(z), loss_reduce=mode, name="loss", **NATIVE[name])
    file, again = written(sd, tmp_path / "loss.fb")
    (node,) = [n for n in file.nodes if "loss" in n.outputs]
    if name == "softmax_cross_entropy" and mode is LossReduce.NONE:
        assert node.op not in demands.LOSSES  # a column there
        assert file.losses == ["loss/total"]
    else:
        assert node.op in demands.LOSSES and node.i[0] == mode.value
        assert file.losses == ["loss"]
        assert demands.numbers(file.operands(node)[1].array) == 1
    compare(sd, again, feeds, [loss.name], ["w", "b"])


def test_a_loss_behind_which_others_follow_is_written_as_its_body(tmp_path):
    sd, y, z, feeds = regression()
    total = sd.math.add(sd.loss.mean_squared_error(y, z, name="mse"), 0.01 * sd.loss.l2_loss(sd["w"]), name="total")
    file, again = written(sd, tmp_path / "a.fb")
    assert file.losses == ["total"] and not demands.LOSSES & {n.op for n in file.nodes}
    compare(sd, again, feeds, [total.name, "mse"], ["w", "b"])
    # One that only a metric follows stays.
    sd, y, z, feeds = regression()
    sd.set_loss_variables(sd.loss.mean_squared_error(y, z, name="mse"))
    sd.math.sqrt(sd["mse"], name="rmse")
    file, again = written(sd, tmp_path / "b.fb")
    assert "mean_sqerr_loss" in {n.op for n in file.nodes}
    compare(sd, again, feeds, ["rmse"], ["w", "b"])


def test_losses_are_those_of_the_graph_or_those_asked_for(tmp_path):
    path = tmp_path / "a.fb"
    sd, y, z, _ = regression()
    assert written(sd, path)[0].losses == []  # a prediction is no loss
    number = sd.sum(z * z, name="number")
    assert written(sd, path)[0].losses == ["number"]
    sd.loss.mean_squared_error(y, z, name="a")
    assert written(sd, path)[0].losses == ["a"]
    sd.set_loss_variables("a", number)
    assert written(sd, path)[0].losses == ["a", "number"]
    assert written(sd, path, losses=[number])[0].losses == ["number"]
    assert written(sd, path, losses=())[0].losses == []
    assert written(sd, path, losses="z")[0].losses == ["z/total"]
    with pytest.raises(errors.GradientError):
        samediff.save(sd, path, losses="w")
    with pytest.raises(errors.UnknownVariableError):
        samediff.save(sd, path, losses="nothing")


# ---------------------------------------------------------------------- corners of gradients


CORNERS = {
    "equal operands": lambda sd, x: sd.math.max(x, x * 1.0) + sd.math.min(x, x + 0.0),
    "a number": lambda sd, x: sd.math.max(x, 0.0) * sd.math.min(x, 1.0),
    "equal elements": lambda sd, x: sd.max(x, axis=1) + sd.min(x, axis=1) + sd.max(x),
    "zero factors": lambda sd, x: sd.prod(x, axis=1),
    "running zeros": lambda sd, x: sd.cumprod(x, axis=1),
    "a row of zeros": lambda sd, x: sd.norm2(x, axis=1),
    "bounds": lambda sd, x: sd.math.clip_by_value(x, 0.0, 1.0),
    "leaky at 0": lambda sd, x: sd.nn.leaky_relu(x, alpha=0.3) + sd.nn.elu(x, alpha=0.3),
    "large": lambda sd, x: sd.nn.swish(x * 1000) + sd.sum(sd.nn.log_softmax(x * 1000)),
    "halves": lambda sd, x: x * sd.math.round(x + 0.5),
    "a weight of 0": lambda sd, x: sd.math.multiply_no_nan(1.0 / x, x),
    "x log y": lambda sd, x: sd.math.xlogy(x, sd.math.abs(x)) + sd.math.xdivy(x, 2.0 * x + 0.0),
    "an infinity not taken": lambda sd, x: sd.math.exp(sd.where(x > 0, x, sd.constant("c", -np.inf))),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_gradients_at_corners_are_ours(corner, tmp_path):
    sd = SameDiff("float64")
    x = sd.var("x", [[0.0, 0.0, 0.0], [1.0, 0.0, 2.0], [1.0, 1.0, -1.0]])
    y = CORNERS[corner](sd, x)
    sd.set_loss_variables(sd.sum(y * 0.5, name="loss"))
    _, again = written(sd, tmp_path / "corner.fb")
    with np.errstate(all="ignore"):
        want = sd.calculate_gradients()["x"]
    kept = np.isfinite(want)
    assert kept.any()
    got = again.calculate_gradients()["x"]
    np.testing.assert_allclose(got[kept], want[kept], **FLOATS)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(again.output()["loss"], sd.output()["loss"], **FLOATS)


EDGES = {
    "step": lambda sd, x: sd.math.step(x) + sd.math.step(x, value=1.0),
    "log_sum_exp": lambda sd, x: sd.math.log_sum_exp(sd.where(x > 5, x, -np.inf), axis=1),
    "round": lambda sd, x: sd.math.round(x * 0.5),
}
# What SameDiff has for these gives other numbers there.
NOT_FOR_EDGES = {"step", "reduce_logsumexp", "round"}


@pytest.mark.parametrize("edge", EDGES)
def test_values_at_edges_are_ours(edge, tmp_path):
    sd = SameDiff("float64")
    y = EDGES[edge](sd, sd.placeholder("x", (2, 4)))
    file, again = written(sd, tmp_path / "edge.fb")
    assert not NOT_FOR_EDGES & {n.op for n in file.nodes}
    compare(sd, again, {"x": [[-1, 0, 1, 2], [3, 5, -3, 0.5]]}, [y.name], [])


# ---------------------------------------------------------------------- names, values, bytes


def test_names_are_those_of_the_graph_and_nodes_have_names_that_run(tmp_path):
    sd = SameDiff("float64")
    x = sd.placeholder("in put:x", (None, 3))
    with sd.name_scope("größe"):
        u = sd.math.mul(x, sd.var("a/b.c", [1.0, 2.0, 3.0]), name="mat:mul")
    first, second, third = sd.unstack(u, axis=1, num=3)
    total = sd.math.add(sd.sum(first * second, name="add"), sd.sum(third), name="reduce_sum")
    twice = sd.identity(total, name="matmul")
    file, again = written(sd, tmp_path / "names.fb")
    for v in sd.variables():
        if v.name not in {c.name for c in sd.variables("constant")}:
            assert v.name in file.by_name
    assert "größe/mat_mul" in {n.name for n in file.nodes}
    feeds = {"in put:x": np.arange(6.0).reshape(2, 3)}
    compare(sd, again, feeds, [v.name for v in (u, first, second, third, total, twice)], ["größe/a/b.c"])


def test_kinds_and_values(tmp_path):
    sd = SameDiff("float64")
    values = {
        "f16": np.float16([0.5, 2]), "f32": np.float32([[1], [2]]), "f64": np.float64(2.5), "i8": np.int8([-3]),
        "i16": np.int16([300]), "i32": np.int32([[1, -2]]), "i64": np.int64([2**40]), "u8": np.uint8([200]),
        "flag": np.array([True, False]), "empty": np.zeros((0, 3)), "turned": np.arange(6.0).reshape(2, 3).T,
    }  # fmt: skip
    for name, value in values.items():
        sd.constant(name, value)
    sd.var("trained", values["turned"])
    sd.var("count", np.int32([1, 2]))
    sd.convert_to_constant(sd.var("frozen", [1.0]))
    file, again = written(sd, tmp_path / "values.fb")
    for name, value in {**values, "trained": values["turned"]}.items():
        np.testing.assert_array_equal(demands.numbers(file.by_name[name].array), value)
        np.testing.assert_array_equal(again[name].value, value, strict=True)
    kinds = {v.name: v.kind for v in file.variables}
    assert kinds["trained"] == demands.VARIABLE
    # SameDiff would train them.
    assert kinds["count"] == kinds["frozen"] == demands.CONSTANT


def test_appended_gradients_are_left_out_unless_others_use_them(tmp_path):
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    y = sd.sum(x**3, name="y")
    g = sd.grad(y, x)
    file, _ = written(sd, tmp_path / "a.fb", losses="y")
    assert g.name not in file.by_name
    penalty = sd.sum(g * g, name="penalty")
    file, again = written(sd, tmp_path / "b.fb", losses=penalty)
    assert g.name in file.by_name
    sd.set_loss_variables(penalty)
    compare(sd, again, {}, ["penalty"], ["x"])


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    sd, y, z, _ = regression()
    sd.loss.softmax_cross_entropy(y, z, name="loss")
    a, b = (samediff.save(g, tmp_path / f"{k}.fb").read_bytes() for k, g in enumerate((sd, sd.copy())))
    assert a == b
    before = [repr(v) for v in sd.variables()]
    samediff.save(sd, tmp_path / "0.fb")
    assert [repr(v) for v in sd.variables()] == before
    assert (tmp_path / "0.fb").read_bytes() == a


def test_a_chain_of_many_nodes(tmp_path):
    sd = SameDiff("float64")
    x = sd.var("x", 1.0)
    for _ in range(3000):
        x = x * 1.0001
    sd.set_loss_variables(x)
    _, again = written(sd, tmp_path / "long.fb")
    compare(sd, again, {}, [x.name], ["x"])


BOOLS = {
    "sum": lambda sd, x, y: x + y, "product": lambda sd, x, y: x * y, "maximum": lambda sd, x, y: sd.math.max(x, y),
    "minimum": lambda sd, x, y: sd.math.min(x, y), "largest": lambda sd, x, y: sd.max(x, axis=0),
    "smallest": lambda sd, x, y: sd.min(x, axis=1, keepdims=True), "choice": lambda sd, x, y: sd.where(x, y, x),
    "count": lambda sd, x, y: sd.sum(x, axis=1), "copies": lambda sd, x, y: sd.broadcast_to(y, (2, 3)),
    "logic": lambda sd, x, y: sd.math.and_(sd.math.or_(x, y), sd.math.xor(x, sd.math.not_(y))),
}  # fmt: skip


@pytest.mark.parametrize("name", BOOLS)
def test_bools(name, tmp_path):
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", (2, 3), "bool"), sd.placeholder("y", (3,), "bool")
    result = BOOLS[name](sd, x, y)
    _, again = written(sd, tmp_path / "bools.fb")
    compare(sd, again, {"x": [[1, 0, 1], [0, 0, 1]], "y": [1, 0, 0]}, [result.name], [])


INTEGERS = {
    "arithmetic": lambda sd, x: (x + 3) * x - 2,
    "quotients": lambda sd, x: x / 2 + x // 2 + x % 3,
    "remainders": lambda sd, x: x // -3 * 1000 + x % -3 * 10 + sd.math.fmod(x, -3),
    "sums": lambda sd, x: sd.cumsum(x, axis=1) + sd.sum(x, axis=0),
    "extremes": lambda sd, x: sd.max(x, axis=1),
    "places": lambda sd, x: sd.argmax(x) + sd.argmin(x, axis=(0, 1)),
    "bits": lambda sd, x: sd.bitwise.bit_rotr(x, 5),
    "distance": lambda sd, x: sd.bitwise.bits_hamming_distance(x, x * 3),
    "clip": lambda sd, x: sd.math.max(x, -1),
    "norms": lambda sd, x: sd.norm1(x, axis=1) + sd.squared_norm(x) + sd.normmax(x),
    "rectified": lambda sd, x: sd.nn.relu(x) + sd.nn.relu6(x) + sd.math.clip_by_value(x, -1, 3),
    "rounded": lambda sd, x: sd.math.floor(x) + sd.math.ceil(x) + sd.math.round(x),
    "powers": lambda sd, x: x**2,
    "backwards": lambda sd, x: x[::-1, 2:0:-1],
}


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64"])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name, dtype, tmp_path):
    sd = SameDiff("float64")
    result = INTEGERS[name](sd, sd.placeholder("x", (2, 3), dtype))
    _, again = written(sd, tmp_path / "integers.fb")
    compare(sd, again, {"x": np.array([[7, -7, 100], [2, 0, -100]], dtype)}, [result.name], [])


# ---------------------------------------------------------------------- refusals


def test_everything_that_cannot_be_held_is_named_at_once_and_nothing_is_written(tmp_path):
    path = tmp_path / "model.fb"
    path.write_bytes(b"old")
    sd = SameDiff("float64")
    x = sd.var("x", [[2.0, 1.0], [1.0, 3.0]])
    sd.linalg.qr(x, name="factors")
    sd.constant("wide", np.uint32([1]))
    inverse = sd.linalg.matrix_inverse(x, name="inverse")
    sd.set_loss_variables(sd.sum(inverse, name="loss"))
    with pytest.raises(errors.ArgumentError) as e:
        samediff.save(sd, path)
    said = str(e.value)
    for part in ("linalg.qr", "'wide'", "uint32", "linalg.matrix_inverse", "'inverse'", "gradient"):
        assert part in said
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["model.fb"]


def test_what_only_lacks_a_gradient_is_written_without_losses(tmp_path):
    sd = SameDiff("float64")
    x = sd.var("x", [[2.0, 1.0], [1.0, 3.0]])
    sd.set_loss_variables(sd.sum(sd.linalg.matrix_inverse(x, name="inverse"), name="loss"))
    with pytest.raises(errors.ArgumentError, match=r"losses=\(\)"):
        samediff.save(sd, tmp_path / "a.fb")
    file, again = written(sd, tmp_path / "a.fb", losses=())
    assert file.losses == []
    compare(sd, again, {}, ["loss", "inverse"], [])


def test_what_follows_from_what_is_refused_is_not_told_again(tmp_path):
    sd = SameDiff("float64")
    a = sd.constant("a", np.uint32([1, 2]))
    b = a + a
    (b * b).cast("float64")
    with pytest.raises(errors.ArgumentError) as e:
        samediff.save(sd, tmp_path / "a.fb")
    assert e.value.given.count("uint32") == 1 and "'a'" in e.value.given


def test_without_flatbuffers_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(errors.MissingDependencyError, match="samediff"):
        samediff.save(regression()[0], tmp_path / "a.fb")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        samediff.save(regression()[0], tmp_path / "nowhere" / "a.fb")


@pytest.mark.parametrize("bad", [None, 3, "model", [SameDiff()]])
def test_only_graphs_are_saved(bad, tmp_path):
    with pytest.raises(errors.ArgumentTypeError):
        samediff.save(bad, tmp_path / "a.fb")


# ---------------------------------------------------------------------- training


def adam(sd, **state):
    return Training(
        {
            "updater": {"class": "Adam", "learning_rate": 0.05, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3},
            "data_set_feature_mapping": ["x"],
            "data_set_label_mapping": ["y"],
            "iteration_count": 3,
        },
        {v.name: {"M": np.full(v.shape, 0.1), "V": np.full(v.shape, 0.2)} for v in sd.trainable_variables()} | state,
    )


def test_training_goes_on_from_there(tmp_path):
    sd, y, z, _ = regression()
    sd.loss.mean_squared_error(y, z, name="loss")
    file, _ = written(sd, tmp_path / "a.fb", training=adam(sd))
    config = json.loads(file.config)
    assert config["updater"] == {
        "@class": "org.nd4j.linalg.learning.config.Adam", "learningRate": 0.05, "beta1": 0.8, "beta2": 0.9,
        "epsilon": 1e-3,
    }  # fmt: skip
    assert (config["iterationCount"], config["dataSetFeatureMapping"]) == (3, ["x"])
    assert file.state.keys() == {"w", "b"}
    np.testing.assert_array_equal(demands.numbers(file.state["b"]["V"]), np.full(3, 0.2))
    again = samediff.load_training(tmp_path / "a.fb")
    assert again.settings == adam(sd).settings
    # Without a state SameDiff starts at 0.
    file, _ = written(sd, tmp_path / "a.fb", training=Training({"updater": {"class": "Sgd", "learning_rate": 0.1}}))
    assert not file.state and json.loads(file.config)["iterationCount"] == 0


def same_state(one, other):
    """Whether files have the same arrays of an updater."""
    assert {v: {*kept} for v, kept in one.state.items()} == {v: {*kept} for v, kept in other.state.items()}
    for name, kept in one.state.items():
        for key, array in kept.items():
            np.testing.assert_array_equal(demands.numbers(other.state[name][key]), demands.numbers(array))


def test_a_graph_that_was_read_takes_its_training_along(tmp_path):
    sd, y, z, _ = regression()
    sd.loss.mean_squared_error(y, z, name="loss")
    assert sd.training_config is None and sd.updater_state is None
    before, read = written(sd, tmp_path / "a.fb", training=adam(sd))
    assert read.training_config.updater == Adam(0.05, 0.8, 0.9, 1e-3) and read.updater_state.iteration == 3
    for again in (read, read.copy(), pickle.loads(pickle.dumps(read))):
        file, _ = written(again, tmp_path / "b.fb")
        assert json.loads(before.config).items() <= json.loads(file.config).items()
        assert file.state.keys() == {"w", "b"}
        same_state(before, file)
    file, _ = written(read, tmp_path / "b.fb", training=False)
    assert file.config is None and not file.state
    # A variable that came later has no state yet.
    read.set_loss_variables(read["loss"] + read.var("more", 1.0))
    with pytest.raises(errors.ArgumentError, match=r"(?s)'more'.*training=False"):
        samediff.save(read, tmp_path / "b.fb")
    read.updater_state = None
    file, _ = written(read, tmp_path / "b.fb")
    assert file.config is not None and not file.state


def test_what_was_trained_here_goes_on_there(tmp_path):
    """SameDiff wants a state of each variable, also of one that no loss depends on."""
    sd, y, z, _ = regression()
    sd.loss.mean_squared_error(y, z, name="loss")
    sd.var("alone", np.ones(2))
    config = TrainingConfig(updater=RmsProp(0.01), data_set_feature_mapping="x", data_set_label_mapping="y", l2=0.5)
    sd.set_training_config(config)
    rng = np.random.default_rng(0)
    batches = [DataSet(rng.normal(size=(5, 4)), rng.normal(size=(5, 3))) for _ in range(3)]
    sd.fit(batches, epochs=2)
    file, again = written(sd, tmp_path / "a.fb")
    written_config = json.loads(file.config)
    assert (written_config["iterationCount"], written_config["epochCount"]) == (6, 2)
    assert file.state.keys() == {"w", "b", "alone"}
    for name in ("w", "b"):
        np.testing.assert_array_equal(demands.numbers(file.state[name]["G"]), sd.updater_state.slots[name]["G"])
    np.testing.assert_array_equal(demands.numbers(file.state["alone"]["G"]), np.full(2, 1e-8))
    # And back: two that go on stay the same.
    for graph in (sd, again):
        graph.fit(batches)
    for name in ("w", "b"):
        np.testing.assert_array_equal(sd[name].value, again[name].value)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (lambda sd: 3, "no training"),
        (lambda sd: Training({}), "no updater"),
        (lambda sd: Training({"updater": {"class": "Sgd", "learning_rate": object()}}), "plain values"),
        (lambda sd: Training(adam(sd).settings, {"w": adam(sd).state["w"]}), "lacks variables.*"),
        (lambda sd: adam(sd, b={"M": np.zeros(3)}), "not that of Adam"),
        (lambda sd: adam(sd, b={"M": np.zeros(2), "V": np.zeros(3)}), "not like the variable"),
        (lambda sd: adam(sd, b={"M": np.zeros(3, "f4"), "V": np.zeros(3)}), "not like the variable"),
    ],
)
def test_training_that_would_not_go_on_is_refused(training, said, tmp_path):
    sd, y, z, _ = regression()
    sd.loss.mean_squared_error(y, z, name="loss")
    with pytest.raises(errors.SDGraphError, match=said):
        samediff.save(sd, tmp_path / "a.fb", training=training(sd))
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------- the page


def ops_of_rows(title):
    """The ops that the first columns of a table name, by their qualified names."""
    page = (Path(__file__).parents[3] / "docs/howto/from_samediff.md").read_text(encoding="utf-8")
    table = page.partition(f"| {title} | because |\n")[2].partition("\n\n")[0]
    firsts = [row.split("|")[1] for row in table.splitlines()[1:]]
    return {name for first in firsts for name in re.findall(r"`([^`]+)`", first) if name in REGISTRY}


def test_the_page_names_what_is_refused():
    assert ops_of_rows("Refused") == NEVER
    assert ops_of_rows("Refused where a gradient passes") == NO_GRADIENT

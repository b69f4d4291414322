"""What a model is made of: names, shapes, functions, metadata, files, and what is said where none can be made."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdgraph
from sdgraph import LossReduce, Namespace, SameDiff, SDVariable, composite, errors, primitive
from sdgraph.build.op import REGISTRY
from sdgraph.build.variable import Operand
from tests.files.onnx.running import checked, in_reference, in_runtime, onnx, put_in, session
from tests.graph_state import graph_state
from tests.hostile import HOSTILE, LONGEST
from tests.ops.samples import samples_of

pytestmark = [pytest.mark.any_engine, pytest.mark.peers]


def network(dtype="float32"):
    """Two layers in scopes, a loss, and what to feed."""
    sd = SameDiff(dtype, seed=3)
    x, y = sd.placeholder("x", ("batch", 3)), sd.placeholder("y", ("batch", 1))
    with sd.name_scope("first"):
        w = sd.var("w", np.linspace(-1, 1, 12).reshape(3, 4).astype(dtype))
        h = sd.nn.tanh(x @ w, name="h")
    with sd.name_scope("second"):
        v = sd.var("v", np.linspace(-2, 1, 4).reshape(4, 1).astype(dtype))
        z = sd.math.add(h @ v, sd.constant("b", 0.5), name="z")
    loss = sd.loss.sigmoid_cross_entropy(y, z, name="loss")
    return sd, loss, [w, v]


def batch(n, dtype="float32"):
    rng = np.random.default_rng(n)
    return {"x": rng.normal(size=(n, 3)).astype(dtype), "y": (rng.random((n, 1)) < 0.5).astype(dtype)}


def entries(proto):
    return {entry.key: entry.value for entry in proto.metadata_props}


def node_of(model, output):
    (found,) = [n for n in model.graph.node if output in n.output]
    return found


# ---------------------------------------------------------------------- the graph


def test_names_of_inputs_outputs_and_values_are_those_of_the_graph():
    sd, loss, wrt = network()
    grads = sd.grad(loss, wrt)
    model = checked(sd.to_onnx([loss, *grads]))
    assert [v.name for v in model.graph.input] == ["x", "y"]
    assert [v.name for v in model.graph.output] == ["loss", "grad/first/w", "grad/second/v"]
    assert {"first/w", "second/v", "second/b"} <= {t.name for t in model.graph.initializer}
    made = {name for node in model.graph.node for name in node.output}
    assert {"first/h", "second/z", "loss"} <= made
    for node in model.graph.node:
        assert node.name == node.output[0]
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)


def test_one_node_of_the_graph_is_one_node_of_the_model():
    sd, loss, wrt = network()
    grads = sd.grad(loss, wrt)
    model = sd.to_onnx([loss, *grads])
    made = {v.name for v in sd.variables("array", gradients=True)}
    assert {node.output[0] for node in model.graph.node} <= made
    assert len(model.graph.node) == len({node.output[0] for node in model.graph.node})


@pytest.mark.parametrize("reduce", LossReduce)
def test_a_loss_is_one_node_and_so_is_its_gradient(reduce):
    sd = SameDiff()
    p, y = sd.placeholder("p", (None, 3)), sd.placeholder("y", (None, 3))
    loss = sd.loss.huber_loss(y, p, loss_reduce=reduce, name="loss")
    model = checked(sd.to_onnx([loss, sd.grad(loss, p)]))
    assert node_of(model, "loss").op_type == "loss.huber_loss"
    assert node_of(model, "loss").domain == "ai.sdgraph"
    assert node_of(model, "grad/p").op_type == "loss.huber_loss_vjp"
    functions = {f.name: f for f in model.functions}
    assert functions["loss.huber_loss"].doc_string.startswith("Huber loss")
    assert list(functions["loss.huber_loss"].input) == ["label", "predictions"]


@pytest.mark.parametrize("name", [name for name, op in REGISTRY.items() if op.is_loss and op.is_ours])
def test_every_loss_is_a_card_of_its_name(name):
    sd = SameDiff("float32")
    outs, _ = put_in(sd, samples_of(name), "float32")
    model = sd.to_onnx([v for (v,) in outs])
    cards = {n.output[0]: n for n in model.graph.node}
    for (v,) in outs:
        node = cards[v.name]
        assert node.domain == "ai.sdgraph" and re.sub(r"_\d+$", "", node.op_type) == name
        assert entries(node)["sdgraph.op"] == name


def test_one_function_for_all_calls_of_one_sort():
    sd = SameDiff()
    xs = [sd.placeholder(f"x{k}", (2, 3)) for k in range(3)]
    ys = [sd.math.log1p(x) for x in xs] + [sd.math.log1p(sd.placeholder("other", (4,)))]
    ys += [sd.cumprod(xs[0], 0), sd.cumprod(xs[0], 1)]
    model = checked(sd.to_onnx(ys))
    assert [n.op_type for n in model.graph.node] == ["math.log1p"] * 4 + ["cumprod", "cumprod_1"]
    assert [f.name for f in model.functions] == ["math.log1p", "cumprod", "cumprod_1"]


def test_calls_of_several_sizes_share_a_function_where_they_are_written_alike():
    sd = SameDiff()
    h = sd.placeholder("x", ("batch", 5))
    weights = []
    for k, n in enumerate((4, 3, 2)):
        weights.append(sd.var(f"w{k}", shape=(h.shape[-1], n)))
        h = sd.nn.tanh(sd.nn.linear(h, weights[-1], sd.var(f"b{k}", shape=(n,))))
    loss = sd.loss.l2_loss(h)
    model = checked(sd.to_onnx([loss, *sd.grad(loss, sd.trainable_variables())]))
    inside = {(re.sub(r"_\d+$", "", f.name), str(f.node), str(f.input)) for f in model.functions}
    assert len(inside) == len(model.functions)


def test_without_functions_all_operators_stand_in_the_graph():
    sd, loss, wrt = network()
    fetches = [loss, *sd.grad(loss, wrt)]
    model = checked(sd.to_onnx(fetches, functions=False))
    assert not model.functions and {n.domain for n in model.graph.node} == {""}
    assert [entry.domain for entry in model.opset_import] == [""]
    want = sd.output(batch(5), fetches)
    for name, value in in_runtime(model, batch(5)).items():
        np.testing.assert_allclose(value, want[name], rtol=1e-5, atol=1e-7)


def test_every_value_has_shape_and_type():
    sd, loss, wrt = network()
    model = sd.to_onnx([loss, *sd.grad(loss, wrt)])
    graph = model.graph
    known = {v.name: v for v in [*graph.value_info, *graph.output]}
    for node in graph.node:
        assert {*node.output} <= known.keys()
    h = known["first/h"].type.tensor_type
    assert h.elem_type == onnx.TensorProto.FLOAT
    assert [d.dim_param or d.dim_value for d in h.shape.dim] == ["batch", 4]


def test_unknown_sizes_keep_their_names_and_get_one_where_they_have_none():
    sd = SameDiff()
    x = sd.placeholder("x", (None, "time", 3))
    y = sd.placeholder("y", (None,))
    model = checked(sd.to_onnx([sd.sum(x, axis=2), sd.sum(y)]))
    shapes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
    assert shapes == {"x": ["unk_0", "time", 3], "y": ["unk_1"]}


def test_an_unknown_size_never_gets_the_name_of_another():
    sd = SameDiff()
    x, y = sd.placeholder("x", ("unk_0", 2)), sd.placeholder("y", (None,))
    model = checked(sd.to_onnx([sd.sum(x, axis=1), sd.sum(y)]))
    assert [v.type.tensor_type.shape.dim[0].dim_param for v in model.graph.input] == ["unk_0", "unk_0_1"]


@pytest.mark.parametrize("settings", [{}, {"functions": False}, {"target": "basic"}, {"opset": 18}], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_model_for_every_size_of_a_batch(dtype, settings):
    sd, loss, wrt = network(dtype)
    fetches = [loss, *sd.grad(loss, wrt)]
    model = checked(sd.to_onnx(fetches, **settings))
    for n in (1, 2, 7, 64):
        want = sd.output(batch(n, dtype), fetches, engine="numpy")
        for run in (in_reference, in_runtime):
            for name, value in run(model, batch(n, dtype)).items():
                np.testing.assert_allclose(value, want[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_only_what_the_fetches_need_is_there():
    sd, loss, _ = network()
    model = sd.to_onnx("first/h")
    assert [v.name for v in model.graph.input] == ["x"]
    assert [t.name for t in model.graph.initializer] == ["first/w"]
    assert loss.name not in {n.name for n in model.graph.node}


def test_what_is_no_result_of_an_op_can_be_fetched():
    sd = SameDiff()
    x = sd.placeholder("x", (2,))
    w, c = sd.var("w", [1.0, 2.0]), sd.constant("c", 3.0)
    model = checked(sd.to_onnx([x, w, c, x * w, x]))
    assert [v.name for v in model.graph.output] == ["x", "w", "c", "mul"]
    got = in_runtime(model, {"x": np.array([3.0, 4.0], "f")})
    assert got["x"].tolist() == [3, 4] and got["w"].tolist() == [1, 2] and got["c"] == 3


def test_several_outputs_have_the_names_of_their_variables():
    sd = SameDiff()
    x = sd.placeholder("x", (4, 3))
    a, b = sd.nn.top_k(x, k=2, name="best")
    mean, _ = sd.math.moments(x, axis=0)
    parts = sd.split(x, 2)
    model = checked(sd.to_onnx([b, mean, parts[1]]))
    assert [v.name for v in model.graph.output] == [b.name, mean.name, parts[1].name]
    feeds = {"x": np.random.default_rng(0).normal(size=(4, 3)).astype("f")}
    want = sd.output(feeds, [b, mean, parts[1]])
    for name, value in in_runtime(model, feeds).items():
        np.testing.assert_allclose(value, want[name], rtol=1e-5)
    assert [n.name for n in model.graph.node] == ["best", "moments", "split"]
    assert a.name not in {v.name for v in model.graph.output}


def test_outputs_that_gradients_look_at_once_more():
    sd = SameDiff()
    x = sd.placeholder("x", (4, 3))
    values, places = sd.nn.top_k(x, k=2)
    fetches = [values, places, sd.grad(sd.sum(values * values), x)]
    model = checked(sd.to_onnx(fetches))
    feeds = {"x": np.random.default_rng(0).normal(size=(4, 3)).astype("f")}
    want = sd.output(feeds, fetches)
    for name, value in in_runtime(model, feeds).items():
        np.testing.assert_allclose(value, want[name], rtol=1e-5, err_msg=name)


def test_names_of_any_kind():
    """Names that what is inside has, too, that look like parts of others, and in other letters."""
    sd = SameDiff()
    x = sd.placeholder("constant", (2, 3))
    y = sd.math.log1p(x, name="label")
    z = sd.sum(y, axis=1, name="sum")
    u = sd.math.log1p(z, name="sum/constant")
    loss = sd.loss.huber_loss(u, z, name="größe ψ \"'<>&")
    for functions in (True, False):
        model = checked(sd.to_onnx([loss, u], functions=functions))
        feeds = {"constant": np.arange(6, dtype="f").reshape(2, 3)}
        want = sd.output(feeds, [loss, u])
        for run in (in_reference, in_runtime):
            for name, value in run(model, feeds).items():
                np.testing.assert_allclose(value, want[name], rtol=1e-5)


def test_a_graph_is_left_as_it_was():
    sd, loss, _ = network()
    before = graph_state(sd)
    sd.to_onnx(loss)
    assert graph_state(sd) == before


# ---------------------------------------------------------------------- metadata


def test_nodes_know_their_op_settings_scope_and_line():
    sd, loss, wrt = network()
    model = sd.to_onnx([loss, *sd.grad(loss, wrt)])
    about = entries(node_of(model, "first/h"))
    assert about["sdgraph.op"] == "nn.tanh" and about["namespace"] == "first"
    assert about["sdgraph.origin"].startswith("test_export.py:")
    about = entries(node_of(model, "loss"))
    assert about["sdgraph.op"] == "loss.sigmoid_cross_entropy" and "namespace" not in about
    assert json.loads(about["sdgraph.attrs"]) == {
        "label_smoothing": 0.0,
        "loss_reduce": {"LossReduce": "MEAN_BY_NONZERO_WEIGHT_COUNT"},
    }
    (w,) = [t for t in model.graph.initializer if t.name == "first/w"]
    assert entries(w)["sdgraph.kind"] == "variable"
    assert entries(model.graph.input[0])["sdgraph.origin"].startswith("test_export.py:")
    assert node_of(model, "loss").doc_string


def test_the_model_knows_losses_seed_version_and_what_is_trained():
    sd, loss, _ = network()
    model = sd.to_onnx(loss)
    about = entries(model)
    assert about == {
        "sdgraph.version": sdgraph.__version__,
        "sdgraph.seed": "3",
        "sdgraph.dtype": "float32",
        "sdgraph.losses": '["loss"]',
        "sdgraph.trainable": '["first/w", "second/v"]',
    }
    assert (model.producer_name, model.producer_version) == ("sdgraph", sdgraph.__version__)


def test_whole_numbers_are_not_trained():
    sd = SameDiff()
    y = sd.var("w", [1.0]) * sd.var("n", np.array([2]))
    assert entries(sd.to_onnx(y))["sdgraph.trainable"] == '["w"]'


def test_lines_can_be_left_out():
    sd, loss, wrt = network()
    model = sd.to_onnx([loss, *sd.grad(loss, wrt)], origins=False)
    assert "test_export" not in str(model)
    assert "/" not in entries(node_of(sd.to_onnx(loss), "loss"))["sdgraph.origin"]


def test_the_same_graph_gives_the_same_bytes():
    first, second = ([sd.to_onnx(loss).SerializeToString(deterministic=True)] for sd, loss, _ in (network(), network()))
    assert first == second


# ---------------------------------------------------------------------- operators


FOR_NETWORKS = {
    "Softplus", "Sigmoid", "Softmax", "LogSoftmax", "Relu", "LeakyRelu", "Elu", "Selu", "Gelu", "Softsign", "PRelu",
    "HardSigmoid", "Gemm", "LayerNormalization", "Clip", "ReduceMean", "ReduceL1", "ReduceSumSquare", "Erf",
}  # fmt: skip


def operators(model):
    return {n.op_type for n in [*model.graph.node, *(n for f in model.functions for n in f.node)] if not n.domain}


def of_networks(sd):
    x, w, b = sd.placeholder("x", (2, 3)), sd.var("w", shape=(3, 3)), sd.var("b", shape=(3,))
    nn = sd.nn
    return [
        nn.softplus(x), nn.sigmoid(x), nn.softmax(x), nn.log_softmax(x), nn.relu(x), nn.leaky_relu(x), nn.elu(x),
        nn.selu(x), nn.gelu(x), nn.softsign(x), nn.hard_sigmoid(x), nn.linear(x, w, b), nn.layer_norm(x, b, b),
        nn.hard_tanh(x), nn.prelu(x, b), sd.mean(x), sd.norm1(x), sd.squared_norm(x), sd.math.erf(x),
    ]  # fmt: skip


def test_standard_models_have_the_operators_for_networks_and_basic_ones_have_not():
    sd = SameDiff("float32")
    fetches = of_networks(sd)
    model = sd.to_onnx(fetches, opset=21)
    assert operators(model) & FOR_NETWORKS == FOR_NETWORKS
    assert not operators(sd.to_onnx(fetches, target="basic")) & FOR_NETWORKS


BASIC = {
    # Elementwise.
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift", "BitwiseAnd", "BitwiseNot",
    "BitwiseOr", "BitwiseXor", "Cast", "Ceil", "Cos", "Cosh", "Div", "Equal", "Exp", "Floor", "Greater",
    "GreaterOrEqual", "Less", "LessOrEqual", "Log", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal",
    "Round", "Sign", "Sin", "Sinh", "Sqrt", "Sub", "Sum", "Tan", "Tanh", "Where", "Xor",
    # Along axes.
    "ArgMax", "ArgMin", "CumProd", "CumSum", "Det", "MatMul", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum",
    "Scan", "TopK", "Trilu",
    # Sliding windows.
    "Conv", "ConvTranspose", "MaxPool",
    # Arrangement.
    "Compress", "Concat", "Constant", "ConstantOfShape", "Expand", "Gather", "GatherElements", "GatherND", "Identity",
    "Pad", "Range", "Reshape", "ReverseSequence", "ScatterElements", "ScatterND", "Shape", "Slice", "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip


@pytest.mark.parametrize("opset", [18, 26])
def test_basic_models_have_few_operators(opset):
    from tests.files.onnx.test_every_op import EXPORTED

    found = set()
    for name in EXPORTED:
        sd = SameDiff("float32")
        outs, _ = put_in(sd, samples_of(name)[:4], "float32")
        found |= operators(sd.to_onnx([v for several in outs for v in several], opset=opset, target="basic"))
    assert not found - BASIC
    assert not BASIC - found - {"CumProd", "Scan"}


def test_doubles_are_computed_with_operators_that_have_them():
    """What has settings in single precision, or no kernel for doubles, is written out."""
    sd = SameDiff("float64")
    fetches = of_networks(sd)
    lacking = {
        "Softplus",
        "Sigmoid",
        "LogSoftmax",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Gelu",
        "Softsign",
        "HardSigmoid",
        "Erf",
    }
    assert not operators(sd.to_onnx(fetches)) & (lacking | {"LayerNormalization"})


def test_the_opset_is_the_one_that_was_asked_for():
    sd, loss, _ = network()
    for opset in (18, 21, onnx.defs.onnx_opset_version()):
        model = checked(sd.to_onnx(loss, opset=opset))
        assert [(i.domain, i.version) for i in model.opset_import] == [("", opset), ("ai.sdgraph", 1)]
        assert {i.version for f in model.functions for i in f.opset_import if not i.domain} == {opset}
    assert sd.to_onnx(loss).ir_version == 10
    older = sd.to_onnx(loss, opset=18)
    assert older.ir_version == 8 and not node_of(older, "loss").metadata_props


# ---------------------------------------------------------------------- numbers

EXTREMES = [-1000.0, -104.0, -80.0, -20.0, -1e-6, 0.0, 1e-6, 20.0, 80.0, 104.0, 1000.0]


def extreme_losses(sd, x):
    ones, zeros = np.ones(len(EXTREMES)), np.zeros(len(EXTREMES))
    none = {"loss_reduce": LossReduce.NONE}
    return [
        sd.loss.sigmoid_cross_entropy(ones, x, **none),
        sd.loss.sigmoid_cross_entropy(zeros, x, **none),
        sd.loss.weighted_cross_entropy_with_logits(ones, x, 2.0),
        sd.keras.binary_crossentropy(ones, x, from_logits=True, reduction="none"),
        sd.nn.softplus(x),
        sd.nn.log_sigmoid(x),
        sd.math.log1p(sd.math.exp(-sd.math.abs(x))),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_are_stable(dtype):
    """No digit of a loss or of its gradient is lost to 1 + something small, and nothing overflows."""
    sd = SameDiff(dtype)
    x = sd.placeholder("x", (len(EXTREMES),))
    losses = extreme_losses(sd, x)
    fetches = [*losses, *[sd.grad(v, x) for v in losses]]
    feeds = {"x": np.array(EXTREMES, dtype)}
    want = sd.output(feeds, fetches, engine="numpy")
    model = checked(sd.to_onnx(fetches))
    rtol = {"float32": 2e-5, "float64": 1e-12}[dtype]
    tiny = float(np.finfo(dtype).tiny)  # Below it a runtime may flush to 0.
    # Softplus of the evaluator overflows in some versions of onnx; doubles are written without it.
    for run in (in_reference, in_runtime) if dtype == "float64" else (in_runtime,):
        for name, value in run(model, feeds).items():
            np.testing.assert_allclose(value, want[name], rtol=rtol, atol=tiny, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["log1p", "expm1", "erfc", "erf", "sinh", "hypot", "asinh"])
def test_functions_that_onnx_lacks_keep_their_digits(name, dtype):
    sd = SameDiff(dtype)
    values = [1e-30, 1e-9, -1e-9, 1e-4, -0.4, 0.49, 0.51, 3.0, 8.0]
    x = sd.placeholder("x", (len(values),))
    y = sd.math.hypot(x, 1e-9) if name == "hypot" else getattr(sd.math, name)(x)
    feeds = {"x": np.array(values, dtype)}
    model = checked(sd.to_onnx(y))
    runs = [in_reference] if (name, dtype) == ("asinh", "float64") else [in_reference, in_runtime]
    for run in runs:
        (value,) = run(model, feeds).values()
        rtol = {"float32": 1e-6, "float64": 1e-14}[dtype]
        np.testing.assert_allclose(value, y.eval(feeds, engine="numpy"), rtol=rtol)


def test_infinite_and_undefined_numbers():
    sd = SameDiff("float32")
    x = sd.placeholder("x", (5,))
    m = sd.math
    fetches = [m.log1p(x), m.expm1(x), m.is_nan(x), m.is_finite(x), m.is_infinite(x), m.hypot(x, 1.0), m.max(x, 0.0),
               m.atan2(x, x), m.clip_by_value(x, -1, 1), sd.nn.relu(x), m.divide_no_nan(x, 0.0)]  # fmt: skip
    feeds = {"x": np.array([np.inf, -np.inf, np.nan, 0.0, -2.0], "f")}
    want = sd.output(feeds, fetches, engine="numpy")
    model = checked(sd.to_onnx(fetches))
    for run in (in_reference, in_runtime):
        for name, value in run(model, feeds).items():
            np.testing.assert_allclose(value, want[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("dtype", ["float16", "int8", "int32", "uint8", "bool"])
def test_other_dtypes_are_those_of_the_graph(dtype):
    """Types follow numpy's rules: what is wider there is wider in the model."""
    sd = SameDiff("float32")
    x, y = sd.placeholder("x", (4,), dtype=dtype), sd.placeholder("y", (4,), dtype=dtype)
    m = sd.math
    fetches = [m.add(x, y), m.mul(x, y), m.max(x, y), sd.sum(x), sd.mean(x), sd.max(x), sd.lt(x, y), sd.eq(x, y),
               sd.where(x > y, x, y), m.exp(x), sd.cumsum(x), x.cast("float32"), m.div(x, y + 1), sd.any(x),
               sd.concat(x, y), sd.gather(x, [0, 2]), m.and_(x, y)]  # fmt: skip
    if dtype != "bool":
        fetches += [m.sub(x, y), m.floor_div(x, y + 1), m.floor_mod(x, y + 1), m.pow(x, 2), sd.argmax(x), m.sign(x)]
    feeds = {"x": np.array([3, 1, 0, 2]).astype(dtype), "y": np.array([1, 2, 0, 7]).astype(dtype)}
    want = sd.output(feeds, fetches, engine="numpy")
    for name, value in in_reference(checked(sd.to_onnx(fetches)), feeds).items():
        assert (value.dtype, value.shape) == (want[name].dtype, want[name].shape), name
        np.testing.assert_allclose(value.astype(float), want[name].astype(float), rtol=2e-3, err_msg=name)


def test_integers_are_divided_as_numpy_divides_them():
    sd = SameDiff()
    x, y = sd.placeholder("x", (6,), dtype="int64"), sd.placeholder("y", (6,), dtype="int64")
    m = sd.math
    fetches = [m.floor_div(x, y), m.floor_mod(x, y), m.fmod(x, y), m.div(x, y)]
    feeds = {"x": np.array([7, -7, 7, -7, 0, 6]), "y": np.array([2, 2, -2, -2, 5, -3])}
    want = sd.output(feeds, fetches, engine="numpy")
    for name, value in in_runtime(checked(sd.to_onnx(fetches)), feeds).items():
        np.testing.assert_array_equal(value, want[name], err_msg=name)
    divided = sd.to_onnx([m.floor_div(x, y), m.floor_mod(x, y)])
    by_zero = in_runtime(divided, {"x": feeds["x"], "y": np.zeros(6, np.int64)})
    assert all(not value.any() for value in by_zero.values())


def test_the_last_of_several_updates_counts():
    sd = SameDiff()
    x = sd.var("x", np.zeros((3, 2)))
    y = sd.scatter_update(x, [0, 2, 0], np.arange(6.0).reshape(3, 2), name="y")
    (value,) = in_runtime(checked(sd.to_onnx(y)), {}).values()
    assert value.tolist() == y.eval().tolist() == [[4, 5], [0, 0], [2, 3]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_without_elements(dtype):
    sd = SameDiff(dtype)
    x, e = sd.placeholder("x", (3,)), sd.placeholder("e", (0,))
    n = sd.placeholder("n", (None,))
    none = np.zeros(0, int)
    fetches = [
        sd.grad(x[0:0].sum(), x), sd.grad(e[0:0].sum(), e), sd.scatter_add(x, none, e), sd.sum(n[0:0]), sd.mean(n),
        sd.grad(n[0:0].sum(), n), sd.concat(e, x), sd.scatter_update(x, none, e),
    ]  # fmt: skip
    model = checked(sd.to_onnx(fetches))
    for k in (0, 2):
        feeds = {"x": np.ones(3, dtype), "e": np.ones(0, dtype), "n": np.ones(k, dtype)}
        want = sd.output(feeds, fetches, engine="numpy")
        for run in (in_reference, in_runtime):
            for name, value in run(model, feeds).items():
                np.testing.assert_array_equal(value, want[name], strict=True, err_msg=name)


# ---------------------------------------------------------------------- checks


def test_labels_out_of_range_make_the_loss_undefined_if_asked():
    sd = SameDiff()
    logits, labels = sd.placeholder("logits", (2, 3)), sd.placeholder("labels", (2,), dtype="int64")
    loss = sd.loss.sparse_softmax_cross_entropy(logits, labels, loss_reduce=LossReduce.SUM, name="loss")
    grad = sd.grad(loss, logits)
    model = checked(sd.to_onnx([loss, grad], checks=True))
    good = {"logits": np.array([[1, 2, 3], [4, 1, 0]], "f"), "labels": np.array([0, 2])}
    want = sd.output(good, [loss, grad])
    for name, value in in_runtime(model, good).items():
        np.testing.assert_allclose(value, want[name], rtol=1e-5)
    for wrong in ([0, 3], [-1, 1]):
        feeds = good | {"labels": np.array(wrong)}
        with pytest.raises(errors.LabelError):
            loss.eval(feeds)
        assert np.isnan(in_runtime(model, feeds)["loss"])
        assert np.isnan(in_reference(model, feeds)["grad/logits"]).all()


def test_lengths_out_of_range_make_a_ctc_loss_undefined_if_asked():
    sd = SameDiff()
    logits = sd.var("logits", np.zeros((1, 4, 3)))
    lengths = sd.placeholder("lengths", (1,), dtype="int64")
    loss = sd.loss.ctc_loss([[1, 2]], logits, lengths, [4])
    model = checked(sd.to_onnx(loss, checks=True))
    for n, undefined in ((2, False), (3, True), (-1, True)):
        (value,) = in_runtime(model, {"lengths": np.array([n])}).values()
        assert np.isnan(value).all() == undefined


# ---------------------------------------------------------------------- user's ops


class Mine(Namespace, prefix="mine"):
    @composite
    def twice_the_log(self, x: Operand, *, name: str | None = None) -> SDVariable:
        return 2 * self.sd.math.log1p(x)

    @primitive(infer=lambda x: x, kernel=lambda xp, x: x + 1, vjp=lambda g, y, x: g)
    def one_more(self, x: Operand, *, name: str | None = None) -> SDVariable: ...


def test_a_composite_of_a_user_is_a_function():
    sd = SameDiff()
    y = Mine(sd).twice_the_log(sd.placeholder("x", (2,)), name="y")
    model = checked(sd.to_onnx(y))
    assert node_of(model, "y").op_type == "mine.twice_the_log"
    (value,) = in_runtime(model, {"x": np.array([0.5, 2.0], "f")}).values()
    np.testing.assert_allclose(value, 2 * np.log1p([0.5, 2.0]), rtol=1e-6)


def test_a_primitive_of_a_user_has_no_counterpart():
    sd = SameDiff()
    y = Mine(sd).one_more(sd.placeholder("x", (2,)), name="y")
    with pytest.raises(errors.ArgumentError, match=r"mine\.one_more.*write it as a composite"):
        sd.to_onnx(y)


# ---------------------------------------------------------------------- refusals


def test_all_that_has_no_counterpart_is_named_at_once(tmp_path):
    sd = SameDiff()
    x = sd.placeholder("x", (3, 3))
    u = sd.linalg.cholesky(x, name="factor")
    d = sd.nn.dropout(x, name="dropped")
    e = sd.linalg.eig(x)[0]
    path = tmp_path / "model.onnx"
    with pytest.raises(errors.ArgumentError) as raised:
        sd.to_onnx([u, d, e, sd.sum(x)], path)
    text = str(raised.value)
    for part in (
        "linalg.cholesky",
        "'factor'",
        "random.uniform_like in nn.dropout",
        "'dropped'",
        "linalg.eig",
        "test_export.py:",
    ):
        assert part in text, part
    assert "a draw of ONNX gives other numbers" in text
    assert not path.exists() and not [*tmp_path.iterdir()]


def test_a_refusal_of_many_nodes_stays_short():
    sd = SameDiff()
    x = sd.placeholder("x", (3, 3))
    ys = [sd.linalg.cholesky(x, name=f"factor_of_a_matrix_with_a_long_name_{k}") for k in range(200)]
    with pytest.raises(errors.ArgumentError, match="and 197 more") as raised:
        sd.to_onnx(ys)
    assert len(str(raised.value)) < LONGEST


def test_complex_numbers_are_refused():
    sd = SameDiff()
    x = sd.placeholder("x", (2,), dtype="complex64")
    with pytest.raises(errors.ArgumentError, match="complex"):
        sd.to_onnx(x)
    with pytest.raises(errors.ArgumentError, match="complex"):
        sd.to_onnx(x * 2)


WRONG = {
    "an old opset": ({"opset": 17}, errors.ArgumentError, "whole number from 18"),
    "a newer opset than there is": ({"opset": 10_000}, errors.ArgumentError, "newest"),
    "an opset that is no number": ({"opset": "21"}, errors.ArgumentError, "opset='21'"),
    "a flag as opset": ({"opset": True}, errors.ArgumentError, "opset=True"),
    "another target": ({"target": "Standard"}, errors.ArgumentError, "'standard'"),
    "another place of weights": ({"weights": "outside"}, errors.ArgumentError, "inline"),
    "external without a path": ({"weights": "external"}, errors.ArgumentError, "Give a path"),
    "no flag": ({"functions": "no"}, errors.ArgumentTypeError, "functions"),
    "no flag of checks": ({"checks": 1}, errors.ArgumentTypeError, "checks"),
    "no flag of origins": ({"origins": None}, errors.ArgumentTypeError, "origins"),
    "no path": ({"path": 3}, errors.ArgumentTypeError, "path"),
}


@pytest.mark.parametrize(("settings", "kind", "text"), WRONG.values(), ids=WRONG)
def test_wrong_settings(settings, kind, text):
    sd, loss, _ = network()
    with pytest.raises(kind, match=text):
        sd.to_onnx(loss, **settings)


def test_wrong_fetches():
    sd, _, _ = network()
    with pytest.raises(errors.UnknownVariableError):
        sd.to_onnx("los")
    paths: list[Any] = ["model.onnx", Path("model.onnx")]
    for path in paths:
        with pytest.raises(errors.SDGraphError, match="first argument is what to export"):
            sd.to_onnx(path)
    with pytest.raises(errors.ArgumentError, match="nothing to export"):
        sd.to_onnx([])
    with pytest.raises(errors.SDGraphError):
        sd.to_onnx(network()[1])


@pytest.mark.parametrize("setting", ["fetches", "path", "opset", "functions", "target", "weights", "origins", "checks"])
def test_hostile_settings(setting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sd, loss, _ = network()
    before = graph_state(sd)
    for value in HOSTILE.values():
        try:
            sd.to_onnx(**{"fetches": loss, setting: value})
        except errors.SDGraphError as e:
            assert len(str(e)) <= LONGEST
        except OSError:
            assert setting == "path"
    assert graph_state(sd) == before


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    sd, loss, _ = network()
    with pytest.raises(errors.MissingDependencyError, match=r"sdgraph\[onnx\]"):
        sd.to_onnx(loss)


def test_more_than_a_file_holds(monkeypatch, tmp_path):
    sd = SameDiff()
    w = sd.var("w", np.zeros((1000, 1000)))
    monkeypatch.setattr("sdgraph.files.onnx.export.MOST_BYTES", 3_000_000)
    with pytest.raises(errors.ArgumentError, match='weights="external"'):
        sd.to_onnx(w * 2)
    sd.to_onnx(w * 2, tmp_path / "model.onnx", weights="external")


# ---------------------------------------------------------------------- files


def test_a_file_is_the_model(tmp_path):
    sd, loss, _ = network()
    path = tmp_path / "model.onnx"
    model = sd.to_onnx(loss, path)
    assert onnx.load(path) == model
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    sd.to_onnx(loss, str(path))
    assert onnx.load(path) == model


def large(value):
    sd = SameDiff()
    w = sd.var("w", np.full((64, 64), value, "f"))
    x = sd.placeholder("x", (None, 64))
    return sd, sd.math.add(x @ w, sd.constant("b", 1.0), name="y")


def test_values_in_a_file_beside_it(tmp_path):
    path = tmp_path / "model.onnx"
    feeds = np.ones((2, 64), "f")
    for value in (1.0, 2.0):
        sd, y = large(value)
        sd.to_onnx(y, path, weights="external")
        beside = [p.name for p in tmp_path.iterdir() if p != path]
        assert len(beside) == 1 and beside[0].startswith("model.onnx.")
        model = onnx.load(path, load_external_data=False)
        w, b = model.graph.initializer
        about = {e.key: e.value for e in w.external_data}
        assert about["location"] == beside[0] and "/" not in about["location"]
        assert int(about["offset"]) % 4096 == 0 and int(about["length"]) == 64 * 64 * 4
        assert b.data_location == onnx.TensorProto.DEFAULT and not w.raw_data
        onnx.checker.check_model(str(path), full_check=True)
        (found,) = session_of(path).run(None, {"x": feeds})
        np.testing.assert_allclose(found, np.full((2, 64), 64 * value + 1))
        assert len(path.read_bytes()) < 3000


def test_values_outside_are_never_copied_into_the_model(tmp_path, monkeypatch):
    """So what is larger than a file of ONNX can be goes beside it, mapped files among it."""
    sd, y = large(3.0)
    sd.save(tmp_path / "graph.sdg")
    mapped = SameDiff.load(tmp_path / "graph.sdg", mmap=True)
    given = []
    from sdgraph.files.onnx import emit

    to_tensor = emit.numpy_helper.from_array
    monkeypatch.setattr(emit.numpy_helper, "from_array", lambda a, name: given.append(a.nbytes) or to_tensor(a, name))
    path = tmp_path / "model.onnx"
    mapped.to_onnx(y.name, path, weights="external")
    assert max(given) <= 1024
    (found,) = session_of(path).run(None, {"x": np.ones((1, 64), "f")})
    assert (found == 64 * 3 + 1).all()


def test_a_graph_out_of_a_file_gives_the_same_model(tmp_path):
    sd, loss, wrt = network()
    grads = [g.name for g in sd.grad(loss, wrt)]
    again = SameDiff.load(sd.save(tmp_path / "graph.sdg"))
    assert again.to_onnx(["loss", *grads]) == sd.to_onnx(["loss", *grads])


def session_of(path):
    from tests.files.onnx.running import SESSION, onnxruntime

    return onnxruntime.InferenceSession(str(path), SESSION, providers=["CPUExecutionProvider"])


def test_files_of_others_stay(tmp_path):
    for name in ("other.onnx.0123456789abcdef.data", "model.onnx.data", "model.onnx.0123456789abcdeX.data"):
        (tmp_path / name).write_text("mine")
    sd, y = large(1.0)
    sd.to_onnx(y, tmp_path / "model.onnx", weights="external")
    assert len([*tmp_path.iterdir()]) == 5


@pytest.mark.parametrize("weights", ["inline", "external"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, weights):
    path = tmp_path / "model.onnx"
    sd, y = large(1.0)
    sd.to_onnx(y, path, weights=weights)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    other, z = large(2.0)
    with pytest.raises(OSError, match="No space"):
        other.to_onnx(z, path, weights=weights)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_values_whose_model_cannot_be_written_go(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    sd, y = large(1.0)
    sd.to_onnx(y, path, weights="external")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    replace = os.replace

    def full(source, target):
        if str(target).endswith(".onnx"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("os.replace", full)
    other, z = large(2.0)
    with pytest.raises(OSError, match="No space"):
        other.to_onnx(z, path, weights="external")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_model_with_its_values_in_it_takes_those_beside_the_old_one_away(tmp_path):
    path = tmp_path / "model.onnx"
    sd, y = large(1.0)
    sd.to_onnx(y, path, weights="external")
    sd.to_onnx(y, path)
    assert [*tmp_path.iterdir()] == [path]


def test_a_folder_that_is_not_there(tmp_path):
    sd, y = large(1.0)
    for weights in ("inline", "external"):
        with pytest.raises(OSError, match="No such file"):
            sd.to_onnx(y, tmp_path / "none" / "model.onnx", weights=weights)


def test_a_long_chain_and_many_nodes():
    """Neither recursion nor quadratic time: a model of 20,000 nodes takes seconds."""
    sd = SameDiff()
    x = v = sd.placeholder("x", (2,))
    for _ in range(20_000):
        v = v + 1.0
    model = sd.to_onnx(v)
    assert len(model.graph.node) == 20_000
    assert x.name == model.graph.input[0].name


def test_a_session_needs_nothing_but_the_bytes():
    sd, loss, _ = network()
    assert session(sd.to_onnx(loss)).get_inputs()[0].shape == ["batch", 3]

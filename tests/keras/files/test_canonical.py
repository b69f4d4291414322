"""Models of all versions of Keras in one form."""

import json
from pathlib import Path

import pytest

from sdgraph.errors import FormatError
from sdgraph.keras.files.architecture import Call, TensorRef
from sdgraph.keras.files.canonical import layer_of, model_of, policy_of, snake_case
from sdgraph.keras.files.container import opened
from sdgraph.keras.files.old_options import HARD_SIGMOID

pytestmark = pytest.mark.any_engine
GOLDEN = Path(__file__).parents[2] / "golden"
K1, K2, K22, K3 = (1, 2, 2), (2, 4, 0), (2, 2, 4), (3, 15, 1)


def layer(class_name, version, /, **config):
    return layer_of({"class_name": class_name, "config": {"name": "l", **config}}, version, "layer")


# ---------------------------------------------------------------------- golden files


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("keras_models/*.keras")), ids=lambda p: p.stem)
def test_both_files_of_a_model_say_the_same(path):
    with opened(path) as new, opened(path.with_suffix(".h5")) as old:
        first, second = (model_of(file.config, file.version, "") for file in (new, old))
    assert first.names() == second.names() and (first.inputs, first.outputs) == (second.inputs, second.outputs)
    for a, b in zip(first.layers, second.layers, strict=True):
        plain = [json.loads(json.dumps(dict(one.options)), object_hook=without_names) for one in (a, b)]
        assert plain[0] == plain[1]
        assert (a.class_name, a.calls, a.dtype, a.trainable) == (b.class_name, b.calls, b.dtype, b.trainable)


def without_names(value):
    return {key: one for key, one in value.items() if key != "registered_name"}


def test_a_functional_model_of_keras_3():
    with opened(GOLDEN / "keras_models" / "transformer_block.keras") as file:
        model = model_of(file.config, file.version, file.config_path)
    assert (model.kind, model.inputs, model.outputs) == ("Functional", TensorRef("x", 0, 0), TensorRef("p", 0, 0))
    assert model.layer("mha").calls == (Call((TensorRef("x", 0, 0),) * 2, {"use_causal_mask": True}),)
    assert model.layer("add1").calls == (Call(([TensorRef("x", 0, 0), TensorRef("mha", 0, 0)],)),)
    assert model.layer("x").input_shape == (None, 5, 6)
    assert model.layer("mha").options["num_heads"] == 2 and "name" not in model.layer("mha").options
    assert [one.name for one, _ in model.steps()] == model.names()
    with pytest.raises(KeyError):
        model.layer("nothing")


def test_a_functional_model_of_keras_2():
    with opened(GOLDEN / "keras_files" / "k2_dict_weights.h5") as file:
        model = model_of(file.config, file.version, file.config_path)
    assert model.outputs == [TensorRef("cls", 0, 0), TensorRef("reg", 0, 0)]
    assert model.layer("reg").calls == (Call((TensorRef("h", 0, 0),)),)


# ---------------------------------------------------------------------- Keras 1


@pytest.mark.parametrize(
    ("old", "config", "new", "options"),
    [
        (
            "Convolution2D",
            {"nb_filter": 8, "nb_row": 3, "nb_col": 5, "border_mode": "same", "subsample": [2, 1], "dim_ordering": "th"}
            | {"bias": False, "init": "he_normal", "W_regularizer": {"name": "L1L2Regularizer", "l1": 0.0, "l2": 0.5}}
            | {"b_constraint": {"name": "MaxNorm", "m": 2, "axis": 0}, "activation": "relu"},
            "Conv2D",
            {"filters": 8, "kernel_size": [3, 5], "padding": "same", "strides": [2, 1], "data_format": "channels_first"}
            | {"use_bias": False, "kernel_initializer": "he_normal", "activation": "relu"}
            | {"kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.5}}}
            | {"bias_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}}},
        ),
        (
            "AtrousConvolution1D",
            {"nb_filter": 4, "filter_length": 3, "subsample_length": 1, "atrous_rate": 2, "input_dim": 3},
            "Conv1D",
            {"filters": 4, "kernel_size": 3, "strides": 1, "dilation_rate": 2},
        ),
        (
            "Convolution3D",
            {"nb_filter": 4, "kernel_dim1": 1, "kernel_dim2": 2, "kernel_dim3": 3, "dim_ordering": "tf"},
            "Conv3D",
            {"filters": 4, "kernel_size": [1, 2, 3], "data_format": "channels_last"},
        ),
        ("Deconvolution2D", {"nb_filter": 4, "output_shape": [None, 3]}, "Conv2DTranspose", {"filters": 4}),
        ("MaxPooling1D", {"pool_length": 3, "stride": 2}, "MaxPooling1D", {"pool_size": 3, "strides": 2}),
        ("UpSampling1D", {"length": 2}, "UpSampling1D", {"size": 2}),
        ("Dropout", {"p": 0.25}, "Dropout", {"rate": 0.25}),
        ("GaussianNoise", {"sigma": 0.5}, "GaussianNoise", {"stddev": 0.5}),
        ("TimeDistributedDense", {"output_dim": 4, "input_length": 3}, "Dense", {"units": 4}),
        (
            "Embedding",
            {"input_dim": 10, "output_dim": 4, "init": "uniform", "dropout": 0.0, "mask_zero": True},
            "Embedding",
            {"input_dim": 10, "output_dim": 4, "embeddings_initializer": "uniform", "mask_zero": True},
        ),
        (
            "LSTM",
            {"output_dim": 4, "inner_activation": "hard_sigmoid", "inner_init": "orthogonal", "forget_bias_init": "one"}
            | {"dropout_W": 0.1, "dropout_U": 0.2, "consume_less": "cpu", "U_regularizer": None, "input_dim": 3},
            "LSTM",
            {"units": 4, "recurrent_activation": HARD_SIGMOID, "recurrent_initializer": "orthogonal"}
            | {"dropout": 0.1, "recurrent_dropout": 0.2, "recurrent_regularizer": None},
        ),
        (
            "BatchNormalization",
            {"mode": 0, "axis": 1, "gamma_init": "one", "epsilon": 1e-6},
            "BatchNormalization",
            {"axis": 1, "gamma_initializer": "one", "epsilon": 1e-6},
        ),
        ("PReLU", {"init": "zero"}, "PReLU", {"alpha_initializer": "zero"}),
        ("LeakyReLU", {"alpha": 0.1}, "LeakyReLU", {"negative_slope": 0.1}),
        ("Merge", {"mode": "concat", "concat_axis": 1}, "Concatenate", {"axis": 1}),
        ("Merge", {"mode": "sum"}, "Add", {}),
        ("Merge", {"mode": "dot", "dot_axes": [1, 1]}, "Dot", {"axes": [1, 1]}),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_layers_of_keras_1(old, config, new, options):
    found = layer(old, K1, **config)
    assert (found.class_name, dict(found.options), found.written_as) == (new, options, old)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("BatchNormalization", {"mode": 1}),
        ("Embedding", {"dropout": 0.5}),
        ("Convolution2D", {"border_mode": "full"}),
        ("Merge", {"mode": "cos"}),
        ("Merge", {"mode": ["code"]}),
        ("Merge", {"mode": "sum", "layers": [{}]}),
    ],
)
def test_what_keras_1_computes_otherwise_is_refused(name, config):
    with pytest.raises(FormatError, match="layer"):
        layer(name, K1, **config)


def test_a_sequential_model_of_keras_1_is_a_list():
    first = {"class_name": "Dense", "config": {"name": "a", "output_dim": 2, "batch_input_shape": [None, 3]}}
    model = model_of({"class_name": "Sequential", "config": [first]}, K1, "c")
    assert (model.kind, model.names(), model.input_shape) == ("Sequential", ["a"], (None, 3))


def functional(layers, version=K2, inputs=(("x", 0, 0),), outputs=(("y", 0, 0),)):
    config = {"layers": layers, "input_layers": [list(i) for i in inputs], "output_layers": [list(o) for o in outputs]}
    return model_of({"class_name": "Model", "config": {"name": "m", **config}}, version, "c")


def entry(name, nodes=(), class_name="Dense", **config):
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": list(nodes)}


X = entry("x", class_name="InputLayer", batch_input_shape=[None, 3])


# ---------------------------------------------------------------------- Keras 2


@pytest.mark.parametrize(
    ("version", "config", "options"),
    [
        ((2, 2, 4), {}, {"recurrent_activation": HARD_SIGMOID, "reset_after": False}),
        ((2, 2, 4), {"recurrent_activation": "sigmoid"}, {"recurrent_activation": "sigmoid", "reset_after": False}),
        ((2, 4), {"recurrent_activation": "hard_sigmoid"}, {"recurrent_activation": HARD_SIGMOID}),
        ((2, 4), {"time_major": False, "implementation": 2}, {}),
        ((3, 1), {"recurrent_activation": "hard_sigmoid"}, {"recurrent_activation": "hard_sigmoid"}),
    ],
)
def test_defaults_that_changed(version, config, options):
    assert layer("GRU", version, **config).options == options


def test_layers_for_cudnn_are_the_usual_ones():
    assert layer("CuDNNGRU", K2, units=2).options == {
        "units": 2,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "reset_after": True,
    }
    assert layer("CuDNNLSTM", K22, units=2).options["recurrent_activation"] == "sigmoid"


def test_hard_sigmoid_is_another_function_before_keras_3():
    assert layer("Activation", K2, activation="hard_sigmoid").options["activation"] == HARD_SIGMOID
    assert layer("Activation", K3, activation="hard_sigmoid").options["activation"] == "hard_sigmoid"


@pytest.mark.parametrize("config", [{"time_major": True}, {"renorm": True}, {"lora_rank": 4}, {"sparse": 1}])
def test_settings_that_change_results_and_are_not_there_are_refused(config):
    with pytest.raises(FormatError, match=next(iter(config))):
        layer("LSTM", K2, **config)


def test_what_keras_2_wrote_of_a_class_that_others_derive_from():
    assert layer("DepthwiseConv2D", K2, groups=1, depth_multiplier=2).options == {"depth_multiplier": 2}
    assert layer("Conv2D", K2, groups=2).options == {"groups": 2}
    with pytest.raises(FormatError, match="groups=2"):
        layer("Conv2DTranspose", K2, groups=2)


def test_settings_are_unwrapped():
    found = layer(
        "Dense",
        K3,
        activation={"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"},
        shape={"class_name": "__tuple__", "items": [1, {"class_name": "__numpy__", "config": {"value": [2]}}]},
        kernel_initializer={"module": "keras.initializers", "class_name": "Zeros", "config": {}},
    )
    zeros = {"class_name": "Zeros", "config": {}}
    assert found.options == {"activation": "relu", "shape": (1, [2]), "kernel_initializer": zeros}


def test_layers_in_layers():
    cells = [{"class_name": "LSTMCell", "config": {"units": 2}}, {"class_name": "GRUCell", "config": {"units": 3}}]
    stacked = {"class_name": "StackedRNNCells", "config": {"cells": cells}}
    cell = layer("RNN", K3, cell=stacked).options["cell"]
    assert [one.class_name for one in cell.options["cells"]] == ["LSTMCell", "GRUCell"]
    inner = layer("TimeDistributed", K1, layer={"class_name": "Dense", "config": {"output_dim": 2}}).options["layer"]
    assert (inner.class_name, inner.options, inner.name) == ("Dense", {"units": 2}, "dense")


def test_arrays_and_keywords_of_calls():
    model = functional(
        [
            X,
            entry("a", [["x", 0, 0]]),  # One level flatter.
            entry("b", [[["a", 0, 0, {"mask": ["x", 0, 0], "n": 2, "more": [["a", 0, 0], 1]}]]]),
            entry("c", [[["a", 0, 0], ["b", 0, 0]]], "Add"),
            entry("r", [[["x", 0, 0, {}], ["a", 0, 0, {}], ["b", 0, 0, {}]]], "LSTM"),
            entry("o", [["_CONSTANT_VALUE", -1, 2.0, {"y": ["r", 0, 0]}]], "TFOpLambda", function="math.add"),
            entry("y", [{"p": ["c", 0, 0], "q": ["o", 0, 0]}], "Mine"),
        ]
    )
    x, a, b, r = (TensorRef(name, 0, 0) for name in "xabr")
    assert model.layer("a").calls == (Call((x,)),)
    assert model.layer("b").calls == (Call((a,), {"mask": x, "n": 2, "more": [a, 1]}),)
    assert model.layer("c").calls == (Call(([a, b],)),)
    assert model.layer("r").calls == (Call((x,), {"initial_state": [a, b]}),)
    assert model.layer("o").calls == (Call((2.0,), {"y": r}),)
    assert model.layer("y").calls == (Call(({"p": TensorRef("c", 0, 0), "q": TensorRef("o", 0, 0)},)),)


def test_whether_keras_3_trains_is_not_what_its_calls_say():
    # It writes what is the default of a call, and overrules it, also what was asked for, as long as a model is trained.
    tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}
    new = [{"args": [tensor], "kwargs": {"training": False, "mask": None}}]
    old = [[["x", 0, 0, {"training": False}]]]
    x = entry("x", class_name="InputLayer", batch_shape=[None, 3])
    for version, nodes, kwargs in ((K3, new, {"mask": None}), (K2, old, {"training": False})):
        model = functional([x, entry("y", nodes, "Dropout", rate=0.5)], version)
        assert model.layer("y").calls == (Call((TensorRef("x", 0, 0),), kwargs),)


def test_a_shared_layer_has_several_calls_and_order_is_that_of_arrays():
    model = functional([X, entry("y", [[["b", 0, 0]], [["x", 0, 0]]]), entry("b", [[["y", 1, 0]]])])
    assert [(one.name, k) for one, k in model.steps()] == [("x", 0), ("y", 1), ("b", 0), ("y", 0)]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([X, entry("y", [[["y", 0, 0]]])], "circle"),
        ([X, entry("y", [[["b", 0, 0]]]), entry("b", [[["y", 0, 0]]])], "circle"),
        ([X, entry("y", [[["x", 1, 0]]])], "a call that is not there"),
        ([X, entry("y", [[["z", 0, 0]]])], "no layer 'z'"),
        ([X, entry("y", [[["x", -1, 0]]])], "names no output"),
        ([X, entry("y", [[["x", True, 0]]])], "names no output"),
        ([X, entry("y", [[3]])], "names no output"),
        ([X, entry("y", [3])], "no call"),
        ([X, entry("y", [[["x", 0, 0, 3]]])], "keyword"),
        ([X, {**entry("y"), "inbound_nodes": {}}], "no list"),
        ([X, X, entry("y")], "two layers 'x'"),
        ([X, {**entry("y"), "config": []}], "no object"),
        ([X, {**entry("y"), "class_name": None}], "no class_name"),
        ([X, 3], "no object"),
        (3, "no list"),
    ],
)
def test_models_that_make_no_sense(layers, message):
    with pytest.raises(FormatError, match=message):
        functional(layers)


def test_a_long_chain_needs_no_deep_stack():
    names = [f"l{k}" for k in range(1500)]
    chain = [entry(b, [[[a, 0, 0]]]) for a, b in zip(["x", *names], [*names, "y"], strict=True)]
    assert len(functional([*reversed(chain), X]).steps()) == 1502


@pytest.mark.parametrize("name", ["MyModel", "Custom>Net", None, 3])
def test_models_that_are_code(name):
    with pytest.raises(FormatError, match="whose call is code"):
        model_of({"class_name": name, "config": {}}, K3, "c")


# ---------------------------------------------------------------------- what all versions share


def test_where_a_class_is_from():
    ours = {"class_name": "Dense", "module": "keras.layers", "registered_name": None, "config": {}}
    assert layer_of(ours, K3, "l").package is None
    assert layer_of({**ours, "module": "tf_keras.src.layers"}, K3, "l").package is None
    assert layer_of({**ours, "module": "mine.layers"}, K3, "l").package == "mine.layers"
    found = layer_of({**ours, "module": None, "registered_name": "MyPkg>Dense"}, K3, "l")
    assert (found.package, found.registered_name, found.class_name) == ("MyPkg", "MyPkg>Dense", "Dense")
    assert layer_of({"class_name": "MyPkg>Dense", "config": {}}, K2, "l").registered_name == "MyPkg>Dense"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, None),
        ("float32", "float32"),
        ({"class_name": "Policy", "config": {"name": "mixed_float16"}}, "mixed_float16"),
        ({"class_name": "DTypePolicyMap", "config": {"default_policy": {"config": {"name": "float16"}}}}, "float16"),
    ],
)
def test_dtypes(value, name):
    assert policy_of(value, "l") == name


def test_layers_without_names_get_those_of_their_classes():
    layers = [{"class_name": name, "config": {}} for name in ("Dense", "ReLU", "Dense", "Dense")]
    layers.append({"class_name": "Dense", "config": {"name": "dense_3"}})
    model = model_of({"class_name": "Sequential", "config": layers}, K1, "c")
    assert model.names() == ["dense", "re_lu", "dense_1", "dense_2", "dense_3"]
    assert snake_case("P>ReLU6") == "p_re_lu6"


def test_what_a_sequential_model_takes():
    built = {"class_name": "Sequential", "config": {"layers": [], "build_input_shape": [None, 4]}}
    assert model_of(built, K2, "c").input_shape == (None, 4)
    late = {"class_name": "Sequential", "config": {"layers": []}, "build_config": {"input_shape": [None, 5]}}
    assert model_of(late, K3, "c").input_shape == (None, 5)
    assert model_of({"class_name": "Sequential", "config": {"layers": []}}, K3, "c").input_shape is None


def test_models_in_models():
    inner = {"class_name": "Sequential", "config": {"name": "in", "trainable": False, "layers": [entry("d", units=2)]}}
    model = functional([X, {**inner, "name": "y", "inbound_nodes": [[["x", 0, 0]]]}])
    found = model.layer("y")
    assert (found.class_name, found.model.names(), found.trainable, found.options) == ("Sequential", ["d"], False, {})
    assert found.calls == (Call((TensorRef("x", 0, 0),)),)


NODE = {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": ["x", 0, 0]}}, 0], "kwargs": {}}


@pytest.mark.parametrize(
    ("module", "cls", "config", "function"),
    [
        ({"module": "keras.src.ops.numpy"}, "NotEqual", {"name": "l"}, "not_equal"),
        ({}, "NotEqual", {"name": "l"}, "not_equal"),
        ({}, "Sum", {"name": "l", "axis": 1, "keepdims": True}, "sum"),
        ({}, "Cast", {"name": "l", "dtype": "int32"}, "cast"),
        ({}, "SpatialDropout2D", {"name": "l", "rate": 0.5, "seed": None, "dtype": "float32"}, ""),
        ({}, "Add", {"name": "l", "trainable": True, "dtype": "float32"}, ""),
        ({"module": "keras.layers"}, "Mine", {"name": "l"}, ""),
    ],
)
def test_functions_are_told_from_layers(module, cls, config, function):
    entry = {**module, "class_name": cls, "config": config, "name": "l", "inbound_nodes": [NODE]}
    found = layer_of(entry, (3, 15, 1), "layer", layers={"x", "l"})
    assert found.function == function
    assert found.calls[0].args == (TensorRef("x", 0, 0), 0)
    if function:
        assert found.options == {k: v for k, v in config.items() if k != "name"}


def test_parts_of_axes_are_read():
    part = {"class_name": "__slice__", "config": {"start": None, "stop": 2, "step": None}}
    node = {"args": [NODE["args"][0], [part, {"class_name": "__ellipsis__", "config": {}}, None]], "kwargs": {}}
    entry = {"module": "keras.src.ops.numpy", "class_name": "GetItem", "config": {}, "inbound_nodes": [node]}
    found = layer_of(entry, (3, 15, 1), "layer", layers={"x"})
    assert found.calls[0].args[1] == [slice(None, 2, None), Ellipsis, None]
    part["config"]["stop"] = "x"
    with pytest.raises(FormatError, match="no part of an axis"):
        layer_of(entry, (3, 15, 1), "layer", layers={"x"})

"""Arrays of a file and the weights that they are."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from sdgraph.errors import FormatError
from sdgraph.keras.files.canonical import layer_of, model_of
from sdgraph.keras.files.container import opened
from sdgraph.keras.files.owners import Owner, Slot, in_order
from sdgraph.keras.files.weights import match
from tests.keras.files import made

pytestmark = pytest.mark.any_engine
MODELS = Path(__file__).parents[2] / "golden" / "keras_models"


def model(*layers, name="s", trainable=True):
    return Owner("Sequential", name, parts={"layers": list(layers)}, trainable=trainable)


def owner(class_name, name, *shapes, fixed=0, **settings):
    n = len(shapes) - fixed
    slots = [Slot(f"{name}/{k}", shape, k < n) for k, shape in enumerate(shapes)]
    return Owner(class_name, name, slots, **settings)


def arrays_of(path, root, **settings):
    with opened(path) as file:
        return dict(match(file, root, **settings).arrays())


# ---------------------------------------------------------------------- golden models


def owner_of_golden(config, weights):
    """The layers of a golden model, with the shapes that its JSON tells."""
    layers = []
    for layer in config.layers:
        own = [w for w in weights if w["path"].removeprefix(f"{config.name}/").split("/")[0] == layer.name]
        slots = [Slot(w["path"], tuple(w["shape"]), w["trainable"]) for w in own]
        layers.append(Owner(layer.class_name, layer.name, slots, config=layer))
    return Owner(config.kind, config.name, parts={"layers": layers})


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("golden", sorted(MODELS.glob("*.json")), ids=lambda p: p.stem)
def test_golden_models(golden, suffix):
    weights = json.loads(golden.read_text())["weights"]
    with opened(golden.with_suffix(suffix)) as file:
        root = owner_of_golden(model_of(file.config, file.version, file.config_path), weights)
        found = match(file, root)
        arrays = dict(found.arrays())
    assert not found.left_over and not found.renamed and len(arrays) == len(weights)
    for weight in weights:
        wanted = np.array(weight["data"], "f4").reshape(weight["shape"])
        np.testing.assert_array_equal(arrays[weight["path"]], wanted)


# ---------------------------------------------------------------------- .h5


def test_layers_are_found_by_order_or_by_name(tmp_path):
    weights = {name: {f"{name}/w": np.full(2, k, "f4")} for k, name in enumerate("abc")}
    path = made.h5(tmp_path / "m.h5", weights=weights)
    a, b, c = (owner("L", name, (2,)) for name in "abc")
    assert arrays_of(path, model(c, owner("ReLU", "r"), a, b))["a/0"][0] == 0  # All names are the same.
    x = owner("L", "x", (2,))
    found = arrays_of(path, model(x, b, c))
    assert [found[f"{name}/0"][0] for name in "xbc"] == [0, 1, 2]
    assert {k: v[0] for k, v in arrays_of(path, model(x, c), by_name=True).items()} == {"c/0": 2}
    with opened(path) as file:
        matched = match(file, model(x, b, c))
        assert (matched.renamed, matched.left_over) == (["a for x"], [])
        assert match(file, model(b), by_name=True).left_over == ["model_weights/a/a/w", "model_weights/c/c/w"]


def test_all_that_is_wrong_is_told_at_once_before_anything_is_read(tmp_path):
    path = made.h5(tmp_path / "m.h5", weights={**made.WEIGHTS, "e": {"w": np.zeros(3)}})
    with pytest.raises(FormatError) as e:
        arrays_of(path, model(owner("Dense", "d", (3, 2), (7,)), owner("L", "e", (4,))))
    assert "(7,)" in str(e.value) and "(4,)" in str(e.value) and "d/d/bias:0" in str(e.value)
    with pytest.raises(FormatError, match="2 layers with weights"):
        arrays_of(path, model(owner("Dense", "d", (3, 2), (2,))))
    with pytest.raises(FormatError, match="3 weights, and the file 2"):
        arrays_of(path, model(owner("Dense", "d", (3, 2), (2,), (2,)), owner("L", "e", (3,))))
    with pytest.raises(FormatError, match="holds no weights"):
        arrays_of(made.keras(tmp_path / "m.keras"), model())


def test_nested_models_have_what_is_trained_first(tmp_path):
    names = ["k", "gamma", "beta", "mean", "var", "frozen"]
    path = made.h5(tmp_path / "m.h5", weights={"in": {name: np.full(1, k, "f4") for k, name in enumerate(names)}})
    norm = owner("BatchNormalization", "n", (1,), (1,), (1,), (1,), fixed=2)
    frozen = owner("Dense", "f", (1,), trainable=False)
    inner = model(owner("Dense", "a", (1,)), norm, frozen, name="in")
    found = arrays_of(path, model(inner))
    assert [found[key][0] for key in ("a/0", "n/0", "n/1", "n/2", "n/3", "f/0")] == [0, 1, 2, 3, 4, 5]
    order = [slot.key for slot, _ in in_order(model(norm, owner("Dense", "a", (1,)), trainable=False))]
    assert order == ["n/0", "n/1", "n/2", "n/3", "a/0"]


def test_a_shared_layer_has_its_weights_once(tmp_path):
    path = made.h5(tmp_path / "m.h5", weights={"d": made.WEIGHTS["d"]})
    shared = owner("Dense", "d", (3, 2), (2,))
    assert len(arrays_of(path, model(shared, shared))) == 2


def test_weights_of_the_model_itself(tmp_path):
    path = made.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        group = file.create_group("model_weights/top_level_model_weights")
        group.attrs["weight_names"] = ["own"]
        group["own"] = np.full(3, 7.0)
    root = Owner("Functional", "m", [Slot("own", (3,))], {"layers": [owner("Dense", "d", (3, 2), (2,))]})
    assert arrays_of(path, root)["own"][0] == 7


# ---------------------------------------------------------------------- weights of old layers


def old(tmp_path, arrays, config, shapes, *, version, backend="tensorflow"):
    weights = {"l": {f"l_{k}": array for k, array in enumerate(arrays)}}
    path = made.h5(tmp_path / "m.h5", weights=weights, version=version, backend=backend)
    told = layer_of({**config, "config": {"name": "l", **config["config"]}}, tuple(map(int, version.split("."))), "l")
    found = arrays_of(path, model(owner(told.class_name, "l", *shapes, config=told)))
    return [found[f"l/{k}"] for k in range(len(shapes))]


RNG = np.random.default_rng(3)


def gates(order, u=2, i=3):
    """Arrays of a recurrent layer of Keras 1: for each gate those of inputs, of states, and a bias."""
    return {g: [RNG.normal(size=(i, u)), RNG.normal(size=(u, u)), RNG.normal(size=u)] for g in order}


@pytest.mark.parametrize(("name", "stored", "wanted"), [("LSTM", "icfo", "ifco"), ("GRU", "zrh", "zrh")])
def test_gates_of_keras_1(tmp_path, name, stored, wanted):
    by_gate = gates(stored)
    arrays = [array for gate in stored for array in by_gate[gate]]
    n = 2 * len(stored)
    config = {"class_name": name, "config": {"output_dim": 2}}
    found = old(tmp_path, arrays, config, [(3, n), (2, n), (n,)], version="1.2.2")
    for k, array in enumerate(found):
        np.testing.assert_array_equal(array, np.concatenate([by_gate[gate][k] for gate in wanted], -1))


def test_wrappers_of_keras_1(tmp_path):
    first, second = gates("icfo"), gates("icfo")
    arrays = [array for one in (first, second) for gate in "icfo" for array in one[gate]]
    inner = {"class_name": "LSTM", "config": {"output_dim": 2}}
    shapes = [(3, 8), (2, 8), (8,)] * 2
    found = old(tmp_path, arrays, {"class_name": "Bidirectional", "config": {"layer": inner}}, shapes, version="1.2.2")
    np.testing.assert_array_equal(found[3], np.concatenate([second[gate][0] for gate in "ifco"], -1))
    kernel = RNG.normal(size=(5, 3, 2, 4))  # Filters and channels first.
    inner = {"class_name": "Convolution2D", "config": {"dim_ordering": "th"}}
    wrapped = {"class_name": "TimeDistributed", "config": {"layer": inner}}
    found = old(tmp_path, [kernel], wrapped, [(2, 4, 3, 5)], version="1.2.2")
    np.testing.assert_array_equal(found[0], np.moveaxis(kernel, (0, 1), (3, 2)))


def test_nested_models_of_keras_1(tmp_path):
    by_gate = gates("icfo")
    arrays = {f"w{k}": a for k, a in enumerate([np.ones((2, 1)), *(a for g in "icfo" for a in by_gate[g])])}
    path = made.h5(tmp_path / "m.h5", weights={"in": arrays}, version="1.2.2")
    told = layer_of({"class_name": "LSTM", "config": {"name": "l", "output_dim": 2}}, (1, 2, 2), "l")
    inner = model(owner("Dense", "d", (2, 1)), owner("LSTM", "l", (3, 8), (2, 8), (8,), config=told), name="in")
    found = arrays_of(path, model(inner))
    np.testing.assert_array_equal(found["l/1"], np.concatenate([by_gate[g][1] for g in "ifco"], -1))


@pytest.mark.parametrize(
    ("name", "options", "stored", "axes"),
    [
        ("Convolution2D", {"dim_ordering": "th"}, (5, 3, 2, 4), (2, 3, 1, 0)),
        ("Convolution2D", {"dim_ordering": "tf"}, (2, 4, 3, 5), (0, 1, 2, 3)),
        ("Convolution3D", {"dim_ordering": "th"}, (5, 3, 2, 4, 1), (2, 3, 4, 1, 0)),
        ("Deconvolution2D", {"dim_ordering": "tf"}, (2, 4, 3, 5), (0, 1, 3, 2)),
        ("Deconvolution2D", {"dim_ordering": "th"}, (5, 3, 2, 4), (2, 3, 0, 1)),
    ],
)
@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
def test_kernels_of_keras_1(tmp_path, name, options, stored, axes, backend):
    kernel = RNG.normal(size=stored)
    wanted = kernel.transpose(axes)
    found = old(
        tmp_path, [kernel], {"class_name": name, "config": options}, [wanted.shape], version="1.2.2", backend=backend
    )
    space = tuple(slice(None, None, -1 if backend == "theano" else 1) for _ in range(wanted.ndim - 2))
    np.testing.assert_array_equal(found[0], wanted[space])


@pytest.mark.parametrize("reverse", [False, True])
def test_kernels_of_one_axis_of_keras_1(tmp_path, reverse):
    kernel = RNG.normal(size=(4, 1, 3, 5))
    config = {"class_name": "Convolution1D", "config": {"nb_filter": 5, "filter_length": 4}}
    stored = kernel.transpose(3, 2, 0, 1) if reverse else kernel
    found = old(tmp_path, [stored, np.zeros(5)], config, [(4, 3, 5), (5,)], version="1.2.2")
    np.testing.assert_array_equal(found[0], kernel[:, 0])


@pytest.mark.parametrize(("name", "n"), [("CuDNNLSTM", 4), ("CuDNNGRU", 3)])
def test_weights_in_the_order_of_cudnn(tmp_path, name, n):
    """CuDNN multiplies by a matrix [units, inputs] in C order, whose numbers Keras had in the shape [inputs, units]."""
    u, i = 2, 3
    inputs, states = ([RNG.normal(size=(u, size)) for _ in range(n)] for size in (i, u))
    bias = RNG.normal(size=2 * n * u)
    stored = [np.concatenate([m.ravel().reshape(-1, u) for m in matrices], 1) for matrices in (inputs, states)]
    shapes = [(i, n * u), (u, n * u), (n * u,) if n == 4 else (2, n * u)]
    found = old(tmp_path, [*stored, bias], {"class_name": name, "config": {"units": u}}, shapes, version="2.2.4")
    np.testing.assert_array_equal(found[0], np.concatenate([m.T for m in inputs], 1))
    np.testing.assert_array_equal(found[1], np.concatenate([m.T for m in states], 1))
    halves = bias.reshape(2, -1)
    np.testing.assert_allclose(found[2], halves[0] + halves[1] if n == 4 else halves)


def test_what_keras_2_stored_of_normalization(tmp_path):
    arrays = [np.ones(3), np.full(3, 2.0), np.array(7)]
    found = old(tmp_path, arrays, {"class_name": "Normalization", "config": {}}, [(3,), (3,)], version="2.8.0")
    assert found[1][0] == 2


# ---------------------------------------------------------------------- .keras


def by_position(tmp_path, groups, root, **settings):
    def fill(file):
        for path, arrays in groups.items():
            group = file.create_group(f"{path}/vars" if path else "vars")
            for k, array in enumerate(arrays):
                group[str(k)] = array

    path = tmp_path / "m.weights.h5"
    path.write_bytes(made.inner_h5(fill))
    with opened(path) as file:
        found = match(file, root, **settings)
        return dict(found.arrays()), found


def test_layers_are_numbered_by_class(tmp_path):
    groups = {"layers/dense": [np.zeros(1)], "layers/dense_1": [np.ones(1)], "layers/re_lu": [], "optimizer": [3]}
    root = model(owner("Dense", "b", (1,)), owner("ReLU", "r"), owner("Dense", "a", (1,)))
    found, matched = by_position(tmp_path, groups, root)
    assert (found["b/0"][0], found["a/0"][0], matched.left_over) == (0, 1, [])


def test_more_than_ten_weights_are_in_the_order_of_numbers(tmp_path):
    root = model(owner("Mine", "m", *[(1,)] * 12))
    found, _ = by_position(tmp_path, {"layers/mine": [np.full(1, k) for k in range(12)]}, root)
    assert [found[f"m/{k}"][0] for k in range(12)] == list(range(12))


@pytest.mark.parametrize("prefix", ["", "_"])
def test_layers_that_keras_makes_of_others(tmp_path, prefix):
    parts = ("query_dense", "key_dense", "value_dense", "output_dense")
    groups = {f"layers/multi_head_attention/{prefix}{p}": [np.full(1, k), np.full(1, -k)] for k, p in enumerate(parts)}
    groups["layers/lstm/cell"] = [np.zeros(1)] * 3
    root = model(owner("MultiHeadAttention", "m", *[(1,)] * 8), owner("LSTM", "l", (1,), (1,), (1,)))
    found, matched = by_position(tmp_path, groups, root)
    assert [found[f"m/{k}"][0] for k in range(8)] == [0, 0, 1, -1, 2, -2, 3, -3] and not matched.left_over


def test_layers_of_keras_2_12_have_another_place(tmp_path):
    groups = {"_layer_checkpoint_dependencies/dense": [np.ones(1)]}
    found, _ = by_position(tmp_path, groups, model(owner("Dense", "d", (1,))))
    assert found["d/0"][0] == 1


def test_what_is_missing_too_many_or_left_over(tmp_path):
    root = model(owner("Dense", "d", (1,), (1,)))
    with pytest.raises(FormatError, match="no array layers/dense/vars/1 for 'd'"):
        by_position(tmp_path, {"layers/dense": [np.zeros(1)]}, root)
    with pytest.raises(FormatError, match="'d' has no weight for layers/dense/vars/2"):
        by_position(tmp_path, {"layers/dense": [np.zeros(1)] * 3}, root)
    with pytest.raises(FormatError, match="no group layers/dense"):
        by_position(tmp_path, {"layers/other": []}, root)
    groups = {"layers/dense": [np.zeros(1)] * 2, "layers/other": [np.zeros(1)]}
    assert by_position(tmp_path, groups, root)[1].left_over == ["layers/other/vars/0"]

"""Classes and functions: one definition, on arrays and in graphs."""

import inspect

import mpmath
import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import losses
from sdgraph.testing import check_grads
from tests.ops import jets

# Constructor arguments in Keras' order, with their defaults, before ``dtype``; "..." stands for reduction and name.
CONSTRUCTORS = {
    "MeanSquaredError": (..., {}),
    "MeanAbsoluteError": (..., {}),
    "MeanAbsolutePercentageError": (..., {}),
    "MeanSquaredLogarithmicError": (..., {}),
    "CosineSimilarity": ("axis", ..., {"axis": -1}),
    "Huber": ("delta", ..., {"delta": 1.0}),
    "LogCosh": (..., {}),
    "Hinge": (..., {}),
    "SquaredHinge": (..., {}),
    "CategoricalHinge": (..., {}),
    "KLDivergence": (..., {}),
    "Poisson": (..., {}),
    "BinaryCrossentropy": (
        *("from_logits", "label_smoothing", "axis", ...),
        {"from_logits": False, "label_smoothing": 0.0, "axis": -1},
    ),
    "BinaryFocalCrossentropy": (
        *("apply_class_balancing", "alpha", "gamma", "from_logits", "label_smoothing", "axis", ...),
        {
            "apply_class_balancing": False,
            "alpha": 0.25,
            "gamma": 2.0,
            "from_logits": False,
            "label_smoothing": 0.0,
            "axis": -1,
        },
    ),
    "CategoricalCrossentropy": (
        *("from_logits", "label_smoothing", "axis", ...),
        {"from_logits": False, "label_smoothing": 0.0, "axis": -1},
    ),
    "CategoricalFocalCrossentropy": (
        *("alpha", "gamma", "from_logits", "label_smoothing", "axis", ...),
        {"alpha": 0.25, "gamma": 2.0, "from_logits": False, "label_smoothing": 0.0, "axis": -1},
    ),
    "SparseCategoricalCrossentropy": (
        *("from_logits", "ignore_class", ..., "axis"),
        {"from_logits": False, "ignore_class": None, "axis": -1},
    ),
    "CategoricalGeneralizedCrossEntropy": ("q", ..., {"q": 0.5}),
    "CTC": (..., {}),
    "Dice": (..., "axis", {"axis": None}),
    "Tversky": ("alpha", "beta", ..., "axis", {"alpha": 0.5, "beta": 0.5, "axis": None}),
    "Circle": ("gamma", "margin", "remove_diagonal", ..., {"gamma": 80.0, "margin": 0.4, "remove_diagonal": True}),
}
DEFAULT_NAMES = {"Huber": "huber_loss", "CTC": "ctc", "KLDivergence": "kl_divergence"}

LOGITS, SMOOTH, AXIS = ("from_logits", False), ("label_smoothing", 0.0), ("axis", -1)
FUNCTIONS = {
    **dict.fromkeys(
        (
            "mean_squared_error",
            "mean_absolute_error",
            "mean_absolute_percentage_error",
            "mean_squared_logarithmic_error",
            "log_cosh",
            "hinge",
            "squared_hinge",
            "categorical_hinge",
            "kl_divergence",
            "poisson",
            "ctc",
        ),
        (),
    ),
    "cosine_similarity": (AXIS,),
    "huber": (("delta", 1.0),),
    "binary_crossentropy": (LOGITS, SMOOTH, AXIS),
    "binary_focal_crossentropy": (
        *(("apply_class_balancing", False), ("alpha", 0.25), ("gamma", 2.0)),
        *(LOGITS, SMOOTH, AXIS),
    ),
    "categorical_crossentropy": (LOGITS, SMOOTH, AXIS),
    "categorical_focal_crossentropy": (("alpha", 0.25), ("gamma", 2.0), LOGITS, SMOOTH, AXIS),
    "sparse_categorical_crossentropy": (LOGITS, ("ignore_class", None), AXIS),
    "categorical_generalized_cross_entropy": (("q", inspect.Parameter.empty),),
    "dice": (("axis", None),),
    "tversky": (("alpha", 0.5), ("beta", 0.5), ("axis", None)),
    "circle": (
        *(("ref_labels", None), ("ref_embeddings", None), ("remove_diagonal", True)),
        *(("gamma", 80.0), ("margin", 0.4)),
    ),
}
ALIASES = {
    "mean_squared_error": "MSE mse",
    "mean_absolute_error": "MAE mae",
    "mean_absolute_percentage_error": "MAPE mape",
    "mean_squared_logarithmic_error": "MSLE msle",
    "kl_divergence": "KLD kld kullback_leibler_divergence",
    "log_cosh": "logcosh",
    "cosine_similarity": "cosine_proximity",
}


def test_there_are_all_of_them():
    assert len(CONSTRUCTORS) == len(FUNCTIONS) == 22


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_constructor(name):
    *order, defaults = CONSTRUCTORS[name]
    wanted = [p for k in order for p in (["reduction", "name"] if k is ... else [k])] + ["dtype"]
    parameters = inspect.signature(getattr(losses, name)).parameters
    assert list(parameters) == wanted
    for k, default in {"reduction": "sum_over_batch_size", "dtype": None, **defaults}.items():
        assert parameters[k].default == default
        assert type(parameters[k].default) is type(default)
    snake = getattr(losses, name)().name
    assert snake == DEFAULT_NAMES.get(name, snake)
    assert parameters["name"].default == snake


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    parameters = inspect.signature(getattr(losses, name)).parameters
    positional = [(k, p.default) for k, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [("y_true", inspect.Parameter.empty), ("y_pred", inspect.Parameter.empty), *FUNCTIONS[name]]
    assert getattr(losses, name).__doc__


@pytest.mark.parametrize("name", ALIASES)
def test_aliases(name):
    for alias in ALIASES[name].split():
        assert getattr(losses, alias) is getattr(losses, name)


def test_options_by_position():
    y, p = np.array([[0.0, 4.0]]), np.array([[1.0, 1.0]])
    np.testing.assert_allclose(losses.huber(y, p, 2.0), losses.huber(y, p, delta=2.0))
    np.testing.assert_allclose(losses.Huber(2.0)(y, p), losses.huber(y, p, 2.0)[0])
    sd = SameDiff(dtype="float64")
    np.testing.assert_allclose(sd.keras.huber(y, p, 2.0).eval(), losses.huber(y, p, 2.0))
    logits = np.array([[2.0, -1.0, 0.0]])
    assert losses.sparse_categorical_crossentropy([0], logits, True, 0) == pytest.approx(0)


# ---------------------------------------------------------------------- in a graph


def test_one_node_with_all_operands_that_is_a_loss():
    sd = SameDiff()
    y, p = sd.placeholder("y", shape=(None, 3)), sd.placeholder("p", shape=(None, 3))
    w, m = sd.placeholder("w", shape=(None,)), sd.placeholder("m", shape=(None,), dtype="bool")
    before = len(sd.nodes)
    loss = losses.Huber(delta=0.5)(y, p, sample_weight=w, mask=m)
    assert len(sd.nodes) == before + 1
    assert (loss.name, loss.op_name, loss.shape) == ("huber_loss", "keras.huber", ())
    assert list(sd.nodes[loss.id].inputs) == [y.id, p.id, w.id, m.id]
    assert sd.loss_variables() == [loss]
    assert losses.Huber()(y, p).name == "huber_loss_1"
    assert losses.MeanSquaredError(name="my loss!")(y, p).name == "my_loss"
    with sd.name_scope("inner"):
        assert losses.Huber()(y, p).name == "inner/huber_loss"


def test_the_class_is_the_function_of_the_namespace():
    sd = SameDiff()
    y, p = sd.placeholder("y", shape=(4, 3)), sd.placeholder("p", shape=(4, 3))
    a = losses.BinaryCrossentropy(from_logits=True)(y, p)
    b = losses.binary_crossentropy(y, p, from_logits=True)
    c = sd.keras.binary_crossentropy(y, p, from_logits=True)
    assert a.op_name == b.op_name == c.op_name == "keras.binary_crossentropy"
    assert (a.shape, b.shape, c.shape) == ((), (4,), (4,))
    feeds = {"y": np.eye(4, 3), "p": np.arange(12).reshape(4, 3) - 6.0}
    np.testing.assert_allclose(a.eval(feeds), b.eval(feeds).mean(), rtol=1e-6)
    np.testing.assert_array_equal(b.eval(feeds), c.eval(feeds))
    inside = sd.expand(a)
    assert {"y_true", "y_pred"} <= {v.name for v in inside.placeholders()}


def test_arrays_and_variables_mix():
    y = np.array([[0.0, 1.0], [1.0, 1.0]])
    p = np.array([[0.5, 0.5], [0.25, 0.0]])
    want = losses.MeanSquaredError()(y, p, [1.0, 2.0])
    sd = SameDiff(dtype="float64")
    for args in [(sd.constant(y), p, [1.0, 2.0]), (y, sd.constant(p), 2.0), (y, p, sd.constant(np.array([1.0, 2.0])))]:
        out = losses.MeanSquaredError()(*args)
        assert out.sd is sd
        assert out.shape == ()
    np.testing.assert_allclose(out.eval(), want)


def test_gradients_of_any_order_flow_through_weights_and_labels():
    sd = SameDiff(dtype="float64")
    y, p = sd.var("y", [[0.2, 0.8], [0.6, 0.4]]), sd.var("p", [[0.3, 0.7], [0.9, 0.1]])
    w = sd.var("w", [1.0, 3.0])
    loss = losses.KLDivergence(reduction="sum")(y, p, w)
    dp, dw = sd.grad(loss, [p, w])
    np.testing.assert_allclose(dp.eval(), -np.array([[1.0], [3.0]]) * y.value / p.value)
    np.testing.assert_allclose(dw.eval(), (y.value * np.log(y.value / p.value)).sum(1))
    second = sd.grad(dp, p)
    np.testing.assert_allclose(second.eval(), np.array([[1.0], [3.0]]) * y.value / p.value**2)


def test_unknown_batch_size():
    sd = SameDiff(dtype="float64")
    y, p = sd.placeholder("y", shape=(None,), dtype="int64"), sd.placeholder("p", shape=(None, 3))
    w = sd.placeholder("w", shape=(None,))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)(y, p, w)
    for n in (1, 2, 5):
        rng = np.random.default_rng(n)
        labels, logits, weights = rng.integers(-1, 3, n), rng.normal(size=(n, 3)), rng.random(n)
        logp = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        valid = labels >= 0
        each = -logp[np.arange(n), np.maximum(labels, 0)] * valid * weights
        want = each.sum() / valid.sum() if valid.any() else 0.0
        np.testing.assert_allclose(loss.eval({"y": labels, "p": logits, "w": weights}), want)


# ---------------------------------------------------------------------- on arrays


def test_dtypes():
    y64, p32, p16 = np.array([[0.9, 2.9]]), np.array([[1, 2]], np.float32), np.array([[1, 2]], np.float16)
    assert losses.mean_squared_error(y64, y64).dtype == np.float64
    assert losses.mean_squared_error(y64, p32).dtype == np.float32
    assert losses.mean_squared_error(y64, p16).dtype == np.float16
    assert losses.mean_squared_error([[0.9, 2.9]], [[1.0, 2.0]]).dtype == np.float32
    assert losses.MeanSquaredError(dtype="float64")([[0.9, 2.9]], [[1.0, 2.0]]).dtype == np.float64
    # Integers are not what labels are cast to.
    integers = losses.mean_squared_error([[0.9, 2.9]], [[1, 2]])
    assert integers.dtype == np.float32
    np.testing.assert_allclose(integers, [0.41], rtol=1e-6)


def test_half_precision_can_be_sure_and_right_or_wrong():
    sure = np.array([[0.0, 1.0]], np.float16)
    np.testing.assert_allclose(losses.binary_crossentropy(sure, sure), [0.0], atol=1e-6)
    np.testing.assert_allclose(losses.binary_crossentropy(1 - sure, sure), [16.0], rtol=0.01)


def test_single_precision_clips_where_keras_does():
    y, p = np.array([[0.0], [1.0]], np.float32), np.array([[1.0], [0.0]], np.float32)
    np.testing.assert_allclose(losses.binary_crossentropy(y, p), [15.942385, 16.118095], rtol=1e-6)


def test_labels_beyond_single_precision_stay_exact():
    p = np.zeros((1, 3), np.float32)
    ignored = 2**24 + 1
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored)
    assert loss([ignored], p) == 0


def test_the_keras_guide():
    loss = losses.BinaryCrossentropy(from_logits=True)
    np.testing.assert_allclose(loss([0, 1, 0, 0], [-18.6, 0.51, 2.94, -12.8]), 0.865, rtol=1e-3)
    np.testing.assert_allclose(
        losses.CategoricalCrossentropy()([[0, 1, 0], [0, 0, 1]], [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], [0.3, 0.7]),
        0.814,
        rtol=1e-3,
    )
    np.testing.assert_allclose(
        losses.MeanAbsoluteError(reduction="sum")([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]), 1.0
    )


def test_focal_losses_of_logits_do_not_saturate():
    y, x = np.array([[1.0, 0.0, 0.0]]), np.array([[-1000.0, 1000.0, 0.0]])
    np.testing.assert_allclose(losses.categorical_focal_crossentropy(y, x, from_logits=True), [500.0])
    np.testing.assert_allclose(losses.binary_focal_crossentropy(y[:, :1], x[:, :1], from_logits=True), [1000.0])
    sd = SameDiff(dtype="float64")
    v = sd.var("x", x)
    for gamma in (0.0, 0.5, 2.0):
        g = sd.grad(losses.categorical_focal_crossentropy(y, v, gamma=gamma, from_logits=True), v).eval()
        np.testing.assert_allclose(g, [[-0.25, 0.25, 0.0]])
        sure = sd.grad(losses.categorical_focal_crossentropy(y[:, ::-1], -v, gamma=gamma, from_logits=True), v).eval()
        assert np.isfinite(sure).all()


def test_class_factors_belong_to_the_class_axis():
    rng = np.random.default_rng(0)
    y, x = np.eye(4)[rng.integers(0, 4, (2, 3))], rng.normal(size=(2, 3, 4))
    alpha = [0.1, 0.2, 0.3, 0.4]
    last = losses.categorical_focal_crossentropy(y, x, alpha=alpha, from_logits=True)
    first = losses.categorical_focal_crossentropy(
        np.moveaxis(y, -1, 1), np.moveaxis(x, -1, 1), alpha=alpha, from_logits=True, axis=1
    )
    np.testing.assert_allclose(first, last)


def test_circle_with_references_of_its_own():
    rng = np.random.default_rng(1)
    p = rng.normal(size=(4, 3))
    p /= np.linalg.norm(p, axis=1, keepdims=True)
    y = np.array([0, 1, 0, 1])
    np.testing.assert_allclose(losses.circle(y, p, y, p), losses.circle(y, p))
    assert not np.allclose(losses.circle(y, p, y, p, remove_diagonal=False, gamma=1), losses.circle(y, p, gamma=1))


def test_crossentropy_by_shapes():
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(3), 4)
    one_hot, labels = np.eye(3)[[0, 2, 1, 1]], np.array([0, 2, 1, 1])
    for name in ("crossentropy", "ce", "CE", "Crossentropy"):
        fn = losses.get(name)
        np.testing.assert_allclose(fn(labels, p), losses.categorical_crossentropy(one_hot, p))
        np.testing.assert_allclose(fn(labels[:, None], p), losses.categorical_crossentropy(one_hot, p))
        np.testing.assert_allclose(fn(one_hot, p), losses.categorical_crossentropy(one_hot, p))
        np.testing.assert_allclose(fn(one_hot[:, :1], p[:, :1]), losses.binary_crossentropy(one_hot[:, :1], p[:, :1]))


def test_package_is_lazy_but_complete():
    import sdgraph.keras

    assert sdgraph.keras.losses is losses
    assert {"losses", "utils"} <= set(dir(sdgraph.keras))
    with pytest.raises(AttributeError, match="nothing"):
        sdgraph.keras.nothing  # noqa: B018


# ---------------------------------------------------------------------- focal losses of sure logits


def binary_focal(y, x, gamma):
    """``(y sigmoid(-x) + (1 - y) sigmoid(x))^gamma`` times the cross entropy, its first and second derivative by x."""
    one, zero = jets.logistic(x), jets.logistic(-x)
    entropy = (1 - y) * jets.softplus(x) + y * jets.softplus(-x)
    return jets.power(y * zero + (1 - y) * one, gamma) * entropy if gamma else entropy


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 1.1, 1.5, 2.0, 2.5, 3.0])
@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 4e-5), ("float64", 1e-12)])
def test_binary_focal_derivatives(gamma, dtype, rtol):
    """Value, gradient and Hessian, for logits from certainly wrong to certainly right."""
    sizes = [0.3, 2.0, 9.0, 20.0, 41.0, 60.0, 88.0, 100.0, 1000.0] + [300.0, 500.0, 700.0] * (dtype == "float64")
    logits = np.array([*sizes, *(-s for s in sizes)], dtype)
    least = float(np.finfo(dtype).tiny)
    for label in (1.0, 0.0, 0.75):
        sd = SameDiff(dtype=dtype)
        x = sd.var("x", logits[:, None])
        y = np.full(x.shape, label, dtype)
        loss = sd.keras.binary_focal_crossentropy(y, x, gamma=gamma, from_logits=True, reduction="sum")
        first = sd.grad(loss, x)
        values = [v.eval()[:, 0] for v in (first, sd.grad(first, x))]
        for k, logit in enumerate(logits.tolist()):
            with mpmath.workdps(500):
                _, *want = binary_focal(mpmath.mpf(label), jets.Jet.at(logit, 2), mpmath.mpf(gamma)).derivatives()
                # Where a derivative is the difference of larger terms, their rounding is what is left.
                scale = max(abs(w) for w in want)
                for got, w in zip(values, want, strict=True):
                    assert abs(mpmath.mpf(float(got[k])) - w) <= rtol * max(abs(w), scale / 100) + 4 * least, (
                        label,
                        logit,
                    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
def test_categorical_focal_derivatives(gamma):
    """Of two classes it is the binary loss of the difference of the logits."""
    for logit in (0.3, 9.0, 20.0, 41.0, 60.0, 100.0, -5.0, -60.0, -100.0):
        sd = SameDiff()
        x = sd.var("x", [[logit, 0.0]])
        loss = sd.keras.categorical_focal_crossentropy(
            [[1.0, 0.0]], x, alpha=1.0, gamma=gamma, from_logits=True, reduction="sum"
        )
        first = sd.grad(loss, x)
        second = sd.grad(sd.sum(first * np.array([[1.0, 0.0]], "float32")), x)
        with mpmath.workdps(200):
            want = binary_focal(
                mpmath.mpf(1), jets.Jet.at(float(np.float32(logit)), 2), mpmath.mpf(gamma)
            ).derivatives()
        scale = float(max(abs(w) for w in want[1:]))
        for got, w in ((first, want[1]), (second, want[2])):
            close = pytest.approx(float(w), rel=1e-4, abs=1e-6 * scale + 1e-37)
            assert got.eval().tolist() == [[close, pytest.approx(-float(w), rel=1e-4, abs=1e-6 * scale + 1e-37)]]


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_of_focal_losses_by_their_labels(gamma):
    sd = SameDiff(dtype="float64")
    x, y = sd.placeholder("x", (2, 3)), sd.placeholder("y", (2, 3))
    feeds = {"x": [[1.0, -2.0, 0.5], [3.0, 0.1, -4.0]], "y": [[0.9, 0.2, 0.5], [0.6, 0.1, 0.3]]}
    for op in (sd.keras.binary_focal_crossentropy, sd.keras.categorical_focal_crossentropy):
        check_grads(op(y, x, gamma=gamma, from_logits=True), feeds, order=2)
    sure = {"x": [[800.0, -800.0, 0.0]] * 2, "y": [[1.0, 0.0, 1.0]] * 2}
    for op in (sd.keras.binary_focal_crossentropy, sd.keras.categorical_focal_crossentropy):
        assert all(np.isfinite(g.eval(sure)).all() for g in sd.grad(op(y, x, gamma=gamma, from_logits=True), [x, y]))


def test_generalized_cross_entropy_of_vanishing_probabilities():
    """``(1 - p^q) / q``: slope ``-p^(q-1)``, curvature ``(1 - q) p^(q-2)``, both infinite at 0."""
    p = np.array([0.0, 1e-30, 1e-10, 0.5, 1.0], np.float32)
    sd = SameDiff()
    x = sd.var("x", np.stack([p, 1 - p], 1))
    loss = sd.keras.categorical_generalized_cross_entropy(np.zeros(5, int), x, 0.5)
    first = sd.grad(loss, x)
    second = sd.grad(first[:, 0], x)
    with np.errstate(all="ignore"):
        wide = p.astype(float)
        np.testing.assert_allclose(loss.eval(), (1 - wide**0.5) / 0.5, rtol=1e-6)
        np.testing.assert_allclose(first.eval()[:, 0], -(wide**-0.5), rtol=1e-6)
        np.testing.assert_allclose(second.eval()[:, 0], (0.5 * wide**-1.5).astype(np.float32), rtol=1e-6)
    assert not first.eval()[:, 1].any()


def test_infinite_logits_cost_nothing_where_they_agree():
    x = np.array([[np.inf, -np.inf]])
    for op in (losses.binary_crossentropy, losses.binary_focal_crossentropy):
        assert op(np.array([[1.0, 0.0]]), x, from_logits=True).tolist() == [0]
        assert op(np.array([[1.0, 1.0]]), x, from_logits=True).tolist() == [np.inf]

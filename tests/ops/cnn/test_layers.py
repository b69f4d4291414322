"""Convolutions and pooling as users call them: sizes that are not known, gradients, what does not count, errors."""

import numpy as np
import pytest

import sdgraph.nd as nd
from sdgraph import SameDiff, errors
from sdgraph.testing import check_grads


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_sizes_that_are_told_by_what_is_fed(rng):
    sd = SameDiff("float64")
    x, w = sd.placeholder("x", (None, None, None, 3)), sd.var("w", rng.normal(size=(3, 3, 3, 2)))
    y = sd.cnn.max_pooling2d(sd.cnn.conv2d(x, w, strides=2, padding="same"), 2, padding="same")
    g = sd.grad(sd.sum(y * y), w)
    for size in [(2, 9, 8), (1, 4, 5)]:
        feed = rng.normal(size=(*size, 3))
        known = SameDiff("float64")
        v = known.var("w", w.value)
        z = known.cnn.max_pooling2d(known.cnn.conv2d(feed, v, strides=2, padding="same"), 2, padding="same")
        np.testing.assert_array_equal(y.eval({"x": feed}), z.eval())
        np.testing.assert_array_equal(g.eval({"x": feed}), known.grad(known.sum(z * z), v).eval())


def test_names_of_sizes_that_stay():
    sd = SameDiff()
    x, w = sd.placeholder("x", ("batch", "height", "width", 3)), sd.var("w", shape=(3, 3, 3, 8))
    assert sd.cnn.conv2d(x, w, padding="same").shape == ("batch", "height", "width", 8)
    assert sd.cnn.conv2d(x, w).shape == ("batch", None, None, 8)
    assert sd.cnn.conv2d(x, w, padding=1).shape == ("batch", "height", "width", 8)
    assert sd.cnn.global_avg_pooling(x).shape == ("batch", 3)


@pytest.mark.parametrize("padding", ["same", "valid", 1])
def test_channels_may_come_first(rng, padding):
    x, w, b = rng.normal(size=(2, 6, 5, 4)), rng.normal(size=(3, 2, 4, 3)), rng.normal(size=3)
    first = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    for op, rest in [("conv2d", (w, b)), ("deconv2d", (rng.normal(size=(3, 2, 3, 4)), b)), ("max_pooling2d", (3,)),
                     ("avg_pooling2d", (3,))]:  # fmt: skip
        last = getattr(nd.cnn, op)(x, *rest, padding=padding)
        other = getattr(nd.cnn, op)(first, *rest, padding=padding, data_format="NCHW")
        np.testing.assert_allclose(np.moveaxis(other, 1, -1), last, atol=1e-13)


def test_a_separable_convolution_is_two(rng):
    x, d, p = rng.normal(size=(2, 5, 4, 3)), rng.normal(size=(3, 2, 3, 2)), rng.normal(size=(1, 1, 6, 4))
    whole = np.einsum("abcm,cmf->abcf", d, p[0, 0].reshape(3, 2, 4))
    np.testing.assert_allclose(nd.cnn.separable_conv2d(x, d, p), nd.cnn.conv2d(x, whole), atol=1e-13)


def test_means_of_halves_do_not_overflow():
    x = np.full((1, 4, 4, 1), 60000.0, np.float16)
    assert (nd.cnn.avg_pooling2d(x, 2) == np.float16(60000)).all()


def test_gradients_of_a_network(rng):
    sd = SameDiff("float64")
    x = sd.placeholder("x", (1, 4, 4, 2))
    w, v = sd.var("w", rng.normal(size=(3, 3, 2, 3))), sd.var("v", rng.normal(size=(2, 2, 3, 2)))
    h = sd.math.tanh(sd.cnn.conv2d(x, w, sd.var("b", [0.1, -0.2, 0.3]), padding="same"))
    h = sd.cnn.deconv2d(sd.cnn.avg_pooling2d(h, 2), sd.permute(v, (0, 1, 3, 2)), strides=2)
    assert check_grads(sd.sum(h * h), {"x": rng.normal(size=(1, 4, 4, 2))}, order=2) < 1e-6


def test_images_that_do_not_count_leak_nothing(rng):
    """Whatever stands in an image whose loss is left out, gradients are those of the others."""
    x0, w0 = rng.normal(size=(3, 12, 12, 2)), rng.normal(size=(3, 3, 2, 4))
    ok = np.array([True, False, True])

    def gradients(x0, ok=None):
        sd = SameDiff("float64")
        x, w = sd.var("x", x0), sd.var("w", w0)
        h = sd.cnn.avg_pooling2d(sd.cnn.max_pooling2d(sd.cnn.conv2d(x, w, strides=2, padding="same"), 2), 2, padding=1)
        each = sd.sum(sd.cnn.depth_wise_conv2d(h, np.ones((2, 2, 4, 1))) ** 2, axis=(1, 2, 3))
        gs = sd.grad(sd.sum(each if ok is None else sd.where(ok, each, 0.0)), [x, w])
        return [g.eval() for g in gs]

    want = gradients(x0[ok])
    assert all(np.abs(g).max() > 0.01 for g in want)
    for bad in (np.nan, np.inf, 1e300):
        x0[1] = bad
        dx, dw = gradients(x0, ok)
        assert not dx[1].any()
        np.testing.assert_allclose(dx[ok], want[0], rtol=1e-12)
        np.testing.assert_allclose(dw, want[1], rtol=1e-12)


def test_one_product_less_where_whole_images_count():
    """No array of the size of the result is made of which places count."""
    sd = SameDiff()
    x, w = sd.placeholder("x", (4, 8, 8, 3)), sd.var("w", shape=(3, 3, 3, 2))
    y = sd.cnn.conv(x, w)
    start = len(sd.nodes)
    sd.grad(sd.where(sd.placeholder("ok", (4, 1, 1, 1), "bool"), y, 0.0), w)
    assert [n.op.name for n in sd.nodes[start:]].count("conv_kernel") == 1


E_S, E_A, E_T, E_D = errors.ShapeError, errors.ArgumentError, errors.ArgumentTypeError, errors.DTypeError
WRONG = [
    ("conv2d", [(1, 4, 4, 3), (3, 3, 4, 8)], {}, E_S, "given: +3 channels, filters \\(3, 3, 4, 8\\)"),
    ("conv2d", [(1, 4, 4, 4), (3, 3, 2, 3)], {"groups": 2}, E_S, "divided among groups"),
    ("conv2d", [(4, 4, 3), (3, 3, 3, 8)], {}, E_S, "expand_dims"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 8)], {}, E_S, "Filters have 4 axes"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8), (4,)], {}, E_S, "one number per filter"),
    ("conv2d", [(1, 4, 4, 3), (3, 0, 3, 8)], {}, E_S, "at least one place"),
    ("conv2d", [(1, 4, 2, 3), (3, 3, 3, 8)], {}, E_S, "larger than the array"),
    ("max_pooling2d", [(1, 4, 1, 3)], {"size": 2}, E_S, "larger than the array"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8)], {"strides": 0}, E_A, "strides"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8)], {"dilation": (1, 2, 3)}, E_A, "dilation"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8)], {"padding": "sam"}, E_A, "Did you mean 'same'"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8)], {"padding": ((1, 2, 3), 1)}, E_A, "padding"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8)], {"padding": "causal"}, E_A, "Only along one axis"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8)], {"data_format": "NWHC"}, E_A, "data format"),
    ("conv2d", [(1, 4, 4, 3), (3, 3, 3, 8)], {"weights_format": "OI"}, E_A, "weights format"),
    ("deconv2d", [(1, 4, 4, 3), (3, 3, 8, 2)], {}, E_S, "channels"),
    ("deconv2d", [(1, 4, 4, 3), (3, 3, 8, 3)], {"output_padding": 1}, E_A, "come from nowhere"),
    ("deconv2d", [(1, 4, 4, 3), (3, 3, 8, 3)], {"padding": "causal"}, E_A, "padding"),
    ("separable_conv2d", [(1, 4, 4, 3), (3, 3, 3, 2), (2, 1, 6, 4)], {}, E_S, "second step have one place"),
    ("depth_wise_conv2d", [(1, 4, 4, 3), (3, 3, 2, 2)], {}, E_S, "channels"),
    ("max_pooling2d", [(1, 4, 4, 3)], {"size": 2, "padding": 2}, E_S, "lies in the padding alone"),
    ("max_pooling2d", [(1, 4, 4, 3)], {"size": (2, 2, 2)}, E_A, "size"),
    ("max_pooling2d", [(1, 4, 4, 3)], {"size": 2, "ceil": 1}, E_T, "ceil"),
    ("avg_pooling2d", [(1, 4, 4, 3)], {"size": 2, "count_padding": "yes"}, E_T, "count_padding"),
    ("global_max_pooling", [(1, 4, 4, 3)], {"data_format": "NCW"}, E_S, "3 axes"),
    ("conv", [(1, 4, 3), (2, 3)], {}, E_S, "same rank"),
    ("conv", [(1, 4, 3), (2, 3, 2)], {"pads": 1.5}, E_A, "pads"),
    ("conv_input", [(1, 4, 3), (2, 3, 3)], {"sizes": (9,)}, E_S, "that many places"),
    ("conv_input", [(1, 4, 3), (2, 3, 3)], {"sizes": 5}, E_A, "sizes"),
    ("window_max", [()], {"sizes": 2}, E_S, "slide along axes"),
]


@pytest.mark.parametrize(("name", "shapes", "attrs", "kind", "says"), WRONG)
def test_wrong_calls_say_what_is_wrong_and_leave_no_trace(name, shapes, attrs, kind, says):
    sd = SameDiff()
    operands = [sd.placeholder(f"x{k}", shape) for k, shape in enumerate(shapes)]
    with pytest.raises(kind, match=says) as e:
        getattr(sd.cnn, name)(*operands, **attrs)
    assert "test_layers.py" in str(e.value)
    assert len(sd.nodes) == len(operands)


def test_complex_numbers_have_no_maximum():
    with pytest.raises(E_D, match="no order"):
        nd.cnn.max_pooling2d(np.ones((1, 2, 2, 1), np.complex64), 2)


@pytest.mark.peers
def test_a_model_of_any_batch_is_exported(rng):
    runtime = pytest.importorskip("onnxruntime")
    sd = SameDiff("float32")
    x = sd.placeholder("x", (None, 8, 8, 2))
    h = sd.nn.relu(sd.cnn.conv2d(x, rng.normal(size=(3, 3, 2, 4)).astype("f"), padding="same"))
    h = sd.cnn.avg_pooling2d(sd.cnn.max_pooling2d(h, 2), 3, 1, padding=1)
    y = sd.cnn.global_avg_pooling(sd.cnn.separable_conv2d(h, np.ones((2, 2, 4, 1), "f"), np.ones((1, 1, 4, 3), "f")))
    session = runtime.InferenceSession(sd.to_onnx([y]).SerializeToString(), providers=["CPUExecutionProvider"])
    for n in (1, 5):
        feed = rng.normal(size=(n, 8, 8, 2)).astype("f")
        np.testing.assert_allclose(session.run(None, {"x": feed})[0], y.eval({"x": feed}), rtol=1e-4, atol=1e-5)

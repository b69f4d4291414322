"""Operations on pictures beside convolution and pooling: what samples do not show."""

import mpmath
import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, DTypeError, ShapeError
from tests.ops import pictures_by_hand
from tests.ops.finite_differences import check_gradients

RNG = np.random.default_rng(11)
X = RNG.normal(size=(2, 4, 5, 3))
ENGINES = ["numpy", "llvm"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("view", [lambda x: x, lambda x: x[::-1, :, ::2], lambda x: x.transpose(2, 0, 3, 1)])
def test_windows_of_views(engine, view):
    x = view(RNG.normal(size=(4, 6, 8, 5)))
    sd = SameDiff("float64")
    v = sd.placeholder("x", x.shape)
    y = 2.0 * sd.cnn.windows(v, (1, 2), (2, 3), (1, 2)) + 1.0
    want = 2.0 * pictures_by_hand.windows(x, (1, 2), (2, 3), (1, 2)) + 1.0
    np.testing.assert_array_equal(sd.compile(y, engine=engine)(x=x)[y.name], want)
    g = sd.grad(sd.sum(y * y), v)
    found = sd.compile(g, engine=engine)(x=x)[g.name]
    np.testing.assert_allclose(found, pictures_by_hand.add_windows(4.0 * want, x, (1, 2), (2, 3), (1, 2)), rtol=1e-13)


def test_adding_is_the_transpose_of_taking():
    for axis, size, strides, dilation in [(1, 3, 2, 1), ((2, 1), (2, 2), (1, 3), (2, 1)), ((0, 1, 2), 2, 1, 1)]:
        sd = SameDiff("float64")
        taken = sd.cnn.windows(X, axis, size, strides, dilation).eval()
        g = RNG.normal(size=taken.shape)
        added = sd.cnn.add_windows(g, X, axis, size, strides, dilation).eval()
        np.testing.assert_allclose((taken * g).sum(), (X * added).sum(), rtol=1e-12)


def test_halves_are_added_up_in_single_precision():
    sd = SameDiff()
    g = np.full((2049, 1, 2, 1), 1.0, np.float16)
    assert sd.cnn.add_windows(np.ones((1, 3000), np.float16), np.zeros(3000, np.float16), 0, 3000).eval().max() == 1
    assert sd.cnn.block_sums(np.ones((4096, 1), np.float16), np.ones((1, 1), np.float16), (4096, 1)).eval() == 4096
    assert sd.cnn.upsampling2d(g, 2).eval().dtype == np.float16


# ---------------------------------------------------------------------- unknown sizes, NaN that does not count


BUILDS = {
    "patches": lambda sd, x: sd.cnn.extract_image_patches(x, 2, 2, 2, 1, same_mode=True),
    "columns": lambda sd, x: sd.cnn.im2_col(x, 2, 2, "same_lower", data_format="NHWC"),
    "larger": lambda sd, x: sd.cnn.upsampling2d(x, 2, 1, False),
    "deeper": lambda sd, x: sd.cnn.space_to_depth(x, 2, "NHWC"),
    "batches": lambda sd, x: sd.cnn.space_to_batch(x, (2, 2)),
    "dilated": lambda sd, x: sd.cnn.dilation2d(x, np.arange(12.0).reshape(2, 2, 3), (2, 2), is_same_mode=True),
    "local": lambda sd, x: sd.cnn.local_response_normalization(x, depth=1, data_format="NHWC"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", BUILDS)
def test_sizes_that_are_told_at_run_time(name, engine):
    sd = SameDiff("float64")
    v = sd.placeholder("x", (None, None, None, 3))
    y = BUILDS[name](sd, v)
    g = sd.grad(sd.sum(y * y), v)
    f = sd.compile([y, g], engine=engine)
    for x in (X[:, :, :4], X[:1, :2, :2]):
        fixed = SameDiff("float64")
        w = fixed.placeholder("x", x.shape)
        z = BUILDS[name](fixed, w)
        want = fixed.compile([z, fixed.grad(fixed.sum(z * z), w)])(x=x)
        for a, b in zip(f(x=x).values(), want.values(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", BUILDS)
def test_what_is_left_out_leaves_nothing_behind(name):
    """One entry of each picture has an infinite derivative; no result that counts reads it."""
    sd = SameDiff("float64")
    x = np.abs(X[:, :, :4]) + 0.5
    x[:, 0, 0] = 0.0
    v = sd.placeholder("x", x.shape)
    y = BUILDS[name](sd, v**0.5)
    probe = np.zeros(x.shape)
    probe[:, 0, 0] = 1.0
    touched = BUILDS[name](sd, sd.constant("probe", probe + 1.0)).eval() != BUILDS[name](sd, np.ones(x.shape)).eval()
    if name == "dilated":
        touched[:] = False
        touched[:, 0, 0] = True
    g = sd.grad(sd.sum(sd.where(touched, 0.0, y)), v).eval({"x": x})
    assert np.isfinite(g).all() and (g[:, 0, 0] == 0).all() and g.any()
    assert not np.isfinite(sd.grad(sd.sum(y), v).eval({"x": x})).all()


# ---------------------------------------------------------------------- dilation


def test_largest_sums_that_are_equal_share_the_gradient():
    sd = SameDiff("float64")
    x, w = sd.var("x", np.array([[[[1.0], [2.0], [0.0]]]])), sd.var("w", np.array([[[1.0], [0.0]]]))
    y = sd.cnn.dilation2d(x, w)
    assert y.eval().ravel().tolist() == [2.0, 3.0]
    gx, gw = sd.grad(sd.sum(y), [x, w])
    assert gx.eval().ravel().tolist() == [0.5, 1.5, 0.0] and gw.eval().ravel().tolist() == [1.5, 0.5]


def test_outside_of_a_picture_there_is_nothing():
    sd = SameDiff("float64")
    x = np.full((1, 2, 2, 1), -np.inf)
    assert (sd.cnn.dilation2d(x, np.ones((2, 2, 1)), is_same_mode=True).eval() == -np.inf).all()
    low = np.full((1, 1, 2, 1), np.iinfo(np.int8).min, np.int8)
    assert sd.cnn.dilation2d(low, np.zeros((1, 2, 1), np.int8), is_same_mode=True).eval().ravel().tolist() == [-128] * 2
    x[0, 0, 0] = np.nan
    assert np.isnan(sd.cnn.dilation2d(x, np.zeros((1, 1, 1))).eval()[0, 0, 0])


# ---------------------------------------------------------------------- nearby channels


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e5, 1e200, 1e300])
@pytest.mark.parametrize("beta", [0.5, 0.75, 1.0])
def test_local_response_of_any_size(scale, beta):
    x = np.array([0.3, -2.0, 1e-3, 1.5]).reshape(1, 1, 4) * scale
    with mpmath.workdps(700):
        exact = [mpmath.mpf(float(v)) for v in x.ravel()]
        near = [sum(v * v for v in exact[max(k - 1, 0) : k + 2]) for k in range(4)]
        want = [float(v / (2 + mpmath.mpf(0.1) * s) ** beta) for v, s in zip(exact, near, strict=True)]
    sd = SameDiff("float64")
    y = sd.cnn.local_response_normalization(x, 0.1, beta, 2.0, depth=1)
    np.testing.assert_allclose(y.eval().ravel(), want, rtol=1e-13)


def test_derivatives_of_a_local_response():
    check_gradients(lambda sd, x: sd.cnn.local_response_normalization(x, 0.5, 0.75, depth=1), X[0, :2, :3], orders=2)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda sd, x: sd.cnn.windows(x, (1, 1), 2), ArgumentError, "twice"),
        (lambda sd, x: sd.cnn.windows(x, 1, 0), ArgumentError, "size is a whole number"),
        (lambda sd, x: sd.cnn.im2_col(x, 9, data_format="NHWC"), ShapeError, "shorter than a window"),
        (lambda sd, x: sd.cnn.im2_col(x, 2, padding=-1), ArgumentError, "padding is 0 or more"),
        (lambda sd, x: sd.cnn.col2_im(sd.cnn.im2_col(x, 2), (9, 9)), ShapeError, "another number of windows"),
        (lambda sd, x: sd.cnn.space_to_depth(x, 3, "NHWC"), ShapeError, "cannot be cut into blocks of 3"),
        (lambda sd, x: sd.cnn.depth_to_space(x, 2, "NHWC"), ShapeError, "do not fill blocks"),
        (lambda sd, x: sd.cnn.depth_to_space(x, 2, "NCWH"), ArgumentError, "no format of pictures"),
        (lambda sd, x: sd.cnn.space_to_batch(x, (2, 2)), ShapeError, "Axis 2 cannot be cut"),
        (lambda sd, x: sd.cnn.batch_to_space(x, (3, 1)), ShapeError, "do not make blocks"),
        (lambda sd, x: sd.cnn.batch_to_space(x, (1, 1), (3, 2)), ShapeError, "More is cropped"),
        (lambda sd, x: sd.cnn.upsampling2d(x, 0), ArgumentError, "scale_h must be"),
        (lambda sd, x: sd.cnn.upsampling3d(x, True, 1, 1, 2), ShapeError, "rank 5"),
        (lambda sd, x: sd.cnn.dilation2d(x, np.ones((2, 2, 2))), ShapeError, "The channels differ"),
        (lambda sd, x: sd.cnn.dilation2d(x, np.ones((1, 1, 3), complex)), DTypeError, "real numbers"),
        (lambda sd, x: sd.cnn.dilation2d(x, np.ones((1, 1, 3)), (2, 1, 1, 1)), ArgumentError, "are 1"),
        (lambda sd, x: sd.cnn.local_response_normalization(x, bias=0.0), ArgumentError, "bias must be"),
        (lambda sd, x: sd.cnn.local_response_normalization(sd.cast(x, "complex128")), DTypeError, "real"),
    ],
)
def test_what_is_refused(build, error, words):
    sd = SameDiff("float64")
    x = sd.placeholder("x", X.shape)
    with pytest.raises(error, match=words):
        build(sd, x)

"""Operations on images beyond what the registry's tests ask: weights, edges, what is no number, other packages."""

from fractions import Fraction

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, LabelError, ShapeError
from sdgraph.ops.image import taps
from sdgraph.testing import check_grads
from tests.ops import image_references

METHODS = ["nearest", "linear", "cubic", "area", "gaussian", "lanczos3", "lanczos5", "mitchell"]


def sampling(size, **settings):
    known = {"method": "linear", "coordinates": "half_pixel", "antialias": False, "border": "edge", "scale": None,
             "coefficient": -0.75, "rounding": "round_prefer_ceil", "absolute": False}  # fmt: skip
    return taps.Sampling(size, **{**known, **settings})


# ---------------------------------------------------------------------- the matrix


@pytest.mark.any_engine
@pytest.mark.parametrize("border", ["edge", "inside"])
@pytest.mark.parametrize("method", METHODS)
def test_matrices_are_those_of_the_formulas(method, border):
    for old, new, antialias in [(1, 1, False), (1, 5, True), (7, 3, True), (7, 3, False), (3, 17, False), (5, 5, True)]:
        settings = {"method": method, "border": border, "antialias": antialias}
        want = image_references.matrix(old, new, **settings)
        got = taps.dense(sampling(new, **settings), old)
        np.testing.assert_allclose(got, want, atol=1e-14)
        np.testing.assert_allclose(got.sum(axis=1), 1.0, rtol=1e-14)
        np.testing.assert_array_equal(taps.dense(sampling(new, **settings), old, transposed=True), got.T)


@pytest.mark.any_engine
def test_halfway_places_are_found_exactly():
    """A place is one quotient of whole numbers, so that no size makes the nearest entry another one."""
    for old in range(1, 40):
        for new in range(1, 40):
            got = taps.pairs_of(sampling(new, method="nearest"), old).columns
            want = [min((2 * i + 1) * old // (2 * new), old - 1) for i in range(new)]
            assert got.tolist() == want
            floor = taps.pairs_of(sampling(new, method="nearest", coordinates="asymmetric", rounding="floor"), old)
            assert floor.columns.tolist() == [int(Fraction(i * old, new)) for i in range(new)]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(5, 40), (2, 40, 3), (2, 40, 12), (40, 2, 2, 1)])
def test_blocks_are_the_product(shape, dtype):
    """Axes of all widths behind, in blocks and with what is left over, and their transposes."""
    axis = shape.index(40)
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype(dtype)
    tol = {"float16": 2e-3, "float32": 2e-6}.get(dtype, 1e-13)
    for new, method in [(37, "cubic"), (9, "lanczos3"), (83, "linear")]:
        matrix = image_references.matrix(40, new, method=method, antialias=True)
        sd = SameDiff("float64")
        v = sd.constant(x)
        y = sd.image.resample(v, new, axis, method, antialias=True)
        want = np.moveaxis(np.tensordot(matrix, x.astype(np.result_type(dtype, "float64")), (1, axis)), 0, axis)
        assert y.dtype == dtype
        np.testing.assert_allclose(y.eval(), want, rtol=tol, atol=tol)
        back = sd.image.unresample(y, v, new, axis, method, antialias=True)
        want = np.moveaxis(np.tensordot(matrix, want, (0, axis)), 0, axis)
        np.testing.assert_allclose(back.eval(), want, rtol=8 * tol, atol=8 * tol)


def test_whole_numbers():
    sd = SameDiff()
    pixels = sd.constant(np.array([[[0], [255]]], np.uint8))
    assert sd.image.image_resize(pixels, (2, 2), method="nearest").dtype == "uint8"
    y = sd.image.image_resize(pixels, (1, 4))
    assert y.dtype == "float32"
    np.testing.assert_array_equal(y.eval().reshape(-1), [0, 63.75, 191.25, 255])
    np.testing.assert_array_equal(sd.image.image_resize(pixels, (1, 2)).eval().dtype, "float32")
    wide = sd.constant(np.array([[[2**40], [0]]]))
    assert sd.image.resize_bi_linear(wide, 1, 4, half_pixel_centers=True).dtype == "float64"


# ---------------------------------------------------------------------- what is infinite, or no number


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e308])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_number_stays_where_it_is_read(method, bad):
    x = np.ones((2, 40, 3))
    x[1, 17, 2] = bad
    sd = SameDiff("float64")
    v = sd.var("x", x)
    for new in (13, 90):
        y = sd.image.resample(v, new, 1, method)
        reads = taps.dense(sampling(new, method=method), 40)[:, 17] != 0
        got = y.eval()
        assert np.isfinite(np.delete(got[1, :, 2], np.flatnonzero(reads))).all()
        np.testing.assert_allclose(np.delete(got, 2, axis=2), 1.0, rtol=1e-14)
        np.testing.assert_allclose(got[0], 1.0, rtol=1e-14)
        if np.isnan(bad):
            assert np.isnan(got[1, reads, 2]).all()


@pytest.mark.parametrize("method", ["linear", "cubic", "lanczos3"])
def test_a_selection_leaves_out_what_it_does_not_read(method):
    """Weights of both signs add up to 0 somewhere, and are read nevertheless."""
    sd = SameDiff("float64")
    x = sd.var("x", np.array([0.0, 4.0, 9.0, 0.0, 1.0, 0.0]))
    root = sd.math.rsqrt(x)
    y = sd.image.resample(root, 9, method=method)
    taken = np.isfinite(y.eval())
    g = sd.grad(sd.sum(sd.where(taken, y, 0.0)), x).eval()
    matrix = image_references.matrix(6, 9, method=method)[taken]
    with np.errstate(divide="ignore", invalid="ignore"):
        want = np.where((matrix != 0).any(axis=0), matrix.sum(axis=0) * -0.5 * x.value**-1.5, 0.0)
    np.testing.assert_allclose(g, want, rtol=1e-12)


# ---------------------------------------------------------------------- images


def test_proportions():
    sd = SameDiff()
    for old, most, want in [((4, 5), (4, 8), (4, 5)), ((10, 3), (5, 5), (5, 2)), ((3, 9), (2, 2), (1, 2)),
                            ((2, 1), (6, 9), (6, 3)), ((1, 100), (3, 3), (1, 3))]:  # fmt: skip
        y = sd.image.image_resize(np.zeros((*old, 1), np.float32), most, preserve_aspect_ratio=True)
        assert y.shape == (*want, 1)
    x = sd.placeholder("x", (None, "h", "w", 1))
    y = sd.image.image_resize(x, (4, 8), preserve_aspect_ratio=True)
    assert y.shape == (None, None, None, 1)
    assert y.eval(x=np.zeros((2, 4, 5, 1))).shape == (2, 4, 5, 1)


def test_errors_of_resizing():
    sd = SameDiff()
    x = sd.placeholder("x", (2, 3, 4, 1))
    with pytest.raises(ArgumentError, match=r"(?s)not both.*align_corners=True, half_pixel_centers=True.*Leave one"):
        sd.image.resize_bi_linear(x, 2, 2, align_corners=True, half_pixel_centers=True)
    with pytest.raises(ArgumentError, match=r"(?s)no method of resizing 'bicubi'.*Did you mean 'bicubic'"):
        sd.image.image_resize(x, (2, 2), method="bicubi")
    with pytest.raises(ArgumentError, match="size is a pair of whole numbers"):
        sd.image.image_resize(x, (0, 2))
    with pytest.raises(ShapeError, match="rank 3 or 4"):
        sd.image.image_resize(sd.placeholder("flat", (3, 4)), (2, 2))
    with pytest.raises(ShapeError, match="nothing to read"):
        sd.image.image_resize(sd.placeholder("empty", (2, 0, 4, 1)), (2, 2))
    with pytest.raises(ShapeError, match=r"(?s)smaller than a patch.*same_mode=True"):
        sd.image.extract_image_patches(x, (4, 4))
    with pytest.raises(ShapeError, match=r"(?s)three channels.*\(2, 3, 4, 1\)"):
        sd.image.rgb_to_hsv(x)


def test_a_crop_that_ends_at_the_border_reads_the_border():
    """The last place is not beyond it, whatever the sizes are."""
    sd = SameDiff()
    for old in range(2, 40, 5):
        x = np.arange(old, dtype=np.float32).reshape(1, 1, old, 1)
        for new in (2, 3, 7, 10, 23):
            y = sd.image.crop_and_resize(x, [[0.0, 0.0, 1.0, 1.0]], [0], (1, new), -9.0).eval().reshape(-1)
            assert y[0] == 0 and y[-1] == old - 1
            np.testing.assert_allclose(y, np.linspace(0, old - 1, new), rtol=1e-5)


def test_a_crop_of_no_image():
    sd = SameDiff()
    image, boxes = np.zeros((2, 3, 3, 1), np.float32), np.array([[0.0, 0.0, 1.0, 1.0]], np.float32)
    which = sd.placeholder("which", (1,), "int64")
    y = sd.image.crop_and_resize(image, boxes, which, (2, 2))
    for bad in (-1, 2):
        with pytest.raises(LabelError):
            y.eval(which=[bad])


def test_gradients_of_crops_by_their_boxes():
    sd = SameDiff("float64")
    image = sd.constant(np.random.default_rng(1).random((2, 5, 6, 2)))
    boxes = sd.placeholder("boxes", (2, 4))
    y = sd.image.crop_and_resize(image, boxes, [1, 0], (3, 4))
    assert check_grads(y, {"boxes": np.array([[0.11, 0.13, 0.83, 0.71], [0.9, 0.23, 0.15, 0.95]])}, order=2) < 1e-6


def test_crops_that_are_drawn():
    sd = SameDiff()
    x = np.arange(6.0, dtype=np.float32)
    first, second = sd.image.random_crop(x, (2,)), sd.image.random_crop(x, (2,))
    drawn = [sd.output({}, [first, second], step=k) for k in range(300)]
    starts = np.array([[v[0] for v in d.values()] for d in drawn])
    assert set(starts.reshape(-1)) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert np.abs(np.bincount(starts[:, 0].astype(int)) - 60).max() < 35
    assert (starts[:, 0] != starts[:, 1]).mean() > 0.6
    assert all(np.diff(v) == 1 for d in drawn for v in d.values())


def test_boxes_in_any_order_of_corners_and_scores_that_are_no_number():
    sd = SameDiff("float64")
    boxes = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]])
    scores = np.array([0.1, 0.1, np.nan, 0.05])
    assert sd.image.non_max_suppression(boxes, scores, 4).eval().tolist() == [0, 3, -1, -1]
    assert sd.image.non_max_suppression(boxes, scores, 4, 1.0).eval().tolist() == [0, 1, 3, -1]
    assert sd.image.non_max_suppression(boxes, scores, 0).eval().tolist() == []


def test_colours_and_back():
    sd = SameDiff("float64")
    x = np.random.default_rng(2).random((50, 3))
    x[:5] = [[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 1], [0.5, 0.5, 0.25]]
    np.testing.assert_allclose(sd.image.hsv_to_rgb(sd.image.rgb_to_hsv(x)).eval(), x, atol=1e-14)
    np.testing.assert_allclose(sd.image.yuv_to_rgb(sd.image.rgb_to_yuv(x)).eval(), x, atol=1e-7)
    turned = sd.image.adjust_hue(sd.image.adjust_hue(x[None], 0.3), -0.3)
    np.testing.assert_allclose(turned.eval()[0], x, atol=1e-14)


def test_channels_that_are_not_mixed_are_not_read():
    sd = SameDiff("float64")
    red, green, blue = sd.image.yuv_to_rgb([0.5, np.nan, 0.25]).eval()
    assert np.isfinite(red) and np.isnan(green) and np.isnan(blue)


def test_slopes_of_hue_where_two_channels_are_equal():
    """The pieces of a hue meet without a kink, so there is one derivative: by differences of either side."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", (3,))
    hue = sd.image.rgb_to_hsv(x)[0]
    g = sd.grad(hue, x)
    for colour in ([0.8, 0.8, 0.2], [0.2, 0.8, 0.8], [0.8, 0.3, 0.3], [0.1, 0.6, 0.1]):
        if colour[0] > colour[1] == colour[2]:
            continue  # Red: the hue is 0 on one side and 1 on the other.
        for k in range(3):
            for h in (1e-6, -1e-6):
                moved = np.array(colour)
                moved[k] += h
                slope = (hue.eval(x=moved) - hue.eval(x=np.array(colour))) / h
                assert g.eval(x=np.array(colour))[k] == pytest.approx(slope, abs=1e-4)


# ---------------------------------------------------------------------- other packages


@pytest.mark.peers
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("method", ["bilinear", "bicubic", "area", "nearest"])
def test_resizing_against_torch(method, antialias):
    torch = pytest.importorskip("torch")
    if antialias and method in ("area", "nearest"):
        antialias = False
    x = np.random.default_rng(3).random((2, 9, 7, 3))
    for size in [(4, 5), (18, 10), (3, 14)]:
        if method == "area" and (9 % size[0] or 7 % size[1]):
            size = (3, 7)  # Elsewhere torch averages whole pixels.
        t = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
        settings = {"align_corners": False, "antialias": antialias} if method[:2] == "bi" else {}
        want = torch.nn.functional.interpolate(
            t, size=size, mode={"nearest": "nearest-exact"}.get(method, method), **settings
        )
        (want * want).sum().backward()
        sd = SameDiff("float64")
        v = sd.var("x", x)
        settings = {"border": "inside", "coefficient": -0.5} if antialias else {}
        y = v
        for axis, n in ((1, size[0]), (2, size[1])):
            along = {"bilinear": "linear", "bicubic": "cubic"}.get(method, method)
            y = sd.image.resample(y, n, axis, along, antialias=antialias, **settings)
        np.testing.assert_allclose(y.eval(), want.detach().permute(0, 2, 3, 1).numpy(), rtol=1e-12, atol=1e-13)
        g = sd.grad(sd.sum(y * y), v).eval()
        np.testing.assert_allclose(g, t.grad.permute(0, 2, 3, 1).numpy(), rtol=1e-12, atol=1e-12)

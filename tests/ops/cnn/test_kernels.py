"""Convolution in random geometries, its three derivatives against each other, and how much memory it takes."""

import tracemalloc

import numpy as np
import pytest

import sdgraph.nd as nd
from sdgraph.ops.cnn import kernels
from tests.ops import windows_by_hand as by_hand


def geometry(rng):
    axes = int(rng.integers(1, 4))

    def each(low, high):
        return tuple(int(v) for v in rng.integers(low, high, axes))

    k, strides, dilation = each(1, 4), each(1, 4), each(1, 4)
    pads = tuple((int(a), int(b)) for a, b in rng.integers(-1, 5, (axes, 2)))
    space = tuple(
        max(d * (kk - 1) + 1 - low - high, 1) + int(rng.integers(0, 5))
        for kk, d, (low, high) in zip(k, dilation, pads, strict=True)
    )
    groups, c, f = [(1, int(rng.integers(1, 4)), int(rng.integers(1, 4))), (2, 4, 6), (3, 3, 3), (3, 3, 6)][
        rng.integers(4)
    ]
    x = rng.normal(size=(int(rng.integers(1, 3)), *space, c))
    w = rng.normal(size=(*k, c // groups, f))
    return x, w, {"strides": strides, "dilation": dilation, "pads": pads, "groups": groups}


@pytest.mark.parametrize("seed", range(4))
def test_each_of_the_three_is_a_derivative_of_the_same_form(seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        x, w, a = geometry(rng)
        y = nd.cnn.conv(x, w, **a)
        g = rng.normal(size=y.shape)
        of_y = np.vdot(y, g)
        of_x = np.vdot(x, nd.cnn.conv_input(g, w, sizes=x.shape[1:-1], **a))
        of_w = np.vdot(w, nd.cnn.conv_kernel(x, g, sizes=w.shape[:-2], **a))
        scale = np.vdot(np.abs(nd.cnn.conv(np.abs(x), np.abs(w), **a)), np.abs(g)) + 1e-300
        assert abs(of_x - of_y) <= 1e-14 * scale, a
        assert abs(of_w - of_y) <= 1e-14 * scale, a


def test_random_geometries_against_loops():
    rng = np.random.default_rng(9)
    for _ in range(12):
        x, w, a = geometry(rng)
        np.testing.assert_allclose(nd.cnn.conv(x, w, **a), by_hand.conv(x, w, **a), atol=1e-12, err_msg=str(a))


@pytest.mark.slow
@pytest.mark.peers
def test_random_geometries_against_torch():
    functional = pytest.importorskip("torch").nn.functional
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    for _ in range(60):
        x, w, a = geometry(rng)
        axes = x.ndim - 2
        if min(min(pair) for pair in a["pads"]) < 0:
            continue
        theirs = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
        filters = torch.tensor(w.transpose(axes + 1, axes, *range(axes)).copy(), requires_grad=True)
        padded = functional.pad(theirs, [v for pair in reversed(a["pads"]) for v in pair])
        conv = getattr(functional, f"conv{axes}d")
        z = conv(padded, filters, stride=a["strides"], dilation=a["dilation"], groups=a["groups"])
        y = nd.cnn.conv(x, w, **a)
        np.testing.assert_allclose(np.moveaxis(y, -1, 1), z.detach().numpy(), atol=1e-12)
        g = rng.normal(size=y.shape)
        z.backward(torch.tensor(np.moveaxis(g, -1, 1).copy()))
        dx = nd.cnn.conv_input(g, w, sizes=x.shape[1:-1], **a)
        dw = nd.cnn.conv_kernel(x, g, sizes=w.shape[:-2], **a)
        np.testing.assert_allclose(np.moveaxis(dx, -1, 1), theirs.grad.numpy(), atol=1e-12)
        np.testing.assert_allclose(dw.transpose(axes + 1, axes, *range(axes)), filters.grad.numpy(), atol=1e-12)


def test_blocks_of_rows_and_of_images(monkeypatch):
    """Whatever fits into a block: several images, one, some rows, or a single row that is larger than it."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(5, 7, 6, 3)), rng.normal(size=(3, 2, 3, 4))
    a = {"strides": (2, 1), "dilation": (1, 2), "pads": ((2, 1), (0, 3)), "groups": 1}
    y = nd.cnn.conv(x, w, **a)
    g = rng.normal(size=y.shape)
    want = [y, kernels.conv_input(np, g, w, sizes=(7, 6), **a), kernels.conv_kernel(np, x, g, sizes=(3, 2), **a)]
    for size in (1, 1000, 4000, 9000):
        monkeypatch.setattr(kernels, "_BLOCK", size)
        got = [
            kernels.conv(np, x, w, **a),
            kernels.conv_input(np, g, w, sizes=(7, 6), **a),
            kernels.conv_kernel(np, x, g, sizes=(3, 2), **a),
        ]
        for one, other in zip(got, want, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_operands_of_any_layout():
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(4, 3, 6, 5)), rng.normal(size=(5, 3, 2, 2))
    turned, filters = x.transpose(0, 2, 3, 1)[:, ::-1], w.transpose(2, 3, 1, 0)[:, ::-1]
    want = nd.cnn.conv(np.ascontiguousarray(turned), np.ascontiguousarray(filters), pads=1)
    np.testing.assert_array_equal(kernels.conv(np, turned, filters, strides=(1, 1), dilation=(1, 1),
                                               pads=((1, 1), (1, 1)), groups=1), want)  # fmt: skip


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool", "complex64", "float16"])
def test_every_dtype(dtype):
    rng = np.random.default_rng(5)
    x, w = rng.integers(0, 3, (2, 5, 2)).astype(dtype), rng.integers(0, 3, (3, 2, 4)).astype(dtype)
    y = nd.cnn.conv(x, w, pads=1)
    assert y.dtype == dtype
    want = by_hand.conv(x.real.astype(float), w.real.astype(float), pads=1)
    np.testing.assert_array_equal(y.astype(complex).real, (want != 0) if dtype == "bool" else want)


def test_halves_are_added_up_in_single_precision():
    x = np.full((1, 4096, 1), 1.0, np.float16)
    w = np.full((4096, 1, 1), 1.0, np.float16)
    assert nd.cnn.conv(x, w).item() == 4096


def test_no_operand_and_no_result():
    assert nd.cnn.conv(np.ones((1, 1, 1)), np.ones((2, 1, 3))).shape == (1, 0, 3)
    assert nd.cnn.conv(np.ones((2, 3, 0)), np.ones((2, 0, 3))).tolist() == np.zeros((2, 2, 3)).tolist()
    assert not nd.cnn.conv_input(np.ones((1, 0, 3)), np.ones((2, 1, 3)), sizes=(1,)).any()
    assert not nd.cnn.conv_kernel(np.ones((0, 3, 1)), np.ones((0, 2, 4)), sizes=(2,)).any()


@pytest.mark.parametrize("groups", [1, 4, 32])
@pytest.mark.parametrize("strides", [1, 2])
def test_memory_is_that_of_operands_and_results(groups, strides, monkeypatch):
    monkeypatch.setattr(kernels, "_BLOCK", 1 << 17)
    x = np.ones((3, 64, 64, 32), np.float32)
    w = np.ones((3, 3, 32 // groups, 32), np.float32)
    a = {"strides": (strides, strides), "dilation": (1, 1), "pads": ((1, 1), (1, 1)), "groups": groups}
    y = kernels.conv(np, x, w, **a)
    calls = [
        lambda: kernels.conv(np, x, w, **a),
        lambda: kernels.conv_input(np, y, w, sizes=(64, 64), **a),
        lambda: kernels.conv_kernel(np, x, y, sizes=(3, 3), **a),
    ]
    for call in calls:
        tracemalloc.start()
        result = call()
        more = tracemalloc.get_traced_memory()[1] - result.nbytes
        tracemalloc.stop()
        assert more < 0.25 * (x.nbytes + y.nbytes + w.nbytes)

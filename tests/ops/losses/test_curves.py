"""Curves that losses are made of: their derivatives in closed form, of every order that is asked for."""

import mpmath
import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff

LOGITS = [0.0, -0.0, 1e-20, -1e-8, 0.3, -0.3, 2.0, -2.0, 15.0, -15.0, 40.0, -40.0, 700.0, -700.0]
LABELS = [0.0, 1.0, 0.25, 0.9, 1e-12]


def derivatives(make, x, order):
    """The value of a loss of one number and its derivatives, elementwise."""
    sd = SameDiff("float64")
    v = sd.placeholder("x", (None,))
    found = [make(sd, v)]
    for _ in range(order):
        found.append(sd.grad(sd.sum(found[-1]), v))
    return [f.eval({"x": x}) for f in found]


@pytest.mark.parametrize("delta", [0.0, 0.5, 1.0, 3.0])
def test_huber(delta):
    x = np.array([0.0, 1e-300, 0.3, -0.5, 0.5, -1.0, 1.0, 2.9, -3.1, 1e200, -1e200])
    value, slope, curvature = derivatives(
        lambda sd, v: sd.loss.huber_loss(v * 0.0, v, delta=delta, loss_reduce=LossReduce.NONE), x, 2
    )
    size = np.abs(x)
    near = size <= delta
    want = np.where(near, np.where(near, x, 0) ** 2 / 2, delta * (size - delta / 2))
    np.testing.assert_allclose(value, want, rtol=1e-15, atol=0)
    assert np.array_equal(slope, np.where(near, x, delta * np.sign(x)))
    assert np.array_equal(curvature, near * 1.0)


def test_huber_of_what_is_no_number():
    x = np.array([np.inf, -np.inf, np.nan])
    value, slope = derivatives(
        lambda sd, v: sd.loss.huber_loss(np.zeros(3), v, delta=2.0, loss_reduce=LossReduce.NONE), x, 1
    )
    assert np.array_equal(value, [np.inf, np.inf, np.nan], equal_nan=True)
    assert np.array_equal(slope, [2.0, -2.0, np.nan], equal_nan=True)


def cross_entropy(z, w):
    return lambda x: (1 - z) * mpmath.log1p(mpmath.exp(x)) + w * mpmath.log1p(mpmath.exp(-x))


@pytest.mark.parametrize("factor", [None, 3.0])
@pytest.mark.parametrize("z", LABELS)
def test_cross_entropy_with_logits_keeps_its_digits(z, factor):
    def make(sd, x):
        if factor is None:
            return sd.loss.sigmoid_cross_entropy(x * 0.0 + z, x, loss_reduce=LossReduce.NONE)
        return sd.loss.weighted_cross_entropy_with_logits(x * 0.0 + z, x, factor)

    x = np.array(LOGITS)
    w = z * (factor or 1.0)
    found = derivatives(make, x, 3)
    with mpmath.workdps(700):
        for k, at in enumerate(x):
            e, s = mpmath.mpf(float(at)), 1 / (1 + mpmath.exp(-mpmath.mpf(float(at))))
            z_, w_ = mpmath.mpf(z), mpmath.mpf(w)
            first = (1 - z_) * s - w_ * (1 - s)
            total = (1 - z_ + w_) * s * (1 - s)
            want = [cross_entropy(z_, w_)(e), first, total, total * (1 - 2 * s)]
            for got, true in zip(found, want, strict=True):
                # Where two terms are equal and opposite, they are what counts.
                scale = abs(true) if true is not first else max(abs(true), (1 - z_) * s * 2.0**-3)
                assert abs(mpmath.mpf(float(got[k])) - true) <= 4e-15 * scale + mpmath.mpf(2) ** -1070, (at, true)


def test_derivatives_by_labels_and_weights():
    rng = np.random.default_rng(0)
    x, z, q = rng.normal(size=50) * 3, rng.uniform(size=50), rng.uniform(0.5, 3, 50)
    sd = SameDiff("float64")
    names = {"x": x, "z": z, "q": q}
    vx, vz, vq = (sd.placeholder(name, (50,)) for name in names)
    loss = sd.sum(sd.loss.weighted_cross_entropy_with_logits(vz, vx, vq))
    by_x, by_z, by_q = sd.grad(loss, [vx, vz, vq])
    mixed = sd.grad(sd.sum(by_x), [vz, vq])
    p = 1 / (1 + np.exp(-x))
    want = [
        (1 - z) * p - q * z * (1 - p),
        -np.logaddexp(0, x) + q * np.logaddexp(0, -x),
        z * np.logaddexp(0, -x),
        -p - q * (1 - p),
        -z * (1 - p),
    ]
    for v, true in zip([by_x, by_z, by_q, *mixed], want, strict=True):
        np.testing.assert_allclose(v.eval(names), true, rtol=1e-12, atol=1e-14)

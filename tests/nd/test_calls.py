"""Ops on arrays."""

import threading

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import SDGraphError, ShapeError
from sdgraph.nd import calls as eager
from sdgraph.ops.base import SDBase
from sdgraph.ops.linalg import SDLinalg
from sdgraph.ops.losses.samediff import SDLoss
from sdgraph.ops.math import SDMath


def test_values_and_dtypes_are_those_of_a_graph():
    x = np.linspace(0.1, 2, 6, dtype=np.float32).reshape(2, 3)
    got = eager.call(SDMath.log1p.op, [x])
    want = SameDiff().math.log1p(x).eval()
    np.testing.assert_array_equal(got, want)
    assert got.dtype == want.dtype
    assert eager.call(SDMath.add.op, [x, 2.0]).dtype == np.float32
    assert eager.call(SDMath.add.op, [1.0, 2.0]).dtype == np.float32


def test_settings_absent_operands_and_several_outputs():
    y, p = np.array([0.0, 1.0]), np.array([1.0, 3.0])
    op = SDLoss.huber_loss.op
    assert eager.call(op, *op.bind((y, p, None), {"delta": 0.5})) == pytest.approx((0.375 + 0.875) / 2)
    assert eager.call(op, *op.bind((y, p, np.array([1.0, 0.0])), {"delta": 0.5})) == pytest.approx(0.375)
    op = SDLinalg.qr.op
    q, r = eager.call(op, *op.bind((np.eye(2),), {}))
    np.testing.assert_allclose(q @ r, np.eye(2))
    op = SDBase.concat.op
    np.testing.assert_array_equal(eager.call(op, *op.bind((y, p), {})), [0, 1, 1, 3])


def test_one_compilation_per_signature(monkeypatch):
    monkeypatch.setattr(eager, "_compiled", type(eager._compiled)())
    op = SDMath.expm1.op
    for n in (3, 3, 4):
        eager.call(op, [np.zeros(n)])
    assert len(eager._compiled) == 2


def test_errors_name_the_op():
    with pytest.raises(ShapeError, match=r"sd\.math\.add"):
        eager.call(SDMath.add.op, [np.zeros(2), np.zeros(3)])
    with pytest.raises(SDGraphError, match="operand"):
        eager.call(SDMath.add.op, [np.zeros(2), "text"])


def test_lists_take_the_dtype_of_their_neighbours():
    one, two, three = eager.as_operands([[0.5], np.zeros(1), [1, 2]])
    assert (one.dtype, two.dtype, three.dtype) == (np.float64, np.float64, np.int64)
    (alone,) = eager.as_operands([[0.5]])
    assert alone.dtype == np.float32
    sd = SameDiff(dtype="float64")
    inside, _ = eager.as_operands([[0.5], sd.constant([1, 2])])
    assert inside.dtype == np.float64
    assert eager.graph_of([None, 1.0]) is None


def test_threads():
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for n in range(1, 20):
            x = rng.random(n)
            if not np.array_equal(eager.call(SDMath.square.op, [x]), x * x):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong

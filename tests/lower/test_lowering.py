"""Lowering: equal nodes are one, others are not; what is folded; which numbers random ops draw."""

import copy
import pickle

import numpy as np
import pytest

from sdgraph import Namespace, Operand, SameDiff, composite, primitive
from sdgraph.errors import ExecutionError, ShapeError
from sdgraph.infer.shapes import elementwise


@pytest.fixture
def sd():
    return SameDiff("float64")


def steps(f):
    return [s.op.qualname for s in f.plan.steps]


def test_constants_of_equal_bytes_but_another_type_or_shape_are_not_one(sd):
    parts = [
        sd.constant(np.array(a))
        for a in (np.zeros((), "int64"), np.zeros((), "float64"), np.zeros(1), np.zeros((1, 1)), np.zeros((), "uint64"))
    ]
    f = sd.compile([sd.identity(p, name=f"y{k}") for k, p in enumerate(parts)])
    for p, y in zip(parts, f({}).values(), strict=True):
        assert (y.dtype, y.shape) == (p.dtype, p.shape)


def test_equal_calls_are_one_step_and_others_are_not(sd):
    x = sd.placeholder("x", (2, 3))
    f = sd.compile([sd.sum(x, 0), sd.sum(x, 0), sd.sum(x, 1), sd.sum(x, 1, keepdims=True)], engine="numpy")
    shapes = [y.shape for y in f(x=np.ones((2, 3))).values()]
    assert shapes == [(3,), (3,), (2,), (2, 1)]
    assert steps(f).count("sum") == 3


def test_what_depends_on_constants_alone_is_folded_where_it_is_small(sd):
    small, large = sd.constant(np.ones(8)), sd.constant(np.ones(1 << 16))
    f = sd.compile([sd.math.exp(small), sd.math.exp(large)], engine="numpy")
    assert steps(f) == ["math.exp"]
    values = list(f({}).values())
    np.testing.assert_array_equal(values[0], np.exp(np.ones(8)))


def test_a_folded_value_cannot_be_changed_by_who_gets_it(sd):
    f = sd.compile(sd.math.exp(sd.constant([0.0, 1.0])).rename("y"))
    first = f({})["y"]
    first[:] = 7.0
    np.testing.assert_array_equal(f({})["y"], np.exp([0.0, 1.0]))


def test_folding_says_nothing_of_overflow(sd):
    y = sd.math.exp(sd.constant([1e4])) / sd.constant([0.0])
    assert y.eval().tolist() == [np.inf]


def test_random_ops_are_not_folded_and_follow_the_step(sd):
    y = sd.random.normal(0.0, 1.0, (4,))
    f = sd.compile(y, engine="numpy")
    assert not np.array_equal(f({}, step=0)[y.name], f({}, step=1)[y.name])


def test_a_seed_of_its_own_counts_for_one_op_only():
    def draws(graph_seed, own):
        sd = SameDiff("float64", seed=graph_seed)
        return sd.random.normal(0.0, 1.0, (4,), seed=own).eval(), sd.random.normal(0.0, 1.0, (4,)).eval()

    (a, c), (b, d) = draws(1, 5), draws(2, 5)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(c, d)


def test_two_draws_of_one_graph_differ_inside_composites_too(sd):
    ones = sd.constant(np.ones(64))
    first, second = sd.nn.dropout(ones, 0.5), sd.nn.dropout(ones, 0.5)
    values = list(sd.compile([first, second])({}).values())
    assert not np.array_equal(*values)


def test_the_body_of_a_composite_is_lowered_for_the_sizes_that_were_fed(sd):
    x = sd.placeholder("x", (None, 3))
    y = sd.mean(sd.nn.softmax(x), axis=0)
    for n in (1, 2, 5):
        np.testing.assert_allclose(y.eval(x=np.zeros((n, 3))), np.full(3, 1 / 3))


def test_a_body_that_finds_no_memory_is_an_error_of_ours():
    sd = SameDiff()
    x = sd.placeholder("x", shape=(None, 3))
    y = sd.repeat(x, repeats=2**46, axis=0, name="y")
    with pytest.raises(ExecutionError, match=r"MemoryError(.|\n)*'y'"):
        y.eval({"x": np.ones((2, 3))})


# ---------------------------------------------------------------------- the form for inference


class Regularisers(Namespace, prefix="regularisers_of_test_lowering"):
    @primitive(
        infer=elementwise,
        kernel=lambda xp, x, *, strength: x * strength,
        vjp=lambda g, y, x, *, strength: g * strength,
        inference=lambda x, *, strength: x + strength,
    )
    def shaken(self, x: Operand, strength: float = 2.0, *, name=None): ...

    @composite
    def layer(self, x: Operand, *, name=None):
        return self.sd.nn.dropout(self.shaken(x, 3.0), 0.5)

    @composite(inference=lambda x: x.sum())
    def wrong(self, x: Operand, *, name=None):
        return 2 * x


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_at_inference_ops_follow_their_rules_inside_composites_too(sd, engine):
    x = sd.placeholder("x", (None,))
    outs = [Regularisers(sd).shaken(x, name="a"), Regularisers(sd).layer(x, name="b")]
    values = np.array([1.0, -2.0, 0.25])
    used = sd.compile(outs, engine, inference=True)
    for f in (used, pickle.loads(pickle.dumps(used)), copy.deepcopy(used)):
        found = f(x=values)
        np.testing.assert_array_equal(found["a"], values + 2)
        np.testing.assert_array_equal(found["b"], values + 3)
    np.testing.assert_array_equal(sd.compile(outs[0], engine)(x=values)["a"], values * 2)


def test_a_rule_for_inference_gives_what_the_op_gives(sd):
    f = sd.compile(Regularisers(sd).wrong(sd.placeholder("x", (3,)), name="y"), inference=False)
    assert f(x=[1, 2, 3])["y"].tolist() == [2, 4, 6]
    with pytest.raises(ShapeError, match=r"inference rule(.|\n)*regularisers_of_test_lowering.wrong(.|\n)*'y'"):
        sd.compile("y", inference=True)(x=[1, 2, 3])

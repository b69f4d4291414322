"""What may join a region: nodes whose spaces are of equal sizes need not mean the same axes."""

import itertools

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from scipy.special import logsumexp, softmax

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.divide.region import MAX_NODES, MAX_PHASES, Node, Operand, Region
from tests.groups import first_and_slow
from tests.run.engines.llvm.terms import difference


def penalty(sd, w):
    """A group lasso: the norms of rows, one per class."""
    return sd.sum(sd.norm2(w, axis=1))


@pytest.mark.parametrize("label", range(3))
@pytest.mark.parametrize("penalty_first", [False, True])
def test_a_batch_of_one_beside_rows_of_classes(label, penalty_first):
    weights = np.array([[0.0, 1.0], [2.0, 0.0], [1.0, 1.0]])
    sd = SameDiff("float64")
    x, k = sd.placeholder("x", (None, 2)), sd.placeholder("k", (None,), "int64")
    w = sd.var("w", weights)
    terms = [lambda: sd.sum(sd.loss.sparse_softmax_cross_entropy(x @ sd.transpose(w), k)), lambda: penalty(sd, w) * 0.1]
    loss = sum(term() for term in (terms[::-1] if penalty_first else terms))
    f = sd.compile([sd.identity(loss, name="loss"), sd.identity(sd.grad(loss, w), name="gradient")], engine="llvm")
    rows = np.array([[1.0, 3.0]])
    got = f(x=rows, k=[label])
    logits = rows @ weights.T
    norms = np.linalg.norm(weights, axis=1)
    np.testing.assert_allclose(got["loss"], logsumexp(logits) - logits[0, label] + 0.1 * norms.sum(), rtol=1e-14)
    slope = (softmax(logits) - np.eye(3)[[label]]).T @ rows + 0.1 * weights / norms[:, None]
    np.testing.assert_allclose(got["gradient"], slope, rtol=1e-13)


@pytest.mark.parametrize("shapes", list(itertools.permutations([(1, 3, 3), (1, 3), (3, 3), (3, 1, 3)], 2)))
def test_losses_of_classes_over_equal_sizes(shapes):
    """Tokens, sentences and batches whose sizes are equal or 1."""
    sd = SameDiff("float64")
    rng = np.random.default_rng(0)
    feeds, terms, want = {}, [], 0.0
    for n, shape in enumerate(shapes):
        x, k = sd.placeholder(f"x{n}", shape), sd.placeholder(f"k{n}", shape[:-1], "int32")
        terms.append(sd.sum(sd.loss.sparse_softmax_cross_entropy(x, k)))
        logits, labels = rng.normal(size=shape), rng.integers(0, 3, shape[:-1])
        feeds |= {f"x{n}": logits, f"k{n}": labels.astype(np.int32)}
        want += (logsumexp(logits, axis=-1) - np.take_along_axis(logits, labels[..., None], -1)[..., 0]).sum()
    loss = terms[0] + terms[1]
    got = sd.compile([loss, *sd.grad(loss, ["x0", "x1"])], engine="llvm")(feeds)
    assert got[loss.name] == pytest.approx(want, rel=1e-14)
    for n in range(2):
        slope = softmax(feeds[f"x{n}"], axis=-1) - np.eye(3)[feeds[f"k{n}"]]
        np.testing.assert_allclose(got[f"grad/x{n}"], slope, atol=1e-14)


@pytest.mark.parametrize("penalty_first", [False, True])
@pytest.mark.parametrize(
    "shape, others, axis",
    [
        ((1, 2, 3), (2, 3, 4), -1),
        ((2, 3, 4), (2, 3, 4), (1, 2)),
        ((2, 1, 3), (2, 3, 4), -1),
        ((1, 1, 3), (3, 2, 2), (1, 2)),
    ],
)
def test_losses_of_classes_beside_norms(shape, others, axis, penalty_first):
    """Places along an axis join no rows that have more axes, and no rows that are divided elsewhere."""
    sd = SameDiff("float64")
    rng = np.random.default_rng(0)
    x, k, w = sd.placeholder("x", shape), sd.placeholder("k", shape[:-1], "int64"), sd.placeholder("w", others)
    terms = [lambda: sd.sum(sd.loss.sparse_softmax_cross_entropy(x, k)), lambda: sd.sum(sd.norm2(w, axis=axis))]
    loss = sum(term() for term in (terms[::-1] if penalty_first else terms))
    logits, labels = rng.normal(size=shape), rng.integers(0, shape[-1], shape[:-1])
    weights = rng.normal(size=others)
    got = sd.compile([loss, sd.grad(loss, x)], engine="llvm")(x=logits, k=labels, w=weights)
    want = (logsumexp(logits, axis=-1) - np.take_along_axis(logits, labels[..., None], -1)[..., 0]).sum()
    assert got[loss.name] == pytest.approx(want + np.sqrt((weights**2).sum(axis)).sum(), rel=1e-13)
    slope = softmax(logits, axis=-1) - np.eye(shape[-1])[labels]
    np.testing.assert_allclose(got["grad/x"], slope, atol=1e-14)


@pytest.mark.parametrize("first", first_and_slow((0, 30), 1))
def test_sums_of_unrelated_terms(first):
    found = {seed: text for seed in range(first, first + 30) if (text := difference(seed))}
    assert not found


def node(i, shape, *operands, space=None, reduce=None, axes=()):
    reads = tuple(Operand(*x) for x in operands)
    return Node(i, "math.add", reads, {}, np.dtype("float32"), shape, space or shape, reduce, axes, "")


def test_what_does_not_fit_says_why():
    region = Region()
    assert region.add(node(10, (2, 4), (0, (2, 4, 3)), space=(2, 4, 3), reduce="sum", axes=(2,)))
    assert region.add(node(11, (), (1, (2, 4, 3)), space=(2, 4, 3), reduce="sum", axes=(0, 1, 2)))
    refused = {
        "its space is another one": node(20, (4, 2, 3), (0, (4, 2, 3))),
        "its space has no such rows and columns": node(21, (2, 4, 3), (0, (2, 1, 3))),
        "what works on rows reads rows whole": node(22, (2, 4), (0, (2, 1))),
        "an operand was made to be read in another way": node(23, (2, 4, 3), (11, (2, 4, 3))),
    }
    for why, one in refused.items():
        assert region.fit(one) == why and not region.add(one)
    assert [n.id for n in region.nodes] == [10, 11]
    assert region.add(node(24, (2, 4), (10, (2, 4))))


def test_rows_end_in_one_place():
    region = Region()
    assert region.add(node(10, (2, 3), (0, (2, 3, 4)), space=(2, 3, 4), reduce="sum", axes=(2,)))
    assert (
        region.fit(node(11, (2,), (0, (2, 3, 4)), space=(2, 3, 4), reduce="sum", axes=(1, 2))) == "rows end elsewhere"
    )


def test_a_region_is_full_at_some_point():
    region = Region()
    for i in range(MAX_NODES):
        assert region.add(node(i, (5,), (i - 1, (5,))))
    assert region.fit(node(MAX_NODES, (5,), (0, (5,)))) == "the region is full"


def test_loops_after_one_another_are_counted():
    region = Region()
    last = -1
    for k in range(MAX_PHASES + 1):
        assert region.add(node(2 * k, (5,), (last, ()), (100, (5,))))
        total = node(2 * k + 1, (), (2 * k, (5,)), space=(5,), reduce="sum", axes=(0,))
        if k < MAX_PHASES:
            assert region.add(total)
        last = 2 * k + 1
    assert region.add(total)
    assert region.fit(node(99, (5,), (last, ()))) == "too many loops after one another"

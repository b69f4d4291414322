"""What Keras rejects, and what it should: each an error that names the shapes or the argument."""

import re

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import LabelError, SDGraphError
from sdgraph.keras import losses
from tests.golden import cases

CASES = cases.load("keras_errors")


def run(case, arrays):
    if case["form"] == "class":
        return getattr(losses, case["loss"])(reduction=case["reduction"], **case["kwargs"])(**arrays)
    fn = getattr(losses, case["loss"])
    return fn(arrays["y_true"], arrays["y_pred"], **case["kwargs"])


def named(case):
    """What the message must name: the argument that is wrong, or two shapes."""
    kind = case["tags"][0]
    if "axis" in kind:
        return [r"axis"]
    if "reduction" in kind:
        return [r"no reduction 'abc'"]
    shapes = [case["y_true"]["shape"], case["y_pred"]["shape"]]
    if "weights" in kind:
        shapes = [case["sample_weight"]["shape"], case["y_pred"]["shape"][:1]]
    return [re.escape(f"({', '.join(map(str, s))}{',' * (len(s) == 1)})") for s in shapes]


@pytest.mark.parametrize("in_graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['loss']}-{c['tags'][0]}")
def test_what_keras_rejects(case, in_graph):
    arrays = {k: cases.array(case[k]) for k in ("y_true", "y_pred", "sample_weight", "mask")}
    if in_graph:
        sd = SameDiff()
        arrays = {k: None if x is None else sd.placeholder(k, x.shape, x.dtype) for k, x in arrays.items()}
    with pytest.raises((ValueError, TypeError)) as caught:
        run(case, arrays)
    assert isinstance(caught.value, SDGraphError)
    for pattern in named(case):
        assert re.search(pattern, str(caught.value))
    # In our words, not in Keras'.
    assert str(caught.value).split("\n")[0] not in case["message"]
    if in_graph:
        assert len(sd.nodes) == sum(x is not None for x in arrays.values())


Y, P = np.zeros((4, 3)), np.full((4, 3), 0.5)

ARGUMENTS = {
    "delta": lambda: losses.Huber(delta=-1.0),
    "delta of a function": lambda: losses.huber(Y, P, delta=0),
    "q of 1": lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0),
    "q of 0": lambda: losses.CategoricalGeneralizedCrossEntropy(q=0.0),
    "q missing": lambda: losses.categorical_generalized_cross_entropy([0], [[0.5, 0.5]]),
    "reduction auto": lambda: losses.MeanSquaredError(reduction="auto"),
    "label_smoothing": lambda: losses.BinaryCrossentropy(label_smoothing=1.5),
    "gamma": lambda: losses.BinaryFocalCrossentropy(gamma=-1),
    "alpha": lambda: losses.CategoricalFocalCrossentropy(alpha=[0.1, 0.2])(Y, P),
    "alpha of Tversky": lambda: losses.Tversky(alpha=float("nan")),
    "ignore_class": lambda: losses.SparseCategoricalCrossentropy(ignore_class=0.5)([0], [[0.5, 0.5]]),
    "axis": lambda: losses.BinaryCrossentropy(axis=True)(Y, P),
    "axis of 2": lambda: losses.CategoricalCrossentropy(axis=2)(Y, P),
    "ref_labels": lambda: losses.circle([0, 1], np.eye(2), ref_labels=[0, 1]),
    "unknown argument": lambda: losses.mean_squared_error(Y, P, axis=1),
    "name of arrays": lambda: losses.mean_squared_error(Y, P, name="x"),
    "complex": lambda: losses.mean_squared_error(Y, P * 1j),
    "texts": lambda: losses.mean_squared_error(Y, [["a"] * 3] * 4),
    "ragged": lambda: losses.mean_squared_error(Y, [[1.0], [1.0, 2.0]]),
    "missing": lambda: losses.mean_squared_error(Y, None),
}


@pytest.mark.parametrize("make", ARGUMENTS.values(), ids=ARGUMENTS)
def test_arguments_out_of_range(make):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert isinstance(caught.value, SDGraphError)


SHAPES = [
    ("mean_squared_error", (4, 3), (3,), "4, 3"),
    ("mean_squared_error", (1, 3), (4, 3), "1, 3"),
    ("mean_squared_error", (), (), "scalar"),
    ("kl_divergence", (4, 1), (4, 3), "4, 1"),
    ("hinge", (4,), (4, 3), "4,"),
    ("poisson", (2, 1), (1, 2), "2, 1"),
    ("categorical_focal_crossentropy", (4, 1), (4, 3), "4, 1"),
    ("dice", (4, 1), (4, 3), "4, 1"),
    ("tversky", (3,), (4, 3), "3,"),
    ("sparse_categorical_crossentropy", (4, 2), (4, 3), "4, 2"),
    ("sparse_categorical_crossentropy", (3,), (4, 3), "3,"),
    ("ctc", (4, 2), (4, 3), "4, 3"),
    ("circle", (4, 2), (4, 3), "4, 2"),
    ("circle", (3,), (4, 3), "4, 3"),
]


@pytest.mark.parametrize(("name", "y", "p", "shown"), SHAPES)
def test_nothing_broadcasts_silently(name, y, p, shown):
    with pytest.raises(ValueError, match=re.escape(shown) if shown[0].isdigit() else shown.title()):
        getattr(losses, name)(np.zeros(y), np.full(p, 0.5))


@pytest.mark.parametrize("from_logits", [False, True])
def test_a_label_out_of_range_is_named(from_logits):
    loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits, ignore_class=-1)
    labels = np.array([[0, -1], [7, 1]])
    with pytest.raises(LabelError, match=r"label 7 at position \(1, 0\)"):
        loss(labels, np.full((2, 2, 3), 0.3))
    labels[1, 0] = -1
    assert loss(labels, np.full((2, 2, 3), 0.3)) == pytest.approx(np.log(3))


def test_a_rejected_call_leaves_no_trace():
    sd = SameDiff()
    p = sd.placeholder("p", shape=(None, 3))

    class Bad(losses.Loss):
        def call(self, y_true, y_pred):
            return (y_pred * 2).reshape(5, 7, 11) + y_pred

    for bad in (Bad(), losses.MeanSquaredError(reduction="sum")):
        with pytest.raises(ValueError, match=r"do not broadcast|same shape"):
            bad(np.zeros((4, 2)), p)
    assert [v.name for v in sd.variables()] == ["p"]
    assert sd.marks.losses == []


def test_operands_of_two_graphs():
    a, b = SameDiff(), SameDiff()
    with pytest.raises(SDGraphError, match="another graph"):
        losses.MeanSquaredError()(a.placeholder("y", shape=(2, 2)), b.placeholder("p", shape=(2, 2)))


def test_call_is_missing_or_gives_nothing():
    with pytest.raises(NotImplementedError, match="call") as caught:
        losses.Loss()([1.0], [1.0])
    assert isinstance(caught.value, SDGraphError)

    class Nothing(losses.Loss):
        def call(self, y_true, y_pred):
            y_pred * 2

    with pytest.raises(TypeError, match="must return a variable"):
        Nothing()([1.0], [1.0])


@pytest.mark.parametrize("bad", [np.zeros(2, "datetime64[D]"), np.array(["a", "b"]), np.array([None, 1], object)])
def test_weights_that_are_no_numbers(bad):
    with pytest.raises(SDGraphError, match="not an array of numbers"):
        losses.MeanSquaredError()(np.ones((2, 3)), np.ones((2, 3)), sample_weight=bad)

    class OneOfTheUsers(losses.Loss):
        def call(self, y_true, y_pred):
            return y_pred - y_true

    with pytest.raises(SDGraphError, match="not an array of numbers"):
        OneOfTheUsers()(np.ones((2, 3)), 1.0, sample_weight=bad)

"""`keras.Model`: what it is made of, what it takes, and where it raises instead of guessing."""

import contextlib

import numpy as np
import pytest

from sdgraph import SameDiff, keras, train
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, FeedError, SDGraphError, ShapeError
from sdgraph.keras import callbacks, losses, optimizers
from tests.graph_state import graph_state

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
Y = RNG.normal(size=(24, 1))


def linear(dtype="float64", outputs=1):
    sd = SameDiff(dtype)
    x = sd.placeholder("x", (None, 3))
    made = [sd.identity(x @ sd.var(f"w{k}", np.full((3, 1), 0.5)), name=f"out{k}") for k in range(outputs)]
    return keras.Model(x, made if outputs > 1 else made[0])


def compiled(loss="mse", outputs=1, optimizer="sgd", **more):
    model = linear(outputs=outputs)
    model.compile(optimizer, loss, **more)
    return model


# ---------------------------------------------------------------------- what it is made of


def test_names_are_those_of_variables_or_keys():
    model = linear(outputs=2)
    assert (model.input_names, model.output_names) == (["x"], ["out0", "out1"])
    sd = model.sd
    named = keras.Model({"a": sd["x"]}, {"b": sd["out0"]}, name="mine")
    assert (named.input_names, named.output_names, named.name) == (["a"], ["b"], "mine")
    assert named.predict({"a": X}).keys() == {"b"}
    assert [p.shape for p in model.predict([X])] == [(24, 1), (24, 1)]


def test_a_graph_may_have_other_parts_and_other_models():
    sd = SameDiff("float64")
    x, other = sd.placeholder("x", (None, 3)), sd.placeholder("other", (None, 2))
    v = sd.var("v", np.ones((2, 1)))
    untouched = other @ v
    hidden = x @ sd.var("w", np.eye(3))
    coder, classifier = keras.Model(x, hidden), keras.Model(x, hidden @ sd.var("u", np.ones((3, 1))))
    coder.compile("sgd", "mse")
    classifier.compile(optimizers.SGD(0.5), "mae")
    first = coder.fit(X, X[:, ::-1], epochs=1, batch_size=24, verbose=0).history["loss"][0]
    np.testing.assert_allclose(first, ((X - X[:, ::-1]) ** 2).mean(), rtol=1e-12)
    before = v.value.copy()
    classifier.fit(X, Y, epochs=1, batch_size=24, verbose=0)
    assert [w.name for w in classifier.weights] == ["w", "u"]
    np.testing.assert_array_equal(v.value, before)
    assert untouched.eval({"other": np.ones((1, 2))}).shape == (1, 1)
    # Each still minimizes what is its own.
    again = coder.evaluate(X, X[:, ::-1], verbose=0)
    np.testing.assert_allclose(again, ((X @ sd["w"].value - X[:, ::-1]) ** 2).mean(), rtol=1e-12)


def test_what_is_no_input_or_output_is_refused():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 3))
    w = sd.var("w", np.ones((3, 1)))
    with pytest.raises(ArgumentTypeError, match="placeholder"):
        keras.Model(w, x @ w)
    with pytest.raises(ArgumentError, match="need 'y'"):
        keras.Model(x, (x + y) @ w)
    with pytest.raises(ArgumentTypeError, match="variable of a graph"):
        keras.Model(x, [np.ones(3)])
    with pytest.raises(ArgumentError, match="one graph"):
        keras.Model(SameDiff().placeholder("x", (None, 3)), x @ w)
    with pytest.raises(ArgumentError):
        keras.Model([], x @ w)
    with pytest.raises(ArgumentError, match="one number"):
        keras.Model(x, (x @ w).mean())
    with pytest.raises(ArgumentError, match="twice"):
        keras.Model(x, [w, w])


def test_without_compile_there_is_nothing_to_fit():
    model = linear()
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ArgumentError, match="not compiled"):
            call(X, Y)
    assert not model.compiled
    assert model.predict(X, verbose=0).shape == (24, 1)


def test_weights_are_got_and_set():
    model = linear(outputs=2)
    (a, b) = model.get_weights()
    a[:] = 7
    assert (model.get_weights()[0] == 0.5).all()
    model.set_weights([a, b])
    assert (model.sd["w0"].value == 7).all()
    with pytest.raises(ArgumentError, match="w0"):
        model.set_weights([a])
    with pytest.raises(ShapeError):
        model.set_weights([a, b.T])


# ---------------------------------------------------------------------- compile


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"optimizer": "adm"}, "'adm'"),
        ({"loss": "msee"}, "'msee'"),
        ({"metrics": ["acuracy"]}, "'acuracy'"),
        ({"metrics": ["MeanIoU"]}, "num_classes="),
        ({"loss": ["mse", "mae"]}, "one entry for each output"),
        ({"loss": {"out": "mse"}}, "no output 'out'"),
        ({"loss": "mse", "loss_weights": [1.0, 2.0]}, "one entry for each output"),
        ({"loss": "mse", "loss_weights": float("nan")}, "finite"),
        ({"loss": "mse", "on_nan": "stop"}, "on_nan"),
    ],
)
def test_what_nothing_has_is_an_error_of_compile(settings, match):
    with pytest.raises(ArgumentError, match=match):
        linear().compile(**settings)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"loss": ["mse"]}, "one entry for each output"),
        ({"loss": "mse", "loss_weights": 0.5}, "one entry for each output"),
        ({"loss": ["mse", "mae"], "loss_weights": {"out0": 1.0}}, "no weight for the loss of 'out1'"),
        ({"loss": "mse", "metrics": "mae"}, "one entry for each output"),
        ({"loss": "mse", "metrics": {"out2": ["mae"]}}, "no output 'out2'"),
    ],
)
def test_several_outputs_must_be_told_apart(settings, match):
    with pytest.raises(ArgumentError, match=match):
        linear(outputs=2).compile("sgd", **settings)


def test_weights_go_to_their_outputs_by_name():
    """Keras gives them to the outputs in the order of the alphabet where losses are a list."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None, 3))
    reg, cls = (sd.identity(x @ sd.var(f"w{k}", np.ones((3, 1))), name=k) for k in ("reg", "cls"))
    model = keras.Model(x, [reg, cls])
    model.compile("sgd", ["mse", "mae"], loss_weights={"reg": 1.0, "cls": 0.0})
    found = model.evaluate(X, [Y, Y], return_dict=True, verbose=0)
    assert found["loss"] == found["reg_loss"]


def test_a_loss_that_is_not_one_number_is_refused():
    model = compiled(losses.MeanSquaredError(reduction="none"))
    with pytest.raises(ShapeError, match="one number for a batch"):
        model.fit(X, Y, verbose=0)


def test_without_any_loss_there_is_nothing_to_train():
    with pytest.raises(ArgumentError, match="no loss"):
        compiled(None).fit(X, Y, verbose=0)


def test_terms_of_the_graph_count_with_a_loss_and_without():
    for loss in ("mse", None):
        model = linear()
        w = model.sd["w0"]
        model.sd.add_loss(0.5 * (w * w).sum())
        model.compile(optimizers.SGD(0.1), loss)
        y = Y if loss else None
        found = model.evaluate(X, y, verbose=0)
        wanted = 0.375 + (((X @ w.value - Y) ** 2).mean() if loss else 0.0)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        gradient = w.value + (2 * X.T @ (X @ w.value - Y) / 24 if loss else 0.0)
        after = w.value - 0.1 * gradient
        model.fit(X, y, batch_size=24, verbose=0)
        np.testing.assert_allclose(w.value, after, rtol=1e-12)


def test_terms_count_for_the_models_that_they_are_of():
    sd = SameDiff("float64")
    x, z = sd.placeholder("x", (None, 3)), sd.placeholder("z", (None, 3))
    shared, a, b = (sd.var(name, np.ones((3, 3))) for name in ("shared", "a", "b"))
    of_x, of_z = keras.Model(x, x @ shared @ a), keras.Model(z, z @ shared @ b)
    penalty = sd.add_loss(0.5 * (a * a).sum())
    both = sd.add_loss(0.25 * (shared * shared).sum())
    activity = sd.add_loss(0.1 * (z**2).sum())
    assert of_x.losses == [penalty, both]
    assert of_z.losses == [both, activity]
    for model in (of_x, of_z):
        model.compile(optimizers.SGD(0.0), "mse")
        said = model.predict(X, verbose=0)
        extra = 2.25 + (4.5 if model is of_x else 0.1 * (X**2).sum())
        found = model.evaluate(X, X, batch_size=24, verbose=0)
        np.testing.assert_allclose(found, ((said - X) ** 2).mean() + extra, rtol=1e-12)
    before = a.value.copy()
    of_z.compile(optimizers.SGD(0.1), "mse")
    of_z.fit(X, X, verbose=0)
    np.testing.assert_array_equal(a.value, before)


def test_a_term_may_have_a_variable_of_its_own():
    model = linear()
    scale = model.sd.var("scale", 2.0)
    model.sd.add_loss(scale * (model.sd["w0"] ** 2).sum())
    assert [w.name for w in model.weights] == ["w0", "scale"]
    model.compile(optimizers.SGD(0.5), None)
    model.train_on_batch(X)
    np.testing.assert_allclose(scale.value, 2.0 - 0.5 * 0.75)


def test_functions_are_losses_and_metrics():
    def cube(y_true, y_pred):
        return (abs(y_true - y_pred) ** 3).mean(-1)

    def whole(y_true, y_pred):
        return (y_true - y_pred).mean()

    model = compiled(cube, metrics=[cube, whole, losses.MeanAbsoluteError(name="ae")])
    found = model.evaluate(X, Y, batch_size=10, return_dict=True, verbose=0)
    d = Y - X @ np.full((3, 1), 0.5)
    np.testing.assert_allclose(found["loss"], (abs(d) ** 3).mean(), rtol=1e-12)
    np.testing.assert_allclose(found["cube"], (abs(d) ** 3).mean(), rtol=1e-12)
    # One number for a batch counts once for it, as in Keras.
    parts = [d[:10], d[10:20], d[20:]]
    np.testing.assert_allclose(found["whole"], np.mean([p.mean() for p in parts]), rtol=1e-12)
    np.testing.assert_allclose(found["ae"], np.mean([abs(p).mean() for p in parts]), rtol=1e-12)


def test_compile_begins_anew():
    model = compiled(optimizer="adam")
    model.fit(X, Y, epochs=2, verbose=0)
    assert model.optimizer.iterations == 2
    model.compile("adam", "mae")
    assert model.optimizer.iterations == 0


def test_fit_goes_on_where_it_ended_whatever_weights_there_are():
    """What Adam keeps outlasts a fit, also where the next one has weights of examples and so other nodes."""
    weights = RNG.random(24)
    one, two = compiled(optimizer="adam"), compiled(optimizer="adam")
    one.fit(X, Y, sample_weight=np.ones(24), batch_size=8, shuffle=False, epochs=2, verbose=0)
    one.fit(X, Y, sample_weight=weights, batch_size=8, shuffle=False, verbose=0)
    two.fit(X, Y, batch_size=8, shuffle=False, epochs=2, verbose=0)
    two.fit(X, Y, sample_weight=weights, batch_size=8, shuffle=False, verbose=0)
    assert two.optimizer.iterations == 9
    np.testing.assert_allclose(two.get_weights()[0], one.get_weights()[0], rtol=1e-12)


def test_what_is_frozen_or_added_between_two_fits_counts_in_the_next():
    model = compiled(outputs=2, optimizer=optimizers.SGD(0.1, momentum=0.9))
    sd = model.sd
    kept, other = sd["w0"], sd["w1"]
    model.fit(X, [Y, Y], batch_size=24, epochs=2, verbose=0)
    kept.convert_to_constant()
    frozen, before = kept.value.copy(), other.value.copy()
    sd.add_loss((other**2).sum())
    model.fit(X, [Y, Y], batch_size=24, verbose=0)
    np.testing.assert_array_equal(kept.value, frozen)
    assert [w.name for w in model.trainable_weights] == ["w1"]
    assert model.optimizer.iterations == 3
    # The momentum of the first two updates is still there.
    w = v = np.zeros((3, 1))
    w = np.full((3, 1), 0.5)
    for k in range(3):
        v = 0.9 * v - 0.1 * (2 * X.T @ (X @ w - Y) / 24 + (2 * w if k == 2 else 0))
        w = w + v
    assert not np.allclose(before, w)
    np.testing.assert_allclose(other.value, w, rtol=1e-12)


def test_the_learning_rate_can_be_set_before_and_between():
    given = optimizers.SGD(0.5)
    model = compiled(optimizer=given)
    assert model.optimizer == given
    assert model.optimizer.momentum == 0.0
    model.optimizer.learning_rate = 0.25
    w = model.get_weights()[0]
    after = w - 0.25 * 2 * X.T @ (X @ w - Y) / 24
    model.fit(X, Y, batch_size=24, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], after, rtol=1e-12)
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y, batch_size=24, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], after, rtol=1e-12)
    assert given.learning_rate == 0.5
    with pytest.raises(ArgumentError, match="only the learning rate"):
        model.optimizer.momentum = 0.9
    with pytest.raises(ArgumentError):
        model.optimizer.learning_rate = -1.0


# ---------------------------------------------------------------------- data


def test_the_same_data_in_every_form_train_alike():
    def items():
        for k in range(0, 24, 8):
            yield X[k : k + 8], Y[k : k + 8]

    class Numbered:
        ended = 0

        def __len__(self):
            return 3

        def __getitem__(self, k):
            return X[8 * k : 8 * k + 8], Y[8 * k : 8 * k + 8]

        def on_epoch_end(self):
            self.ended += 1

    numbered = Numbered()
    forms = [
        {"x": X, "y": Y},
        {"x": [X], "y": [Y]},
        {"x": {"x": X}, "y": {"out0": Y}},
        {"x": X.tolist(), "y": Y[:, 0].tolist()},
        {"x": list(items())},
        {"x": items},
        {"x": numbered},
        {"x": (b for _ in range(2) for b in items()), "steps_per_epoch": 3},
    ]
    found = []
    for form in forms:
        model = compiled(optimizer="adam")
        size = {"batch_size": 8, "shuffle": False} if "y" in form else {}
        model.fit(**form, **size, epochs=2, verbose=0)
        found.append(model.get_weights()[0])
    for w in found[1:]:
        np.testing.assert_allclose(w, found[0], rtol=1e-12)
    assert numbered.ended == 2


def test_held_out_data_come_in_every_form_too():
    def items():
        for k in range(0, 24, 8):
            yield X[k : k + 8], Y[k : k + 8]

    wanted = compiled().fit(X, Y, validation_data=(X, Y), shuffle=False, verbose=0).history["val_loss"]
    for form in ([X, Y], ({"x": X}, [Y]), list(items()), items, (X, Y, np.ones(24))):
        got = compiled().fit(X, Y, epochs=2, validation_data=form, shuffle=False, verbose=0).history["val_loss"]
        assert len(got) == 2
        np.testing.assert_allclose(got[:1], wanted, rtol=1e-12)


def test_no_epochs_are_a_history_without_rows():
    for epochs, first in ((0, 0), (3, 3), (2, 5)):
        history = compiled().fit(X, Y, epochs=epochs, initial_epoch=first, verbose=0)
        assert (history.history, history.epoch) == ({}, [])


def test_a_generator_is_enough_for_one_epoch_and_not_for_two():
    def items():
        yield X, Y

    compiled().fit(items(), verbose=0)
    with pytest.raises(ArgumentTypeError, match="only once"):
        compiled().fit(items(), epochs=2, verbose=0)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"x": X}, "no labels for 'out0'"),
        ({"x": X, "y": Y[:5]}, "first axis"),
        ({"x": X[:, :2], "y": Y}, "wrong shape"),
        ({"x": X, "y": Y[:, [0, 0]]}, "same shape"),
        ({"x": {"z": X}, "y": Y}, "no input 'z'"),
        ({"x": X, "y": Y, "sample_weight": np.ones(5)}, "first axis"),
        ({"x": X, "y": Y, "sample_weight": np.ones(24), "class_weight": {0: 1.0}}, "examples or from classes"),
        ({"x": X, "y": Y, "validation_split": 0.99}, "without examples"),
        ({"x": X, "y": Y, "validation_split": 0.5, "validation_data": (X, Y)}, "already"),
        ({"x": [(X, Y)], "y": Y}, "themselves"),
        ({"x": [(X, Y)], "batch_size": 3}, "batches already"),
        ({"x": [(X, Y, Y, Y)]}, "x, y and weights"),
        ({"x": [(X, Y)], "validation_split": 0.5}, "Only arrays"),
        ({"x": [(X, Y), (X, Y, np.ones(24))]}, "one sort"),
        ({"x": X, "y": Y, "steps_per_epoch": 4, "batch_size": 12}, "not as many batches"),
        ({"x": iter([])}, "no batches"),
        ({"x": 3}, "no data"),
        ({"x": X, "y": Y, "validation_data": (X,)}, "no labels"),
        ({"x": X, "y": Y, "validation_freq": 0}, "validation_freq"),
        ({"x": X, "y": Y, "epochs": -1}, "epochs"),
        ({"x": X, "y": Y, "verbose": 3}, "verbose"),
        ({"x": X, "y": Y, "callbacks": [print]}, "no callback"),
        ({"x": X, "y": Y, "callbacks": [callbacks.EarlyStopping]}, "no callback"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_training(given, match):
    model = compiled()
    before = model.get_weights()[0]
    with pytest.raises((ArgumentError, ArgumentTypeError, FeedError, ShapeError), match=match):
        model.fit(**{"verbose": 0, **given})
    if "one sort" not in match:
        np.testing.assert_array_equal(model.get_weights()[0], before)


class Odd:
    """Nothing that anybody could mean."""


HOSTILE = [
    3,
    -1,
    "x",
    None,
    [],
    {},
    [None],
    {"a": 1},
    Odd(),
    object,
    print,
    np.zeros(()),
    np.zeros((0, 3)),
    float("nan"),
]


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("k", range(len(HOSTILE)))
def test_whatever_is_given_the_errors_are_ours(outputs, k):
    given = HOSTILE[k]
    compile = ("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics")
    fit = ("x", "y", "batch_size", "epochs", "callbacks", "validation_split", "validation_data", "shuffle")
    fit += ("class_weight", "sample_weight", "initial_epoch", "steps_per_epoch", "validation_steps", "validation_freq")
    y = Y if outputs == 1 else [Y, Y]
    for name in compile:
        with contextlib.suppress(SDGraphError):
            model = linear(outputs=outputs)
            model.compile(**{"optimizer": "sgd", "loss": "mse", name: given})
            model.fit(X, y, verbose=0)
    for name in fit:
        with contextlib.suppress(SDGraphError):
            compiled(outputs=outputs).fit(**{"x": X, "y": y, "verbose": 0, name: given})
    with contextlib.suppress(SDGraphError):
        compiled(outputs=outputs).fit(X, y, verbose=given)
    for call in ("evaluate", "predict", "predict_on_batch", "train_on_batch", "test_on_batch", "set_weights"):
        with contextlib.suppress(SDGraphError):
            getattr(compiled(outputs=outputs), call)(given)
    with pytest.raises(SDGraphError):
        keras.Model(given, given)
    if k:
        with pytest.raises(SDGraphError):
            compiled().optimizer.learning_rate = given


def test_weights_of_classes_are_those_of_examples():
    labels = np.array([0, 2, 1, 1, 0, 5])
    rows = np.eye(6)[labels]
    weights = {0: 2.0, 1: 0.5, 2: 3.0}
    wanted = [2.0, 3.0, 0.5, 0.5, 2.0, 1.0]
    for y in (labels, labels[:, None], rows, labels.astype("float32"), labels + 0.2):
        sd = SameDiff("float64")
        x = sd.placeholder("x", (None, 2))
        model = keras.Model(x, sd.nn.softmax(x @ sd.var("w", np.ones((2, 6)))))
        loss = "categorical_crossentropy" if y.ndim == 2 and y.shape[1] == 6 else "sparse_categorical_crossentropy"
        model.compile("sgd", loss, weighted_metrics=["accuracy"])
        points = RNG.normal(size=(6, 2))
        if y.dtype.kind == "f" and y.ndim == 1:
            y = np.rint(y)
        found = model.train_on_batch(points, y, class_weight=weights, return_dict=True)
        other = keras.Model(x, model.outputs[0])
        other.compile("sgd", loss, weighted_metrics=["accuracy"])
        sd["w"].value = np.ones((2, 6))
        assert found == other.test_on_batch(points, y, sample_weight=np.array(wanted), return_dict=True)


@pytest.mark.parametrize(
    ("weights", "y", "match"),
    [
        ([1.0, 2.0], Y, "number of a class"),
        ({"a": 1.0}, Y, "number of a class"),
        ({0: 1.0}, np.full((24, 2), 3.0), "no numbers of classes"),
    ],
)
def test_weights_of_classes_that_cannot_be_meant_are_refused(weights, y, match):
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    model = keras.Model(x, x @ sd.var("w", np.ones((3, y.shape[1]))))
    model.compile("sgd", "mse")
    with pytest.raises((ArgumentError, ArgumentTypeError, ShapeError), match=match):
        model.fit(X, y, class_weight=weights, verbose=0)
    two = compiled(outputs=2)
    with pytest.raises(ArgumentError, match="one output only"):
        two.fit(X, [Y, Y], class_weight={0: 1.0}, verbose=0)


def test_an_accuracy_that_has_no_classes_to_choose_by_is_refused():
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    model = keras.Model(x, sd.nn.sigmoid(x @ sd.var("w", np.ones(3))))
    y = (Y[:, 0] > 0).astype(float)
    model.compile("sgd", "mse", metrics=["accuracy"])
    with pytest.raises(ShapeError, match="last axis"):
        model.fit(X, y, verbose=0)
    model.compile("sgd", "mse", metrics=["binary_accuracy"])
    p = model.predict(X, verbose=0)
    found = model.evaluate(X, y, return_dict=True, verbose=0)["binary_accuracy"]
    np.testing.assert_allclose(found, ((p > 0.5) == y).mean())


# ---------------------------------------------------------------------- single batches, evaluation


def test_predictions_are_of_arrays_and_of_batches_with_or_without_labels():
    model = linear()
    wanted = model.predict(X, batch_size=7, verbose=0)
    pairs = [(X[k : k + 8], Y[k : k + 8]) for k in range(0, 24, 8)]
    for form in (pairs, [list(pair) for pair in pairs], (x for x, _ in pairs), lambda: iter(pairs), {"x": X}):
        form = iter(form) if isinstance(form, list) and isinstance(form[0], list) else form
        np.testing.assert_array_equal(model.predict(form, verbose=0), wanted)
    np.testing.assert_array_equal(model.predict(X, batch_size=8, steps=2, verbose=0), wanted[:16])


@pytest.mark.parametrize("x", [[[1.0, 2.0, 3.0], [1.0]], [["a", "b", "c"]], None, np.float64(1.0)])
def test_what_is_no_array_of_examples_is_refused(x):
    with pytest.raises((ArgumentTypeError, DTypeError, ShapeError)):
        linear().predict(x, verbose=0)


def test_single_batches_train_and_test_as_fit_and_evaluate_do():
    one, two = compiled(optimizer="adam", metrics=["mae"]), compiled(optimizer="adam", metrics=["mae"])
    history = one.fit(X, Y, batch_size=24, epochs=3, shuffle=False, verbose=0).history
    got = [two.train_on_batch(X, Y, return_dict=True) for _ in range(3)]
    assert [g["loss"] for g in got] == history["loss"]
    assert [g["mae"] for g in got] == history["mae"]
    np.testing.assert_array_equal(one.get_weights()[0], two.get_weights()[0])
    assert two.test_on_batch(X, Y) == one.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(two.predict_on_batch(X), one.predict(X, batch_size=7, verbose=0))


def test_arrays_of_a_single_batch_must_go_together():
    model = compiled()
    for call in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ArgumentError, match="one first axis"):
            call(X, Y[:1])


def test_evaluation_lists_what_it_names():
    model = compiled(outputs=2, metrics=[["mse", "mae"], ["mae"]])
    assert model.metrics_names == ["loss", "out0_loss", "out1_loss", "out0_mae", "out0_mse", "out1_mae"]
    named = model.evaluate(X, [Y, Y], return_dict=True, verbose=0)
    assert model.evaluate(X, [Y, Y], verbose=0) == [named[name] for name in model.metrics_names]
    assert isinstance(compiled().evaluate(X, Y, verbose=0), float)


def test_evaluation_and_prediction_have_no_dropout_and_training_has():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None, 3))
    model = keras.Model(x, sd.nn.dropout(x, 0.5) @ sd.var("w", np.ones((3, 1))))
    model.compile(optimizers.SGD(0.0), "mse")
    y = X.sum(1, keepdims=True)
    np.testing.assert_array_equal(model.predict(X, verbose=0), y)
    assert model.evaluate(X, y, verbose=0) == 0.0
    history = model.fit(X, y, epochs=2, verbose=0, validation_data=(X, y)).history
    assert history["val_loss"] == [0.0, 0.0]
    assert history["loss"][0] > 0 < history["loss"][1] != history["loss"][0]


def test_evaluation_and_prediction_tell_callbacks():
    seen = []
    note = callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: seen.append((batch, sorted(logs))),
        on_predict_batch_end=lambda batch, logs: seen.append((batch, logs["outputs"][0].shape)),
    )
    model = compiled()
    model.evaluate(X, Y, batch_size=20, verbose=0, callbacks=[note])
    model.predict(X, batch_size=20, verbose=0, callbacks=[note])
    assert seen == [(0, ["loss"]), (1, ["loss"]), (0, (20, 1)), (1, (4, 1))]


def test_history_has_keras_view_and_ours():
    model = compiled()
    history = model.fit(X, Y, epochs=4, initial_epoch=1, validation_split=0.25, validation_freq=2, verbose=0)
    assert history is model.history
    assert history.epoch == [1, 2, 3]
    assert [len(history.history[k]) for k in ("loss", "val_loss")] == [3, 2]
    assert history.params["epochs"] == 4
    assert history[-1]["loss"] == history["loss"][-1]
    assert history.seconds > 0
    again = callbacks.History()
    assert model.fit(X, Y, verbose=0, callbacks=[again]) is again
    assert again.epoch == [0]


def test_callbacks_of_the_library_may_be_among_them():
    class Watch(train.Callback):
        def requires(self, sd):
            return ["w0"]

        def on_batch_end(self, run):
            run.stop = "seen" if run.values["w0"].shape == (3, 1) else None

    history = compiled().fit(X, Y, epochs=5, batch_size=8, verbose=0, callbacks=[Watch(), callbacks.Callback()])
    assert history.stopped == "seen"
    assert len(history.epoch) == 1


def test_lines_are_printed_on_request(capsys):
    compiled().fit(X, Y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("loss: " in line for line in lines)
    compiled().fit(X, Y, epochs=2, verbose=0)
    assert capsys.readouterr() == ("", "")


def test_a_call_that_fails_leaves_the_graph_as_it_was():
    model = compiled(metrics=["mae", "hinge"])
    for y in (Y[:, [0, 0, 0]], Y[:, 0:0], np.full((24, 1), "a")):
        before = graph_state(model.sd)
        with pytest.raises((ShapeError, DTypeError, FeedError)):
            model.fit(X, y, verbose=0)
        assert graph_state(model.sd) == before
    assert len(model.fit(X, Y, verbose=0).epoch) == 1


def test_held_out_data_change_nothing_of_training():
    weights = []
    for more in ({}, {"validation_data": (X, Y)}):
        sd = SameDiff("float64", seed=5)
        x = sd.placeholder("x", ("batch", 3))
        model = keras.Model(x, sd.nn.dropout(x, 0.5) @ sd.var("w", np.ones((3, 1))))
        model.compile("adam", "mse", metrics=["mae"])
        model.fit(X, Y, epochs=3, batch_size=7, verbose=0, **more)
        weights.append(sd["w"].value.tobytes())
    assert weights[0] == weights[1]


def test_sizes_may_differ_from_batch_to_batch():
    """Sequences of several lengths, one in each batch."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", ("batch", "time", 3))
    w = sd.var("w", np.ones((3, 4)))
    model = keras.Model(x, sd.nn.softmax(x @ w))
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(1)
    batches = [(rng.normal(size=(n, t, 3)), rng.integers(0, 4, (n, t))) for n, t in ((4, 5), (3, 2), (5, 7))]
    history = model.fit(batches, epochs=2, verbose=0).history
    each = [model.test_on_batch(*batch) for batch in batches]
    wanted = sum(loss * n for (loss, _), n in zip(each, (4, 3, 5), strict=True)) / 12
    np.testing.assert_allclose(history["loss"], [wanted, wanted], rtol=1e-12)


def test_two_fits_at_once_are_an_error():
    model = compiled()
    inner = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: model.fit(X, Y, verbose=0))
    with pytest.raises(ArgumentError, match="being trained already"):
        model.fit(X, Y, verbose=0, callbacks=[inner])
    model.fit(X, Y, verbose=0)


def test_the_losses_of_the_graph_stay_what_they_were():
    model = linear()
    sd = model.sd
    y = sd.placeholder("y", (None, 1))
    own = sd.loss.absolute_difference(y, sd["out0"], name="own")
    model.compile("sgd", "mse", metrics=["mae", "hinge"])
    model.fit(X, Y, verbose=0, validation_split=0.5)
    assert sd.loss_variables() == [own]

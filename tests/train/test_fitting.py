"""`fit`: what is trained, with what, and what goes on where it ended."""

import threading

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError
from sdgraph.train import Adam, Nesterovs, Norms, Sgd

X = np.random.default_rng(5).normal(size=(50, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.25


def linear():
    """A linear model with its mean squared error, in double precision."""
    sd = SameDiff(dtype="float64")
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None,))
    w, b = sd.var("w", np.zeros(3)), sd.var("b", np.zeros(()))
    p = (x @ w + b).rename("p")
    sd.loss.mean_squared_error(y, p, name="loss")
    sd.math.abs(y - p, name="off")
    return sd


def values(sd):
    return {v.name: v.value.tobytes() for v in sd.trainable_variables()}


@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_gradient_descent_on_a_linear_model_is_what_numpy_computes(engine):
    sd = linear()
    history = sd.fit({"x": X, "y": Y}, epochs=3, updater=Sgd(0.1), batch_size=20, shuffle=False, engine=engine)
    w, b, rows = np.zeros(3), 0.0, []
    for _ in range(3):
        total = 0.0
        for k in (0, 20, 40):
            x, y = X[k : k + 20], Y[k : k + 20]
            off = x @ w + b - y
            total += np.mean(off**2) * len(x)
            w, b = w - 0.1 * 2 * x.T @ off / len(x), b - 0.1 * 2 * np.mean(off)
        rows.append(total / 50)
    np.testing.assert_allclose(sd["w"].value, w, rtol=1e-12)
    np.testing.assert_allclose(sd["b"].value, b, rtol=1e-12)
    np.testing.assert_allclose(history["loss"], rows, rtol=1e-12)


@pytest.mark.parametrize("updater", [Sgd(0.05), Nesterovs(0.01), Adam(0.01)], ids=lambda u: type(u).__name__)
@pytest.mark.parametrize("accumulate", [1, 2])
def test_three_times_one_epoch_is_three_epochs(updater, accumulate):
    once, thrice = linear(), linear()
    settings = {"updater": updater, "batch_size": 8, "metrics": {"error": "off"}, "accumulate": accumulate}
    whole = once.fit((X, Y), epochs=3, validation_split=0.2, **settings)
    parts = [thrice.fit((X, Y), validation_split=0.2, **settings) for _ in range(3)]
    assert values(once) == values(thrice)
    assert list(whole) == [row for part in parts for row in part]


def test_every_batch_is_looked_at():
    good = (X[:10], Y[:10])
    for bad, words in [
        ((X[:10], Y[:1]), ["x: 10, y: 1"]),
        ((X[:10],), ["1 array", "'x' and 'y'"]),
        ({"x": X[:10]}, ["'y'"]),
        ({"x": X[:10], "y": Y[:10], "z": Y}, ["'z'"]),
        ((X[:10, :2], Y[:10]), ["'x'", "(10, 2)"]),
    ]:
        sd = linear()
        with pytest.raises(FeedError) as caught:
            sd.fit([good, bad], updater=Sgd(0.1))
        text = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
        assert all(word in text for word in [*words, "batch 1 of epoch 0"]), text


def test_words_of_other_libraries_mean_the_same():
    heard, one, other = [], linear(), linear()
    history = one.fit(
        (X, Y), updater=Sgd(0.1), validation_data=(X, Y), listeners=lambda event, run: heard.append(event)
    )
    assert heard[0] == "train_begin"
    assert history == other.fit((X, Y), updater=Sgd(0.1), validation=(X, Y), callbacks=[])


def test_an_axis_with_a_name_is_none_of_examples():
    sd = SameDiff(dtype="float64")
    x, table = sd.placeholder("x", (None, 3)), sd.placeholder("table", ("rows", 3))
    sd.set_loss_variables(((x * sd.var("w", np.ones(3))) ** 2).mean() + (table**2).sum() * 0)
    sd.fit([{"x": X[:10], "table": X[:2]}], updater=Sgd(0.1))


def test_another_question_begins_anew():
    sd, other = linear(), linear()
    sd.fit((X, Y), updater=Adam(0.01))
    other["w"].value, other["b"].value = sd["w"].value, sd["b"].value
    sd.fit((X, Y), updater=Adam(0.02))
    other.fit((X, Y), updater=Adam(0.02))
    assert values(sd) == values(other)


FORMS = {
    "mapping": {"x": X, "y": Y},
    "tuple": (X, Y),
    "nested": ((X,), (Y,)),
    "list of feeds": [{"x": X[k : k + 10], "y": Y[k : k + 10]} for k in range(0, 50, 10)],
    "list of tuples": [(X[k : k + 10], Y[k : k + 10]) for k in range(0, 50, 10)],
    "function": lambda: ((X[k : k + 10], Y[k : k + 10]) for k in range(0, 50, 10)),
}


@pytest.mark.parametrize("form", FORMS)
def test_data_come_in_many_forms(form):
    sd, plain = linear(), linear()
    settings = {"epochs": 2, "updater": Sgd(0.1), "batch_size": 10, "shuffle": False, "metrics": {"error": "off"}}
    history = sd.fit(FORMS[form], validation=FORMS[form], **settings)
    expected = plain.fit({"x": X, "y": Y}, validation={"x": X, "y": Y}, **settings)
    assert values(sd) == values(plain)
    assert list(history) == list(expected)


def test_a_graph_is_trained_by_one_at_a_time():
    sd, errors = linear(), []

    def second(event, run):
        if event == "batch_end":
            try:
                sd.fit((X, Y), updater=Sgd(0.1))
            except ArgumentError as e:
                errors.append(str(e))

    thread = threading.Thread(target=sd.fit, args=((X, Y),), kwargs={"updater": Sgd(0.1), "callbacks": [second]})
    thread.start()
    thread.join()
    assert len(errors) == 2 and "sd.copy()" in errors[0]
    sd.fit((X, Y), updater=Sgd(0.1))


@pytest.mark.parametrize(
    ("data", "settings", "error", "words"),
    [
        ({"x": X, "y": Y[:-1]}, {}, ArgumentError, ["x: 50, y: 49"]),
        ({"x": X}, {}, FeedError, ["'y'"]),
        ({"x": X, "y": Y, "z": Y}, {}, FeedError, ["'z'", "'x' and 'y'"]),
        ({"x": X[:, :2], "y": Y}, {}, FeedError, ["'x'", "(50, 2)"]),
        ((X, Y, Y), {}, FeedError, ["3 arrays", "'x' and 'y'"]),
        ({"x": X[:0], "y": Y[:0]}, {}, ArgumentError, ["no examples"]),
        (iter([(X, Y)]), {}, ArgumentTypeError, ["only once"]),
        ([], {}, ArgumentError, ["no batches", "[]"]),
        (lambda: iter(()), {}, ArgumentError, ["no batches"]),
        ((X, Y), {"validation": []}, ArgumentError, ["no batches"]),
        ((X.tolist(), Y.tolist()), {}, FeedError, ["lists of numbers", "np.asarray(x)"]),
        (3, {}, ArgumentTypeError, ["3"]),
        ((X, Y), {"updater": None}, ArgumentError, ["sdgraph.train.Adam"]),
        ((X, Y), {"updater": {"w": Sgd(0.1), "v*": Sgd(0.1)}}, ArgumentError, ["'v*'", "'w' or 'b'"]),
        ((X, Y), {"updater": {"*": None}}, ArgumentError, ["nothing to train", "'w' and 'b' left"]),
        ((X, Y), {"validation_split": 0.2, "validation": (X, Y)}, ArgumentError, ["already"]),
        ((X, Y), {"validation_split": 1.0}, ArgumentError, ["without examples"]),
        ([(X, Y)], {"validation_split": 0.5}, ArgumentTypeError, ["validation=..."]),
        ((X, Y), {"steps_per_epoch": 3}, ArgumentError, ["2 batches"]),
        ((X, Y), {"epochs": 0}, ArgumentError, ["epochs"]),
        ((X, Y), {"metrics": {"loss": "off"}}, ArgumentError, ["'loss'"]),
        ([X, Y], {}, FeedError, ["(x, y)", "list has batches"]),
        ((X, Y), {"callbacks": 3}, ArgumentTypeError, ["no callback", "3"]),
        ((X, Y), {"callbacks": [print, 3]}, ArgumentTypeError, ["no callback", "3"]),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_trained(data, settings, error, words):
    sd = linear()
    with pytest.raises(error) as caught:
        sd.fit(data, **{"updater": Sgd(0.1), **settings})
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert not sd["w"].value.any() or settings.get("validation") == []


def test_what_the_losses_do_not_depend_on_is_told():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None, 3))
    p = sd.math.mul(x, sd.var("w", np.ones(3)), name="p")
    with pytest.raises(FeedError, match="'p' does not depend on 'y'"):
        sd.fit((X, X), updater=Sgd(0.1))
    with pytest.raises(FeedError, match="'p' does not depend on 'y'"):
        sd.predict((X, X), "p")
    sd.loss.mean_squared_error(y, p, name="loss")
    with pytest.raises(FeedError, match=r"np\.eye\(3\)\[array\]"):
        sd.fit((X, np.arange(50)), updater=Sgd(0.1))
    sd.convert_to_constant("w")
    with pytest.raises(ArgumentError, match=r"behind 'loss'(.|\n)*sd\.convert_to_variable\('w'\)"):
        sd.fit((X, X), updater=Sgd(0.1))


def test_an_error_of_the_data_says_where_it_was():
    def batches():
        yield X[:5], Y[:5]
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="disk") as caught:
        linear().fit(batches, updater=Sgd(0.1))
    assert caught.value.__notes__ == ["It was batch 1 of epoch 0; both count from 0."]


@pytest.mark.parametrize("data", [[], lambda: iter(())])
def test_nothing_to_go_through_is_told(data):
    for call in (lambda sd: sd.predict(data, "p"), lambda sd: sd.evaluate(data)):
        with pytest.raises(ArgumentError, match="no batches"):
            call(linear())


def test_other_metrics_and_callbacks_do_not_begin_anew():
    """What is looked at besides is no part of the question."""
    plain, watched = linear(), linear()
    settings = {"updater": Adam(0.01), "batch_size": 8}
    plain.fit((X, Y), epochs=4, **settings)
    watched.fit((X, Y), **settings)
    watched.fit((X, Y), metrics="off", on_nan="continue", **settings)
    watched.fit((X, Y), callbacks=[Norms()], engine="numpy", **settings)
    watched["p"].rename("prediction")
    watched.fit((X, Y), **settings)
    np.testing.assert_allclose(watched["w"].value, plain["w"].value, rtol=1e-12)


CLASS = (Y > 0).astype("float64")
WEIGHT = np.random.default_rng(1).uniform(size=50)


def logistic(weights=False):
    sd = SameDiff(dtype="float64")
    x, y = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None,))
    given = sd.placeholder("given", (None,)) if weights else None
    p = (x @ sd.var("w", np.zeros(3)) + sd.var("b", 0.0)).rename("p")
    sd.loss.sigmoid_cross_entropy(y, p, weights=given, name="loss")
    return sd


@pytest.mark.parametrize("classes", [None, {1: 3.0}])
@pytest.mark.parametrize("examples", [None, WEIGHT])
def test_weights_are_those_of_the_loss(classes, examples):
    """As if they had been fed to the loss by hand; each epoch's examples are in another order."""
    if classes is None and examples is None:
        return
    sd, by_hand = logistic(), logistic(weights=True)
    given = (np.where(CLASS == 1, 3.0, 1.0) if classes else 1.0) * (np.ones(50) if examples is None else examples)
    settings = {"updater": Adam(0.05), "epochs": 3, "batch_size": 8}
    held_out = (X[:9], CLASS[:9])
    history = sd.fit((X, CLASS), class_weight=classes, sample_weight=examples, validation=held_out, **settings)
    expected = by_hand.fit({"x": X, "y": CLASS, "given": given}, **settings)
    np.testing.assert_allclose(sd["w"].value, by_hand["w"].value, rtol=1e-12)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-12)
    # Validation counts every example once.
    assert history[-1]["val_loss"] == pytest.approx(sd.evaluate(held_out, batch_size=8)["loss"], rel=1e-12)


def test_weights_do_not_make_the_graph_grow():
    sd = logistic()
    counts = set()
    for _ in range(3):
        sd.fit((X, CLASS), class_weight={1: 2.0}, sample_weight=WEIGHT, updater=Sgd(0.1))
        counts.add(len(sd.nodes))
    assert len(counts) == 1
    assert [p.name for p in sd.placeholders()] == ["x", "y"] and [v.name for v in sd.loss_variables()] == ["loss"]


@pytest.mark.parametrize("given", [{"b": 0.25}, [1.0, 0.25], {"a": 1, "b": 0.25}])
def test_losses_count_by_their_weights(given):
    def two(scale):
        sd = SameDiff(dtype="float64")
        x, y, w = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None,)), sd.var("w", np.ones(3))
        sd.loss.mean_squared_error(y, x @ w, name="a")
        b = sd.loss.absolute_difference(y, x @ w, name="b")
        if scale is not None:
            sd.set_loss_variables(sd["a"], (scale * b).rename("scaled"))
        return sd

    weighed, by_hand = two(None), two(0.25)
    history = weighed.fit((X, Y), updater=Sgd(0.05), epochs=2, loss_weights=given, validation=(X, Y))
    expected = by_hand.fit((X, Y), updater=Sgd(0.05), epochs=2, validation=(X, Y))
    np.testing.assert_allclose(weighed["w"].value, by_hand["w"].value, rtol=1e-12)
    for name, same in (("loss", "loss"), ("a", "a"), ("val_loss", "val_loss")):
        np.testing.assert_allclose(history[name], expected[same], rtol=1e-12)
    np.testing.assert_allclose(history["b"], np.array(expected["scaled"]) * 4, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"class_weight": [1, 2]}, ArgumentTypeError, "by class"),
        ({"sample_weight": WEIGHT[:-1]}, ArgumentError, "49"),
        ({"loss_weights": {"lss": 1.0}}, ArgumentError, "'lss'"),
        ({"sample_weight": np.ones((50, 2))}, ArgumentError, r"\(50, 2\)"),
    ],
)
def test_weights_that_do_not_fit_are_told_before_anything_is_trained(settings, error, words):
    sd = logistic()
    with pytest.raises(error, match=words):
        sd.fit((X, CLASS), updater=Sgd(0.1), **settings)
    assert not sd["w"].value.any()
    with pytest.raises(ArgumentError, match="go with arrays"):
        sd.fit([(X, CLASS)], updater=Sgd(0.1), sample_weight=WEIGHT)

"""Metrics of a user's own, by themselves and in models; and what models make of metrics that are kept in sums."""

import numpy as np
import pytest

from sdgraph import SameDiff, keras
from sdgraph.errors import ArgumentError, ArgumentTypeError, NotDefinedError, ShapeError
from sdgraph.keras import callbacks, metrics

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 3))
Y = (X[:, :1] + RNG.normal(size=(60, 1)) > 0).astype(float)
W = RNG.random(60) + 0.1


class Hits(metrics.Metric):
    """As it is written with Keras."""

    def __init__(self, name="hits", **settings):
        super().__init__(name=name, **settings)
        self.hits = self.add_weight(name="hits", initializer="zeros", dtype="float64")
        self.inner = metrics.Mean()

    def update_state(self, y_true, y_pred, sample_weight=None):
        found = np.logical_and(y_true == 1, y_pred > 0.5).astype(float)[:, 0]
        self.hits.assign_add(np.sum(found if sample_weight is None else found * sample_weight))
        self.inner.update_state(found)

    def result(self):
        return self.hits + 0.0 * self.inner.result()


class Squares(metrics.Mean):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state((y_true - y_pred) ** 2, sample_weight)


class Root(metrics.MeanSquaredError):
    def result(self):
        return np.sqrt(super().result())


class InNodes(metrics.Metric):
    """As it is quick: in nodes of the graph."""

    def batch_sums(self, y_true, y_pred, sample_weight):
        from sdgraph.keras.metrics.metric import BatchSums

        return BatchSums((abs(y_true - y_pred).sum(), (y_true * 0 + 1).sum()))

    def value(self, sums):
        return sums[0] / sums[1]

    def empty(self):
        return [np.zeros(()), np.ones(())]


def model(**compile):
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None, 3))
    made = keras.Model(x, sd.nn.sigmoid(x @ sd.var("w", np.full((3, 1), 0.3))))
    made.compile("sgd", "binary_crossentropy", **compile)
    return made


def test_models_call_what_takes_arrays():
    hits = Hits()
    both = [hits, metrics.TruePositives(name="tp"), Squares("sq"), "mse"]
    m = model(metrics=[*both, Root("root"), "rmse", InNodes(name="n"), "mae"], weighted_metrics=both)
    h = m.fit(X, Y, epochs=2, sample_weight=W, validation_split=0.25, verbose=0).history
    pairs = {"hits": "tp", "sq": "mse", "root": "rmse", "n": "mae", "weighted_hits": "weighted_tp"}
    for own, ours in pairs.items():
        for prefix in ("", "val_"):
            np.testing.assert_allclose(h[prefix + own], h[prefix + ours], rtol=1e-12)
    assert list(h)[:5] == ["loss", "hits", "tp", "sq", "mse"]
    values = m.evaluate(X, Y, verbose=0, return_dict=True)
    assert values["hits"] == values["tp"]
    found = m.train_on_batch(X[:9], Y[:9], return_dict=True)
    assert found["hits"] == found["tp"]
    # The metric itself is its user's.
    assert hits.result() == 0


def test_by_itself_it_keeps_what_it_is_told():
    m = Hits()
    y, p = np.array([[1.0], [1.0], [0.0]]), np.array([[0.9], [0.2], [0.7]])
    assert float(m(y, p)) == 1
    assert float(m(y, p, np.array([2.0, 1.0, 1.0]))) == 3
    assert [v.name for v in m.variables] == ["hits"]
    m.reset_state()
    assert float(m.result()) == 0
    assert m.inner.result() == 0


def test_a_run_that_is_cut_short_goes_on_with_sums_and_states(tmp_path):
    def asked():
        return model(metrics=["AUC", Hits(), Squares("sq"), "accuracy"], weighted_metrics=[metrics.AUC(name="auc")])

    class Fails(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3 and self.model.optimizer.iterations > 6:
                raise RuntimeError("the lights go out")

    def fit(m, *more):
        backup = callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq=1)
        return m.fit(X, Y, batch_size=10, epochs=2, sample_weight=W, verbose=0, callbacks=[backup, *more])

    want = asked().fit(X, Y, batch_size=10, epochs=2, sample_weight=W, verbose=0).history
    m = asked()
    with pytest.raises(RuntimeError, match="lights"):
        fit(m, Fails())
    got = fit(asked()).history
    for name, column in want.items():
        assert got[name][-1] == column[-1], name


def test_what_models_do_not_report():
    for metric, match in (
        (metrics.F1Score(), "several numbers"),
        (metrics.Precision([0.1, 0.2]), "several numbers"),
        (metrics.R2Score(None), "several numbers"),
        ("F1Score", "several numbers"),
    ):
        with pytest.raises(ArgumentError, match=match):
            model(metrics=[metric])
    for metric in (metrics.Mean(), metrics.Sum(), 5):
        with pytest.raises(ArgumentTypeError):
            model(metrics=[metric])


def test_classes_and_descriptions_are_taken():
    auc = {"class_name": "AUC", "config": {"name": "mine"}}
    m = model(metrics=[auc, metrics.BinaryAccuracy])
    assert m.metrics_names == ["loss", "mine", "binary_accuracy"]
    assert m.directions["mine"] == "max"


def test_a_result_that_is_no_number():
    class Words(Hits):
        def result(self):
            return "many"

    with pytest.raises(ArgumentTypeError, match="no number"):
        model(metrics=[Words()]).evaluate(X, Y, verbose=0)


def test_what_is_not_written():
    m = metrics.Metric()
    with pytest.raises(NotDefinedError, match="added up"):
        m.update_state([0], [1.0])
    with pytest.raises(NotDefinedError, match="empty"):
        m.result()


def test_variables_of_metrics():
    m = metrics.Metric()
    a = m.add_variable((2,), "ones", name="a")
    b = m.add_variable((2, 1), lambda shape, dtype: np.full(shape, 3, dtype), dtype="float64")
    a.assign(a * 2 + b[:, 0])
    np.testing.assert_array_equal(np.asarray(a), [5, 5])
    np.testing.assert_array_equal(np.maximum(a, [4, 6]), [5, 6])
    a.assign_sub([1, 2])
    assert (a.numpy().tolist(), a.shape, a.ndim, len(a), str(a.dtype)) == ([4, 3], (2,), 1, 2, "float32")
    with pytest.raises(ShapeError, match="keeps its shape"):
        a.assign([1.0, 2.0, 3.0])
    with pytest.raises(ArgumentError, match="zeros"):
        m.add_variable((), "glorot")
    m.reset_state()
    assert float(np.sum(a + b)) == 0


def test_a_constructor_that_forgets_its_base():
    class Forgets(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight()

    with pytest.raises(NotDefinedError, match="super"):
        Forgets()


def test_no_example_adds_nothing():
    for m in (metrics.MeanSquaredError(), metrics.AUC(), metrics.Precision(), metrics.Mean()):
        given = [np.ones((3, 2)) if isinstance(m, metrics.MeanSquaredError) else np.ones(3)] * 2
        if type(m) is metrics.Mean:
            given = given[:1]
        want = m(*given)
        m.update_state(*(a[:0] for a in given))
        assert m.result() == want

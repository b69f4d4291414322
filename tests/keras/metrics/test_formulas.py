"""Metrics of arrays beside what numpy makes of all batches at once, written another way."""

import numpy as np
import pytest

from sdgraph.keras import losses, metrics
from tests.keras.metrics import cases

TWO = [("binary", 0), ("flat", 1), ("labels", 2)]


def together(kind, seed=0):
    batches = cases.arrays(kind, seed)
    w = np.concatenate(cases.weights(seed)).astype(float)
    return batches, np.concatenate([y for y, _ in batches]), np.concatenate([p for _, p in batches]).astype(float), w


def added(metric, kind, seed=0, weighted=False):
    for (y, p), w in zip(cases.arrays(kind, seed), cases.weights(seed), strict=True):
        metric.update_state(y, p, w if weighted else None)
    return metric.result()


def counts(y, p, w, t):
    w = np.broadcast_to(w.reshape(-1, *[1] * (p.ndim - 1)), p.shape)
    y, above = y.astype(bool), p > np.float32(t)
    return [w[m].sum() for m in (y & above, ~y & above, ~y & ~above, y & ~above)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "seed"), TWO)
def test_counts_precision_and_recall(kind, seed, weighted):
    _, y, p, w = together(kind, seed)
    for t in (0.0, 0.3, 0.5, 1.0):
        tp, fp, tn, fn = counts(y, p, w if weighted else np.ones_like(w), t)
        for name, want in {
            "TruePositives": tp,
            "FalsePositives": fp,
            "TrueNegatives": tn,
            "FalseNegatives": fn,
            "Precision": tp / (tp + fp) if tp else 0.0,
            "Recall": tp / (tp + fn),
        }.items():
            got = added(getattr(metrics, name)(t), kind, seed, weighted)
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=name)


def test_the_area_under_many_thresholds_is_the_share_of_pairs_in_order():
    _, y, p, _ = together("flat")
    pairs = p[y == 1][:, None] - p[y == 0][None, :]
    want = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert abs(added(metrics.AUC(20_001), "flat") - want) < 1e-4


@pytest.mark.parametrize("by", ["minoring", "majoring", "interpolation"])
def test_areas_by_hand(by):
    # At thresholds below 0, 0.5 and above 1: tp 2, 1, 0 and fp 2, 0, 0.
    heights = {"minoring": (0.5, 0.0), "majoring": (1.0, 0.5), "interpolation": (0.75, 0.25)}[by]
    m = metrics.AUC(3, summation_method=by)
    assert m([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]) == heights[0] * 1.0 + heights[1] * 0.0


def test_a_perfect_and_a_reversed_order():
    y, p = [0, 0, 1, 1], np.array([0.1, 0.2, 0.8, 0.9])
    for curve in ("ROC", "PR", "PRGAIN"):
        assert metrics.AUC(curve=curve)(y, p) == pytest.approx(1.0)
    assert metrics.AUC()(y, 1 - p) == pytest.approx(0.0)


def test_columns_have_areas_of_their_own():
    _, y, p, _ = together("labels")
    each = [float(metrics.AUC()(y[:, k], p[:, k].astype("float32"))) for k in range(4)]
    assert added(metrics.AUC(multi_label=True), "labels") == pytest.approx(np.mean(each), rel=1e-6)
    weights = [1.0, 0.0, 2.0, 1.0]
    got = added(metrics.AUC(multi_label=True, label_weights=weights), "labels")
    assert got == pytest.approx(np.average(each, weights=weights), rel=1e-6)


@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
def test_f_scores(average):
    _, y, p, _ = together("onehot")
    guess = (p == p.max(1, keepdims=True)) & (p > 1e-9)
    axis = None if average == "micro" else 0
    tp, pred, true = (a.sum(axis=axis, dtype=float) for a in (guess * y, guess, y))
    want = (1 + 4) * tp / (4 * true + pred)
    if average == "weighted":
        want = np.average(want, weights=true)
    want = want.mean() if average == "macro" else want
    np.testing.assert_allclose(added(metrics.FBetaScore(average, 2.0), "onehot"), want, rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_r2(weighted):
    _, y, p, w = together("real")
    y = y.astype(float)
    w = (w if weighted else np.ones_like(w))[:, None]
    mean = (w * y).sum(0) / w.sum()
    total, rest = (w * (y - mean) ** 2).sum(0), (w * (y - p) ** 2).sum(0)
    scores = 1 - rest / total
    got = added(metrics.R2Score(None), "real", weighted=weighted)
    np.testing.assert_allclose(got, scores, rtol=1e-5)
    got = added(metrics.R2Score("variance_weighted_average"), "real", weighted=weighted)
    np.testing.assert_allclose(got, 1 - rest.sum() / total.sum(), rtol=1e-5)
    n = y.size
    got = added(metrics.R2Score(num_regressors=3), "real", weighted=weighted)
    np.testing.assert_allclose(got, 1 - (1 - scores.mean()) * (n - 1) / (n - 4), rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_intersection_over_union(weighted):
    _, y, p, w = together("classes")
    w = w if weighted else np.ones_like(w)
    each = [w[(y == k) & (p == k)].sum() / w[(y == k) | (p == k)].sum() for k in range(4)]
    got = added(metrics.MeanIoU(4), "classes", weighted=weighted)
    np.testing.assert_allclose(got, np.mean(each), rtol=1e-6)
    got = added(metrics.IoU(4, [1, 3]), "classes", weighted=weighted)
    np.testing.assert_allclose(got, np.mean([each[1], each[3]]), rtol=1e-6)


def test_what_is_no_class_or_to_be_ignored_does_not_count():
    m = metrics.MeanIoU(2, ignore_class=255)
    m.update_state([0, 1, 255, 1, -1, 7], [0, 1, 1, 0, 1, 1])
    np.testing.assert_allclose(m.result(), (1 / 2 + 1 / 2) / 2, rtol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("metric", "kind", "values"),
    [
        (metrics.MeanAbsoluteError, "real", lambda y, p: np.abs(y - p).mean(1)),
        (metrics.CosineSimilarity, "real", lambda y, p: (y * p).sum(1) / np.sqrt((y**2).sum(1) * (p**2).sum(1))),
        (metrics.PearsonCorrelation, "real", lambda y, p: [np.corrcoef(a, b)[0, 1] for a, b in zip(y, p, strict=True)]),
        (metrics.SparseCategoricalAccuracy, "sparse", lambda y, p: y == p.argmax(1)),
        (metrics.BinaryAccuracy, "binary", lambda y, p: ((p > 0.5) == y)[:, 0]),
        (metrics.SparseCategoricalCrossentropy, "sparse", lambda y, p: -np.log(p[np.arange(len(y)), y])),
    ],
)  # fmt: skip
def test_means_over_examples(metric, kind, values, weighted):
    _, y, p, w = together(kind)
    want = np.average(values(y, p), weights=w if weighted else None)
    np.testing.assert_allclose(added(metric(), kind, weighted=weighted), want, rtol=1e-5)


def test_a_root_is_taken_in_the_end():
    _, y, p, w = together("real")
    want = np.sqrt(np.average(((y - p) ** 2).mean(1), weights=w))
    np.testing.assert_allclose(added(metrics.RootMeanSquaredError(), "real", weighted=True), want, rtol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_first_k(k):
    _, y, p, _ = together("sparse")
    first = np.argsort(-p, axis=1)[:, :k]
    want = (first == y[:, None]).any(1)
    np.testing.assert_array_equal(metrics.sparse_top_k_categorical_accuracy(y, p, k=k), want)
    np.testing.assert_array_equal(metrics.top_k_categorical_accuracy(np.eye(4)[y], p, k=k), want)
    np.testing.assert_array_equal(metrics.sparse_top_k_categorical_accuracy(y, np.argsort(-p), k, True), want)
    hot = np.eye(4)[y]
    mask = np.zeros_like(p)
    np.put_along_axis(mask, first, 1.0, 1)
    np.testing.assert_allclose(metrics.Precision(top_k=k)(hot, p), (mask * hot).sum() / mask.sum(), rtol=1e-6)


def test_sums_are_of_double_precision():
    m = metrics.Sum()
    for x in (2.0**25, 1.0, 1.0):
        m.update_state(np.float32([x]))
    assert m.result() == 2**25 + 2


def test_weights_by_rank():
    values = np.arange(6.0).reshape(2, 3)
    assert metrics.Mean()(values, 2.0) == 2.5
    assert metrics.Mean()(values, [1.0, 3.0]) == (1 * 1.0 + 3 * 4.0) / 4
    assert metrics.Mean()(values, [[1.0], [3.0]]) == (1 * 1.0 + 3 * 4.0) / 4
    assert metrics.Mean()(values, np.eye(2, 3)) == (0.0 + 4.0) / 3 / ((1 + 1) / 3)
    assert metrics.Mean()([3.0, 5.0], [0.0, 0.0]) == 0.0
    assert metrics.Mean()(4.0) == 4.0
    assert metrics.Sum()(values, [1.0, 0.0]) == 3.0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_dtype(dtype):
    y, p = np.array([0, 1, 1, 0]), np.array([0.25, 0.75, 0.5, 0.75], dtype)
    assert metrics.Precision()(y, p) == 0.5
    assert metrics.AUC(5)(y.astype(bool), p) == pytest.approx(0.625)
    assert metrics.MeanSquaredError()(y.astype(dtype), p) == pytest.approx((0.0625 * 2 + 0.25 + 0.5625) / 4, rel=1e-3)
    assert metrics.MeanSquaredError(dtype=dtype)(y, p).dtype == dtype


def test_nothing_was_added():
    for name, settings in {cls: settings for cls, _, settings in cases.CASES}.items():
        m = getattr(metrics, name)(**settings)
        value = np.asarray(m.result())
        assert np.isnan(value).all() if name == "R2Score" else (value == 0).all(), name


def test_labels_beyond_0_and_1_are_positive_and_predictions_beyond_are_ends():
    assert metrics.Recall()([2, 1, 0], [0.9, 0.1, 0.9]) == 0.5
    assert metrics.AUC()([0, 1], [-3.0, 7.0]) == 1.0
    assert metrics.AUC(from_logits=True)([0, 1, 0], [-3.0, 7.0, 7.0]) == 0.75


def test_functions_take_variables():
    from sdgraph import SameDiff

    sd = SameDiff()
    p = sd.placeholder("p", (None,))
    v = metrics.binary_accuracy(np.array([0.0, 1.0]), p, threshold=0.3)
    np.testing.assert_array_equal(v.eval({"p": [0.2, 0.2]}), [1, 0])
    assert metrics.huber is losses.huber

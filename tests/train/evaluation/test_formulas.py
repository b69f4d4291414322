"""Evaluations of random examples, with ties and classes that do not appear, against definitions in numpy."""

import math

import numpy as np
import pytest

from sdgraph.errors import ArgumentError, ArgumentTypeError
from sdgraph.train.evaluation import (
    ROC,
    Evaluation,
    EvaluationBinary,
    EvaluationCalibration,
    RegressionEvaluation,
    ROCBinary,
    ROCMultiClass,
)

SEEDS = range(60)


def examples(seed):
    """Class numbers and rounded probabilities, so that there are ties; often a class that is not there."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 30)), int(rng.integers(2, 5))
    p = rng.integers(1, 6, (n, k)).astype(float)
    return rng.integers(0, int(rng.integers(1, k + 1)), n), p / p.sum(axis=1, keepdims=True)


def over_pairs(positive, scores):
    """The part of pairs of a positive and a negative in which the positive has the higher score, ties by half."""
    a, b = scores[positive], scores[~positive]
    if not a.size or not b.size:
        return math.nan
    return float(((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean())


def precision_times_gain(positive, scores):
    """The sum over distinct scores of precision times what recall gains there."""
    found, before, n = 0.0, 0.0, positive.sum()
    for t in sorted(set(scores), reverse=True):
        said = scores >= t
        recall = positive[said].sum() / n if n else math.nan
        found += (recall - before) * positive[said].mean()
        before = recall
    return float(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_areas_by_pairs_and_by_steps(seed):
    y, p = examples(seed)
    multi, binary = ROCMultiClass().add(y, p), ROCBinary().add(np.eye(p.shape[1])[y], p)
    for k in range(p.shape[1]):
        wanted = over_pairs(y == k, p[:, k]), precision_times_gain(y == k, p[:, k])
        one = ROC().add(y == k, p[:, k])
        for got in ((one.auc(), one.average_precision()), (multi.auc()[k], multi.average_precision()[k]),
                    (binary.auc()[k], binary.average_precision()[k])):  # fmt: skip
            np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_areas_are_those_under_the_curves(seed):
    y, p = examples(seed)
    roc = ROCMultiClass().add(y, p)
    for k in np.flatnonzero((roc.positives > 0) & (roc.negatives > 0)):
        curve, steps = roc.roc_curve(int(k)), roc.precision_recall_curve(int(k))
        assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
        assert (np.diff(curve.x) >= 0).all() and (np.diff(curve.thresholds) < 0).all()
        np.testing.assert_allclose(np.trapezoid(curve.y, curve.x), roc.auc()[k], rtol=1e-12)
        np.testing.assert_allclose((np.diff(steps.x) * steps.y[1:]).sum(), roc.average_precision()[k], rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_measures_by_counting(seed):
    y, p = examples(seed)
    guess, k = p.argmax(axis=1), p.shape[1]
    e = Evaluation().add(y, p)
    assert e.accuracy() == pytest.approx((y == guess).mean(), rel=1e-15)
    tp = np.array([((y == c) & (guess == c)).sum() for c in range(k)], float)
    said, true = np.bincount(guess, minlength=k), np.bincount(y, minlength=k)
    with np.errstate(invalid="ignore"):
        assert e.precision() == pytest.approx(np.nanmean(tp / said), rel=1e-14)
        assert e.recall() == pytest.approx(np.nanmean(tp / true), rel=1e-14)
        assert e.f1() == pytest.approx(np.nanmean(2 * tp / (said + true)), rel=1e-14)
    assert e.precision(average="micro") == pytest.approx((y == guess).mean(), rel=1e-15)
    # Matthews' coefficient is Pearson's of the one-hot tables.
    a, b = np.eye(k)[y], np.eye(k)[guess]
    cov = [((u - u.mean(0)) * (v - v.mean(0))).sum() for u, v in ((a, b), (a, a), (b, b))]
    wanted = cov[0] / math.sqrt(cov[1] * cov[2]) if cov[1] * cov[2] > 1e-20 else 0.0
    assert e.matthews_correlation() == pytest.approx(wanted, abs=1e-13)


@pytest.mark.parametrize("seed", range(10))
def test_regression_far_from_zero(seed):
    rng = np.random.default_rng(seed)
    y = np.array([1e8, 1e-3]) + rng.normal(size=(40, 2))
    p = y + 0.3 * rng.normal(size=y.shape)
    parts = RegressionEvaluation().add(y[:7], p[:7]).merge(RegressionEvaluation().add(y[7:], p[7:]))
    for e in (RegressionEvaluation().add(y, p), parts):
        for k in range(2):
            a, b = (x[:, k].astype(np.longdouble) for x in (y, p))
            rse = ((a - b) ** 2).sum() / ((a - a.mean()) ** 2).sum()
            r = ((a - a.mean()) * (b - b.mean())).sum() / np.sqrt(
                ((a - a.mean()) ** 2).sum() * ((b - b.mean()) ** 2).sum()
            )
            assert e.relative_squared_error()[k] == pytest.approx(float(rse), rel=1e-6)
            assert e.pearson_correlation()[k] == pytest.approx(float(r), rel=1e-6)
            assert e.r_squared()[k] == pytest.approx(float(1 - rse), rel=1e-6)


def test_calibration_by_counting():
    rng = np.random.default_rng(3)
    p = rng.random(500)
    y = rng.random(500) < p
    e = EvaluationCalibration(reliability_bins=4).add(y[:, None], p[:, None])
    x, part, counts = e.reliability(0)
    for k in range(4):
        inside = (p >= k / 4) & (p < (k + 1) / 4)
        assert counts[k] == inside.sum()
        assert (x[k], part[k]) == pytest.approx((p[inside].mean(), y[inside].mean()), rel=1e-13)
    assert e.expected_calibration_error(0) == pytest.approx((np.abs(x - part) * counts).sum() / 500, rel=1e-13)


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (ROC(), ROC(10)),
        (ROCMultiClass(5), ROCMultiClass()),
        (Evaluation(top_n=2), Evaluation()),
        (Evaluation(cost=[1, 2]), Evaluation()),
        (Evaluation(binary_threshold=0.3), Evaluation(binary_threshold=0.4)),
        (EvaluationBinary(threshold=0.3), EvaluationBinary()),
        (EvaluationCalibration(5), EvaluationCalibration()),
    ],
)
def test_counts_of_other_settings_are_not_merged(mine, other):
    with pytest.raises(ArgumentError, match="in different ways"):
        mine.merge(other)
    with pytest.raises(ArgumentTypeError, match="Only another"):
        mine.merge(RegressionEvaluation())


@pytest.mark.parametrize("make", [Evaluation, EvaluationBinary, ROCBinary, RegressionEvaluation, EvaluationCalibration])
def test_labels_that_are_nan_are_refused_unless_masked(make):
    y, p = [[0.0, 1.0], [math.nan, 0.0]], [[0.4, 0.6], [0.3, 0.7]]
    with pytest.raises(ArgumentError, match="label is NaN"):
        make().add(y, p)
    make().add(y, p, [1, 0])


def test_a_fresh_one_has_the_settings_and_no_counts():
    e = Evaluation(top_n=2, labels=["a", "b"]).add([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    other = e.fresh()
    assert (e.num_rows, other.num_rows, other.top_n, other.names) == (2, 0, 2, ["a", "b"])
    other.add([0], [[0.9, 0.1]])
    assert (e.num_rows, other.num_rows) == (2, 1)


def test_stats_are_readable():
    e = Evaluation(labels=["cat", "dog", "owl"]).add([0, 1, 1], [[0.9, 0.1, 0], [0.2, 0.8, 0], [0.6, 0.4, 0]])
    text = e.stats()
    for words in ("accuracy", "0.6667", "never guessed, left out of precision: owl", "actual \\ guessed", "dog"):
        assert words in text
    assert "0.7500" in ROC().add([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).stats()
    one = RegressionEvaluation(columns=["height"]).add([[1.0], [3.0]], [[1.0], [2.0]])
    assert one.stats().splitlines()[-1].split() == ["height", "0.5", "0.5", "0.70711", "0.5", "1", "0.5"]

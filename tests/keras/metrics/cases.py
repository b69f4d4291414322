"""Metrics that are tried, as data: class, settings, and what they are given. Must not import any implementation."""

import numpy as np

N = 23


def arrays(kind, seed=0):
    """Three batches of labels and predictions."""
    rng = np.random.default_rng(seed)

    def batch(n):
        scores = rng.normal(size=(n, 4)).astype("float32")
        soft = (np.exp(scores) / np.exp(scores).sum(1, keepdims=True)).astype("float32")
        classes = (scores + rng.normal(size=(n, 4))).argmax(1)
        p = rng.random((n, 1)).astype("float32")
        return {
            "binary": ((p + rng.normal(size=p.shape) * 0.4 > 0.5).astype("float32"), p),
            "flat": ((p[:, 0] + rng.normal(size=n) * 0.4 > 0.5).astype("int32"), p[:, 0]),
            "labels": (rng.integers(0, 2, (n, 4)).astype("float32"), rng.random((n, 4)).astype("float32")),
            "logits": (rng.integers(0, 2, (n, 1)).astype("float32"), rng.normal(size=(n, 1)).astype("float32")),
            "onehot": (np.eye(4, dtype="float32")[classes], soft),
            "sparse": (classes.astype("int32"), soft),
            "column": (classes[:, None].astype("int32"), soft),
            "real": (rng.normal(size=(n, 3)).astype("float32"), rng.normal(size=(n, 3)).astype("float32")),
            "positive": (rng.random((n, 3)).astype("float32") + 0.1, rng.random((n, 3)).astype("float32") + 0.1),
            "classes": (rng.integers(0, 4, n).astype("int32"), rng.integers(0, 4, n).astype("int32")),
            "maps": (rng.integers(0, 4, (n, 5)).astype("int32"), rng.random((n, 5, 4)).astype("float32")),
            "ids": (classes.astype("float32"), np.argsort(-scores, axis=1).astype("float32")),
        }[kind]

    return [batch(n) for n in (N, N, 7)]


def weights(seed=0):
    """A weight for each example of these."""
    rng = np.random.default_rng(seed + 100)
    return [rng.random(n).astype("float32") + 0.1 for n in (N, N, 7)]


def case(cls, kind, /, **settings):
    return cls, kind, settings


CASES = [
    case("Accuracy", "classes"),
    case("BinaryAccuracy", "binary"),
    case("BinaryAccuracy", "flat", threshold=0.3),
    case("CategoricalAccuracy", "onehot"),
    case("SparseCategoricalAccuracy", "sparse"),
    case("SparseCategoricalAccuracy", "column"),
    case("TopKCategoricalAccuracy", "onehot", k=2),
    case("SparseTopKCategoricalAccuracy", "sparse", k=2),
    case("SparseTopKCategoricalAccuracy", "ids", k=2, from_sorted_ids=True),
    case("MeanSquaredError", "real"),
    case("RootMeanSquaredError", "real"),
    case("MeanAbsoluteError", "real"),
    case("MeanAbsolutePercentageError", "positive"),
    case("MeanSquaredLogarithmicError", "positive"),
    case("CosineSimilarity", "real"),
    case("LogCoshError", "real"),
    case("PearsonCorrelation", "real"),
    case("ConcordanceCorrelation", "real"),
    case("Hinge", "labels"),
    case("SquaredHinge", "labels"),
    case("CategoricalHinge", "onehot"),
    case("KLDivergence", "onehot"),
    case("Poisson", "positive"),
    case("BinaryCrossentropy", "binary"),
    case("BinaryCrossentropy", "logits", from_logits=True, label_smoothing=0.2),
    case("CategoricalCrossentropy", "onehot", label_smoothing=0.1),
    case("SparseCategoricalCrossentropy", "sparse"),
    case("SparseCategoricalCrossentropy", "sparse", ignore_class=1, from_logits=True),
    case("TruePositives", "binary"),
    case("FalsePositives", "flat", thresholds=[0.2, 0.7]),
    case("TrueNegatives", "labels", thresholds=[0.0, 0.5, 1.0]),
    case("FalseNegatives", "binary", thresholds=0.4),
    case("Precision", "binary"),
    case("Precision", "labels", thresholds=[0.1, 0.6]),
    case("Precision", "labels", top_k=2),
    case("Precision", "onehot", class_id=2, thresholds=0.3),
    case("Recall", "binary"),
    case("Recall", "labels", top_k=3, class_id=1),
    case("Recall", "flat", thresholds=[0.1, 0.5, 0.9]),
    case("AUC", "binary"),
    case("AUC", "flat", curve="PR"),
    case("AUC", "flat", curve="PRGAIN"),
    case("AUC", "labels", curve="PR", summation_method="majoring", num_thresholds=30),
    case("AUC", "labels", multi_label=True),
    case("AUC", "labels", multi_label=True, num_labels=4, label_weights=[0.1, 0.2, 0.3, 1.0], curve="PR"),
    case("AUC", "labels", label_weights=[0.1, 0.2, 0.3, 1.0], summation_method="minoring"),
    case("AUC", "logits", from_logits=True),
    case("AUC", "binary", thresholds=[0.1, 0.25, 0.7]),
    case("SensitivityAtSpecificity", "binary", specificity=0.6),
    case("SpecificityAtSensitivity", "labels", sensitivity=0.4, num_thresholds=20, class_id=1),
    case("PrecisionAtRecall", "flat", recall=0.7),
    case("RecallAtPrecision", "labels", precision=0.5, num_thresholds=1),
    case("FBetaScore", "labels", beta=2.0, threshold=0.4),
    case("FBetaScore", "onehot", average="weighted"),
    case("F1Score", "onehot", average="macro"),
    case("F1Score", "labels", average="micro", threshold=0.5),
    case("R2Score", "real"),
    case("R2Score", "real", class_aggregation=None),
    case("R2Score", "real", class_aggregation="variance_weighted_average", num_regressors=2),
    case("IoU", "classes", num_classes=4, target_class_ids=[0, 2]),
    case("MeanIoU", "classes", num_classes=3),
    case("MeanIoU", "maps", num_classes=4, sparse_y_pred=False, ignore_class=2),
    case("BinaryIoU", "binary", threshold=0.6),
    case("BinaryIoU", "flat", target_class_ids=[1]),
    case("OneHotIoU", "onehot", num_classes=4, target_class_ids=[1, 3]),
    case("OneHotMeanIoU", "onehot", num_classes=4),
]

NAMES = [f"{cls}-{kind}-{'-'.join(f'{k}={v}' for k, v in settings.items())}" for cls, kind, settings in CASES]

"""Models that are trained here and by Keras itself: what they are, how they are compiled and what they are given.

Each is data, so that the same is built of Keras' layers and of variables of a graph. Must not import either.
"""

from __future__ import annotations

import numpy as np

_WARM = {"initial_learning_rate": 0.01, "decay_steps": 8, "alpha": 0.1, "warmup_target": 0.02, "warmup_steps": 3}

OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "momentum clipvalue": ("SGD", {"learning_rate": 0.1, "momentum": 0.8, "clipvalue": 0.05}),
    "adam": ("Adam", {"learning_rate": 0.02}),
    "amsgrad": ("Adam", {"learning_rate": 0.02, "amsgrad": True, "global_clipnorm": 0.1}),
    "adamw": ("AdamW", {"learning_rate": 0.02, "weight_decay": 0.05}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.01, "momentum": 0.5, "centered": True}),
    "adagrad": ("Adagrad", {"learning_rate": 0.2}),
    "nadam": ("Nadam", {"learning_rate": 0.02, "clipnorm": 0.05}),
    "adamax": ("Adamax", {"learning_rate": 0.02}),
    "lion": ("Lion", {"learning_rate": 0.01}),
    "ftrl": ("Ftrl", {"learning_rate": 0.1, "l1_regularization_strength": 0.001}),
    "accumulates": ("SGD", {"learning_rate": 0.2, "momentum": 0.9, "gradient_accumulation_steps": 3}),
    "accumulates on schedule": (
        "SGD",
        {
            "learning_rate": ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 2, "decay_rate": 0.8}),
            "gradient_accumulation_steps": 3,
        },
    ),
    "schedule": ("RMSprop", {"learning_rate": ("CosineDecay", _WARM)}),
    "averages": ("Adam", {"learning_rate": 0.05, "use_ema": True, "ema_momentum": 0.8}),
    "averages, accumulates": (
        "SGD",
        {"learning_rate": 0.2, "momentum": 0.9, "use_ema": True, "ema_momentum": 0.8, "gradient_accumulation_steps": 3},
    ),
    "becomes its average": (
        "Adam",
        {
            "learning_rate": 0.05,
            "use_ema": True,
            "ema_momentum": 0.8,
            "ema_overwrite_frequency": 2,
            "gradient_accumulation_steps": 3,
        },
    ),
}

EXAMPLES = 50


def data(seed):
    """Two inputs, and labels of four sorts."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(EXAMPLES, 4)), rng.normal(size=(EXAMPLES, 3))
    score = a @ rng.normal(size=(4, 3)) + 0.3 * rng.normal(size=(EXAMPLES, 3))
    classes = score.argmax(axis=1)
    return {
        "a": a,
        "b": b,
        "binary": (score[:, :1] > 0).astype("float64"),
        "sparse": classes.astype("int32"),
        "column": classes[:, None].astype("int32"),
        "onehot": np.eye(3)[classes],
        "real": score[:, :2] + b[:, :2] ** 2,
        "weights": rng.random(EXAMPLES) + 0.2,
        "more": rng.random(EXAMPLES) * 2,
    }


# Outputs: name, size, activation, labels. All come from one hidden layer of tanh over both inputs.
ONE = {
    "binary": [("p", 1, "sigmoid", "binary")],
    "sparse": [("p", 3, "softmax", "sparse")],
    "column": [("p", 3, "softmax", "column")],
    "onehot": [("p", 3, "softmax", "onehot")],
    "real": [("p", 2, "linear", "real")],
    "two": [("cls", 3, "softmax", "sparse"), ("reg", 2, "linear", "real")],
}

LOSS = {
    "binary": "binary_crossentropy",
    "sparse": "sparse_categorical_crossentropy",
    "column": "crossentropy",
    "onehot": "categorical_crossentropy",
    "real": "mse",
}


def case(outputs, optimizer="adam", *, compile=None, fit=None, weights=None, splits=False):
    """One training: which outputs, how compiled, what `fit` is given besides arrays.

    ``weights`` are names of arrays of sample weights, and ``splits`` means data for validation apart.
    """
    return {
        "outputs": outputs,
        "optimizer": optimizer,
        "compile": {"loss": LOSS.get(outputs)} | (compile or {}),
        "fit": {"epochs": 3, "batch_size": 16, "shuffle": False} | (fit or {}),
        "weights": weights,
        "splits": splits,
    }


_TWO = {
    "loss": {"cls": "sparse_categorical_crossentropy", "reg": "huber"},
    "loss_weights": {"cls": 1.0, "reg": 0.25},
    "metrics": {"cls": ["accuracy"], "reg": ["mae", "mse"]},
}
_BALANCED = {"class_weight": {0: 1.0, 1: 3.0}}

CASES = {f"binary, {name}": case("binary", name, compile={"metrics": ["accuracy"]}) for name in OPTIMIZERS}
CASES |= {
    f"{outputs}, {name}": case(outputs, compile={"metrics": ["accuracy"]}, **more)
    for outputs in ("sparse", "column", "onehot")
    for name, more in {
        "plain": {},
        "classes": {"fit": {"class_weight": {0: 1.0, 2: 4.0}}},
        "weights": {"weights": "weights"},
        "split": {"fit": {"validation_split": 0.25}},
    }.items()
}
CASES |= {
    "binary, classes": case("binary", "nesterov", compile={"weighted_metrics": ["accuracy", "mse"]}, fit=_BALANCED),
    "binary, classes and a split": case(
        "binary", compile={"metrics": ["acc"], "weighted_metrics": ["acc"]}, fit=_BALANCED | {"validation_split": 0.3}
    ),
    "real, metrics": case(
        "real",
        "sgd",
        compile={
            "metrics": ["mae", "mse", "mape", "msle", "cosine_similarity", "RootMeanSquaredError", "log_cosh_error"],
        },
    ),
    "real, weighted metrics": case(
        "real", compile={"metrics": ["mae"], "weighted_metrics": ["mae", "root_mean_squared_error"]}, weights="weights"
    ),
    "real, weights and other data": case(
        "real", compile={"weighted_metrics": ["mae"]}, weights="weights", splits=True, fit={"validation_freq": 2}
    ),
    "onehot, top k and hinges": case(
        "onehot", compile={"metrics": ["categorical_hinge", "top_k_categorical_accuracy", "kl_divergence", "bce"]}
    ),
    "binary, counts": case(
        "binary",
        compile={
            "metrics": [
                "AUC",
                "Precision",
                ("Recall", {"thresholds": 0.4, "name": "recall"}),
                ("AUC", {"curve": "PR", "name": "pr"}),
            ],
            "weighted_metrics": [
                ("AUC", {"name": "auc", "num_thresholds": 20}),
                ("TruePositives", {"name": "tp"}),
                ("SensitivityAtSpecificity", {"specificity": 0.5, "name": "at"}),
                "acc",
            ],
        },
        weights="weights",
        fit={"validation_split": 0.3},
    ),
    "binary, counts under automatic names": case(
        "binary", "sgd", compile={"metrics": ["auc", "mse", "auc", ("BinaryAccuracy", {"threshold": 0.3})]}
    ),
    "onehot, scores": case(
        "onehot",
        compile={
            "metrics": [
                ("F1Score", {"average": "macro"}),
                ("FBetaScore", {"average": "weighted", "beta": 2.0, "threshold": 0.4}),
                ("OneHotMeanIoU", {"num_classes": 3, "name": "iou"}),
                ("Precision", {"top_k": 2, "name": "p2"}),
                ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
            ],
            "weighted_metrics": [("F1Score", {"average": "micro", "name": "micro"}), "kl_divergence"],
        },
        weights="weights",
    ),
    "sparse, top": case(
        "sparse",
        compile={
            "metrics": [
                ("SparseTopKCategoricalAccuracy", {"k": 2}),
                ("MeanIoU", {"num_classes": 3, "sparse_y_pred": False, "name": "iou"}),
                "sparse_categorical_crossentropy",
            ]
        },
    ),
    "real, scores": case(
        "real",
        compile={
            "metrics": ["r2_score", "concordance_correlation"],
            "weighted_metrics": [("R2Score", {"class_aggregation": "variance_weighted_average", "name": "r2"})],
        },
        weights="weights",
        splits=True,
    ),
    "two, counts": case(
        "two",
        compile={**_TWO, "metrics": {"cls": [("SparseTopKCategoricalAccuracy", {"k": 1})], "reg": ["r2_score"]}},
    ),
    "two, plain": case("two", compile={**_TWO, "loss_weights": None}),
    "two, loss weights": case("two", "nadam", compile=_TWO),
    "two, lists": case(
        "two",
        "sgd",
        compile={
            "loss": ["sparse_categorical_crossentropy", "mse"],
            "loss_weights": [0.5, 2.0],
            "metrics": [["accuracy"], None],
            "weighted_metrics": [None, ["mae"]],
        },
    ),
    "two, weights": case("two", compile={**_TWO, "weighted_metrics": {"reg": ["mae"]}}, weights=["weights", "more"]),
    "two, weights for both, a split": case("two", compile=_TWO, weights="weights", fit={"validation_split": 0.2}),
    "two, one loss": case("two", compile={"loss": {"cls": None, "reg": "mse"}, "metrics": {"reg": ["mae"]}}),
    "two, other data": case("two", compile=_TWO, splits=True, fit={"validation_batch_size": 7}),
    "binary, from epoch 2": case("binary", fit={"initial_epoch": 2, "epochs": 4}),
    "binary, two steps": case("binary", fit={"steps_per_epoch": 2, "batch_size": None}),
    "binary, two of four batches": case("binary", fit={"steps_per_epoch": 2, "batch_size": 13, "epochs": 4}),
    "binary, two steps of validation": case(
        "binary", splits=True, fit={"validation_steps": 2, "validation_batch_size": 5, "validation_freq": [1, 3]}
    ),
    "binary, accumulates unevenly": case("binary", "accumulates", fit={"batch_size": 20}),
}  # fmt: skip

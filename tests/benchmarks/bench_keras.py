"""Keras programs under `sdgraph.keras` and under Keras itself, in one process, on one thread.

Run it alone: ``python tests/benchmarks/bench_keras.py``. Keras computes with JAX, or with the backend that the variable
KERAS_BACKEND names. Both build the same models with the same weights; an epoch of `fit`, `evaluate` and `predict` are
called in turn. The table has the median milliseconds of sdgraph, and the median of the ratios of each turn: sdgraph's
time by Keras'. ``--rows PATTERN`` picks rows, ``--turns N`` how often each is called.
"""

import argparse
import os
import re
import statistics
import time

ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
if __name__ == "__main__":
    os.environ |= ONE_THREAD  # Read where numpy is loaded.
    os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np  # noqa: E402

ROWS = 1024
BATCH = 32


def dense(keras):
    layers = keras.layers
    return [layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]


def convolutions(keras):
    layers = keras.layers
    return [
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]


def normalised(keras):
    layers = keras.layers
    return [
        layers.Dense(128),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]


def recurrent(keras):
    return [keras.layers.LSTM(32), keras.layers.Dense(10, activation="softmax")]


def attention(keras):
    layers = keras.layers
    x = keras.Input((20, 32))
    y = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(2, 16)(x, x)]))
    y = layers.Dense(64, activation="gelu")(y)
    return keras.Model(x, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling1D()(y)))


MODELS = {
    "dense 784-128-10": (dense, (784,)),
    "normalised 784-128-10": (normalised, (784,)),
    "convolutions 28x28": (convolutions, (28, 28, 1)),
    "LSTM 20 steps": (recurrent, (20, 16)),
    "attention 20 steps": (attention, (20, 32)),
}


def made(keras, make, shape):
    model = make(keras)
    if isinstance(model, list):
        model = keras.Sequential([keras.Input(shape), *model])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def calls(model, x, y):
    given = {"batch_size": BATCH, "verbose": 0}
    return {
        "fit": lambda: model.fit(x, y, epochs=1, shuffle=False, **given),
        "evaluate": lambda: model.evaluate(x, y, **given),
        "predict": lambda: model.predict(x, **given),
    }


def measured(ours, theirs, turns):
    """Medians of milliseconds and of ratios, called in turn."""
    for f in (ours, theirs) * 2:
        f()
    pairs = []
    for _ in range(turns):
        times = []
        for f in (ours, theirs):
            begun = time.perf_counter()
            f()
            times.append(time.perf_counter() - begun)
        pairs.append(times)
    return 1e3 * statistics.median(a for a, _ in pairs), statistics.median(a / b for a, b in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="", metavar="PATTERN")
    parser.add_argument("--turns", type=int, default=9)
    asked = parser.parse_args()
    import keras

    from sdgraph import keras as own

    rng = np.random.default_rng(0)
    print(f"{'':24}{'':10}{'ms':>9}{'/ Keras':>9}   ({keras.__version__}, {keras.backend.backend()})")
    for name, (make, shape) in MODELS.items():
        if not re.search(asked.rows, name):
            continue
        x, y = rng.normal(size=(ROWS, *shape)).astype("float32"), rng.integers(0, 10, ROWS)
        ours, theirs = made(own, make, shape), made(keras, make, shape)
        ours.set_weights([np.asarray(w) for w in theirs.get_weights()])
        both = calls(ours, x, y), calls(theirs, x, y)
        for what in both[0]:
            ms, ratio = measured(both[0][what], both[1][what], asked.turns)
            print(f"{name:24}{what:10}{ms:9.2f}{ratio:9.2f}", flush=True)


if __name__ == "__main__":
    main()

"""Write `keras_fits.json`: what Keras itself makes of the trainings of `tests.keras.training.cases`, in float64.

    python -m tests.golden.keras_fits [--more]

Keras and JAX must be installed. Histories, epochs, weights afterwards, evaluations and predictions are kept. With
``--more`` only cases are run that the file does not have.
"""

import json
import os
import sys

import numpy as np

from tests.golden.cases import FOLDER
from tests.keras.training import cases, graphs

PATH = FOLDER / "keras_fits.json"
SEED = 1


def in_double_precision():
    """Keras, computing in float64."""
    os.environ["KERAS_BACKEND"], os.environ["JAX_ENABLE_X64"] = "jax", "1"
    import keras
    from keras.src.backend.common import dtypes

    for wide in list(dtypes.BIT64_TO_BIT32_DTYPE):
        dtypes.BIT64_TO_BIT32_DTYPE[wide] = wide
    keras.config.set_floatx("float64")
    return keras


def built(keras, outputs, weights):
    """A model of Keras' layers with these weights."""
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    hidden = keras.layers.Dense(5, "tanh")(keras.layers.Concatenate()([a, b]))
    made = [keras.layers.Dense(size, act, name=name)(hidden) for name, size, act, _ in cases.ONE[outputs]]
    model = keras.Model([a, b], made if len(made) > 1 else made[0])
    model.set_weights(weights)
    return model


def trained(keras, case, seed):
    """What comes of a case."""
    model = built(keras, case["outputs"], graphs.initial(case["outputs"], seed))
    model.compile(graphs.optimizer(keras.optimizers, case["optimizer"]), **graphs.asked(keras.metrics, case["compile"]))
    given = graphs.arrays(case, seed)
    history = model.fit(**given, **case["fit"], verbose=0)
    said = model.predict(given["x"], verbose=0)
    return {
        "history": {name: [float(x) for x in column] for name, column in history.history.items()},
        "epoch": history.epoch,
        "weights": [np.asarray(w, "float64").tolist() for w in model.get_weights()],
        "evaluate": model.evaluate(given["x"], given["y"], batch_size=16, verbose=0, return_dict=True),
        "predict": [np.asarray(p).tolist() for p in (said if isinstance(said, list) else [said])],
    }


def main():
    keras = in_double_precision()
    known = json.loads(PATH.read_text())["cases"] if "--more" in sys.argv else {}
    found = {name: known.get(name) or trained(keras, case, SEED) for name, case in cases.CASES.items()}
    about = {"keras": keras.__version__, "backend": keras.backend.backend(), "dtype": "float64", "seed": SEED}
    PATH.write_text(json.dumps({"about": about, "cases": found}, indent=None) + "\n")


if __name__ == "__main__":
    main()

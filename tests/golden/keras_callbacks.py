"""Write `keras_callbacks.json`: what Keras' own callbacks decide on the scripts of `tests.keras.callbacks`.

python -m tests.golden.keras_callbacks
"""

import json

from tests.golden.cases import FOLDER
from tests.keras.callbacks import test_decisions as cases
from tests.keras.callbacks.scripted import real_keras

PATH = FOLDER / "keras_callbacks.json"


def main():
    keras = real_keras()
    found = {
        f"{kind} {k} {seed}": cases.theirs(keras, kind, cases.SETTINGS[kind][k], seed) for kind, k, seed in cases.CASES
    }
    PATH.write_text(json.dumps({"keras": keras.__version__, "decisions": found}) + "\n")


if __name__ == "__main__":
    main()

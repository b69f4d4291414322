"""Training with all that a checkpoint must hold; ``python -m tests.train.interrupted FOLDER HOW`` is killed in it."""

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from sdgraph import SameDiff
from sdgraph.keras import optimizers
from sdgraph.train import Callback, Checkpoint, CSVLogger, EarlyStopping, L2Regularization, Nesterovs, ReduceOnPlateau

EPOCHS = 7
STEPS = 7 * EPOCHS
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(101, 6)).astype("float32")
Y = (X[:, :1] * X[:, 1:2] > 0).astype("float32")


def network(dtype="float32", width=8):
    """A network with dropout, and a moving mean of its input that changes beside what is trained."""
    sd = SameDiff(dtype, seed=3)
    x, y = sd.placeholder("x", (None, 6)), sd.placeholder("y", (None, 1))
    mean = sd.var("mean", np.zeros(6, dtype))
    sd.update(mean, 0.9 * mean + 0.1 * x.mean(0))
    w1, b1 = sd.var("w1", shape=(6, width), init="he"), sd.var("b1", shape=(width,))
    hidden = sd.nn.dropout(sd.nn.relu((x - mean) @ w1 + b1), 0.3)
    w2, b2 = sd.var("w2", shape=(width, 1), init="he"), sd.var("b2", shape=(1,))
    sd.loss.sigmoid_cross_entropy(y, hidden @ w2 + b2, name="loss")
    return sd


class Steps:
    """Batches that are gone through again in each pass, and know where they stand."""

    def __init__(self):
        self.at = self.drawn = 0

    def state_dict(self):
        return {"at": self.at, "drawn": self.drawn}

    def load_state_dict(self, state):
        self.at, self.drawn = state["at"], state["drawn"]

    def __iter__(self):
        while self.at < 7:
            rng = np.random.default_rng(self.drawn)
            rows = rng.permutation(101)[:13]
            self.at, self.drawn = self.at + 1, self.drawn + 1
            yield X[rows], Y[rows]
        self.at = 0


def scheduled(sd, folder, callbacks=(), **settings):
    """A schedule, clipping, decay, accumulation, validation, early stopping, shuffled arrays."""
    return sd.fit(
        {"x": X, "y": Y},
        epochs=EPOCHS,
        updater=optimizers.AdamW(lambda step, epoch: 0.2 / (1 + 0.05 * step), clipnorm=1.0),
        batch_size=12,
        validation_split=0.2,
        accumulate=2,
        callbacks=[*callbacks, EarlyStopping("val_loss", 1), CSVLogger(folder / "log.csv")],
        **{"checkpoint": Checkpoint(folder, every=3, keep_best=1)} | settings,
    )


def lowered(sd, folder, callbacks=(), **settings):
    """A rate that is lowered, momentum, a penalty, an iterable that knows where it stands."""
    return sd.fit(
        Steps(),
        epochs=EPOCHS,
        updater=Nesterovs(0.05),
        transforms=[L2Regularization(0.01)],
        validation={"x": X[:20], "y": Y[:20]},
        callbacks=[*callbacks, ReduceOnPlateau("loss", 0.5, 1, cooldown=1), CSVLogger(folder / "log.csv")],
        **{"checkpoint": Checkpoint(folder, every=2, every_epochs=3, keep_last=3)} | settings,
    )


WAYS = {"scheduled": scheduled, "lowered": lowered}


def bits(sd, history):
    """All that a run has come to, to the bit."""
    state = sd.training_kept.step.state()
    values = {v.name: v.value.tobytes() for v in sd.variables("variable")}
    return {k: (a.dtype.str, a.shape, a.tobytes()) for k, a in state.items()} | values, list(history), history.stopped


def killing(replace):
    """Instead of giving a checkpoint its name, the process ends."""

    def call(a, b):
        if os.fspath(b).endswith(".sdg"):
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(a, b)

    return call


class Killer(Callback):
    """Ends the process at a step: by a signal, or while a checkpoint is written."""

    def __init__(self, how, at):
        self.how, self.at = how, at

    def on_batch_end(self, run):
        if self.how == "slow":
            time.sleep(0.01)
        if run.step.step == self.at:
            if self.how == "saving":
                os.replace = killing(os.replace)
            elif self.how != "slow":
                os.kill(os.getpid(), getattr(signal, self.how))


def main(way, folder, how="slow", at="-1"):
    """Train, or go on, until the signal comes; print the bits otherwise."""
    sd = network()
    history = WAYS[way](sd, Path(folder), [Killer(how, int(at))], resume=True)
    print(hashlib.sha256(repr(bits(sd, history)).encode()).hexdigest(), history.interrupted)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What makes two graphs, updaters and machines the same for training."""

import functools
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.keras import optimizers
from sdgraph.train import Adam, ExponentialSchedule, L2Regularization, ScheduleType, Sgd, Updater
from sdgraph.train.checkpoints.likeness import described, difference, digest_of, environment, rows_of


def graph(*, spare=False, names=("w", "hidden"), order=True, stream=False, seed=0):
    sd = SameDiff("float64", seed=seed)
    if spare:
        sd.math.sin(sd.var("spare", 1.0))
    x, w = sd.placeholder("x", (None, 2)), sd.var(names[0], [1.0, 2.0])
    a, b = (x * w, x + w) if order else (x + w, x * w)
    hidden = sd.math.mul(a, b, name=names[1])
    if stream:
        hidden = hidden + sd.random.normal(shape=(2,))
    loss = hidden.sum(name="loss")
    sd.grad(loss.mark_as_loss(), w)
    return sd


def digest(sd):
    return digest_of(rows_of(sd, ["loss"]))


def test_names_of_what_is_computed_and_what_else_there_is_do_not_count():
    assert digest(graph()) == digest(graph(spare=True)) == digest(graph(names=("w", "other")))
    assert digest(graph()) != digest(graph(names=("v", "hidden")))
    assert digest(graph()) != digest(graph(order=False))


def test_values_of_variables_do_not_count_and_those_of_constants_do():
    a, b = graph(), graph()
    b["w"].value = [5.0, 6.0]
    assert digest(a) == digest(b)
    a["w"].convert_to_constant()
    b["w"].convert_to_constant()
    assert digest(a) != digest(b)


def test_the_seed_counts_where_something_is_drawn():
    assert digest(graph(seed=1)) == digest(graph(seed=2))
    assert digest(graph(seed=1, stream=True)) != digest(graph(seed=2, stream=True))
    assert digest(graph(seed=1, stream=True)) == digest(graph(seed=1, stream=True))


def test_gradients_in_a_loss_count():
    def penalty(k):
        sd = SameDiff("float64")
        w, v = sd.var("w", 1.0), sd.var("v", 2.0)
        g = sd.grad((w**2 * v).sum(), [w, v])[k]
        (g * g).rename("loss")
        return sd

    assert digest(penalty(0)) != digest(penalty(1))
    assert digest(penalty(0)) == digest(penalty(0))


def test_the_first_difference_is_named():
    now, then = difference(rows_of(graph(), ["loss"]), rows_of(graph(order=False), ["loss"]))
    assert "math.mul" in now and "math.add" in then


def test_a_large_constant_is_told_in_few_words():
    sd = SameDiff("float64")
    (sd.var("w", 1.0) * sd.constant("k", np.zeros(100_000))).sum(name="loss")
    assert all(len(row.tell()) < 200 for row in rows_of(sd, ["loss"]))


@dataclass(frozen=True)
class Mine(Updater):
    rate: float = 0.1
    how: object = None

    def update(self, g, w, kept, lr, t):
        return self.rate * g, {}


class Callable:
    def __call__(self, step, epoch):
        return 0.1


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (Sgd(0.1), "Sgd(learning_rate=0.1)"),
        (L2Regularization(0.5), "L2Regularization(l2=0.5)"),
        ([Sgd(0.1), None], "[Sgd(learning_rate=0.1), None]"),
        (Mine(), "Mine(rate=0.1, how=None)"),
        (Mine(how=functools.partial(max, 1)), None),
        (Mine(how=Callable()), "Mine(rate=0.1, how=Callable)"),
        (Mine(how={"a": [1, 2]}), "Mine(rate=0.1, how={'a': [1, 2]})"),
        (Adam(ExponentialSchedule(ScheduleType.EPOCH, 0.1, 0.9)), None),
        (optimizers.SGD(lambda step, epoch: 0.1), None),
    ],
)
def test_things_in_words(thing, text):
    found = described(thing)
    assert " at 0x" not in found
    assert text is None or found == text


def test_other_settings_are_other_words():
    things = [
        Adam(ExponentialSchedule(ScheduleType.EPOCH, 0.1, 0.9)),
        Adam(ExponentialSchedule(ScheduleType.EPOCH, 0.1, 0.8)),
        Adam(ExponentialSchedule(ScheduleType.ITERATION, 0.1, 0.9)),
        Adam(0.1),
        Adam(0.1, epsilon=1e-7),
        optimizers.Adam(0.1),
    ]
    assert len({described(thing) for thing in things}) == len(things)


def test_another_process_says_the_same():
    code = (
        "from tests.train.checkpoints.test_likeness import *; print(digest(graph(stream=True)), "
        "described(optimizers.AdamW(lambda step, epoch: 0.1)), described(Mine(how=Callable())))"
    )
    run = functools.partial(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run().stdout == run().stdout


def test_what_computes():
    found = environment("llvm")
    assert found["numpy"] == np.__version__ and found["engine"] == "llvm" and "llvmlite" in found
    threads = found["threads of BLAS"]
    assert threads is None or threads >= 1
    assert "llvmlite" not in environment("numpy")


def test_threads_of_blas_are_asked_of_the_library():
    script = (
        "from sdgraph.train.checkpoints.likeness import environment; print(environment('numpy')['threads of BLAS'])"
    )
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() in ("1", "None")

"""Memory: training for long takes no more than training a little, and what is dropped is gone."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.train import Adam
from tests.groups import first_and_slow

X = np.random.default_rng(0).normal(size=(8, 50)).astype("f")


def model():
    sd = SameDiff()
    x = sd.placeholder("x", (None, 50))
    w, b = sd.var("w", shape=(50, 400), init="glorot"), sd.var("b", np.zeros(400, "f"))
    mean = sd.var("mean", np.zeros(50, "f"))
    sd.update(mean, 0.9 * mean + 0.1 * x.mean(axis=0))
    (sd.math.tanh((x - mean) @ w + b) ** 2).mean(name="loss").mark_as_loss()
    return sd


ENGINES = first_and_slow(["llvm", "numpy"], 1)


def grown(do, times):
    """Bytes that many calls leave behind, once everything is warm."""
    for _ in range(10):
        do()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(4):  # What is made anew each time counts from its first time on.
            do()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(times):
            do()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("engine", ENGINES)
def test_steps_leave_nothing_behind(engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    sd = model()
    step = sd.training_step(Adam(), accumulate=2, engine=engine)
    seen = []

    def do():
        step({"x": X})
        seen[:] = [sd["w"].value]

    n = len(sd.nodes)
    # An array of weights has 80 kB.
    assert grown(do, 300) < 40_000
    assert len(sd.nodes) == n


def test_fits_leave_nothing_behind():
    sd = model()

    def do():
        sd.fit({"x": X}, epochs=1, updater=Adam(), batch_size=4, progress=False)

    do()
    n = len(sd.nodes)
    assert grown(do, 200) < 40_000
    assert len(sd.nodes) == n


@pytest.mark.parametrize("engine", ENGINES)
def test_models_that_are_dropped_are_gone(engine):
    """The graph is a circle, so the collector takes it, and with it the step and all that it holds."""
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    gone = []

    def do():
        sd = model()
        step = sd.training_step(Adam(), engine=engine)
        step({"x": X})
        gone.extend(map(weakref.ref, (sd, step, step.update, step.update.held)))
        gone.append(weakref.ref(step.update.slots["w"]["M"]))

    assert grown(do, 20) < 80_000
    gc.collect()
    assert not any(ref() is not None for ref in gone)


def test_a_step_that_is_dropped_needs_no_collector():
    sd = model()
    gc.collect()
    gc.disable()
    try:
        step = sd.training_step(Adam(), engine="numpy")
        step({"x": X})
        _ = sd["w"].value
        held = weakref.ref(step.update.held)
        del step
        assert held() is None
    finally:
        gc.enable()

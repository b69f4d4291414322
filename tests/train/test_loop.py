"""The loop: losses that are not finite, signals, waiting for data, accumulation at the end of an epoch."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.errors import ArgumentError, NumericsError
from sdgraph.train import Adam, Callback, Sgd
from tests.train.test_fitting import X, Y, linear, values


def logarithmic():
    """A loss that is NaN where an x is negative."""
    sd = SameDiff(dtype="float64")
    x, w = sd.placeholder("x", (None,)), sd.var("w", 1.0)
    sd.set_loss_variables(((sd.math.log(x, name="bad") * w) ** 2).mean(name="loss"))
    return sd


BATCHES = [{"x": np.array([2.0])}, {"x": np.array([-1.0])}, {"x": np.array([3.0])}, {"x": np.array([-2.0])}]


def test_a_loss_that_is_not_finite_is_refused_with_batch_and_variable():
    sd = logarithmic()
    with pytest.raises(NumericsError) as caught:
        sd.fit(BATCHES, updater=Sgd(0.1))
    text = "\n".join([str(caught.value), *caught.value.__notes__])
    assert "bad" in text and "batch 1 of epoch 0" in text and "no variable was changed" in text
    # The batch before it had its effect.
    assert sd["w"].value == pytest.approx(1 - 0.1 * 2 * np.log(2.0) ** 2, rel=1e-12)


def test_batches_may_be_left_out():
    sd, good = logarithmic(), logarithmic()
    history = sd.fit(BATCHES, updater=Sgd(0.1), epochs=2, on_nan="skip")
    expected = good.fit([BATCHES[0], BATCHES[2]], updater=Sgd(0.1), epochs=2)
    assert values(sd) == values(good) and list(history) == list(expected)
    assert history.left_out == [(0, 1), (0, 3), (1, 1), (1, 3)]
    assert "batch 1 of epoch 0" in history.why_left_out and "'bad'" in history.why_left_out
    assert "left out, since a loss or a gradient was not finite: 4; first batch 1" in repr(history)


def test_one_may_go_on_with_a_warning():
    sd = logarithmic()
    with pytest.warns(RuntimeWarning, match="Not finite in epoch 0, and training went on: 'loss'") as caught:
        history = sd.fit(BATCHES, updater=Sgd(0.1), epochs=3, on_nan="continue")
    assert len(caught) == 1 and np.isnan(sd["w"].value) and np.isnan(history["loss"]).all()


@pytest.fixture(autouse=True)
def handlers():
    """Ctrl-C is Python's: other packages set a handler of their own, and do not always take it back."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Kills(Callback):
    """Sends this process a signal after a number of batches, in epoch 1."""

    def __init__(self, number, batch=2):
        self.number, self.batch, self.ended = number, batch, False

    def on_batch_end(self, run):
        if (run.epoch, run.batch) == (1, self.batch):
            os.kill(os.getpid(), self.number)

    def on_train_end(self, run):
        self.ended = True


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_ctrl_c_ends_training_after_the_batch_with_whole_variables(batch):
    sd, kills = linear(), Kills(signal.SIGINT, batch)
    before = signal.getsignal(signal.SIGINT)
    history = sd.fit((X, Y), updater=Adam(0.1), batch_size=10, epochs=5, callbacks=[kills], shuffle=False)
    assert (len(history), history.stopped, history.interrupted, kills.ended) == (1, "SIGINT", True, True)
    assert signal.getsignal(signal.SIGINT) is before
    plain, steps = linear(), linear()
    plain.fit((X, Y), updater=Adam(0.1), batch_size=10, shuffle=False)
    step = steps.training_step(Adam(0.1))
    for k in [*range(5), *range(batch)]:
        step({"x": X[10 * k : 10 * k + 10], "y": Y[10 * k : 10 * k + 10]})
    assert values(sd) == values(steps)


def test_sigterm_ends_the_program_once_all_is_told():
    kills = Kills(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught:
        linear().fit((X, Y), updater=Sgd(0.1), batch_size=10, epochs=5, callbacks=[kills])
    assert caught.value.code == 143 and kills.ended


def test_a_second_ctrl_c_acts_at_once():
    class Twice(Callback):
        def on_batch_end(self, run):
            os.kill(os.getpid(), signal.SIGINT)
            while run.signal is None:  # Two that come together are one.
                time.sleep(0.001)
            for _ in range(100):  # What is raised where the collector is at work is lost.
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)

    sd = linear()
    with pytest.raises(KeyboardInterrupt):
        sd.fit((X, Y), updater=Sgd(0.1), callbacks=[Twice()])
    sd.fit((X, Y), updater=Sgd(0.1))


def test_an_interrupt_while_handlers_are_set_leaves_none_of_them():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    lines = []

    def interrupted(at):
        def trace(frame, event, arg):
            if frame.f_code.co_name != "_signals":
                return trace if event == "call" else None
            if event == "line":
                lines.append(frame.f_lineno)
                if len(lines) == at:
                    raise KeyboardInterrupt
            return trace

        lines.clear()
        old = sys.gettrace()
        sys.settrace(trace)
        try:
            linear().fit((X, Y), updater=Sgd(0.1), callbacks=[stops_tracing])
        finally:
            sys.settrace(old)

    stops_tracing = Callback()
    stops_tracing.on_epoch_begin = lambda run: sys.settrace(None)
    interrupted(0)
    assert len(lines) > 6
    for at in range(1, len(lines) + 1):
        with pytest.raises(KeyboardInterrupt):
            interrupted(at)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_other_threads_leave_signals_alone():
    before, found = signal.getsignal(signal.SIGINT), []
    look = Callback()
    look.on_batch_end = lambda run: found.append(signal.getsignal(signal.SIGINT))
    thread = threading.Thread(target=lambda: linear().fit((X, Y), updater=Sgd(0.1), callbacks=[look]))
    thread.start()
    thread.join()
    assert set(found) == {before}


def test_waiting_for_data_is_told():
    def slow():
        for k in range(0, 50, 10):
            time.sleep(0.02)
            yield X[k : k + 10], Y[k : k + 10]

    history = linear().fit(slow, updater=Sgd(0.1))
    assert 0.1 <= history.waited <= history.seconds
    quick = linear().fit((X, Y), updater=Sgd(0.1))
    assert quick.waited < history.waited
    assert "for data" in repr(history)


@pytest.mark.parametrize("accumulate", [2, 3, 5, 9])
@pytest.mark.parametrize("batch_size", [4, 10])
def test_accumulated_batches_are_the_big_batch(accumulate, batch_size):
    small, big = linear(), linear()
    settings = {"updater": Adam(0.05), "epochs": 3, "shuffle": False}
    small.fit((X, Y), batch_size=batch_size, accumulate=accumulate, **settings)
    big.fit((X, Y), batch_size=batch_size * accumulate, **settings)
    for name in ("w", "b"):
        np.testing.assert_allclose(small[name].value, big[name].value, rtol=1e-12)


@pytest.mark.parametrize("reduce", list(LossReduce))
def test_accumulated_sums_are_the_sum(reduce):
    def made():
        sd = SameDiff(dtype="float64")
        x, y, w = sd.placeholder("x", (None, 3)), sd.placeholder("y", (None,)), sd.var("w", np.ones(3))
        sd.loss.mean_squared_error(y, x @ w, loss_reduce=reduce, name="loss")
        return sd

    small, big = made(), made()
    settings = {"updater": Sgd(1e-3), "epochs": 2, "shuffle": False}
    small.fit((X, Y), batch_size=7, accumulate=3, **settings)
    big.fit((X, Y), batch_size=21, **settings)
    np.testing.assert_allclose(small["w"].value, big["w"].value, rtol=1e-12)
    small.add_loss((small["w"] ** 2).sum(name="penalty"))
    if reduce in (LossReduce.SUM, LossReduce.NONE):
        with pytest.raises(ArgumentError, match=r"'loss' beside 'penalty'"):
            small.fit((X, Y), accumulate=3, updater=Sgd(1e-3))
    else:
        small.fit((X, Y), accumulate=3, updater=Sgd(1e-3))


def test_validation_comes_after_the_first_epoch_and_every_so_many():
    history = linear().fit((X, Y), updater=Sgd(0.1), epochs=5, validation=(X, Y), validation_frequency=2)
    assert ["val_loss" in row for row in history] == [True, False, True, False, True]
    assert history["val_loss"][1] is None


def test_an_epoch_may_have_fewer_steps():
    seen = []
    look = Callback()
    look.on_batch_end = lambda run: seen.append(run.feeds["x"][0, 0])
    linear().fit(
        lambda: ((X[k : k + 1], Y[k : k + 1]) for k in range(50)),
        updater=Sgd(0.01),
        epochs=3,
        steps_per_epoch=20,
        callbacks=[look],
    )
    np.testing.assert_array_equal(seen, [*X[:, 0], *X[:10, 0]])

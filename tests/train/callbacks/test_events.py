"""What is told when, to whom, and what happens where somebody fails."""

import contextlib

import pytest

from sdgraph.errors import ArgumentTypeError, NumericsError
from sdgraph.train import Callback, Sgd
from sdgraph.train.callbacks.events import EVENTS
from tests.train.test_fitting import X, Y, linear


def told(**settings):
    """The events of a fit as a function hears them, with epoch and batch."""
    heard, sd = [], linear()
    sd.fit(
        (X, Y),
        updater=Sgd(0.1),
        batch_size=25,
        callbacks=[lambda event, run: heard.append((event, run.epoch, run.batch))],
        **settings,
    )
    return heard


def test_events_come_in_this_order():
    batches = [("batch_begin", 0), ("batch_end", 1), ("rest", 1), ("batch_begin", 1), ("batch_end", 2), ("rest", 2)]
    inner = [("epoch_begin", 0), *batches, ("epoch_trained", 2)]
    validation = ("validation_begin", "validation_batch_begin", "validation_batch_end", "validation_end")
    expected = [("train_begin", 0, 0)]
    for epoch in (0, 1):
        expected += [(event, epoch, batch) for event, batch in inner]
        expected += [(event, epoch, 2) for event in (*validation, "epoch_end")] + [("rest", epoch + 1, 0)]
    assert told(epochs=2, validation=(X[:20], Y[:20])) == [*expected, ("train_end", 2, 0)]
    assert {event for event, _, _ in expected} | {"train_end"} == set(EVENTS)


def test_objects_hear_what_they_have_methods_for():
    class Some(Callback):
        def __init__(self):
            self.heard = []

        def on_epoch_begin(self, run):
            self.heard.append(run.epoch)

        def on_batch_end(self, run):
            self.heard.append(run.batch_logs["loss"])

    some = Some()
    linear().fit((X, Y), updater=Sgd(0.1), batch_size=50, epochs=2, callbacks=[some])
    assert [type(h) for h in some.heard] == [int, float, int, float]


def test_values_of_batches_and_what_is_required_are_there():
    class Looks(Callback):
        def requires(self, sd):
            return ["p", sd["off"]]

        def on_batch_end(self, run):
            self.shapes = run.values["p"].shape, run.values["off"].shape, run.feeds["x"].shape, run.examples

    looks = Looks()
    history = linear().fit((X, Y), updater=Sgd(0.1), batch_size=40, callbacks=[looks])
    assert looks.shapes == ((10,), (10,), (10, 3), 10)
    assert set(history[0]) == {"loss"}


@pytest.mark.parametrize("event", [e for e in EVENTS if e != "train_end"])
def test_a_callback_that_fails_is_named_and_all_hear_of_the_end(event):
    ends = []

    def fails(now, run):
        if now == event:
            raise RuntimeError("mine")

    def watches(now, run):
        if now == "train_end":
            ends.append(run)

    sd = linear()
    with pytest.raises(RuntimeError, match="mine") as caught:
        sd.fit((X, Y), updater=Sgd(0.1), validation=(X, Y), callbacks=[watches, fails, watches])
    assert any("fails" in note and event in note for note in caught.value.__notes__)
    # Who has not heard of the beginning hears nothing of the end.
    assert len(ends) == (1 if event == "train_begin" else 2)
    sd.fit((X, Y), updater=Sgd(0.1))


def test_all_hear_of_the_end_where_one_fails_there():
    ends = []

    class Fails(Callback):
        def on_train_end(self, run):
            raise RuntimeError("first")

    class Ends(Callback):
        def on_train_end(self, run):
            ends.append(run)

    with pytest.raises(RuntimeError, match="first") as caught:
        linear().fit((X, Y), updater=Sgd(0.1), callbacks=[Fails(), Ends()])
    assert ends and "Fails" in caught.value.__notes__[0]


def test_the_error_of_training_is_not_covered_by_one_at_the_end():
    class Fails(Callback):
        def on_train_end(self, run):
            raise RuntimeError("second")

    with pytest.raises(NumericsError):
        linear().fit((X, Y * float("inf")), updater=Sgd(0.1), callbacks=[Fails()])


def test_a_context_manager_is_open_while_training_goes_on():
    steps = []

    @contextlib.contextmanager
    def opened():
        steps.append("open")
        yield lambda event, run: steps.append(event) if event.startswith("train") else None
        steps.append("closed")

    linear().fit((X, Y), updater=Sgd(0.1), callbacks=[opened()])
    assert steps == ["open", "train_begin", "train_end", "closed"]


def test_several_of_a_kind_remember_apart():
    class Counts(Callback):
        def on_train_begin(self, run):
            self.memory.setdefault("n", 0)

        def on_batch_end(self, run):
            self.memory["n"] += 1
            self.whole = run.memory

    first, second = Counts(), Counts()
    linear().fit((X, Y), updater=Sgd(0.1), batch_size=25, callbacks=[first, second])
    assert first.whole == {"Counts": {"n": 2}, "Counts 2": {"n": 2}}


@pytest.mark.parametrize("wrong", [3, "print", Callback, None])
def test_what_is_no_callback_is_refused(wrong):
    with pytest.raises(ArgumentTypeError, match="no callback"):
        linear().fit((X, Y), updater=Sgd(0.1), callbacks=[wrong])


def test_a_reason_to_stop_ends_training_after_the_batch():
    class Stops(Callback):
        def on_batch_end(self, run):
            if run.epoch == 1 and run.batch == 1:
                run.stop = "enough"

    history = linear().fit((X, Y), updater=Sgd(0.1), batch_size=10, epochs=5, callbacks=[Stops()])
    assert (len(history), history.stopped, history.interrupted) == (2, "enough", False)

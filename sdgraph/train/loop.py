"""The loop over epochs and batches: what is told when, validation, interrupts. Knows no mathematics."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from sdgraph.errors import NumericsError
from sdgraph.train.callbacks.events import Told
from sdgraph.train.data.batches import Batches
from sdgraph.train.results.history import History
from sdgraph.train.results.measures import Measures
from sdgraph.train.run import Run
from sdgraph.wording import listed

Function = Callable[[Any], Any]
"""From feeds to values by name."""


def train(
    run: Run,
    data: Batches,
    told: Told,
    *,
    validation: Validates | None = None,
    validates: Callable[[int], bool] = lambda epoch: True,
) -> History:
    """Train until the run has its epochs, or a reason to stop.

    Args:
        run: Where training stands: it goes on from there.
        data: The batches.
        told: Who is told of it.
        validation: What is measured after an epoch.
        validates: Whether it is, after the epoch of this number, from 0 in this run.
    """
    started = time.perf_counter()
    with _signals(run), told:
        while run.epoch < run.first + run.epochs and not run.is_stopped:
            if not _epoch(run, data, told):
                break
            if validation is not None and run.stop is None and validates(run.epoch - run.first):
                run.logs = {**run.logs, **validation.of(run, told)}
            run.history.append(run.logs)
            told.of("epoch_end")
            run.epoch, run.batch = run.epoch + 1, 0
            run.step.epoch = run.epoch
            told.of("rest")
        if run.signal is not None:
            # It may have come when all had been told of the last batch.
            told.of("rest")
    run.history.seconds += time.perf_counter() - started
    run.history.stopped = run.stop or run.signal
    if run.signal == "SIGTERM":
        raise SystemExit(128 + signal.SIGTERM)
    return run.history


def _epoch(run: Run, data: Batches, told: Told) -> bool:
    """The batches of an epoch; whether it came to its end, which a signal does not wait for."""
    step = run.step
    step.epoch = run.epoch
    if run.batch == 0:
        step.flush()
        run.begin_epoch()
        told.of("epoch_begin")
    _batches(run, data.epoch(run.epoch, run.batch), told)
    if run.signal is not None:
        return False
    step.flush()
    run.logs = run.totals.values()
    if step.on_nan == "continue" and run.stop is None:
        _warn(run)
    told.of("epoch_trained")
    return True


def _batches(run: Run, batches: Iterator[Any], told: Told) -> None:
    """The batches until they end, or there is a reason to.

    A step takes microseconds, so nothing here asks for what nobody wants to know.
    """
    begin, end, rest = (told.listening(event) for event in ("batch_begin", "batch_end", "rest"))
    if not (begin or end or rest or run.step.watchers):
        _quiet_batches(run, batches)
        return
    step, totals, history, clock = run.step, run.totals, run.history, time.perf_counter
    while True:
        try:
            before = clock()
            batch = next(batches, None)
            history.waited += clock() - before
            if batch is None:
                break
            run.feeds, run.examples = feeds, examples = batch
            if begin:
                told.of("batch_begin")
            run.values = values = step(feeds, examples=examples)
        except Exception as e:
            _note_batch(e, run)
            raise
        if step.left_out:
            _leave_out(run)
        else:
            totals.add(values, examples)
        run.batch += 1
        if end:
            told.of("batch_end")
        if rest:
            told.of("rest")
        if run.stop is not None or run.signal is not None:
            break


def _quiet_batches(run: Run, batches: Iterator[Any]) -> None:
    """The same where nobody listens: the run hears of it at the end, whatever that is."""
    step, add, clock = run.step, run.totals.add, time.perf_counter
    feeds, examples, values = run.feeds, run.examples, run.values
    done, waited, before = run.batch, 0.0, clock()
    try:
        for feeds, examples in batches:
            waited += clock() - before
            values = step(feeds, examples=examples)
            if step.left_out:
                run.feeds, run.batch = feeds, done
                _leave_out(run)
            else:
                add(values, examples)
            done += 1
            if run.signal is not None:
                break
            before = clock()
    except Exception as e:
        run.batch = done
        _note_batch(e, run)
        raise
    finally:
        run.feeds, run.examples, run.values, run.batch = feeds, examples, values, done
        run.history.waited += waited


def _note_batch(e: Exception, run: Run) -> None:
    e.add_note(f"It was batch {run.batch} of epoch {run.epoch}; both count from 0.")


def _leave_out(run: Run) -> None:
    """Note a batch that was left out; for the first one, where that comes from: the same step once more."""
    history, step = run.history, run.step
    if not history.left_out:
        policy, number = step.on_nan, step.step
        step.on_nan, step.step = "raise", number - 1
        try:
            step(run.feeds)
        except NumericsError as e:
            history.why_left_out = f"batch {run.batch} of epoch {run.epoch}: {e}"
        finally:
            step.on_nan, step.step = policy, number
    history.left_out.append((run.epoch, run.batch))


def _warn(run: Run) -> None:
    """Say once that training went on although a loss was not finite."""
    bad = [name for name, value in run.logs.items() if not math.isfinite(value)]
    if bad and all(math.isfinite(row[name]) for row in run.history for name in bad if name in row):
        text = f"Not finite in epoch {run.epoch}, and training went on: {listed(bad, 'and')}."
        warnings.warn(text, RuntimeWarning, stacklevel=2)


class Validates(Protocol):
    """What is asked after an epoch."""

    def of(self, run: Run, told: Told) -> dict[str, float]:
        """What is reported of validation; nothing if there was none."""
        ...


class Validation:
    """Data that training does not see, and what is measured on it."""

    def __init__(self, function: Function, data: Batches, measures: Measures) -> None:
        self._function, self._data, self._measures = function, data, measures

    def of(self, run: Run, told: Told) -> dict[str, float]:
        """The values after an epoch, by names that begin with ``val_``."""
        told.of("validation_begin")
        totals = self._measures.totals()
        begin, end = told.listening("validation_batch_begin"), told.listening("validation_batch_end")
        for feeds, examples in self._data.epoch(0):
            run.feeds, run.examples = feeds, examples
            if begin:
                told.of("validation_batch_begin")
            run.values = values = self._function(feeds)
            totals.add(values, examples)
            if end:
                told.of("validation_batch_end")
        run.validated = {f"val_{name}": value for name, value in totals.values().items()}
        told.of("validation_end")
        return run.validated


def measured(function: Function, data: Batches, measures: Measures) -> dict[str, float]:
    """What is measured on data, once through."""
    totals = measures.totals()
    for feeds, examples in data.epoch(0):
        totals.add(function(feeds), examples)
    return totals.values()


@contextlib.contextmanager
def _signals(run: Run) -> Iterator[None]:
    """Ctrl-C and SIGTERM end training after the batch; when they come again, at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def asked(number: int, _: Any) -> None:
        run.signal = signal.Signals(number).name
        signal.signal(number, before[signal.Signals(number)])

    try:  # What is raised between two of these lines leaves no handler of a run that is over.
        for s in before:
            signal.signal(s, asked)
        yield
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)

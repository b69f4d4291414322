"""What is told of training, and who is told. Must not know how anything is trained, nor any callback."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.train.run import Run

if TYPE_CHECKING:
    from types import TracebackType

    from sdgraph.build.variable import SDVariable
    from sdgraph.ops.graph import OpGraph

EVENTS: Final = (
    "train_begin",
    "epoch_begin",
    "batch_begin",
    "batch_end",
    "epoch_trained",
    "validation_begin",
    "validation_batch_begin",
    "validation_batch_end",
    "validation_end",
    "epoch_end",
    "rest",
    "train_end",
)
"""What is told, in this order."""


class Callback:
    """What training tells, event by event; every method may be left out.

    `Run` says what ``run`` has: ``epoch`` and ``batch``, ``logs``, ``history``, ``step``. To end training after the
    batch, set ``run.stop`` to the reason. What must be known again after a resumed run stands in ``self.memory``:
    values as JSON has them. Where a function is enough, one of ``(event, run)`` is a callback, too.

    Example:
        >>> class Patient(Callback):
        ...     def on_epoch_end(self, run):
        ...         if run.logs["loss"] < 0.1:
        ...             run.stop = "good enough"
    """

    memory_name: str
    """What its memory is called in a run: its class, and a number if there are several of it."""
    memory: dict[str, Any]
    """What it remembers; it begins empty in each run, and is what it was in one that is resumed."""

    def requires(self, sd: OpGraph) -> Sequence[SDVariable | str]:
        """Variables that ``run.values`` is to have, too."""
        return ()

    def on_train_begin(self, run: Run) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the first batch of an epoch."""

    def on_batch_begin(self, run: Run) -> None:
        """Before a batch, which is ``run.feeds``."""

    def on_batch_end(self, run: Run) -> None:
        """After a batch: ``run.values`` has its losses, ``run.logs`` the epoch so far."""

    def on_epoch_trained(self, run: Run) -> None:
        """After the batches of an epoch, before its validation, which does not come if ``run.stop`` is set here."""

    def on_validation_begin(self, run: Run) -> None:
        """Before validation."""

    def on_validation_batch_begin(self, run: Run) -> None:
        """Before a batch of validation, which is ``run.feeds``."""

    def on_validation_batch_end(self, run: Run) -> None:
        """After a batch of validation: ``run.values`` has what it gave."""

    def on_validation_end(self, run: Run) -> None:
        """After validation: ``run.validated`` has what it came to."""

    def on_epoch_end(self, run: Run) -> None:
        """After an epoch and its validation; ``run.logs`` is the last of ``run.history``, and may be added to."""

    def on_rest(self, run: Run) -> None:
        """After a batch or an epoch, when all callbacks have heard of it and nothing is half done."""

    def on_train_end(self, run: Run) -> None:
        """At the end, also where an exception or Ctrl-C made it."""


Tell: TypeAlias = "Callback | Callable[[str, Run], Any]"
"""A callback: an object with methods for events, or a function of event and run."""


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Raise ArgumentTypeError for what is no callback."""
    for callback in callbacks:
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback) or _opens(callback)):
            raise ArgumentTypeError(
                "This is no callback.",
                given=shown(callback),
                expected="an object of a class of sdgraph.train.Callback, or a function of (event, run)",
                fix="Call the class: it makes the callback." if isinstance(callback, type) else None,
            )


def _opens(callback: Any) -> bool:
    return hasattr(callback, "__enter__") and hasattr(callback, "__exit__")


def note_raiser(e: Exception, callback: str, event: str) -> None:
    """Note which callback raised an error; one that tells others is not named where one of these did."""
    begins = "The callback"
    if not any(note.startswith(begins) for note in getattr(e, "__notes__", ())):
        e.add_note(f"{begins} {callback} raised it at {event}.")


class Told:
    """Those who are told. Within a ``with`` block training has begun; at its end all hear so, whatever ended it."""

    def __init__(self, callbacks: Sequence[Any], run: Run) -> None:
        self._callbacks, self._run = list(callbacks), run
        self._of: dict[str, list[tuple[str, Callable[[], Any]]]] = {event: [] for event in EVENTS}
        self._kinds: Counter[str] = Counter()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> None:
        try:
            for callback in self._callbacks:
                self._begin(callback)
        except BaseException as e:
            self.__exit__(type(e), e, e.__traceback__)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            self._end(error)

    def _begin(self, callback: Any) -> None:
        name = getattr(callback, "__name__", type(callback).__name__)
        if isinstance(callback, Callback):
            callback.memory_name = name = self._called(name)
            callback.memory = self._run.memory.setdefault(name, {})
        elif _opens(callback):
            callback = self._open.enter_context(callback)
        for event in EVENTS:
            function = _listener(callback, event, self._run)
            if function is not None:
                self._of[event].append((name, function))
                if event == "train_begin":
                    self._call(event, name, function)

    def _called(self, kind: str) -> str:
        """The name of a callback: several of one kind are told apart by their order."""
        self._kinds[kind] += 1
        n = self._kinds[kind]
        return kind if n == 1 else f"{kind} {n}"

    def _end(self, error: BaseException | None) -> None:
        """Tell all of the end; the first error of theirs is raised after that, unless there was one before."""
        errors: list[BaseException] = []
        for name, function in self._of["train_end"]:
            try:
                self._call("train_end", name, function)
            except BaseException as e:
                errors.append(e)
        if errors and error is None:
            raise errors[0]

    def listening(self, event: str) -> bool:
        """Whether anybody is told of an event."""
        return bool(self._of[event])

    def of(self, event: str) -> None:
        """Tell all of an event."""
        for name, function in self._of[event]:
            self._call(event, name, function)

    def _call(self, event: str, name: str, function: Callable[[], Any]) -> None:
        try:
            function()
        except Exception as e:
            note_raiser(e, name, event)
            raise


def _listener(callback: Any, event: str, run: Run) -> Callable[[], Any] | None:
    """How a callback is told of an event; None if it does not want to know."""
    if not isinstance(callback, Callback):
        return lambda: callback(event, run)
    method = f"on_{event}"
    if getattr(type(callback), method) is getattr(Callback, method) and method not in vars(callback):
        return None
    function = getattr(callback, method)
    return lambda: function(run)

"""Tracebacks without the frames of this package: what a user reads is his own lines and the message.

The environment variable SDGRAPH_TRACEBACK, read whenever a traceback is shown, brings everything back when it is
``full``. Knows tracebacks, and how IPython and pytest show them. Must not know what went wrong.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from sdgraph.frames.whose import is_ours, is_users


def is_full() -> bool:
    """Whether nothing is left out."""
    return os.environ.get("SDGRAPH_TRACEBACK", "").strip().lower() == "full"


# ---------------------------------------------------------------------- the traceback itself


def users_only(tb: TracebackType | None) -> TracebackType | None:
    """The lines of the user's, for an error that this package raised; None if there are none."""
    return _chained([entry for entry in _entries(tb) if is_users(entry.tb_frame)])


def without_ours(tb: TracebackType | None) -> TracebackType | None:
    """What is left without this package's lines and those of libraries next to them, for an error of somebody else."""
    kept: list[TracebackType] = []
    for mine, run in itertools.groupby(_entries(tb), lambda entry: is_users(entry.tb_frame)):
        entries = list(run)
        if mine or not any(is_ours(entry.tb_frame) for entry in entries):
            kept += entries
    return _chained(kept)


def whole(error: BaseException) -> TracebackType | None:
    """The traceback of an error with nothing left out."""
    return BaseException.__traceback__.__get__(error)  # type: ignore[attr-defined]


def _entries(tb: TracebackType | None) -> Iterator[TracebackType]:
    while tb is not None:
        yield tb
        tb = tb.tb_next


def _chained(entries: list[TracebackType]) -> TracebackType | None:
    tb = None
    for entry in reversed(entries):
        tb = TracebackType(tb, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return tb


# ---------------------------------------------------------------------- IPython


def rendered(error: BaseException) -> list[str]:
    """The lines that IPython shows of an uncaught error, in the mode and the colours that it is set to."""
    try:
        show = sys.modules["IPython"].get_ipython().InteractiveTB.structured_traceback
        short = None if is_full() else users_only(whole(error))
        if short is None:
            return show(type(error), error, whole(error))
        with _short_causes(error):
            return show(type(error), error, short, 0)
    except Exception:
        import traceback

        # IPython cannot show every error in every mode. One text: modes join their lines in different ways.
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        return ["".join(lines).rstrip("\n")]


@contextmanager
def _short_causes(error: BaseException) -> Iterator[None]:
    """Leave our entries out of what an error came from, too, and an exception that no line of a user's had to do with.

    Only in the block: whoever asks the error for its cause gets all of it.
    """
    undo: list[Callable[[], None]] = []
    seen = {id(error)}
    try:
        while (cause := _cause(error)) is not None and id(cause) not in seen:
            seen.add(id(cause))
            short = (users_only if _is_raised_by_us(cause) else without_ours)(whole(cause))
            if short is None:
                undo.append(_to_restore(error))
                error.__cause__, error.__context__ = cause.__cause__, cause.__context__
                error.__suppress_context__ = cause.__suppress_context__
            else:
                undo.append(_to_restore(cause))
                error = cause.with_traceback(short)
        yield
    finally:
        for restore in reversed(undo):
            restore()


def _is_raised_by_us(error: object) -> bool:
    return hasattr(error, "_render_traceback_")


def _cause(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _to_restore(error: BaseException) -> Callable[[], None]:
    tb, cause, context, suppressed = whole(error), error.__cause__, error.__context__, error.__suppress_context__

    def restore() -> None:
        error.__cause__, error.__context__ = cause, context
        error.with_traceback(tb).__suppress_context__ = suppressed

    return restore


# ---------------------------------------------------------------------- pytest


def hide_from_pytest() -> None:
    """Have pytest leave out the frames of ours that run now, where it shows an error of ours."""
    if "_pytest" not in sys.modules:
        return
    frame = sys._getframe(1)
    while frame is not None:
        if is_ours(frame):
            frame.f_globals.setdefault("__tracebackhide__", _is_hidden)
        frame = frame.f_back


def _is_hidden(found: Any) -> bool:
    return not is_full() and _is_raised_by_us(getattr(found, "value", None))

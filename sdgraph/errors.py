"""Every exception sdgraph raises, and the one layout their messages share.

Knows how a message reads. Must not know graphs, ops or engines: the raiser passes plain text.
"""

from __future__ import annotations

import reprlib
import textwrap
from typing import TYPE_CHECKING, Any

from sdgraph.frames import tracebacks
from sdgraph.frames.origin import Origin, Place, user_origin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "ChangedOpWarning",
    "DTypeError",
    "EngineError",
    "ExecutionError",
    "FeedError",
    "FormatError",
    "GradientCheckError",
    "GradientError",
    "LabelError",
    "LayoutError",
    "MissingDependencyError",
    "NotDefinedError",
    "NumericsError",
    "RendererNotFound",
    "ResumeError",
    "ResumeWarning",
    "SDGraphError",
    "ShapeError",
    "TakenBackError",
    "UnknownAttributeError",
    "UnknownOpError",
    "UnknownVariableError",
    "VariableNameError",
]


def __dir__() -> list[str]:
    return __all__


_WIDTH = 108
_LONGEST = 1900
"""Characters of a whole message."""

_PART = 1200
"""Characters of one part of it, before the parts have to share."""

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxtuple, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxset = 5, 20, 20, 10, 10
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 400


def shown(x: object, limit: int = 200) -> str:
    """What a message shows of a value that a caller gave: at most ``limit`` characters, whatever the value is.

    It takes no longer for a large value than for a small one, and does not fail where the value cannot be shown.

    Example:
        >>> shown([1, "a"]), shown("b" * 1000, limit=12), len(shown([[7] * 1000] * 1000)) <= 200
        ("[1, 'a']", "'bbbbbbbb...", True)
    """
    try:
        text = _SHORT.repr(x)
    except Exception:
        text = f"<{type(x).__name__} that cannot be shown>"
    return cut(text, limit)


def cut(text: str, limit: int) -> str:
    """The beginning of a long text."""
    return text if len(text) <= limit else text[: max(0, limit - 3)] + "..."


class SDGraphError(Exception):
    """Base of all sdgraph errors.

    The message has up to seven parts, each on its own line: what is wrong, the operands of the
    call, what was given, what was expected, the node
    concerned with the line that made it, the line of the user's code that made the call, and what to do.

    Args:
        message: What is wrong, in one sentence.
        given: What the caller passed.
        expected: What would have been right.
        node: Name of the graph node concerned, if there is one.
        node_origin: Where that node was made.
        fix: What to do about it.

    Example:
        >>> raise ShapeError("rows do not match.", given="(3, 2) and (4, 2)", fix="Feed the same number of rows.")
        Traceback (most recent call last):
        ...
        sdgraph.errors.ShapeError: rows do not match.
          given:    (3, 2) and (4, 2)
          ...
          fix:      Feed the same number of rows.
    """

    def __init__(
        self,
        message: str,
        *,
        given: str | None = None,
        expected: str | None = None,
        node: str | None = None,
        node_origin: Origin | Place | None = None,
        fix: str | None = None,
    ) -> None:
        message = cut(message, _PART)
        super().__init__(message)
        self.message = message
        self.given = given and cut(given, _PART)
        self.expected = expected and cut(expected, _PART)
        self.node = node
        self.node_origin = node_origin
        self.fix = fix and cut(fix, _PART)
        self.op: str | None = None
        self.operands: str | None = None
        self.steps: tuple[int, ...] = ()
        self.called_at: Origin | Place | None = user_origin()
        tracebacks.hide_from_pytest()

    def in_step(self, t: int) -> None:
        """Say in which step of a loop it happened; of loops inside of loops the innermost speaks first."""
        self.steps = (t, *self.steps)

    def in_call(self, op: str, operands: str) -> None:
        """Say which call failed; the outermost call, the one the user wrote, has the last word."""
        self.op, self.operands = op, operands

    @property
    def __traceback__(self) -> TracebackType | None:  # type: ignore[override]
        """The traceback without the frames of sdgraph, which nobody has to read; with them if that is asked for."""
        whole = tracebacks.whole(self)
        return whole if tracebacks.is_full() else tracebacks.users_only(whole) or whole

    @__traceback__.setter
    def __traceback__(self, tb: TracebackType | None) -> None:  # type: ignore[override]
        self.with_traceback(tb)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of the error where nothing catches it."""
        return tracebacks.rendered(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by a call of the class: it would look for the line that makes the copy.
        return _restored, (type(self), self.args), self.__dict__

    def __str__(self) -> str:
        made = None
        if self.node is not None:
            where = f" in step {', '.join(map(str, self.steps))}" if self.steps else ""
            made = f"{self.node!r}{where}" + (f", made at {self.node_origin}" if self.node_origin else "")
        head = f"{self.op}: {self.message}" if self.op else self.message
        parts = {
            "operands": self.operands,
            "given": self.given,
            "expected": self.expected,
            "node": made,
            "at": str(self.called_at) if self.called_at else None,
            "fix": self.fix,
        }
        share = _share([len(text) for text in (head, *parts.values()) if text])
        lines = [cut(head, share)]
        for label, text in parts.items():
            if text:
                first, *rest = [part for line in cut(text, share).split("\n") for part in _wrapped(line)]
                lines.append(f"  {label + ':':<9} {first}")
                lines += [" " * 12 + line for line in rest]
        return "\n".join(lines)


def _restored(kind: type[SDGraphError], args: tuple[Any, ...]) -> SDGraphError:
    """An error out of a pickle, or a copy of one, before it has its parts."""
    return kind.__new__(kind, *args)


def _share(lengths: list[int]) -> int:
    """The most characters that each part may have, if all together are to stay within a message."""
    left, parts = _LONGEST, len(lengths)
    for n in sorted(lengths):
        # A line that begins with a label, or is wrapped, takes some more.
        need = n + n // 8 + 16
        if need * parts > left:
            return (left // parts - 16) * 8 // 9
        left, parts = left - need, parts - 1
    return _LONGEST


def _wrapped(line: str) -> list[str]:
    """A long line in several; words are never cut, so that names and code can be copied."""
    return textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False) or [""]


class ShapeError(SDGraphError, ValueError):
    """Shapes that do not fit together, at the line that combines them or at run time."""


class DTypeError(SDGraphError, TypeError):
    """A data type an op cannot take."""


class ArgumentError(SDGraphError, ValueError):
    """An argument of the right type with a wrong value."""


class ArgumentTypeError(SDGraphError, TypeError):
    """An argument of a wrong type, a missing argument or an unknown one."""


class VariableNameError(SDGraphError, ValueError):
    """A name that is malformed or already taken."""


class UnknownVariableError(SDGraphError, KeyError):
    """A name the graph does not have."""


class UnknownAttributeError(SDGraphError, AttributeError):
    """An operation, a method or a part that there is not.

    Programs try names to see whether they are there, so what was meant is looked for when somebody reads it.

    Args:
        message: What is wrong.
        name: The name.
        advice: Called for what to do about it.
        **parts: As for `SDGraphError`.
    """

    def __init__(
        self, message: str, *, name: str = "", advice: Callable[[], str | None] = lambda: None, **parts: Any
    ) -> None:
        super().__init__(message, **parts)
        # Without `obj`: Python would guess by itself, and write it behind the advice.
        self.name = name
        self._advice = advice

    @property
    def fix(self) -> str | None:  # type: ignore[override]
        """What to do about it."""
        if self._fix is None:
            self._fix = self._advice()
        return self._fix

    @fix.setter
    def fix(self, fix: str | None) -> None:
        self._fix = fix

    def __reduce__(self) -> tuple[Any, ...]:
        make, arguments, state = super().__reduce__()
        # What was meant is found where the names are: in this process.
        return make, arguments, {**state, "name": self.name, "_fix": self.fix, "_advice": _nothing}


def _nothing() -> None:
    """No advice."""


class TakenBackError(SDGraphError, ReferenceError):
    """A variable or a compiled function that was made in a call that failed, and is gone with it."""


class FeedError(SDGraphError, ValueError):
    """A feed that is missing, unknown, wrongly shaped or not castable."""


class GradientError(SDGraphError, ValueError):
    """A gradient that does not exist or is not defined."""


class GradientCheckError(SDGraphError, AssertionError):
    """A gradient that differs from what finite differences say, or a point where they say nothing.

    Args:
        message: What is wrong.
        entries: The entries that fail, with index, numeric and symbolic value.
        **parts: As for `SDGraphError`.
    """

    def __init__(self, message: str, *, entries: tuple[Any, ...] = (), **parts: Any) -> None:
        super().__init__(message, **parts)
        self.entries = entries


class ExecutionError(SDGraphError, RuntimeError):
    """A kernel failed at run time."""


class LabelError(ExecutionError, IndexError, ValueError):
    """A class label or an index outside its range."""


class NumericsError(ExecutionError, ArithmeticError):
    """A node produced NaN or infinity while numerics were being checked."""


class FormatError(SDGraphError, ValueError):
    """A file that is damaged, of another kind, or of a newer version. Says at which byte, and in which member."""


class UnknownOpError(FormatError):
    """A file whose graph has ops that this program does not have; lists all of them.

    Attributes:
        names: The names of these ops, also those that a long message has no room for.
    """

    def __init__(self, message: str, *, names: Iterable[str] = (), **parts: Any) -> None:
        super().__init__(message, **parts)
        self.names = tuple(names)


class ResumeError(SDGraphError, ValueError):
    """A checkpoint of other training than what is to go on: says what differs."""


class ChangedOpWarning(UserWarning):
    """A graph was read whose composites were written otherwise when it was saved."""


class ResumeWarning(UserWarning):
    """Training goes on from a checkpoint, and not quite as it would have: says why."""


class EngineError(SDGraphError, ValueError):
    """An unknown engine, or one that is not installed."""


class MissingDependencyError(SDGraphError, ImportError):
    """An optional dependency is not installed."""


class NotDefinedError(SDGraphError, NotImplementedError):
    """A method that a subclass has to write."""


class RendererNotFound(SDGraphError, RuntimeError):
    """No Graphviz layout engine was found."""


class LayoutError(SDGraphError, RuntimeError):
    """A Graphviz layout engine failed or took too long."""

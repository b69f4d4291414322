"""Where in the user's code something happened.

Knows Python frames only. An origin is kept as (code object, instruction offset), which costs nothing to take;
the line number is computed when someone reads it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import CodeType, FrameType

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_CONTEXTLIB = contextlib.__file__
"""Runs our own context managers between two frames of this package."""
_GENERATED = "<string>"
"""Where methods come from that ``dataclasses`` writes; what a user runs with ``python -c`` as well."""


class Origin(NamedTuple):
    """A place in the user's code."""

    code: CodeType
    offset: int

    @property
    def filename(self) -> str:
        """File name, as the interpreter knows it."""
        return self.code.co_filename

    @property
    def line(self) -> int:
        """Line number, starting at 1."""
        for index, position in enumerate(self.code.co_positions()):
            if index == self.offset // 2:
                return position[0] or self.code.co_firstlineno
        return self.code.co_firstlineno

    @property
    def function(self) -> str:
        """Qualified name of the function, ``<module>`` at top level."""
        return self.code.co_qualname

    def __repr__(self) -> str:
        return f"<Origin: {self}>"

    def __str__(self) -> str:
        where = "" if self.function == "<module>" else f", in {self.function}"
        cell = _notebook_cell(self.filename)
        place = f"{self.filename}:{self.line}" if cell is None else f"{cell}, line {self.line}"
        return place + where


def _notebook_cell(filename: str) -> str | None:
    """What a notebook calls the cell that it compiled under the name of a temporary file."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    name = getattr(getattr(shell, "compile", None), "format_code_name", lambda _: None)(filename)
    return " ".join(name) if name else None


def user_place(skip: int = 0) -> tuple[CodeType, int] | None:
    """Code and instruction offset of the innermost frame outside this package, or None when there is none.

    Args:
        skip: Number of the caller's callers that are known to be inside the package.
    """
    frame = sys._getframe(skip + 1)
    while frame is not None:
        code = frame.f_code
        filename = code.co_filename
        if not (
            filename.startswith(_PACKAGE) or filename == _CONTEXTLIB or (filename == _GENERATED and _is_own(frame))
        ):
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def _is_own(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(f"{__package__}.")


def user_origin() -> Origin | None:
    """The innermost frame outside this package, or None when there is none.

    Example:
        >>> user_origin().function
        '<module>'
    """
    place = user_place(1)
    return None if place is None else Origin(*place)

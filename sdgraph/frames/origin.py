"""Where in the user's code something happened.

Knows Python frames only. An origin is kept as (code object, instruction offset), which costs nothing to take;
the line number is computed when someone reads it.
"""

from __future__ import annotations

import linecache
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from sdgraph.frames.whose import USERS, judged

if TYPE_CHECKING:
    from types import CodeType


class Span(NamedTuple):
    """A piece of code: where it starts and ends, each a line and the bytes before it in the line."""

    start: tuple[int, int]
    end: tuple[int, int]

    @property
    def columns(self) -> tuple[int, int]:
        """Where it starts and ends in its lines."""
        return self.start[1], self.end[1]


class Place(NamedTuple):
    """A place in the user's code in words: what an `Origin` becomes in another process, which has other code."""

    filename: str
    line: int
    function: str
    text: str

    def __str__(self) -> str:
        return self.text


class Origin(NamedTuple):
    """A place in the user's code."""

    code: CodeType
    offset: int

    @property
    def filename(self) -> str:
        """File name, as the interpreter knows it."""
        return self.code.co_filename

    @property
    def span(self) -> Span:
        """The piece of code that ran: usually a call."""
        for index, (line, end_line, column, end_column) in enumerate(self.code.co_positions()):
            if index == self.offset // 2:
                line = line or self.code.co_firstlineno
                return Span((line, column or 0), (end_line or line, end_column or 0))
        return Span((self.code.co_firstlineno, 0), (self.code.co_firstlineno, 0))

    @property
    def line(self) -> int:
        """Line number, starting at 1."""
        return self.span.start[0]

    @property
    def function(self) -> str:
        """Qualified name of the function, ``<module>`` at top level."""
        return self.code.co_qualname

    @property
    def text(self) -> str:
        """The text of the file or cell, empty where nobody has it."""
        return "".join(linecache.getlines(self.filename))

    @property
    def source(self) -> str:
        """The text of the line, empty where nobody has it."""
        return linecache.getline(self.filename, self.line).strip()

    @property
    def is_in_cell(self) -> bool:
        """Whether the line stands in a cell of a notebook or of IPython."""
        return _cell(self.filename) is not None

    @property
    def is_in_session(self) -> bool:
        """Whether cells run here, this line called by one of them at least."""
        return _shell() is not None

    def __reduce__(self) -> tuple[Any, ...]:
        return Place, (self.filename, self.line, self.function, str(self))

    def __copy__(self) -> Origin:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Origin:
        return self

    def __repr__(self) -> str:
        return f"<Origin: {self}>"

    def __str__(self) -> str:
        where = "" if self.function == "<module>" else f", in {self.function}"
        cell = _cell(self.filename)
        place = f"{self.filename}:{self.line}" if cell is None else f"{cell}, line {self.line}"
        return place + where


def _shell() -> Any:
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def _cell(filename: str) -> str | None:
    """What a notebook calls the cell that it compiled under the name of a temporary file."""
    name = getattr(getattr(_shell(), "compile", None), "format_code_name", lambda _: None)(filename)
    return " ".join(name) if name else None


def user_place(skip: int = 0) -> tuple[CodeType, int] | None:
    """Code and instruction offset of the innermost frame of the user's, or None when there is none.

    Args:
        skip: Number of the caller's callers that are known to be inside the package.
    """
    frame = sys._getframe(skip + 1)
    while frame is not None:
        code = frame.f_code
        known = USERS.get(code.co_filename)
        if known or (known is None and judged(frame)):
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def user_origin() -> Origin | None:
    """The innermost place in the user's code, or None when there is none, as in a thread that runs no function of his.

    Example:
        >>> user_origin().function
        '<module>'
    """
    place = user_place(1)
    return None if place is None else Origin(*place)

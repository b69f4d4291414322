"""The vectors of a turn: a loop in the text, which can be written out.

As a loop the code is short, and so is the time that it takes to compile. Written out it is quicker: the vectors stand
side by side, line by line. A CPU looks ahead some hundred instructions, and what an element takes is a chain whose
instructions wait for one another, so the chains of several vectors must stand together for it to work on them at once.
Both do the same to the same numbers. Must not know what is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val

_TURN = re.compile(
    r"""\ \ br\ label\ %(?P<name>t\d+)\.body\n
        (?P=name)\.body:\n
        \ \ (?P<number>%\w+)\ =\ phi\ [^\n]*\n
        (?P<lines>.*?)
        \ \ %(?P=name)\.next\ =\ [^\n]*\n
        \ \ %(?P=name)\.more\ =\ icmp\ ult\ i64\ %(?P=name)\.next,\ (?P<count>\d+)\n
        [^\n]*\n
        (?P=name)\.done:""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"(%[\w.]+)")


def turn(b: Builder, count: int, body: Callable[[Val], None]) -> None:
    """``for (u = 0; u < count; u++) body(u)``, to be written out where that pays."""
    name = b.fresh("t")[1:]
    b.open(f"{name}.body")
    u = Val(b.fresh("i"), "i64", False, b.depth)
    body(u)
    last, lines = b.label, b.close()
    b.line(f"br label %{name}.body")
    b.lines(
        f"{name}.body:",
        f"  {u.text} = phi i64 [0, %{b.label}], [%{name}.next, %{last}]",
        *lines,
        f"  %{name}.next = add i64 {u.text}, 1",
        f"  %{name}.more = icmp ult i64 %{name}.next, {count}",
        f"  br i1 %{name}.more, label %{name}.body, label %{name}.done",
        f"{name}.done:",
    )


def written_out(text: str) -> str:
    """The code with all turns written out but those that branch."""
    return _TURN.sub(_side_by_side, text)


def _side_by_side(found: re.Match[str]) -> str:
    lines = [_NAME.split(line) for line in found["lines"].splitlines()]
    if any(line[0].endswith(":") for line in lines):
        return found[0]
    made = [line[1] for line in lines if len(line) > 1 and line[2].startswith(" = ")]
    copies = [{found["number"]: str(u)} | {name: f"{name}.{u}" for name in made} for u in range(int(found["count"]))]
    written = ["".join([names.get(part, part) for part in line]) for line in lines for names in copies]
    done = f"{found['name']}.done"
    return "\n".join([*written, f"  br label %{done}", f"{done}:"])

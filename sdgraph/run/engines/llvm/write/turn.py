"""Blocks of short rows turned: a vector per column for a lane per row, and back.

Each row is a piece of memory, and one step leads from each to the next. From each of as many rows as there are lanes a
few columns are read at once, and squares of them turned by shuffles; the last square begins where it ends with the row,
so nothing is masked. Fewer rows than lanes are moved by way of spare memory that has room for all. The two functions
serve all columns and all regions. Must not know regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.write.memory import loop, smaller

_TYPES = {1: "i8", 2: "i16", 4: "float", 8: "double"}
"""What moves elements of so many bytes. Bits stay as they are: nothing is computed with them."""
_SIDE, _FEW = 4, 2
"""Columns of a square, and of one in rows that are shorter."""
_BYTES = 16
"""Of a row in a square, at most: what a register of any CPU holds."""
_PARAMETERS = (
    "ptr noalias %memory",
    "i64 %step",
    "ptr noalias %turned",
    "i64 %columns",
    "i64 %rows",
    "ptr noalias %spare",
)


class Turn(NamedTuple):
    """One of the functions: ``void f(memory, step, turned, columns, rows, spare)``.

    ``step`` is how many elements after a row the next one begins. ``turned`` and ``spare`` have room for as many rows
    as there are lanes. What lanes without a row hold is not said.
    """

    bytes: int
    """Of an element."""
    back: bool
    """Whether it writes rows to memory, from a vector per column."""

    @property
    def name(self) -> str:
        """What it is called in its module."""
        return "back" if self.back else "turn"


def _side(lanes: int, bytes_: int, columns: int) -> int:
    return min(lanes, _BYTES // bytes_, _FEW if columns < _SIDE else _SIDE)


def turning_in_brief(lanes: int, bytes_: int, columns: int) -> str:
    """The IR of functions that do the same element by element: a ninth of it, until there was time for the others."""
    functions = "\n".join(_one_by_one(lanes, bytes_, Turn(bytes_, back)) for back in (False, True))
    return f"; until squares of {_side(lanes, bytes_, columns)} are turned\n{functions}"


def _one_by_one(lanes: int, bytes_: int, turn: Turn) -> str:
    b, t = Builder(lanes), _TYPES[bytes_]
    columns, step = (Val(f"%{name}", "i64", False, 0) for name in ("columns", "step"))

    def over_rows(r: Val) -> None:
        row = b.binary("mul", r, step)

        def over_columns(j: Val) -> None:
            places = ("memory", b.binary("add", row, j)), ("turned", b.binary("add", _times(b, j, lanes), r))
            source, target = (
                b.instruction(f"getelementptr {t}, ptr %{base}, i64 {k.text}", "ptr", False, k)
                for base, k in (reversed(places) if turn.back else places)
            )
            element = b.effect(f"load {t}, ptr {source.text}, align 1", t, False)
            b.line(f"store {t} {element.text}, ptr {target.text}, align 1")

        loop(b, const(0, "i64"), columns, 1, over_columns)

    loop(b, const(0, "i64"), Val("%rows", "i64", False, 0), 1, over_rows)
    return _function(b, turn)


def _times(b: Builder, j: Val, n: int) -> Val:
    return b.binary("mul", j, const(n, "i64"))


def _function(b: Builder, turn: Turn) -> str:
    lines = [*b.allocas, *b.scopes[0].lines, "  ret void"]
    return f"define void @.{turn.name}({', '.join(_PARAMETERS)}) {{\nentry:\n" + "\n".join(lines) + "\n}"


def turning(lanes: int, bytes_: int, columns: int) -> str:
    """The IR of both functions for elements of that many bytes. Only whether columns are few matters."""
    side = _side(lanes, bytes_, columns)
    return "\n".join(_Turning(lanes, bytes_, side).text(Turn(bytes_, back)) for back in (False, True))


class _Turning:
    """The code of one function."""

    def __init__(self, lanes: int, bytes_: int, side: int) -> None:
        self.lanes, self.bytes, self.type, self.side = lanes, bytes_, _TYPES[bytes_], side
        b = self.b = Builder(lanes)
        self.memory, self.turned, self.spare = (Val(f"%{x}", "ptr", False, 0) for x in ("memory", "turned", "spare"))
        self.columns, self.step, rows = (Val(f"%{name}", "i64", False, 0) for name in ("columns", "step", "rows"))
        all_there = b.compare("icmp eq", rows, const(lanes, "i64"))
        self.block = b.select(all_there, self.memory, self.spare)
        self.block_step = b.select(all_there, self.step, self.columns)
        self.moved = b.select(all_there, const(0, "i64"), rows)

    def text(self, turn: Turn) -> str:
        """Its IR."""
        b = self.b
        if not turn.back:
            self._move(turn)
        loop(b, const(0, "i64"), self.columns, self.side, self._back if turn.back else self._turn)
        if turn.back:
            self._move(turn)
        return _function(b, turn)

    def _move(self, turn: Turn) -> None:
        """Copy what is moved by way of spare memory, which is not much."""
        b = self.b
        places = (self.memory, self.step), (self.spare, self.columns)

        def row(r: Val) -> None:
            memory, spare = (self._at(p, b.binary("mul", r, step), self.type) for p, step in places)
            source, target = (spare, memory) if turn.back else (memory, spare)

            def element(k: Val) -> None:
                name = b.fresh()
                b.line(f"{name} = load {self.type}, ptr {self._at(source, k, self.type).text}, align 1")
                b.line(f"store {self.type} {name}, ptr {self._at(target, k, self.type).text}, align 1")

            loop(b, const(0, "i64"), self.columns, 1, element)

        loop(b, const(0, "i64"), self.moved, 1, row)

    def _turn(self, j: Val) -> None:
        j = self._first(j)
        parts = [self._load(p, self.side) for p in self._rows(j)]
        # Vector k has rows k, side + k, 2 side + k, ... one after another.
        rows = [self._joined(parts[k :: self.side]) for k in range(self.side)]
        for p, v in zip(self._vectors(j), self._transposed(rows), strict=True):
            self._store(v, self.lanes, p)

    def _back(self, j: Val) -> None:
        j = self._first(j)
        rows = self._transposed([self._load(p, self.lanes) for p in self._vectors(j)])
        for r, p in enumerate(self._rows(j)):
            first = r - r % self.side
            part = self._chosen(rows[r % self.side], "poison", self.lanes, range(first, first + self.side))
            self._store(part, self.side, p)

    # ------------------------------------------------------------------ places

    def _first(self, j: Val) -> Val:
        """Where a square begins."""
        j = smaller(self.b, j, self.b.binary("sub", self.columns, const(self.side, "i64")))
        # Otherwise LLVM looks long for a way to count the places up.
        return self.b.instruction(f"freeze i64 {j.text}", "i64", False, j)

    def _at(self, base: Val, index: Val, type_: str) -> Val:
        text = f"getelementptr {type_}, ptr {base.text}, i64 {index.text}"
        return self.b.instruction(text, "ptr", False, base, index)

    def _vectors(self, j: Val) -> list[Val]:
        """The square's columns."""
        full = f"<{self.lanes} x {self.type}>"
        first = self._at(self.turned, j, full)
        return [self._at(first, const(k, "i64"), full) for k in range(self.side)]

    def _rows(self, j: Val) -> list[Val]:
        """The square's part of each row: odd numbers of rows away, times powers of two, which addresses can tell."""
        b = self.b
        first = self._at(self.block, j, self.type)
        places = [first]
        for r in range(1, self.lanes):
            power = r & -r
            odd = b.binary("mul", self.block_step, const(r // power * self.bytes, "i64"))
            places.append(self._at(first, b.binary("mul", odd, const(power, "i64")), "i8"))
        return places

    # ------------------------------------------------------------------ vectors

    def _load(self, p: Val, n: int) -> str:
        name = self.b.fresh()
        self.b.line(f"{name} = load <{n} x {self.type}>, ptr {p.text}, align 1")
        return name

    def _store(self, v: str, n: int, p: Val) -> None:
        self.b.line(f"store <{n} x {self.type}> {v}, ptr {p.text}, align 1")

    def _chosen(self, v: str, w: str, n: int, lanes: Sequence[int]) -> str:
        """Lanes of two vectors of n lanes."""
        name, t = self.b.fresh(), f"<{n} x {self.type}>"
        order = ", ".join(f"i32 {k}" for k in lanes)
        self.b.line(f"{name} = shufflevector {t} {v}, {t} {w}, <{len(lanes)} x i32> <{order}>")
        return name

    def _joined(self, parts: Sequence[str]) -> str:
        """Parts of rows in one vector."""
        n = self.side
        while len(parts) > 1:
            parts = [self._chosen(v, w, n, range(2 * n)) for v, w in zip(parts[::2], parts[1::2], strict=True)]
            n *= 2
        return parts[0]

    def _transposed(self, vs: list[str]) -> list[str]:
        """Squares side by side, each turned: pairs of vectors trade lanes, then pairs of pairs."""
        n, step = self.lanes, 1
        while step < self.side:
            lower = [i - step + n if i & step else i for i in range(n)]
            upper = [i + n if i & step else i + step for i in range(n)]
            for k in range(self.side):
                if not k & step:
                    pair = vs[k], vs[k + step]
                    vs[k], vs[k + step] = (self._chosen(*pair, n, order) for order in (lower, upper))
            step *= 2
        return vs

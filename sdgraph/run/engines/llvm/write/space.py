"""How a region's space is cut: rows and columns, which of them are lanes, and chunks. Must not know LLVM."""

from __future__ import annotations

from typing import NamedTuple

from sdgraph.run.engines.llvm.divide.cuts import COLUMN, ELEMENT, OUTER, PART, ROW, size_of
from sdgraph.run.engines.llvm.divide.region import Node, Operand, Region, is_scan, read_shapes, remembered

CHUNK = 8192
"""Elements that one accumulator sums up before it is combined with the others."""
_SHORT_ROW, _OF_SUMS, _OF_ELEMENTS = 32, 63, 5
"""Rows up to this length lie across lanes: each lane works on a row of its own. Longer ones do so where a row has
several sums, as in a softmax: each would be added up across lanes, and what follows computed for one row at a time.
Where nothing is computed per row, only those do that would leave most lanes idle."""
_ENOUGH_ROWS = 16
"""Rows that lanes are worth the longer ones for: fewer leave most of them idle."""
_MOST_VECTORS = 4096
"""Local memory for rows across lanes, in vectors, if each of their arrays and elements had some."""
_COLUMN_CHUNKS = 32
"""Chunks that are enough where each has sums of columns in memory."""
_STRIPE = 2048
"""Columns of a chunk at most, where it need not have them all."""
BLOCK = 8
"""Rows at most that are added up in their own type before their sum widens."""
_BLOCK_ELEMENTS = 32768
"""Elements of the rows that several passes go through, before the last of them goes through all these rows at once."""
_KEPT_BYTES = 1 << 17
"""Bytes that the rows of a block keep on the stack, at most, if there is more than one."""
KEPT_ROW = 8192
"""Rows up to this length keep elements on the stack between passes, where no result has room for them."""
STRIPE = 16
"""Vectors of rows side by side that one loop over columns goes through, at most."""
_SIDE_BY_SIDE = 16
"""How many rows there may be at a time, where they lie side by side."""


@remembered
def rows_and_columns(region: Region) -> tuple[int, int]:
    """The sizes of a region's space: ``(0, n)`` without rows."""
    dims, cut = region.dims or (), region.cut
    return size_of(region.row_dims) if region.split else 0, size_of(dims[cut.first : cut.last])


@remembered
def short_rows(region: Region) -> bool:
    """Whether lanes are rows, not columns, that lie one after another."""
    rows, columns = rows_and_columns(region)
    if region.turned or OUTER in region.level.values() or looked_up(region) or not _by_rows(region):
        return False
    if not region.split or columns > _longest(region, rows):
        return False
    return columns * _arrays(region) <= _MOST_VECTORS


def _longest(region: Region, rows: int) -> int:
    """How long rows may be that lie across lanes."""
    if rows >= _ENOUGH_ROWS and any(is_scan(n) and n.dtype.kind == "f" for n in region.nodes):
        return _MOST_VECTORS  # Within a row, each addition of floats would wait for the one before.
    sums = sum(region.works[n.id] == ELEMENT and region.level[n.id] == ROW for n in region.nodes)
    if not sums and ROW not in region.works.values():
        return _OF_ELEMENTS
    return _OF_SUMS if sums > 1 and rows >= _ENOUGH_ROWS else _SHORT_ROW


def _arrays(region: Region) -> int:
    """How many arrays the elements of a row may be in at a time: those read, those computed, and sums of columns."""
    operands = ((x, n) for n in region.nodes for x in n.operands if x.value not in region.level)
    read = {x.value for x, n in operands if region.lies(x.shape, n).level == ELEMENT}
    levels = list(region.level.values())
    return len(read) + levels.count(ELEMENT) + 2 * levels.count(COLUMN)


@remembered
def keeps_rows(region: Region) -> bool:
    """Whether elements of a row may stay in local memory from one pass to the next."""
    side_by_side = _SIDE_BY_SIDE if region.turned else 1
    return bool(region.split) and rows_and_columns(region)[1] * side_by_side <= KEPT_ROW


@remembered
def looked_up(region: Region) -> set[tuple[int, int]]:
    """Those in which what nodes read and make has elements for part of the axes."""
    reads = [region.lies(shape, n) for n in region.nodes if region.works[n.id] == ELEMENT for shape in read_shapes(n)]
    made = [region.kept_outer(n) for n in region.nodes if region.level[n.id] == OUTER]
    return {lying.outer for lying in reads if lying.level == PART} | set(made)


@remembered
def _by_rows(region: Region) -> bool:
    """Whether in all parts of arrays one step leads from each row to the next."""
    rows = (), ((0, region.cut.first),)
    return all(region.layout(x, n).outer in rows for n in region.nodes for x in n.windows)


def lies_by_lanes(region: Region, x: Operand, node: Node) -> bool:
    """Whether a part of an array has one number after another for rows that lie across lanes."""
    return region.lies(x.shape, node).level != ROW or region.layout(x, node).steps[1] == 1


@remembered
def ranges(region: Region) -> set[tuple[int, int]]:
    """The ranges of outer axes in which something lies for which the place of a row must be looked up."""
    within = (outer for n in region.nodes for x in n.windows for outer in region.layout(x, n).outer)
    return looked_up(region) | {outer for outer in within if outer != (0, region.cut.first)}


def axes(first: int, last: int) -> str:
    """The name of the number of elements along some outer axes."""
    return f"axes {first} to {last}"


class Sweeps(NamedTuple):
    """What code says of phases that take several rows at once."""

    striped: bool = False
    """Whether a chunk may have a part of the columns, and not of the rows alone."""
    kept: int = 0
    """Bytes of each element that rows keep on the stack until then."""


def _block(region: Region, columns: int, kept: int) -> int:
    """How many rows the last pass takes at a time where it adds up columns."""
    if ROW not in region.level.values():
        return BLOCK
    most = min(_BLOCK_ELEMENTS, _KEPT_BYTES // kept if kept else _BLOCK_ELEMENTS)
    return max(1, min(BLOCK, most // max(columns, 1)))


def sizes(region: Region, width: int, sweeps: Sweeps) -> dict[str, int]:
    """The numbers that describe this region's space, and how it is cut into chunks: of rows, of columns if striped."""
    rows, columns = rows_and_columns(region)
    if region.dims is None:
        return {"chunks": 0, "n": 0}
    if not region.split:
        return {"n": columns, "chunks": -(-columns // CHUNK), "per_chunk": CHUNK}
    more = _of_turned(region, width) if region.turned else {}
    rows, striped = more.get("rows", rows), sweeps.striped
    stripes = max(1, -(-columns // _STRIPE)) if striped else 1
    per_chunk = _rows_of_chunk(region, rows, min(columns, _STRIPE) if striped else columns, stripes, more)
    if COLUMN in region.level.values() and (striped or rows >= BLOCK * _COLUMN_CHUNKS // 2):
        per_chunk = -(-per_chunk // BLOCK) * BLOCK
    if short_rows(region):
        per_chunk = -(-per_chunk // width) * width
    for first, last in ranges(region):
        end = region.cut.first
        more |= {axes(*k): size_of(region.dims[slice(*k)]) for k in ((first, last), (last, end))}
    parts = -(-rows // per_chunk)
    return {
        "rows": rows,
        "columns": columns,
        "per_chunk": per_chunk,
        "parts": parts,
        "stripe": _STRIPE,
        "stripes": stripes,
        "chunks": parts * stripes,
        "block": _block(region, columns, sweeps.kept),
        **more,
    }


def _rows_of_chunk(region: Region, rows: int, columns: int, stripes: int, turned: dict[str, int]) -> int:
    """Rows, or vectors of rows side by side, that a chunk has at least."""
    per_chunk = max(1, CHUNK // max(columns * turned.get("lanes", 1), 1))
    if turned:
        per_chunk = max(per_chunk, min(turned["groups"], STRIPE))
    if not {COLUMN, OUTER}.isdisjoint(region.level.values()):
        per_chunk = max(per_chunk, -(-rows // -(-_COLUMN_CHUNKS // stripes)))
    return per_chunk


def _of_turned(region: Region, width: int) -> dict[str, int]:
    """Vectors of rows side by side."""
    dims, cut = region.dims or (), region.cut
    inner = size_of(dims[cut.last :])
    groups = -(-inner // width)
    return {"rows": size_of(dims[: cut.first]) * groups, "inner": inner, "groups": groups, "lanes": width}

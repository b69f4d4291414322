"""A namespace as it is shown: its ops by name, and in a notebook with what each does. Must not know any op."""

from __future__ import annotations

import textwrap
from typing import Any, Final

from sdgraph.build.op import Op
from sdgraph.wording import counted, html_table

_WIDTH: Final = 100


def ops_of(namespace: Any) -> dict[str, Op]:
    """The ops of a namespace under all their names."""
    members = ((name, getattr(type(namespace), name, None)) for name in dir(namespace) if not name.startswith("_"))
    return {name: op for name, member in members if isinstance(op := getattr(member, "op", None), Op)}


def as_text(called: str, ops: dict[str, Op]) -> str:
    """The names of ops in lines that a screen holds.

    Example:
        >>> from sdgraph import SameDiff
        >>> SameDiff().bitwise
        sd.bitwise: 13 operations
          and_, bit_rotl, bit_rotr, bit_shift, bit_shift_right, bits_hamming_distance, left_shift,
          left_shift_cyclic, or_, right_shift, right_shift_cyclic, toggle_bits, xor
    """
    names = textwrap.wrap(", ".join(ops), _WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([f"{called}: {counted(len(ops), 'operation')}", *names])


def as_html(called: str, ops: dict[str, Op]) -> str:
    """A table with one row per op: its call, and the first line of its documentation."""
    rows = [
        (f"{called}.{name}({', '.join(op.operand_names)})", (op.doc or "").partition("\n")[0].replace("``", ""))
        for name, op in ops.items()
    ]
    return html_table(["operation", "what it does"], rows)

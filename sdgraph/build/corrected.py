"""A call in another library's order, as it is written here: the name last, settings as keywords. Knows no op."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from sdgraph.build.index_key import as_code
from sdgraph.build.op import Op
from sdgraph.errors import SDGraphError, shown


def tell(e: SDGraphError, op: Op, args: tuple[Any, ...], keywords: Mapping[str, Any], name: str | None) -> None:
    """Let the error of a call say how it is written, if a name stands first or settings are given by position."""
    text = corrected(op, args, keywords, name)
    if text is not None:
        e.fix = f"Write {text}."


def corrected(op: Op, args: tuple[Any, ...], keywords: Mapping[str, Any], name: str | None) -> str | None:
    """The call as code; None if its order is not what is wrong with it."""
    signature, given = op.signature, list(args)
    order = [k for k in signature.names if k != "name"]
    needed = len(op.operand_names) - len(op.operand_defaults)
    leads = len(given) > needed and type(given[0]) is str and name is None and order[:1] == list(op.operand_names[:1])
    if leads:
        name = given.pop(0)
    if signature.variadic or not (leads or len(args) > len(signature.positional)) or len(given) > len(order):
        return None
    parts, by_keyword = [], False
    for k, value in zip(order, given, strict=False):
        by_keyword = by_keyword or k not in signature.positional
        is_left_out = value is None and (
            op.operand_defaults.get(k, ...) is None or op.attr_defaults.get(k, ...) is None
        )
        by_keyword = by_keyword or is_left_out
        if not is_left_out:
            parts.append(f"{k}={as_argument(value)}" if by_keyword else as_argument(value))
    parts += [f"{k}={as_argument(value)}" for k, value in keywords.items()]
    parts += [] if name is None else [f"name={name!r}"]
    return f"{f'sd.{op.qualname}' if op.is_ours else op.name}({', '.join(parts)})"


def as_argument(value: Any) -> str:
    """A value as it stands in a call."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    return as_code(value.name) if type(value).__name__ == "SDVariable" else shown(value, 40)

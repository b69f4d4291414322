"""The words on a backward arrow: what a cotangent is multiplied by on its way from one variable to the one before.

Reads the helper nodes of a sweep that lie between two gradients. Must not know cards or layout.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import Op
from sdgraph.build.reading import Derived, filled
from sdgraph.show.visible import Item, Listing
from sdgraph.wording import number

_MAX_LENGTH: Final = 24
_MAX_DEPTH: Final = 3


def local_derivative(listing: Listing, source: int, result: int, drawn: Container[int] = frozenset()) -> str | None:
    """The factor between two gradients: empty if it is 1, None if it cannot be said in few characters.

    Paths through other gradients that are ``drawn`` belong to other arrows and do not count.

    Example:
        >>> from sdgraph import SameDiff
        >>> from sdgraph.show.visible import visible
        >>> sd = SameDiff()
        >>> x = sd.var("x", 2.0)
        >>> y = sd.math.sin(x, name="y")
        >>> z = sd.math.mul(y, x, name="z")
        >>> g = sd.grad(z, x)
        >>> listing = visible(sd)
        >>> {listing.gradient_name(item): item.id for item in listing.items.values() if item.wrt is not None}
        {'∂z/∂z': 3, '∂z/∂y': 4, '∂z/∂x': 8}
        >>> local_derivative(listing, 3, 4), local_derivative(listing, 4, 8)
        ('x', 'cos(x)')
    """
    words: list[str] = []
    i = result
    for _ in range(12):
        if i == source:
            text = " ".join(words).replace(" 1 / ", " / ")
            return text if len(text) <= _MAX_LENGTH else None
        step = _step(listing, i, source, drawn)
        if step is None:
            return None
        i, word = step
        if word:
            words.append(word)
    return None


def _step(listing: Listing, i: int, source: int, drawn: Container[int]) -> tuple[int, str] | None:
    """One op back towards the source: the operand it lies behind, and the word for what the op does to it."""
    item = listing.items[i]
    if item.op is None:
        return None
    through = [o for o in item.operands if _leads_to(listing, o.id, source, drawn)]
    if len(through) != 1:
        return None
    (operand,) = through
    op = item.op
    if operand.position == op.passes_on:
        return operand.id, ""
    others = [listing.items[o.id] for o in item.operands if o is not operand]
    word = _gradient_word(listing, item, others) if op.gradient_of else _factor(listing, op, operand.position, others)
    return None if word is None else (operand.id, word)


def _factor(listing: Listing, op: Op, position: int, others: list[Item]) -> str | None:
    """What the op multiplies its operand at ``position`` by, as it says itself.

    The terms of a sum come from different gradients: each alone has the factor 1.
    """
    said = op.reads.factor if op.reads is not None else None
    if isinstance(said, tuple):
        said = said[position]
    if said is None or "%(" not in said:
        return said
    other = _text(listing, others[0], _MAX_DEPTH) if len(others) == 1 else None
    return None if other is None else filled(said, [other])


def _gradient_word(listing: Listing, item: Item, others: list[Item]) -> str | None:
    """The factor that the gradient of a composite multiplies by, if that has a short name."""
    assert item.op is not None and item.op.gradient_of is not None
    op, k = item.op.gradient_of[:2]
    names = [o.short_name for o in others]
    if op.reads is not None and op.reads.derivative is not None:
        return op.reads.derivative(Derived(names, [o.aval.shape for o in others], k, listing.sd.nodes[item.id].attrs))
    return f"{op.name}′({names[0]})" if len(others) == 1 else None


def _leads_to(listing: Listing, i: int, source: int, drawn: Container[int]) -> bool:
    """Whether ``i`` is computed from ``source`` other than by way of ``drawn``; looks at a limited number of nodes."""
    seen = {i}
    stack = [i]
    while stack and len(seen) < 200:
        j = stack.pop()
        if j == source:
            return True
        if j > source and j not in drawn:
            fresh = [o.id for o in listing.items[j].operands if o.id >= source and o.id not in seen]
            seen.update(fresh)
            stack += fresh
    return False


def _text(listing: Listing, item: Item, depth: int) -> str | None:
    """A short formula of forward variables for a helper."""
    if item.kind is VariableKind.CONSTANT and item.aval.shape == () and (item.is_literal or item.is_gradient):
        return number(listing.sd.values[item.id])
    if not item.is_gradient:
        return item.short_name
    if item.wrt is not None:
        return listing.gradient_name(item, short=True)
    if item.op is None or depth == 0:
        return None
    inner = [_text(listing, listing.items[o.id], depth - 1) for o in item.operands]
    if not inner or any(t is None for t in inner):
        return None
    texts = [t for t in inner if t is not None]
    text = _call(item.op, texts)
    return text if len(text) <= _MAX_LENGTH else None


def _call(op: Op, texts: list[str]) -> str:
    said = op.reads.text if op.reads is not None else None
    if isinstance(said, str) and len(texts) >= 1 + ("%(y" in said):
        return filled(said, texts)
    if said is not None and not isinstance(said, str):
        return said(texts)
    return texts[op.passes_on] if op.passes_on is not None else f"{op.name}({', '.join(texts)})"

"""The words on a backward arrow: what a cotangent is multiplied by on its way from one variable to the one before.

Reads the helper nodes of a sweep that lie between two gradients. Must not know cards or layout.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import Op
from sdgraph.ops.losses.reduction import LossReduce
from sdgraph.show.visible import Item, Listing
from sdgraph.wording import number

_SILENT: Final = frozenset(
    {"reshape", "squeeze", "expand_dims", "cast", "broadcast_like", "broadcast_to", "identity", "reshape_like"}
)
_WORDS: Final = {"add": "", "merge_add": "", "sum": "Σ", "neg": "−1", "transpose": "ᵀ", "permute": "ᵀ"}
"""Words for ops on one gradient. The terms of a sum come from different gradients: each alone has the factor 1."""

_LOSSES: Final = {
    "sigmoid_cross_entropy": "σ({p}) − {y}",
    "softmax_cross_entropy": "softmax({p}) − {y}",
    "mean_squared_error": "2 ({p} − {y})",
}
"""Derivatives of losses by their prediction, per element, without weights and averaging."""

_INFIX: Final = {"add": " + ", "sub": " − ", "mul": " ", "div": " / "}
_POWERS: Final = {2.0: "²", 3.0: "³", -1.0: "⁻¹", -2.0: "⁻²", 0.5: "^½"}
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
        step = _step(listing, i, source, result, drawn)
        if step is None:
            return None
        i, word = step
        if word:
            words.append(word)
    return None


def _step(listing: Listing, i: int, source: int, result: int, drawn: Container[int]) -> tuple[int, str] | None:
    """One op back towards the source: the operand it lies behind, and the word for what the op does to it."""
    item = listing.items[i]
    if item.op is None:
        return None
    through = [o for o in item.operands if _leads_to(listing, o.id, source, drawn)]
    if len(through) != 1:
        return None
    (operand,) = through
    name = item.op.name
    if name in _SILENT:
        return operand.id, ""
    if name in _WORDS:
        return operand.id, _WORDS[name]
    others = [listing.items[o.id] for o in item.operands if o is not operand]
    if name.endswith("_vjp"):
        word = _composite_word(listing, item, others, listing.items[result].wrt)
        return None if word is None else (operand.id, word)
    if len(others) != 1:
        return None
    other = _text(listing, others[0], _MAX_DEPTH)
    if other is None:
        return None
    if name == "mul":
        return operand.id, other
    if name == "div" and operand.position == 0:
        return operand.id, f"1 / {_bracket(other)}"
    if name in ("matmul", "mmul"):
        return operand.id, f"{_bracket(other)} ·" if operand.position == 1 else f"· {_bracket(other)}"
    return None


def _composite_word(listing: Listing, item: Item, others: list[Item], wrt: int | None) -> str | None:
    """The factor that the gradient of a composite multiplies by, for the few that have a short name."""
    assert item.op is not None
    name = item.op.name.removesuffix("_vjp")
    attrs = listing.sd.nodes[item.id].attrs
    names = [o.short_name for o in others]
    if name in ("mmul", "matmul") and len(others) == 2 and not any(attrs.values()):
        places = [k for k, o in enumerate(others) if o.id == wrt]
        if len(places) == 1:
            return f"· {_transposed(names[1])}" if places[0] == 0 else f"{_transposed(names[0])} ·"
    if name == "mean" and len(others) == 1:
        return _one_over_size(others[0], attrs.get("axis"))
    if name in _LOSSES and len(others) == 2 and others[1].id == wrt:
        plain = attrs.get("loss_reduce") in (LossReduce.NONE, LossReduce.SUM) and not attrs.get("label_smoothing")
        return _LOSSES[name].format(y=names[0], p=names[1]) if plain else None
    return f"{name}′({names[0]})" if len(others) == 1 else None


def _one_over_size(item: Item, axis: object) -> str | None:
    """``1 / n`` for the mean over n elements."""
    shape = item.aval.shape
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    sizes = [str(shape[k]) for k in axes if shape[k] is not None]  # type: ignore[union-attr]
    if len(sizes) != len(list(axes)):  # type: ignore[arg-type]
        return None
    return f"1 / {' '.join(sizes)}" if len(sizes) == 1 else f"1 / ({' · '.join(sizes)})"


def _transposed(name: str) -> str:
    return f"{name}ᵀ"


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
    name, first = op.name, texts[0]
    if op.reads is not None:
        return op.reads.text % {"x": first, "atom": _bracket(first)}
    if name in _SILENT:
        return first
    if name in ("transpose", "permute"):
        return f"{_bracket(first)}ᵀ"
    if name == "neg":
        return f"−{_bracket(first)}"
    if name in ("square", "cube"):
        return _bracket(first) + ("²" if name == "square" else "³")
    if len(texts) == 2:
        second = texts[1]
        if name == "pow":
            return _power(first, second)
        if name in ("mul", "div"):
            return f"{_bracket(first)}{_INFIX[name]}{_bracket(second)}"
        if name in _INFIX:
            return f"{first}{_INFIX[name]}{_bracket(second)}"
    return f"{name}({', '.join(texts)})"


def _power(base: str, exponent: str) -> str:
    try:
        value = float(exponent)
    except ValueError:
        return f"{_bracket(base)}^{_bracket(exponent)}"
    if value == 1.0:
        return base
    return _bracket(base) + _POWERS.get(value, f"^{exponent}")


def _bracket(text: str) -> str:
    plain = " " not in text or (text.endswith(")") and text.count("(") == 1)
    return text if plain else f"({text})"

"""Nested lists, tuples and dicts, as arguments and outputs of layers are. Must not know what the leaves are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def mapped(f: Callable[[Any], Any], tree: Any) -> Any:
    """The same nesting with ``f`` of each leaf."""
    if isinstance(tree, Mapping):
        return {k: mapped(f, v) for k, v in tree.items()}
    if isinstance(tree, tuple):
        found = [mapped(f, v) for v in tree]
        return type(tree)(*found) if hasattr(tree, "_fields") else tuple(found)
    if isinstance(tree, list):
        return [mapped(f, v) for v in tree]
    return f(tree)


def leaves_by_key(tree: Any) -> list[Any]:
    """The leaves in the order in which Keras counts the outputs of a call: dicts by their keys, sorted."""
    if isinstance(tree, Mapping):
        tree = [tree[k] for k in sorted(tree, key=str)]
    elif not isinstance(tree, list | tuple):
        return [tree]
    return [leaf for v in tree for leaf in leaves_by_key(v)]


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves in order; dicts in the order they have."""
    if isinstance(tree, Mapping):
        tree = tree.values()
    elif not isinstance(tree, list | tuple):
        yield tree
        return
    for v in tree:
        yield from leaves(v)

"""The names of a graph: which there are, which are free, and under which scope new ones stand.

Must not know what is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sdgraph.build import bookkeeping
from sdgraph.build.bookkeeping import kept
from sdgraph.build.taken import name_is_taken
from sdgraph.errors import VariableNameError, shown
from sdgraph.infer.names import EXPECTED, is_short, is_writable

_BROKEN = r"^\s|\s$|[\x00-\x1f\x7f]|^/|/$|//|^$"
_MALFORMED = re.compile(_BROKEN + r"|:(?:\d+|all)$")
_NO_FULL_NAME = re.compile(_BROKEN)


@dataclass(slots=True, eq=False, repr=False)
class Names:
    """The names of ``nodes``, a list that grows."""

    nodes: list[Any]
    ids: dict[str, int] = kept(dict, bookkeeping.names)
    """The node of every name."""
    given: set[int] = kept(set, bookkeeping.members)
    """The nodes whose names somebody chose; the others were named after their ops."""
    suffixes: dict[str, int] = kept(dict, saved=True)
    """The next suffix of every automatic name."""
    scope: str = kept(str, saved=True, copied=False)
    """What new names begin with: the open scopes, each with a slash."""

    @contextmanager
    def under(self, name: str) -> Iterator[str]:
        """Put new names under ``name/`` in the block, within the scopes that are open."""
        check_name(name)
        length = len(self.scope)
        # Inside, here and in other blocks: an interrupt may fall between a change and a block that follows it.
        try:
            self.scope = f"{self.scope}{name}/"
            yield self.scope[:-1]
        finally:
            self.scope = self.scope[:length]

    @contextmanager
    def only(self, scope: str) -> Iterator[None]:
        """Put new names under ``scope`` alone in the block, whatever scopes are open."""
        before = self.scope
        try:
            self.scope = scope
            yield
        finally:
            self.scope = before

    def full(self, name: str) -> str:
        """A user's name under the open scope, checked to be well formed and free."""
        check_name(name)
        full = self.scope + name
        if full in self.ids:
            raise name_is_taken(full, name, self.nodes[self.ids[full]].origin)
        return full

    def free(self, base: str) -> str:
        """The first free name of ``base``, ``base_1``, ``base_2`` ... under the open scope."""
        full = self.scope + base
        k = self.suffixes.get(full, 0)
        while True:
            name = f"{full}_{k}" if k else full
            k += 1
            if name not in self.ids:
                self.suffixes[full] = k
                return name

    def give(self, node: Any, name: str, *, given: bool = True) -> None:
        """Give a node that has a name another one, which somebody chose unless it is not ``given``."""
        self.ids.pop(node.name, None)
        node.name = name
        self.ids[name] = node.id
        (self.given.add if given else self.given.discard)(node.id)


def check_name(name: object) -> None:
    """Raise VariableNameError unless ``name`` can name a variable or a scope."""
    if isinstance(name, str) and not (is_short(name) and is_writable(name)):
        raise VariableNameError(
            "This is not a name for a variable.",
            given=f"{len(name):,} characters: {shown(name, 80)}",
            expected=EXPECTED,
        )
    if not isinstance(name, str) or _MALFORMED.search(name):
        raise VariableNameError(
            "This is not a name for a variable.",
            given=shown(name),
            expected="a text without control characters, without blanks at its ends, whose parts between '/' are not "
            "empty and which does not end in ':' and a number or 'all' (those name an op's further outputs)",
        )


def are_full_names(names: list[str]) -> bool:
    """Whether nodes can have these names, with their scopes, and ``:1`` behind that of a further output.

    A million of them are looked at as one text where nothing but what prints is in it.
    """
    if not "".join(names).isprintable():
        return all(is_writable(name) and not _NO_FULL_NAME.search(name) for name in names)
    lines = "\n".join(["", *names, ""])
    return not any(broken in lines for broken in ("\n\n", "\n ", " \n", "\n/", "/\n", "//"))

"""Finding the variables of a graph by name and by kind, and naming them. Must not know ops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from sdgraph.build.builder import GraphBuilder
from sdgraph.build.kinds import VariableKind
from sdgraph.build.names import check_name
from sdgraph.build.variable import SDVariable
from sdgraph.checks import no_such
from sdgraph.infer.aval import Aval


class GraphLookup(GraphBuilder):
    """A graph whose variables can be looked up and named."""

    def __getitem__(self, name: str) -> SDVariable:
        if type(name) is SDVariable:
            return self.own(name)
        return SDVariable(self, self.names.id_of(name))

    def __contains__(self, name: object) -> bool:
        if type(name) is SDVariable:
            return name.sd is self and not name.node.is_gone
        return isinstance(name, str) and name in self.names.ids

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[SDVariable]:
        return iter(self.variables())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        counts = dict.fromkeys(VariableKind, 0)
        for node in self.nodes:
            counts[node.op.kind] += 1
        inner = ", ".join(f"{n} {kind.value}{'s' if n != 1 else ''}" for kind, n in counts.items() if n)
        return f"<{type(self).__name__} {self.dtype.name}: {inner or 'empty'}>"

    def variables(self, kind: VariableKind | str | None = None) -> list[SDVariable]:
        """All variables in creation order, or those of one kind.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> y = sd.placeholder("x") + 1
            >>> [v.name for v in sd.variables()], [v.name for v in sd.variables("placeholder")]
            (['x', 'constant', 'add'], ['x'])
        """
        try:
            wanted = None if kind is None else VariableKind(kind)
        except Exception:
            raise no_such("kind of variable", kind, [k.value for k in VariableKind]) from None
        return [
            SDVariable(self, i)
            for i, node in enumerate(self.nodes)
            if (wanted is None or node.op.kind is wanted) and type(node.aval) is Aval
        ]

    def placeholders(self) -> list[SDVariable]:
        """The placeholders, in creation order."""
        return self.variables(VariableKind.PLACEHOLDER)

    def trainable_variables(self) -> list[SDVariable]:
        """The variables of kind VARIABLE, in creation order."""
        return self.variables(VariableKind.VARIABLE)

    def constants(self) -> list[SDVariable]:
        """The constants, in creation order."""
        return self.variables(VariableKind.CONSTANT)

    # ------------------------------------------------------------------ names

    def name_scope(self, name: str) -> AbstractContextManager[str]:
        """Put the names of all variables made in the block under ``name/``; scopes nest.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> with sd.name_scope("layer1"):
            ...     w = sd.var("w", shape=(3, 2))
            >>> w.name
            'layer1/w'
        """
        return self.names.under(name)

    @property
    def current_scope(self) -> str:
        """The open name scope, without the final slash; empty outside scopes."""
        return self.names.scope[:-1]

    def rename(self, v: SDVariable | str, name: str) -> SDVariable:
        """Give a variable another name (a full one: open scopes are not put before it).

        Raises:
            VariableNameError: If the name is taken or malformed.
        """
        v = self.own(v)
        check_name(name)
        if name != v.name:
            with self.names.only(""):
                self.rename_node(v.id, self.names.full(name))
        return v

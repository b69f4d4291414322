"""Finding the variables of a graph: by name, by kind, or as whoever calls has them. Must not know ops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdgraph.build.builder import GraphBuilder
from sdgraph.build.graph import check_name
from sdgraph.build.kinds import VariableKind
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError, ArgumentTypeError, UnknownVariableError, shown
from sdgraph.infer.aval import Aval


class GraphLookup(GraphBuilder):
    """A graph whose variables can be looked up."""

    def __getitem__(self, name: str) -> SDVariable:
        if type(name) is SDVariable:
            return self.own(name)
        return SDVariable(self, self.id_of(name))

    def __contains__(self, name: object) -> bool:
        if type(name) is SDVariable:
            return name.sd is self and not name.node.is_gone
        return isinstance(name, str) and name in self.ids

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
            >>> sd = SameDiff()
            >>> y = sd.placeholder("x") + 1
            >>> [v.name for v in sd.variables()], [v.name for v in sd.variables("placeholder")]
            (['x', 'constant', 'add'], ['x'])
        """
        try:
            wanted = None if kind is None else VariableKind(kind)
        except Exception:
            raise ArgumentError(
                "There is no such kind of variable.",
                given=shown(kind),
                expected=", ".join(k.value for k in VariableKind),
            ) from None
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

    def rename(self, v: SDVariable | str, name: str) -> SDVariable:
        """Give a variable another name (a full one: open scopes are not put before it).

        Raises:
            VariableNameError: If the name is taken or malformed.
        """
        v = self.own(v)
        check_name(name)
        if name != v.name:
            with self.outside_scopes(""):
                self.rename_node(v.id, self.full_name(name))
        return v

    # ------------------------------------------------------------------ variables, given as such or by name

    def own(self, v: Any) -> SDVariable:
        """A variable of this graph for a name or a handle."""
        if type(v) is SDVariable:
            if v.sd is not self:
                raise UnknownVariableError(f"{v.name!r} belongs to another graph.", given=repr(v))
            v.node.check()
            return v
        if isinstance(v, str):
            return self.handle(self.id_of(v))
        raise ArgumentTypeError("Not a variable.", given=shown(v), expected="an SDVariable or a name")

    def several(self, vs: Any) -> list[SDVariable]:
        """Variables of this graph for one or many, each a name or a handle."""
        if type(vs) is SDVariable or isinstance(vs, str):
            return [self.own(vs)]
        try:
            each = list(vs)
        except Exception as e:
            raise ArgumentTypeError("Not variables.", given=shown(vs), expected="SDVariables or names") from e
        return [self.own(v) for v in each]

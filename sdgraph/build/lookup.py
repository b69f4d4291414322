"""Finding the variables of a graph by name and by kind, and naming them. Must not know ops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from sdgraph.build.builder import GraphBuilder
from sdgraph.build.calls import told_in_calls
from sdgraph.build.kinds import KindName, VariableKind
from sdgraph.build.names import check_name
from sdgraph.build.neighbours import is_hidden
from sdgraph.build.operation import Operation
from sdgraph.build.variable import SDVariable
from sdgraph.checks import flag, no_such
from sdgraph.infer.aval import is_floating
from sdgraph.wording import counted


@told_in_calls("sd")
class GraphLookup(GraphBuilder):
    """A graph whose variables can be looked up and named."""

    def __getitem__(self, name: str) -> SDVariable:
        if type(name) is SDVariable:
            return self.own(name)
        return self.handle(self.id_of(name))

    def __contains__(self, name: object) -> bool:
        if type(name) is SDVariable:
            return name.sd is self and not name.node.is_gone
        return isinstance(name, str) and self.has(name)

    def _ipython_key_completions_(self) -> list[str]:
        """What a notebook offers after ``sd["``."""
        return [v.name for v in self.variables()]

    def __len__(self) -> int:
        """How many variables `variables` lists."""
        return self.n_variables(gradients=False)

    def __iter__(self) -> Iterator[SDVariable]:
        return iter(self.variables())

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        flags = self.gradient_flags()
        counts = dict.fromkeys(VariableKind, 0)
        for i, node in enumerate(self.nodes):
            if not (flags[i] or is_hidden(node)):
                counts[node.op.kind] += 1
        parts = [counted(n, kind.value) for kind, n in counts.items() if n]
        if apart := self.n_variables(gradients=True) - sum(counts.values()):
            parts.append(f"{apart} for gradients")
        return f"<{type(self).__name__} {self.dtype.name}: {', '.join(parts) or 'empty'}>"

    def variables(self, kind: VariableKind | KindName | None = None, *, gradients: bool = False) -> list[SDVariable]:
        """All variables in creation order, or those of one kind.

        Args:
            kind: ``"placeholder"``, ``"variable"``, ``"constant"`` or ``"array"``.
            gradients: Whether to list what was made for gradients, too. It is found by name in any case.

        Raises:
            ArgumentError: For a kind that is none.

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
        nodes = self.nodes
        found = [
            i for i, node in enumerate(nodes) if (wanted is None or node.op.kind is wanted) and not is_hidden(node)
        ]
        if not flag("gradients", gradients) and self.marks.gradient_spans:
            apart = self.gradient_flags()
            found = [i for i in found if not apart[i]]
        return [SDVariable(self, i) for i in found]

    def ops(self, *, gradients: bool = False) -> list[Operation]:
        """Every call of an op in creation order, each with its op, inputs, outputs and settings.

        Args:
            gradients: Whether to list what computes gradients, too.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> loss = sd.loss.l2_loss(sd.var("w", [3.0, 4.0]) * 2.0)
            >>> for op in sd.ops():
            ...     print(op.name, [v.name for v in op.inputs], [v.name for v in op.outputs])
            math.mul ['w', 'constant'] ['mul']
            loss.l2_loss ['mul'] ['l2_loss']
        """
        calls: dict[int, list[SDVariable]] = {}
        for v in self.variables(VariableKind.ARRAY, gradients=gradients):
            calls.setdefault(self.call_of(v.node).id, []).append(v)
        return [Operation(tuple(outputs)) for outputs in calls.values()]

    def placeholders(self) -> list[SDVariable]:
        """The placeholders, in creation order."""
        return self.variables(VariableKind.PLACEHOLDER)

    def trainable_variables(self) -> list[SDVariable]:
        """The floating variables of kind VARIABLE, in creation order.

        Integers and bools that a variable holds, such as a table to look up in, have no gradient and are not trained.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff()
            >>> w, table = sd.var("w", [1.0, 2.0]), sd.var("table", [1, 0], dtype="int64")
            >>> sd.trainable_variables(), [v.name for v in sd.variables("variable")]
            ([<SDVariable 'w': variable, float32 (2,)>], ['w', 'table'])
        """
        return [v for v in self.variables(VariableKind.VARIABLE) if is_floating(v.dtype)]

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
        elif v.id not in self.names.given:
            # Whoever asks for the name that it has wants it to be read.
            self.rename_node(v.id, name)
        return v

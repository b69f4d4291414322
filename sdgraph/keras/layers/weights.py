"""A weight of a layer: one array, and the variables that stand for it in each graph that the layer is called in.

A graph keeps its own values. Whoever uses a weight settles it first: a value that a graph has got since, by training or
by hand, is then the weight's, and that of all its graphs. Must not know layers.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sdgraph.build.inside import outermost, outside
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import CONSTANT, VARIABLE
from sdgraph.build.variable import SDVariable
from sdgraph.infer.aval import Aval
from sdgraph.keras.layers.demands import term_of
from sdgraph.keras.layers.notes import Move, Term, notes_of

if TYPE_CHECKING:
    from sdgraph.build.graph import Node
    from sdgraph.build.kinds import AnyGraph

Array = np.ndarray[Any, Any]


class Weight:
    """A weight.

    Args:
        name: What it is called within its layer.
        array: Its first value.
        trainable: Whether it is trained; one that is not is a constant in graphs.
        regularizer: What of it is added to what is minimised.
    """

    def __init__(
        self,
        name: str,
        array: Array,
        trainable: bool = True,
        regularizer: Callable[[SDVariable], SDVariable] | None = None,
    ) -> None:
        if array.flags.writeable:
            array.flags.writeable = False
        self.name, self._array, self.trainable, self.regularizer = name, array, trainable, regularizer
        self.wanted = trainable
        """Whether it is trained where its layer is."""
        self._nodes: weakref.WeakKeyDictionary[AnyGraph, Node] = weakref.WeakKeyDictionary()

    def of(self, sd: AnyGraph, scope: str | None = None) -> SDVariable:
        """The variable that stands for the weight in a graph; it is made where there is none.

        Args:
            sd: The graph; for the body of a loop, that which the loop is in.
            scope: The scope that it is named under; by default the one that is open.
        """
        sd = outermost(sd)
        node = self._nodes.get(sd)
        if node is not None and not node.is_gone:
            return SDVariable(sd, node.id)
        self.settle()
        with sd.names.only(sd.names.scope if scope is None else scope):
            free = sd.names.free(self.name)
        op, aval = VARIABLE if self.trainable else CONSTANT, Aval(self._array.shape, self._array.dtype)
        v = SDVariable(sd, sd.add_leaf(op, aval, free, self._array, given=True))
        self.stands(v)
        if self.regularizer is not None and self.trainable:
            with outside(sd), sd.names.only((sd.names.scope if scope is None else scope) + "penalty/"):
                term = term_of(self.regularizer, v, f"the weight {self.name!r}")
            notes_of(sd).terms[term.node] = Term((), None, self)
            sd.add_loss(term)
        return v

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: its value, in no graph."""
        self.settle()
        return {k: v for k, v in vars(self).items() if k != "_nodes"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._nodes = weakref.WeakKeyDictionary()

    def call_it(self, name: str) -> None:
        """Give it another name, also in the graphs that have it."""
        old, self.name = self.name, name
        for sd, node in self._nodes.items():
            full = f"{node.name[: len(node.name) - len(old)]}{name}"
            if node.name.endswith(old) and full not in sd.names.ids:
                sd.rename(SDVariable(sd, node.id), full)

    def stands(self, v: SDVariable) -> None:
        """Let a variable stand for the weight in its graph."""
        self._nodes[v.sd] = v.node
        notes_of(v.sd).weights[v.node] = self

    def settle(self) -> Array:
        """The value, after which all graphs have it."""
        several = [(sd, node) for sd, node in self._nodes.items() if not node.is_gone]
        for sd, node in several:
            own = sd.values[node.id]
            if own is not self._array:
                self._array = own
                break
        for sd, node in several:
            if sd.values[node.id] is not self._array:
                self._set(sd, node)
        return self._array

    def _set(self, sd: AnyGraph, node: Node) -> None:
        sd.set_arrays({node.id: self._array})
        if node.op.kind is VariableKind.CONSTANT:
            # What was compiled may have its old value.
            sd.version += 1

    def give(self, array: Array) -> None:
        """Give the weight, and all graphs, another value."""
        self.settle()
        array.flags.writeable = False
        self._array = array
        for sd, node in self._nodes.items():
            if not node.is_gone:
                self._set(sd, node)

    def train(self, yes: bool) -> None:
        """Let the weight be trained, or not."""
        if yes == self.trainable:
            return
        self.trainable = yes
        for sd, node in self._nodes.items():
            if not node.is_gone and node.id not in sd.marks.updates:
                v = SDVariable(sd, node.id)
                (sd.convert_to_variable if yes else sd.convert_to_constant)(v)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Its dtype."""
        return self._array.dtype


def moved(v: SDVariable, moves: Sequence[Move]) -> None:
    """Let a weight that is not trained take these moves, one after another, after each step; without any, none."""
    sd, value = v.sd, v
    if not moves:
        sd.update(v, None)
        if v.kind is VariableKind.VARIABLE:
            sd.convert_to_constant(v)
        return
    if v.kind is VariableKind.CONSTANT:
        sd.convert_to_variable(v)
    for move in moves:
        kept = value * move.momentum if move.momentum else None
        value = move.toward if kept is None else kept + move.toward * (1 - move.momentum)
    sd.update(v, value)


def weight_of(v: SDVariable) -> Weight | None:
    """The weight that a variable stands for."""
    return None if v.sd.layer_notes is None else v.sd.layer_notes.weights.get(v.node)


def settle(weights: Iterable[Weight]) -> None:
    """Let every graph have the newest values."""
    for w in weights:
        w.settle()

"""The tables of a file that is being made: its variables and nodes, with their names and numbers.

Holds what SameDiff insists on, whatever is written: names that are all different, every output of a node listed, one
number for each of them. Must not know ops of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from sdgraph.build.kinds import VariableKind
from sdgraph.files.free_names import FreeNames
from sdgraph.files.samediff import arrays
from sdgraph.files.samediff.op_table import rows
from sdgraph.files.samediff.schema import CODES, KINDS, SHAPE_FLAGS, Record
from sdgraph.files.samediff.writing.properties import properties_of
from sdgraph.files.samediff.writing.refused import Refused
from sdgraph.infer.aval import Aval, Shape

_KIND_CODES: Final = {kind: code for code, kind in KINDS.items()}
_MISREAD: Final = {"uint16", "uint32"}
_HELD: Final = frozenset(t for t, code in CODES.items() if code in SHAPE_FLAGS and t.name not in _MISREAD)
"""The dtypes whose values come back in SameDiff: it swaps no bytes of UINT16, and knows no UINT32 when it reads."""

_BESIDES: Final = {
    "dropout": (20, 1),
    "avgpool2d": (21, -2722862872295379532),
    "avgpool3dnew": (21, 2089657872013560708),
    "conv1d": (21, 4269362468277784338),
    "conv2d": (21, 7325441780195652299),
    "conv3dnew": (21, -6041661452420323637),
    "deconv2d": (21, -5610168948065808882),
    "deconv3d": (21, -8612307330385251902),
    "depthwise_conv2d": (21, -225926216839100755),
    "maxpool2d": (21, -5136117949937364487),
    "maxpool3dnew": (21, -4091908718445771639),
    "sconv2d": (21, -2299977233157167345),
}
"""Operations that are written, and read as something else than one of our ops."""

_SMALL: Final = 64
"""Elements of a constant that equal ones share."""

STAYS_FINITE: Final = frozenset(
    {"abs", "add", "boolean_and", "cast", "ceil", "ClipByValue", "concat", "cos", "elu", "erf", "expand_dims", "floor"}
    | {"gather", "identity", "leakyrelu", "matmul", "maximum", "minimum", "mul_scalar", "multiply", "neg", "onehot"}
    | {"ones_as", "permute", "reduce_max", "reduce_mean", "reduce_min", "reduce_sum", "relu", "relu6", "reshape"}
    | {"reverse", "reversesubtract", "sigmoid", "sign", "sin", "softmax", "softplus", "softsign", "split", "square"}
    | {"squeeze", "stack", "stop_gradient", "strided_slice", "subtract", "tanh", "tile", "unstack", "zeroslike"}
)
"""Operations that make no infinity and no NaN of finite numbers, unless these are near the largest of their dtype."""


@dataclass(eq=False, slots=True)
class Value:
    """A variable of the file."""

    name: str
    aval: Aval
    record: Record
    node: Record | None = None
    trained: bool = False
    """Whether SameDiff's gradients reach it: a path of floating variables leads to it from one that is trained."""
    finite: bool = False
    """Whether its numbers are finite if those of placeholders and variables are."""
    array: Any = None
    """The numbers of a constant."""
    waits: bool = False
    """Whether the file has it only once a node needs it: a number may stand in the node instead."""

    @property
    def shape(self) -> Shape:
        """The shape, as far as it is known."""
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""
        return self.aval.dtype

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.aval.shape)


class Mark(NamedTuple):
    """How much there was, to go back to."""

    variables: int
    nodes: int
    constants: int
    next_id: int


@functools.cache
def number_of(op_name: str) -> tuple[int, int]:
    """The type and the number of an operation of SameDiff's."""
    return _numbers()[op_name]


@functools.cache
def _numbers() -> dict[str, tuple[int, int]]:
    return _BESIDES | {row.name: (row.type, row.number) for row in rows()}


class Records:
    """Variables and nodes in the order in which they are made."""

    def __init__(self, names: Iterable[str]) -> None:
        self.variables: list[Value] = []
        self.nodes: list[Record] = []
        self._free = FreeNames(names)
        self._constants: dict[Any, Value] = {}
        self._next_id = 1

    # ------------------------------------------------------------------ names

    def fresh(self, base: str) -> str:
        """A name that no variable of the graph or of the file has."""
        return self._free.take(base)

    def rename(self, value: Value, name: str) -> None:
        """Give a variable another name; nodes refer to it by number."""
        if value.node is not None:
            names = value.node["output_names"]
            names[names.index(value.name)] = name
        value.name = value.record["name"] = name

    # ------------------------------------------------------------------ variables

    def leaf(
        self,
        name: str,
        kind: VariableKind,
        aval: Aval,
        array: Any = None,
        *,
        trained: bool = False,
        waits: bool = False,
    ) -> Value:
        """Add a variable that no node makes; one that ``waits`` comes into the file when a node needs it."""
        check_dtype(aval.dtype)
        record = self._variable(name, kind, aval, (self._number(), 0))
        if kind is VariableKind.PLACEHOLDER:
            record["shape"] = [d if type(d) is int else -1 for d in aval.shape]
        finite = True
        if array is not None:
            record["array"] = arrays.from_numpy(array)
            finite = bool(np.all(np.isfinite(array)))
        constant = array if kind is VariableKind.CONSTANT else None
        value = Value(name, aval, record, trained=trained, finite=finite, array=constant, waits=waits)
        if not waits:
            self.variables.append(value)
        return value

    def need(self, value: Value) -> None:
        """Put a variable that waits into the file."""
        if value.waits:
            value.waits = False
            self.variables.append(value)

    def constant(self, base: str, array: Any) -> Value:
        """A constant that the graph does not name; small ones that are equal are one."""
        array = np.asarray(array)
        key = (array.dtype, array.shape, array.tobytes()) if array.size <= _SMALL else None
        found = self._constants.get(key)
        if found is None:
            aval = Aval(array.shape, array.dtype)
            found = self.leaf(self.fresh(base), VariableKind.CONSTANT, aval, array, waits=True)
            if key is not None:
                self._constants[key] = found
        return found

    # ------------------------------------------------------------------ nodes

    def node(
        self,
        op_name: str,
        inputs: Sequence[Value],
        outs: Sequence[tuple[str, Aval]],
        *,
        t: Sequence[float] = (),
        i: Sequence[int] = (),
        b: Sequence[bool] = (),
        d: Sequence[np.dtype[Any]] = (),
        dimensions: Sequence[int] = (),
        keep: bool = False,
        scalar: Any = None,
        more: dict[str, Any] | None = None,
    ) -> list[Value]:
        """Add a node, and a variable for each of its outputs.

        Raises:
            Refused: If an output has a dtype that SameDiff cannot hold.
        """
        for _, aval in outs:
            check_dtype(aval.dtype)
        for x in inputs:
            self.need(x)
        op_type, number = number_of(op_name)
        slots = {
            "t": [float(x) for x in t],
            "i": [int(x) for x in i],
            "b": [bool(x) for x in b],
            "d": [CODES[x] for x in d],
            "dimensions": [int(x) for x in dimensions],
        }
        me = self._number()
        node = Record(
            id=me,
            op_type=op_type,
            op_number=number,
            op_name=op_name,
            properties=properties_of(op_name, op_type, slots, more or {}, keep=keep),
            inputs=[Record(x.record["id"]) for x in inputs],
            output_names=[name for name, _ in outs],
            output_types=[CODES[aval.dtype] for _, aval in outs],
            scalar=None if scalar is None else arrays.from_numpy(scalar),
            old_inputs=[],
            old_outputs=[],
            device=-1,
            scope_name="",
            s=[],
            **slots,
        )
        self.nodes.append(node)
        reached = any(x.trained and x.dtype.kind == "f" for x in inputs)
        finite = op_name in STAYS_FINITE and all(x.finite for x in inputs)
        return [self._output(node, k, name, aval, reached, finite) for k, (name, aval) in enumerate(outs)]

    def _output(self, node: Record, k: int, name: str, aval: Aval, reached: bool, finite: bool) -> Value:
        record = self._variable(name, VariableKind.ARRAY, aval, (node["id"], k))
        node["old_outputs"].append(len(self.variables))
        finite = finite or aval.dtype.kind != "f"
        value = Value(name, aval, record, node, reached and aval.dtype.kind == "f", finite)
        self.variables.append(value)
        return value

    def _variable(self, name: str, kind: VariableKind, aval: Aval, place: tuple[int, int]) -> Record:
        return Record(
            id=Record(first=place[0], second=place[1]),
            name=name,
            dtype=CODES[aval.dtype],
            device=-1,
            kind=_KIND_CODES[kind],
        )

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    # ------------------------------------------------------------------ going back

    def mark(self) -> Mark:
        """How much there is now."""
        return Mark(len(self.variables), len(self.nodes), len(self._constants), self._next_id)

    def take_back(self, mark: Mark) -> None:
        """Drop what was made since."""
        for value in self.variables[mark.variables :]:
            value.waits = value.node is None
        del self.variables[mark.variables :]
        del self.nodes[mark.nodes :]
        while len(self._constants) > mark.constants:
            self._constants.popitem()
        self._next_id = mark.next_id

    # ------------------------------------------------------------------ the file

    def graph(self) -> Record:
        """The table of the whole file, without losses and training."""
        self._name_nodes()
        placeholders = [v.name for v in self.variables if v.record["kind"] == _KIND_CODES[VariableKind.PLACEHOLDER]]
        return Record(
            id=0,
            variables=[v.record for v in self.variables],
            nodes=self.nodes,
            outputs=[],
            configuration=Record(id=-1, output=3, time_stats=True),
            placeholders=placeholders,
            sequences=[],
        )

    def _name_nodes(self) -> None:
        """Name each node after its first output, where that is a name of which SameDiff runs the node."""
        self._free.reserve(v.name for v in self.variables)
        for node in self.nodes:
            name = node["output_names"][0]
            node["name"] = self.fresh(name.replace(":", "_")) if ":" in name else name


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Raise Refused for a dtype whose arrays SameDiff cannot hold."""
    if dtype not in _HELD:
        raise Refused(f"SameDiff cannot read arrays of {dtype.name} back")

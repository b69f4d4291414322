"""A graph from the tables of a file: variables first, then operations, each when its operands are there.

Operations of a file stand in any order, and are bound by the ids of variables, never by names of operations. What the
graph cannot have is collected, so that one error names all of it. Must not know any operation.
"""

from __future__ import annotations

import functools
import json
import re
import warnings
from collections import ChainMap, Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from sdgraph.build.inside import innermost
from sdgraph.build.kinds import VariableKind
from sdgraph.build.names import are_full_names, check_name
from sdgraph.build.variable import SDVariable
from sdgraph.errors import FormatError, SDGraphError, UnknownOpError, VariableNameError, shown
from sdgraph.files.free_names import FreeNames
from sdgraph.files.samediff import arrays
from sdgraph.files.samediff.configs import to_config
from sdgraph.files.samediff.op_table import rows
from sdgraph.files.samediff.reading.call import Call
from sdgraph.files.samediff.reading.frames import Alias, Condition, Item, Loop, Part, structured
from sdgraph.files.samediff.reading.making import is_there, make
from sdgraph.files.samediff.reading.nodes import Node, in_order, read_nodes
from sdgraph.files.samediff.reading.stored import Unfit
from sdgraph.files.samediff.schema import CONTROL_FLOW, KINDS, UTF8, Record
from sdgraph.files.samediff.tables import Damaged
from sdgraph.files.samediff.training import read_training
from sdgraph.infer.names import is_short, is_writable
from sdgraph.samediff import SameDiff
from sdgraph.train.updating.updater_state import UpdaterState
from sdgraph.wording import listed

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_OF_OPERAND: Final = {"dropout", "dropout_inverted"}
"""Operations whose outputs have the dtype of their operand, whatever a file says."""


def build(graph: Record, shapes: Mapping[str, Any], name: str) -> SameDiff:
    """The graph that the tables of a file describe.

    Args:
        graph: The table of the whole file.
        name: What messages call the file.
        shapes: Shapes of placeholders by name, in place of those in the file.

    Raises:
        Damaged: If they describe none.
        UnknownOpError: If it has operations that the graph cannot have; names them all.
        FormatError: If an operation cannot be made of its operands.
        VariableNameError: If ``shapes`` names no placeholder.
    """
    records = _by_name(graph["variables"] or [])
    nodes = read_nodes(graph["nodes"] or [], records)
    builder = _Builder(records, nodes)
    with builder.sd.one_origin():
        builder.leaves(shapes)
        items, refused = structured(nodes)
        for node in nodes:
            if node in refused or not (node.op in CONTROL_FLOW or is_there(node.op)):
                builder.lack(node, refused.get(node, ""))
        builder.items(items)
        builder.raise_problems(name)
        builder.losses(graph["losses"] or [])
    builder.training(graph)
    builder.warn(name)
    return builder.sd


def _by_name(variables: Iterable[Record]) -> dict[str, Record]:
    """The variables of a file by name, all of which a graph can have."""
    found: dict[str, Record] = {}
    for record in variables:
        name = record["name"]
        if not name or not is_short(name) or not is_writable(name) or _CONTROL.search(name):
            raise Damaged(f"a variable has the name {shown(name, 60)}")
        if name in found:
            raise Damaged(f"two variables have the name {shown(name, 60)}")
        if (record["kind"] or 0) not in KINDS:
            raise Damaged(f"the variable {shown(name, 60)} is of no kind that there is")
        found[name] = record
    return found


def _usual_dtype(records: Iterable[Record]) -> np.dtype[Any]:
    """The floating dtype that most variables have."""
    found = Counter(dtype for record in records if (dtype := _dtype(record)) is not None and dtype.kind == "f")
    return max(found, key=lambda dtype: (found[dtype], dtype.itemsize), default=np.dtype("float32"))


def _dtype(record: Record | None) -> np.dtype[Any] | None:
    """The dtype of a variable; None if the file does not say, or numpy has none."""
    try:
        return None if record is None else arrays.dtype_of(record["dtype"])
    except Damaged:
        return None


class _Unmade(Exception):
    """Something inside of a branch or a loop could not be made, which is noted where it is."""


class _Builder:
    """A graph that is being made, and what could not be made."""

    def __init__(self, records: Mapping[str, Record], nodes: Iterable[Node]) -> None:
        self._records = records
        self._computed = {name for node in nodes for name in node.outputs}
        self._prefixes = {name.rpartition(":")[0] for name in {*records, *self._computed}}
        """Of names that further outputs of operations have, what stands before the number."""
        self._free = FreeNames([*self._computed, *records])
        self._named_literals = any(name.startswith("constant") for name in self._computed)
        self._found: ChainMap[str, SDVariable] = ChainMap()
        """What was made by its name in the file; in a branch or a loop, what was made there before the rest."""
        self._names: dict[str, str] = {}
        """What variables of the file are called."""
        self._texts: set[str] = set()
        self._unreduced: list[str] = []
        """The losses of which the file does not say how they are reduced."""
        self._lacking: dict[tuple[str, str], list[str]] = {}
        """The names of the operations that sdgraph does not have, by what they are and why not."""
        self._failed: list[str] = []
        """What went wrong with operations that it has."""
        self.sd = SameDiff(_usual_dtype(records.values()))

    # ------------------------------------------------------------------ names

    def fresh(self, base: str) -> str:
        """A name like ``base`` that neither the graph nor the file has, nor will the further outputs of its op."""
        base = _well_formed(base)
        while self.sd.has(name := self._free.take(base)) or innermost(self.sd).has(name):
            pass
        return name

    def _here(self, name: str) -> str:
        """What a variable of the file is called: as there, or likewise if no variable can be called so."""
        if name not in self._names:
            self._names[name] = name if are_full_names([name]) else self.fresh(name)
        return self._names[name]

    def _named(self, v: SDVariable, name: str) -> SDVariable:
        """A variable under its name, also one that nobody could give it in a call."""
        here = self._here(name)
        if v.name != here and not (v.sd is not self.sd and v.sd.has(here)):
            v.sd.rename_node(v.id, here)
        self._found[name] = v
        return v

    # ------------------------------------------------------------------ variables

    def leaves(self, shapes: Mapping[str, Any]) -> None:
        """Make variables, constants and placeholders; texts are kept with the graph, which has none in arrays."""
        makers = {VariableKind.VARIABLE: self.sd.var, VariableKind.CONSTANT: self.sd.constant}
        placeholders = set()
        for name, record in self._records.items():
            kind, array = KINDS[record["kind"] or 0], record["array"]
            if name in self._computed:
                continue
            if kind is VariableKind.PLACEHOLDER:
                placeholders.add(name)
                self._placeholder(name, record, shapes)
            elif array is not None and arrays.is_text(array):
                self._texts.add(name)
                self.sd.user[name] = _as_text(arrays.texts(array))
            elif array is not None:
                make_leaf = makers.get(kind, self.sd.constant)
                self._named(make_leaf(self._leaf_name(name), arrays.to_numpy(array)), name)
            elif kind is not VariableKind.ARRAY:
                raise Damaged(f"the variable {shown(name, 60)} has no values")
        if not shapes.keys() <= placeholders:
            raise VariableNameError(
                "The file has no such placeholder.",
                given=", ".join(shown(name) for name in shapes.keys() - placeholders),
                expected=", ".join(sorted(placeholders)) or "nothing: it has none",
            )

    def _placeholder(self, name: str, record: Record, shapes: Mapping[str, Any]) -> None:
        if record["dtype"] == UTF8:
            self._texts.add(name)
            return
        dtype = arrays.dtype_of(record["dtype"])
        shape = [None if d < 0 else d for d in record["shape"] or ()]
        self._named(self.sd.placeholder(self._leaf_name(name), shapes.get(name, shape), dtype), name)

    def _leaf_name(self, name: str) -> str:
        here = self._here(name)
        return here if _is_well_formed(here) else self.fresh(here)

    # ------------------------------------------------------------------ operations

    def items(self, items: Sequence[Item]) -> None:
        """Make operations, conditions and loops, each after what it reads."""
        for item in in_order([x for x in items if not isinstance(x, Node) or is_there(x.op)]):
            if isinstance(item, Node):
                self.operation(item)
            elif isinstance(item, Alias):
                if item.inputs[0] in self._found:
                    self._found[item.outputs[0]] = self._found[item.inputs[0]]
            else:
                self._structure(item)

    def _structure(self, item: Condition | Loop) -> None:
        """Make a condition or a loop, unless something that it reads, or has inside, could not be made."""
        if any(name not in self._found for name in item.inputs):
            if any(name in self._texts for name in item.inputs):
                self.lack(item.node, "it reads texts")
            return
        name = self._name_of(item)
        try:
            if isinstance(item, Condition):
                branches = [lambda part=part: self._inside(part)[0] for part in (item.on_true, item.on_false)]
                results = {item.outputs[0]: self.sd.cond(self._found[item.pred], *branches, name=name)}
            else:
                finals = self._loop(item, name)
                results = {output: finals[k] for output, k in item.results.items()}
        except _Unmade:
            return
        except SDGraphError as e:
            self._failed.append(f"{item.node.op} ({shown(item.name, 60)}): {e.message}")
            return
        for k, (output, v) in enumerate(results.items()):
            again = any(v is other for other in list(results.values())[:k])
            self._named(self.sd.identity(v, name=self.fresh(f"{output}/identity")) if again else v, output)

    def _name_of(self, item: Condition | Loop) -> str:
        """The name of its first result, if that can be given and the further ones are free; else one like it."""
        name = item.outputs[0]
        first = isinstance(item, Condition) or item.results[name] == 0
        free = name not in self._prefixes and not innermost(self.sd).has(name)
        return name if first and free and _is_well_formed(name) else self.fresh(name)

    def _loop(self, loop: Loop, name: str) -> Sequence[SDVariable]:
        """Make a loop; return its final carries."""

        def inside(part: Part) -> Callable[[Sequence[SDVariable]], list[SDVariable]]:
            return lambda carry: self._inside(part, dict(zip(loop.carries, carry, strict=True)))

        test, body = inside(loop.test), inside(loop.body)
        return self.sd.while_loop(lambda h: test(h)[0], body, [self._found[x] for x in loop.init], name=name)

    def _inside(self, part: Part, given: Mapping[str, SDVariable] | None = None) -> list[SDVariable]:
        """Make what is inside of a branch or a loop, which is being traced; return what is wanted of it."""
        outer = self._found
        self._found = outer.new_child(dict(given or {}))
        try:
            self.items(part.items)
            if any(name not in self._found for name in part.wanted):
                raise _Unmade
            return [self._found[name] for name in part.wanted]
        finally:
            self._found = outer

    def operation(self, node: Node) -> None:
        """Make an operation, unless something that it reads could not be made."""
        if any(name not in self._found for name in node.inputs):
            if any(name in self._texts for name in node.inputs):
                self.lack(node, "it reads texts")
            return
        try:
            dtypes = [_dtype(self._records.get(name)) for name in node.outputs]
            # What is captured inside of a branch or a loop takes names there, also as the operation is made.
            single = len(node.outputs) == 1 and innermost(self.sd) is self.sd
            own = node.outputs[0] if single and _is_well_formed(node.outputs[0]) else None
            operands = [self._found[name] for name in node.inputs]
            call = Call(self.sd, node.stored(dtypes), operands, self.fresh, own, self._named_literals)
            self._bind(call, make(call))
            if not call.stored.i and node.op in _reduced_losses():
                self._unreduced.append(node.outputs[0])
        except Unfit as e:
            self.lack(node, str(e))
        except Damaged:
            raise
        except SDGraphError as e:
            self._failed.append(f"{node.op} ({shown(node.name, 60)}): {e.message}")
        except (ArithmeticError, ValueError, TypeError, LookupError, MemoryError, RecursionError):
            self._failed.append(f"{node.op} ({shown(node.name, 60)}): its arguments do not fit together")

    def _bind(self, call: Call, results: list[SDVariable]) -> None:
        """Give results the names and dtypes that they have in the file."""
        stored = call.stored
        if len(results) < len(stored.outputs):
            raise Unfit(f"it has {len(stored.outputs)} outputs, and not {len(results)}")
        for name, dtype, v in zip(stored.outputs, stored.dtypes, results, strict=False):
            made_here = v.sd is innermost(self.sd)
            if dtype is not None and v.dtype != dtype and stored.op not in _OF_OPERAND:
                if made_here and v.name in stored.outputs:
                    v.sd.rename_node(v.id, self.fresh(f"{name}/{(v.op_name or '').rpartition('.')[2]}"))
                v = call.apply("cast", v, dtype=dtype)
            elif v.name in self._found or not made_here:
                v = call.apply("identity", v)
            self._named(v, name)

    def lack(self, node: Node, why: str = "") -> None:
        """Note an operation that sdgraph does not have, or not in this form."""
        names = self._lacking.setdefault((node.op, why), [])
        if node.name not in names[-1:]:
            names.append(node.name)

    def raise_problems(self, name: str) -> None:
        """Raise the error that names all that could not be made."""
        if self._lacking:
            raise UnknownOpError(
                f"The graph of {name} has operations that sdgraph does not have, or not in this form.",
                names=dict.fromkeys(op for op, _ in sorted(self._lacking)),
                given=", ".join(_lacking(*key, names) for key, names in sorted(self._lacking.items())),
                fix="Leave them out in Java before saving, or save the parts without them.",
            )
        if self._failed:
            raise FormatError(
                f"The graph of {name} has operations that cannot be made of their operands.",
                given="\n".join(self._failed),
            )

    # ------------------------------------------------------------------ losses

    def losses(self, names: Iterable[str]) -> None:
        """Mark what the file minimizes."""
        names = list(dict.fromkeys(names))
        lost = [name for name in names if name not in self._found]
        if lost:
            raise Damaged(f"it minimizes {shown(lost[0], 60)}, which is not there")
        if names:
            try:
                self.sd.set_loss_variables([self._found[name] for name in names])
            except SDGraphError as e:
                raise Damaged(f"it minimizes what is no loss: {e.message}") from e

    def training(self, graph: Record) -> None:
        """Keep with the graph how it was trained, and how far."""
        found = read_training(graph)
        if found is not None:
            self.sd.training_config = to_config(found.settings, self._here)
            slots = {self._here(name): kept for name, kept in found.state.items()}
            self.sd.updater_state = UpdaterState(found.iteration, found.epoch, slots)

    def warn(self, name: str) -> None:
        """Say what the file leaves open."""
        if self._unreduced:
            losses = f"{listed(self._unreduced[:5], 'and')} {'are' if len(self._unreduced) > 1 else 'is'}"
            warnings.warn(
                f"{name} does not say how {losses} reduced, as files from before September 2021 do not. SameDiff's "
                "default is taken: MEAN_BY_NONZERO_WEIGHT_COUNT.",
                UserWarning,
                stacklevel=7,
            )


@functools.cache
def _reduced_losses() -> frozenset[str]:
    """The operations that have a reduction among their arguments."""
    return frozenset(row.name for row in rows() if any(slot.name == "loss_reduce" for slot in row.i))


def _lacking(op: str, why: str, names: Sequence[str]) -> str:
    """What to say of operations of one sort."""
    if not why:
        return shown(op, 60)[1:-1]
    several = f"{listed(names[:3], 'and')}{f' and {len(names) - 3:,} more' if len(names) > 3 else ''}"
    return f"{op} ({several}: {why})"


def _is_well_formed(name: str) -> bool:
    try:
        check_name(name)
    except VariableNameError:
        return False
    return True


def _well_formed(name: str) -> str:
    """A name that a variable can be given, as like another as it can be."""
    parts = (re.sub(r"[\x00-\x1f\x7f:]", "_", part).strip() for part in name.split("/"))
    return "/".join(part for part in parts if part)[-900:].lstrip("/").strip() or "x"


def _as_text(texts: np.ndarray[Any, Any]) -> str:
    """An array of texts as one: itself if it is one, else as JSON."""
    return str(texts[()]) if not texts.shape else json.dumps(texts.tolist(), ensure_ascii=False)

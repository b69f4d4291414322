"""What to say of a name that nothing has: where it is, how it is spelt here, or that it is not there yet.

Looks through everything that a graph, a variable or a module offers. Asked when a message is shown, not when it is
raised: programs try names to see whether they are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from sdgraph.build.op import REGISTRY, Op
from sdgraph.build.spelling.others import methods, other_libraries
from sdgraph.build.spelling.samediff import Row, operations
from sdgraph.wording import folded, nearest

_NOT_YET: Final = 'is not there yet: see "What is not there" on the page "Port from SameDiff".'
_MOST: Final = 4
"""Places that a hint names."""


class Asked(NamedTuple):
    """Where a name was looked for."""

    place: str
    """What does not have the name, as code: ``sd.math``."""
    namespace: str
    """SameDiff's name of it: ``math``; ``sd`` for the graph and ``x`` for a variable."""
    graph: Any
    """The graph; None where there is only a module."""
    own: tuple[str, ...]
    """What it does have, as a user types it after the dot."""
    root: str = "sd"
    """What operations are written behind."""
    operand: str = ""
    """The variable, as code, if it was asked."""
    of_variables: tuple[str, ...] = ()
    """What variables have, if one may be meant."""
    elsewhere: Mapping[str, str] = {}
    """More names that may be meant, with what to write for them."""

    @property
    def has_ops(self) -> bool:
        """Whether operations may be meant."""
        return self.graph is not None or self.root == "nd"


def advice(asked: Asked, name: str, *, misspelt: bool = True) -> str | None:
    """What to write instead of an attribute that is not there, or None; names that may be misspelt have likely ones."""
    # A variable has few names of its own, and those of arrays elsewhere mean no operation of that name.
    first = (_other_library,) if asked.operand else ()
    others = (_same_row, _same_name, _other_row, _variable, _other_method, _other_library)
    for found in (_own, *first, _same_method, *others, *((_near,) if misspelt else ())):
        text = found(asked, name)
        if text:
            graph = " Here sd is a graph: sd = SameDiff()." if not asked.namespace and " sd." in text else ""
            return text + graph
    return None


# ---------------------------------------------------------------------- SameDiff


def _same_row(asked: Asked, name: str) -> str | None:
    """What SameDiff has under this name in the same place."""
    return _of_rows(asked, [row for row in operations() if (row.namespace, row.name) == (asked.namespace, name)])


def _other_row(asked: Asked, name: str) -> str | None:
    """What SameDiff has under this name, or under one that reads the same, in any place."""
    alike = [row for row in operations() if folded(row.name) == folded(name)]
    return _of_rows(asked, sorted(alike, key=lambda row: (row.namespace != asked.namespace, not row.op)))


def _of_rows(asked: Asked, rows: list[Row]) -> str | None:
    ops = list(dict.fromkeys(row.op for row in rows if row.op))
    if ops:
        return _is_there([_written(asked, REGISTRY[op], len(ops) > 1) for op in ops])
    for row in rows:
        java = row.name if row.namespace in ("sd", asked.namespace) else f"{row.namespace}().{row.name}"
        return _instead(f"SameDiff's {java}", row.instead)
    return None


def _same_method(asked: Asked, name: str) -> str | None:
    """What SameDiff's graphs or variables have, whichever was asked."""
    return _method(asked.namespace, name)


def _other_method(asked: Asked, name: str) -> str | None:
    """What SameDiff's graphs or variables have."""
    return _method("sd", name) or _method("x", name)


def _method(receiver: str, name: str) -> str | None:
    for java, text in methods(receiver).items():
        if folded(java) == folded(name):
            return _instead(f"SameDiff's {java}", text)
    return None


# ---------------------------------------------------------------------- what is here


def _own(asked: Asked, name: str) -> str | None:
    """The same name in our spelling."""
    forms = [f"{asked.place}.{k}" for k in asked.own if folded(k) == folded(name)]
    return _is_there(forms) if forms else None


def _same_name(asked: Asked, name: str) -> str | None:
    """The same name in another place, and those here that begin with it."""
    forms = _everything(asked, operands=True).get(name)
    if not forms:
        return None
    longer = [f"{asked.place}.{k}" for k in asked.own if k.startswith(f"{name}_")]
    return _is_there(forms) + (f" Or did you mean {_or(longer[:_MOST])}?" if longer else "")


def _variable(asked: Asked, name: str) -> str | None:
    """A variable of the graph."""
    names = getattr(asked.graph, "names", None)
    return f"It is a variable: sd[{name!r}]." if names is not None and name in names.ids else None


def _other_library(asked: Asked, name: str) -> str | None:
    for other, text in other_libraries().items():
        # What ends in an underscore works in place elsewhere.
        if folded(other) == folded(name) and other.endswith("_") == name.endswith("_"):
            return _instead(name, text)
    return None


def _near(asked: Asked, name: str) -> str | None:
    everything = _everything(asked)
    own = {k: [f"{asked.place}.{k}"] for k in asked.own}
    forms = [form for k in nearest(name, {**own, **everything}) for form in own.get(k) or everything[k]]
    return f"Did you mean {_or(forms[:_MOST])}?" if forms else None


def _everything(asked: Asked, *, operands: bool = False) -> Mapping[str, list[str]]:
    """Every name a user may type behind a graph, a namespace or a variable, with the places where it is."""
    found: dict[str, list[str]] = {}
    of_graph = () if asked.graph is None else dir(asked.graph)
    ops = [op for op in REGISTRY.values() if op.is_ours] if asked.has_ops else []
    names = [op.name for op in ops]
    for op in ops:
        # A graph does not show what only the library calls.
        if op.namespace or asked.graph is None or op.name in of_graph:
            several = operands and names.count(op.name) > 1
            found.setdefault(op.name, []).append(_written(asked, op, several))
    base = {op.name for op in ops if not op.namespace}
    others = [(name, f"sd.{name}") for name in of_graph] + [
        (name, f"x.{name}, of a variable x") for name in asked.of_variables
    ]
    for name, form in [*((n, form) for n, form in others if n not in base and n[0] != "_"), *asked.elsewhere.items()]:
        found.setdefault(name, []).append(form)
    return found


def _written(asked: Asked, op: Op, several: bool) -> str:
    """An op as a user types it, with the variable it was asked of, or with its operands where two have one name."""
    path = f"{asked.root}.{op.qualname}"
    if asked.operand:
        operands = [k for k in op.operand_names if k not in op.operand_defaults]
        settings = ["..."] if op.signature.has_required_attrs else []
        return f"{path}({', '.join(([asked.operand] if len(operands) == 1 else operands) + settings)})"
    return f"{path}({', '.join(op.operand_names)})" if several else path


# ---------------------------------------------------------------------- sentences


def _is_there(forms: list[str]) -> str:
    return f"It is {_or(forms[:_MOST])}."


def _instead(what: str, text: str) -> str:
    """What to write, as a table says it."""
    return f"Instead of {what} write {text.replace('`', '')}." if text else f"{what} {_NOT_YET}"


def _or(forms: Iterable[str]) -> str:
    *others, last = forms
    return f"{', '.join(others)} or {last}" if others else last

"""One definition, two forms: a function on variables of a graph that computes arrays at once when it gets arrays.

A body is written for variables. With a variable among its operands the nodes go into that variable's graph; with arrays
alone the body is traced into a small graph of its own, which is compiled once per function, settings, shapes and
dtypes. Knows no function.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from sdgraph.build import forks
from sdgraph.build.attributes import attr_key, freeze
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentTypeError, shown
from sdgraph.infer.arrays import as_numbers, own_array
from sdgraph.keras.config import floatx
from sdgraph.nd.calls import graph_of
from sdgraph.run.evaluate import executable_of
from sdgraph.samediff import SameDiff

if TYPE_CHECKING:
    from sdgraph.run.executable import Executable

Tensor: TypeAlias = Any
"""A variable of a graph, an array, or what numpy makes one of; in a body always a variable."""

Tensors: TypeAlias = Any
"""Several of them; in a body a tuple of variables."""

Apart: TypeAlias = Any
"""An operand whose dtype says nothing of the others, and stays: indices, conditions."""

F = TypeVar("F", bound=Callable[..., Any])

_MAX_COMPILED = 512
_INT32 = np.iinfo("int32")

_lock = threading.Lock()
forks.renew(sys.modules[__name__], "_lock", threading.Lock)
_compiled: dict[Any, tuple[Executable, list[str], Callable[[list[Any]], Any]]] = {}


Rule: TypeAlias = Callable[[Sequence["_Leaf"], np.dtype[Any]], list[Any]]


class _Leaf:
    """An operand of a call: a variable or an array, and whether its dtype is its own."""

    __slots__ = ("strong", "value")

    def __init__(self, value: Any, strong: bool) -> None:
        self.value = value
        self.strong = strong

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.value.dtype


# ---------------------------------------------------------------------- rules of dtypes


def _as_they_are(leaves: Sequence[_Leaf], floating: np.dtype[Any]) -> list[Any]:
    return [None] * len(leaves)


def _in_common(leaves: Sequence[_Leaf], floating: np.dtype[Any]) -> list[Any]:
    """One dtype for all: that of what is floating, if anything is, whatever the integers beside it are."""
    strong = [leaf.dtype for leaf in leaves if leaf.strong]
    floats = [d for d in strong if d.kind in "fc"]
    if floats:
        wanted = np.result_type(*floats)
    elif any(leaf.dtype.kind == "f" for leaf in leaves):
        wanted = floating
    else:
        wanted = np.result_type(*(strong or [leaf.dtype for leaf in leaves]))
        if wanted.kind == "b" or (wanted.kind == "u" and strong):
            wanted = np.result_type(wanted, *(leaf.dtype for leaf in leaves))
    return [wanted] * len(leaves)


def _floating(leaves: Sequence[_Leaf], floating: np.dtype[Any]) -> list[Any]:
    """As `_in_common`, and what has no floating dtype gets the usual one."""
    wanted = _in_common(leaves, floating)
    return [d if d.kind in "fc" else floating for d in wanted]


# ---------------------------------------------------------------------- decorators


def operation(body: F) -> F:
    """A function whose operands keep their dtypes.

    Parameters annotated ``Tensor``, or as sequences of them, are operands; all others are settings.
    """
    return _function(body, _as_they_are)


def arithmetic(body: F) -> F:
    """A function whose operands get one dtype in common, as Keras chooses it: floats do not grow beside integers."""
    return _function(body, _in_common)


def on_floats(body: F) -> F:
    """A function whose operands are floating; integers and bools become so."""
    return _function(body, _floating)


def _function(body: F, rule: Rule) -> F:
    signature = inspect.signature(body)
    annotations = {name: str(p.annotation) for name, p in signature.parameters.items()}
    kinds = {k: _kind(signature.parameters[k]) for k, a in annotations.items() if "Tensor" in a or "Apart" in a}
    apart = {k for k, a in annotations.items() if "Apart" in a}

    @functools.wraps(body)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            bound = signature.bind(*args, **keywords)
        except TypeError as e:
            raise ArgumentTypeError(f"{body.__name__}: {e}.", fix=f"Call it as {_usage(body, signature)}.") from None
        found: list[Any] = []
        given = bound.arguments
        places = {name: kind(given[name], found) for name, kind in kinds.items() if name in given}
        free = [places[name] for name in apart if name in places]
        for name in kinds:
            if signature.parameters[name].default is signature.empty and places.get(name, ()) in (None, ()):
                raise ArgumentTypeError(f"{body.__name__} takes tensors as {name}.", given=shown(given.get(name, ())))
        sd = graph_of(found)
        if sd is None:
            return _on_arrays(body, bound, places, *_leaves(found, free, rule, np.dtype(floatx())))
        leaves, dtypes = _leaves(found, free, rule, sd.dtype)
        with sd.transaction():
            variables = [_cast(sd.as_variable(leaf.value), d) for leaf, d in zip(leaves, dtypes, strict=True)]
            return _called(body, bound, places, variables)

    return call  # type: ignore[return-value]


def _usage(body: Callable[..., Any], signature: inspect.Signature) -> str:
    return f"{body.__name__}({', '.join(str(p.replace(annotation=p.empty)) for p in signature.parameters.values())})"


def _cast(x: SDVariable, dtype: np.dtype[Any] | None) -> SDVariable:
    return x if dtype is None or x.dtype == dtype else x.sd.cast(x, dtype)


def _called(body: Callable[..., Any], bound: inspect.BoundArguments, places: Mapping[str, Any], values: Any) -> Any:
    """The body's result where each place holds its variable."""
    filled = {name: _at(place, values) for name, place in places.items()}
    full = inspect.BoundArguments(bound.signature, {**bound.arguments, **filled})  # type: ignore[arg-type]
    return body(*full.args, **full.kwargs)


def _at(place: Any, values: Sequence[Any]) -> Any:
    if isinstance(place, tuple):
        return tuple(_at(p, values) for p in place)
    return None if place is None else values[place]


# ---------------------------------------------------------------------- operands


def _kind(p: inspect.Parameter) -> Callable[[Any, list[Any]], Any]:
    return _several if p.kind is p.VAR_POSITIONAL or "Tensors" in str(p.annotation) else _one


def _one(given: Any, found: list[Any]) -> Any:
    """Enter an operand into ``found``; its place there."""
    if given is None:
        return None
    if hasattr(given, "as_operand"):
        given = given.as_operand()
    elif isinstance(given, list | tuple) and (sd := graph_of(given)) is not None:
        given = sd.stack(*given)
    found.append(given)
    return len(found) - 1


def _several(given: Any, found: list[Any]) -> Any:
    """The same for a sequence of operands."""
    if isinstance(given, SDVariable | np.ndarray) or not isinstance(given, Iterable):
        return _one(given, found)
    return tuple(_one(x, found) for x in given)


def _leaves(
    found: Sequence[Any], free: Sequence[Any], rule: Rule, usual: np.dtype[Any]
) -> tuple[list[_Leaf], list[np.dtype[Any] | None]]:
    """The operands as leaves, and the dtypes that a rule chooses for them; those in ``free`` places keep theirs."""
    mixed = any(isinstance(x, SDVariable | np.ndarray) for x in found)
    ruled = [k for k in range(len(found)) if k not in free]
    typed = [found[k] for k in ruled if isinstance(found[k], SDVariable | np.ndarray)]
    floats = [x.dtype for x in typed if x.dtype.kind == "f"]
    floating = np.result_type(*floats) if floats else usual
    leaves = [_leaf(x, floating, mixed=mixed) for x in found]
    dtypes: list[np.dtype[Any] | None] = [None] * len(found)
    for k, d in zip(ruled, rule([leaves[k] for k in ruled], floating) if ruled else [], strict=True):
        dtypes[k] = d
    return leaves, dtypes


def _leaf(x: Any, floating: np.dtype[Any], *, mixed: bool) -> _Leaf:
    if isinstance(x, SDVariable):
        return _Leaf(x, True)
    if isinstance(x, np.ndarray) or (isinstance(x, np.generic) and not mixed):
        return _Leaf(own_array(x), True)
    array = as_numbers(x)
    if array.dtype.kind == "f":
        array = array.astype(floating)
    elif array.dtype.kind == "i" and (not array.size or (array.min() >= _INT32.min and array.max() <= _INT32.max)):
        array = array.astype("int32")
    return _Leaf(array, False)


# ---------------------------------------------------------------------- arrays


def _on_arrays(
    body: Callable[..., Any],
    bound: inspect.BoundArguments,
    places: Mapping[str, Any],
    leaves: Sequence[_Leaf],
    dtypes: Sequence[np.dtype[Any] | None],
) -> Any:
    """What the body makes of arrays, compiled once per settings, shapes and dtypes."""
    arrays = [x.value if d is None else x.value.astype(d, copy=False) for x, d in zip(leaves, dtypes, strict=True)]
    settings = {k: freeze(k, v) for k, v in bound.arguments.items() if k not in places}
    key = (body, floatx(), tuple((a.shape, a.dtype) for a in arrays), tuple(places.items()), attr_key(settings))
    made = _compiled.get(key)
    if made is None:
        made = _compile(body, bound, places, arrays)
        with _lock:
            if len(_compiled) >= _MAX_COMPILED:
                _compiled.pop(next(iter(_compiled)))
            _compiled[key] = made
    executable, names, packed = made
    return packed(executable.run(dict(zip(names, arrays, strict=True))))


def _compile(body: Callable[..., Any], bound: Any, places: Any, arrays: Sequence[np.ndarray[Any, Any]]) -> Any:
    sd = SameDiff(dtype=floatx())
    names = [f"operand_{k}" for k in range(len(arrays))]
    operands = [sd.placeholder(k, a.shape, a.dtype) for k, a in zip(names, arrays, strict=True)]
    out = _called(body, bound, places, operands)
    if isinstance(out, SDVariable):
        return executable_of(sd, [out]), names, _only
    return executable_of(sd, list(out)), names, type(out)


def _only(values: Sequence[Any]) -> Any:
    return values[0]


__all__ = ["Apart", "Tensor", "Tensors", "arithmetic", "on_floats", "operation"]

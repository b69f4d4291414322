"""Who lacks a name: the errors that namespaces, variables, compiled functions and modules raise.

Cheap, because programs try names to see whether they are there. Names that begin with an underscore are Python's and
IPython's affair, and get Python's own error. What was meant is found by `sdgraph.build.spelling.unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sdgraph.build.index_key import as_code
from sdgraph.errors import SDGraphError, UnknownAttributeError

if TYPE_CHECKING:
    from sdgraph.build.spelling.unknown import Asked


def of_namespace(space: Any, variable: type, name: str) -> AttributeError:
    """The error for what a namespace does not have; a graph is the namespace of the base ops.

    Args:
        space: The namespace.
        variable: The class of variables, one of whose methods may be meant.
        name: What it does not have.
    """
    state = vars(space)
    graph = space if "nodes" in state else state.get("sd")
    # Before a graph is made, and where there is none, its parts are missing like those of any object.
    if name.startswith("_") or name in ("sd", "nodes", "names") or graph is None:
        return _plain(space, name)
    cls, on_arrays = type(space), "nodes" not in vars(graph)
    root = "nd" if on_arrays else "sd"
    place = root if not cls.prefix else f"{root}.{cls.prefix}"
    if not cls.__module__.startswith("sdgraph."):
        place = cls.__name__

    def asked() -> Asked:
        from sdgraph.build.spelling.unknown import Asked

        own, methods = _public(dir(space)), () if on_arrays else _public(dir(variable))
        return Asked(place, cls.prefix or "sd", None if on_arrays else graph, own, root, of_variables=methods)

    return _unknown("The graph" if graph is space else place, name, asked)


def of_variable(v: Any, name: str) -> AttributeError:
    """The error for what a variable does not have."""
    if name.startswith("_") or name in ("node", "sd"):
        return _plain(v, name)
    try:
        own_name = v.name
    except SDGraphError:
        own_name = "v"
    # Its name may be gone when the message is read.
    code = as_code(own_name)
    return _unknown(f"The variable {own_name!r}", name, lambda: asked_of(v, code))


def asked_of(v: Any, code: str) -> Asked:
    """A variable, which code calls ``code``, as one that is asked for a name."""
    from sdgraph.build.spelling.unknown import Asked

    return Asked(code, "x", v.sd, _public(dir(v)), operand=code)


def of_object(x: Any, what: str, code: str, name: str, **meant: str) -> AttributeError:
    """The error for what another object does not have.

    Args:
        x: The object.
        what: What a message calls it.
        code: What code calls it.
        name: What it does not have.
        **meant: What to write for names that are probably tried.
    """
    if name.startswith("_"):
        return _plain(x, name)
    return _unknown(what, name, lambda: _asked(code, _public(dir(x)), meant))


def of_module(
    module: str,
    name: str,
    own: Iterable[str],
    *,
    elsewhere: Callable[[], Mapping[str, str]] = dict,
    graph: Callable[[], Any] = lambda: None,
) -> AttributeError:
    """The error for what a module does not have.

    Args:
        module: Its name.
        name: What it does not have.
        own: What it has.
        elsewhere: More names that may be meant, with what to write for them.
        graph: Makes a graph, if its operations may be meant.
    """
    if name.startswith("_"):
        return AttributeError(f"module {module!r} has no attribute {name!r}")
    return _unknown(module, name, lambda: _asked(module, tuple(own), elsewhere(), graph()))


def _asked(code: str, own: tuple[str, ...], elsewhere: Mapping[str, str], graph: Any = None) -> Asked:
    from sdgraph.build.spelling.unknown import Asked

    return Asked(code, "", graph, own, elsewhere=elsewhere)


def _unknown(what: str, name: str, asked: Callable[[], Asked]) -> UnknownAttributeError:
    def advice() -> str | None:
        from sdgraph.build.spelling.unknown import advice

        return advice(asked(), name)

    return UnknownAttributeError(f"{what} has no attribute {name!r}.", name=name, advice=advice)


def _plain(x: Any, name: str) -> AttributeError:
    return AttributeError(f"{type(x).__name__!r} object has no attribute {name!r}", name=name, obj=x)


def _public(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.startswith("_"))

r"""Fits the docstrings to Sphinx: LaTeX in dollars, names of types, named tuples, and what a graph shows of itself.

Docstrings hold LaTeX between dollars, as notebooks render it; Sphinx wants a directive for ``$$ ... $$`` and a role for
``$...$``. The fields of a named tuple are described in its class docstring, so Python's own text for each
("Alias for field number 0") is left out. Of graphs, variables and compiled functions the reference has what ``dir`` of
one has: what users call.
"""

import re

from sphinx.addnodes import pending_xref
from sphinx.util import inspect

from sdgraph import Executable, SameDiff, SDVariable
from sdgraph.keras.layers import Layer

_BLOCK = re.compile(r"^(?P<indent>[ ]*)\$\$(?P<body>.+?)\$\$[ ]*$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<![\\$`\w])\$(?P<body>[^\s$](?:[^$\n]*[^\s$])?)\$(?![\w$`])")
# A line that begins with "P. Huber" is the beginning of a source, no item P of a list.
_INITIAL = re.compile(r"^(?P<before>[ ]*[A-Z])\. (?=[A-Z])", re.MULTILINE)


def _directive(match: re.Match[str]) -> str:
    indent = match["indent"]
    body = "\n".join(f"{indent}   {line.strip()}" for line in match["body"].strip().splitlines())
    return f"\n{indent}.. math::\n\n{body}\n"


def to_rst(text: str) -> str:
    text = _INITIAL.sub(r"\g<before>\\. ", _BLOCK.sub(_directive, text))
    return _INLINE.sub(lambda match: f":math:`{match['body']}`", text)


def _process_docstring(app, what, name, obj, options, lines) -> None:
    if any("$" in line or _INITIAL.match(line) for line in lines):
        lines[:] = to_rst("\n".join(lines)).splitlines()


_v = SameDiff().var("v", 1.0)
_ONE_OF = {SameDiff.__name__: _v.sd, SDVariable.__name__: _v, Executable.__name__: _v.sd.compile(_v)}


def is_machinery(name: str, of: str = SameDiff.__name__) -> bool:
    """Whether a member of a class is there for the library only."""
    return of in _ONE_OF and name not in dir(_ONE_OF[of])


_BASES = {"sdgraph.keras.layers": "Layer", "sdgraph.keras.metrics": "Metric", "sdgraph.keras.models": "Model"}
"""Of the classes of a module the one whose members are told; the others have the same, as their own text says."""


def _is_told_of_the_base(module: str, of: str, name: str) -> bool:
    return module in _BASES and of != _BASES[module] and not (of == "Sequential" and name in ("add", "pop"))


def _skip_member(app, what, name, obj, skip, options) -> bool | None:
    within = app.env.temp_data
    of = within.get("autodoc:class") if what == "class" else None
    if of and _is_told_of_the_base(within.get("autodoc:module") or "", of, name):
        return True
    return True if type(obj).__name__ == "_tuplegetter" or (of and is_machinery(name, of)) else None


_MEANT = {
    "Average": "sdgraph.train.Average",
    "History": "sdgraph.train.History",
    "TrainingConfig": "sdgraph.train.TrainingConfig",
}
"""Types that several pages have, as annotations without a module mean them."""
_MEANT_ON = {"reference/keras": {"TrainingConfig": "sdgraph.keras.files.training_config.TrainingConfig"}}
"""The same by page, where a page means others."""


def _name_types(app, doctree) -> None:
    meant = _MEANT | _MEANT_ON.get(app.env.docname, {})
    for reference in doctree.findall(pending_xref):
        if reference.get("refdomain") == "py" and reference["reftarget"] in meant:
            reference["reftarget"] = meant[reference["reftarget"]]


def _signature(app, what, name, obj, options, signature, returned) -> tuple[str, str] | None:
    """Of a layer the arguments of its constructor: autodoc would look at `Layer.__new__`, which takes any."""
    if what != "class" or not issubclass(obj, Layer):
        return None
    found = inspect.signature(obj, bound_method=False)
    return inspect.stringify_signature(found, show_return_annotation=False, unqualified_typehints=True), ""


def setup(app):
    # Before napoleon (priority 500), so that both see the same indentation.
    app.connect("autodoc-process-docstring", _process_docstring, priority=400)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip_member)
    app.connect("doctree-read", _name_types)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

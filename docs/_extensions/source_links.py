"""Links from the reference to the source, also for operations that a namespace inherits from one of its groups.

`sd.math.log1p` is documented with the namespace and written in another file. Sphinx looks for the source of a method
in the module of the class that is documented, so it is told where the method was defined.
"""

import importlib
import inspect
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.ext.viewcode import viewcode_anchor


def _routine(module: str, path: str) -> Any:
    """The function that users call by this path, as it was written; None for anything else, such as a field."""
    thing: Any = importlib.import_module(module)
    for name in path.split("."):
        thing = getattr(thing, name, None)
    return inspect.unwrap(thing) if inspect.isroutine(thing) else None


def _follow(app, doctree) -> None:
    for signature in doctree.findall(addnodes.desc_signature):
        module, path = signature.get("module"), signature.get("fullname")
        if not module or not path or "." not in path:
            continue
        thing = _routine(module, path)
        if thing is not None and getattr(thing, "__module__", "").startswith("sdgraph."):
            signature["module"], signature["fullname"] = thing.__module__, thing.__qualname__


def link(fn: Any, text: str, docname: str) -> nodes.Node:
    """A link to where a documented function is defined; nothing where the output has no pages of source."""
    place = f"_modules/{fn.__module__.replace('.', '/')}"
    return viewcode_anchor("", nodes.inline("", text), reftarget=place, refid=fn.__qualname__, refdoc=docname)


def setup(app):
    # Before viewcode (priority 500), which collects the modules then.
    app.connect("doctree-read", _follow, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

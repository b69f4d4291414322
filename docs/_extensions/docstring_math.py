r"""Docstrings may hold LaTeX between dollars, as notebooks render it; Sphinx wants roles and directives instead.

``$$ ... $$`` becomes a ``math`` directive, ``$...$`` a ``math`` role.
"""

import re

_BLOCK = re.compile(r"^(?P<indent>[ ]*)\$\$(?P<body>.+?)\$\$[ ]*$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<![\\$`\w])\$(?P<body>[^\s$](?:[^$\n]*[^\s$])?)\$(?![\w$`])")


def _directive(match: re.Match[str]) -> str:
    indent = match["indent"]
    body = "\n".join(f"{indent}   {line.strip()}" for line in match["body"].strip().splitlines())
    return f"\n{indent}.. math::\n\n{body}\n"


def to_rst(text: str) -> str:
    text = _BLOCK.sub(_directive, text)
    return _INLINE.sub(lambda match: f":math:`{match['body']}`", text)


def _process_docstring(app, what, name, obj, options, lines) -> None:
    if any("$" in line for line in lines):
        lines[:] = to_rst("\n".join(lines)).splitlines()


def setup(app):
    # Before napoleon (priority 500), so that both see the same indentation.
    app.connect("autodoc-process-docstring", _process_docstring, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

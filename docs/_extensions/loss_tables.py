"""The directives ``keras-losses`` and ``keras-names``: tables of Keras' losses, made from their definitions.

``keras-losses`` takes further rows as its content, for what has no Keras loss.
"""

import re

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from sdgraph.keras.losses import registry
from sdgraph.ops.losses.keras.definition import DEFINITIONS, Definition


def definitions() -> dict[str, Definition]:
    """The losses that have a class, by its name: family by family, as they stand in their files."""
    classes = {cls.__name__: cls for family in registry.FAMILIES for cls in vars(family).values() if is_loss(cls)}
    return {name: DEFINITIONS[cls.op] for name, cls in classes.items()}


def is_loss(thing: object) -> bool:
    return isinstance(thing, type) and registry.CLASSES.get(thing.__name__) is thing and hasattr(thing, "op")


def as_markdown(text: str) -> str:
    """A text with LaTeX between dollars, as pages write it."""
    return re.sub(r"\$([^$]+)\$", r"{math}`\1`", text)


def losses_table() -> list[str]:
    lines = ["| `sdgraph.keras.losses` | loss of a sample | related in `sd.loss` |", "|---|---|---|"]
    return lines + [
        f"| `{name}` | {as_markdown(d.formula)} | {as_markdown(d.related)} |" for name, d in definitions().items()
    ]


def names_table() -> list[str]:
    lines = ["| Keras names | sdgraph | Deeplearning4j | scale |", "|---|---|---|---|"]
    others = []
    for name, d in definitions().items():
        known = [*(alias for alias, full in registry.ALIASES.items() if full == d.op.name), d.op.name]
        theirs, scale = d.deeplearning4j or ("", "")
        if theirs or len(known) > 1:
            known_as = ", ".join(f"`{k}`" for k in known)
            lines.append(f"| {known_as} | `losses.{name}` | {f'`{theirs}`' if theirs else 'none'} | {scale} |")
        else:
            others.append(f"`{d.op.name}`")
    return [*lines, f"| {', '.join(others)} | the class of that name | none | |"]


class Table(Directive):
    has_content = True

    def run(self) -> list[nodes.Node]:
        container = nodes.container()
        rows = losses_table() if self.name == "keras-losses" else names_table()
        self.state.nested_parse(StringList([*rows, *self.content]), self.content_offset, container)
        return [container]


def setup(app):
    app.add_directive("keras-losses", Table)
    app.add_directive("keras-names", Table)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

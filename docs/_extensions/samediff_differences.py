"""The directive ``samediff-differences``: what a group of SameDiff's operations does otherwise than sdgraph.

The rows are ``_data/samediff_differences.tsv``. Each name of a row is a place that the tables of operations link to, so
that a reader who looks for an operation finds what differs.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

DATA: Final = Path(__file__).parents[1] / "_data" / "samediff_differences.tsv"
KINDS: Final = {
    "loss-gradients": "gradient", "loss-values": "value", "loss-calls": "call",
    "reductions": "value", "elementwise": "value", "activations": "value", "distances": "value", "indexing": "value",
    "shapes": "value", "linalg": "value", "bits": "value", "random": "value", "images": "value", "cnn": "value",
    "ties": "gradient", "wrong-gradients": "gradient", "no-gradients": "gradient",
    "types": "type", "calls": "call", "names": "name",
}  # fmt: skip
"""The groups of rows, and what differs in each."""


class Difference(NamedTuple):
    """One row: a convention or a fault there, and what stands here instead."""

    group: str
    names: tuple[str, ...]
    there: str
    here: str
    number: int

    def place(self, name: str) -> str:
        """The id of a name in this row."""
        return f"differs-{self.number}-{re.sub('[^a-zA-Z0-9]+', '-', name).lower()}"


def differences() -> list[Difference]:
    """All rows, in the order of the file."""
    lines = DATA.read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines if not line.startswith("#")]
    return [Difference(group, tuple(names.split()), *rest, k) for k, (group, names, *rest) in enumerate(cells)]


def links(name: str) -> str:
    """What differs for a name such as ``math.mod``, as links to its rows; empty if nothing does."""
    places: dict[str, list[str]] = {}
    for row in differences():
        if name in row.names:
            places.setdefault(KINDS[row.group], []).append(row.place(name))
    return ", ".join(
        " ".join(f"{{differs}}`{kind if k == 1 else k} <{place}>`" for k, place in enumerate(found, 1))
        for kind, found in places.items()
    )


def table(group: str) -> list[str]:
    """The rows of a group as a table in Markdown."""
    lines = ["| Java | SameDiff | sdgraph |", "|---|---|---|"]
    for row in differences():
        if row.group == group:
            names = " ".join(f"`{name.removeprefix('loss.')}`" for name in row.names)
            lines.append(f"| {names} | {row.there} | {row.here} |")
    return lines


def _literals(row: nodes.row) -> Iterator[nodes.literal]:
    """The names in the first cell of a row."""
    return iter(row[0].findall(nodes.literal))


class SameDiffDifferences(Directive):
    """The table of one group."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        (group,) = self.arguments
        container = nodes.container(classes=["names", "differences"])
        self.state.nested_parse(StringList(table(group), source=str(DATA)), self.content_offset, container)
        made = [r for body in container.findall(nodes.tbody) for r in body.findall(nodes.row)]
        for difference, row in zip([d for d in differences() if d.group == group], made, strict=True):
            for name, literal in zip(difference.names, _literals(row), strict=True):
                literal["ids"].append(difference.place(name))
        return [container]


def differs(name, rawtext, text, lineno, inliner, options=None, content=None):
    """The role ``differs``: a word that links to a place on the same page."""
    word, place = re.fullmatch(r"(.+) <(.+)>", text).groups()
    return [nodes.reference(rawtext, word, refuri=f"#{place}", internal=True)], []


def setup(app):
    app.add_directive("samediff-differences", SameDiffDifferences)
    app.add_role("differs", differs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

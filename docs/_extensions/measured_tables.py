"""The directive ``measured FILE``: figures that a benchmark wrote to ``_data`` as a table, with what made them.

The figures come from ``tests/benchmarks/bench_peers.py --json``; nothing is typed by hand.
"""

import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

DATA = Path(__file__).parents[1] / "_data"


def duration(seconds):
    if seconds is None:
        return "-"
    size, unit = next((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")) if seconds >= s or u == "µs")
    return f"{seconds / size:.3g} {unit}"


def grid(head, lines):
    cells = [head, ["---"] + ["--:"] * (len(head) - 1), *lines]
    return ["| " + " | ".join(line) + " |" for line in cells]


def peers(rows):
    """Times of all engines, and how the fused one stands to the best of its peers."""
    engines = list(dict.fromkeys(name for row in rows for name in row["times"]))
    lines = []
    for row in rows:
        cells = [row["row"], *(duration(row["times"].get(name)) for name in engines)]
        if "ratio" in row:
            cells += [f"**{row['ratio']:.1f}x**", f"{100 * row['roofline']:.0f} %" if row["roofline"] else "-"]
        lines.append(cells)
    more = ["gain", "memory"] if "ratio" in rows[0] else []
    return grid(["", *engines, *more], lines)


def growth(rows):
    """What a chain costs, whole and per node."""
    lines = [
        [f"{r['nodes']:,}", r["engine"], *(duration(r[k] / n) for k in ("first", "call") for n in (1, r["nodes"]))]
        for r in rows
    ]
    return grid(["nodes", "engine", "compile and first call", "per node", "a call", "per node"], lines)


class Measured(Directive):
    required_arguments = 1

    def run(self):
        path = DATA / self.arguments[0]
        self.state.document.settings.env.note_dependency(str(path))
        figures = json.loads(path.read_text())
        rows = figures["rows"]
        lines = growth(rows) if "nodes" in rows[0] else peers(rows)
        lines += ["", f"{figures['machine']}. `{figures['command']}`"]
        holder = nodes.container(classes=["measured"])
        self.state.nested_parse(StringList(lines, str(path)), self.content_offset, holder)
        return [holder]


def setup(app):
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The directive ``measured FILE [PART]``: figures that a benchmark wrote to ``_data`` as a table, with what made them.

The figures come from benchmarks with ``--json``, which each file names; nothing is typed by hand.
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


def graphs(rows):
    """What saving and loading a graph costs."""
    head = ["nodes", "save", "load", "bytes per node of the file", "of memory to save", "to load"]
    sizes = ("bytes", "peak of save", "peak of load")
    return grid(
        head,
        [
            [f"{r['nodes']:,}", *(duration(r[k]) for k in ("save", "load")), *(f"{r[k]:,.0f}" for k in sizes)]
            for r in rows
        ],
    )


def weights(rows):
    """What saving and loading arrays costs at best, and what memory it adds."""
    names = list(rows[0]["best"])
    lines = []
    for r in rows:
        lines.append([r["row"], *(duration(r["best"].get(name)) for name in names)])
        if "peaks" in r:
            lines.append(["memory", *(f"{r['peaks'].get(name, 0):.1f}x" for name in names)])
    return grid(["", *names], lines)


def damage(rows):
    """What formats notice of one wrong bit, and of an end that is missing, in per cent."""
    head = ["", "bytes", "caught", "read rightly", "**read wrongly**", "ended the program", "shorter files read"]
    lines = []
    for r in rows:
        flips, cut = r["flips"], r["truncations"]
        shares = [f"{100 * flips[k] / sum(flips.values()):.3g} %" for k in ("caught", "harmless", "wrong", "lost")]
        lines.append([r["format"], f"{r['size']:,}", *shares, str(sum(cut.values()) - cut["caught"])])
    return grid(head, lines)


def percent(share):
    return "-" if share is None else f"{100 * share:.0f} %"


def versions(rows):
    """Two versions: what value and gradients take, what this machine needs at least, and how near both come."""
    return grid(
        ["", "before", "now", "gain", "limit", "before", "now"],
        [
            [r["row"], duration(r["old"]), duration(r["new"]), f"**{r['gain']:.1f}x**", duration(r["limit"])]
            + [percent(r["limit"] and r["limit"] / r[which]) for which in ("old", "new")]
            for r in rows
        ],
    )


def pairs(rows, how):
    """What two versions take, and by how much one differs."""
    return grid(
        ["", "before", "now", "now / before"],
        [[r["row"], how(r["old"]), how(r["new"]), f"{r['new'] / r['old']:.2f}"] for r in rows],
    )


def machine(limits):
    """What the machine can do, by number of threads."""
    counts = sorted({one["threads"] for one in limits})
    found = {}
    for one in limits:
        found.setdefault((one["what"], one["kind"]), {})[one["threads"]] = f"{one['rate'] / 1e9:.3g}"
    head = ["", "", *(f"{n} thread{'s' if n > 1 else ''}" for n in counts)]
    return grid(head, [[*kind, *(rates.get(n, "-") for n in counts)] for kind, rates in found.items()])


PARTS = {
    "rows": lambda rows: table(rows),
    "limits": machine,
    "first": lambda rows: pairs(rows, duration),
    "memory": lambda rows: pairs(rows, lambda n: f"{n / 1e6:.1f} MB"),
}
"""The parts of a file's figures, by name; most files have rows only."""


def table(rows):
    """The rows in the form that their figures have."""
    first = rows[0]
    if "limit" in first:
        return versions(rows)
    if "flips" in first:
        return damage(rows)
    if "nodes" in first:
        return graphs(rows) if "save" in first else growth(rows)
    return weights(rows) if "best" in first else peers(rows)


class Measured(Directive):
    required_arguments = 1
    optional_arguments = 1

    def run(self):
        path, part = DATA / self.arguments[0], (*self.arguments[1:], "rows")[0]
        self.state.document.settings.env.note_dependency(str(path))
        figures = json.loads(path.read_text())
        lines = PARTS[part](figures[part])
        lines += ["", f"{figures['machine']}. `{figures['command']}`"]
        holder = nodes.container(classes=["measured"])
        self.state.nested_parse(StringList(lines, str(path)), self.content_offset, holder)
        return [holder]


def setup(app):
    app.add_directive("measured", Measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

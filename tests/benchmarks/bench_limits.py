"""How near value and gradient come to what this machine can do, and how much nearer than an older version.

    python tests/benchmarks/bench_limits.py [--old PATH] [--quick] [--rows PATTERN] [--json FILE]

Two versions of the package take turns in one run, each in a process of its own, so that a busy machine is equally
unkind to both: the one this file belongs to, and an old one. The old one is a checkout that ``--old`` names; without,
it is made in a temporary folder from the history of this repository, and removed. In the same turns, loops that only
read and write as many arrays tell what the memory can do.

The table has for each row the old and the new time (medians of the turns), how many times faster that is, what is
wanted, the limit (the larger of memory and of exponentials), what part of it both reach, what is wanted of that, and
the quartiles of the turns' gains. After that come first calls, the memory that a row takes at most, and how times grow.
The last lines say what was missed; the exit status is 1 then.
"""

import argparse
import itertools
import json
import re
import shlex
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

import first_call
from limit_rows import Row, all_rows, growing
from machine import duration, machine_line
from versions import BEFORE, REPOSITORY, NoHistory, checkout, started

FIRST = 0.55
"""What a first call may take of the old one."""
MEMORY = 1.02, 2 << 20
"""How much more a row may take at most, as a factor and in bytes: what the compiler holds varies by that."""
GROWTH = 1.5
"""How much more of its limit ten times as many elements may take."""
OVERHEAD = 2e-5
"""Seconds below which a call is not compared with a limit of memory: there Python counts."""


class Effort(NamedTuple):
    """How long is measured."""

    turns: int
    warm: float
    seconds: float
    first_rounds: int
    first_processes: int


THOROUGH, QUICK = Effort(9, 0.01, 0.04, 5, 3), Effort(3, 0.005, 0.02, 2, 1)


class Found(NamedTuple):
    """The figures of a row."""

    row: Row
    old: float
    new: float
    gain: float
    low: float
    """The lower quartile of the turns' gains,"""
    high: float
    """and the upper one."""
    limit: float | None
    same: bool

    @property
    def share(self) -> float | None:
        """What part of the limit is reached."""
        return None if self.limit is None else self.limit / self.new

    def missed(self) -> list[str]:
        """What was wanted and not reached, in words."""
        words = [] if self.same else [f"{self.row.name}: the versions' RESULTS DIFFER"]
        if self.row.gain is not None and self.gain < self.row.gain:
            doubt = ", within the spread" if self.high >= self.row.gain else ""
            words.append(f"{self.row.name}: {self.gain:.2f} times faster, wanted {self.row.gain:g}{doubt}")
        if self.row.share is not None and self.share is not None and self.share < self.row.share:
            words.append(f"{self.row.name}: {self.share:.0%} of the limit, wanted {self.row.share:.0%}")
        return words


def agree(one, other):
    """Whether sums of all results are the same but for rounding."""
    return len(one) == len(other) and all(
        size == n and abs(a - b) <= 1e-3 * most + 1e-6 and abs(most - m) <= 1e-3 * most + 1e-6
        for (a, most, size), (b, m, n) in zip(one, other, strict=True)
    )


def quartiles(values):
    """Lower quartile, median, upper quartile; of one value, that value."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def measure(row, old, new, effort, exponential, threads):
    """A row by both versions, and its limit, in turns."""
    results = [version.ask("make", row=row.name)["results"] for version in (old, new)]
    kind, scale = row.traffic, 1.0
    if kind is not None:
        n = new.ask("prepare", n=kind.n, reads=kind.reads, writes=kind.writes, past=[False, True])["n"]
        scale = kind.n / n
    times = {"old": [], "new": [], "memory": []}
    for _ in range(effort.turns):
        for name, version in (("old", old), ("new", new)):
            times[name].append(version.ask("measure", warm=effort.warm, seconds=effort.seconds)["seconds"])
        if kind is not None:
            found = new.ask("limits", warm=effort.warm, seconds=effort.seconds / 2, threads=threads)
            times["memory"].append(found["seconds"] * scale)
    for version in (old, new):
        version.ask("drop")
    low, gain, high = quartiles([a / b for a, b in zip(times["old"], times["new"], strict=True)])
    limit = None
    if kind is not None:
        limit = max(statistics.median(times["memory"]), kind.exponentials * kind.n * exponential / threads)
    medians = (statistics.median(times[name]) for name in ("old", "new"))
    return Found(row, *medians, gain, low, high, limit, agree(*results))


# ---------------------------------------------------------------------- tables


def line_of(found):
    row = found.row
    wanted = [f"{row.gain:g}" if row.gain is not None else "-", f"{row.share:.0%}" if row.share is not None else "-"]
    share = f"{found.limit / found.old:.0%} -> {found.share:.0%}" if found.limit is not None else "-"
    cells = [duration(found.old), duration(found.new), f"{found.gain:.2f}", wanted[0], duration(found.limit), share]
    spread = f"{found.low:.2f}..{found.high:.2f}"
    mark = "  MISSED" if found.missed() else ""
    return " | ".join([row.name, *cells, wanted[1], spread]) + mark


def print_machine(limits):
    """What the machine can do, a line for each kind."""
    several = {}
    for one in limits:
        several.setdefault((one["what"], one["kind"]), {})[one["threads"]] = one["rate"]
    print("limits of this machine: GB/s of memory, what is read and written; 1e9 results a second of arithmetic")
    for (what, kind), rates in several.items():
        print(
            f"  {what:10} {kind:18} " + "  ".join(f"{t} thread{'s' * (t > 1)} {r / 1e9:.1f}" for t, r in rates.items())
        )


def rate_of(limits, kind):
    return max(one["rate"] / one["threads"] for one in limits if one["kind"] == kind)


def rows(chosen, old, new, effort, exponential, threads):
    """The table of rows, and what it has."""
    print(
        "value and all gradients, float32 | old | new | gain | wanted | limit | of limit | wanted | gains", flush=True
    )
    found = []
    for row in chosen:
        found.append(measure(row, old, new, effort, exponential, threads))
        print(line_of(found[-1]), flush=True)
    return found


def first_calls(trees, effort):
    """First calls of both versions, and what was missed."""
    print("first call | old | new | new / old | wanted at most", flush=True)
    before, now = first_call.compare(trees, effort.first_rounds, effort.first_processes)
    missed, figures = [], []
    for name in first_call.PROBLEMS:
        ratio = now[name] / before[name]
        print(" | ".join([name, duration(before[name]), duration(now[name]), f"{ratio:.2f}", f"{FIRST:g}"]), flush=True)
        figures.append({"row": name, "old": before[name], "new": now[name]})
        if ratio > FIRST:
            missed.append(f"first call of {name}: {ratio:.2f} of the old one, wanted {FIRST:g}")
    return figures, missed


def peaks(names, trees, threads):
    """Memory that a row takes at most, each version in a fresh process."""
    print("memory at most | old | new | new / old", flush=True)
    missed, figures = [], []
    for name in names:
        sizes = []
        for tree in trees:
            with started(tree, threads) as version:
                sizes.append(version.ask("peak", row=name)["bytes"])
        before, now = sizes
        print(" | ".join([name, *(f"{s / 1e6:.1f} MB" for s in sizes), f"{now / before:.2f}"]), flush=True)
        figures.append({"row": name, "old": before, "new": now})
        if now > before * MEMORY[0] + MEMORY[1]:
            missed.append(f"memory of {name}: {now / 1e6:.1f} MB, was {before / 1e6:.1f} MB")
    return figures, missed


def not_linear(found):
    """Where ten times as many elements take more of their limit: what takes time must not grow faster than they do."""
    by_name = {f.row.name: f for f in found}
    missed = []
    for title, several in growing().items():
        steps = [by_name[row.name] for row in several if row.name in by_name]
        for small, large in itertools.pairwise(steps):
            if small.new < OVERHEAD:
                continue
            excess = (large.new / large.limit) / (small.new / small.limit)
            if excess > GROWTH:
                missed.append(f"growth of {title}: {large.row.name} takes {excess:.2f} times more of its limit")
    return missed


def figures_of(found):
    return {
        "row": found.row.name,
        "old": found.old,
        "new": found.new,
        "gain": found.gain,
        "spread": [found.low, found.high],
        "wanted": found.row.gain,
        "limit": found.limit,
        "share": found.share,
        "wanted share": found.row.share,
        "same": found.same,
    }


PEAKS = re.compile(r"^(softmax CE (dense|sparse) (1024|65536|256)x|layer_norm|GELU|MSE 1e7|sigmoid CE 1e7|peers: MLP)")


def run(options, trees):
    """All that is asked for; the figures for ``--json``, and what was missed."""
    effort = QUICK if options.quick else THOROUGH
    chosen = [row for row in all_rows() if re.search(options.rows, row.name)]
    with started(trees[0], options.threads) as old, started(trees[1], options.threads) as new:
        limits = new.ask("machine", threads=options.threads)["limits"]
        print_machine(limits)
        found = rows(chosen, old, new, effort, 1 / rate_of(limits, "exp"), options.threads)
    figures = {"limits": limits, "rows": [figures_of(f) for f in found]}
    missed = [words for f in found for words in f.missed()] + not_linear(found)
    for name, wanted, more in (
        ("first", "first", lambda: first_calls(trees, effort)),
        ("memory", "memory", lambda: peaks([r.name for r in chosen if PEAKS.match(r.name)], trees, options.threads)),
    ):
        if wanted not in options.without:
            figures[name], words = more()
            missed += words
    return figures, missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, help=f"checkout of the old version (default: one of {BEFORE} is made)")
    parser.add_argument("--new", type=Path, default=REPOSITORY, help="checkout of the new version (default: this one)")
    parser.add_argument("--quick", action="store_true", help="few and short turns: for a first look")
    parser.add_argument("--rows", default="", help="only rows whose name has a match of this pattern")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without", nargs="*", default=[], choices=["first", "memory"], help="parts to leave out")
    parser.add_argument("--list", action="store_true", help="print the rows' names and end")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    if options.list:
        print("\n".join(row.name for row in all_rows()))
        return 0
    print(machine_line(("numpy", "llvmlite")))
    start = time.perf_counter()
    try:
        with checkout(options.old) as old:
            figures, missed = run(options, (old, options.new.resolve()))
    except NoHistory as e:
        print(f"No old version to compare with: {e}", file=sys.stderr)
        return 2
    if options.json:
        command = shlex.join(["python", "tests/benchmarks/bench_limits.py", *sys.argv[1:]])
        head = {"machine": machine_line(("numpy", "llvmlite")), "command": command}
        options.json.write_text(json.dumps(head | figures, indent=1) + "\n")
    print(f"measured in {time.perf_counter() - start:.0f} s")
    print("\n".join([f"missed: {words}" for words in missed]) or "nothing was missed")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())

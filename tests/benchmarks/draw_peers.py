"""The table of `bench_peers` as a picture: ``python tests/benchmarks/draw_peers.py FIGURES.json PICTURE.svg``."""

import argparse
import json
import textwrap
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from bench_peers import duration
from peer_engines import FUSED

COLORS = {
    FUSED: "#2b6cb0",
    "sdgraph numpy": "#90b4d8",
    "JAX jit": "#8e6bb0",
    "torch eager": "#dd7a4a",
    "torch.compile": "#b8502a",
    "autograd": "#8a8f98",
}


def draw(figures):
    """One line per row: times on a logarithmic scale as dots, and in words what the fused engine takes and gains."""
    rows = figures["rows"]
    fig, axes = plt.subplots(figsize=(9.5, 0.36 * len(rows) + 2.1))
    for k, row in enumerate(rows):
        times = row["times"]
        axes.plot([times[FUSED], max(times.values())], [k, k], color="#d5dae1", lw=1.2, zorder=1)
        for name, color in COLORS.items():
            if name in times:
                own = name == FUSED
                axes.scatter(times[name], k, s=52 if own else 30, color=color, zorder=3 if own else 2, lw=0)
    axes.set_xscale("log")
    axes.set_ylim(len(rows) - 0.4, -0.7)
    axes.set_yticks(range(len(rows)), [row["row"] for row in rows])
    axes.set_xlabel("time of value and all gradients, median, float32")
    ticks = [10.0**k for k in range(-5, 1)]
    axes.set_xticks(ticks, [duration(t) for t in ticks])
    axes.grid(axis="x", color="#eceff3", zorder=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(which="both", length=0)
    beside = {"xycoords": ("axes fraction", "data"), "fontsize": 8.5, "color": COLORS[FUSED]}
    for k, row in enumerate(rows):
        text = f"{duration(row['times'][FUSED])}   {row['ratio']:.1f}x"
        axes.annotate(text, (1.02, k), va="center", **beside)
    axes.annotate("fused, against\nthe best peer", (1.02, -1.0), va="bottom", **beside)
    used = [n for n in COLORS if any(n in row["times"] for row in rows)]
    handles = [plt.Line2D([], [], marker="o", lw=0, color=COLORS[n], label=n) for n in used]
    fig.legend(handles=handles, loc="upper left", ncols=len(used), frameon=False, fontsize=8.5, handletextpad=0.1)
    words = f"{figures['machine']}.  {figures['command']}"
    fig.text(0.01, 0.01, textwrap.fill(words, 130), fontsize=7, color="#6b7280", va="bottom")
    fig.subplots_adjust(left=0.36, right=0.86, top=1 - 0.95 / fig.get_figheight(), bottom=1.05 / fig.get_figheight())
    return fig


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    mpl.rcParams.update({"svg.fonttype": "path", "svg.hashsalt": "sdgraph", "font.size": 9})
    fig = draw(json.loads(options.figures.read_text()))
    fig.savefig(options.picture, metadata={"Date": None} if options.picture.suffix == ".svg" else None, dpi=130)


if __name__ == "__main__":
    main()

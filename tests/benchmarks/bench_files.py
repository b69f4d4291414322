"""What it costs to save weights and graphs and to read them again: here, in other libraries, and on the disk alone.

    python -m tests.benchmarks.bench_files [--megabytes M] [--nodes N] [--rounds R] [--folder F] [--json FILE]

Weights are eight float32 arrays. All formats take part in every round, each beginning one further, so that whatever
else runs hits all of them; medians count, and the best tell what a machine of one's own would take. Saving includes
fsync, so that the disk is measured and not how much of it waits in memory; ``raw`` is a plain write of the same bytes.
Reading is from memory that the system keeps of the file. *Opening* gives all arrays without reading them. Peaks are
what the process had at most, in units of the weights.

Graphs are layers of a hundred nodes, with the gradient; costs are per node, and times are processor times.
"""

import argparse
import gc
import json
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sdgraph import SameDiff
from sdgraph.store.load import structure
from tests.benchmarks.bench_graph import build
from tests.benchmarks.file_formats import FORMATS, SDGRAPH, Arrays, FileFormat, graph_of
from tests.benchmarks.machine import duration, installed, machine_line

RAW = "raw"
PACKAGES = ("numpy", "safetensors", "torch")
COMPARED = (SDGRAPH, "np.savez", "np.save", "safetensors", "torch.save")
PIECE = 8 << 20
ARRAYS = 8


def weights(megabytes: float) -> Arrays:
    rng = np.random.default_rng(0)
    rows = max(1, int(megabytes * 2**20 / ARRAYS / 4096))
    return {f"w{k}": rng.standard_normal((rows, 1024), "float32") for k in range(ARRAYS)}


def _raw_save(path: Path, arrays: Arrays) -> None:
    with open(path, "wb", buffering=0) as file:
        for array in arrays.values():
            data = memoryview(array).cast("B")
            for k in range(0, len(data), PIECE):
                file.write(data[k : k + PIECE])


def _raw_load(path: Path) -> Arrays:
    with open(path, "rb", buffering=0) as file:
        size = path.stat().st_size // ARRAYS
        found = {f"w{k}": np.empty(size, "uint8") for k in range(ARRAYS)}
        for array in found.values():
            data = memoryview(array)
            while data:
                data = data[file.readinto(data[:PIECE]) :]
    return found


def formats() -> dict[str, FileFormat]:
    raw = FileFormat((), _raw_save, _raw_load)
    return {RAW: raw, **{k: FORMATS[k] for k in COMPARED if all(map(installed, FORMATS[k].packages))}}


def saved_by(name: str, arrays: Arrays) -> Callable[[Path], None]:
    """A function that writes the arrays and returns when the disk has them."""
    if name == SDGRAPH:
        sd = graph_of(arrays)
        return lambda path: sd.save(path)

    def save(path: Path) -> None:
        formats()[name].save(path, arrays)
        for file in path.iterdir() if path.is_dir() else [path]:
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)

    return save


def resident(field: str) -> int | None:
    """Bytes of this process in memory, now or at most; None where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


def measured(call: Callable[[], object]) -> tuple[float, int | None]:
    """Seconds of a call, and bytes that the process had at most more than before."""
    gc.collect()
    before = resident("VmRSS")
    if before is not None:
        Path("/proc/self/clear_refs").write_text("5")  # The peak counts from here.
    begin = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - begin
    most = resident("VmHWM")
    del result
    return seconds, None if before is None or most is None else most - before


def one_round(name: str, kind: FileFormat, save: Callable[[Path], None], path: Path) -> dict[str, tuple]:
    """Save, read and open once."""
    found = {"save": measured(lambda: save(path)), "load": measured(lambda: kind.load(path))}
    if kind.open is not None:
        found["open"] = measured(lambda: kind.open(path))
    if name == SDGRAPH:
        found["summary"] = measured(lambda: structure(SameDiff, path))
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return found


def compare_weights(megabytes: float, rounds: int, folder: Path) -> list[dict]:
    """Rows of the table: what is done, seconds by format, and peaks."""
    arrays, kinds = weights(megabytes), formats()
    saves = {name: saved_by(name, arrays) for name in kinds}
    total = sum(a.nbytes for a in arrays.values())
    found: dict[str, dict[str, list]] = {}
    order = list(kinds)
    for k in range(rounds + 1):
        for name in order[k % len(order) :] + order[: k % len(order)]:
            for what, figures in one_round(name, kinds[name], saves[name], folder / f"weights-{os.getpid()}").items():
                if k:  # In the first round, libraries are imported.
                    found.setdefault(what, {}).setdefault(name, []).append(figures)
    rows = []
    for what, by_name in found.items():
        times = {name: [t for t, _ in by_name[name]] for name in kinds if name in by_name}
        rows.append({"row": f"{what} {total / 2**20:.4g} MiB"})
        rows[-1] |= {k: {n: of(t) for n, t in times.items()} for k, of in (("times", statistics.median), ("best", min))}
        if what in ("save", "load"):
            ratios = {
                name: statistics.median(t / r for (t, _), (r, _) in zip(several, by_name[RAW], strict=True))
                for name, several in by_name.items()
            }
            peaks = {name: several[-1][1] / total for name, several in by_name.items() if several[-1][1] is not None}
            rows[-1] |= {"ratios": ratios, "peaks": peaks}
    return rows


def print_weights(rows: list[dict]) -> None:
    names = list(rows[0]["times"])
    print(" | ".join(["", *names]))
    for row in rows:
        print(" | ".join([row["row"], *(duration(row["times"].get(name)) for name in names)]))
        print(" | ".join(["  the best", *(duration(row["best"].get(name)) for name in names)]))
        for what in ("ratios", "peaks"):
            if what in row:
                cells = [f"{row[what][n]:.2f}" if n in row[what] else "-" for n in names]
                print(" | ".join([f"  {'to raw' if what == 'ratios' else 'peak'}", *cells]))


# ---------------------------------------------------------------------- graphs


def graph(n: int) -> SameDiff:
    """A graph of about ``n`` nodes, half of them its gradient."""
    sd, x, y = build("layered", n // 3)
    sd.grad(y, x)
    return sd


def peak_bytes(call: Callable[[], object]) -> int:
    """What Python and numpy hold at most during a call, more than before it."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def graph_costs(n: int, rounds: int, folder: Path, *, memory: bool = True) -> dict:
    """Seconds to build, save and load a graph, and bytes per node of its file and at most in memory."""
    path = folder / f"graph-{os.getpid()}.sdg"
    begin = time.process_time()
    sd = graph(n)
    times = {"build": [time.process_time() - begin], "save": [], "load": [], "summary": []}
    calls = {
        "save": lambda: sd.save(path),
        "load": lambda: SameDiff.load(path),
        "summary": lambda: structure(SameDiff, path),
    }
    for _ in range(rounds):
        for what, call in calls.items():
            gc.collect()
            begin = time.process_time()
            call()
            times[what].append(time.process_time() - begin)
    nodes = len(sd.nodes)
    found = {"nodes": nodes, **{what: statistics.median(several) for what, several in times.items()}}
    found["bytes"] = path.stat().st_size / nodes
    if memory:
        found |= {f"peak of {what}": peak_bytes(calls[what]) / nodes for what in ("save", "load")}
    path.unlink()
    return found


def compare_graphs(largest: float, rounds: int, folder: Path) -> list[dict]:
    rows, n = [], 10_000
    while n <= largest:
        rows.append(graph_costs(n, rounds, folder))
        n *= 10
    return rows


def print_graphs(rows: list[dict]) -> None:
    print(" | ".join(rows[0]))
    for row in rows:
        cells = [duration(v) if k in ("build", "save", "load", "summary") else f"{v:,.0f}" for k, v in row.items()]
        print(" | ".join(cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--megabytes", type=float, default=256, help="MiB of weights, 0 for none (default: %(default)s)"
    )
    parser.add_argument(
        "--nodes", type=float, default=1e5, help="most nodes of graphs, 0 for none (default: %(default)g)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where files are written")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"{machine_line(PACKAGES)}; load {load:.1f}")
    rows: list[dict] = []
    if options.megabytes:
        rows += compare_weights(options.megabytes, options.rounds, options.folder)
        print_weights(rows)
    if options.nodes:
        graphs = compare_graphs(options.nodes, options.rounds, options.folder)
        print_graphs(graphs)
        rows += graphs
    if options.json:
        command = shlex.join(["python", "-m", "tests.benchmarks.bench_files", *sys.argv[1:]])
        figures = {"machine": machine_line(PACKAGES), "command": command, "rows": rows}
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

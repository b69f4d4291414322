"""How long pictures take: reading the graph, laying it out with each engine, and the table of a large graph.

    python tests/benchmarks/bench_pictures.py

The gradient picture of a graph of a thousand cards should be laid out in under 3 s.
"""

import time

from sdgraph import SameDiff
from sdgraph.errors import LayoutError
from sdgraph.show.pictures.lay_out import programs as engines


def layers(n: int) -> SameDiff:
    """A network of ``n`` equal layers in scopes of their own."""
    sd = SameDiff()
    h = sd.placeholder("x", shape=("n", 8))
    for k in range(n):
        with sd.name_scope(f"layer{k}"):
            w, b = sd.var("w", shape=(8, 8), init="glorot"), sd.var("b", shape=(8,))
            h = sd.nn.relu(h @ w + b)
    sd.loss.mean_squared_error(sd.placeholder("y", shape=("n", 8)), h, name="loss")
    return sd


def pictures() -> None:
    """Times of whole pictures, without collapsing anything."""
    print(f"{'view':<10}{'cards':>7}{'scene s':>9}" + "".join(f"{e + ' s':>15}" for e in engines.NAMES))
    for view, n in (("forward", 20), ("forward", 200), ("gradient", 11), ("gradient", 111)):
        sd = layers(n)
        start = time.perf_counter()
        picture = sd.plot(view=view, max_nodes=None)
        dot = picture.dot
        line = f"{view:<10}{len(picture.scene.cards):>7}{time.perf_counter() - start:>9.2f}"
        for engine in engines.NAMES:
            line += f"{layout_time(dot, engine):>15}"
        print(line)


def layout_time(dot: str, engine: str) -> str:
    """Seconds that an engine takes, or why there is no number."""
    if engines.command(engine, "svg") is None:
        return "not installed"
    start = time.perf_counter()
    try:
        engines.lay_out(dot, "svg", engine, timeout=60)
    except LayoutError:
        return "stopped"
    return f"{time.perf_counter() - start:.2f}"


def tables() -> None:
    """Microseconds per node of the table and the export."""
    for n in (1_000, 10_000, 100_000):
        sd = SameDiff()
        x = sd.placeholder("x")
        for _ in range(n):
            x = sd.math.tanh(x)
        start = time.process_time()
        sd.summary()
        middle = time.process_time()
        sd.to_networkx()
        end = time.process_time()
        print(
            f"{n:>7} nodes: table {(middle - start) / n * 1e6:.0f} us, networkx {(end - middle) / n * 1e6:.0f} us each"
        )


if __name__ == "__main__":
    pictures()
    tables()

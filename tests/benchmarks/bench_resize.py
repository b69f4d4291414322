"""Resizing of images, value and gradient, against PyTorch on one thread.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_resize.py [--rounds N]

Both take part in every round, so that whatever else runs hits both; medians count. PyTorch's time is the smaller one of
its two layouts, with arrays made beforehand. The gradient is that of the sum of squares, value included.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from sdgraph import SameDiff

SHAPES = [
    ((1, 224, 224, 3), (112, 112)),
    ((1, 224, 224, 3), (448, 448)),
    ((1, 600, 800, 3), (224, 224)),
    ((8, 32, 32, 16), (64, 64)),
    ((4, 56, 56, 64), (28, 28)),
    ((32, 28, 28, 1), (56, 56)),
]
WAYS = [("nearest", False), ("bilinear", False), ("bilinear", True), ("bicubic", False), ("bicubic", True)]

Call = Callable[[], object]


def ours(x: np.ndarray, size: tuple[int, int], method: str, antialias: bool) -> tuple[Call, Call]:
    sd = SameDiff()
    v = sd.placeholder("x", x.shape)
    y = sd.image.image_resize(v, size, method=method, antialias=antialias)
    value, gradient = sd.compile([y]), sd.compile([sd.grad(sd.sum(y * y), v)])
    return lambda: value({"x": x}), lambda: gradient({"x": x})


def theirs(x: np.ndarray, size: tuple[int, int], method: str, antialias: bool) -> tuple[list[Call], Call]:
    import torch

    torch.set_num_threads(1)
    flags = {"align_corners": False, "antialias": antialias} if method != "nearest" else {}

    def resized(t: torch.Tensor) -> torch.Tensor:
        mode = "nearest-exact" if method == "nearest" else method
        return torch.nn.functional.interpolate(t, size=size, mode=mode, **flags)

    view = torch.from_numpy(x).permute(0, 3, 1, 2)
    layouts = [view.contiguous(), view.contiguous(memory_format=torch.channels_last)]

    def gradient() -> object:
        t = layouts[0].detach().requires_grad_()
        y = resized(t)
        (y * y).sum().backward()
        return t.grad

    return [lambda t=t: resized(t) for t in layouts], gradient


def medians(calls: list[Call], rounds: int) -> list[float]:
    """Milliseconds of each call, in turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(rounds):
        for call, found in zip(calls, taken, strict=True):
            start = time.perf_counter()
            call()
            found.append(1e3 * (time.perf_counter() - start))
    return [statistics.median(found) for found in taken]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"{'images':18} {'to':10} {'method':12} {'ms':>7} {'torch':>7} {'ratio':>6}   gradient: ms, torch, ratio")
    for shape, size in SHAPES:
        x = np.random.default_rng(0).random(shape, dtype=np.float32)
        for method, antialias in WAYS:
            value, gradient = ours(x, size, method, antialias)
            values, slope = theirs(x, size, method, antialias)
            here, *there, g, h = medians([value, *values, gradient, slope], rounds)
            name = method + " aa" * antialias
            print(
                f"{'x'.join(map(str, shape)):18} {'x'.join(map(str, size)):10} {name:12} {here:7.3f} {min(there):7.3f}"
                f" {here / min(there):6.2f}   {g:7.3f} {h:7.3f} {g / h:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

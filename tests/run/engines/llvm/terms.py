"""Sums of small unrelated terms in random order: programs whose parts meet in one region by the sizes of their axes.

Every op of the registry gives terms, on its samples with other sizes of the axes, 0 and 1 among them. Run it by itself
for a longer hunt: ``python -m tests.run.engines.llvm.terms FIRST_SEED COUNT``.
"""

import sys

import numpy as np

from sdgraph import SameDiff, errors
from tests.ops.samples import Literal, Sample, samples_of
from tests.ops.test_every_op import OPS, apply, floating

SIZES = ((0, 1, 2, 3), (1, 2), (1, 3), (1, 1, 3), (2, 3))
"""What the axes of a program are drawn from: of few sizes many are equal, and then loops are shared."""
LEFT_OUT = ("nn.unpad", "unconcat", "unrepeat", "linalg.", "random.")
"""Beginnings of names: ops whose operands must fit each other's shapes, and matrices that may be nearly singular."""
CLASSES = [name for name in OPS if "sparse" in name or "generalized" in name]
ROWWISE = [
    "norm1", "norm2", "max", "sum", "mean", "argmax", "linalg.matmul", "loss.softmax_cross_entropy", "nn.softmax",
    "nn.log_softmax", "math.log_sum_exp", "loss.cosine_distance", "variance",
]  # fmt: skip
"""Ops that work on rows; no program is without such ops."""


def resized(sample, choice, rng):
    """The sample with other sizes of its axes; equal ones stay equal."""
    sizes = {n: int(rng.choice(choice)) for n in range(8)}
    operands = []
    for x in sample.operands:
        if x is None or isinstance(x, Literal):
            operands.append(x)
            continue
        x = np.asarray(x)
        shape = tuple(sizes.get(n, n) for n in x.shape)
        if x.dtype.kind == "f" and x.size:
            operands.append(rng.uniform(x.min(), x.max(), shape))
        else:
            operands.append(rng.choice(x.reshape(-1) if x.size else np.zeros(1, x.dtype), shape).astype(x.dtype))
    return Sample(sample.op, tuple(operands), sample.attrs, sample.smooth)


def number(sd, v, rng):
    """One number made of an array."""
    kind = rng.integers(4)
    return (sd.sum, sd.mean, lambda v: sd.sum(v * v), lambda v: sd.sum(sd.math.tanh(v)))[kind](v)


class Terms:
    """A graph, its feeds, and what to compute."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.sd = sd = SameDiff("float64")
        self.feeds, self.names = {}, []
        numbers, outs = [], []
        choice = SIZES[rng.integers(len(SIZES))]
        for k in range(int(rng.integers(2, 7))):
            names = (OPS, ROWWISE, CLASSES)[rng.integers(3)]
            samples = samples_of(names[rng.integers(len(names))])
            sample = resized(samples[rng.integers(len(samples))], choice, rng)
            if sample.op.startswith(LEFT_OUT) and sample.op != "linalg.matmul":
                continue
            try:
                with sd.name_scope(f"term{k}"):
                    made, feeds = apply(sd, sample)
                    found = [number(sd, v, rng) for v in floating(made)]
            except errors.SDGraphError:
                continue  # Sizes that this op does not take.
            self.names.append(str(sample))
            self.feeds |= {f"term{k}/{name}": a for name, a in feeds.items()}
            numbers += found
            outs += made
        rng.shuffle(numbers)
        self.fetches = list(outs if rng.integers(3) == 0 else ())
        if numbers:
            total = sum(numbers[1:], numbers[0])
            if rng.integers(3) == 0:
                total = sd.math.square(total)
            self.fetches.append(sd.identity(total))
            self._differentiate(total, rng)
        self.fetches = list({v.id: v for v in self.fetches}.values())

    def _differentiate(self, total, rng) -> None:
        wrt = [name for name, a in self.feeds.items() if a.dtype.kind == "f"]
        try:
            for order in range(2):
                gradients = self.sd.grad(total, wrt)
                self.fetches += gradients
                if order or rng.integers(4):
                    return
                total = sum((self.sd.sum(g * g) for g in gradients), self.sd.constant(0.0))
        except errors.SDGraphError:
            return  # An op without a gradient, or nothing depends on the operands.

    def run(self, engine):
        """The values of the fetches, or the kind of error."""
        try:
            return self.sd.compile(self.fetches, engine=engine)(self.feeds)
        except errors.SDGraphError as e:
            return type(e)


def difference(seed: int) -> str:
    """How the engines differ on the program of a seed; nothing if they do not."""
    program = Terms(seed)
    if not program.fetches:
        return ""
    got, want = program.run("llvm"), program.run("numpy")
    if isinstance(want, type) or isinstance(got, type):
        return "" if got is want else f"{got} for {want}: {program.names}"
    for name, a in want.items():
        b = got[name]
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"{name}: {b.dtype}{b.shape} for {a.dtype}{a.shape}: {program.names}"
        if a.dtype.kind not in "fc":
            if not np.array_equal(a, b):
                return f"{name}: {b} for {a}: {program.names}"
            continue
        with np.errstate(all="ignore"):
            finite = np.isfinite(a)
            scale = np.abs(a[finite]).max(initial=1e-6)
            same = np.array_equal(a[~finite], b[~finite], equal_nan=True)
            if not same or not np.all(np.abs(a[finite] - b[finite]) <= 1e-5 * scale):
                return f"{name}: {b} for {a}: {program.names}"
    return ""


if __name__ == "__main__":
    first, count = map(int, sys.argv[1:3])
    for seed in range(first, first + count):
        found = difference(seed)
        if found:
            print(seed, found, flush=True)
    print(f"{count} programs from seed {first}")

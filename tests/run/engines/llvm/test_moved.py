"""Random programs that slice, exchange, reverse, join and pad between other operations, on both levels of code."""

import numpy as np
import pytest
from scipy.special import softmax

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm import segment
from sdgraph.run.engines.llvm.translate import later, machine

SIZES = (1, 2, 3, 5, 7, 8, 9, 16, 17, 24, 33, 64, 100)
MOST = 20_000
"""Elements of an array, at most."""


class Program:
    """A graph, and beside each of its variables the same numbers by numpy in double precision."""

    def __init__(self, seed, dtype):
        self.rng = np.random.default_rng(seed)
        self.sd = SameDiff(dtype)
        self.known = []
        self.leaves = [f"x{k}" for k in range(2)]
        for name in self.leaves:
            shape = [self.any(SIZES) for _ in range(self.rng.integers(1, 4))]
            while np.prod(shape) > MOST:
                del shape[0]
            a = self.rng.normal(size=shape).astype(dtype)
            self.known.append((self.sd.var(name, a), a.astype("float64")))
        for _ in range(self.rng.integers(2, 9)):
            self.known.append(self.step())

    def any(self, several):
        return several[self.rng.integers(len(several))]

    def chosen(self):
        """Something known, or a view of it."""
        v, a = self.any(self.known)
        for _ in range(self.rng.integers(0, 3)):
            v, a = self.view(v, a)
        return v, a

    def view(self, v, a):
        sd, rng, n = self.sd, self.rng, a.ndim
        kind = rng.integers(0, 8) if n else 7
        if kind <= 4:
            key = tuple(map(self.part, a.shape))
            return v[key], a[key]
        if kind == 5:
            axes = tuple(rng.permutation(n).tolist())
            return sd.permute(v, axes), a.transpose(axes)
        if kind == 6:
            k = int(rng.integers(0, n))
            return sd.reverse(v, k), np.flip(a, k)
        if a.size > 1:
            d = self.any([d for d in range(1, a.size + 1) if a.size % d == 0])
            return sd.reshape(v, (d, a.size // d)), a.reshape(d, a.size // d)
        return sd.expand_dims(v, 0), a[None]

    def part(self, d):
        """A key of an axis that leaves something."""
        rng, r = self.rng, self.rng.random()
        if r < 0.35:
            return slice(None)
        if r < 0.45:
            return int(rng.integers(-d, d))
        first, last = sorted(rng.choice(d + 1, 2, replace=False).tolist())
        step = self.any((1, 1, 1, 2, -1, -2))
        return slice(first, last, step) if step > 0 else slice(last - 1, first - 1 if first else None, step)

    def step(self):
        sd, rng, (x, a) = self.sd, self.rng, self.chosen()
        kind = rng.integers(0, 9) if a.ndim else 0
        axis = int(rng.integers(0, a.ndim)) if a.ndim else 0
        if kind <= 1:
            return sd.math.tanh(x), np.tanh(a)
        if kind <= 4:
            return self.of_two(x, a)
        if kind == 5:
            return sd.nn.softmax(x, axis), softmax(a, axis)
        if kind == 6:
            return sd.mean(x, axis), a.mean(axis)
        if kind == 7:
            if rng.random() < 0.4:
                return sd.stack(x * 0.5, x, axis=axis), np.stack([a * 0.5, a], axis)
            return sd.concat(x, sd.math.tanh(x), x * 0.5, axis=axis), np.concatenate([a, np.tanh(a), a * 0.5], axis)
        padding = [tuple(rng.integers(0, 4, 2).tolist()) for _ in a.shape]
        return sd.nn.pad(x * 0.5, padding, constant=1.5), np.pad(a * 0.5, padding, constant_values=1.5)

    def of_two(self, x, a):
        for _ in range(20):
            y, b = self.chosen()
            try:
                shape = np.broadcast_shapes(a.shape, b.shape)
            except ValueError:
                continue
            if np.prod(shape) <= MOST:
                return (x + self.sd.math.tanh(y), a + np.tanh(b)) if self.rng.random() < 0.5 else (x * y, a * b)
        return x - 0.25, a - 0.25

    def outs(self):
        """Three results, and a loss of them all with its gradients."""
        rng, made = self.rng, self.known[2:]
        several = [made[-1], made[rng.integers(len(made))], made[rng.integers(len(made))]]
        sd = self.sd
        loss = sd.math.add(sd.mean(sd.math.square(several[0][0])), sd.mean(sd.math.tanh(several[1][0])))
        return [sd.identity(v) for v, _ in several], [loss, *sd.grad(loss, self.leaves)], [a for _, a in several]


@pytest.fixture
def no_code_is_known(monkeypatch):
    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.delenv("SDGRAPH_QUICK", raising=False)
    monkeypatch.setattr(machine, "_kernels", {})
    monkeypatch.setattr(segment, "_codes", {})
    monkeypatch.setattr(later, "_QUIET", 3600.0)
    yield
    machine.settled()


def of(program, engine):
    results, gradients, _ = program.outs()
    return program.sd.compile([*results, *gradients], engine=engine)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("first", range(0, 30, 10))
def test_random_programs(first, dtype):
    small = {"float32": 2e-5, "float64": 1e-12}[dtype]
    for seed in range(first, first + 10):
        program = Program(seed, dtype)
        results, gradients, want = program.outs()
        got, other = (
            list(program.sd.compile([*results, *gradients], engine=engine)().values()) for engine in ("llvm", "numpy")
        )
        for k, (a, b) in enumerate(zip(got, [*want, *other[len(want) :]], strict=True)):
            np.testing.assert_allclose(a, b, rtol=small, atol=small / 2, err_msg=f"seed {seed}, result {k}")


@pytest.mark.parametrize("first", (100,))
def test_quick_code_and_good_code_have_the_same_bits(first, no_code_is_known):
    for seed in range(first, first + 10):
        f = of(Program(seed, "float32"), "llvm")
        quick = f()
        machine.settled()
        good = f()
        assert all(quick[k].tobytes() == good[k].tobytes() for k in quick), seed

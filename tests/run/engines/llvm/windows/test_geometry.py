"""Tables of offsets lead to the places that the formula of a convolution says."""

import math

import numpy as np
import pytest

from sdgraph.run.engines.llvm.windows import geometry
from tests.groups import first_and_slow
from tests.run.engines.llvm.windows.by_hand import drawn


def pairs_by_hand(problem):
    """All (place in x, result, entry) that meet, as flat numbers; places beyond x are left out."""
    s, d, pads = (problem.settings[name] for name in ("strides", "dilation", "pads"))
    sizes, outs, k = problem.arrays["x"].shape[1:-1], problem.arrays["y"].shape[1:-1], problem.arrays["w"].shape[:-2]
    found = set()
    for o in np.ndindex(*outs):
        for t in np.ndindex(*k):
            at = [a * i + b * j - low for a, i, b, j, (low, _) in zip(s, o, d, t, pads, strict=True)]
            if all(0 <= i < n for i, n in zip(at, sizes, strict=True)):
                found.add(tuple(int(np.ravel_multi_index(i, n)) for i, n in ((at, sizes), (o, outs), (t, k))))
    return found


def flat_steps(sizes):
    return [math.prod(sizes[a + 1 :]) for a in range(len(sizes))]


def pairs_of(phases, sizes, outs, k):
    """The same from phases: (what is read, where the result stands, entry)."""
    found = set()
    for phase in phases:
        for q in np.ndindex(*(p.results for p in phase)):
            for j in np.ndindex(*(len(p.offsets) for p in phase)):
                of = [p.step * a + p.offsets[b] for p, a, b in zip(phase, q, j, strict=True)]
                to = [p.first + p.apart * a for p, a in zip(phase, q, strict=True)]
                tap = [p.taps[b] for p, b in zip(phase, j, strict=True)]
                if all(0 <= i < n for i, n in zip(of, sizes, strict=True)):
                    found.add(tuple(int(np.ravel_multi_index(i, n)) for i, n in ((of, sizes), (to, outs), (tap, k))))
    return found


def settings(problem):
    return [problem.settings[name] for name in ("strides", "dilation", "pads")]


SEEDS = first_and_slow([s for s in range(40) if drawn(s, "float64").arrays["y"].size], 8)


@pytest.mark.parametrize("seed", SEEDS)
def test_phases_meet_what_the_formula_says(seed):
    problem = drawn(seed, "float64")
    sizes, outs, k = problem.arrays["x"].shape[1:-1], problem.arrays["y"].shape[1:-1], problem.arrays["w"].shape[:-2]
    want = pairs_by_hand(problem)
    assert pairs_of(geometry.forward(outs, k, *settings(problem)), sizes, outs, k) == want
    back = geometry.backward(sizes, k, *settings(problem))
    assert {(x, y, t) for y, x, t in pairs_of(back, outs, sizes, k)} == want
    for phase in back:
        assert all(list(p.offsets) == sorted(p.offsets) for p in phase)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_result_belongs_to_one_phase(seed):
    problem = drawn(seed, "float64")
    sizes, k = problem.arrays["x"].shape[1:-1], problem.arrays["w"].shape[:-2]
    places = [
        tuple(p.first + p.apart * a for p, a in zip(phase, q, strict=True))
        for phase in geometry.backward(sizes, k, *settings(problem))
        for q in np.ndindex(*(p.results for p in phase))
    ]
    assert sorted(places) == sorted(np.ndindex(*sizes))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_border_keeps_windows_inside(seed):
    problem = drawn(seed, "float64")
    sizes, outs, k = problem.arrays["x"].shape[1:-1], problem.arrays["y"].shape[1:-1], problem.arrays["w"].shape[:-2]
    lows, full, phases = geometry.bordered(sizes, geometry.forward(outs, k, *settings(problem)))
    assert all(f >= low + n for f, low, n in zip(full, lows, sizes, strict=True))
    for p, n in zip(phases[0], full, strict=True):
        assert p.offsets[0] >= 0 and p.step * (p.results - 1) + p.offsets[-1] < n
    found = geometry.source(1, full, 1, phases, 8)
    assert found is not None and not found.copied


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_stay_inside_of_what_a_chunk_reads(seed):
    problem = drawn(seed, "float64")
    n, *sizes, c = problem.arrays["x"].shape
    outs, k = problem.arrays["y"].shape[1:-1], problem.arrays["w"].shape[:-2]
    for of, to, phases in (
        (tuple(sizes), outs, geometry.forward(outs, k, *settings(problem))),
        (outs, tuple(sizes), geometry.backward(sizes, k, *settings(problem))),
    ):
        s = geometry.source(n, of, c, phases, 8)
        if s is None:  # A buffer would have room for too little.
            _, of, phases = geometry.bordered(of, phases)
            s = geometry.source(n, of, c, phases, 8)
        assert s.bands * s.rows >= max(p[0].results for p in phases) and s.copied <= (s.buffer > 0)
        for phase in phases:
            t = geometry.tables(s, phase, flat_steps(to), math.prod(to), join=True)
            if t.base.size and t.tap.size:
                end = t.base.max() + t.tap.max() + t.joined * c
                assert t.base.min() + t.tap.min() >= 0 and end <= max(s.images * s.image, s.images * math.prod(of) * c)


def test_blocks_cover_all_filters():
    for f in range(1, 200):
        at = 0
        for first, v, left in geometry.blocks(f, 16, [4, 2, 1]):
            assert first == at and 0 < left <= 16
            at += (v - 1) * 16 + left
        assert at == f

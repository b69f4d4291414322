"""Which loops a plan has, what they make, and what of a body runs once."""

import numpy as np

from sdgraph import SameDiff
from sdgraph.build.bodies import LOOPS
from tests.ops.control.loops import drawn, lstm, recurrent

X = drawn(6, 2, 3, seed=5)


def loops(sd, fetches, feeds, engine="numpy"):
    f = sd.compile(fetches, engine=engine)
    f(feeds)
    return [step.attrs["run"].of for step in f.plan.steps if step.op in LOOPS]


def test_a_loop_makes_what_is_wanted_of_it():
    sd, last, states, twice = recurrent()
    (only_last,) = loops(sd, [last], {"x": X})
    (only_states,) = loops(sd, [states], {"x": X})
    (both,) = loops(sd, [states, twice], {"x": X})
    assert [len(run.stacks) for run in (only_last, only_states, both)] == [0, 1, 2]
    assert [len(run.gives) for run in (only_last, only_states, both)] == [1, 0, 0]


def test_carries_that_nobody_needs_are_left_out():
    sd = SameDiff()
    x = sd.placeholder("x", (None,))
    (a, b), _ = sd.scan(lambda c, x: ((c[0] + x, sd.math.exp(c[1])), None), (0.0, 0.0), x)
    (run,) = loops(sd, [a], {"x": [1.0, 2.0]})
    assert len(run.carries) == 1 and run.body.steps == 1
    (run,) = loops(sd, [b], {"x": [1.0, 2.0]})
    assert len(run.carries) == 1 and not run.xs


def test_value_and_gradients_share_the_loop_forward():
    sd, loss = lstm()
    assert len(loops(sd, [loss, *sd.grad(loss, ["w", "r", "b"])], {"x": X})) == 2
    sd, last, states, _ = recurrent()
    loss = states.sum() + last.sum()
    first = sd.grad(loss, ["w", "b"])
    assert len(loops(sd, [loss, *first], {"x": X})) == 2
    second = sd.grad((first[0] * first[0]).sum(), ["w", "b"])
    assert len(loops(sd, [loss, *first, *second], {"x": X})) <= 5


def test_sums_over_steps_are_products_after_the_loop():
    sd, last, *_ = recurrent()
    forward, backward = loops(sd, sd.grad(last.sum(), ["w", "b"]), {"x": X})
    assert len(backward.carries) == 1  # The state's cotangent, and no sums.
    assert len(forward.stacks) >= 1


def test_what_is_the_same_in_every_step_runs_once():
    sd = SameDiff()
    w, x = sd.var("w", np.eye(3)), sd.placeholder("x", (None, 3))
    last, _ = sd.scan(lambda h, x: (h @ sd.nn.softmax(sd.transpose(w)) + x, None), np.zeros(3), x)
    (run,) = loops(sd, [last], {"x": np.ones((4, 3), "f")})
    assert run.body.before is not None and run.body.before.steps >= 2
    assert run.body.steps == 2


def test_a_body_is_lowered_once_for_all_lengths():
    sd, last, *_ = recurrent()
    f = sd.compile(last, engine="llvm")
    bodies: set[int] = set()
    for n in range(1, 8):
        f(x=X[:n] if n <= 6 else np.concatenate([X, X]))
        bodies |= {id(step.attrs["run"].of.body) for step in f.plan.steps if step.op in LOOPS}
    assert len(bodies) == 1


def test_equal_loops_are_one():
    def graph(factor):
        sd = SameDiff()
        x = sd.placeholder("x", (None,))
        a, _ = sd.scan(lambda h, x: (h * 2.0 + x, None), 0.0, x)
        b, _ = sd.scan(lambda h, x: (h * factor + x, None), 0.0, x)
        return sd, a + b

    for factor, n in ((2.0, 1), (3.0, 2)):
        sd, total = graph(factor)
        assert len(loops(sd, [total], {"x": [1.0, 2.0]})) == n


def test_it_prints_what_is_inside():
    sd, _, states, _ = recurrent()
    f = sd.compile(states, engine="numpy")
    f(x=X)
    assert "× 6: 4 steps each, stacks 1 (288 B)" in str(f.plan)
    assert "      t" in str(f.plan) and "math.tanh" in str(f.plan)
    assert f.plan.peak_bytes > X.nbytes

"""A third engine: what `interface` asks for is all that one needs, and one row in the table makes it known."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph import profile as measure
from sdgraph.errors import EngineError
from sdgraph.plan.made import Group, Made
from sdgraph.run.engines import choice
from sdgraph.run.engines.interface import Part, Program
from sdgraph.run.engines.results import outputs

pytestmark = pytest.mark.any_engine


class Backwards(Program):
    """Runs a plan from its results: each step when somebody asks for it. It counts how many it has run in a slot."""

    def __init__(self, plan):
        self.plan = plan
        self.n_slots = plan.n_slots + 1
        self.run = self._run

    def _run(self, slots):
        assert len(slots) >= self.n_slots
        slots[self.plan.n_slots] = 0
        for o in self.plan.outs:
            self._need(slots, o)
        return outputs(self.plan)(slots)

    def _need(self, slots, slot):
        step = next((s for s in self.plan.steps if s.out == slot), None)
        if step is None or slots[slot] is not None:
            return
        for j in step.inputs:
            self._need(slots, j)
        kernel = step.op.bind_kernel(np, "numpy", step.attrs)
        slots[slot] = kernel(*[slots[j] if j >= 0 else None for j in step.inputs])
        slots[self.plan.n_slots] += 1

    def explain(self):
        together = Group("on demand", (f"{len(self.plan.steps)} steps",), tuple(s.out for s in self.plan.steps))
        return Made.of(self.plan, notes="engine toy: from the end", groups=(together,))


class Told(Backwards):
    """One that tells everything."""

    def source(self):
        return "steps on demand"

    def parts(self):
        return [Part("everything", 64, lambda slots: self.run(slots) and None)]


class Toy:
    """An engine is whatever has these two."""

    def __init__(self, program):
        self.program = program
        self.asked = 0

    def probe(self):
        self.asked += 1

    def compile_plan(self, plan, *, check_numerics):
        return None if check_numerics else self.program(plan)


@pytest.fixture(params=[Backwards, Told])
def toy(request, monkeypatch):
    engine = Toy(request.param)
    monkeypatch.setitem(choice.ENGINES, "toy", choice.Known(lambda: engine))
    choice._working.cache_clear()
    yield engine
    choice._working.cache_clear()


def graph():
    sd = SameDiff(seed=3)
    x, w = sd.placeholder("x", (None, 3)), sd.var("w", np.arange(6.0).reshape(3, 2))
    y = sd.nn.softmax(sd.math.add(x @ w, sd.random.normal(shape=(2,)), name="z"), name="y")
    total = sd.sum(y * y, name="total")
    return sd, [total, y, *sd.grad(total, [w])]


def test_it_runs_plans_with_the_results_of_the_others(toy):
    sd, fetches = graph()
    f = sd.compile(fetches, engine="toy")
    want = sd.compile(fetches, engine="numpy")
    for rows in (1, 4):
        x = np.linspace(-1, 1, 3 * rows, dtype="float32").reshape(rows, 3)
        for step in (0, 2):
            got, expected = f(x=x, step=step), want(x=x, step=step)
            assert got.keys() == expected.keys()
            assert all(np.array_equal(got[name], expected[name]) for name in got)
    assert (f.engine, repr(f).rpartition(" ")[2]) == ("toy", "toy>")
    assert toy.asked == 1


def test_it_explains_itself_in_plans_and_pictures(toy):
    sd, fetches = graph()
    f = sd.compile(fetches, engine="toy")
    f(x=np.zeros((2, 3)))
    assert str(f.plan).endswith("engine toy: from the end")
    assert f.plan.groups[0].title == "on demand"
    assert "on demand" in sd.to_dot(plan=f.plan)


def test_what_it_does_not_tell_is_said(toy):
    sd, fetches = graph()
    f = sd.compile(fetches, engine="toy")
    feeds = {"x": np.zeros((2, 3))}
    f(feeds)
    if toy.program is Told:
        assert f.source() == "steps on demand"
        (part,) = measure(f, feeds, repeat=2).parts
        assert (part.part, part.bytes) == ("everything", 64) and part.seconds > 0
        return
    with pytest.raises(EngineError, match="'toy' has made no code"):
        f.source()
    with pytest.raises(EngineError, match="'toy' cannot be measured"):
        measure(f, feeds)


def test_a_plan_that_it_cannot_run_goes_to_numpy(toy):
    sd, fetches = graph()
    f = sd.compile(fetches, engine="toy", check_numerics=True)
    f(x=np.zeros((2, 3)))
    assert f.engine == "numpy"


def test_it_is_among_the_names(toy):
    sd, fetches = graph()
    with pytest.raises(EngineError, match="'toy'"):
        sd.compile(fetches, engine="tay")
    assert choice.engine_name("toy") == "toy"


def test_single_evaluations_run_on_it_too(toy):
    _, (_, y, _) = graph()
    x = np.ones((1, 3))
    assert np.array_equal(y.eval(x=x, engine="toy"), y.eval(x=x, engine="numpy"))
    assert toy.asked == 1

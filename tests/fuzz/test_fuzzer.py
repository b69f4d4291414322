"""The fuzzer finds faults that are made on purpose, shrinks them, and prints code that shows them."""

import itertools

import numpy as np
import pytest

from sdgraph import LossReduce
from sdgraph.build.op import REGISTRY
from sdgraph.lower import lowering as lower
from sdgraph.run.engines import reference as numpy_engine
from tests.fuzz.compare import Judge
from tests.fuzz.direct import Direct, Noise
from tests.fuzz.generate import generate
from tests.fuzz.printing import code
from tests.fuzz.program import DRAW, GRAD, Call, Given, Leaf, Program, Ref
from tests.fuzz.shrink import same_failure, shrunk

pytestmark = pytest.mark.any_engine


def first_failure(engines, limit=400, using=None):
    """The first program that fails, shrunk, and how; of those that use an op, if one is named."""
    programs = filter(lambda p: using in (None, *(c.op for _, c in p.calls())), map(generate, itertools.count()))
    for program in itertools.islice(programs, limit):
        failure = Judge(program, engines).failure()
        if failure is not None:
            return shrunk(program, failure, same_failure(failure, engines))
    raise AssertionError(f"{limit} programs show nothing")


def assert_small(program, *ops):
    used = [c.op for _, c in program.calls()]
    assert len(used) <= 4, used
    assert set(ops) & set(used), used


def test_a_wrong_gradient_rule(monkeypatch):
    monkeypatch.setattr(REGISTRY["math.sin"], "vjp", lambda g, y, x: g * x.sd.math.cos(x) * 1.01)
    program, failure = first_failure(("numpy",), using="math.sin")
    assert failure.kind == "gradient"
    assert_small(program, "math.sin")


def test_a_wrong_kernel_of_one_engine(monkeypatch):
    right = numpy_engine._instruction

    def wrong(step, *, reuse):
        fn, *rest = right(step, reuse=reuse)
        return (lambda *a: fn(*a) + 1e-4, *rest) if step.op.qualname == "math.tanh" else (fn, *rest)

    monkeypatch.setattr(numpy_engine, "_instruction", wrong)
    program, failure = first_failure(("numpy",))
    assert failure.kind == "value"
    assert_small(program, "math.tanh", "nn.tanh")


def test_a_wrong_rewrite(monkeypatch):
    """Lowering takes sums along the first axis for nothing."""

    def dropped(lowering, inputs, attrs, aval):
        return inputs[0] if attrs["axis"] == 0 else None

    monkeypatch.setitem(lower.RULES, "cumsum", dropped)
    program, _ = first_failure(("numpy",))
    assert_small(program, "cumsum")


def test_a_bad_exception(monkeypatch):
    def fails(*_):
        raise IndexError("list index out of range")

    monkeypatch.setitem(lower.RULES, "math.square", fails)
    program, failure = first_failure(("numpy",))
    assert failure.kind == "crash" and "IndexError" in failure.text
    assert len(program.calls()) == 1


def test_a_wrong_loop_of_the_fused_engine(monkeypatch):
    pytest.importorskip("llvmlite")
    from sdgraph.run.engines.llvm import segment
    from sdgraph.run.engines.llvm.scalars import scalar_ops
    from sdgraph.run.engines.llvm.translate import machine

    monkeypatch.setenv("SDGRAPH_CACHE", "0")
    monkeypatch.setattr(machine, "_kernels", {})
    monkeypatch.setattr(segment, "_codes", {})
    monkeypatch.setitem(scalar_ops.RULES, "math.floor", scalar_ops.RULES["math.ceil"])
    program, failure = first_failure(("llvm",))
    assert failure.engine == "llvm"
    assert_small(program, "math.floor")


def small_program(dtype="float64"):
    """``sum(sin(x))`` and its gradient."""
    steps = {
        0: Leaf("placeholder", ("n", 2), Given(np.array([[0.5, 1.0]]))),
        1: Call("math.sin", (Ref(0),)),
        2: Call("sum", (Ref(1),)),
        3: Call(GRAD, (Ref(2), Ref(0))),
    }
    return Program(dtype, steps, (Ref(2), Ref(3)), ({"n": 1}, {"n": 3}))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_right_program_passes(dtype):
    assert Judge(small_program(dtype)).failure() is None


def test_the_direct_evaluation_is_that_of_the_formula():
    from tests.fuzz.build import build

    builder = build(small_program("float16"))
    direct = Direct(builder.sd, builder.arrays("placeholder", {"n": 3}))
    np.testing.assert_allclose(direct.value(builder.made[Ref(2)].id), 3 * (np.sin(0.5) + np.sin(1.0)), rtol=1e-15)
    np.testing.assert_allclose(direct.value(builder.made[Ref(3)].id), np.cos([[0.5, 1.0]] * 3), rtol=1e-15)


def test_noise_moves_by_some_roundings():
    x = np.full(1000, 3.0)
    moved = Noise(0).moved(x, np.dtype("float32"))
    error = np.abs(moved - x) / (3.0 * np.finfo("float32").eps)
    assert error.min() > 2 and error.max() < 20


def test_printed_code_runs(capsys):
    space = {}
    exec(compile(code(small_program(), "numpy"), "printed", "exec"), space)
    got = space["f"]({"x0": np.array([[0.5, 1.0]])})
    np.testing.assert_allclose(got["sum"], np.sin(0.5) + np.sin(1.0))
    assert capsys.readouterr().out.count("sum") == 2


def test_a_loss_out_of_range_is_left_out():
    """A sum of 60,000 hinge losses in half precision, 76,000 if it were not for the dtype."""
    leaves = {k: Leaf("placeholder", ("n",), Given(np.array(v))) for k, v in enumerate((1.0, -0.27))}
    loss = Call("loss.hinge_loss", (Ref(0), Ref(1), None), {"loss_reduce": LossReduce.SUM})
    program = Program("float16", {**leaves, 2: loss}, (Ref(2),), ({DRAW: 0, "n": 60_000},))
    judge = Judge(program, ("numpy",))
    assert judge.failure() is None and judge.skipped == 1

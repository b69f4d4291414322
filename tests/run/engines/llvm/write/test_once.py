"""Ops that brief code has several times: each stands in it once, whoever calls it gets what it would have written."""

import re

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.scalars.builder import Builder, Val, const
from sdgraph.run.engines.llvm.scalars.ranges import ANY, Range
from sdgraph.run.engines.llvm.scalars.scalar_ops import emit
from sdgraph.run.engines.llvm.write.accumulators import State, accumulator
from sdgraph.run.engines.llvm.write.emit import Task, at_length, generate
from sdgraph.run.engines.llvm.write.once import Once

FLOAT, BOOL = np.dtype("float32"), np.dtype(bool)
MANY = {"math.tanh": 5, "math.div": 50, "nn.elu": 5, "math.add": 1000, "math.exp": 1}


@pytest.fixture
def b():
    made = Builder(8, brief=True)
    for k in range(3):
        made.line(f"%in{k} = load <8 x float>, ptr %a")
    return made


def called(once, b, op, *args, **attrs):
    """The name of the function that does it, or None where it is written at its place."""
    before = len(b.scopes[0].lines)
    v = once.emit(b, op, args, [FLOAT] * len(args), FLOAT, attrs)
    found = [m[1] for line in b.scopes[0].lines[before:] if (m := re.search(r"@\.(\w+)\(", line))]
    assert (v.type, v.vec) == ("float", True)
    return found[-1] if found else None


def value(k):
    return Val(f"%in{k}", "float", True, 0)


def test_an_op_that_is_there_often_is_one_function(b):
    once = Once(MANY)
    assert called(once, b, "math.tanh", value(0)) == called(once, b, "math.tanh", value(1)) == "o0"
    assert called(once, b, "math.tanh", value(0)) is None  # That is known already.
    [text] = once.texts
    assert text.startswith("define internal <8 x float> @.o0(<8 x float> %x0) {") and text.endswith("}")
    assert once.intrinsics and not b.intrinsics


def test_what_is_short_or_rare_is_written_at_its_place(b):
    once = Once(MANY)
    assert called(once, b, "math.add", value(0), value(1)) is None
    assert called(once, b, "math.exp", value(0)) is None
    assert not once.texts


def test_what_is_one_number_is_written_at_its_place(b):
    once = Once(MANY)
    v = once.emit(b, "math.tanh", [Val("%s", "float", False, 0)], [FLOAT], FLOAT, {})
    assert not v.vec and not once.texts


def test_settings_literals_types_and_equal_operands_are_told_apart(b):
    once = Once(MANY)
    one = const(1, "float")
    names = [
        called(once, b, "nn.elu", value(0), alpha=1.0),
        called(once, b, "nn.elu", value(0), alpha=0.5),
        called(once, b, "math.div", value(0), value(1)),
        called(once, b, "math.div", value(0), value(0)),
        called(once, b, "math.div", value(0), one),
        called(once, b, "math.div", one, value(0)),
    ]
    assert len(set(names)) == len(names) and None not in names
    assert called(once, b, "math.div", value(1), value(2)) == names[2]


def test_what_is_known_of_operands_is_known_inside_and_told_of_the_result(b):
    once = Once(MANY)
    wide = called(once, b, "math.div", value(0), value(1))
    b.know(value(2), Range(1.0, 2.0, False))
    assert called(once, b, "math.div", value(0), value(2)) != wide
    b.divisors = {"%in2"}
    divided = called(once, b, "math.div", value(1), value(2))
    assert divided not in (wide, None)
    v = once.emit(b, "math.tanh", [value(2)], [FLOAT], FLOAT, {})
    assert b.range(v) == Range(-1.0, 1.0, False)


def test_the_function_does_what_would_stand_at_the_place(b):
    once = Once(MANY)
    called(once, b, "math.tanh", value(0))
    written = Builder(8, brief=True)
    emit(written, "math.tanh", [Val("%x0", "float", True, 0)], [FLOAT], FLOAT, {})
    assert "\n".join(written.scopes[0].lines) in once.texts[0]


@pytest.mark.parametrize("several", [False, True])
def test_reductions_of_one_kind_share_what_gathers(b, several):
    once = Once({}, several=several)
    like = b.know(value(0), ANY)
    for kind in (accumulator("sum", FLOAT, FLOAT), accumulator("max", FLOAT, FLOAT), accumulator("min", FLOAT, FLOAT)):
        for _ in range(2):
            once.take(b, State(b, kind, vec=True), Val("%m", "ptr", False, 0), like)
    once.take(b, State(b, accumulator("sum", BOOL, np.dtype("int64")), vec=True), Val("%m", "ptr", False, 0), like)
    assert len(once.texts) == (4 if several else 0)
    calls = [line for line in b.scopes[0].lines if "call void @.o" in line]
    assert len(calls) == (7 if several else 0)


def texts_of(op, links):
    """Code in brief and at length of as many times an op, one after another."""
    sd = SameDiff()
    y = sd.placeholder("x", (1000,))
    for _ in range(links):
        y = op(sd, y * 1.5)
    f = sd.compile(y, engine="llvm")
    [runner] = f._last.program._runners.values()
    return [(r.code.text, at_length(r.task, r.code)) for r in runner.regions]


def test_a_link_of_a_chain_takes_a_few_lines_in_brief_and_all_at_length():
    [few], [many] = (texts_of(lambda sd, y: sd.math.tanh(y), n) for n in (10, 20))
    assert many[0].count("\n") - few[0].count("\n") < 10 * 10
    assert many[1].count("\n") - few[1].count("\n") > 10 * 20
    assert "internal" in many[0] and "internal" not in many[1]


def test_a_task_that_has_nothing_several_times_has_no_functions():
    sd = SameDiff()
    x = sd.placeholder("x", (1000,))
    f = sd.compile(sd.sum(sd.math.tanh(x)), engine="llvm")
    [runner] = f._last.program._runners.values()
    [region] = runner.regions
    assert isinstance(region.task, Task) and "internal" not in generate(region.task).text

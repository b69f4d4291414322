"""A small file cannot make a program take much time or memory, whatever sizes and settings it names.

A rule of shapes, or the body of a composite, that allocates or loops as often as a number says is found here by its
existence: every op is asked with huge numbers for each of its sizes and settings.
"""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from sdgraph import SameDiff, composite, errors
from sdgraph.build.op import REGISTRY
from sdgraph.build.tracing import output_aval
from sdgraph.build.variable import Operand
from sdgraph.infer.aval import Aval
from sdgraph.store.bodies import Bodies
from sdgraph.store.load import from_bytes
from sdgraph.store.save import to_bytes
from tests.ops.samples import samples_of
from tests.ops.test_every_op import OPS, apply
from tests.store.hostile_files import CONTENT, MEMBERS, made, parts
from tests.store.judging import forget_peak, peak

SECONDS, MEGABYTES = 1.5, 60
HUGE = [10**6, 10**9, 2**40]


def other_values(x):
    """A setting with huge numbers in it, one at a time."""
    if type(x) is int:
        return [*HUGE, -(10**9), 2**63]
    if type(x) is tuple:
        each = [(*x[:k], other, *x[k + 1 :]) for k, v in enumerate(x) for other in other_values(v)]
        return [*each, x * 1000]
    return [10**9] if x is None or type(x) is float else []


def calls(name):
    """An op's operands and settings, as they are in a sample and with something huge in them."""
    sample = next(iter(samples_of(name)))
    sd = SameDiff("float64")
    apply(sd, sample)
    node = next(n for n in reversed(sd.nodes) if n.op is REGISTRY[name])
    avals = tuple(None if j < 0 else sd.nodes[j].aval for j in node.inputs)
    settings = {k: v for k, v in node.attrs.items() if k != "stream"}
    some = [{**settings, k: other} for k, v in settings.items() for other in other_values(v)]
    yield from ((avals, attrs) for attrs in [settings, *some])
    for size in {d for a in avals if a is not None for d in a.shape}:
        for huge in HUGE:
            larger = tuple(a and Aval(tuple(huge if d == size else d for d in a.shape), a.dtype) for a in avals)
            yield larger, settings
            yield from ((larger, attrs) for attrs in some[:12])


@pytest.mark.parametrize("name", OPS)
def test_no_rule_and_no_digest_takes_as_long_as_a_number_says(name):
    op, sd = REGISTRY[name], SameDiff("float64")
    forget_peak()
    before = peak()
    try:
        for avals, attrs in calls(name):
            begin = time.process_time()
            try:
                output_aval(op, sd, avals, attrs)
                Bodies(sd).digest(op, avals, attrs)
            except MemoryError:
                raise
            except Exception:
                pass  # A call that cannot be; what readers make of it is told elsewhere.
            seconds, megabytes = time.process_time() - begin, peak() - before
            assert seconds < SECONDS and megabytes < MEGABYTES, (avals, attrs, seconds, megabytes)
    finally:
        op.bodies.clear()


# ---------------------------------------------------------------------- makers of arrays


@pytest.mark.parametrize("start", [0, 1, -3, 2.5, 1e-300, 0.1, 1e16])
def test_a_range_is_as_long_as_numpys(start):
    for stop in (0, 7, -2, 0.3, 1e-320, 2.5, 1e16):
        for step in (1, -1, 0.1, 3, 1e300, -1e-3, 1e15, 7.5e14, float("inf")):
            if 0 <= (stop - start) / step < 1e6:
                v = SameDiff("float64").range(start, stop, step)
                expected = np.arange(start, stop, step, dtype="float64")
                assert v.shape == expected.shape, (start, stop, step)
                np.testing.assert_array_equal(v.eval(), expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda sd: sd.range(1e12),
        lambda sd: sd.range(0, 2**62),
        lambda sd: sd.linspace(0, 1, 10**12),
        lambda sd: sd.math.eye(10**7),
        lambda sd: sd.math.eye(2**62),
        lambda sd: sd.linalg.tri(10**7),
        lambda sd: sd.one_hot([1], 10**12),
        lambda sd: sd.repeat([1.0, 2.0], 10**12),
    ],
    ids=["range", "longest", "linspace", "eye", "largest", "tri", "one_hot", "repeat"],
)
def test_what_has_no_room_is_told_when_it_is_evaluated(make):
    sd = SameDiff()
    v = make(sd)
    again = from_bytes(SameDiff, to_bytes(sd))
    assert again[v.name].shape == v.shape
    for graph in (sd, again):
        with pytest.raises(errors.SDGraphError, match=v.node.op.name):
            graph[v.name].eval()


def test_a_range_that_has_no_length():
    for stop, step in ((float("nan"), 1), (float("inf"), 1), (1e300, 1), (1, 1e-300)):
        with pytest.raises(errors.ArgumentError, match="No array is as long"):
            SameDiff().range(0, stop, step)


def test_a_call_has_a_million_outputs_at_most():
    x = SameDiff().placeholder("x", (2_000_000,))
    for call in (lambda: x.sd.unstack(x), lambda: x.sd.split(x, 2_000_000)):
        with pytest.raises(errors.ArgumentError, match="at most 1,000,000"):
            call()


# ---------------------------------------------------------------------- gradients of gradients


@composite
def rising(sd, x: Operand, *, name=None):
    y = sd.sum(x * x, 0, keepdims=True)
    return sd.math.sqrt(y) / (y + 1.0) * x / sd.math.tanh(y + 2.0)


def of_order(order: int) -> bytes:
    """A file with gradients of gradients up to an order, each with the cotangent of the one before."""
    sd = SameDiff("float64")
    x = sd.var("x", [1.0, 2.0])
    g = rising(sd, x)
    for _ in range(4):
        g = sd.grad(g.sum(), x)
    content, members = parts(to_bytes(sd))
    rows, columns = content["nodes"]["ops"], content["nodes"]["columns"]
    op = max(k for k, row in enumerate(rows) if row[0] == ":gradient")
    node = columns["op"].index(op)
    inputs = columns["inputs"][sum(columns["n_inputs"][:node]) :][: columns["n_inputs"][node]]
    for k in range(4, order):
        rows.append([":gradient", op if k == 4 else len(rows) - 1, 0, len(inputs), [False], False])
        inputs = [*inputs, inputs[-1]]
        columns["inputs"] += inputs
        columns["n_inputs"].append(len(inputs))
        columns["op"].append(len(rows) - 1)
        columns["name"].append(f"of order {k + 1}")
        for name in ("settings", "aval", "origin"):
            columns[name].append(columns[name][node])
    return made(content, members)


def test_a_file_of_gradients_of_gradients_is_read_at_once():
    """Each order's body has three times the nodes of the one before: of order 30 there are more than any memory has."""
    begin = time.process_time()
    sd = from_bytes(SameDiff, of_order(30), ops=[rising])
    assert sd["of order 30"].shape == (2,)
    with pytest.raises(errors.FormatError, match="a gradient of order 33"):
        from_bytes(SameDiff, of_order(40), ops=[rising])
    assert time.process_time() - begin < SECONDS


def test_gradients_of_a_high_order_come_back():
    sd = SameDiff("float64")
    x = sd.var("x", 0.3)
    g = sd.nn.gelu(x)
    for _ in range(6):
        g = sd.grad(g, x)
    again = from_bytes(SameDiff, to_bytes(sd))
    assert again[g.name].eval() == g.eval()


# ---------------------------------------------------------------------- in a process that has no more memory

CHILD = """
import resource, sys, time
from sdgraph import SameDiff, errors
from tests.store.hostile_files import CONTENT, MEMBERS, made
from sdgraph.store.load import from_bytes
from_bytes(SameDiff, made(CONTENT, MEMBERS))
pages = int(open("/proc/self/statm").read().split()[0])
most = pages * resource.getpagesize() + (100 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for path in sys.argv[1:]:
    begin = time.process_time()
    try:
        from_bytes(SameDiff, open(path, "rb").read())
        print("read", end=" ")
    except errors.FormatError as e:
        print("refused", end=" ")
    assert time.process_time() - begin < 2, path
"""


def bombs():
    """Small files that claim much."""

    def with_nodes(**changes):
        return made({**CONTENT, "nodes": {**CONTENT["nodes"], **changes}}, MEMBERS)

    columns = CONTENT["nodes"]["columns"]
    yield with_nodes(columns={**columns, "n_inputs": [2**53, *columns["n_inputs"][1:]]})
    yield with_nodes(columns={**columns, "name": ["x" * 2_000_000, *columns["name"][1:]]})
    yield with_nodes(avals=[[[2**40] * 30, "float64"], *CONTENT["nodes"]["avals"][1:]])
    yield with_nodes(settings=[{"k": 10**4000}, *CONTENT["nodes"]["settings"][1:]])
    yield with_nodes(ops=[*CONTENT["nodes"]["ops"], [":gradient", 0, 0, 10**9, [False], False]])
    ops = CONTENT["nodes"]["ops"]
    chain = [[":gradient", k, 0, 1, [False], False] for k in range(len(ops) - 1, len(ops) + 50_000)]
    yield with_nodes(ops=[*ops, *chain], columns={**columns, "op": [*columns["op"][:-1], len(ops) + 50_000]})
    yield made({**CONTENT, "tables": {**CONTENT["tables"], "gradient_spans": [[0, 2**62]]}}, MEMBERS)
    yield made({**CONTENT, "seed": "9" * 900_000}, MEMBERS)
    yield made({**CONTENT, "user": {"x" * 1_000_000: "y" * 1_000_000}}, MEMBERS)
    yield made(None, MEMBERS, b"[" * 900_000 + b"]" * 900_000)
    yield made(None, MEMBERS, b"[" + b"0," * 900_000 + b"0]")
    whole = made(CONTENT, MEMBERS)
    for at, lie in ((-12, b"\xff\xff"), (-10, b"\xff\xff\xff\x7f"), (-6, b"\xff\xff\xff\x7f"), (-10, bytes(4))):
        yield whole[:at] + lie + whole[at + len(lie) :]
    directory = whole.index(b"PK\1\2")
    for at in (20, 24, 28, 30, 42):
        lie = b"\xff\xff\xff\xff"[: 2 if at in (28, 30) else 4]
        yield whole[: directory + at] + lie + whole[directory + at + len(lie) :]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no limit of memory")
def test_small_files_that_claim_much_take_little(tmp_path):
    paths = []
    for k, data in enumerate(bombs()):
        paths.append(tmp_path / f"{k}.sdg")
        paths[-1].write_bytes(data)
        assert len(data) < 4 << 20
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *paths], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    # Only names and texts of the user's may be long.
    assert [k for k, word in enumerate(done.stdout.split()) if word == "read"] == [1, 8]
    assert len(done.stdout.split()) == len(paths)

"""What the docstring of an op promises: every parameter, what comes out, which errors there are, kinks, an example.

All of it is asked of the registry, so a new op is tested by existing. What the text says of errors and of kinks is
compared with what the op does.
"""

import inspect
import itertools
import re

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.build.docstrings import entries, sections
from sdgraph.build.op import REGISTRY
from sdgraph.errors import ArgumentTypeError, ExecutionError, SDGraphError
from tests.ops.kinks import KINKS
from tests.ops.misuse import MISUSE
from tests.ops.samples import samples_of
from tests.ops.test_every_op import apply, method

OPS = {name: op for name, op in REGISTRY.items() if op.is_ours and not op.name.startswith("_")}
OURS = [name for name in OPS if not name.startswith("keras.")]
# Any op may raise it, for a setting that is no number, or a tensor that is none.
ANY_CALL = {ArgumentTypeError}


def told(name, title):
    return entries(sections(OPS[name].doc).get(title, ""))


@pytest.mark.any_engine
@pytest.mark.parametrize("name", OURS)
def test_every_parameter_is_told_once_in_order(name):
    parameters = list(OPS[name].signature.parameters)[1:]
    assert list(told(name, "Args")) == parameters
    assert all(text.endswith(".") for text in told(name, "Args").values())


@pytest.mark.any_engine
@pytest.mark.parametrize("name", OURS)
def test_what_comes_out_is_told_and_there_is_an_example(name):
    found = sections(OPS[name].doc)
    assert found.get("Returns") and ">>>" in found.get("Example", "")


# ---------------------------------------------------------------------- errors


def wrong_calls(name):
    """Samples of an op with an operand or a setting that may be refused."""
    for sample in samples_of(name)[:6]:
        shapes = [np.shape(x) for x in sample.operands if x is not None and not hasattr(x, "value")]
        for k, x in enumerate(sample.operands):
            if x is None or hasattr(x, "value"):
                continue
            x = np.asarray(x)
            others = [
                np.zeros((7, *x.shape), x.dtype),
                np.zeros(x.shape[1:], x.dtype),
                np.zeros((*x.shape[:-1], 7), x.dtype),
                x.astype("complex128"),
                x.astype(bool),
                x.astype("float64") if x.dtype.kind in "iu" else x.astype("int64"),
            ]
            for y in others:
                yield sample, (*sample.operands[:k], y, *sample.operands[k + 1 :]), sample.attrs
        for axis in (9, (0, 0)) if "axis" in OPS[name].attr_names and shapes else ():
            yield sample, sample.operands, {**sample.attrs, "axis": axis}


def refused(sample, operands, attrs):
    """The class of the error of a call, if there is one."""
    try:
        apply(SameDiff("float64"), type(sample)(sample.op, operands, attrs))
    except SDGraphError as e:
        return type(e)
    return None


@pytest.mark.any_engine
@pytest.mark.parametrize("name", OURS)
def test_errors_that_wrong_calls_raise_are_told(name):
    expected = {kind for _, _, kind in MISUSE.get(name, ()) if not isinstance(kind, tuple)}
    expected |= {kind for call in wrong_calls(name) if (kind := refused(*call)) is not None}
    assert not {kind.__name__ for kind in expected - ANY_CALL - {ExecutionError}} - set(told(name, "Raises"))


# ---------------------------------------------------------------------- kinks


@pytest.mark.parametrize("name", KINKS)
def test_gradients_at_kinks_are_what_is_told(name):
    assert re.search(r"gradient|derivative|ties", OPS[name].doc, re.IGNORECASE)
    for kink in KINKS[name] if isinstance(KINKS[name], list) else [KINKS[name]]:
        sd = SameDiff("float64")
        xs = [
            sd.var(f"x{k}", np.array(x)) if np.asarray(x).dtype.kind == "f" else sd.constant(f"x{k}", np.array(x))
            for k, x in enumerate(kink.operands)
        ]
        attrs = kink.attrs | ({"loss_reduce": LossReduce.SUM} if "loss_reduce" in OPS[name].attr_names else {})
        out = method(sd, name)(**dict(zip(OPS[name].operand_names, xs, strict=False)), **attrs)
        y = sd.sum(out[0] if isinstance(out, tuple) else out)
        for x, gradient in zip(xs, kink.gradients, strict=False):
            if gradient is not None:
                np.testing.assert_array_equal(sd.grad(y, x).eval(), gradient)


def slopes(name, point, dtype="float64"):
    """Slopes to the left and to the right of a function of one number; None where it has no value."""
    h = 1e-6
    sd = SameDiff(dtype)
    x = sd.placeholder("x", (3,))
    y = method(sd, name)(x)
    below, here, above = sd.output({"x": np.array([point - h, point, point + h])}, [y])[y.name]
    return (here - below) / h, (above - here) / h


def functions_of_one_number():
    for name in OURS:
        op = OPS[name]
        if (
            op.namespace in ("math", "nn")
            and op.n_operands == 1
            and not op.variadic
            and not op.signature.has_required_attrs
        ):
            samples = [s for s in samples_of(name) if np.shape(s.operands[0]) == (3,) and not s.attrs]
            for v in [apply(SameDiff("float64"), s)[0] for s in samples[:1]]:
                if [(x.shape, x.dtype) for x in v] == [((3,), np.float64)]:
                    yield name


# Kinks are looked for at these points, where the functions that are built of pieces are joined.
POINTS = (-2.5, -1.0, 0.0, 0.5, 1.0, 2.5, 6.0)


@pytest.mark.any_engine
@pytest.mark.filterwarnings("ignore")
def test_every_function_of_one_number_with_a_kink_is_in_the_table():
    bent = set()
    for name, point in itertools.product(functions_of_one_number(), POINTS):
        left, right = slopes(name, point)
        if np.isfinite([left, right]).all() and abs(left - right) > 1e-3 * max(1.0, abs(left), abs(right)):
            bent.add(name)
    assert {"math.abs", "nn.relu", "nn.hard_tanh", "math.round"} <= bent
    assert not bent - set(KINKS)


# ---------------------------------------------------------------------- sources


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [name for name in OURS if OPS[name].is_loss or name.startswith("loss.")])
def test_every_loss_names_its_source(name):
    assert sections(OPS[name].doc).get("References")


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [name for name in OURS if "References" in sections(OPS[name].doc)])
def test_a_source_is_a_title_with_a_year_or_an_address(name):
    lines = inspect.cleandoc(sections(OPS[name].doc)["References"])
    for source in re.split(r"^- ", lines, flags=re.MULTILINE)[lines.startswith("- ") :]:
        source = " ".join(source.split())
        assert re.search(r'"[^"]+", .*((19|20)\d\d|https://)', source), source

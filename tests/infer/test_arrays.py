"""From what users give to arrays: what is no number, is masked or does not fit a dtype is refused everywhere."""

import numpy as np
import pytest

from sdgraph import SameDiff, nd
from sdgraph.errors import FeedError, SDGraphError
from sdgraph.infer.arrays import converted
from sdgraph.keras import losses
from tests.graph_state import graph_state

MASKED = {
    "an array": np.ma.array([1.0, 2.0], mask=[False, True]),
    "an array without a mask": np.ma.array([1.0, 2.0]),
    "integers": np.ma.array([1, 2], mask=[True, False]),
    "a list of scalars": [1.0, np.ma.masked],
    "a list of arrays": [np.ma.array(1.0, mask=True), np.ma.array(2.0)],
    "a scalar": np.ma.masked,
    "a tuple in a list": [(1.0, np.ma.array([2.0], mask=[True])[0])],
}

TAKERS = {
    "feed": lambda sd, a: sd["y"].eval({"x": a}),
    "feed of a function": lambda sd, a: sd.compile("y")(x=a),
    "feed of a step": lambda sd, a: sd.calculate_gradients({"x": a}, ["x"]),
    "value": lambda sd, a: sd.set_value("w", a),
    "assigned value": lambda sd, a: setattr(sd["w"], "value", a),
    "one of several values": lambda sd, a: sd.set_values({"w": a}),
    "var": lambda sd, a: sd.var("more", a),
    "init": lambda sd, a: sd.var("more", shape=(2,), init=a),
    "init of a function": lambda sd, a: sd.var("more", shape=(2,), init=lambda shape, dtype, rng: a),
    "var of a dtype": lambda sd, a: sd.var("more", a, dtype="float64"),
    "constant": lambda sd, a: sd.constant("more", a),
    "constant without a name": lambda sd, a: sd.constant(a),
    "operand": lambda sd, a: sd["x"] + a,
    "first operand": lambda sd, a: sd.math.mul(a, sd["x"]),
    "operand of several": lambda sd, a: sd.math.merge_add(sd["x"], 7.5, a),
    "labels of a loss": lambda sd, a: sd.loss.mean_squared_error(a, sd["x"]),
    "weights of a loss": lambda sd, a: sd.loss.mean_squared_error(sd["x"], sd["y"], a),
    "labels of a Keras loss": lambda sd, a: losses.MeanSquaredError()(a, sd["x"]),
    "mask of a Keras loss": lambda sd, a: losses.MeanSquaredError()(sd["x"], sd["x"], mask=a),
    "arrays of a Keras loss": lambda sd, a: losses.mse(a, np.zeros(2)),
    "nd": lambda sd, a: nd.math.exp(a),
    "direction": lambda sd, a: sd.hvp(sd["y"].sum(), "w", a),
}


@pytest.fixture
def sd():
    sd = SameDiff()
    x = sd.placeholder("x", (2,))
    y = sd.math.mul(x, sd.var("w", [1.0, 2.0]), name="y")
    sd.set_loss_variables(y)
    return sd


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("what", MASKED)
def test_masked_arrays_are_refused_with_the_way_out(sd, what, taker):
    before = graph_state(sd)
    with pytest.raises(SDGraphError, match="masked") as caught:
        TAKERS[taker](sd, MASKED[what])
    assert "filled" in caught.value.fix and "weights" in caught.value.fix
    after = graph_state(sd)
    # A function that was compiled before its feeds were looked at may stay, and so may what hvp differentiates.
    for table in ("executables",) if taker.startswith("feed") else ():
        before.pop(table), after.pop(table)
    if taker != "direction":
        assert after == before


def test_a_masked_array_that_was_filled_is_taken(sd):
    filled = MASKED["an array"].filled(0.0)
    np.testing.assert_array_equal(sd["y"].eval({"x": filled}), [1.0, 0.0])


# ---------------------------------------------------------------------- what a dtype can hold

# value, dtype, and whether a number without a dtype, and an array, can become one of it
HELD = [
    (300, "uint8", False),
    (-1, "uint8", False),
    (255, "uint8", True),
    (2**31, "int32", False),
    (-(2**31), "int32", True),
    (2**63, "int64", False),
    (2**63 - 1, "int64", True),
    (2**64 - 1, "uint64", True),
    (2**70, "int64", False),
    (2**70, "float32", True),
    (10**400, "float64", False),
    (1.5, "int32", False),
    (2.0, "int32", True),
    (float("nan"), "int32", False),
    (float("inf"), "int64", False),
    (float(2**63), "int64", False),
    (-float(2**63), "int64", True),
    (float(2**64), "uint64", False),
    (1e300, "float32", False),
    (-1e39, "float32", False),
    (70000.0, "float16", False),
    (65504.0, "float16", True),
    (70000, "float16", False),
    (float("inf"), "float16", True),
    (float("nan"), "float16", True),
    (1e-300, "float32", True),
    (1j, "float32", False),
    (1e300j, "complex64", False),
    (True, "float32", True),
    (1, "bool", True),
    (2, "bool", False),
    (0.5, "bool", False),
]


@pytest.mark.parametrize(("value", "dtype", "fits"), HELD, ids=str)
def test_one_rule_says_what_a_dtype_can_hold(value, dtype, fits):
    """A feed, a variable's first and later value and a constant: none lets a number become another one."""
    sd = SameDiff()
    x = sd.placeholder("x", (1,), dtype)
    w = sd.var("w", np.zeros(1, dtype))
    y = sd.identity(x)
    takers = [
        lambda: y.eval({"x": [value]}),
        lambda: sd.set_value(w, [value]) or w.value,
        lambda: sd.set_values({w: [value]}) or w.value,
        lambda: sd.var("init", init=[value], dtype=dtype).value,
        lambda: sd.var("made", shape=(1,), init=lambda *_: [value], dtype=dtype).value,
        lambda: sd.var("filled", shape=(1,), init=value, dtype=dtype).value,
        lambda: sd.var("first", [value], dtype=dtype).value,
        lambda: sd.constant("second", [value], dtype=dtype).value,
        lambda: sd.var("third", np.array([value]), dtype=dtype).value,
    ]
    for take in takers:
        if fits:
            held = take()
            assert held.dtype == dtype
            np.testing.assert_array_equal(held, np.array([value]).astype(dtype))
        else:
            before = graph_state(sd)
            before.pop("executables")
            with pytest.raises(SDGraphError, match=r"does not cast|not an array of numbers"):
                take()
            after = graph_state(sd)
            after.pop("executables")
            assert after == before


@pytest.mark.parametrize(
    ("given", "dtype", "fits"),
    [
        ("float64", "float32", True),
        ("int64", "int32", True),
        ("int64", "float32", True),
        ("float64", "int64", False),
        ("float32", "bool", False),
        ("complex128", "float64", False),
        ("bool", "int8", True),
        (">f8", "float64", True),
    ],
)
def test_an_array_keeps_its_kind_of_numbers(given, dtype, fits):
    sd = SameDiff()
    y = sd.identity(sd.placeholder("x", (2,), dtype))
    w = sd.var("w", np.zeros(2, dtype))
    array = np.array([0, 1], given)
    for take in (lambda: y.eval({"x": array}), lambda: sd.set_value(w, array) or w.value):
        if fits:
            np.testing.assert_array_equal(take(), array)
        else:
            with pytest.raises(SDGraphError, match=f"does not cast to {dtype}"):
                take()


def test_a_value_that_does_not_fit_names_the_variable_and_the_number(sd):
    with pytest.raises(
        SDGraphError, match=r"The new value of 'w' does not cast to float32: -1e\+39 at position 1 "
    ) as caught:
        sd.set_value("w", [1.0, -1e39])
    assert (caught.value.node, caught.value.given) == ("w", "float64 (2,)")
    with pytest.raises(FeedError, match=r"The feed for 'x' does not cast to float32: -1e\+39 at position 1 ") as caught:
        sd["y"].eval({"x": [1.0, -1e39]})
    assert caught.value.given == "float64 (2,)"


def test_a_number_that_the_other_operand_cannot_hold_is_refused():
    """What numpy makes infinite with a warning."""
    sd = SameDiff()
    half = sd.placeholder("half", (2,), "float16")
    before = graph_state(sd)
    for value in (1e6, -1e300, [1.0, 1e6]):
        with pytest.raises(SDGraphError, match=r"math.mul cannot use its operand 'y'.*float16"):
            half * value
        assert graph_state(sd) == before
    assert (half * float("inf")).dtype == np.float16
    assert (sd.placeholder("bytes", (2,), "uint8") + 300).dtype == np.int64


def test_names_are_taken_for_variables(sd):
    sd.set_value("w", [5.0, 6.0])
    np.testing.assert_array_equal(sd.get_value("w"), [5.0, 6.0])
    with pytest.raises(SDGraphError, match="no variable 'v'"):
        sd.set_value("v", [5.0, 6.0])


def test_conversion_of_floats_to_integers_does_not_depend_on_the_machine():
    for value in (float(2**63), -float(2**63) * 1.01, float("nan"), float("-inf"), 0.5):
        with pytest.raises(SDGraphError):
            converted(np.array([value]), np.dtype("int64"), literal=True)

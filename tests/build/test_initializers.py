"""Init schemes: their distributions against scipy's, with variances written out by hand; arrays, functions, errors."""

import math
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from sdgraph import SameDiff
from sdgraph.build.distributions import LEFT_BY_CUT
from sdgraph.build.initializers import SCHEMES, SchemeName, fans
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, SDGraphError, ShapeError
from tests.graph_state import graph_state

IN, OUT = 300, 200
AVERAGE = (IN + OUT) / 2


def normal(variance):
    return stats.norm(0, math.sqrt(variance))


def uniform(bound):
    return stats.uniform(-bound, 2 * bound)


def cut(deviation):
    """A normal distribution that had this deviation before it was cut at two of them."""
    return stats.truncnorm(-2, 2, 0, deviation)


def cut_to(variance):
    """A normal distribution cut at two deviations that has this variance afterwards."""
    return cut(math.sqrt(variance) / stats.truncnorm(-2, 2).std())


DRAWS = {
    "normal": normal(1 / IN),
    "uniform": uniform(1 / math.sqrt(IN)),
    "xavier": normal(2 / (IN + OUT)),
    "xavier_normal": normal(2 / (IN + OUT)),
    "xavier_uniform": uniform(math.sqrt(6 / (IN + OUT))),
    "xavier_fan_in": normal(1 / IN),
    "glorot": uniform(math.sqrt(6 / (IN + OUT))),
    "glorot_normal": normal(2 / (IN + OUT)),
    "glorot_uniform": uniform(math.sqrt(6 / (IN + OUT))),
    "he": normal(2 / IN),
    "he_normal": normal(2 / IN),
    "he_uniform": uniform(math.sqrt(6 / IN)),
    "relu": normal(2 / IN),
    "relu_uniform": uniform(math.sqrt(6 / IN)),
    "lecun": normal(1 / IN),
    "lecun_normal": normal(1 / IN),
    "lecun_uniform": uniform(math.sqrt(3 / IN)),
    "sigmoid_uniform": uniform(4 * math.sqrt(6 / (IN + OUT))),
    "truncated_normal": cut(0.05),
    "truncated_normal:0.02": cut(0.02),
    "truncated_normal:3": cut(3.0),
    "variance_scaling": cut_to(1 / IN),
    "variance_scaling:2": cut_to(2 / IN),
    "var_scaling_normal_fan_in": normal(1 / IN),
    "var_scaling_normal_fan_out": normal(1 / OUT),
    "var_scaling_normal_fan_avg": normal(1 / AVERAGE),
    "var_scaling_normal_fan_out:2.5": normal(2.5 / OUT),
    "var_scaling_uniform_fan_in": uniform(math.sqrt(3 / IN)),
    "var_scaling_uniform_fan_out": uniform(math.sqrt(3 / OUT)),
    "var_scaling_uniform_fan_avg": uniform(math.sqrt(3 / AVERAGE)),
    "var_scaling_uniform_fan_avg:0.1": uniform(math.sqrt(0.3 / AVERAGE)),
    "var_scaling_truncated_normal_fan_in": cut_to(1 / IN),
    "var_scaling_truncated_normal_fan_out": cut_to(1 / OUT),
    "var_scaling_truncated_normal_fan_avg": cut_to(1 / AVERAGE),
    "var_scaling_truncated_normal_fan_in:2e0": cut_to(2 / IN),
}
FIXED = {"zeros", "ones", "identity", "constant"}


def drawn(init, shape=(IN, OUT), dtype="float64"):
    return SameDiff(dtype=dtype).var("w", shape=shape, init=init, seed=1).value


def test_every_scheme_is_tested_and_known_to_type_checkers():
    assert set(SCHEMES) == set(get_args(SchemeName)) == FIXED | {name.partition(":")[0] for name in DRAWS}


def test_the_page_lists_every_scheme():
    page = (Path(__file__).parents[2] / "docs/numerics.md").read_text(encoding="utf-8")
    table = page.partition("## Initial values")[2].partition("## ")[0]
    named = re.findall(r"`([a-z_]+)(?::[A-Z]+)?`", "".join(re.findall(r"^\|[^|]*", table, re.MULTILINE)))
    assert sorted(set(named)) == sorted(SCHEMES)


@pytest.mark.parametrize("scheme", DRAWS)
def test_a_scheme_draws_from_the_distribution_of_its_definition(scheme):
    w, want = drawn(scheme).ravel(), DRAWS[scheme]
    assert stats.kstest(w, want.cdf).pvalue > 1e-3
    # Mean and deviation within five of their own deviations, which follow from the second and fourth moments.
    assert abs(w.mean()) < 5 * want.std() / math.sqrt(w.size)
    fourth = want.stats(moments="k") + 3
    assert abs(w.var() / want.var() - 1) < 5 * math.sqrt((fourth - 1) / w.size)
    low, high = want.support()
    assert low <= w.min() and w.max() <= high


def test_what_a_cut_leaves_of_the_deviation():
    assert pytest.approx(stats.truncnorm(-2, 2).std(), rel=1e-14) == LEFT_BY_CUT


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex64"])
@pytest.mark.parametrize("scheme", ["he", "uniform", "truncated_normal", "var_scaling_truncated_normal_fan_avg"])
def test_narrow_dtypes_round_the_same_numbers(scheme, dtype):
    sd = SameDiff()
    w = sd.var("w", shape=(4, 5), init=scheme, seed=3, dtype=dtype).value
    np.testing.assert_array_equal(
        w, sd.var("v", shape=(4, 5), init=scheme, seed=3, dtype="float64").value.astype(dtype)
    )


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((), (1, 1)),
        ((7,), (7, 7)),
        ((0,), (1, 1)),
        ((3, 4), (3, 4)),
        ((0, 4), (1, 4)),
        ((5, 3, 4), (15, 20)),  # A convolution along one axis with a window of 5: 3 channels in, 4 out.
        ((5, 6, 3, 4), (90, 120)),
        ((0, 6, 3, 4), (1, 1)),
    ],
)
def test_fans(shape, expected):
    assert fans(shape) == expected


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("zeros", np.zeros((2, 2))),
        ("ones", np.ones((2, 2))),
        ("identity", np.eye(2)),
        ("constant", 0),
        ("constant:0.25", 0.25),
        ("constant:-1e-3", -1e-3),
        (3, 3),
        (0.5, 0.5),
        (np.float64(0.1), 0.1),
        (np.int8(3), 3),
        (True, 1),
        (np.True_, 1),
    ],
)
def test_schemes_without_chance(init, expected):
    w = SameDiff().var("w", shape=(2, 2), init=init)
    assert w.dtype == np.float32
    np.testing.assert_array_equal(w.value, np.broadcast_to(np.float32(expected), (2, 2)))


def test_a_number_of_any_kind_fills_a_variable_that_can_hold_it():
    for init, dtype in (
        (True, "bool"),
        (False, "bool"),
        (1 + 2j, "complex64"),
        (3, "uint8"),
        (np.float32(0.5), "float64"),
    ):
        w = SameDiff().var("w", shape=(2,), init=init, dtype=dtype).value
        assert w.dtype == dtype and w.tolist() == [init, init]


def test_the_default_scheme_is_zeros():
    assert not SameDiff().var("w", shape=3).value.any()


def test_the_constant_scheme_takes_its_value_as_a_scalar():
    sd = SameDiff()
    filled = sd.var("filled", 2.5, shape=(2, 3), init="constant")
    assert filled.dtype == np.float32
    assert (filled.value == np.full((2, 3), 2.5)).all()
    with pytest.raises(ShapeError):
        sd.var("not filled", 2.5, shape=(2, 3))


def draw(graph_seed=0, seed=None, before=0, init="normal"):
    sd = SameDiff(seed=graph_seed)
    for k in range(before):
        sd.placeholder(f"p{k}")
    return sd.var("w", shape=(4, 4), init=init, seed=seed).value


@pytest.mark.parametrize("init", ["normal", "truncated_normal", lambda shape, dtype, rng: rng.normal(size=shape)])
def test_seeds_of_init_schemes(init):
    np.testing.assert_array_equal(draw(init=init), draw(init=init))
    np.testing.assert_array_equal(draw(seed=5, init=init), draw(graph_seed=9, seed=5, before=2, init=init))
    assert (draw(init=init) != draw(graph_seed=1, init=init)).any()
    assert (draw(init=init) != draw(before=1, init=init)).any()
    assert (draw(seed=5, init=init) != draw(seed=6, init=init)).any()


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ArgumentError, match="seed"):
        SameDiff(seed=seed)


def test_schemes_make_empty_and_scalar_arrays():
    for scheme in DRAWS:
        sd = SameDiff()
        for k, shape in enumerate([(0, 3), (), (3,), (0,), (0, 2, 0, 4)]):
            assert sd.var(f"v{k}", shape=shape, init=scheme).shape == shape


# ---------------------------------------------------------------------- arrays and functions


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "bool"])
def test_an_array_as_init_is_the_value(dtype):
    array = np.array([[1, 0], [1, 1]], dtype)
    sd = SameDiff()
    w, v = sd.var("w", shape=(2, 2), init=array), sd.var("v", init=array)
    assert w.dtype == v.dtype == sd.var("as a value", array).dtype == array.dtype
    array[:] = 0
    assert w.value.tolist() == v.value.tolist() == [[1, 0], [1, 1]]
    assert sd.var("u", shape=(2,), init=[1, 2]).dtype == np.float32
    assert sd.var("t", shape=(2,), init=np.ones(2), dtype="float32").dtype == np.float32


def test_a_function_gets_shape_dtype_and_generator():
    seen = []

    def init(shape, dtype, rng):
        seen.append((shape, dtype, type(rng)))
        return rng.uniform(-1, 1, shape)

    w = SameDiff(dtype="float64", seed=2).var("w", shape=(3, 2), init=init, dtype="float32")
    assert seen == [((3, 2), np.dtype("float32"), np.random.Generator)]
    assert w.dtype == np.float32 and w.value.std() > 0 and not w.value.flags.writeable


def test_the_array_that_a_function_returns_stays_its_own():
    kept = np.ones(2, "float32")
    w = SameDiff().var("w", shape=(2,), init=lambda shape, dtype, rng: kept)
    kept[:] = 5
    assert w.value.tolist() == [1, 1] and kept.flags.writeable


@pytest.mark.parametrize("made", [[1, 2], (1.0, 2), np.array([1, 2], "int8"), np.array([1.0, 2.0])], ids=repr)
def test_what_a_function_returns_takes_the_dtype_of_the_variable(made):
    w = SameDiff().var("w", shape=(2,), init=lambda shape, dtype, rng: made)
    assert w.dtype == np.float32 and w.value.tolist() == [1, 2]


def test_a_function_that_changes_the_graph_and_fails_leaves_no_trace():
    sd = SameDiff()

    def meddles(shape, dtype, rng):
        sd.placeholder("left over")
        raise RuntimeError("too late")

    def takes_the_name(shape, dtype, rng):
        return sd.var("w", np.ones(shape)).value

    before = graph_state(sd)
    with pytest.raises(ArgumentError, match="RuntimeError: 'too late'") as caught:
        sd.var("w", shape=(2,), init=meddles)
    assert isinstance(caught.value.__cause__, RuntimeError) and graph_state(sd) == before
    with pytest.raises(SDGraphError, match="'w' is taken"):
        sd.var("w", shape=(2,), init=takes_the_name)
    assert graph_state(sd) == before


def test_an_interrupt_in_a_function_goes_through():
    def init(shape, dtype, rng):
        raise KeyboardInterrupt

    sd = SameDiff()
    before = graph_state(sd)
    with pytest.raises(KeyboardInterrupt):
        sd.var("w", shape=(2,), init=init)
    assert graph_state(sd) == before


MASKED = np.ma.array([1.0, 2.0], mask=[True, False])
REFUSED = {
    "no scheme": ("gauss", ArgumentError, "no init scheme 'gauss'"),
    "none": (None, ArgumentError, "no init scheme None"),
    "a complex number": (1j, DTypeError, "initial value of 'w' does not cast to float32"),
    "a dict": ({}, ArgumentError, "no init scheme {}"),
    "a scheme that fits no vector": ("identity", ArgumentError, "square"),
    "a number where none may be": ("he:2", ArgumentError, "'he' takes no number"),
    "a number that is none": ("truncated_normal:wide", ArgumentError, "After 'truncated_normal' stands a standard dev"),
    "a negative deviation": ("truncated_normal:-0.1", ArgumentError, "above 0"),
    "a scale of 0": ("var_scaling_uniform_fan_in:0", ArgumentError, "a scale above 0"),
    "no number after the colon": ("constant:", ArgumentError, "After 'constant' stands a number"),
    "an infinite scale": ("var_scaling_normal_fan_in:inf", ArgumentError, "above 0"),
    "a constant too large": ("constant:1e300", DTypeError, "initial value of 'w' does not cast to float32"),
    "a number too large": (1e300, DTypeError, "initial value of 'w' does not cast to float32"),
    "an array too large": (np.full(2, 1e300), None, None),
    "another shape": (np.ones(3), ShapeError, "shape given with it"),
    "masked": (MASKED, DTypeError, "The value of 'w' is masked"),
    "a function of numpy's": (np.ones, ArgumentError, "init function raised TypeError"),
    "a function of another number of arguments": (lambda shape: 1, ArgumentError, "raised TypeError"),
    "a function that fails": (lambda shape, dtype, rng: 1 / 0, ArgumentError, "raised ZeroDivisionError"),
    "a function of another shape": (lambda shape, dtype, rng: np.ones(3), ShapeError, "another shape"),
    "a function of a number": (lambda shape, dtype, rng: 1.0, ShapeError, "another shape"),
    "a function of complex numbers": (lambda shape, dtype, rng: 1j * np.ones(2), DTypeError, "does not cast"),
    "a function of large numbers": (lambda shape, dtype, rng: np.full(2, 1e300), DTypeError, "does not cast"),
    "a function of nothing": (lambda shape, dtype, rng: None, DTypeError, "not an array of numbers"),
    "a function of texts": (lambda shape, dtype, rng: ["a", "b"], DTypeError, "not an array of numbers"),
    "a masked array of a function": (lambda shape, dtype, rng: MASKED, DTypeError, "masked"),
    "a class": (dict, ArgumentError, "raised TypeError"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_init_is_refused(what):
    init, error, match = REFUSED[what]
    sd = SameDiff()
    if error is None:
        assert sd.var("w", shape=(2,), init=init).dtype == np.float64  # As a value, it keeps its dtype.
        error, match = DTypeError, "The value of 'v' does not cast to float32"
        with pytest.raises(error, match=match):
            sd.var("v", shape=(2,), init=init, dtype="float32")
        return
    before = graph_state(sd)
    with pytest.raises(error, match=re.escape(match)):
        sd.var("w", shape=(2,), init=init)
    assert graph_state(sd) == before


@pytest.mark.parametrize("init", ["normal", "truncated_normal", "constant:0.5", 0.5])
def test_integers_cannot_hold_what_a_scheme_draws(init):
    with pytest.raises(DTypeError, match="does not cast to int64"):
        SameDiff().var("w", shape=(2,), init=init, dtype="int64")
    assert SameDiff().var("w", shape=(2, 2), init="identity", dtype="int64").value.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("value", ["xavier", np.zeros, lambda shape, dtype, rng: 0.0])
def test_a_scheme_in_the_place_of_the_value(value):
    with pytest.raises(ArgumentTypeError, match="The value of 'w' is no array") as caught:
        SameDiff().var("w", value, shape=(2,))
    assert "init=" in caught.value.fix


@pytest.mark.parametrize("init", ["ones", 0.5, np.ones(2), [1, 2], np.ones, "no scheme"])
def test_a_value_and_another_init(init):
    with pytest.raises(ArgumentError, match="'w' has a value and another init"):
        SameDiff().var("w", [1.0, 2.0], init=init)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("trunc_normal", "truncated_normal"),
        ("xaver", "xavier"),
        ("VAR_SCALING_NORMAL_FAN_IN", "var_scaling_normal_fan_in"),
        ("var_scaling_fan_avg_uniform", "var_scaling_uniform_fan_avg"),
        ("truncated_norml:0.1", "truncated_normal"),
    ],
)
def test_a_misspelt_scheme_names_what_was_meant(name, meant):
    with pytest.raises(ArgumentError) as caught:
        SameDiff().var("w", shape=(2, 2), init=name)
    assert repr(meant) in caught.value.fix

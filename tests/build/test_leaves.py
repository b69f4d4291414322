"""Values of variables: setting several at once, and what is trained."""

import sys

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, SDGraphError, ShapeError, UnknownVariableError
from tests.graph_state import graph_state


@pytest.fixture
def sd():
    sd = SameDiff()
    w, table = sd.var("w", [1.0, 2.0]), sd.var("table", [0, 1], dtype="int64")
    with sd.name_scope("layer"):
        b = sd.var("b", 0.5)
    x, c = sd.placeholder("x", ("batch", 2)), sd.constant("c", 3.0)
    sd.loss.l2_loss(sd.math.mul(x, w, name="y") + b + c, name="loss")
    assert len(sd.gather(w, table, axis=0).shape) == 1
    return sd


# ---------------------------------------------------------------------- several values at once


def test_several_values_are_set_by_name_and_by_variable(sd):
    given = np.array([5.0, 6.0])
    sd.set_values({"w": given, sd["layer/b"]: 7, "table": [1, 1]})
    given[:] = 0
    assert (sd["w"].value.tolist(), sd["layer/b"].value.tolist(), sd["table"].value.tolist()) == ([5, 6], 7, [1, 1])
    assert [sd[n].value.dtype.name for n in ("w", "layer/b", "table")] == ["float32", "float32", "int64"]
    assert not any(sd[n].value.flags.writeable for n in ("w", "layer/b", "table"))


def test_functions_that_were_compiled_before_see_the_new_values(sd):
    f = sd.compile("y")
    f(x=[[1.0, 1.0]])
    sd.set_values({"w": [5.0, 6.0]})
    assert f(x=[[1.0, 1.0]])["y"].tolist() == [[5.0, 6.0]]


def test_a_step_of_gradient_descent_is_one_line(sd):
    feeds = {"x": [[1.0, 0.0], [0.0, 2.0]]}
    gradients = sd.calculate_gradients(feeds)
    # The loss is half the sum of squares of x w + b + c: its gradients by hand.
    residual = np.array([[1.0, 0.0], [0.0, 4.0]]) + 3.5
    by_hand = {"w": (residual * feeds["x"]).sum(axis=0), "layer/b": residual.sum()}
    sd.set_values({name: sd[name].value - 0.1 * g for name, g in gradients.items()})
    np.testing.assert_allclose(sd["w"].value, [1.0, 2.0] - 0.1 * by_hand["w"], rtol=1e-6)
    np.testing.assert_allclose(sd["layer/b"].value, 0.5 - 0.1 * by_hand["layer/b"], rtol=1e-6)


def test_all_values_of_a_graph_go_into_a_copy(sd):
    other = sd.copy()
    sd.set_values({"w": [8.0, 9.0], "layer/b": 1.0})
    other.set_values({v.name: v.value for v in sd.variables("variable")})
    assert [other[n].value.tolist() for n in ("w", "layer/b", "table")] == [[8, 9], 1, [0, 1]]


def test_values_come_back_from_a_file_of_numpys(sd, tmp_path):
    np.savez(tmp_path / "values.npz", **{v.name: v.value for v in sd.variables("variable")})
    other = sd.copy()
    sd.set_values({"w": [8.0, 9.0], "layer/b": 1.0, "table": [1, 1]})
    with np.load(tmp_path / "values.npz") as file:
        sd.set_values(file)
    assert all((sd[n].value == other[n].value).all() for n in ("w", "layer/b", "table"))


REFUSED = {
    "an unknown name": ({"w": [0.0, 0.0], "v": 1.0}, UnknownVariableError, "no variable 'v'"),
    "a placeholder": ({"w": [0.0, 0.0], "x": [[1.0, 1.0]]}, ArgumentTypeError, "'x' is a placeholder"),
    "a constant": ({"w": [0.0, 0.0], "c": 1.0}, ArgumentTypeError, "'c' is a constant"),
    "the output of an op": ({"w": [0.0, 0.0], "y": [[1.0, 1.0]]}, ArgumentTypeError, "'y' is the output of an op"),
    "another shape": ({"w": [0.0, 0.0], "layer/b": [1.0]}, ShapeError, "'layer/b' has another shape"),
    "a ragged list": ({"layer/b": 1.0, "w": [[1.0], [2.0, 3.0]]}, ShapeError, "'w' is ragged"),
    "a number too large": ({"layer/b": 1.0, "w": [1.0, 1e300]}, DTypeError, "'w' does not cast to float32"),
    "an array too large": ({"layer/b": 1.0, "w": np.full(2, 1e300)}, DTypeError, "'w' does not cast to float32"),
    "a fraction for integers": ({"w": [0.0, 0.0], "table": [0.5, 1]}, DTypeError, "'table' does not cast to int64"),
    "a complex number": ({"w": [0.0, 0.0], "layer/b": 1j}, DTypeError, "'layer/b' does not cast"),
    "a text": ({"w": [0.0, 0.0], "layer/b": "one"}, DTypeError, "'layer/b' is not an array of numbers"),
    "None": ({"w": [0.0, 0.0], "layer/b": None}, DTypeError, "'layer/b' is not an array of numbers"),
    "masked": ({"w": np.ma.array([1.0, 2.0], mask=[1, 0])}, DTypeError, "'w' is masked"),
    "a value that is a symbol": (lambda sd: {"w": [0.0, 0.0], "layer/b": sd["loss"]}, ArgumentTypeError, "no array"),
    "a key that is no name": ({"w": [0.0, 0.0], 3: 1.0}, ArgumentTypeError, "Not a variable"),
    "a list": ([("w", [0.0, 0.0])], ArgumentTypeError, "by name or variable"),
    "None at all": (None, ArgumentTypeError, "by name or variable"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_if_one_does_not_fit_none_is_set(sd, what):
    values, error, match = REFUSED[what]
    values = values(sd) if callable(values) else values
    before = graph_state(sd)
    with pytest.raises(error, match=match):
        sd.set_values(values)
    assert graph_state(sd) == before


def test_a_variable_given_twice_is_an_error(sd):
    before = graph_state(sd)
    with pytest.raises(ArgumentError, match="'w' is given twice") as caught:
        sd.set_values({"w": [1.0, 2.0], sd["w"]: [3.0, 4.0]})
    assert caught.value.node == "w" and graph_state(sd) == before


def test_a_variable_of_another_graph_is_an_error(sd):
    other = sd.copy()
    with pytest.raises(UnknownVariableError, match="another graph"):
        sd.set_values({"layer/b": 1.0, other["w"]: [1.0, 2.0]})
    assert sd["layer/b"].value == 0.5


def test_nothing_is_set_by_nothing(sd):
    before = graph_state(sd)
    sd.set_values({})
    assert graph_state(sd) == before


def test_a_transaction_that_fails_puts_all_values_back(sd):
    before = graph_state(sd)
    with pytest.raises(ZeroDivisionError), sd.transaction():
        sd.set_values({"w": [5.0, 6.0], "layer/b": 7.0})
        sd.set_values({"w": [7.0, 8.0]})
        raise ZeroDivisionError
    assert graph_state(sd) == before


def test_an_interrupt_at_any_line_leaves_all_old_or_all_new_values(sd):
    old, new = {"w": [1.0, 2.0], "layer/b": 0.5}, {"w": [5.0, 6.0], "layer/b": 7.0}
    seen = set()
    for stop in range(1000):
        sd.set_values(old)
        if not _interrupted(lambda: sd.set_values(new), stop):
            break
        seen.add((*sd["w"].value.tolist(), sd["layer/b"].value.tolist()))
    assert (1.0, 2.0, 0.5) in seen and seen <= {(1.0, 2.0, 0.5), (5.0, 6.0, 7.0)} and 10 < stop < 999


def _interrupted(call, stop):
    """Call it; raise KeyboardInterrupt before the line of that number in sdgraph. Whether there was one."""
    left = [stop]

    def trace(frame, event, arg):
        if not frame.f_globals.get("__name__", "").startswith("sdgraph.build"):
            return None  # Among others a finalizer, in which no exception goes anywhere.
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    try:
        sys.settrace(trace)
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


# ---------------------------------------------------------------------- what is trained


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64"])
def test_integers_and_bools_are_not_trained(dtype):
    sd = SameDiff()
    ids = sd.var("ids", np.array([1, 0, 1], dtype))
    w = sd.var("w", [[1.0, 2.0], [3.0, 4.0]])
    sd.loss.l2_loss(sd.gather(w, ids.cast("int64"), axis=0))
    assert sd.trainable_variables() == [w] and sd.variables("variable") == [ids, w]
    assert {name: g.tolist() for name, g in sd.calculate_gradients().items()} == {"w": [[1, 2], [6, 8]]}
    assert list(sd.calculate_gradients_and_outputs({}, [])[1]) == ["w"]
    with pytest.raises(SDGraphError, match="'ids'"):
        sd.calculate_gradients({}, ["ids"])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_what_has_a_gradient_is_trained(dtype):
    sd = SameDiff()
    w = sd.var("w", np.ones(2, dtype))
    sd.set_loss_variables((w * w).sum())
    assert sd.trainable_variables() == [w] and sd.calculate_gradients()["w"].tolist() == [2, 2]


def test_an_integer_variable_takes_values_and_can_be_frozen_and_thawed():
    sd = SameDiff()
    ids = sd.var("ids", [1, 0], dtype="int64")
    ids.value = [0, 0]
    ids.convert_to_constant()
    with pytest.raises(ArgumentTypeError, match="Only variables"):
        ids.value = [1, 1]
    assert ids.convert_to_variable().kind.value == "variable"
    with pytest.raises(DTypeError, match="only floating variables are trained"):
        sd.constant("n", 1, dtype="int64").convert_to_variable()

"""Names in formulas: kept as they were chosen, no two alike, and none that could be taken for an operation."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgraph import SameDiff
from sdgraph.errors import VariableNameError
from sdgraph.keras import losses


def lines_of(v, **options):
    """The equations, as pairs."""
    lines = v.to_latex(**options).split("\n")[1:-1]
    return [tuple(line.removesuffix(r" \\").split(" &= ", 1)) for line in lines]


def written(*names):
    """How variables of these names are written where all stand in one formula."""
    sd = SameDiff("float64")
    total = sd.math.merge_add(*(sd.var(name, 1.0) for name in names))
    return lines_of(total)[0][1].split(" + ")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["layer1/w"], ["w"]),
        (["layer1/w", "layer2/w"], ["w^{(1)}", "w^{(2)}"]),
        (["layer1/w", "layer2/w", "layer1/b"], ["w^{(1)}", "w^{(2)}", "b^{(1)}"]),
        (["layer_1/w1", "layer_2/w1"], ["w_{1}^{(1)}", "w_{1}^{(2)}"]),
        (["layer1/w", "layer2/w", "out head/w"], ["w^{(1)}", "w^{(2)}", r"w_{\mathrm{out\ head}}"]),
        (["layer5/w", "out head/w"], [r"w_{\mathrm{layer5}}", r"w_{\mathrm{out\ head}}"]),
        (["layer1/w", "block2/w"], [r"w_{\mathrm{layer1}}", r"w_{\mathrm{block2}}"]),
        (["w", "net/w"], ["w", r"w_{\mathrm{net}}"]),
        (["encoder/att/w", "decoder/att/w"], [r"w_{\mathrm{encoder}}", r"w_{\mathrm{decoder}}"]),
        (
            ["block1/layer1/w", "block1/layer2/w", "block2/layer1/w", "block2/layer2/w"],
            ["w^{(1, 1)}", "w^{(1, 2)}", "w^{(2, 1)}", "w^{(2, 2)}"],
        ),
        (["a/w_1", "b/w_1"], [r"w_{1, \mathrm{a}}", r"w_{1, \mathrm{b}}"]),
        (["x1", "x_1"], [r"\mathrm{x1}", r"\mathrm{x\_1}"]),
        (["alpha", "σ", "Omega_2"], [r"\alpha", r"\sigma", r"\Omega_{2}"]),
        (["tanh", "exp", "log", "sum_3"], [r"\mathit{tanh}", r"\mathit{exp}", r"\mathit{log}", r"\mathit{sum}_{3}"]),
        (["a-b", "50%", "a_b_c"], [r"\mathrm{a\text{-}b}", r"\mathrm{50\%}", r"\mathrm{a\_b\_c}"]),
    ],
)
def test_how_names_are_written(names, expected):
    assert written(*names) == expected


def test_long_names_that_differ_where_they_are_cut():
    first, second = written(*(f"{'a' * 30}{k}{'b' * 30}" for k in "xy"))
    assert first != second


@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=6, unique=True))
def test_no_two_variables_are_written_alike(texts):
    sd = SameDiff("float64")
    values = []
    for text in texts:
        try:
            values.append(sd.var(text, 1.0))
        except VariableNameError:
            continue
    for v in values:
        v.convert_to_constant()
    if values:
        found = lines_of(sd.math.merge_add(*values, name="out of all"), max_length=100_000)
        assert len({left for left, _ in found}) == len(values) + 1


# ---------------------------------------------------------------------- what nobody named


def test_letters_are_none_that_a_variable_has():
    sd = SameDiff("float64")
    h, x = sd.var("h", [1.0, 2.0]), sd.placeholder("x", (2,))
    e = sd.math.exp(x * h)
    assert lines_of(e / (e + 1)) == [("z_{2}", r"\frac{z_{1}}{z_{1} + 1}"), ("z_{1}", r"e^{x \odot h}")]


def test_a_loss_without_a_name_is_none_that_a_variable_has():
    sd = SameDiff("float64")
    loss = sd.loss.l2_loss(sd.var("L", [1.0, 2.0]))
    assert lines_of(loss) == [(r"\mathcal{L}", r"\operatorname{l2\_loss}\left(L\right)")]


def test_signs_of_ops_give_way_to_variables():
    sd = SameDiff("float64")
    x, sigma, e = sd.placeholder("x"), sd.var("sigma", 1.0), sd.var("e", 1.0)
    text = lines_of(sd.nn.sigmoid(x * sigma) + sd.math.exp(x) * e)[0][1]
    assert text == r"\operatorname{sigmoid}\left(x\, \sigma\right) + \operatorname{exp}\left(x\right)\, e"


def test_a_variable_named_like_a_function_is_never_beside_brackets():
    sd = SameDiff("float64")
    tanh, w, x = sd.var("tanh", np.eye(2)), sd.var("w", np.eye(2)), sd.placeholder("x", (2, 2))
    assert lines_of(tanh @ (w + x))[0][1] == r"\mathit{tanh} \cdot \left(w + x\right)"
    assert lines_of(tanh @ w)[0][1] == r"\mathit{tanh} \cdot w"
    value = sd.var("value", np.eye(2))
    assert lines_of(value @ (w + x))[0][1] == r"\mathrm{value} \cdot \left(w + x\right)"
    assert lines_of(value @ w)[0][1] == r"\mathrm{value}\, w"


def test_losses_as_objects_are_named_only_if_they_were_given_a_name():
    class Focal(losses.Loss):
        def call(self, y_true, y_pred):
            return ((y_true - y_pred) ** 2).mean(-1)

    sd = SameDiff("float64")
    y, p = sd.placeholder("y", (2, 3)), sd.placeholder("p", (2, 3))
    for loss, left in [
        (losses.Huber(delta=2.0), "L"),
        (losses.Huber(name="huber_of_mine"), r"\mathrm{huber\_of\_mine}"),
        (Focal(), "L"),
        (Focal(name="f"), "f"),
    ]:
        v = loss(y, p)
        sd.set_loss_variables(v)
        assert lines_of(v)[0][0] == left
    assert lines_of(v)[0][1].startswith(r"\operatorname{mean}\left(")


# ---------------------------------------------------------------------- derivatives


def net():
    """The numerical solution of a differential equation, whose results nobody named."""
    sd = SameDiff("float64")
    t = sd.placeholder("t", ("batch", 1))
    a, b = sd.var("a", np.ones((1, 3))), sd.var("b", np.ones((3, 1)))
    u = sd.math.tanh(t @ a) @ b
    return sd, t, u


def test_the_derivative_of_a_sum_is_that_of_the_array():
    sd, t, u = net()
    first = sd.grad(u.sum(), t)
    second = sd.grad(first.sum(), t)
    assert lines_of((second + u).sum(name="r"), depth=1) == [
        ("r", r"\sum \left(\frac{\partial^{2} h_{2}}{\partial t^{2}} + h_{2}\right)"),
    ]
    assert lines_of(first, depth=1)[0][0] == r"\frac{\partial h_{1}}{\partial t}"
    u.rename("u")
    assert lines_of(first, depth=1)[0][0] == r"\frac{\partial u}{\partial t}"
    assert lines_of(second, depth=1)[0][0] == r"\frac{\partial^{2} u}{\partial t^{2}}"


def test_mixed_derivatives():
    sd = SameDiff("float64")
    x, y = sd.placeholder("x"), sd.placeholder("y")
    f = sd.math.mul(x * x, y * y, name="f")
    assert lines_of(sd.grad(sd.grad(f, x), y))[0][0] == r"\frac{\partial^{2} f}{\partial y\, \partial x}"


def test_a_gradient_by_what_has_no_name_defines_it():
    sd, _, u = net()
    loss = (u * u).mean(name="loss")
    found = dict(lines_of(sd.grad(loss, u)))
    by = re.fullmatch(r"\\frac\{\\partial \\mathrm\{loss\}\}\{\\partial (h_\{\d\})\}", next(iter(found)))[1]
    assert found[by] == r"\tanh\left(t\, a\right)\, b"


def test_a_gradient_that_was_given_a_name_has_it():
    sd, t, u = net()
    velocity = sd.grad(u, t).rename("velocity")
    assert lines_of((velocity * velocity).sum(name="r"))[0] == ("r", r"\sum \mathrm{velocity} \odot \mathrm{velocity}")


def test_the_slope_of_a_mean_is_written():
    sd = SameDiff("float64")
    x = sd.placeholder("x", ("batch",))
    loss = sd.mean(x * 3.0, name="loss")
    assert lines_of(sd.grad(loss, x)) == [(r"\frac{\partial \mathrm{loss}}{\partial x}", r"3\, \frac{1}{N}")]

"""LaTeX: what is written, what becomes an equation, what is left out."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdgraph import LossReduce, Namespace, SameDiff, composite
from sdgraph.errors import ArgumentError, VariableNameError


def body(text):
    """The equations of a text, one per line."""
    lines = text.split("\n")
    assert (lines[0], lines[-1]) == (r"\begin{align*}", r"\end{align*}")
    return [line.removesuffix(r" \\") for line in lines[1:-1]]


def graph():
    sd = SameDiff("float64")
    return sd, sd.placeholder("x", (None,)), sd.placeholder("y", (None,))


def right(v):
    """The right-hand side of a variable's own equation."""
    return body(v.to_latex(depth=1))[0].split(" &= ", 1)[1]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x, y: x + y, "x + y"),
        (lambda x, y: x - (y - 1), r"x - \left(y - 1\right)"),
        (lambda x, y: (x + y) * y, r"\left(x + y\right) \odot y"),
        (lambda x, y: 2 * x, r"2\, x"),
        (lambda x, y: x * 2, r"2\, x"),
        (lambda x, y: -(x + y), r"-\left(x + y\right)"),
        (lambda x, y: (-x) * y, r"-x \odot y"),
        (lambda x, y: x / y / 2, r"\frac{\frac{x}{y}}{2}"),
        (lambda x, y: (x / y) ** 2, r"\left(\frac{x}{y}\right)^{2}"),
        (lambda x, y: (x**2) ** y, r"\left(x^{2}\right)^{y}"),
        (lambda x, y: x * -3.0, r"-3\, x"),
        (lambda x, y: x * 1e-9, r"10^{-9}\, x"),
        (lambda x, y: x * 0.12345, r"0.12345\, x"),
        (lambda x, y: x * 2.5e8, r"2.5 \cdot 10^{8}\, x"),
        (lambda x, y: x + 100000, "x + 100000"),
        (lambda x, y: abs(x), r"\left|x\right|"),
        (lambda x, y: x < y, "x < y"),
        (lambda x, y: x.sd.math.rsub(x, y), "y - x"),
        (lambda x, y: x.sd.math.log(x, 2.0), r"\log_{2}\left(x\right)"),
        (lambda x, y: x.sd.math.sqrt(x + y), r"\sqrt{x + y}"),
        (
            lambda x, y: x.sd.math.merge_add(*[x, y] * 5).mean(),
            r"\operatorname{mean}\left(x + y + x + y + x + y + x + y + \dots\right)",
        ),
        (lambda x, y: (x + y).sum(), r"\sum \left(x + y\right)"),
        (lambda x, y: x.sum(0) * 2, r"2\, \sum_{\text{axis } 0} x"),
        (lambda x, y: x.cast("float32"), "x"),
        (lambda x, y: x[1:], "x_{1:}"),
        (lambda x, y: x[1:][0], r"\left(x_{1:}\right)_{0}"),
        (lambda x, y: x.sd.gather(x, [0, 2]), "x_{c_{1}}"),
        (
            lambda x, y: x.sd.fill((2,), 1.5),
            r"\operatorname{fill}\left(\mathrm{shape} = \left(2\right), \mathrm{value} = 1.5\right)",
        ),
        (lambda x, y: x.sd.nn.log_softmax(x), r"\log \operatorname{softmax}\left(x\right)"),
        (
            lambda x, y: x.sd.where(x > 0, x, y),
            r"\begin{cases} x & \text{if } x > 0 \\ y & \text{otherwise} \end{cases}",
        ),
        (lambda x, y: x.sd.nn.elu(x, alpha=0.5), r"\operatorname{elu}\left(x;\ \alpha = 0.5\right)"),
        (lambda x, y: x.sd.loss.huber_loss(y, x), r"\operatorname{huber\_loss}\left(y, x\right)"),
        (
            lambda x, y: x.sd.loss.huber_loss(y, x, loss_reduce=LossReduce.SUM),
            r"\operatorname{huber\_loss}\left(y, x;\ \mathrm{loss\_reduce} = \mathrm{SUM}\right)",
        ),
    ],
)
def test_how_ops_read(make, expected):
    _, x, y = graph()
    assert right(make(x, y)) == expected


def test_matrices():
    sd = SameDiff("float64")
    a, b = sd.var("A", np.eye(2)), sd.var("B", np.eye(2))
    assert right(a @ b) == r"A\, B"
    assert right((a + b) @ (a @ b)) == r"\left(A + B\right)\, \left(A\, B\right)"
    assert right(a.T @ b) == r"A^{\top}\, B"
    assert right(sd.mmul(a, b, transpose_x=True)) == r"A^{\top}\, B"
    assert right(sd.linalg.matrix_inverse(a)) == "A^{-1}"
    assert right(a.T.T @ b) == r"A\, B"
    assert right((a.T @ b).T) == r"\left(A^{\top}\, B\right)^{\top}"
    assert right(sd.ones_like(a) @ b) == r"\mathbf{1}\, B"
    assert right(sd.nn.linear(a, b, sd.var("b", [1.0, 2.0]))) == r"A\, B + b"


def test_named_variables_get_equations_and_helpers_do_not():
    sd, x, y = graph()
    beta = sd.constant("beta", 0.5)
    z = sd.math.add(sd.math.exp(x * y), beta, name="z")
    p = sd.nn.sigmoid(z * z, name="y_pred")
    assert body(p.to_latex()) == [
        r"y_{\mathrm{pred}} &= \sigma\left(z \odot z\right)",
        r"z &= e^{x \odot y} + \beta",
        r"\beta &= 0.5",
    ]
    assert len(body(p.to_latex(depth=2))) == 2


def test_a_helper_used_twice_gets_an_equation():
    sd, x, _ = graph()
    e = sd.math.exp(x)
    assert body((e + e).to_latex()) == ["h_{2} &= h_{1} + h_{1}", "h_{1} &= e^{x}"]


def test_leaves():
    sd, x, _ = graph()
    assert body(x.to_latex()) == ["x"]
    assert body(sd.constant("c_2", 3.0).to_latex()) == ["c_{2} &= 3"]


def test_gradients():
    sd, x, _ = graph()
    w = sd.var("w", 2.0)
    loss = sd.math.square(w * x, name="s").sum(name="loss")
    lines = body(sd.grad(loss, w).to_latex())
    assert lines[0].startswith(r"\frac{\partial \mathrm{loss}}{\partial w} &= ")
    assert not any(r"\partial \mathrm{loss}}{\partial \mathrm{loss}}" in line for line in lines)


def test_expanding_a_loss():
    sd, x, y = graph()
    loss = sd.loss.mean_squared_error(y, x, name="L")
    assert body(loss.to_latex(expand=True)) == [r"L &= \frac{\sum \left(x - y\right)^{2}}{\max\left(N, 1\right)}"]


def test_what_a_name_is_given_to_is_an_equation_even_if_it_is_that_of_its_op():
    sd, x, _ = graph()
    automatic = sd.math.tanh(x)
    chosen = sd.math.exp(automatic, name="exp")
    renamed = sd.math.sqrt(chosen).rename("sqrt_1")
    kept = (renamed + 1).rename("add")
    assert body(kept.to_latex()) == [
        r"\mathit{add} &= \mathit{sqrt}_{1} + 1",
        r"\mathit{sqrt}_{1} &= \sqrt{\mathit{exp}}",
        r"\mathit{exp} &= e^{\tanh\left(x\right)}",
    ]


def test_a_long_helper_gets_an_equation_though_it_is_read_once():
    sd, x, y = graph()
    for _ in range(12):
        x = sd.math.sin(x * y) + y
    lines = body(x.to_latex())
    assert len(lines) > 1
    assert all(len(line) < 700 for line in lines)


def test_losses_without_a_name():
    sd, x, y = graph()
    one = sd.loss.huber_loss(y, x)
    assert body(one.to_latex()) == [r"L &= \operatorname{huber\_loss}\left(y, x\right)"]
    two = sd.loss.log_loss(y, x)
    assert body((one + 0.5 * two).to_latex(depth=1))[0].endswith(
        r" &= \operatorname{huber\_loss}\left(y, x\right) + 0.5\, \operatorname{log\_loss}\left(y, x\right)"
    )


def test_an_operand_behind_one_that_is_left_out_says_its_name():
    sd, x, y = graph()
    loss = sd.keras.mean_squared_error(y, x, mask=sd.constant("m", [True]))
    assert r"\left(y, x, \mathrm{mask} = m\right)" in loss.to_latex()


def test_an_array_without_a_name():
    _sd, x, _ = graph()
    assert right(x * np.ones((2, 1)) + [[1.0], [2.0]]) == r"x \odot c_{1} + c_{2}"


def test_numbers_of_elements_of_two_arrays_are_told_apart():
    sd, x, y = graph()
    assert right(sd.size(x) * sd.size(-x)) == r"\operatorname{size}\left(x\right)\, \operatorname{size}\left(-x\right)"
    b = sd.placeholder("b", ("batch",))
    assert right(sd.size(b) * sd.size(-b)) == r"N\, N"
    assert right(sd.size(y) * sd.placeholder("N")) == r"\operatorname{size}\left(y\right)\, N"
    m = sd.placeholder("m", (2, 3))
    assert (
        right(sd.size(x) / sd.size(m)) == r"\frac{\operatorname{size}\left(x\right)}{\operatorname{size}\left(m\right)}"
    )


class Mine(Namespace, prefix="latex_test"):
    @composite
    def twice(self, x: "Operand", *, name=None):  # noqa: F821
        return 2 * x


def test_an_unknown_op_is_a_function():
    sd, x, _ = graph()
    assert right(Mine(sd).twice(x)) == r"\operatorname{twice}\left(x\right)"
    assert body(Mine(sd).twice(x, name="t").to_latex(expand=True)) == [r"t &= 2\, x"]


def test_the_length_is_capped():
    sd, x, _ = graph()
    for k in range(300):
        x = sd.math.exp(x, name=f"step{k}_of_many")
    text = x.to_latex()
    assert len(text) <= 2000
    assert re.search(r"& \\text\{\d+ more equations left out\}", text)
    assert len(x.to_latex(max_length=300)) <= 300
    assert r"\dots" in x.to_latex(max_length=1)


def test_long_chains_of_helpers_need_no_stack():
    _, x, _ = graph()
    for _ in range(5000):
        x = -(x + 1)
    assert len(x.to_latex()) <= 2000


def test_depth_is_checked():
    _, x, _ = graph()
    with pytest.raises(ArgumentError, match="depth"):
        x.to_latex(depth=0)


def test_a_notebook_shows_it_on_request_only():
    _, x, _ = graph()
    assert (x + 1).to_latex()._repr_latex_().startswith(r"\begin{align*}")
    assert not hasattr(x, "_repr_latex_")
    assert "text/latex" not in x._repr_mimebundle_()


@given(st.text(min_size=1, max_size=60))
def test_hostile_names(text):
    sd = SameDiff()
    try:
        v = sd.var(text, 1.0)
    except VariableNameError:
        return
    out = v.mul(2, name="out").to_latex()
    inside = out.replace("{align*}", "")
    assert not re.search(r"<[A-Za-z/!?]", inside)
    bare = re.sub(r"\\.", "", inside, flags=re.S)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"[$#%~\x00-\x09\x7f]", bare)
    assert bare.count("&") == 1

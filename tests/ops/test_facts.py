"""What ops say about themselves in their decorators is true, and what is keyed by an op's name means an op.

Tables of engines and rewrites are looked up by `Op.key`, so a name that no op of ours has would never be found.
"""

from __future__ import annotations

import numpy as np
import pytest

from sdgraph import LossReduce, Namespace, Operand, SameDiff, SDVariable, composite, primitive
from sdgraph.build.decorators import CompositeFacts, PrimitiveFacts
from sdgraph.build.op import NOT_DIFFERENTIABLE, REGISTRY, Op
from sdgraph.build.reading import SUM, Form, Reading, Term, filled
from sdgraph.infer.shapes import elementwise
from sdgraph.lower import rewrites
from tests.ops.samples import Literal, Sample, samples_of
from tests.ops.test_every_op import OPS, apply, evaluate

pytestmark = pytest.mark.any_engine

SAYS_ITS_NUMBERS = [name for name in OPS if REGISTRY[name].passes_on is not None]
COMMUTES = [name for name in OPS if REGISTRY[name].commutes]
INFERS = [name for name in OPS if REGISTRY[name].inference is not None]
READS_A_SHAPE = [name for name in OPS if REGISTRY[name].shape_of]
READS = [name for name in OPS if REGISTRY[name].reads is not None]


def given(sample: Sample) -> list:
    return [x.value if isinstance(x, Literal) else x for x in sample.operands]


def has_the_numbers(out, x) -> bool:
    """Whether an array holds the numbers of another in their order, repeated at most."""
    x = np.asarray(x).astype(out.dtype)
    if out.size == x.size:
        return np.array_equal(out.ravel(), x.ravel())
    return np.array_equal(out, np.broadcast_to(x, out.shape))


@pytest.mark.parametrize("name", SAYS_ITS_NUMBERS)
def test_an_op_that_passes_on_numbers_does(name):
    for sample in samples_of(name):
        (out,) = evaluate(sample)
        assert has_the_numbers(out, given(sample)[REGISTRY[name].passes_on]), sample


@pytest.mark.parametrize("name", INFERS)
def test_at_inference_an_op_gives_arrays_of_the_same_kind_and_draws_nothing(name):
    assert "nn.dropout" in INFERS
    for sample in samples_of(name):
        sd = SameDiff("float64")
        outs, feeds = apply(sd, sample)
        f = sd.compile(outs, engine="numpy", inference=True)
        for out, value in zip(outs, f(feeds).values(), strict=True):
            assert (value.dtype, value.shape) == (out.dtype, out.eval(feeds).shape), sample
        assert not any(step.op.is_random for step in f.plan.steps)


@pytest.mark.parametrize("name", [name for name in OPS if name not in SAYS_ITS_NUMBERS and REGISTRY[name].n_operands])
def test_an_op_that_always_passes_on_numbers_says_so(name):
    """Some sample that is large enough to tell is not given back."""
    samples = [s for s in samples_of(name) if s.operands[0] is not None and np.size(given(s)[0]) > 1]
    assert any(not gives_back(sample) for sample in samples)


def gives_back(sample) -> bool:
    """Whether the op's result holds the numbers of its first operand and no others."""
    outs, x = evaluate(sample), np.asarray(given(sample)[0])
    if len(outs) != 1 or {x.dtype.kind, outs[0].dtype.kind} - set("fiu"):
        return False
    try:
        return has_the_numbers(outs[0], x)
    except ValueError:  # It does not even broadcast.
        return False


@pytest.mark.parametrize("name", COMMUTES)
def test_an_op_that_commutes_does(name):
    """Only ops of two operands and of any number of them can say so."""
    assert REGISTRY[name].variadic or REGISTRY[name].n_operands == 2
    for sample in samples_of(name):
        turned = Sample(sample.op, sample.operands[::-1], sample.attrs)
        for a, b in zip(evaluate(sample), evaluate(turned), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-15)


@pytest.mark.parametrize("name", READS_A_SHAPE)
def test_an_op_that_reads_a_shape_reads_nothing_else(name):
    for sample in samples_of(name):
        changed = list(sample.operands)
        for k in REGISTRY[name].shape_of:
            changed[k] = np.asarray(given(sample)[k]) * 0 + 7
        for a, b in zip(evaluate(sample), evaluate(Sample(name, tuple(changed), sample.attrs)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", READS)
def test_what_is_said_about_writing_can_be_written(name):
    op, reads = REGISTRY[name], REGISTRY[name].reads
    n = 3 if op.variadic else op.n_operands
    if isinstance(reads.latex, Form):
        assert reads.latex.places <= n
        assert len(reads.latex.needs) >= reads.latex.places
    elif reads.latex is not None:
        attrs = {"key": (0,), **op.attr_defaults}
        # What has no form for many operands has one for the first.
        assert any(isinstance(reads.latex([Term(c) for c in "abc"[:k]], attrs), Term) for k in (n, 1))
    words = ["a", "2.0"][:n]
    if reads.text is not None:
        assert filled(reads.text, words) if isinstance(reads.text, str) else reads.text(words)
    factors = reads.factor if isinstance(reads.factor, tuple) else (reads.factor,) * n
    assert len(factors) >= n
    for factor in factors:
        assert factor is None or "%(y" not in filled(factor, ["a"])
    assert reads.derivative is None or op.is_composite


@pytest.mark.parametrize("name", [name for name in READS if REGISTRY[name].reads.latex is not None])
def test_formulas_of_every_sample(name):
    for sample in samples_of(name)[:4]:
        sd = SameDiff("float64")
        outs, _ = apply(sd, sample)
        assert r"\operatorname{None}" not in str(outs[0].to_latex())


def test_decorators_take_what_an_op_has():
    fields = set(Op.__dataclass_fields__)
    assert fields >= {*PrimitiveFacts.__annotations__, *CompositeFacts.__annotations__}


# ---------------------------------------------------------------------- tables


def tables() -> dict[str, set[str]]:
    found = {"rewrites": {*rewrites.RULES, *rewrites._RESHAPES}}
    try:
        from sdgraph.run.engines.llvm.divide import taken_apart
        from sdgraph.run.engines.llvm.scalars import scalar_ops
    except ImportError:
        return found
    powers = {op for steps in taken_apart._POWERS.values() for op in steps}
    return found | {
        "scalar_ops": {*scalar_ops.RULES, *scalar_ops._EXACT_IN_HALF},
        "taken_apart": {*taken_apart._REDUCTIONS, *powers},
    }


@pytest.mark.parametrize("table", tables())
def test_tables_name_ops(table):
    assert tables()[table] <= set(OPS)


# ---------------------------------------------------------------------- a user's op with a name of ours


class Odd(Namespace, prefix="odd"):
    @primitive(infer=elementwise, kernel="subtract", vjp=lambda g, z, x, y: (g, -g))
    def mul(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """Not a product at all."""
        ...

    @composite
    def mean_squared_error(
        self,
        label: Operand,
        predictions: Operand,
        *,
        loss_reduce: LossReduce = LossReduce.SUM,
        name: str | None = None,
    ) -> SDVariable:
        """``7 (p - y)^4``, added up."""
        sd = self.sd
        return sd.sum(7.0 * sd.math.pow(sd.math.sub(predictions, label), 4.0))

    @composite
    def my_vjp(self, x: Operand, y: Operand, *, name: str | None = None) -> SDVariable:
        """No gradient of anything."""
        return x * y

    @primitive(infer=elementwise, kernel="negative", vjp=lambda g, y, x: -g)
    def identity(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Anything but that."""
        ...


def links(sd, **options):
    return sd.plot(**options).scene.links


def test_an_op_called_as_one_of_ours_is_not_drawn_as_it():
    sd = SameDiff("float64")
    a, b = sd.var("a", [1.0, 2.0]), sd.var("b", [3.0, 4.0])
    Odd(sd).mul(a, b, name="c")
    assert [link.operand for link in links(sd)] == ["1", "2"]
    assert r"\operatorname{mul}" in sd["c"].to_latex()


@pytest.mark.parametrize(("namespace", "known"), [(lambda sd: sd.loss, True), (Odd, False)], ids=["ours", "odd"])
def test_a_loss_called_as_one_of_ours_has_no_derivative_of_ours(namespace, known):
    sd = SameDiff("float64")
    y, p = sd.placeholder("y", (2,)), sd.var("p", [0.5, 1.0])
    loss = namespace(sd).mean_squared_error(y, p, loss_reduce=LossReduce.SUM, name="loss")
    sd.grad(sd.math.mul(loss, 3.0, name="total"), p)
    assert ("2 (p − y)" in [link.label for link in links(sd, view="gradient")]) == known


def test_an_op_that_ends_like_a_gradient_is_none():
    sd = SameDiff("float64")
    a, b = sd.var("a", [1.0, 2.0]), sd.var("b", [3.0, 4.0])
    assert r"\operatorname{my\_vjp}\left(a, b\right)" in Odd(sd).my_vjp(a, b).to_latex()


def test_an_op_called_as_one_of_ours_is_computed_as_it_says():
    sd = SameDiff("float64")
    y = Odd(sd).identity(sd.var("a", [1.0, 2.0]))
    assert y.eval().tolist() == [-1.0, -2.0]


def test_a_bare_op_called_as_one_of_ours_is_computed_as_it_says():
    """One outside of any namespace, which the registry does not know."""

    class Holder:
        def __init__(self, sd):
            self.sd = sd

        @primitive(infer=elementwise, kernel="negative", vjp=NOT_DIFFERENTIABLE)
        def identity(self, x: Operand, *, name: str | None = None) -> SDVariable: ...

        @primitive(infer=elementwise, kernel="negative", vjp=NOT_DIFFERENTIABLE)
        def squeeze(self, x: Operand, *, name: str | None = None) -> SDVariable: ...

    sd = SameDiff("float64")
    x = sd.placeholder("x", (2,))
    outs = [Holder(sd).identity(x), Holder(sd).squeeze(x)]
    for value in sd.compile(outs)({"x": [1.0, 2.0]}).values():
        assert value.tolist() == [-1.0, -2.0]


def test_what_is_assigned_is_written():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (2, 2))
    y = sd.sum(sd.assign(x, sd.var("q", 5.0)), name="w")
    assert y.eval({"x": np.ones((2, 2))}) == 20
    assert r"w &= \sum q" in y.to_latex(depth=1)


def test_what_passes_on_numbers_and_says_so_is_written():
    """After a change of shape the axes are others: a formula without it would sum over the wrong ones."""
    sd = SameDiff("float64")
    x = sd.placeholder("x", (2, 2))
    assert r"\operatorname{reshape}" in sd.sum(sd.reshape(x, (4,)), axis=0, name="w").to_latex()
    assert r"\operatorname{stop\_gradient}\left(x\right)" in sd.stop_gradient(x).to_latex()
    assert r"v &= \sum x" in sd.sum(sd.cast(x, "float32"), name="v").to_latex()


class Pair(Namespace, prefix="pair"):
    @primitive(
        infer=lambda x, y: x,
        kernel=lambda xp, x, y=None: x if y is None else x - 2 * y,
        vjp=lambda g, z, x, y: (g, None if y is None else -2.0 * g),
        reads=Reading(Form("%(x_atom)s - 2 %(y_atom)s", SUM), "%(x)s − 2 %(y_atom)s"),
    )
    def less_twice(self, x: Operand, y: Operand | None = None, *, name: str | None = None) -> SDVariable:
        """``x - 2 y``."""
        ...


def test_a_pattern_with_names():
    sd = SameDiff("float64")
    c = Pair(sd).less_twice(sd.var("a", 1.0), sd.var("b", 3.0), name="c")
    assert r"c &= a - 2 b" in c.to_latex()


def test_a_pattern_for_operands_that_are_not_given():
    """The name of the op, as if nothing was said."""
    sd = SameDiff("float64")
    c = Pair(sd).less_twice(sd.var("a", 1.0), name="c")
    assert r"c &= \operatorname{less\_twice}\left(a\right)" in c.to_latex()

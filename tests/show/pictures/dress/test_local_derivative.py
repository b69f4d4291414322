"""What a backward arrow says: the derivatives of a textbook, never the names of helpers inside the library."""

import pytest

from sdgraph import SameDiff, errors
from sdgraph.build.kinds import VariableKind
from sdgraph.build.op import ITEM, NOT_DIFFERENTIABLE, REGISTRY
from tests.ops.samples import samples_of
from tests.ops.test_every_op import OPS, apply, floating, joined


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("math.tanh", "1 / cosh²(x)"),
        ("nn.sigmoid", "σ(x) σ(−x)"),
        ("math.atan", "1 / (1 + x²)"),
        ("math.asin", "1 / √(1 − x²)"),
        ("math.acos", "−1 / √(1 − x²)"),
        ("math.atanh", "1 / (1 − x²)"),
        ("nn.softsign", "1 / (1 + |x|)²"),
        ("math.erf", "1.128 exp(−x²)"),
        ("math.square", "2 x"),
    ],
)
def test_words_of_a_function(name, words):
    sd = SameDiff()
    x = sd.var("x", [0.5, 0.25])
    namespace, function = name.split(".")
    sd.grad(sd.sum(getattr(getattr(sd, namespace), function)(x, name="y") * 3.0, name="z"), x)
    assert words in [link.label for link in sd.plot(view="gradient").scene.links]


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [name for name in OPS if REGISTRY[name].vjp is not NOT_DIFFERENTIABLE])
def test_what_only_gradients_use_is_written_out(name):
    known = set(REGISTRY.values())
    for sample in samples_of(name)[:2]:
        sd = SameDiff("float64")
        outs, feeds = apply(sd, sample)
        y, wrt = joined(sd, floating(outs)), [k for k, x in feeds.items() if x.dtype.kind == "f"]
        try:
            for _ in range(2 if y is not None and wrt else 0):
                y = sd.sum(sd.grad(sd.sum(y), wrt[0]))
        except errors.GradientError:
            pass  # Nothing more depends on the operands.
        for node in sd.nodes:
            if node.op.kind is VariableKind.ARRAY and node.op is not ITEM and not node.op.name.endswith("_vjp"):
                assert node.op in known or node.op.reads is not None, node.op

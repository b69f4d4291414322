"""Value and derivative share their exponential: in the loop of both there is one, whatever the CPU."""

import pytest

pytest.importorskip("llvmlite")

from sdgraph import SameDiff
from sdgraph.run.engines.llvm.scalars.builder import float_literal
from sdgraph.run.engines.llvm.write.vectors import TURN
from tests.run.engines.llvm import computers

_LOG2_E = float_literal(1.4426950408889634, "float")
"""What every exponential begins with, and nothing else has."""

FUNCTIONS = {
    "exp": lambda sd, x: sd.math.exp(x),
    "expm1": lambda sd, x: sd.math.expm1(x),
    "tanh": lambda sd, x: sd.math.tanh(x),
    "erf": lambda sd, x: sd.math.erf(x),
    "erfc": lambda sd, x: sd.math.erfc(x),
    "sigmoid": lambda sd, x: sd.nn.sigmoid(x),
    "log_sigmoid": lambda sd, x: sd.nn.log_sigmoid(x),
    "softplus": lambda sd, x: sd.nn.softplus(x),
    "elu": lambda sd, x: sd.nn.elu(x, alpha=0.3),
    "selu": lambda sd, x: sd.nn.selu(x),
    "swish": lambda sd, x: sd.nn.swish(x),
    "gelu": lambda sd, x: sd.nn.gelu(x),
    "gelu by tanh": lambda sd, x: sd.nn.gelu(x, "tanh"),
    "gelu by sigmoid": lambda sd, x: sd.nn.gelu(x, "sigmoid"),
    "sigmoid cross entropy": lambda sd, x: sd.loss.sigmoid_cross_entropy(sd.nn.hard_sigmoid(x), x),
    "weighted cross entropy": lambda sd, x: sd.loss.weighted_cross_entropy_with_logits(sd.math.square(x), x, 3.0),
    "log cosh": lambda sd, x: sd.keras.log_cosh(0.0 * x, x),
    "log poisson": lambda sd, x: sd.loss.log_poisson(sd.math.square(x), x),
}


def exponentials(name, computer, monkeypatch):
    """How many exponentials a turn has for each of its vectors, and for the one of the masked rest."""

    def compile_it():
        sd = SameDiff()
        x = sd.placeholder("x", (1000,))
        y = sd.identity(FUNCTIONS[name](sd, x), name="y")
        sd.compile([y, *sd.grad(sd.sum(y), [x])], engine="llvm")

    texts = computers.texts_for(computer, monkeypatch, compile_it)
    return sum(text.count(_LOG2_E) for text in texts) / (TURN + 1)


@pytest.mark.parametrize("computer", computers.COMPUTERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_exponential_for_value_and_gradient(name, computer, monkeypatch):
    assert exponentials(name, computers.COMPUTERS[computer], monkeypatch) == 1

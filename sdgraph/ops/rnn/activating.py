"""The activations that recurrent layers let one choose, under SameDiff's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from sdgraph.build.annotations import means
from sdgraph.checks import finite, one_of

if TYPE_CHECKING:
    from sdgraph.build.variable import SDVariable

Activation: TypeAlias = Literal[
    "TANH", "RELU", "SIGMOID", "AFFINE", "LEAKY_RELU", "THRESHHOLD_RELU", "SCALED_TAHN", "HARD_SIGMOID", "ELU",
    "SOFTSIGN", "SOFTPLUS",
]  # fmt: skip
means("Activation", Activation)

_NUMBERS: Final[dict[str, tuple[float, float]]] = {
    "AFFINE": (1.0, 0.0),
    "LEAKY_RELU": (0.01, 0.0),
    "THRESHHOLD_RELU": (0.0, 0.0),
    "SCALED_TAHN": (1.0, 1.0),
    "HARD_SIGMOID": (0.2, 0.5),
    "ELU": (1.0, 0.0),
}
"""What alpha and beta are unless they are given, where a function has them."""

_FUNCTIONS: Final[dict[str, Callable[[SDVariable, float, float], SDVariable]]] = {
    "TANH": lambda x, a, b: x.sd.math.tanh(x),
    "RELU": lambda x, a, b: x.sd.nn.relu(x),
    "SIGMOID": lambda x, a, b: x.sd.nn.sigmoid(x),
    "AFFINE": lambda x, a, b: a * x + b,
    "LEAKY_RELU": lambda x, a, b: x.sd.nn.leaky_relu(x, alpha=a),
    "THRESHHOLD_RELU": lambda x, a, b: x.sd.where(x > a, x, 0.0),
    "SCALED_TAHN": lambda x, a, b: a * x.sd.math.tanh(b * x),
    "HARD_SIGMOID": lambda x, a, b: x.sd.math.clip_by_value(a * x + b, 0.0, 1.0),
    "ELU": lambda x, a, b: x.sd.nn.elu(x, alpha=a),
    "SOFTSIGN": lambda x, a, b: x.sd.nn.softsign(x),
    "SOFTPLUS": lambda x, a, b: x.sd.nn.softplus(x),
}


def activation(
    what: str, name: str, alpha: float | None = None, beta: float | None = None
) -> Callable[[SDVariable], SDVariable]:
    """The function of a name.

    Args:
        what: The setting that chose it.
        name: One of SameDiff's names.
        alpha: Its first number; None for the usual one.
        beta: Its second number.

    Raises:
        ArgumentError: If there is no such function, or a number is not finite.
    """
    one_of(f"activation for {what}", name, get_args(Activation))
    usual = _NUMBERS.get(name, (0.0, 0.0))
    a, b = (
        u if given is None else finite(f"{what.removesuffix('_act')}_{k}", given)
        for k, given, u in zip(("alpha", "beta"), (alpha, beta), usual, strict=True)
    )
    return lambda x: _FUNCTIONS[name](x, a, b)

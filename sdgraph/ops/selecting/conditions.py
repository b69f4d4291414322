"""What SameDiff's ``Conditions`` say of a number, and the ops that take one: matching, counting, replacing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sdgraph.build.decorators import composite
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite, one_of

if TYPE_CHECKING:
    from sdgraph.build.variable import Axis, Operand

TOLERANCE: Final = 1e-5
"""How far from a number what counts as equal to it by ``eps_equals`` may be."""


def _near(x: SDVariable, value: float) -> SDVariable:
    return x.sd.lte(abs(x - value), TOLERANCE)


CONDITIONS: Final[dict[str, Callable[[SDVariable, float], SDVariable]]] = {
    "equals": lambda x, value: x.sd.eq(x, value),
    "not_equals": lambda x, value: x.sd.neq(x, value),
    "eps_equals": _near,
    "eps_not_equals": lambda x, value: x.sd.math.not_(_near(x, value)),
    "greater_than": lambda x, value: x.sd.gt(x, value),
    "greater_than_or_equal": lambda x, value: x.sd.gte(x, value),
    "less_than": lambda x, value: x.sd.lt(x, value),
    "less_than_or_equal": lambda x, value: x.sd.lte(x, value),
    "abs_equals": lambda x, value: x.sd.eq(abs(x), value),
    "abs_not_equals": lambda x, value: x.sd.neq(abs(x), value),
    "abs_greater_than": lambda x, value: x.sd.gt(abs(x), value),
    "abs_greater_than_or_equal": lambda x, value: x.sd.gte(abs(x), value),
    "abs_less_than": lambda x, value: x.sd.lt(abs(x), value),
    "abs_less_than_or_equal": lambda x, value: x.sd.lte(abs(x), value),
    "is_nan": lambda x, value: x.sd.math.is_nan(x),
    "is_infinite": lambda x, value: x.sd.math.is_infinite(x),
    "is_finite": lambda x, value: x.sd.math.is_finite(x),
    "not_finite": lambda x, value: x.sd.math.not_(x.sd.math.is_finite(x)),
}
"""Each condition by its name in Python: whether numbers meet it, given the number that it compares with."""


def matches(x: Any, condition: str, value: float) -> SDVariable:
    """Whether each number meets a condition.

    Raises:
        ArgumentError: If there is no such condition, or ``value`` is no finite number.
    """
    one_of("condition", condition, CONDITIONS)
    return CONDITIONS[condition](x, finite("value", value))


_SHARED = {
    "x": "Numbers of any shape.",
    "condition": Meaning(
        f"One of {', '.join(f'``{name}``' for name in CONDITIONS)}; those with eps take as equal what differs by"
        f" {TOLERANCE} at most.",
        "ArgumentError: If there is no such condition.",
    ),
    "value": Meaning("The number that it compares with.", "ArgumentError: If it is no finite number."),
}


class SDConditions(Namespace, prefix="", shared=_SHARED):
    """Conditions by name, in the base namespace."""

    @composite
    def match_condition(self, x: Operand, condition: str, value: float = 0.0, *, name: str | None = None) -> SDVariable:
        """Whether each number meets a condition.

        Returns:
            Bools of the same shape. There is no gradient.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.match_condition([-3.0, 1.0, 2.0], "abs_greater_than", 1.5).eval()
            array([ True, False,  True])
        """
        return matches(self.sd.as_variable(x), condition, value)

    @composite
    def match_condition_count(
        self,
        x: Operand,
        condition: str,
        value: float = 0.0,
        axis: Axis = None,
        keepdims: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """How many numbers meet a condition.

        Args:
            axis: The axis, or several, to count along; None for all.
            keepdims: Whether these axes stay, with size 1.

        Returns:
            The shape without these axes, int64. There is no gradient.

        Raises:
            ArgumentError: If there is no such axis, or one is named twice.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> int(sd.match_condition_count([-3.0, 1.0, 2.0], "less_than", 1.5).eval())
            2
        """
        sd = self.sd
        return sd.math.count_non_zero(matches(sd.as_variable(x), condition, value), axis, keepdims)

    @composite
    def replace_where(
        self, x: Operand, replacement: Operand, condition: str, value: float = 0.0, *, name: str | None = None
    ) -> SDVariable:
        """``x`` with other numbers in place of those that meet a condition.

        What is replaced contributes exactly 0 to gradients, as with `where`.

        Args:
            replacement: A number, or an array whose shape broadcasts with that of ``x``.

        Returns:
            The broadcast shape, the promoted dtype of both.

        Raises:
            ShapeError: If the shapes do not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.replace_where([-3.0, 1.0, 2.0], 0.0, "less_than", 1.5).eval()
            array([0., 0., 2.])
        """
        sd, x = self.sd, self.sd.as_variable(x)
        return sd.where(matches(x, condition, value), replacement, x)

"""What makes a parameter a tensor, and what an op may be called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Optional, Union

import pytest

import sdgraph
from sdgraph import Namespace, SameDiff, SDVariable, composite
from sdgraph import Operand as Tensor
from sdgraph.build.op import REGISTRY
from sdgraph.build.signature import signature_of
from sdgraph.errors import ArgumentError, ArgumentTypeError

if TYPE_CHECKING:
    from sdgraph import Operand

MaybeTensor = Tensor | None
Other = Annotated[float, "sdgraph.Operand"]


class NotOperand:
    """A class of somebody else's whose name reads like ours."""


def as_text(sd: Any, a: Tensor, b: Operand, c: sdgraph.Operand, d: MaybeTensor, e: Other, f: NotOperand, g: int): ...


def test_an_operand_is_known_under_every_name():
    assert signature_of(as_text).operand_names == ("a", "b", "c", "d")
    assert signature_of(as_text).attr_names == ("e", "f", "g")


@pytest.mark.parametrize(
    ("annotation", "is_operand"),
    [
        (Tensor, True),
        (Tensor | None, True),
        (Optional["Operand"], True),
        (Union[int, "Tensor"], True),
        (list["Tensor"], True),
        (int, False),
        (Other, False),
        (NotOperand, False),
        (list[Any], False),
        ("list[NotOperand] | None", False),
        ("tuple[Tensor, ...]", True),
    ],
    ids=str,
)
def test_an_annotation_in_every_form(annotation, is_operand):
    def function(sd, x): ...

    function.__annotations__["x"] = annotation
    assert signature_of(function).operand_names == (("x",) if is_operand else ())


def test_a_name_of_the_function_around_counts_too():
    from sdgraph import Operand as T

    class Mine(Namespace, prefix="signature_test"):
        @composite
        def double(self, x: T, *, times: float = 2.0, name: str | None = None) -> SDVariable:
            return x * times

    assert Mine.double.op.operand_names == ("x",)
    sd = SameDiff()
    assert Mine(sd).double(sd.constant([1.0, 2.0]), times=3.0).eval().tolist() == [3.0, 6.0]


def test_a_setting_that_gets_a_tensor_says_so():
    class Mine(Namespace, prefix="signature_test"):
        @composite
        def double(self, x: Tensor, factor: float, *, name: str | None = None) -> SDVariable:
            return x * factor

    sd = SameDiff()
    with pytest.raises(ArgumentTypeError, match="factor is a fixed setting, not a tensor"):
        Mine(sd).double(1.0, sd.constant(2.0))


@pytest.mark.parametrize("prefix, name", [("math", "mul"), ("", "sum")])
def test_an_op_of_ours_is_not_replaced(prefix, name):
    def other(self: Any, x: Tensor, *, name: str | None = None) -> SDVariable:
        return x

    other.__name__ = name
    before = dict(REGISTRY)
    with pytest.raises(ArgumentError, match="has an op") as e:
        type("Mine", (Namespace,), {name: composite(other)}, prefix=prefix)
    assert "prefix of its own" in str(e.value)
    assert before == REGISTRY


def test_an_op_of_a_users_may_be_defined_again():
    """A cell of a notebook runs more than once."""

    def define() -> Any:
        class Mine(Namespace, prefix="signature_test"):
            @composite
            def again(self, x: Tensor, *, name: str | None = None) -> SDVariable:
                return -x

        return Mine.again.op

    first, second = define(), define()
    assert (first.key, second.key) == ("", "signature_test.again")
    assert second.qualname == first.qualname


def test_an_op_outside_of_namespaces_is_not_taken_for_one_of_ours():
    @composite
    def sum(sd: Any, x: Tensor) -> SDVariable:
        return x

    assert sum.op.qualname == "sum" and sum.op.key == ""
    assert REGISTRY["sum"].key == "sum"

"""Signatures as `help` and notebooks show them: types without quotes, aliases as what they stand for."""

import importlib
import inspect
import typing

import pytest

import sdgraph
from sdgraph import LossReduce, Namespace, Operand, SameDiff, SDVariable, composite
from sdgraph.build.annotations import written
from sdgraph.build.op import REGISTRY

PUBLIC = [
    "",
    "data",
    "errors",
    "keras",
    "keras.callbacks",
    "keras.losses",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.recurrent",
    "keras.saving",
    "keras.utils",
    "losses",
    "nd",
    "testing",
    "train",
    "train.evaluation",
    "viz",
]
GIVEN = {
    "sdgraph.show.pictures.picture": "GraphView",
    "sdgraph.show.pictures.explorer": "Explorer",
    "sdgraph.show.table": "Summary",
    "sdgraph.plan.made": "Made",
}
"""What public functions give."""


def signatures(thing, name):
    """The signature of a function; of a class its own and those of its public methods."""
    if inspect.isclass(thing):
        for member in (m for m in dir(thing) if not m.startswith("_") or m in ("__init__", "__call__")):
            function = inspect.getattr_static(thing, member)
            function = getattr(function, "fget", None) or getattr(function, "__func__", function)
            if inspect.isfunction(function) and function.__module__.startswith("sdgraph"):
                yield f"{name}.{member}", str(inspect.signature(function))
    elif callable(thing) and hasattr(thing, "__name__"):
        yield name, str(inspect.signature(thing))


def public():
    for module in PUBLIC:
        found = importlib.import_module(f"sdgraph.{module}".rstrip("."))
        for name in [*found.__all__, *(dir(found) if module == "nd" else [])]:
            yield from signatures(getattr(found, name), f"{module}.{name}")
    for module, name in GIVEN.items():
        yield from signatures(getattr(importlib.import_module(module), name), name)
    for qualname, op in REGISTRY.items():
        if op.is_ours:
            yield from signatures(getattr(op.owner, op.name), qualname)


def test_no_signature_has_its_types_in_quotes():
    found = dict(public())
    assert len(found) > 600
    assert not {name: text for name, text in found.items() if ": '" in text or "-> '" in text or "ForwardRef" in text}


def test_an_operand_is_told_as_what_it_takes():
    sd = SameDiff()
    assert str(inspect.signature(sd.loss.huber_loss)) == (
        "(label: SDVariable | ArrayLike, predictions: SDVariable | ArrayLike, "
        "weights: SDVariable | ArrayLike | None = None, *, "
        "loss_reduce: LossReduce = LossReduce.MEAN_BY_NONZERO_WEIGHT_COUNT, delta: float = 1.0, "
        "name: str | None = None) -> SDVariable"
    )
    assert "axis: int | Sequence[int] | None = None" in str(inspect.signature(sd.sum))
    assert eval(repr(LossReduce.SUM)) is LossReduce.SUM


def test_texts_are_still_what_python_evaluates():
    hints = typing.get_type_hints(SameDiff.expand)
    assert hints["v"] == SDVariable | str and hints["return"] is SameDiff


def test_an_op_of_a_users_is_readable_however_it_is_annotated():
    class Mine(Namespace, prefix="annotations_test"):
        @composite
        def scaled(self, x: Operand, y: "Operand | None" = None, *, by: float = 2.0) -> SDVariable:
            return x * by

        @composite
        def listed(self, x: typing.Optional[Operand], *rest: Operand) -> SDVariable:  # noqa: UP045
            return x

    ours = "SDVariable | ArrayLike"
    assert (
        str(inspect.signature(Mine.scaled))
        == f"(self, x: {ours}, y: {ours} | None = None, *, by: float = 2.0) -> SDVariable"
    )
    assert str(inspect.signature(Mine.listed)) == f"(self, x: Optional[{ours}], *rest: {ours}) -> SDVariable"


@pytest.mark.parametrize(
    "annotation, text",
    [
        (int, "int"),
        ("Operand | None", "SDVariable | ArrayLike | None"),
        ("MyOperand", "MyOperand"),
        ("pkg.Operand", "pkg.Operand"),
        (typing.Literal["a", 1], "Literal['a', 1]"),
        (SDVariable, "SDVariable"),
        (typing.ForwardRef("Variables"), "SDVariable | str | Iterable[SDVariable | str]"),
        (list[SDVariable], "list[SDVariable]"),
        (Operand, "SDVariable | ArrayLike"),
    ],
    ids=str,
)
def test_annotations_in_every_form(annotation, text):
    assert repr(written(annotation)) == text


def test_the_package_shows_what_it_exports():
    assert dir(sdgraph) == sorted(sdgraph.__all__)

"""Rules that every Keras loss keeps. A new loss is tested by existing: its file is the only one that names it.

What is independent of the definitions, names and numbers of Keras itself, is in the other files of this folder.
"""

import ast
import inspect
import json
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.keras import losses
from sdgraph.keras.losses import registry
from sdgraph.ops.losses.keras.definition import DEFINITIONS
from sdgraph.ops.losses.keras.docstrings import entries, sections
from sdgraph.ops.losses.keras.op_loss import OpLoss
from tests.ops.samples import samples_of

OPS = {op.name: op for op in DEFINITIONS}
FUNCTIONS = {name: fn for name, fn in registry.FUNCTIONS.items() if name in OPS}
CLASSES = {name: cls for name, cls in registry.CLASSES.items() if issubclass(cls, OpLoss)}
COMMON = {"reduction", "name", "dtype"}


def settings(cls):
    return {k: p for k, p in inspect.signature(cls).parameters.items() if k not in COMMON}


def example(op):
    """Operands of the loss's first sample, as a caller gives them, and its settings."""
    sample = samples_of(op.qualname)[0]
    return [np.asarray(x) for x in sample.operands], sample.attrs


# ---------------------------------------------------------------------- names


def test_every_loss_of_the_registry_has_a_definition_and_a_function():
    losses_of_keras = {op for op in REGISTRY.values() if op.namespace == "keras" and op.is_loss}
    assert {op.qualname for op in losses_of_keras - DEFINITIONS.keys()} == {"keras.reduce"}
    assert FUNCTIONS.keys() == OPS.keys()
    assert len(CLASSES) == len({cls.op for cls in CLASSES.values()}) >= 22


@pytest.mark.parametrize("name", OPS)
def test_names(name):
    """A loss is found by each of its names, and each is a name in the package."""
    function = FUNCTIONS[name]
    known = [name, *(alias for alias, full in registry.ALIASES.items() if full == name)]
    for one in known:
        assert losses.get(one) is function
        assert getattr(losses, one) is function
        assert one in losses.__all__
    assert losses.get(losses.serialize(function)) is function
    assert (function.__name__, function.__qualname__) == (name, name)


@pytest.mark.parametrize("name", CLASSES)
def test_names_of_classes(name):
    cls = CLASSES[name]
    assert name in losses.__all__
    assert getattr(losses, name) is cls
    assert type(losses.get(name)) is cls
    assert type(losses.as_loss(FUNCTIONS[cls.op.name])) is cls


def test_no_name_means_two_things():
    names = [*registry.CLASSES, *registry.FUNCTIONS, *registry.ALIASES]
    assert len(names) == len(set(names))
    assert set(losses.__all__) == {*names, "as_loss", "deserialize", "get", "register", "serialize"}


def bound(path):
    """The names that a file gives to classes and to what is called, as one reads it without running it."""
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            yield from (target.id for target in node.targets)


def test_type_checkers_and_editors_know_every_name():
    names = {name for family in registry.FAMILIES for name in bound(family.__file__)}
    assert registry.everything().keys() - {"Loss", "LossFunctionWrapper", "crossentropy"} <= names
    tree = ast.parse(Path(losses.__file__).read_text(encoding="utf-8"))
    seen = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"}
    assert seen == {family.__name__ for family in registry.FAMILIES}


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", CLASSES)
def test_settings(name):
    """A class takes what its op takes besides operands: with the same default, but where the op has none."""
    cls = CLASSES[name]
    wanted = [k for k in cls.op.attr_names if k not in COMMON]
    assert sorted(settings(cls)) == sorted(wanted) == sorted(cls.options)
    for k, p in settings(cls).items():
        ours = cls.op.signature.parameters[k]
        assert p.annotation == ours.annotation, k
        assert ours.default in (p.default, ours.empty), k
        assert type(p.default) is type(ours.default) or ours.default is ours.empty, k
    assert DEFINITIONS[cls.op].checks.keys() <= settings(cls).keys()
    parameters = inspect.signature(cls).parameters
    assert parameters["reduction"].default == "sum_over_batch_size"
    assert cls(name=None).name == cls().name == parameters["name"].default


@pytest.mark.parametrize("name", CLASSES)
def test_checks(name):
    """What a setting may not be is refused when a loss is made, and when the function is called."""
    cls = CLASSES[name]
    operands, attrs = example(cls.op)
    for k in DEFINITIONS[cls.op].checks:
        for bad in (float("nan"), True, "x"):
            for call in (
                lambda k=k, bad=bad: cls(**{k: bad}),
                lambda k=k, bad=bad: FUNCTIONS[cls.op.name](*operands, **{**attrs, k: bad}),
            ):
                with pytest.raises((ValueError, TypeError), match=k):
                    call()


@pytest.mark.parametrize("name", CLASSES)
def test_configuration(name):
    """As data and back, with settings other than the default ones where samples have some."""
    cls = CLASSES[name]
    tried = [{k: v for k, v in s.attrs.items() if k in cls.options} for s in samples_of(cls.op.qualname)]
    for given in [{}, *tried]:
        loss = cls(reduction="sum", name="mine", dtype="float64", **given)
        config = loss.get_config()
        assert config.keys() == {*COMMON, *cls.options}
        assert all(config[k] == (list(v) if isinstance(v, tuple) else v) for k, v in given.items())
        again = losses.deserialize(json.loads(json.dumps(losses.serialize(loss))))
        assert type(again) is cls
        assert again.get_config() == config == cls.from_config(config).get_config()
        assert repr(again) == repr(loss)


# ---------------------------------------------------------------------- numbers


@pytest.mark.parametrize("name", CLASSES)
def test_class_function_and_op_are_one(name):
    """On arrays and in a graph: the class gives what the function gives with its reduction."""
    cls = CLASSES[name]
    function = FUNCTIONS[cls.op.name]
    operands, attrs = example(cls.op)
    attrs = {k: v for k, v in attrs.items() if k in cls.options}
    for reduction in ("none", "sum", "sum_over_batch_size"):
        want = function(*operands, reduction=reduction, **attrs)
        np.testing.assert_array_equal(cls(reduction=reduction, **attrs)(*operands), want)
        sd = SameDiff("float64")
        variables = [sd.placeholder(f"x{k}", x.shape, x.dtype) for k, x in enumerate(operands)]
        feeds = {f"x{k}": x for k, x in enumerate(operands)}
        loss = cls(reduction=reduction, **attrs)(*variables)
        assert (loss.op_name, loss.name) == (cls.op.qualname, cls().name)
        assert sd.loss_variables() == [loss]
        np.testing.assert_array_equal(loss.eval(feeds), want)
        np.testing.assert_array_equal(function(*variables, reduction=reduction, **attrs).eval(feeds), want)


# ---------------------------------------------------------------------- what is told


@pytest.mark.parametrize("name", OPS)
def test_docstring(name):
    """Every parameter, shapes, errors, where the loss comes from, and an example: for the op and for the function."""
    op = OPS[name]
    told = sections(op.doc)
    assert FUNCTIONS[name].__doc__ == op.doc
    parameters = [k for k in op.signature.parameters if k != "self"]
    assert entries(told["Args"]).keys() == set(parameters)
    assert "``" in told[""], "the formula"
    assert re.search(r"[Ss]hape", told["Returns"])
    assert {"ShapeError", "DTypeError", "ArgumentError"} <= entries(told["Raises"]).keys()
    assert re.search(r"\b(1[89]|20)\d\d\b", told["References"])
    assert ">>> " in told["Example"]


@pytest.mark.parametrize("name", CLASSES)
def test_docstring_of_the_class(name):
    """`help` of a class explains its settings, its call, and where the loss comes from."""
    cls = CLASSES[name]
    told, ours = sections(cls.__doc__), sections(cls.op.doc)
    assert entries(told["Args"]).keys() == {*settings(cls), *COMMON}
    for k in settings(cls):
        assert entries(told["Args"])[k] == entries(ours["Args"])[k]
    for k in ("y_true", "y_pred", "sample_weight", "mask"):
        assert f"- ``{k}``: " in told[""]
    assert ours[""] in told[""]
    assert ours["Returns"] in told[""]
    assert (told["Raises"], told["References"]) == (ours["Raises"], ours["References"])
    assert f"losses.{name}(" in told["Example"]


def test_losses_come_out_of_a_pickle_in_a_process_that_imported_nothing():
    """As a worker gets them: the names say in which file a loss is, not who computes it on arrays."""
    code = "import pickle, sys; print([f([[0.0, 1.0]], [[0.5, 0.25]]).tolist() for f in pickle.load(sys.stdin.buffer)])"
    given = [losses.Huber(delta=0.5), losses.huber, losses.BinaryCrossentropy(from_logits=True)]
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(given), capture_output=True, check=True)
    assert done.stdout.decode().strip() == str([f([[0.0, 1.0]], [[0.5, 0.25]]).tolist() for f in given])

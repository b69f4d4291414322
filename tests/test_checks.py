"""Settings: what counts as a whole number, a number, a flag is the same in every call."""

import re
from pathlib import Path

import numpy as np
import pytest

import sdgraph
from sdgraph import SameDiff, checks
from sdgraph.errors import ArgumentError, ArgumentTypeError, EngineError, SDGraphError
from sdgraph.keras import losses
from sdgraph.run.engines.threads import get_num_threads
from sdgraph.testing import check_grads

NO_NUMBERS = (True, np.True_, "3", None, 3j, [3], np.ones(2))


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3)])
def test_whole_numbers_of_numpy_are_pythons(value):
    assert checks.is_whole(value, 3, 3)
    assert type(checks.whole("n", value, least=1)) is int


@pytest.mark.parametrize("value", [*NO_NUMBERS, 3.0, np.float64(3), float("nan")], ids=repr)
def test_what_is_no_whole_number(value):
    assert not checks.is_whole(value)
    with pytest.raises(ArgumentError, match=r"^n must be a whole number[.]") as e:
        checks.whole("n", value)
    assert e.value.given and e.value.given.startswith("n=")


def test_a_whole_number_out_of_bounds():
    assert not checks.is_whole(2, 3) and not checks.is_whole(10**5000, 3, 4)
    with pytest.raises(ArgumentError, match="n must be a whole number, 3 or more"):
        checks.whole("n", 2, least=3)
    with pytest.raises(ArgumentError, match=r"^Three, please"):
        checks.whole("n", 2, least=3, message="Three, please.")


@pytest.mark.parametrize("check", [checks.finite, checks.not_negative, checks.positive])
def test_numbers(check):
    for value in (1, 0.5, np.float32(0.5), np.int16(2)):
        assert check("a", value) == value
    for value in (*NO_NUMBERS, float("inf"), float("nan"), 10**5000):
        with pytest.raises(ArgumentError, match=r"^a must be a"):
            check("a", value)


def test_bounds_of_numbers():
    assert checks.finite("a", -1) == -1
    assert checks.not_negative("a", 0) == 0
    assert checks.between("a", 1, 0, 1, ends=True) == 1
    for refused in (
        lambda: checks.not_negative("a", -1e-300),
        lambda: checks.positive("a", 0.0),
        lambda: checks.between("a", 1, 0, 1, ends=False),
        lambda: checks.between("a", 1.1, 0, 1, ends=True),
        lambda: checks.between("a", float("nan"), 0, 1, ends=True),
    ):
        with pytest.raises(ArgumentError, match=r"^a must"):
            refused()


def test_flags():
    assert checks.flag("a", np.True_) is True
    for value in (1, 0, "yes", None):
        with pytest.raises(ArgumentTypeError, match="a is True or False"):
            checks.flag("a", value)


def graph():
    sd = SameDiff(dtype="float64")
    x = sd.placeholder("x", (2, 3))
    sd.loss.mean_squared_error(sd.placeholder("y", (2, 3)), x * sd.var("w", 2.0), name="loss")
    return sd


FEEDS = {"x": np.ones((2, 3)), "y": np.zeros((2, 3))}

WHOLE = {
    "one_hot": lambda sd, n: sd.one_hot([0], n),
    "eye": lambda sd, n: sd.math.eye(n),
    "linspace": lambda sd, n: sd.linspace(0, 1, n),
    "sequence_mask": lambda sd, n: sd.sequence_mask([1], n),
    "confusion_matrix": lambda sd, n: sd.math.confusion_matrix([0], [0], num_classes=n),
    "tile": lambda sd, n: sd.tile(sd["x"], (n, 1)),
    "unsorted_segment_sum": lambda sd, n: sd.unsorted_segment_sum(sd["x"], [0, 0], n),
    "top_k": lambda sd, n: sd.nn.top_k(sd["x"], n),
    "pad": lambda sd, n: sd.nn.pad(sd["x"], ((n, 0), (0, n))),
    "tri": lambda sd, n: sd.linalg.tri(n),
    "a seed": lambda sd, n: sd.random.normal(0.0, 1.0, (2,), seed=n),
    "a graph's seed": lambda sd, n: SameDiff(seed=n),
    "an order": lambda sd, n: check_grads(sd["loss"], FEEDS, order=n),
    "a depth of scopes": lambda sd, n: sd.summary(depth=n),
    "a depth of formulas": lambda sd, n: sd["loss"].to_latex(n),
    "a length": lambda sd, n: sd["loss"].to_latex(max_length=n),
    "nodes of a picture": lambda sd, n: sd.to_dot(max_nodes=n),
    "runs": lambda sd, n: sdgraph.profile(sd.compile("loss"), FEEDS, repeat=n),
    "threads": lambda sd, n: sdgraph.set_num_threads(n),
    "a label": lambda sd, n: losses.SparseCategoricalCrossentropy(ignore_class=n)([0], [[0.5, 0.5]]),
    "an axis": lambda sd, n: sd.concat(sd["x"], sd["x"], axis=n),
}


@pytest.fixture
def threads():
    n = get_num_threads()
    yield
    sdgraph.set_num_threads(n)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("call", WHOLE.values(), ids=WHOLE)
def test_every_count_takes_numpys_numbers_and_no_bool(call):
    call(graph(), 1)
    call(graph(), np.int64(1))
    for value in (True, 1.5):
        with pytest.raises(SDGraphError):
            call(graph(), value)


@pytest.mark.parametrize("timeout", [float("inf"), float("nan"), True])
def test_a_program_is_waited_for_a_number_of_seconds(timeout):
    with pytest.raises(ArgumentError, match="timeout cannot be this"):
        graph().to_dot(timeout=timeout)


def test_no_file_asks_by_hand():
    by_hand = re.compile(
        r"isinstance\((\w+), bool\) or not isinstance\(\1"
        r"|isinstance\((\w+), int( \| np.integer)?\) (and not|or) isinstance\(\2, bool\)"
        r"|not isinstance\((\w+), int\) or \5 <"
    )
    package = Path(sdgraph.__file__).parent
    own = package / "checks.py"
    wrong = [str(p) for p in package.rglob("*.py") if p != own and by_hand.search(p.read_text("utf-8"))]
    assert not wrong


def test_no_file_lists_choices_by_hand():
    """What is none of a few texts is told by one function, which finds those that are near."""
    by_hand = re.compile(r"no such (theme|view|kind|scheme|format)|\" or \"\.join\(map\(repr")
    package = Path(sdgraph.__file__).parent
    wrong = [str(p) for p in package.rglob("*.py") if by_hand.search(p.read_text("utf-8"))]
    assert not wrong


@pytest.mark.parametrize("value", ["bb", None, 3, ["a"], np.array(["a"]), b"a"])
def test_what_is_none_of_a_few_texts_is_an_error_of_the_class_asked_for(value):
    assert checks.one_of("letter", "a", ("a", "b")) == "a"
    with pytest.raises(EngineError, match="There is no letter") as e:
        checks.one_of("letter", value, ("a", "b"), kind=EngineError)
    assert e.value.expected == "'a' or 'b'"

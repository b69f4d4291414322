"""Names that nothing has: whatever a user of SameDiff or another library types leads to what to write here."""

import copy
import inspect
import math
import pickle
import re
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest

import sdgraph
from sdgraph import Namespace, SameDiff, SDVariable, composite, nd
from sdgraph.build.op import REGISTRY
from sdgraph.build.spelling.others import methods, other_libraries
from sdgraph.build.spelling.samediff import operations
from sdgraph.build.variable import Operand
from sdgraph.errors import SDGraphError, UnknownAttributeError
from tests.graph_state import graph_state

PAGE = (Path(__file__).parents[3] / "docs" / "howto" / "from_samediff.md").read_text(encoding="utf-8")
OPS = {qualname: op for qualname, op in REGISTRY.items() if op.is_ours}


def a_graph():
    sd = SameDiff()
    return sd, sd.placeholder("x", (None, 3))


def told(owner, name):
    """The message for a name that the owner does not have; None if it has it."""
    try:
        getattr(owner, name)
    except UnknownAttributeError as e:
        return str(e)
    return None


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def flat(text):
    return " ".join(text.split())


# ---------------------------------------------------------------------- SameDiff's names


def says(message, row):
    """Whether a message says what the table has for an operation of Java."""
    if row.op:
        return re.search(rf"\b(sd|nd|x)\.{re.escape(row.op)}\b", message) or f"x.{row.op}" in message
    return row.instead.replace("`", "") in flat(message)


@pytest.mark.parametrize("row", operations(), ids=lambda row: f"{row.namespace}.{row.name}")
def test_every_operation_of_java_where_java_has_it(row):
    sd, _ = a_graph()
    owner = sd if row.namespace == "sd" else getattr(sd, row.namespace)
    message = told(owner(), row.name) if isinstance(owner, Namespace) else told(owner, row.name)
    if message is None:
        assert getattr(owner, row.name).op.qualname == row.op
    else:
        ours = {r.op for r in operations() if r.name == row.name and r.op}
        assert (
            says(message, row)
            or f"It is sd.{snake(row.name)}." in message
            or any(re.search(rf"\bsd\.{re.escape(op)}\b", message) for op in ours)
        ), message


@pytest.mark.parametrize("namespace", ["sd", "math", "nn", "loss", "linalg", "x", "nd"])
def test_every_operation_of_java_in_another_place(namespace):
    sd, x = a_graph()
    known = {"sd": sd, "x": x, "nd": nd}
    owner = known[namespace] if namespace in known else getattr(sd, namespace)
    for row in operations():
        message = told(owner, row.name)
        alike = [r for r in operations() if r.name.lower() == row.name.lower()]
        if message is not None:
            assert "fix:" in message, f"{namespace}.{row.name}"
            known = any(says(message, r) for r in alike)
            # A name that is one of ours, too, leads there; a variable's own method comes before an operation.
            ours = re.search(rf"\.{snake(row.name)}\b", message)
            assert known or ours or row.name in {**other_libraries(), **methods("x")}, message


@pytest.mark.parametrize(("receiver", "name"), [(r, name) for r in ("sd", "x") for name in methods(r)])
def test_every_method_of_java(receiver, name):
    sd, x = a_graph()
    message = told({"sd": sd, "x": x}[receiver], name)
    if message is None:
        assert name in dir({"sd": sd, "x": x}[receiver])
        return
    wanted = methods(receiver)[name].replace("`", "") or "not there yet"
    own = [f"It is {receiver}.{form}." for form in (snake(name), name.lower())]
    assert any(text in flat(message) for text in (wanted, *own))


@pytest.mark.parametrize("receiver", ["sd", "x", "w"])
def test_every_method_on_the_page(receiver):
    java = "\n".join(row.split("|")[1] for row in PAGE.splitlines() if row.startswith("| ") and row.count("|") == 3)
    names = sorted(set(re.findall(rf"`{receiver}\.(\w+)\(", java)))
    sd, x = a_graph()
    missing = []
    for name in names:
        message = told(sd if receiver == "sd" else x, name)
        missing += [name] if message is not None and "fix:" not in message else []
    assert len(names) > 5 or receiver == "w"
    assert not missing


def test_the_first_line_of_a_program_of_samediff():
    with pytest.raises(UnknownAttributeError, match=r"It is SameDiff\(\)\."):
        SameDiff.create()
    assert not hasattr(SameDiff, "createe") and getattr(SameDiff, "foo", 3) == 3


# ---------------------------------------------------------------------- what the tables say can be written

CODE = [
    (name, code)
    for table in (methods("sd"), methods("x"), other_libraries(), {row.name: row.instead for row in operations()})
    for name, text in table.items()
    for code in re.findall(r"`([^`]*)`", text)
]


def environment(kind):
    """What the tables write with, in a graph of its own; ``kind`` tells what x and y hold."""
    sd = SameDiff()
    arrays = {
        "floats": [np.linspace(0.1, 0.9, 9, dtype="float32").reshape(3, 3)] * 2,
        "places": [np.full((3, 3), 0.5, "float32")] * 2,
        "classes": [np.full((3, 3), 0.5, "float32"), np.array([0, 1, 2])],
        "integers": [np.arange(9).reshape(3, 3)] * 2,
        "bools": [np.eye(3, dtype=bool)] * 2,
    }[kind]
    x, y = sd.constant("X", arrays[0]), sd.constant("Y", arrays[1])
    w = sd.var("w", np.full((3, 3), 0.5, "float32"))
    loss = (w * w).sum(name="loss").mark_as_loss()
    ids = sd.constant("I", np.array([0, 1, 2]) if kind != "places" else np.zeros((1, 3), "int64"))
    for name in "ab":
        sd.constant(name, np.ones((3, 3), "float32"))
    mask, ones = sd.constant("M", np.eye(3, dtype=bool)), sd.constant("O", np.ones(3))
    variables = dict.fromkeys(("a", "b", "c", "d", "p", "table", "updates", "ref"), x)
    variables |= dict.fromkeys(("w", "logits", "predictions"), w) | dict.fromkeys(("queries", "keys"), sd.stack([w, w]))
    variables |= {
        "op": sd.ops()[0],
        "v": loss,
        "x": x,
        "y": y,
        "labels": y,
        "loss": loss,
        "indices": ids,
        "ids": ids,
        "ones": ones,
        "mask": mask,
    }
    numbers = {"update": 1.0, "replacement": 0.0, "margin": 1.0, "count": 3, "value": 0.5, "axis": 0, "axes": (1, 0)}
    numbers |= {"low": 0.0, "high": 1.0, "k": 2, "n": 2, "q": 0.5, "num_segments": 3, "shape": (3, 3)}
    arrays = {
        "values": np.ones((2, 3, 3), "float32"),
        "array": np.full((3, 3), 2.0),
        "gradients": {"w": np.ones((3, 3))},
    }
    modules = {"np": np, "math": math, "SameDiff": SameDiff, "sdgraph": sdgraph, "VariableKind": sdgraph.VariableKind}
    return {"sd": sd, "condition": w > 0, "feeds": {}} | variables | numbers | arrays | modules


def runs(code, kind):
    if code == "@sdgraph.composite":
        code = code[1:]
    code = code + " pass" if code.startswith("with ") else code
    code = (
        code.replace('"a", "b")', '"a", "new")')
        .replace('sd.placeholder("x"', 'sd.placeholder("new"')
        .replace('sd.var("w"', 'sd.var("new"')
    )
    try:
        exec(code, environment(kind))
    except SDGraphError:
        return False
    return True


@pytest.mark.parametrize(("name", "code"), CODE, ids=[f"{name}: {code}" for name, code in CODE])
def test_what_a_table_says_runs(name, code):
    if "..." in code:
        code = re.match(r"[\w.]+", code)[0]
    assert any(runs(code, kind) for kind in ("floats", "classes", "integers", "bools", "places"))


def test_tables_name_nothing_that_is_there():
    """An entry for a name that a graph or a variable has would never be read."""
    sd, x = a_graph()
    both = [name for name in other_libraries() if hasattr(sd, name) and hasattr(x, name)]
    assert not both
    assert not [name for name in methods("sd") if hasattr(sd, name)]
    assert not [name for name in methods("x") if hasattr(x, name)]


# ---------------------------------------------------------------------- misspelt names


def misspelt(name):
    middle = len(name) // 2
    return [name[:middle] + name[middle] + name[middle:], name[:-1] + name[-1] * 2, name.title().replace("_", "")]


@pytest.mark.parametrize("qualname", [q for q, op in OPS.items() if len(op.name) > 3 and not op.name.endswith("_")])
def test_a_misspelt_operation_finds_the_one_that_was_meant(qualname):
    sd, _ = a_graph()
    op = OPS[qualname]
    owner = getattr(sd, op.namespace) if op.namespace else sd
    if op.name not in dir(owner):
        pytest.skip("only the library calls it")
    for name in misspelt(op.name):
        message = told(owner, name)
        assert message is None or f"sd.{qualname}" in message or f".{qualname}(" in message, (name, message)


@pytest.mark.parametrize("qualname", sorted(OPS))
def test_an_operation_of_another_namespace_is_found(qualname):
    sd, x = a_graph()
    op = OPS[qualname]
    for owner in (sd.nn, sd.random, sd, x):
        message = told(owner, op.name)
        if message is not None and op.name in dir(getattr(sd, op.namespace) if op.namespace else sd):
            others = [q for q, other in OPS.items() if other.name == op.name]
            assert any(f"sd.{q}" in message for q in others) or op.name in other_libraries(), message


def test_methods_of_variables_are_found_from_the_graph_and_the_other_way_round():
    sd, x = a_graph()
    assert "x.mark_as_loss" in told(sd, "mark_as_loss") and "sd.name_scope" in told(x, "name_scope")
    assert "x.cast_to" in told(x, "castTo") and "It is a variable: sd['x']" in told(sd, "x")


def test_a_namespace_of_ones_own_names_its_operations():
    class Own(Namespace, prefix="own"):
        @composite
        def double(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """Twice."""
            return x + x

    sd, _ = a_graph()
    assert "Did you mean Own.double?" in told(Own(sd), "duoble") and "sd.math.exp" in told(Own(sd), "exp")


def test_inside_of_a_body_the_call_is_named_and_the_graph_stays_as_it_was():
    class Own(Namespace, prefix="own2"):
        @composite
        def slip(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """A slip."""
            return self.sd.math.expp(x)

    sd, x = a_graph()
    before = graph_state(sd)
    with pytest.raises(UnknownAttributeError, match=r"(?s)own2\.slip: sd\.math has no.*sd\.math\.exp"):
        Own(sd).slip(x)
    assert graph_state(sd) == before


MODULES = {
    "sdgraph": ["exp", "placeholder", "Huber", "math", "Samediff", "Variable"],
    "sdgraph.nd": ["exp", "huberLoss", "summ"],
    "sdgraph.losses": ["huber_loss", "Huber", "LossReduced"],
    "sdgraph.keras": ["Huber", "lossess", "layerss", "Modell"],
    "sdgraph.keras.losses": ["Hubber", "mean_square_error"],
    "sdgraph.viz": ["plot", "plot_los"],
    "sdgraph.testing": ["check_grad"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in MODULES.items() for name in names])
def test_modules_tell_as_well(module, name):
    found = sys.modules[module] if module in sys.modules else __import__(module, fromlist=["_"])
    assert "fix:" in told(found, name)
    assert type(probe(found, "_private")) is AttributeError


def test_a_compiled_function_tells_that_it_is_called():
    sd, x = a_graph()
    f = sd.compile(x + 1)
    assert "It is f(feeds)." in told(f, "eval")


# ---------------------------------------------------------------------- programs that try names

PROBES = ["__array_interface__", "__array_struct__", "__wrapped__", "_repr_html_", "_ipython_display_", "_foo"]


def probe(owner, name):
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    return caught.value


@pytest.mark.parametrize("name", PROBES)
def test_names_of_python_and_ipython_are_missing_as_from_any_object(name):
    sd, x = a_graph()
    for owner in (sd, x, sd.math, sd.compile(x + 1), nd.math):
        if name not in dir(type(owner)):
            assert type(probe(owner, name)) is AttributeError
    for owner in (sd, x, sd.math):
        assert not hasattr(owner, "nothing_like_this") and getattr(owner, "nothing_like_this", 1) == 1


def test_trying_a_name_looks_nothing_up():
    code = (
        "import sys, sdgraph; sd = sdgraph.SameDiff(); x = sd.placeholder('x');"
        "hasattr(sd, 'foo'), hasattr(x, 'foo'), hasattr(sd.nn, 'foo'), hasattr(sdgraph, 'foo');"
        "print(sorted({'difflib', 'sdgraph.build.spelling.unknown', 'sdgraph.keras.losses'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_is_made_without_a_graph_is_missing_its_parts_like_any_object():
    for made in (SDVariable.__new__(SDVariable), object.__new__(SameDiff), object.__new__(type(SameDiff().math))):
        assert type(probe(made, "sd" if not isinstance(made, SameDiff) else "nodes")) is AttributeError
        assert inspect.getattr_static(made, "anything", None) is None


def test_copies_are_made_as_before():
    sd, x = a_graph()
    assert copy.copy(x) is x and copy.deepcopy(sd)["x"].shape == x.shape and copy.copy(sd.math).sd is sd
    for protocol in range(6):
        assert pickle.loads(pickle.dumps(x, protocol)).shape == x.shape


def test_python_adds_no_guess_of_its_own():
    sd, _ = a_graph()
    with pytest.raises(UnknownAttributeError) as caught:
        _ = sd.nn.rellu
    assert caught.value.name == "rellu"
    lines = traceback.format_exception_only(caught.value)
    assert lines[-1].endswith("sd.nn.prelu?\n") and "Did you mean: " not in "".join(lines)


def test_type_checkers_still_see_what_is_there():
    """A ``__getattr__`` that they could see would let every name pass."""
    package = Path(sdgraph.__file__).parent
    for path in package.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "def __getattr__" in line and path.name != "namespace.py":
                assert line.startswith("    "), path


def test_the_error_arrives_whole_from_another_process():
    _, x = a_graph()
    with pytest.raises(UnknownAttributeError) as caught:
        x.exp()
    error = caught.value
    for made in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(made) == str(error) and made.name == "exp" and "sd.math.exp(x)" in made.fix


def test_the_name_of_what_was_taken_back_is_still_told():
    sd, x = a_graph()
    with pytest.raises(UnknownAttributeError) as caught, sd.transaction():
        (x + 1).exponential()
    assert "sd.random.exponential" in str(caught.value)

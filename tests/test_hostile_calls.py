"""Every public function called with what it does not expect: only our errors, short, and the graph as it was."""

import inspect
import random
import zlib

import numpy as np
import pytest

import sdgraph
from sdgraph import Namespace, SameDiff, SDVariable, composite, nd, primitive, testing
from sdgraph.build.op import REGISTRY
from sdgraph.build.variable import Operand
from sdgraph.errors import SDGraphError, shown
from sdgraph.infer import shapes
from sdgraph.keras import losses, utils
from sdgraph.show.options import Options
from tests.graph_state import graph_state
from tests.hostile import FEEDS, HOSTILE, LONGEST, a_graph, attempt

TRIALS = 5
OPS = {qualname: op for qualname, op in REGISTRY.items() if op.is_ours}
NAMESPACES = sorted({q.rpartition(".")[0] for q in OPS})


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """Some arguments are names of files."""
    monkeypatch.chdir(tmp_path)


def draws(name: str) -> random.Random:
    return random.Random(zlib.crc32(name.encode()))


def method(root, qualname):
    namespace, _, name = qualname.rpartition(".")
    return getattr(getattr(root, namespace) if namespace else root, name)


# ---------------------------------------------------------------------- ops


def arguments(op, good, rng):
    """Operands and attributes of a call with one hostile argument at least, and what they are."""
    n = 2 if op.variadic else op.n_operands
    bad_one = rng.randrange(n + len(op.attr_names) + 1)
    operands, keywords, what = [], {}, []
    for k in range(n):
        label = rng.choice([*HOSTILE]) if k == bad_one or rng.random() < 0.1 else None
        operands.append(rng.choice(good) if label is None else HOSTILE[label])
        what.append(label or "good")
    for k, name in enumerate(op.attr_names, n):
        if k == bad_one or name not in op.attr_defaults or rng.random() < 0.3:
            label = rng.choice([*HOSTILE])
            keywords[name] = HOSTILE[label]
            what.append(f"{name}={label}")
    if bad_one == n + len(op.attr_names):
        label = rng.choice([*HOSTILE])
        keywords["name"] = HOSTILE[label]
        what.append(f"name={label}")
    if not op.signature.operands_first:
        keywords |= dict(zip(op.operand_names, operands, strict=True))
        operands = []
    return operands, keywords, f"{op.qualname}({', '.join(what)})"


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_ops_of_a_graph(namespace):
    sd = a_graph()
    for qualname, op in OPS.items():
        if op.namespace == namespace:
            rng = draws(qualname)
            for _ in range(TRIALS):
                good = [sd["x"], sd["w"], sd["v"], sd["i"], 1.0]
                operands, keywords, what = arguments(op, good, rng)
                attempt(lambda o=operands, k=keywords, q=qualname, sd=sd: method(sd, q)(*o, **k), sd, what)
                sd = sd if len(sd.nodes) < 60 else a_graph()


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_ops_of_arrays(namespace):
    good = [np.ones((2, 3)), np.ones(3), 2.0, np.array([0, 1])]
    for qualname, op in OPS.items():
        if op.namespace == namespace:
            rng = draws(f"nd.{qualname}")
            for _ in range(TRIALS):
                operands, keywords, what = arguments(op, good, rng)
                attempt(lambda o=operands, k=keywords, q=qualname: method(nd, q)(*o, **k), what=f"nd.{what}")


def test_what_goes_wrong_in_an_op_of_the_users_own_is_shown_as_it_is():
    class Own(Namespace, prefix="own"):
        @composite
        def slip(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """A slip in a body."""
            return x.squred()

        @primitive(infer=lambda x: x.shapp, kernel="square", vjp=lambda g, y, x: None)
        def other(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """A slip in a rule."""
            ...

        @primitive(infer=shapes.same, kernel="square", vjp=lambda g, y, x: g.squred())
        def third(self, x: Operand, *, name: str | None = None) -> SDVariable:
            """A slip in a gradient."""
            ...

    sd = a_graph()
    before = graph_state(sd)
    for name in ("slip", "other"):
        with pytest.raises(AttributeError, match=r"squred|shapp"):
            getattr(Own(sd), name)(sd["x"])
        assert graph_state(sd) == before
    y = Own(sd).third(sd["x"])
    before = graph_state(sd)
    with pytest.raises(AttributeError, match="squred"):
        sd.grad(y, "x")
    assert graph_state(sd) == before


# ---------------------------------------------------------------------- methods of graphs and variables

NOT_FOR_USERS = {
    "sd",
    "math",
    "nn",
    "cnn",
    "loss",
    "keras",
    "linalg",
    "random",
    "rnn",
    "bitwise",
    "image",
    "current_scope",
    "losses",
    "tables",
    "version",
    "add_leaf",
    "append",
    "apply",
    "can_undo",
    "display_bundle",
    "drop_nodes",
    "executable_bundle",
    "free_name",
    "full_name",
    "gradient_scope",
    "handle",
    "is_gradient",
    "keep_only",
    "loss_gradients",
    "name_counters",
    "name_scope",
    "one_origin",
    "reachable",
    "rename_node",
    "restore_name_counters",
    "scratch",
    "set_arrays",
    "take_back",
    "transaction",
    "as_variable",
    "explore",
    "to_html",
    "render",
    "id_of",
    "call_of",
    "reader_ids",
    "has",
}
SPECIAL = {
    "__getitem__",
    "__contains__",
    "__add__",
    "__radd__",
    "__mul__",
    "__truediv__",
    "__pow__",
    "__matmul__",
    "__lt__",
    "__and__",
}


def methods(cls):
    for name in dir(cls):
        mine = not name.startswith("_") or name in SPECIAL
        op = cls is SameDiff and name in REGISTRY
        if mine and not op and name not in NOT_FOR_USERS and callable(getattr(cls, name)):
            yield name


def hostile_call(function, good, rng):
    """A call of ``function`` with one hostile argument, and what it was."""
    parameters = [
        p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD and p.name != "named"
    ]
    bad_one = rng.randrange(len(parameters)) if parameters else 0
    positional, keywords, what = [], {}, []
    for k, p in enumerate(parameters):
        if k != bad_one and p.default is not p.empty and rng.random() < 0.7:
            continue
        label = rng.choice([*HOSTILE]) if k == bad_one else None
        value = rng.choice(good) if label is None else HOSTILE[label]
        what.append(f"{p.name}={label or 'good'}")
        if p.kind is p.KEYWORD_ONLY or (p.kind is p.POSITIONAL_OR_KEYWORD and len(positional) != k):
            keywords[p.name] = value
        else:
            positional.append(value)
    return lambda: function(*positional, **keywords), ", ".join(what)


@pytest.mark.parametrize("cls", [SameDiff, SDVariable])
def test_methods(cls):
    sd = a_graph()
    for name in methods(cls):
        rng = draws(name)
        for _ in range(12):
            owner = sd if cls is SameDiff else sd["y"]
            good = [sd["x"], sd["w"], sd["y"], "x", "w", "loss", FEEDS, 1.0, ["x"], 2, (2, 3)]
            call, what = hostile_call(getattr(owner, name), good, rng)
            attempt(call, sd, f"{cls.__name__}.{name}({what})")
            sd = sd if len(sd.nodes) < 60 else a_graph()


ONE_ARGUMENT = {
    "SameDiff(dtype)": lambda sd, a: SameDiff(a),
    "SameDiff(seed)": lambda sd, a: SameDiff(seed=a),
    "a value": lambda sd, a: setattr(sd["w"], "value", a),
    "an index": lambda sd, a: sd["y"][a],
    "a name": lambda sd, a: sd[a],
    "contains": lambda sd, a: a in sd,
    "equality": lambda sd, a: sd["w"] == a,
    "an operand": lambda sd, a: sd["y"] + a,
    "a scope": lambda sd, a: sd.name_scope(a).__enter__(),
    "an initial value": lambda sd, a: sd.var("n", shape=(2,), init=a),
    "a seed": lambda sd, a: sd.var("n", shape=(2,), init="normal", seed=a),
    "a value of a dtype": lambda sd, a: sd.var("n", a, dtype="int8"),
    "a dtype": lambda sd, a: sd.constant("n", 1.0, dtype=a),
    "the shape of a placeholder": lambda sd, a: sd.placeholder("n", a),
    "a feed": lambda sd, a: sd["y"].eval({"x": a}),
    "a feed of a function": lambda sd, a: sd.compile("y")(x=a),
    "a step's feed": lambda sd, a: sd.calculate_gradients({"x": a}),
    "feeds": lambda sd, a: sd["y"].eval(a),
    "feeds of a function": lambda sd, a: sd.compile("y")(a),
    "a step": lambda sd, a: sd["drawn"].eval(step=a),
    "an engine": lambda sd, a: sd.compile("y", engine=a),
    "check_numerics": lambda sd, a: sd.compile("y", check_numerics=a),
    "fetches": lambda sd, a: sd.compile(a),
    "wrt": lambda sd, a: sd.calculate_gradients(FEEDS, wrt=a),
    "a kind": lambda sd, a: sd.variables(a),
    "a function to profile": lambda sd, a: sdgraph.profile(a, FEEDS),
    "feeds to profile": lambda sd, a: sdgraph.profile(sd.compile("y"), a),
    "feeds to measure": lambda sd, a: sd.compile("y").profile(a, repeat=1),
    "feeds to explain": lambda sd, a: sd.compile("y").explain(a),
    "what to check": lambda sd, a: testing.check_grads(a),
    "feeds to check": lambda sd, a: testing.check_grads(sd["loss"], a),
    "an order to check": lambda sd, a: testing.check_grads(sd["loss"], FEEDS, order=a),
    "a seed to check": lambda sd, a: testing.check_grads(sd["loss"], FEEDS, seed=a),
    "labels": lambda sd, a: utils.to_categorical(a),
    "a number of classes": lambda sd, a: utils.to_categorical([0, 1], a),
    "a loss": lambda sd, a: losses.get(a),
    "labels of a loss": lambda sd, a: losses.MeanSquaredError()(a, sd["y"]),
    "weights of a loss": lambda sd, a: losses.MeanSquaredError()(sd["y"], sd["y"], sample_weight=a),
    "targets of a picture": lambda sd, a: sd.to_dot(a),
    "targets of a diagram": lambda sd, a: sd.to_mermaid(a),
    "a view for networkx": lambda sd, a: sd.to_networkx(a),
    "a path": lambda sd, a: sd.render(a),
    "a path of a page": lambda sd, a: sd.to_html(a),
}


@pytest.mark.parametrize("what", ONE_ARGUMENT)
def test_every_hostile_value_where_users_put_one(what):
    sd = a_graph()
    for label, value in HOSTILE.items():
        attempt(lambda value=value, sd=sd: ONE_ARGUMENT[what](sd, value), sd, f"{what}: {label}")
        sd = sd if len(sd.nodes) < 20 and sd.current_scope == "" else a_graph()


@pytest.mark.parametrize("option", Options._fields)
def test_options_of_pictures(option):
    sd = a_graph()
    for label, value in HOSTILE.items():
        if option != "color_by" or not callable(value):
            attempt(lambda value=value: sd.to_dot(**{option: value}), sd, f"{option}={label}")


# ---------------------------------------------------------------------- Keras' losses


@pytest.mark.parametrize("name", losses.__all__)
def test_keras_losses(name):
    rng, made = draws(name), getattr(losses, name)
    arrays = [np.ones((2, 3)), np.ones((2, 3)), 1.0]
    functions = [made]
    if inspect.isclass(made):
        functions = [made, made.from_config]
        functions += [made()] if name != "LossFunctionWrapper" else []
    for function in functions:
        for _ in range(8):
            call, what = hostile_call(function, arrays if made is not function else [0.5, "sum", None], rng)
            attempt(call, what=f"{name}({what})")


CONFIGS = {
    "it": lambda a: a,
    "class_name": lambda a: {"class_name": a, "config": {}},
    "config": lambda a: {"class_name": "Huber", "config": a},
    "function": lambda a: {"class_name": "function", "config": a},
    "registered_name": lambda a: {"class_name": "Huber", "registered_name": a, "config": {}},
    **{
        f"setting {k}": lambda a, k=k: {"class_name": "Huber", "config": {k: a}}
        for k in ("delta", "dtype", "reduction", "name", "fn")
    },
    "axis": lambda a: {"class_name": "Dice", "config": {"axis": a}},
    "a tuple": lambda a: {"class_name": "Dice", "config": {"axis": {"class_name": "__tuple__", "items": a}}},
    "an array": lambda a: {
        "class_name": "Huber",
        "config": {"delta": {"class_name": "__numpy__", "config": {"value": a, "dtype": "float32"}}},
    },
    "an array's dtype": lambda a: {
        "class_name": "Huber",
        "config": {"delta": {"class_name": "__numpy__", "config": {"value": 1.0, "dtype": a}}},
    },
    "a policy": lambda a: {"class_name": "Huber", "config": {"dtype": {"class_name": "Policy", "config": {"name": a}}}},
}


@pytest.mark.parametrize("where", CONFIGS)
def test_configurations_of_losses(where):
    for label, value in HOSTILE.items():
        config = CONFIGS[where](value)
        for function in (losses.deserialize, losses.get, losses.as_loss, losses.serialize):
            attempt(lambda f=function, c=config: f(c), what=f"{function.__name__}, {where}: {label}")


def test_custom_objects_of_losses():
    for label, value in HOSTILE.items():
        for function in (losses.deserialize, losses.get, losses.as_loss):
            attempt(lambda f=function, v=value: f("no such loss", v), what=f"{function.__name__}: {label}")
            attempt(lambda f=function, v=value: f({"class_name": "Huber"}, v), what=f"{function.__name__}: {label}")


def test_configurations_in_themselves_and_in_thousands_of_others():
    deep = {"class_name": "LossFunctionWrapper", "config": {"fn": "mse"}}
    for _ in range(3000):
        deep = {"class_name": "LossFunctionWrapper", "config": {"fn": deep}}
    cycle = {"class_name": "LossFunctionWrapper", "config": {}}
    cycle["config"]["fn"] = cycle
    for config in (deep, cycle):
        with pytest.raises(SDGraphError, match="nested too deeply") as caught:
            losses.deserialize(config)
        assert len(str(caught.value)) < LONGEST


# ---------------------------------------------------------------------- messages


def test_a_message_is_short_whatever_it_is_made_of():
    long = "word " * 10**5
    error = SDGraphError(long, given=long, expected=long, node=long, fix=long)
    error.in_call("sd." + "x" * 10**5, long)
    assert len(str(error)) < LONGEST and len(repr(error)) < LONGEST
    for label in ("given:", "expected:", "node:", "operands:", "fix:"):
        assert label in str(error)
    short = SDGraphError("wrong.", given="this", expected="y " * 400, fix="That.")
    assert str(short).count("y") >= 400 and "given:    this" in str(short)


@pytest.mark.parametrize("label", HOSTILE)
def test_every_value_can_be_shown(label):
    for limit in (20, 200):
        assert 0 < len(shown(HOSTILE[label], limit)) <= limit


def test_small_values_are_shown_as_python_shows_them():
    for value in (1, -2.5, "text", None, (1, 2), [1, "a"], {"k": 1}, np.float32(1.5), slice(1, 2), 10**30):
        assert shown(value) == repr(value)

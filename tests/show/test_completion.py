"""What notebooks offer: inside of quotes, after a dot, after a bracket."""

import importlib.util
import inspect

import pytest

import sdgraph
import sdgraph.nd as nd
from sdgraph import SameDiff
from sdgraph.keras import losses
from sdgraph.show.completion import NOTHING, offered, teach

REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"]
VARIABLES = ["x", "label", "w", "layer1/h", "loss"]


class Alien:
    """Somebody else's thing: looking at it must not run its code."""

    @property
    def sd(self):
        raise ZeroDivisionError

    def plot(self, view: str = "forward"):
        """No method of ours."""


def namespace():
    sd = SameDiff()
    x, label = sd.placeholder("x", shape=(3,)), sd.placeholder("label")
    w = sd.var("w", [1.0, 2.0, 3.0])
    with sd.name_scope("layer1"):
        h = sd.dot(x, w, name="h")
    loss = sd.math.sub(h, label, name="loss")
    found = {"sd": sd, "h": h, "loss": loss, "f": sd.compile([h]), "g": sd.compile([loss]), "alien": Alien()}
    return {**found, "d": {"sd": sd}, "sdgraph": sdgraph, "nd": nd, "losses": losses}


@pytest.mark.parametrize(
    "code, texts",
    [
        # The texts that a parameter may be.
        ('sd.plot(view="', ["forward", "gradient", "both"]),
        ("sd.plot(view = 'gr", ["gradient"]),
        ('sd.plot(loss, values="', ["none", "scalars", "stats"]),
        ('sd.plot(\n    view="gradient",\n    theme="', ["auto", "light", "dark"]),
        ('print(sd.to_mermaid(direction="', ["TB", "LR", "BT", "RL"]),
        ('sd.plot(color_by="', ["kind", "grad_norm", "value_norm", "dtype"]),
        ('sd.summary(sort="', ["topological", "name", "kind", "size"]),
        ('sd.summary(None, "', ["topological", "name", "kind", "size"]),
        ('sd.to_networkx(data="', ["rich", "plain"]),
        ('sd.variables("', ["placeholder", "variable", "constant", "array"]),
        ('sd.compile(loss, engine="', ["auto", "numpy", "llvm"]),
        ('loss.eval(engine="', ["auto", "numpy", "llvm"]),
        ('sd.var("v", shape=(2, 2), init="he', ["he", "he_normal", "he_uniform"]),
        ('sd.nn.gelu(h, "', ["none", "tanh", "sigmoid"]),
        ('nd.nn.gelu([1.0], approximate="t', ["tanh"]),
        ('losses.Huber(reduction="', REDUCTIONS),
        ('losses.huber(h, h, reduction="', REDUCTIONS),
        ('sdgraph.viz.set_options(theme="', ["auto", "light", "dark"]),
        ('sdgraph.viz.plot_loss(losses.Huber(), show="', ["both", "value", "gradient"]),
        # Variables, where a name may stand for one.
        ('sd.plot("', VARIABLES),
        ('sd.plot("l', ["label", "layer1/h", "loss"]),
        ('sd.plot(["x", "la', ["label", "layer1/h"]),
        ('sd.plot(focus="', VARIABLES),
        ('sd.plot(wrt=("', VARIABLES),
        ('sd.compile(["', VARIABLES),
        ('sd.output({"x": [1, 2, 3]}, ["', VARIABLES),
        ('sd.grad("', VARIABLES),
        ('sd.grad(loss, ["', VARIABLES),
        ('sd.calculate_gradients({}, ["w", "', VARIABLES),
        ('sd.set_loss_variables("loss", "', VARIABLES),
        ('sd.convert_to_constant("', VARIABLES),
        # What a call must be fed.
        ('f({"', ["x"]),
        ('g({"', ["x", "label"]),
        ('g({"x": [1, 2, 3], "', ["x", "label"]),
        ('h.eval({"', ["x"]),
        ('loss.eval(feeds={"', ["x", "label"]),
        ('sd["loss"].eval({"', ["x", "label"]),
        ('sd.output({"', ["x", "label"]),
        ('sd.plot(feeds={"', ["x", "label"]),
        ('sd.calculate_gradients({"', ["x", "label"]),
        # What stands before does not matter.
        ("# don't\nsd.plot(view=\"", ["forward", "gradient", "both"]),
        ('a = "it\'s (" + \'"\'\nsd.plot(view="', ["forward", "gradient", "both"]),
        ('a = """ " ( """; sd.plot(view="', ["forward", "gradient", "both"]),
        ('a = "a \\" ("; sd.plot(view="', ["forward", "gradient", "both"]),
        ("%%time don't\nsd.plot(view=\"", ["forward", "gradient", "both"]),
        ('y = x[sd.plot(view="', ["forward", "gradient", "both"]),
        ('sd.plot(title=f(1, 2), view="', ["forward", "gradient", "both"]),
    ],
)
def test_what_fits_is_offered(code, texts):
    assert [*offered(code, namespace()).texts] == texts


@pytest.mark.parametrize(
    "code",
    [
        "",
        "sd.plot(view=",
        'sd.plot(view="forward"',
        'f({"x": "',
        'f(["',
        'sd.plot(title="',
        'sd.render("',
        'sd.math.add(h, 1.0, name="',
        'sd.plot(view="for" "',
        'sd.plot(view="a" + "',
        'sd.plot(nothing="',
        'sd.plot(view=f"',
        'sd.nothing("',
        'open("',
        'print("',
        'unknown.plot(view="',
        'alien.sd.plot(view="',
        'alien.plot(view="',
        'd["sd"].plot(view="',
        'd.get("',
        'sd.plot().svg("',
        'sd["nothing"].eval({"',
        "'",
        '"""',
        ')]}("',
        "# sd.plot(view='",
    ],
)
def test_nothing_is_offered_elsewhere(code):
    assert [*offered(code, namespace()).texts] == []


def test_a_variable_that_was_made_later_is_offered():
    names = namespace()
    names["sd"].var("later", 1.0)
    assert "later" in offered('sd.plot("', names).texts
    assert "later" in names["sd"]._ipython_key_completions_()


def test_what_is_typed_is_known():
    assert offered('sd.plot("layer1/', namespace()) == ("layer1/", ["layer1/h"])
    assert offered("x = 1", namespace()) == NOTHING


# ---------------------------------------------------------------------- in a notebook


@pytest.fixture(scope="module")
def shell():
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    made = InteractiveShell()
    made.user_ns.update(namespace())
    teach(made)
    teach(made)
    return made


def completions(shell, code):
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        return [c.text for c in shell.Completer.completions(code, len(code))]


@pytest.fixture(params=[False, True], ids=["no jedi", "jedi"])
def completed(request, shell):
    if request.param and importlib.util.find_spec("jedi") is None:
        pytest.skip("no jedi")
    shell.Completer.use_jedi = request.param
    return lambda code: completions(shell, code)


def test_tab_offers_what_fits(completed):
    assert sorted(completed('sd["')) == sorted(VARIABLES)
    assert completed('sd["lay') == ["layer1/h"]
    assert completed('sd.plot(view="') == ["forward", "gradient", "both"]
    assert completed("a = 1\nsd.plot(view='g") == ["gradient"]
    assert completed('f({"') == ["x"]
    assert completed('sd.plot("layer1/') == ["layer1/h"]
    assert completed("sd.plot(vi") == ["view="]
    assert completed("sd.explore(val") == ["values="]
    assert {"x=", "label=", "step="} <= {*completed("g(")}
    assert "delta=" in completed("sd.loss.huber_loss(h, h, del")


def test_tab_after_a_dot_shows_what_users_call(completed):
    def after(code):
        return {text.lstrip(".") for text in completed(code)}

    assert after("nd.") == {*dir(nd)} and {"sum", "max", "loss", "cast_to"} <= after("nd.")
    assert after("losses.") >= {"Huber", "huber", "Loss"} and not after("losses.") & {"registry", "TYPE_CHECKING"}
    assert (
        {"eval", "shape"} <= after('sd["loss"].')
        and {"huber_loss", "l2_loss"} <= after("sd.loss.")
        and {"plot", "loss", "sum"} <= after("sd.")
    )


def test_nothing_is_offered_twice_and_nothing_else_is_lost(shell):
    assert [m.__name__ for m in shell.Completer.custom_matchers].count("sdgraph_matcher") == 1
    assert "zip" in completions(shell, "zi")
    assert completions(shell, "alien.sd.plot(view='") == completions(shell, "print('")


def test_a_shell_that_cannot_learn_is_left_alone():
    teach(object())
    teach(None)


@pytest.mark.slow
def test_a_kernel_offers_it_too():
    manager = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    kernel, client = manager.start_new_kernel(kernel_name="python3")
    try:
        client.execute_interactive("from sdgraph import SameDiff; sd = SameDiff(); x = sd.placeholder('x', ('n',))")
        client.execute_interactive("f = sd.compile((x * x).sum(name='total'))")

        def offers(code):
            client.complete(code)
            content = client.get_shell_msg(timeout=60)["content"]
            return [
                m for m in content["matches"] if content["cursor_start"] <= content["cursor_end"] == len(code) and m
            ]

        while client.shell_channel.msg_ready():
            client.get_shell_msg()
        assert {"x", "total"} <= {*offers('sd["')}
        assert offers('sd.plot(view="') == ["forward", "gradient", "both"]
        assert offers("sd.plot(vi") == ["view="]
        assert offers('f({"') == ["x"]
        client.inspect("f", 1)
        told = client.get_shell_msg(timeout=60)["content"]["data"]["text/plain"]
        assert "float32 (n,)" in told and "'total'" in told
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


# ---------------------------------------------------------------------- what is not for users


def test_machinery_is_not_shown():
    found, hidden = namespace()["h"], ("aval", "id", "node")
    assert not {*dir(found)} & {*hidden} and all(hasattr(found, name) for name in hidden)
    assert not {*dir(SameDiff().loss)} & {"sd", "prefix"}


def test_a_function_shows_what_it_takes():
    names = namespace()
    assert str(inspect.signature(names["g"])) == (
        "(feeds: Mapping[str | SDVariable, ArrayLike] | None = None, /, *, step: int = 0, "
        "x: float32 (3,) = ..., label: float32 () = ...) -> {'loss': float32 ()}"
    )
    assert inspect.signature(sdgraph.Executable).parameters["fetches"]


def test_placeholders_that_no_keyword_can_name_are_left_out():
    sd = SameDiff()
    out = sd.placeholder("lambda") + sd.placeholder("a/b") + sd.placeholder("step") + sd.placeholder("good")
    assert list(inspect.signature(sd.compile(out)).parameters) == ["feeds", "step", "good"]

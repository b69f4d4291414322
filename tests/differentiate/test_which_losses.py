"""Which variables of a graph are its losses, and that all that shows or uses losses says the same."""

import re
import sys

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.build.kinds import VariableKind
from sdgraph.cli import main
from sdgraph.errors import GradientError


def model(batch=None):
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", shape=(batch, 3)), sd.placeholder("y", shape=(batch, 1))
    w = sd.var("w", [[0.5], [-1.0], [2.0]])
    return sd, y, x @ w, w


FEEDS = {"x": [[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]], "y": [[1.0], [2.0]]}


def names(sd):
    return [v.name for v in sd.loss_variables()]


def mse(sd, y, p, **settings):
    return sd.loss.mean_squared_error(y, p, name="mse", **settings)


# ---------------------------------------------------------------------- what one scalar is computed from


def test_a_sum_of_losses_and_penalties_is_the_loss():
    sd, y, p, w = model()
    total = mse(sd, y, p) + 0.1 * sd.loss.l2_loss(w) + 0.01 * sd.math.abs(w).sum()
    assert sd.loss_variables() == [total]
    residual = np.array(FEEDS["x"]) @ w.value - FEEDS["y"]
    want = np.array(FEEDS["x"]).T @ residual + 0.1 * w.value + 0.01 * np.sign(w.value)
    np.testing.assert_allclose(sd.calculate_gradients(FEEDS)["w"], want, rtol=1e-12)


def test_a_loss_times_two_has_twice_the_gradient():
    once, twice = model(), model()
    for sd, y, p, _ in (once, twice):
        loss = mse(sd, y, p)
        if sd is twice[0]:
            sd.math.mul(loss, 2, name="total")
    grads = [sd.calculate_gradients(FEEDS)["w"] for sd, *_ in (once, twice)]
    np.testing.assert_array_equal(2 * grads[0], grads[1])
    assert names(twice[0]) == ["total"] and list(twice[0].output(FEEDS)) == ["total"]


@pytest.mark.parametrize("batch", [None, 2, "n"])
def test_the_mean_of_losses_of_examples_is_the_loss(batch):
    sd, y, p, _ = model(batch)
    logits, labels = sd.concat(p, -p, axis=1), sd.cast(sd.reshape(y, (-1,)), "int64")
    each = sd.loss.sparse_softmax_cross_entropy(logits, labels)
    assert sd.loss_variables() == [each]
    mean = each.mean()
    assert sd.loss_variables() == [mean]


def test_a_loss_of_losses_is_the_loss():
    sd, _, _, w = model()
    first = sd.loss.l2_loss(w)
    second = sd.loss.absolute_difference(0.0, first, name="second")
    assert sd.loss_variables() == [second]


def test_composites_of_losses_and_outputs_in_several_parts():
    sd, y, p, _ = model(4)
    each = mse(sd, y, p, loss_reduce=LossReduce.NONE)
    values, _ = sd.nn.top_k(sd.reshape(each, (-1,)), 2)
    hard = sd.mean(values)
    assert sd.loss_variables() == [hard]


# ---------------------------------------------------------------------- what does not count


def test_what_is_no_float_uses_no_loss():
    sd, y, p, _ = model()
    loss = mse(sd, y, p)
    small = loss < 0.1
    assert sd.loss_variables() == [loss]
    sd.cast(small, "float64").mean(name="rate")
    assert sd.loss_variables() == [loss]
    plain = SameDiff()
    square = (plain.var("w", [1.0]) ** 2).sum(name="square")
    _ = square > 3
    assert plain.loss_variables() == [square]


def test_what_stops_gradients_uses_no_loss():
    sd, y, p, w = model()
    loss = mse(sd, y, p)
    sd.math.exp(sd.stop_gradient(loss), name="perplexity")
    sd.math.floor(loss, name="shown")
    assert sd.loss_variables() == [loss]
    total = loss + sd.loss.l2_loss(w)
    sd.math.sqrt(sd.stop_gradient(total), name="root")
    assert sd.loss_variables() == [total]
    assert_agreement(sd)
    plain = SameDiff()
    square = (plain.var("w", [1.0]) ** 2).sum(name="square")
    plain.stop_gradient(square, name="shown")
    assert plain.loss_variables() == [square]
    alone = SameDiff()
    assert [alone.math.floor(alone.var("w", 1.5))] == alone.loss_variables()


def test_gradients_use_no_loss():
    sd, y, p, w = model()
    loss = mse(sd, y, p)
    sd.math.sqrt(sd.math.square(sd.grad(loss, w)).sum(), name="norm")
    assert sd.loss_variables() == [loss]
    total = loss + sd.loss.l2_loss(w)
    sd.grad(total, w)
    assert sd.loss_variables() == [total]


def test_a_gradient_inside_a_loss():
    sd = SameDiff("float64")
    t, a = sd.placeholder("t", shape=(None, 1)), sd.var("a", [[0.5]])
    u = sd.math.exp(t @ a)
    residual = sd.loss.mean_squared_error(u, sd.grad(u, t), name="residual")
    assert sd.loss_variables() == [residual]
    total = residual + sd.math.square(u[0, 0] - 1.0)
    assert sd.loss_variables() == [total]
    assert sd.calculate_gradients({"t": [[0.0], [1.0]]})["a"].shape == (1, 1)
    assert sd.loss_variables() == [total]


def test_outputs_that_no_loss_leads_to_do_not_matter():
    sd, y, p, w = model()
    sd.nn.sigmoid(p, name="prediction")
    (w * 2).sum(name="unrelated")
    total = mse(sd, y, p) * 2
    assert sd.loss_variables() == [total]


def test_arrays_of_which_the_loss_is_the_mean_do_not_matter():
    sd, y, p, _ = model()
    each = mse(sd, y, p, loss_reduce=LossReduce.NONE)
    sd.math.sqrt(each, name="errors")
    mean = each.mean()
    assert sd.loss_variables() == [mean]


def test_a_scope_named_like_that_of_gradients_holds_no_gradients():
    sd, y, p, w = model()
    sd.grad(p, w)
    with sd.name_scope("grad"):
        total = mse(sd, y, p) * 2
    assert sd.loss_variables() == [total]
    assert_agreement(sd)


# ---------------------------------------------------------------------- what is not clear


def rmse(sd, y, p, w):
    loss = mse(sd, y, p)
    sd.math.add(loss, sd.loss.l2_loss(w), name="total")
    sd.math.sqrt(loss, name="rmse")


def one_beside(sd, y, p, w):
    sd.math.mul(mse(sd, y, p), 2, name="total")
    sd.loss.absolute_difference(y, p, name="mae")


def no_scalar(sd, y, p, w):
    sd.math.mul(mse(sd, y, p, loss_reduce=LossReduce.NONE), y, name="weighted")


def one_without(sd, y, p, w):
    sd.math.mul(mse(sd, y, p), 2, name="total")
    sd.math.mul(sd.loss.l2_loss(w), w, name="penalties")


def counted_twice(sd, y, p, w):
    term = sd.add_loss(sd.math.mul(sd.loss.l2_loss(w), 0.1, name="term"))
    sd.math.add(mse(sd, y, p), term, name="total")


UNCLEAR = {
    rmse: ["total", "rmse"],
    one_beside: ["total", "mae"],
    no_scalar: ["weighted"],
    one_without: ["total", "l2_loss"],
    counted_twice: ["total", "term"],
}


@pytest.mark.parametrize("build", UNCLEAR, ids=lambda f: f.__name__)
def test_what_has_two_readings_is_an_error_that_names_them(build):
    sd, *rest = model()
    build(sd, *rest)
    with pytest.raises(GradientError, match="candidates") as caught:
        sd.loss_variables()
    for name in UNCLEAR[build]:
        assert repr(name) in str(caught.value)
    assert_agreement(sd)
    sd.set_loss_variables("total" if "total" in sd else "weighted")
    assert sd.calculate_gradients(FEEDS)
    assert_agreement(sd)


@pytest.mark.parametrize("build", UNCLEAR, ids=lambda f: f.__name__)
def test_the_advice_can_be_followed(build):
    sd, *rest = model()
    build(sd, *rest)
    with pytest.raises(GradientError) as caught:
        sd.loss_variables()
    fix = str(caught.value).split("fix:")[1]
    for call in re.findall(r"sd(?:\[[^]]*\]|\.set_loss_variables)[^ ]*\([^)]*\)", fix):
        other = sd.copy()
        eval(call, {"sd": other})
        assert other.loss_variables(), call


def test_many_candidates_are_counted():
    sd = SameDiff()
    w = sd.var("w", [1.0])
    for _ in range(40):
        w * 2
    with pytest.raises(GradientError, match="and 32 more") as caught:
        sd.loss_variables()
    assert len(str(caught.value)) < 1000


# ---------------------------------------------------------------------- marks, extra terms, copies


def test_marks_win_and_terms_come_on_top():
    sd, y, p, w = model()
    loss = mse(sd, y, p)
    total = loss + sd.loss.l2_loss(w)
    term = sd.add_loss((w * w).sum())
    assert sd.loss_variables() == [total, term]
    assert_agreement(sd)
    loss.mark_as_loss()
    assert sd.loss_variables() == [loss, term]
    assert_agreement(sd)


def test_a_loss_that_a_term_is_made_of_is_a_part_of_it():
    sd, y, p, w = model()
    term = sd.add_loss(0.1 * sd.loss.l2_loss(w))
    total = mse(sd, y, p) * 2
    assert sd.loss_variables() == [total, term]


def test_frozen_variables_and_copies():
    sd, y, p, w = model()
    total = mse(sd, y, p) + sd.loss.l2_loss(w, name="l2")
    w.convert_to_constant()
    assert sd.loss_variables() == [total]
    assert [v.name for v in sd.copy().loss_variables()] == [total.name]
    assert_agreement(sd)
    opened = sd.plot(expand=["mse", "l2"]).scene
    assert [c.title for c in opened.cards if c.kind == "loss"] == [total.name]


def test_the_inside_of_a_loss_has_its_result_as_loss():
    sd, y, p, _ = model()
    inside = sd.expand(mse(sd, y, p))
    assert inside.loss_variables() == [inside.variables()[-1]]
    assert_agreement(inside)


def test_asking_takes_time_linear_in_the_nodes():
    def graph(n):
        sd = SameDiff("float64")
        x = y = sd.var("x", 0.5)
        for k in range(n):
            y = sd.loss.l2_loss(y) if k % 50 == 0 else y + x
        return sd

    def lines(sd):
        count = 0

        def trace(frame, event, arg):
            nonlocal count
            count += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            sd.loss_variables()
        finally:
            sys.settrace(before)
        return count

    few, many = (lines(graph(n)) for n in (500, 2000))
    assert 3.5 < many / few < 4.5


# ---------------------------------------------------------------------- all agree


def assert_agreement(sd):
    """Everything that asks for the losses of a graph gives one answer; returns it, None where they are not clear."""
    try:
        losses = names(sd)
    except GradientError as e:
        losses, why = None, str(e)
    text = str(sd.summary()).splitlines()
    marked = [line.split()[0] for line in text if line.split()[1:2] == ["loss"]]
    (line,) = [line for line in text if line.startswith("losses:")] or [""]
    assert set(marked) == set(losses or ())
    if losses is None:
        assert line.startswith("losses:     not clear, candidates: ") or "has no loss" in why
    else:
        assert line == f"losses:     {', '.join(losses)}"
    for view in ("forward", "both"):
        assert drawn_losses(sd, view) in (set(losses or ()), None)
    data = sd.to_networkx("both").nodes(data="is_loss")
    assert {name for name, is_loss in data if is_loss} == set(losses or ())
    assert_use(sd.copy(), losses)
    return losses


def drawn_losses(sd, view):
    """The variables on cards of losses, None where a gradient does not exist."""
    try:
        cards = sd.plot(view=view, max_nodes=None).scene.cards
    except GradientError:
        assert view != "forward"
        return None
    return {c.names[0] for c in cards if c.kind == "loss"}


def assert_use(sd, losses):
    """What computes with the losses: gradients, outputs, pictures of gradients."""
    trainable = [v for v in sd.trainable_variables() if v.dtype.kind == "f"]
    if losses is None:
        assert not any(v.has_gradient() for v in trainable)
        for use in (sd.calculate_gradients, sd.output):
            with pytest.raises(GradientError):
                use({})
        return
    try:
        want = [v.id for v in sd.grad(losses, trainable)]
    except GradientError:
        assert not all(v.has_gradient() for v in trainable)
        return
    assert [v.id for v in sd.loss_gradients(trainable)] == want
    assert drawn_losses(sd, "gradient") == drawn_losses(sd, "both") == {*losses}
    title = sd.plot(view="gradient").scene.title
    short = [name.rsplit("/", 1)[-1] for name in losses]
    assert title == (f"Gradient of {', '.join(short)}" if len(losses) <= 3 else "Gradients")


def rule(facts, explicit, extra):
    """The rule as the pages tell it, on names: the losses, or None where they are not clear."""

    def uses(name):
        return [n for n, f in facts.items() if name in f.inputs and f.floating]

    def reached(name, by):
        return {name}.union(*(reached(n, by) for n in by(name)))

    if explicit:
        return [*dict.fromkeys(explicit + extra)]
    made = [n for n, f in facts.items() if f.is_loss and not reached(n, lambda k: facts_all(facts, k)) & {*extra}]
    consumed = [n for n in made if uses(n)]
    if consumed:
        ends = {n for c in consumed for n in reached(c, uses) if not uses(n)}
        scalars = [n for n in ends if facts[n].shape == ()]
        if len(scalars) != 1 or any(scalars[0] not in reached(n, uses) for n in made):
            return None
        return None if any(scalars[0] in reached(t, uses) for t in extra) else scalars + extra
    if made:
        return made + extra
    found = [n for n, f in facts.items() if f.floating and f.inputs and not uses(n) and n not in extra]
    if extra:
        return None if found else extra
    return found if len(found) == 1 else None


def facts_all(facts, name):
    return [n for n, f in facts.items() if name in f.inputs]


class Fact:
    def __init__(self, v, *inputs, is_loss=False):
        self.inputs, self.is_loss, self.shape = [u.name for u in inputs], is_loss, v.shape
        self.floating = v.dtype.kind == "f"


def program(rng):
    """A random graph of few nodes, and what is known of them."""
    sd = SameDiff("float64")
    leaves = [sd.var("a", [1.0, 2.0]), sd.var("b", 0.5), sd.placeholder("x", shape=(2,))]
    facts = {v.name: Fact(v) for v in leaves}
    known = list(leaves)

    def pick(last=6):
        return known[-min(last, len(known)) :][rng.integers(min(last, len(known)))]

    def keep(v, *inputs, **more):
        facts[v.name] = Fact(v, *inputs, **more)
        known.append(v)

    for _ in range(rng.integers(1, 12)):
        u, v = pick(), pick(9)
        kind = rng.choice(["unary", "unary", "add", "add", "mean", "loss", "loss", "penalty", "less", "grad"])
        if kind == "unary":
            keep(sd.math.sin(u) if facts[u.name].floating else sd.cast(u, "float64"), u)
        elif kind == "less":
            if facts[u.name].floating:
                keep(u < 0.3, u)
        elif not (facts[u.name].floating and facts[v.name].floating):
            continue
        elif kind == "add":
            keep(u + v, u, v)
        elif kind == "mean":
            keep(u.mean(), u)
        elif kind == "loss":
            if u.shape == v.shape:
                reduce = rng.choice([LossReduce.NONE, LossReduce.SUM])
                keep(sd.loss.mean_squared_error(u, v, loss_reduce=reduce), u, v, is_loss=True)
        elif kind == "penalty":
            keep(sd.loss.l2_loss(u), u, is_loss=True)
        elif u.kind is VariableKind.ARRAY and u.name in facts:
            sd.grad(u, [w for w in leaves if w.id < u.id][:1]) if reaches(facts, u.name, "a") else None
    return sd, facts, known


def reaches(facts, name, leaf):
    return leaf == name or any(reaches(facts, n, leaf) for n in facts[name].inputs if facts[n].floating)


@pytest.mark.parametrize("seed", range(200))
def test_random_graphs(seed):
    rng = np.random.default_rng(seed)
    sd, facts, known = program(rng)
    marked, extra = [], []
    possible = [v for v in known if v.kind is VariableKind.ARRAY and facts[v.name].floating]
    if possible and rng.random() < 0.25:
        term = sd.add_loss(possible[rng.integers(len(possible))])
        extra.append(term.name)
    if possible and rng.random() < 0.15:
        sd.set_loss_variables(possible[rng.integers(len(possible))])
        marked += [v.name for v in sd.loss_variables() if v.name not in extra] or extra
    want = rule(facts, marked, extra)
    found = assert_agreement(sd)
    assert (None if found is None else sorted(found)) == (None if want is None else sorted(set(want)))


# ---------------------------------------------------------------------- the command line


def test_the_command_line_draws_the_gradient_of_the_obvious_loss(tmp_path, capsys):
    script = tmp_path / "model.py"
    script.write_text(
        "from sdgraph import SameDiff\n"
        "sd = SameDiff()\n"
        "w = sd.var('w', [1.0, 2.0])\n"
        "total = (sd.loss.mean_squared_error([0.0, 1.0], w) + 0.1 * sd.loss.l2_loss(w)).rename('total')\n"
    )
    out = tmp_path / "picture.mmd"
    assert main(["render", str(script), str(out), "--view", "gradient"]) == 0
    assert "∂total/∂w" in out.read_text()
    script.write_text(script.read_text() + "sd.math.sqrt(total * 1.0)\nsd.math.exp(total)\n")
    assert main(["render", str(script), str(out), "--view", "gradient"]) == 1
    assert "Several scalars are computed from losses" in capsys.readouterr().err

"""Recurrent layers: gradients of every form, lengths, what is behind them, and other libraries' layers."""

import os
from importlib.util import find_spec

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.keras.recurrent import gru_weights
from sdgraph.testing import check_grads
from tests.groups import first_and_slow
from tests.ops import recurrent
from tests.ops.samples import RNN, samples_of
from tests.ops.test_every_op import graph_of

os.environ.setdefault("KERAS_BACKEND", "tensorflow" if find_spec("tensorflow") else "jax")

LAYERS = ["lstm_layer", "gru", "simple_rnn"]
GATES = {"lstm_layer": 4, "gru": 3, "simple_rnn": 1}


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * 0.7 for shape in shapes]


def layer(sd, name, x, w, r, b, lengths=None, **settings):
    """A layer that starts from zeros: its parameters have the same meaning in all of them, but for the gates."""
    if name == "lstm_layer":
        return sd.rnn.lstm_layer(x, max_ts_length=lengths, weights=w, r_weights=r, bias=b, **settings)
    return getattr(sd.rnn, name)(x, 0.0, w, r, b, max_ts_length=lengths, **settings)


def parameters(name, features, outputs, seed=0):
    gates = GATES[name] * outputs
    return draw(seed, (features, gates), (outputs, gates), (gates,))


# ---------------------------------------------------------------------- gradients

ROUGH = [s for name in RNN for s in samples_of(name) if not s.smooth]


@pytest.mark.any_engine
@pytest.mark.parametrize("sample", first_and_slow(ROUGH, 0), ids=str)
def test_gradients_of_every_form(sample):
    _, y, feeds = graph_of(sample)
    check_grads(y, feeds, order=2)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numpy", "llvm"])
def test_third_derivatives(engine):
    if engine == "llvm":
        pytest.importorskip("llvmlite")
    (x,) = draw(0, (2, 1, 1))
    sd = SameDiff("float64")
    v = sd.placeholder("x", x.shape)
    y = sd.sum(layer(sd, "gru", v, *parameters("gru", 1, 1)))
    (first,) = sd.grad(y, [v])
    (second,) = sd.grad(sd.sum(first * first), [v])
    third = sd.grad(sd.sum(second * v), [v])[0]
    compiled = sd.compile([second, third], engine=engine)
    got = compiled(x=x)[third.name]
    steps = np.zeros((2, *x.shape))
    for k in np.ndindex(x.shape):
        for way, step in enumerate((1e-5, -1e-5)):
            moved = x.copy()
            moved[k] += step
            steps[(way, *k)] = (compiled(x=moved)[second.name] * moved).sum()
    np.testing.assert_allclose(got, (steps[0] - steps[1]) / 2e-5, rtol=1e-5, atol=1e-8)


# ---------------------------------------------------------------------- lengths


@pytest.mark.parametrize("direction", ["FWD", "BWD"])
@pytest.mark.parametrize("name", LAYERS)
def test_what_is_behind_the_end_of_a_sequence_is_never_looked_at(name, direction):
    """Neither by values nor by gradients, also where it is no number."""
    w, r, b = parameters(name, 2, 3)
    (x,) = draw(1, (3, 2, 2))
    x[2, 0] = x[1:, 1] = np.nan
    sd = SameDiff("float64")
    vs = [sd.placeholder(k, a.shape) for k, a in zip("xwrb", (x, w, r, b), strict=True)]
    ys, last = layer(sd, name, *vs, lengths=[2, 1], direction_mode=direction, ret_last_h=True)
    found = sd.output(dict(zip("xwrb", (x, w, r, b), strict=True)), [ys, last, *sd.grad(sd.sum(ys) + sd.sum(last), vs)])
    values = list(found.values())
    assert all(np.isfinite(v).all() for v in values)
    assert not values[2][2, 0].any() and not values[2][1:, 1].any()
    for n, count in enumerate([2, 1]):
        alone = SameDiff("float64")
        short, end = layer(alone, name, x[:count, n : n + 1], w, r, b, direction_mode=direction, ret_last_h=True)
        np.testing.assert_allclose(values[0][:count, n : n + 1], short.eval(), rtol=1e-14)
        np.testing.assert_allclose(values[1][n : n + 1], end.eval(), rtol=1e-14)
        assert not values[0][count:, n].any()


@pytest.mark.parametrize("name", LAYERS)
def test_lengths_beyond_the_ends_count_as_all_or_no_steps(name):
    w, r, b = parameters(name, 2, 2)
    (x,) = draw(2, (3, 2, 2))
    sd = SameDiff("float64")
    ys, last = layer(sd, name, x, w, r, b, lengths=[7, -2], ret_last_h=True)
    same, end = layer(sd, name, x, w, r, b, lengths=[3, 0], ret_last_h=True)
    np.testing.assert_array_equal(ys.eval(), same.eval())
    np.testing.assert_array_equal(last.eval(), end.eval())
    assert not last.eval()[1].any()


def test_one_compiled_layer_takes_any_number_of_steps_and_entries():
    w, r, b = parameters("lstm_layer", 2, 3)
    sd = SameDiff("float64")
    x = sd.placeholder("x", ("time", "batch", 2))
    f = sd.compile(layer(sd, "lstm_layer", x, w, r, b))
    for shape in [(1, 1, 2), (5, 2, 2), (0, 3, 2), (2, 0, 2), (2, 3, 2)]:
        (value,) = draw(3, shape)
        want = recurrent.lstm_layer(value, weights=w, r_weights=r, bias=b)
        np.testing.assert_allclose(next(iter(f(x=value).values())), want, rtol=1e-13)


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize("name", recurrent.ACTIVATIONS)
def test_activations(name):
    w, r, b = parameters("lstm_layer", 2, 2)
    (x,) = draw(4, (2, 3, 2))
    numbers = {} if name not in ("AFFINE", "SCALED_TAHN", "HARD_SIGMOID") else {"alpha": 0.7, "beta": 0.3}
    numbers = {"alpha": 0.2} if name in ("LEAKY_RELU", "THRESHHOLD_RELU", "ELU") else numbers
    for which in ("gate", "cell", "out"):
        settings = {f"{which}_act": name}
        for given in ({}, {f"{which}_{k}": v for k, v in numbers.items()}):
            want = recurrent.lstm_layer(x, weights=w, r_weights=r, bias=b, **settings, **given)
            got = layer(SameDiff("float64"), "lstm_layer", x, w, r, b, **settings, **given).eval()
            np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


def test_cells_repeated_are_layers():
    """A layer is its cell, step by step."""
    x, h, w, b, c = draw(5, (3, 2, 2), (2, 4), (6, 16), (16,), (2, 4))
    sd = SameDiff("float64")
    layers = [v.eval() for v in sd.rnn.lstmblock(x, c, h, weights=w, bias=b, forget_bias=1.0)]
    for t in range(3):
        cell = [v.eval() for v in sd.rnn.lstm_cell(x[t], c, h, w, b, forget_bias=1.0)]
        for one, all_steps in zip(cell, layers, strict=True):
            np.testing.assert_allclose(one, all_steps[t], rtol=1e-13)
        c, h = cell[1], cell[-1]
    x, c, w, b = draw(6, (2, 3, 4), (2, 3), (3, 9), (6,))
    hs, cs = sd.rnn.sru(x, c, weights=w.T, bias=b)
    for t in range(4):
        h, c = (v.eval() for v in sd.rnn.sru_cell(x[..., t], c, w, b))
        np.testing.assert_allclose(hs.eval()[..., t], h, rtol=1e-13)
        np.testing.assert_allclose(cs.eval()[..., t], c, rtol=1e-13)


def test_halves_are_rounded_once():
    w, r, b = (a.astype("float16") for a in parameters("lstm_layer", 3, 4))
    x = draw(7, (20, 2, 3))[0].astype("float16")
    got = layer(SameDiff("float16"), "lstm_layer", x, w, r, b).eval()
    want = recurrent.lstm_layer(
        x.astype(float), weights=w.astype(float), r_weights=r.astype(float), bias=b.astype(float)
    )
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, want, rtol=2**-11, atol=2**-14)


def test_whole_numbers_become_floats():
    sd = SameDiff("float32")
    y = sd.rnn.simple_rnn(np.ones((2, 1, 1), int), 0.0, np.ones((1, 1), int), np.ones((1, 1), int), activation="RELU")
    assert y.dtype == np.float64 or y.dtype == np.float32
    np.testing.assert_array_equal(y.eval()[:, 0, 0], [1, 2])


def test_gates_that_are_full_do_not_overflow():
    big = np.full((2, 1, 1), 1e300)
    w = np.array([[1.0, -1.0, 1.0, 1.0]])
    sd = SameDiff("float64")
    x = sd.placeholder("x", big.shape)
    y = layer(sd, "lstm_layer", x, w, w * 0, np.zeros(4))
    (g,) = sd.grad(sd.sum(y), [x])
    np.testing.assert_allclose(y.eval({"x": big})[:, 0, 0], np.tanh([1.0, 1.0]))
    assert np.isfinite(g.eval({"x": big})).all()


def test_a_layer_is_one_node_that_opens():
    sd = SameDiff("float64")
    x = sd.placeholder("x", (None, None, 2))
    before = len(sd.nodes)
    layer(sd, "simple_rnn", x, *parameters("simple_rnn", 2, 2))
    assert sum(n.op is not None and n.op.name == "simple_rnn" for n in sd.nodes[before:]) == 1


def test_what_does_not_fit_is_named():
    w, r, b = parameters("lstm_layer", 2, 3)
    with pytest.raises(errors.ShapeError, match=r"lstm_layer.*weights.*\(features, 4 outputs\)"):
        layer(SameDiff("float64"), "lstm_layer", np.zeros((3, 2, 5)), w, r, b)
    with pytest.raises(errors.ShapeError, match=r"r_weights must have rank 3: directions"):
        layer(SameDiff("float64"), "lstm_layer", np.zeros((3, 2, 2)), w, r, b, direction_mode="BIDIR_SUM")
    with pytest.raises(errors.ArgumentError, match="output_peephole_weights"):
        SameDiff().rnn.lstm_cell(
            np.zeros((1, 2)), np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((5, 12)), peep_hole=True
        )


# ---------------------------------------------------------------------- other libraries


def compare_gradients(sd, ys, feeds, cotangent, want, rtol=1e-10):
    """Gradients of the sum of outputs times a cotangent, by the names of the feeds."""
    grads = sd.grad(sd.sum(ys * cotangent), [sd[k] for k in want])
    for (k, expected), got in zip(want.items(), sd.output(feeds, grads).values(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol, err_msg=k)


@pytest.mark.peers
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_layers_of_torch(kind, both):
    """Values, last states and gradients, with sequences of several lengths."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    time, batch, features, n = 4, 3, 2, 3
    theirs = getattr(torch.nn, kind)(features, n, bidirectional=both).double()
    lengths = [4, 2, 1]
    x = draw(8, (time, batch, features))[0]
    xt = torch.tensor(x, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(xt, lengths)
    out, last = theirs(packed)
    out, _ = torch.nn.utils.rnn.pad_packed_sequence(out)
    cotangent = np.sin(np.arange(out.numel())).reshape(out.shape)
    (out * torch.tensor(cotangent)).sum().backward()

    def arrays(pick, of=lambda v: v.detach().numpy()):
        ways = [pick(""), pick("_reverse")] if both else [pick("")]
        found = [of(v) for v in ways]
        return np.stack(found) if both else found[0]

    w, r = (arrays(lambda s, k=k: getattr(theirs, f"weight_{k}_l0{s}"), lambda v: v.detach().numpy().T)
            for k in ("ih", "hh"))  # fmt: skip
    b, q = (arrays(lambda s, k=k: getattr(theirs, f"bias_{k}_l0{s}")) for k in ("ih", "hh"))
    sd = SameDiff("float64")
    feeds = {"x": x, "w": w, "r": r}
    xs, ws, rs = (sd.placeholder(k, a.shape) for k, a in feeds.items())
    settings = {"direction_mode": "BIDIR_CONCAT" if both else "FWD", "ret_last_h": True}
    if kind == "LSTM":
        ys, h, c = layer(sd, "lstm_layer", xs, ws, rs, b + q, lengths, ret_last_c=True, **settings)
        states = [(h, last[0]), (c, last[1])]
    elif kind == "GRU":
        ys, h = sd.rnn.gru(xs, 0.0, ws, rs, b, q, lengths, **settings)
        states = [(h, last)]
    else:
        ys, h = layer(sd, "simple_rnn", xs, ws, rs, b + q, lengths, **settings)
        states = [(h, last)]
    np.testing.assert_allclose(ys.eval(feeds), out.detach().numpy(), rtol=1e-12, atol=1e-14)
    for ours, state in states:
        state = state.detach().numpy()
        np.testing.assert_allclose(ours.eval(feeds), state if both else state[0], rtol=1e-12, atol=1e-14)
    slopes = {
        "x": xt.grad.numpy(),
        "w": arrays(lambda s: getattr(theirs, f"weight_ih_l0{s}").grad, lambda v: v.numpy().T),
        "r": arrays(lambda s: getattr(theirs, f"weight_hh_l0{s}").grad, lambda v: v.numpy().T),
    }
    compare_gradients(sd, ys, feeds, cotangent, slopes)


@pytest.mark.slow
@pytest.mark.peers
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "GRU, reset before", "SimpleRNN"])
def test_layers_of_keras(kind):
    keras = pytest.importorskip("keras")
    n, name = 3, kind.partition(",")[0]
    more = {"reset_after": "," not in kind} if name == "GRU" else {}
    theirs = getattr(keras.layers, name)(n, return_sequences=True, bias_initializer="random_normal", **more)
    x = draw(9, (2, 4, 2))[0].astype("float32")
    want = np.asarray(theirs(x))
    kernel, recurrent_kernel, bias = theirs.get_weights()
    sd = SameDiff("float32")
    if name == "GRU":
        ys = sd.rnn.gru(x, 0.0, **gru_weights(kernel, recurrent_kernel, bias), data_format="NTS", **more)
    else:
        ys = layer(sd, "lstm_layer" if name == "LSTM" else "simple_rnn", x, kernel, recurrent_kernel, bias,
                   data_format="NTS")  # fmt: skip
    np.testing.assert_allclose(ys.eval(), want, rtol=1e-5, atol=1e-6)

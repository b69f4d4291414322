"""The demonstration: what it prints and writes, and its training against scipy."""

import re
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from sdgraph.cli import main
from sdgraph.data import load_breast_cancer
from sdgraph.demo import AIM, demo
from sdgraph.demo.models import logistic_regression, two_layer_network
from sdgraph.demo.speed import speed
from sdgraph.demo.training import conjugate_gradient, fitted, newton
from sdgraph.run.engines import choice
from sdgraph.show.pictures.lay_out.programs import available

PICTURES = [
    f"{model}{suffix}"
    for model in ("logistic_regression", "two-layer_network")
    for suffix in (".svg", ".png", "_gradient.svg", "_gradient.png")
]


def the_feeds():
    data = load_breast_cancer()
    x = (data.features - data.features.mean(axis=0)) / data.features.std(axis=0)
    return {"x": x, "label": data.labels[:, None]}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "made" / "on the way"
    return list(demo(out)), out


def test_the_report_is_complete_and_fits_a_terminal(report):
    lines, out = report
    text = "\n".join(lines)
    for part in (
        "569 biopsies",
        "212 malignant, 357 benign",
        "loss.sigmoid_cross_entropy",
        "Newton's method",
        "Done in",
    ):
        assert part in text
    assert f"They are in {out}" in text
    assert text.count("parameters") >= 2
    assert max(map(len, (line for line in lines if str(out) not in line))) <= 120
    assert text.isascii() and not any(line != line.rstrip() for line in lines)


def test_the_reported_gradients_agree_with_differences(report):
    lines, _ = report
    errors = [float(line.split()[-1]) for line in lines if re.match(r"  (linear|hidden|top)/[wb] +\d", line)]
    assert len(errors) == 6 and max(errors) < 1e-9


def test_the_reported_training_reaches_its_aim(report):
    lines, _ = report
    shares = [float(share) / 100 for share in re.findall(r"(\d+\.\d)%", "\n".join(lines))]
    assert max(shares) >= AIM and shares[-1] >= AIM


@pytest.mark.skipif(not available(), reason="no Graphviz layout engine")
def test_pictures_are_written_and_named(report):
    lines, out = report
    assert sorted(path.name for path in out.iterdir()) == sorted(PICTURES)
    for name in PICTURES:
        assert any(name in line for line in lines)
        content = (out / name).read_bytes()
        assert content.startswith(b"\x89PNG") if name.endswith("png") else b"<svg" in content


def test_without_a_layout_engine_there_is_one_clear_line_and_the_source(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sdgraph.show.pictures.lay_out.programs.command", lambda *_: None)
    assert main(["demo", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    missing = [line for line in out.splitlines() if line.startswith("No picture")]
    assert len(missing) == 2 and all("pip install 'sdgraph[viz]'" in line for line in missing)
    assert err == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logistic_regression.dot", "two-layer_network.dot"]


# ---------------------------------------------------------------------- the engine


@pytest.mark.skipif(not choice._installed("llvmlite"), reason="needs llvmlite")
def test_the_report_names_the_engine_and_what_it_gained(report):
    text = "\n".join(report[0])
    assert "Compiled functions ran on the engine llvm" in text
    rows = re.findall(r"^  (.+?) +([\d,]+) us +([\d,]+) us +(\d+\.\d)x$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == [
        "logistic regression",
        "two-layer network",
        "Huber loss of 1,000,000 numbers",
    ]
    for _, numpy, fused, gain in rows:
        slow, fast = (float(t.replace(",", "")) for t in (numpy, fused))
        assert (slow - 0.5) / (fast + 0.5) - 0.05 <= float(gain) <= (slow + 0.5) / (fast - 0.5) + 0.05


def test_without_the_fused_engine_everything_works_and_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("SDGRAPH_ENGINE", raising=False)
    monkeypatch.setattr(choice, "_installed", lambda package: False)
    monkeypatch.setattr("sdgraph.demo.draw", lambda *_: [])
    text = "\n".join(demo(tmp_path))
    assert "Compiled functions ran on the engine numpy." in text and "Done in" in text
    assert text.count("sdgraph[fast]") == 1 and "us" not in re.findall(r"\d (\w+)", text)


def test_the_engine_of_the_environment_is_the_one_that_is_named(monkeypatch):
    monkeypatch.setenv("SDGRAPH_ENGINE", "numpy")
    data = the_feeds()
    lines = list(speed({"logistic regression": logistic_regression(30)}, data))
    assert lines[0] == "Compiled functions ran on the engine numpy."
    assert len(lines) == (1 if choice._installed("llvmlite") else 2)


# ---------------------------------------------------------------------- training, scipy being the judge


def objective_in_numpy(parameters, x, label):
    w, b = parameters[:-1], parameters[-1]
    logits = x @ w + b
    value = np.mean(np.logaddexp(0, logits) - label * logits) + 0.01 * 0.5 * w @ w
    slope = (expit(logits) - label) / len(label)
    return value, np.append(x.T @ slope + 0.01 * w, slope.sum())


def test_newton_finds_scipys_minimum():
    feeds = the_feeds()
    model = logistic_regression(30)
    history = list(newton(model, feeds))
    found = np.append(model.weights[0].value, model.weights[1].value)
    best = minimize(
        objective_in_numpy, np.zeros(31), args=(feeds["x"], feeds["label"][:, 0]), jac=True, tol=1e-12, method="BFGS"
    )
    np.testing.assert_allclose(found, best.x, atol=1e-5)
    assert history[-1].objective == pytest.approx(best.fun, rel=1e-9)
    assert history[-1].gradient_norm < 1e-8 and len(history) <= 12
    assert all(a.objective >= b.objective - 1e-12 for a, b in pairwise(history))


def test_the_graphs_gradient_is_the_formulas():
    feeds = the_feeds()
    model = logistic_regression(30)
    rng = np.random.default_rng(0)
    parameters = rng.normal(size=31)
    model.weights[0].value, model.weights[1].value = parameters[:-1, None], parameters[-1]
    value, gradient = objective_in_numpy(parameters, feeds["x"], feeds["label"][:, 0])
    outputs, found = model.sd.calculate_gradients_and_outputs(feeds, [model.objective])
    assert outputs["objective"] == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(np.append(*found.values()), gradient, rtol=1e-10, atol=1e-14)


def test_conjugate_gradient_solves_a_linear_system():
    rng = np.random.default_rng(1)
    half = rng.normal(size=(12, 12))
    matrix, b = half @ half.T + np.eye(12), rng.normal(size=12)
    x, used = conjugate_gradient(lambda v: matrix @ v, b, tolerance=1e-10)
    np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-8)
    assert used <= 20
    assert conjugate_gradient(lambda v: v, np.zeros(3), tolerance=0.0)[1] == 0


def test_fit_trains_the_network():
    feeds, model = the_feeds(), two_layer_network(30)
    history = fitted(model, feeds)
    assert history[-1]["val_accuracy"] >= AIM and history[-1]["loss"] < history[0]["loss"] / 4
    assert history.stopped is not None and 10 < len(history) < 100
    # The weights are those of the best epoch: numpy computes the loss of the rows that were held out.
    w1, b1, w2, b2 = (w.value for w in model.weights)
    x, label = (a[int(0.8 * len(a)) :] for a in feeds.values())
    logits = np.tanh(x @ w1 + b1) @ w2 + b2
    loss = np.mean(np.logaddexp(0, logits) - label * logits)
    assert loss == pytest.approx(min(history["val_loss"]), rel=1e-9)

"""The models of `cases` as variables of a graph, and what comes of training them."""

import numpy as np

from sdgraph import SameDiff, keras
from sdgraph.keras import metrics, optimizers
from tests.keras.training import cases


def initial(outputs, seed):
    """Weights of a model in the order of its layers."""
    rng = np.random.default_rng(seed)
    shapes = [(7, 5), (5,)]
    for _, size, *_ in cases.ONE[outputs]:
        shapes += [(5, size), (size,)]
    return [rng.normal(size=s) * 0.5 for s in shapes]


def model(outputs, weights, dtype="float64"):
    """A model of a graph with these weights."""
    sd = SameDiff(dtype)
    a, b = sd.placeholder("a", (None, 4)), sd.placeholder("b", (None, 3))
    w = [sd.var(f"w{k}", np.asarray(x, dtype)) for k, x in enumerate(weights)]
    hidden = sd.math.tanh(sd.concat(a, b, axis=1) @ w[0] + w[1])
    made = {}
    for k, (name, _, activation, _) in enumerate(cases.ONE[outputs]):
        z = hidden @ w[2 + 2 * k] + w[3 + 2 * k]
        act = {"sigmoid": sd.nn.sigmoid, "softmax": sd.nn.softmax, "linear": sd.identity}[activation]
        made[name] = act(z, name=name)
    return keras.Model([a, b], list(made.values()) if len(made) > 1 else made[outputs_name(outputs)]), w


def outputs_name(outputs):
    return cases.ONE[outputs][0][0]


def arrays(case, seed):
    """What `fit` is given: inputs, labels, sample weights, data for validation."""
    found = cases.data(seed)

    def of(d):
        labels = [d[labels] for *_, labels in cases.ONE[case["outputs"]]]
        return [d["a"], d["b"]], labels if len(labels) > 1 else labels[0]

    x, y = of(found)
    w = case["weights"]
    given = {"x": x, "y": y}
    if w is not None:
        given["sample_weight"] = [found[k] for k in w] if isinstance(w, list) else found[w]
    if case["splits"]:
        given["validation_data"] = of(cases.data(seed + 1))
    return given


def optimizer(module, name):
    cls, settings = cases.OPTIMIZERS[name]
    rate = settings["learning_rate"]
    if isinstance(rate, tuple):
        settings = settings | {"learning_rate": getattr(module.schedules, rate[0])(**rate[1])}
    return getattr(module, cls)(**settings)


def asked(module, compile):
    """The arguments of `compile`, with metrics where they are described by class and settings."""

    def made(given):
        if isinstance(given, tuple):
            return getattr(module, given[0])(**given[1])
        if isinstance(given, list):
            return [made(one) for one in given]
        return {k: made(one) for k, one in given.items()} if isinstance(given, dict) else given

    return {k: made(v) if k.endswith("metrics") else v for k, v in compile.items()}


def trained(case, seed, dtype="float64", engine="auto"):
    """History, weights afterwards, and what evaluation and prediction say then."""
    m, w = model(case["outputs"], initial(case["outputs"], seed), dtype)
    m.compile(optimizer(optimizers, case["optimizer"]), **asked(metrics, case["compile"]), engine=engine)
    given = arrays(case, seed)
    history = m.fit(**given, **case["fit"], verbose=0)
    return {
        "history": history.history,
        "epoch": history.epoch,
        "weights": [v.value for v in w],
        "evaluate": m.evaluate(given["x"], given["y"], batch_size=16, verbose=0, return_dict=True),
        "predict": m.predict(given["x"], verbose=0),
    }

"""Steps of an updater on given gradients, by its nodes alone: no training step, no loop."""

import inspect

import numpy as np

from sdgraph import SameDiff
from sdgraph.train.updating.settings import bound, scheduled


class Steps:
    """An updater at work on weights of one dtype; ``take(gradients)`` is one step."""

    def __init__(self, updater, weights, *, engine="numpy", first=0):
        self.updater, self.number = updater, first
        self.weights = list(weights)
        dtype = self.weights[0].dtype
        self.kept = [
            {k: np.asarray(v, "float64") if k in updater.shared else np.full(w.shape, v, dtype)
             for k, v in updater.slots().items()}
            for w in self.weights
        ]  # fmt: skip
        self.sd = sd = SameDiff()
        self.settings = scheduled(updater)
        now = {name: sd.placeholder(f"now_{name}", (), dtype) for name in self.settings}
        lr = sd.placeholder("lr", (), dtype)
        t = sd.placeholder("t", (), "float64")
        ws = [sd.placeholder(f"w{i}", w.shape, dtype) for i, w in enumerate(self.weights)]
        gs = [sd.placeholder(f"g{i}", w.shape, dtype) for i, w in enumerate(self.weights)]
        ks = [{k: sd.placeholder(f"{k}{i}", v.shape, v.dtype) for k, v in kept.items()}
              for i, kept in enumerate(self.kept)]  # fmt: skip
        xs, ends = gs, ws
        for transform in getattr(updater, "transforms", tuple)():
            xs, ends = transform(xs, ends, [lr] * len(ws))
        rule = bound(updater, now)
        self.outs, self.names = [], []
        for x, w, k in zip(xs, ends, ks, strict=True):
            step, new = rule.update(x, w, k, lr, t)
            self.outs += [w - step, *new.values()]
            self.names.append(list(new))
        self.run = sd.compile(self.outs, engine=engine)
        self.asked = set(inspect.signature(self.run).parameters)

    def take(self, gradients):
        """One step; the weights after it."""
        at = {name: setting(self.number, 0) for name, setting in self.settings.items()}
        dtype = self.weights[0].dtype
        feeds = {"lr": np.asarray(at.get("learning_rate", getattr(self.updater, "learning_rate", 1.0)), dtype)}
        feeds |= {"t": np.float64(self.number + 1)} | {f"now_{k}": np.asarray(v, dtype) for k, v in at.items()}
        for i, (w, g, kept) in enumerate(zip(self.weights, gradients, self.kept, strict=True)):
            feeds |= {f"w{i}": w, f"g{i}": np.asarray(g, dtype)} | {f"{k}{i}": v for k, v in kept.items()}
        found = iter(self.run({k: v for k, v in feeds.items() if k in self.asked}).values())
        for i, names in enumerate(self.names):
            self.weights[i] = next(found)
            self.kept[i] = {name: next(found) for name in names}
        self.number += 1
        return self.weights


def off(got, wanted):
    """The largest difference, of the largest element that is wanted."""
    wanted = np.asarray(wanted, float)
    return np.abs(np.asarray(got, float) - wanted).max(initial=0) / max(np.abs(wanted).max(initial=0), 1e-300)

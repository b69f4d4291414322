"""Updaters under nd4j's names, with its meaning and its defaults.

Other libraries have rules of the same names that do something else: Keras' are in `sdgraph.keras.optimizers`. An
updater is a frozen dataclass, so equal settings are equal. Must not know steps, loops or engines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sdgraph.build.variable import SDVariable
from sdgraph.errors import NotDefinedError
from sdgraph.train.updating import rules
from sdgraph.train.updating.averages import Average
from sdgraph.train.updating.schedules import Rate
from sdgraph.train.updating.settings import now
from sdgraph.train.updating.transforms import Transform

Kept = Mapping[str, SDVariable]
"""What is kept of one variable from step to step, by slot."""
Stepped = tuple[SDVariable, dict[str, SDVariable]]
"""What is subtracted from a variable, and its slots after the step."""


@dataclass(frozen=True)
class Updater:
    """How a gradient changes a variable.

    One of your own is a class with ``update``, and with ``slots`` if it keeps something.

    Settings are fields. Each may be a number or a schedule, a function of iteration and epoch; in ``update`` it is a
    number or a node. Without a field ``learning_rate`` the rate is 1.

    Example:
        >>> @dataclass(frozen=True)
        ... class SignSgd(Updater):
        ...     learning_rate: float = 0.01
        ...
        ...     def update(self, g, w, kept, lr, t):
        ...         return lr * g.sd.math.sign(g), {}
    """

    def slots(self) -> Mapping[str, float]:
        """What each slot begins with. It has the variable's shape; in `shared` are those of one number."""
        return {}

    shared: ClassVar[frozenset[str]] = frozenset()
    """Slots that are one number in float64."""

    def transforms(self) -> tuple[Transform, ...]:
        """What is done to gradients and variables before the rule."""
        return ()

    def average(self) -> Average | None:
        """The moving average that is kept beside each variable, if there is to be one."""
        return None

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        """One step of one variable, as nodes of a graph.

        Args:
            g: The gradient.
            w: The variable.
            kept: Its slots.
            lr: The learning rate, in the variable's dtype.
            t: The number of this update, from 1, in float64.

        Returns:
            What is subtracted from the variable, and the slots after the step.

        Raises:
            NotDefinedError: If the class does not write it.
        """
        raise NotDefinedError(
            f"{type(self).__name__} has no method update(g, w, kept, lr, t).",
            fix="Write it in your subclass of Updater: it returns what is subtracted, and the new slots.",
        )


@dataclass(frozen=True)
class Sgd(Updater):
    """``lr g``.

    Example:
        >>> Sgd(0.1)
        Sgd(learning_rate=0.1)
    """

    learning_rate: Rate = 1e-3

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        return rules.sgd(g, lr), {}


@dataclass(frozen=True)
class Nesterovs(Updater):
    """Nesterov's momentum: ``v' = momentum v - lr g``; the variable moves by ``(1 + momentum) v' - momentum v``."""

    learning_rate: Rate = 0.1
    momentum: Rate = 0.9

    def slots(self) -> Mapping[str, float]:
        return {"V": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, v = rules.nesterov(g, kept["V"], lr, now(self.momentum, g))
        return step, {"V": v}


@dataclass(frozen=True)
class AdaGrad(Updater):
    """``h' = h + g^2``; ``lr g / (sqrt(h') + epsilon)``. What it keeps begins at 1e-6, whatever epsilon is."""

    learning_rate: Rate = 0.1
    epsilon: float = 1e-6

    def slots(self) -> Mapping[str, float]:
        return {"grad": 1e-6}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, h = rules.adagrad(g, kept["grad"], lr, self.epsilon, inside=False)
        return step, {"grad": h}


@dataclass(frozen=True)
class RmsProp(Updater):
    """``h' = d h + (1 - d) g^2``; ``lr g / (sqrt(h') + epsilon)``, with d for ``rms_decay``. h begins at epsilon."""

    learning_rate: Rate = 0.1
    rms_decay: float = 0.95
    epsilon: float = 1e-8

    def slots(self) -> Mapping[str, float]:
        return {"G": self.epsilon}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, h = rules.rmsprop(g, kept["G"], lr, self.rms_decay, self.epsilon, inside=False)
        return step, {"G": h}


@dataclass(frozen=True)
class AdaDelta(Updater):
    """``u = g sqrt(x + epsilon) / sqrt(h' + epsilon)``, without a learning rate."""

    rho: float = 0.95
    epsilon: float = 1e-6

    def slots(self) -> Mapping[str, float]:
        return {"msg": 0.0, "msdx": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, h, x = rules.adadelta(g, kept["msg"], kept["msdx"], self.rho, self.epsilon)
        return step, {"msg": h, "msdx": x}


@dataclass(frozen=True)
class Adam(Updater):
    """``a m' / (sqrt(v') + epsilon)`` with ``a = lr sqrt(1 - beta2^t) / (1 - beta1^t)``.

    Keras' rule is the same with another default of epsilon; PyTorch's and optax' divide v by its weight before the
    root, so that epsilon counts for more in the first steps. A learning rate of 0 changes nothing; nd4j takes epsilon
    for it.
    """

    learning_rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def slots(self) -> Mapping[str, float]:
        return {"M": 0.0, "V": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, m, v = rules.adam(g, kept["M"], kept["V"], lr, t, self.beta1, self.beta2, self.epsilon)
        return step, {"M": m, "V": v}


@dataclass(frozen=True)
class AMSGrad(Updater):
    """`Adam` with the largest v so far."""

    learning_rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def slots(self) -> Mapping[str, float]:
        return {"M": 0.0, "V": 0.0, "V_HAT": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        m, v, h = kept["M"], kept["V"], kept["V_HAT"]
        step, m, v, h = rules.amsgrad(g, m, v, h, lr, t, self.beta1, self.beta2, self.epsilon)
        return step, {"M": m, "V": v, "V_HAT": h}


@dataclass(frozen=True)
class AdaMax(Updater):
    """``lr / (1 - beta1^t) m' / u'`` with ``u' = max(beta2 u, |g|) + 1e-32``. Epsilon is not used, as in nd4j."""

    learning_rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def slots(self) -> Mapping[str, float]:
        return {"M": 0.0, "V": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, m, u = rules.adamax(g, kept["M"], kept["V"], lr, t, self.beta1, self.beta2, rules.TINY)
        return step, {"M": m, "V": u}


@dataclass(frozen=True)
class Nadam(Updater):
    """``lr / (1 - beta1^t) (beta1 m' + (1 - beta1) g) / (sqrt(v') + epsilon)``.

    nd4j does not divide v by its weight, so that the first step is sixty times the learning rate. Keras' Nadam and
    PyTorch's are Dozat's rule, which does.
    """

    learning_rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def slots(self) -> Mapping[str, float]:
        return {"M": 0.0, "V": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, m, v = rules.nadam_uncorrected(g, kept["M"], kept["V"], lr, t, self.beta1, self.beta2, self.epsilon)
        return step, {"M": m, "V": v}


@dataclass(frozen=True)
class AdaBelief(Updater):
    """`Adam` with the moving mean of ``(g - m')^2``, to which epsilon is added in each step."""

    learning_rate: Rate = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-14

    def slots(self) -> Mapping[str, float]:
        return {"M": 0.0, "S": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, m, v = rules.adabelief(g, kept["M"], kept["S"], lr, t, self.beta1, self.beta2, self.epsilon)
        return step, {"M": m, "S": v}


@dataclass(frozen=True)
class NoOp(Updater):
    """The gradient itself is subtracted."""

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        return g, {}

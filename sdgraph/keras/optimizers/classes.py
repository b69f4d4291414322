"""The optimizers themselves: their names and defaults. Their rules are those of `sdgraph.train.updating.rules`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from sdgraph.build.variable import SDVariable
from sdgraph.checks import positive
from sdgraph.errors import ArgumentError
from sdgraph.keras.optimizers.applying import Applies, set_rate
from sdgraph.train.updating import rules
from sdgraph.train.updating.averages import Average
from sdgraph.train.updating.schedules import Rate
from sdgraph.train.updating.transforms import ClipByGlobalNorm, ClipByNorm, ClipByValue, Transform, WeightDecay
from sdgraph.train.updating.updaters import Kept, Stepped, Updater

_CLIPS = {"clipnorm": ClipByNorm, "clipvalue": ClipByValue, "global_clipnorm": ClipByGlobalNorm}


@dataclass(frozen=True, kw_only=True)
class _Tail(Applies, Updater):
    """What every optimizer takes besides its own settings."""

    name: str | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    loss_scale_factor: float | None = None
    gradient_accumulation_steps: int | None = None

    def __post_init__(self) -> None:
        given = [name for name in _CLIPS if getattr(self, name) is not None]
        if len(given) > 1:
            raise ArgumentError("Gradients are clipped in one way.", given=" and ".join(given), fix="Give one of them.")
        for name in given:
            positive(name, getattr(self, name))
        self.average()  # It looks at its settings.

    def transforms(self) -> tuple[Transform, ...]:
        """What happens before the rule: clipping, then decay."""
        found: list[Transform] = [
            make(getattr(self, name)) for name, make in _CLIPS.items() if getattr(self, name) is not None
        ]
        decay = getattr(self, "weight_decay", None)
        return (*found, WeightDecay(decay)) if decay else tuple(found)

    def average(self) -> Average | None:
        """The moving average of ``use_ema``."""
        return Average(self.ema_momentum, self.ema_overwrite_frequency, True) if self.use_ema else None


@dataclass(frozen=True, kw_only=True)
class Optimizer(_Tail):
    """Base of Keras' optimizers; ``weight_decay`` and what follows are keywords of all of them."""

    weight_decay: float | None = None


@dataclass(frozen=True)
class SGD(Optimizer):
    """``lr g``, with momentum ``v' = momentum v - lr g``, and Nesterov's way of taking it on request.

    Example:
        >>> SGD(0.1, momentum=0.9, nesterov=True).slots()
        {'momentum': 0.0}
    """

    learning_rate: Rate = field(default=0.01, hash=False)
    momentum: float = 0.0
    nesterov: bool = False

    def slots(self) -> Mapping[str, float]:
        return {"momentum": 0.0} if self.momentum else {}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        if not self.momentum:
            return rules.sgd(g, lr), {}
        rule = rules.nesterov if self.nesterov else rules.momentum
        step, v = rule(g, kept["momentum"], lr, self.momentum)
        return step, {"momentum": v}


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """``h' = rho h + (1 - rho) g^2``; ``lr g / sqrt(h' + epsilon)``, centred and with momentum on request."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7
    centered: bool = False

    def slots(self) -> Mapping[str, float]:
        return dict.fromkeys(
            ("velocity", *(["momentum"] if self.momentum else []), *(["average_gradient"] if self.centered else [])),
            0.0,
        )

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        h, new = kept["velocity"], {}
        if self.centered:
            a = kept["average_gradient"]
            step, h, new["average_gradient"] = rules.rmsprop_centered(g, h, a, lr, self.rho, self.epsilon)
        else:
            step, h = rules.rmsprop(g, h, lr, self.rho, self.epsilon, inside=True)
        if self.momentum:
            step = new["momentum"] = self.momentum * kept["momentum"] + step
        return step, {"velocity": h, **new}


def _adam_slots(amsgrad: bool) -> Mapping[str, float]:
    return dict.fromkeys(("momentum", "velocity", *(["velocity_hat"] if amsgrad else [])), 0.0)


def _adam(settings: Adam | AdamW, g: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
    m, v, numbers = kept["momentum"], kept["velocity"], (settings.beta_1, settings.beta_2, settings.epsilon)
    if settings.amsgrad:
        step, m, v, h = rules.amsgrad(g, m, v, kept["velocity_hat"], lr, t, *numbers)
        return step, {"momentum": m, "velocity": v, "velocity_hat": h}
    step, m, v = rules.adam(g, m, v, lr, t, *numbers)
    return step, {"momentum": m, "velocity": v}


@dataclass(frozen=True)
class Adam(Optimizer):
    """``a m' / (sqrt(v') + epsilon)`` with ``a = lr sqrt(1 - beta_2^t) / (1 - beta_1^t)``.

    With ``amsgrad`` the largest v so far.
    """

    learning_rate: Rate = field(default=1e-3, hash=False)
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    def slots(self) -> Mapping[str, float]:
        return _adam_slots(self.amsgrad)

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        return _adam(self, g, kept, lr, t)


@dataclass(frozen=True)
class AdamW(_Tail):
    """`Adam` with weight decay, which is on: ``weight_decay`` is the second setting, 0.004."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    weight_decay: float | None = 0.004
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7
    amsgrad: bool = False

    def slots(self) -> Mapping[str, float]:
        return _adam_slots(self.amsgrad)

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        return _adam(self, g, kept, lr, t)


@dataclass(frozen=True)
class Adadelta(Optimizer):
    """``lr g sqrt(x + epsilon) / sqrt(h' + epsilon)``. The paper's rate is 1."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    rho: float = 0.95
    epsilon: float = 1e-7

    def slots(self) -> Mapping[str, float]:
        return {"accumulated_grad": 0.0, "accumulated_delta_var": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        h, x = kept["accumulated_grad"], kept["accumulated_delta_var"]
        step, h, x = rules.adadelta(g, h, x, self.rho, self.epsilon)
        return lr * step, {"accumulated_grad": h, "accumulated_delta_var": x}


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """``h' = h + g^2``; ``lr g / sqrt(h' + epsilon)``."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    initial_accumulator_value: float = 0.1
    epsilon: float = 1e-7

    def slots(self) -> Mapping[str, float]:
        return {"accumulator": self.initial_accumulator_value}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, h = rules.adagrad(g, kept["accumulator"], lr, self.epsilon, inside=True)
        return step, {"accumulator": h}


@dataclass(frozen=True)
class Adamax(Optimizer):
    """``lr / (1 - beta_1^t) m' / (u' + epsilon)`` with ``u' = max(beta_2 u, |g|)``."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def slots(self) -> Mapping[str, float]:
        return {"momentum": 0.0, "norm": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        m, u = kept["momentum"], kept["norm"]
        step, m, u = rules.adamax(g, m, u, lr, t, self.beta_1, self.beta_2, self.epsilon)
        return step, {"momentum": m, "norm": u}


@dataclass(frozen=True)
class Nadam(Optimizer):
    """Dozat's Nesterov Adam, whose momentum grows from ``beta_1 / 2`` to ``beta_1``."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    shared: ClassVar[frozenset[str]] = frozenset(("u_product",))

    def slots(self) -> Mapping[str, float]:
        return {"momentum": 0.0, "velocity": 0.0, "u_product": 1.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        m, v, product = kept["momentum"], kept["velocity"], kept["u_product"]
        step, m, v, product = rules.nadam(g, m, v, product, lr, t, self.beta_1, self.beta_2, self.epsilon)
        return step, {"momentum": m, "velocity": v, "u_product": product}


@dataclass(frozen=True)
class Ftrl(Optimizer):
    """Follow the regularised leader, which brings weights to 0 with ``l1_regularization_strength``."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    learning_rate_power: float = -0.5
    initial_accumulator_value: float = 0.1
    l1_regularization_strength: float = 0.0
    l2_regularization_strength: float = 0.0
    l2_shrinkage_regularization_strength: float = 0.0
    beta: float = 0.0

    def slots(self) -> Mapping[str, float]:
        return {"accumulator": self.initial_accumulator_value, "linear": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        l1, l2 = self.l1_regularization_strength, self.l2_regularization_strength
        settings = (self.learning_rate_power, l1, l2, self.l2_shrinkage_regularization_strength, self.beta)
        step, n, z = rules.ftrl(g, w, kept["accumulator"], kept["linear"], lr, *settings)
        return step, {"accumulator": n, "linear": z}


@dataclass(frozen=True)
class Lion(Optimizer):
    """``lr sign(beta_1 m + (1 - beta_1) g)``, and ``m' = beta_2 m + (1 - beta_2) g``."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    beta_1: float = 0.9
    beta_2: float = 0.99

    def slots(self) -> Mapping[str, float]:
        return {"momentum": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        step, m = rules.lion(g, kept["momentum"], lr, self.beta_1, self.beta_2)
        return step, {"momentum": m}


@dataclass(frozen=True)
class Lamb(Optimizer):
    """`Adam`'s step, scaled to the norm of the variable."""

    learning_rate: Rate = field(default=1e-3, hash=False)
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def slots(self) -> Mapping[str, float]:
        return {"momentum": 0.0, "velocity": 0.0}

    def update(self, g: SDVariable, w: SDVariable, kept: Kept, lr: SDVariable, t: SDVariable) -> Stepped:
        m, v = kept["momentum"], kept["velocity"]
        step, m, v = rules.lamb(g, w, m, v, lr, t, self.beta_1, self.beta_2, self.epsilon)
        return step, {"momentum": m, "velocity": v}


# A frozen dataclass sets nothing at all; of an optimizer the learning rate may be set, which its hash leaves out.
for _cls in (_Tail, Optimizer, SGD, RMSprop, Adam, AdamW, Adadelta, Adagrad, Adamax, Nadam, Ftrl, Lion, Lamb):
    _cls.__setattr__ = set_rate

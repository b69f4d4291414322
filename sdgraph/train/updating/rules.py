"""The rules of updaters as pure functions of graph nodes: each stands here once, whatever libraries call it.

A rule takes the gradient ``g``, what it keeps of the variable, the learning rate ``lr`` (of the gradient's dtype), and
the number ``t`` of this update (float64, from 1) where it counts. It returns what to subtract from the variable, and
then what it keeps, in the order in which it took it. Must not know names, defaults or steps.
"""

from __future__ import annotations

from sdgraph.build.variable import SDVariable

TINY = 1e-32
"""What keeps AdaMax from dividing by 0 where no epsilon is used."""


def _moved(old: SDVariable, new: SDVariable, keeps: float) -> SDVariable:
    """A moving mean."""
    return keeps * old + (1 - keeps) * new


def _unbiased(beta: float, t: SDVariable, like: SDVariable) -> SDVariable:
    """``1 - beta^t``, the weight of what a moving mean has seen, taken in float64 and rounded once."""
    return t.sd.cast(1 - beta**t, like.dtype)


def _root(x: SDVariable) -> SDVariable:
    return x.sd.math.sqrt(x)


def _at_root(g: SDVariable, lr: SDVariable, h: SDVariable, epsilon: float, *, inside: bool) -> SDVariable:
    """``lr g / sqrt(h)``, with epsilon inside of the root or after it."""
    return lr * g / (_root(h + epsilon) if inside else _root(h) + epsilon)


def sgd(g: SDVariable, lr: SDVariable) -> SDVariable:
    """``lr g``."""
    return lr * g


def momentum(g: SDVariable, v: SDVariable, lr: SDVariable, mu: float | SDVariable) -> tuple[SDVariable, SDVariable]:
    """``v' = mu v - lr g``, which is added."""
    new = mu * v - lr * g
    return -new, new


def nesterov(g: SDVariable, v: SDVariable, lr: SDVariable, mu: float | SDVariable) -> tuple[SDVariable, SDVariable]:
    """``v' = mu v - lr g``; ``(1 + mu) v' - mu v`` is added."""
    new = mu * v - lr * g
    return mu * v - (1 + mu) * new, new


def adagrad(
    g: SDVariable, h: SDVariable, lr: SDVariable, epsilon: float, *, inside: bool
) -> tuple[SDVariable, SDVariable]:
    """``h' = h + g^2``, and ``lr g / sqrt(h')`` with epsilon inside of the root or after it."""
    h = h + g * g
    return _at_root(g, lr, h, epsilon, inside=inside), h


def rmsprop(
    g: SDVariable, h: SDVariable, lr: SDVariable, rho: float, epsilon: float, *, inside: bool
) -> tuple[SDVariable, SDVariable]:
    """``h' = rho h + (1 - rho) g^2``, and ``lr g / sqrt(h')`` with epsilon inside of the root or after it."""
    h = _moved(h, g * g, rho)
    return _at_root(g, lr, h, epsilon, inside=inside), h


def rmsprop_centered(
    g: SDVariable, h: SDVariable, a: SDVariable, lr: SDVariable, rho: float, epsilon: float
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """`rmsprop` with the variance of gradients, ``h' - a'^2``, in place of their mean square."""
    h, a = _moved(h, g * g, rho), _moved(a, g, rho)
    return _at_root(g, lr, h - a * a, epsilon, inside=True), h, a


def adadelta(
    g: SDVariable, h: SDVariable, x: SDVariable, rho: float, epsilon: float
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """``u = g sqrt(x + epsilon) / sqrt(h' + epsilon)``: moving mean squares of gradients, and of these steps."""
    h = _moved(h, g * g, rho)
    u = g * _root(x + epsilon) / _root(h + epsilon)
    return u, h, _moved(x, u * u, rho)


def _adam_rate(lr: SDVariable, t: SDVariable, beta1: float, beta2: float) -> SDVariable:
    return lr * _root(_unbiased(beta2, t, lr)) / _unbiased(beta1, t, lr)


def adam(
    g: SDVariable,
    m: SDVariable,
    v: SDVariable,
    lr: SDVariable,
    t: SDVariable,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """``a m' / (sqrt(v') + epsilon)`` with ``a = lr sqrt(1 - beta2^t) / (1 - beta1^t)``."""
    m, v = _moved(m, g, beta1), _moved(v, g * g, beta2)
    return _adam_rate(lr, t, beta1, beta2) * m / (_root(v) + epsilon), m, v


def amsgrad(
    g: SDVariable,
    m: SDVariable,
    v: SDVariable,
    h: SDVariable,
    lr: SDVariable,
    t: SDVariable,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[SDVariable, SDVariable, SDVariable, SDVariable]:
    """`adam` with ``h' = max(h, v')`` in place of ``v'``."""
    m, v = _moved(m, g, beta1), _moved(v, g * g, beta2)
    h = g.sd.math.max(h, v)
    return _adam_rate(lr, t, beta1, beta2) * m / (_root(h) + epsilon), m, v, h


def adamax(
    g: SDVariable,
    m: SDVariable,
    u: SDVariable,
    lr: SDVariable,
    t: SDVariable,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """``lr / (1 - beta1^t) m' / (u' + epsilon)`` with ``u' = max(beta2 u, |g|)``."""
    m, u = _moved(m, g, beta1), g.sd.math.max(beta2 * u, g.sd.math.abs(g))
    return lr / _unbiased(beta1, t, lr) * m / (u + epsilon), m, u


def nadam_uncorrected(
    g: SDVariable,
    m: SDVariable,
    v: SDVariable,
    lr: SDVariable,
    t: SDVariable,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """``lr / (1 - beta1^t) (beta1 m' + (1 - beta1) g) / (sqrt(v') + epsilon)``: ``v'`` as it is."""
    m, v = _moved(m, g, beta1), _moved(v, g * g, beta2)
    return lr / _unbiased(beta1, t, lr) * _moved(m, g, beta1) / (_root(v) + epsilon), m, v


def nadam(
    g: SDVariable,
    m: SDVariable,
    v: SDVariable,
    product: SDVariable,
    lr: SDVariable,
    t: SDVariable,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[SDVariable, SDVariable, SDVariable, SDVariable]:
    """Dozat's, with ``mu_k = beta1 (1 - 0.5 0.96^k)`` and their ``product`` so far, one number in float64."""
    now, following = (beta1 * (1 - 0.5 * 0.96**k) for k in (t, t + 1))
    product = product * now
    m, v = _moved(m, g, beta1), _moved(v, g * g, beta2)
    of_m, of_g = (g.sd.cast(x, g.dtype) for x in (following / (1 - product * following), (1 - now) / (1 - product)))
    return lr * (of_m * m + of_g * g) / (_root(v / _unbiased(beta2, t, v)) + epsilon), m, v, product


def adabelief(
    g: SDVariable,
    m: SDVariable,
    v: SDVariable,
    lr: SDVariable,
    t: SDVariable,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """`adam` with ``(g - m')^2`` in place of ``g^2``, and epsilon added to its moving mean as well."""
    m = _moved(m, g, beta1)
    v = _moved(v, (g - m) * (g - m), beta2) + epsilon
    return _adam_rate(lr, t, beta1, beta2) * m / (_root(v) + epsilon), m, v


def lion(g: SDVariable, m: SDVariable, lr: SDVariable, beta1: float, beta2: float) -> tuple[SDVariable, SDVariable]:
    """``lr sign(beta1 m + (1 - beta1) g)``, and ``m' = beta2 m + (1 - beta2) g``."""
    return lr * g.sd.math.sign(_moved(m, g, beta1)), _moved(m, g, beta2)


def lamb(
    g: SDVariable,
    w: SDVariable,
    m: SDVariable,
    v: SDVariable,
    lr: SDVariable,
    t: SDVariable,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """``lr r |w| / |r|``, or ``lr r`` where a norm is 0, with r for the step of `adam` at a rate of 1."""
    sd = g.sd
    m, v = _moved(m, g, beta1), _moved(v, g * g, beta2)
    r = m / _unbiased(beta1, t, m) / (_root(v / _unbiased(beta2, t, v)) + epsilon)
    of_w, of_r = (_root(sd.sum(x * x)) for x in (w, r))
    usual = sd.math.and_(of_w > 0, of_r > 0)
    return sd.where(usual, of_w / sd.where(usual, of_r, 1), 1) * lr * r, m, v


def ftrl(
    g: SDVariable,
    w: SDVariable,
    n: SDVariable,
    z: SDVariable,
    lr: SDVariable,
    power: float,
    l1: float,
    l2: float,
    shrinkage: float,
    beta: float,
) -> tuple[SDVariable, SDVariable, SDVariable]:
    """Follow the regularised leader: ``w' = (clip(z', -l1, l1) - z') / q``."""
    math = g.sd.math
    more = n + g * g
    before, after = math.pow(n, -power), math.pow(more, -power)
    z = z + (g + 2 * shrinkage * w) - (after - before) / lr * w
    q = after / lr + 2 * (l2 + beta / (2 * lr))
    return w - (math.clip_by_value(z, -l1, l1) - z) / q, more, z

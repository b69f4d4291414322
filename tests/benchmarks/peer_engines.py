"""The engines of `bench_peers`: each makes of a problem a function without arguments that computes all results."""

import importlib.util

import numpy as np

from sdgraph import SameDiff


def sdgraph_engine(engine):
    def make(row):
        sd = SameDiff()
        out, wrt = row.graph(sd)
        fetches = [out] if wrt is None else [out, *sd.grad(out, wrt)]
        f = sd.compile(fetches, engine=engine)
        return lambda: list(f(row.operands).values())

    return make


def jax_engine(row):
    import jax
    import jax.numpy as jnp

    names = list(row.operands)
    args = [jnp.asarray(a) for a in row.operands.values()]
    at = tuple(names.index(k) for k in row.wrt)

    def loss(*xs):
        return row.formula(jnp, *xs)

    if row.hvp:
        k, v = names.index(row.hvp), names.index("v")

        def product(*xs):
            def gradient(w):
                return jax.grad(loss, k)(*xs[:k], w, *xs[k + 1 :])

            return jax.jvp(gradient, (xs[k],), (xs[v],))[1]

        f = jax.jit(product)
    else:
        f = jax.jit(jax.value_and_grad(loss, at))
    return lambda: flat(jax.block_until_ready(f(*args)))


class Torch:
    """numpy's names for what the formulas need of torch."""

    def __init__(self):
        import torch

        self.torch = torch
        for name in ("abs", "exp", "log", "log1p", "where", "mean"):
            setattr(self, name, getattr(torch, name))

    def maximum(self, x, y):
        return self.torch.clamp(x, min=y)

    def max(self, x, axis, keepdims):
        return self.torch.amax(x, axis, keepdim=keepdims)

    def sum(self, x, axis=None, keepdims=False):
        return self.torch.sum(x) if axis is None else self.torch.sum(x, axis, keepdim=keepdims)


def torch_engine(*, compiled):
    def make(row):
        import torch

        xp = Torch()
        args = {k: torch.from_numpy(a.copy()) for k, a in row.operands.items()}
        wrt = [args[k].requires_grad_() for k in row.wrt]

        def loss(*xs):
            return row.formula(xp, *xs)

        # Compiled code is kept per code object, and only a few versions of each: every row gets one of its own.
        loss.__code__ = loss.__code__.replace()
        f = torch.compile(loss) if compiled and not row.hvp else loss
        if row.hvp:
            if compiled:
                return None  # It cannot differentiate twice through what it compiled.

            def run():
                g = torch.autograd.grad(loss(*args.values()), args[row.hvp], create_graph=True)[0]
                return flat(torch.autograd.grad(g, args[row.hvp], args["v"])[0])

            return run

        def run():
            value = f(*args.values())
            return flat((value, torch.autograd.grad(value, wrt)))

        return run

    return make


def autograd_engine(row):
    import autograd.numpy as anp
    from autograd import make_hvp, value_and_grad

    names = list(row.operands)
    args = list(row.operands.values())
    if row.hvp:
        k = names.index(row.hvp)

        def of_one(w):
            return row.formula(anp, *args[:k], w, *args[k + 1 :])

        return lambda: flat(make_hvp(of_one)(args[k])[0](row.operands["v"]))
    f = value_and_grad(lambda *xs: row.formula(anp, *xs), [names.index(k) for k in row.wrt])
    return lambda: flat(f(*args))


def flat(result):
    """Nested results as a list of numpy arrays."""
    if isinstance(result, tuple | list):
        return [a for r in result for a in flat(r)]
    return [np.asarray(result.detach() if hasattr(result, "detach") else result)]


FUSED = "sdgraph llvm"
ENGINES = {
    FUSED: ("llvmlite", sdgraph_engine("llvm")),
    "sdgraph numpy": ("numpy", sdgraph_engine("numpy")),
    "JAX jit": ("jax", jax_engine),
    "torch eager": ("torch", torch_engine(compiled=False)),
    "torch.compile": ("torch", torch_engine(compiled=True)),
    "autograd": ("autograd", autograd_engine),
}
PEERS = ("JAX jit", "torch eager", "torch.compile", "autograd")


def installed(package):
    """Whether a package can be imported."""
    return importlib.util.find_spec(package) is not None

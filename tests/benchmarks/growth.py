"""What a plan computes, counted: the measure by which costs are said to grow. Nothing here depends on a clock."""

import math

from sdgraph.build.op import ITEM
from sdgraph.infer.aval import Aval

CUBIC = {
    "linalg.matrix_inverse", "linalg.cholesky", "linalg.qr", "linalg.svd", "linalg.matrix_determinant",
    "linalg.logdet", "linalg.lu", "linalg.eig", "linalg.cofactors", "linalg.cofactors_gradient",
}  # fmt: skip
PICKS = {"gather", "gather_nd", "take_along_axis"}
"""Ops that read no more than they return."""
SOLVERS = {"linalg.solve", "linalg.triangular_solve"}


def size(aval):
    return aval.size if type(aval) is Aval else sum(map(size, aval))


def work(plan):
    """Elements that a plan computes and moves; a product counts its multiplications, a view counts 1.

    A loop counts its body for each step, and branches count all of theirs.
    """
    shapes = {slot: aval.shape for slot, aval in plan.leaf_avals.items()}
    shapes |= {slot: value.shape for slot, value in plan.constants}
    total = 0
    for step in plan.steps:
        shapes[step.out] = step.aval.shape if type(step.aval) is Aval else ()
        name, first = step.op.qualname, shapes.get(step.inputs[0], ()) if step.inputs else ()
        if step.op.is_view or step.op is ITEM:
            total += 1
        elif name == "linalg.matmul":
            total += step.aval.size * first[-1]
        elif name == "tensordot":
            total += step.aval.size * math.prod(first[k] for k in step.attrs["axes_x"])
        elif name in SOLVERS:
            # Numpy decomposes the matrix anew for each batch of right-hand sides.
            total += math.prod(step.aval.shape[:-2]) * first[-1] ** 3 + step.aval.size * first[-1]
        elif name in CUBIC:
            total += math.prod(first) * first[-1]
        elif name in PICKS:
            total += step.aval.size
        else:
            total += max(size(step.aval), math.prod(first))
        if step.op.has_bodies:
            run = step.attrs["run"].of
            total += run.times * sum(work(inner.plan) for inner in run.inner)
        total += len(step.inputs)
    return total


def results(plan):
    """Elements of all results of a plan: what is kept if nothing is dropped."""
    return sum(size(step.aval) for step in plan.steps if not step.op.is_view and step.op is not ITEM)


def memory(plan):
    """Elements of float64 alive at once, at most."""
    return plan.peak_bytes / 8

"""Sums of products over named axes, two operands at a time: each pair is a product of matrices where it can be.

Sizes are known when the body is written. Must not know texts: `sdgraph.ops.products.equation` does.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sdgraph.build.decorators import composite
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.errors import ArgumentError
from sdgraph.infer.aval import Aval, ufunc_dtype
from sdgraph.ops.precision import cast_to
from sdgraph.ops.products.equation import Labels, is_shared, parsed, sizes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sdgraph.build.variable import Operand


class Factor(NamedTuple):
    """An operand, with a label for each axis; each label stands once."""

    x: SDVariable
    labels: Labels

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.x.shape)  # type: ignore[arg-type]


def _einsum(*inputs: Aval, equation: str) -> Aval:
    """The sizes of the labels of the result.

    Returns:
        The sizes of the result's labels, the promoted dtype.

    Raises:
        ShapeError: If axes of one label differ in size; those of an ellipsis broadcast.
        ArgumentError: If there is no operand, the equation does not fit the operands, or makes no sense.
        ArgumentTypeError: If the equation is no text.
    """
    if not inputs:
        raise ArgumentError("There is nothing to multiply.")
    found = parsed(equation, [len(a.shape) for a in inputs])
    sizes = sizes_of(found, [a.shape for a in inputs])
    return Aval(tuple(sizes[c] for c in found.result), _product_dtype(inputs))


def _product_dtype(operands: Iterable[Any]) -> np.dtype[Any]:
    return functools.reduce(lambda a, b: ufunc_dtype(np.multiply, (a, b)), (v.dtype for v in operands))


# ---------------------------------------------------------------------- one operand


def _diagonals(x: SDVariable, labels: Labels) -> Factor:
    """The diagonals of axes that have one label."""
    for c in dict.fromkeys(labels):
        while labels.count(c) > 1:
            i = labels.index(c)
            j = labels.index(c, i + 1)
            rest = [k for k in range(x.ndim) if k not in (i, j)]
            x = x.sd.linalg.diag_part(x.sd.permute(x, (*rest, i, j)))
            labels = (*(labels[k] for k in rest), c)
    return Factor(x, labels)


def _narrow(factor: Factor, sizes: dict[str, Any]) -> Factor:
    """Without axes of size 1 that others broadcast."""
    axes = [k for k, c in enumerate(factor.labels) if is_shared(c) and factor.x.shape[k] == 1 and sizes[c] != 1]
    return _without(factor, axes, factor.x.sd.squeeze) if axes else factor


def _summed(factor: Factor, kept: set[str]) -> Factor:
    """Without the axes that nobody else has."""
    axes = [k for k, c in enumerate(factor.labels) if c not in kept]
    return _without(factor, axes, factor.x.sd.sum) if axes else factor


def _without(factor: Factor, axes: list[int], drop: Any) -> Factor:
    left = tuple(c for k, c in enumerate(factor.labels) if k not in axes)
    return Factor(drop(factor.x, tuple(axes)), left)


def _arranged(factor: Factor, *groups: Sequence[str]) -> SDVariable:
    """The axes in the order of labels; a label that is missing becomes an axis of size 1."""
    order = [c for group in groups for c in group]
    there = [c for c in order if c in factor.labels]
    x = factor.x if tuple(there) == factor.labels else _permuted(factor, there)
    missing = tuple(k for k, c in enumerate(order) if c not in factor.labels)
    return x.sd.expand_dims(x, missing) if missing else x


def _permuted(factor: Factor, order: Sequence[str]) -> SDVariable:
    return factor.x.sd.permute(factor.x, tuple(map(factor.labels.index, order)))


# ---------------------------------------------------------------------- two operands


def _multiplied(a: Factor, b: Factor, kept: set[str]) -> Factor:
    """Both as one factor, summed over the labels that nobody else has."""
    both = [c for c in a.labels if c in b.labels]
    batch, inner = [c for c in both if c in kept], [c for c in both if c not in kept]
    rows = [c for c in a.labels if c not in both]
    columns = [c for c in b.labels if c not in both]
    labels = (*batch, *rows, *columns)
    sd = a.x.sd
    if not inner:
        return Factor(_arranged(a, labels) * _arranged(b, labels), labels)
    if not rows and not columns:
        product = _arranged(a, batch, inner) * _arranged(b, batch, inner)
        return Factor(sd.sum(product, tuple(range(len(batch), product.ndim))), labels)
    if not batch:
        places = [tuple(map(v.labels.index, inner)) for v in (a, b)]
        return Factor(sd.tensordot(a.x, b.x, *places), labels)
    size = dict(zip((*a.labels, *b.labels), (*a.x.shape, *b.x.shape), strict=True))

    def matrix(x: SDVariable, first: list[str], last: list[str]) -> SDVariable:
        n, m = (math.prod(size[c] for c in group) for group in (first, last))  # type: ignore[misc]
        return sd.reshape(x, (*(size[c] for c in batch), n, m))

    left = matrix(_arranged(a, batch, rows, inner), rows, inner)
    right = matrix(_arranged(b, batch, inner, columns), inner, columns)
    return Factor(sd.reshape(sd.linalg.matmul(left, right), [size[c] for c in labels]), labels)


def _next_pair(factors: list[Factor], result: Labels, sizes: dict[str, Any]) -> tuple[int, int]:
    """The pair whose product adds least to what is there; of equal ones the one with the fewest multiplications."""

    def cost(pair: tuple[int, int]) -> tuple[int, int]:
        a, b = (factors[k] for k in pair)
        joint = set(a.labels) | set(b.labels)
        kept = joint & _kept(factors, pair, result)
        grown = math.prod(sizes[c] for c in kept) - a.size - b.size
        return grown, math.prod(sizes[c] for c in joint)

    return min(itertools.combinations(range(len(factors)), 2), key=cost)


def _kept(factors: list[Factor], without: tuple[int, ...], result: Labels) -> set[str]:
    """The labels of the result and of all other factors."""
    return {*result, *(c for k, v in enumerate(factors) if k not in without for c in v.labels)}


_SHARED = {"inputs": "Numbers, one by one or as a list."}


class SDEinsum(Namespace, prefix="", shared=_SHARED):
    """Sums of products of the base namespace."""

    @composite(infer=_einsum, advice='The equation comes first: sd.einsum("ij,jk->ik", x, y).')
    def einsum(self, equation: str, *inputs: Operand | Sequence[Operand], name: str | None = None) -> SDVariable:
        """Sum of products over named axes, as an equation says: ``"ij,jk->ik"`` is a product of matrices.

        Each axis of an operand has a letter. Axes with one letter go together; those that the result lacks are summed
        over. A letter that an operand has twice takes a diagonal, and an ellipsis stands for axes that broadcast.
        Without an arrow the result has the letters that occur once, in the order of the alphabet. Two operands at a
        time become a product of matrices; which ones come first follows from the sizes.

        Args:
            equation: The letters of each operand, and behind an arrow those of the result.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x = sd.constant("x", [[1.0, 2.0], [3.0, 4.0]])
            >>> sd.einsum("ij,kj->ik", x, x).eval()
            array([[ 5., 11.],
                   [11., 25.]])
            >>> float(sd.einsum("ii", x).eval())
            5.0
        """
        sd = self.sd
        operands = [sd.as_variable(v) for v in inputs]
        dtype = _product_dtype(operands)
        found = parsed(equation, [v.ndim for v in operands])
        sizes = sizes_of(found, [v.shape for v in operands])
        factors = [
            _narrow(_diagonals(cast_to(v, dtype), term), sizes) for v, term in zip(operands, found.terms, strict=True)
        ]
        for k, factor in enumerate(factors):
            factors[k] = _summed(factor, _kept(factors, (k,), found.result))
        while len(factors) > 1:
            i, j = _next_pair(factors, found.result, sizes)
            product = _multiplied(factors[i], factors[j], _kept(factors, (i, j), found.result))
            factors = [*(v for k, v in enumerate(factors) if k not in (i, j)), product]
        (last,) = factors
        out = last.x if last.labels == found.result else _permuted(last, found.result)
        return sd.identity(out) if out is operands[0] else cast_to(out, dtype)

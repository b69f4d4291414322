"""Layers, padding and attention: the other half of ``sd.nn``.

Knows how layers are put together. The functions they apply are in `sdgraph.ops.activations`, matrix products in
`sdgraph.ops.matrices`, random masks in `sdgraph.ops.random`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from sdgraph.build.annotations import means
from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import Namespace
from sdgraph.build.op import LINEAR
from sdgraph.build.reading import Reading
from sdgraph.build.variable import SDVariable
from sdgraph.checks import is_whole, not_negative, one_of
from sdgraph.errors import ArgumentError, DTypeError, ShapeError
from sdgraph.infer import shapes
from sdgraph.infer.aval import Aval, Dim, normalize_axis, shape_str
from sdgraph.infer.shapes import INT64
from sdgraph.ops import written
from sdgraph.ops.matrices import swap_last
from sdgraph.ops.precision import cast_to, widened
from sdgraph.ops.reductions import working_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdgraph.build.variable import Axis, Operand

# ---------------------------------------------------------------------- largest entries


def _top_k_vjp(
    g: tuple[SDVariable, ...], y: tuple[SDVariable, ...], x: SDVariable, *, k: int, sorted: bool
) -> SDVariable:
    return x.sd.add_along_axis(x.sd.zeros_like(x), y[1], g[0], axis=-1)


# ---------------------------------------------------------------------- padding

PadMode: TypeAlias = Literal["constant", "reflect", "symmetric"]
means("PadMode", PadMode)


def _pad_widths(ndim: int, padding: Any) -> tuple[tuple[int, int], ...]:
    """Padding as one (before, after) pair per axis."""
    ok = isinstance(padding, tuple) and len(padding) == ndim
    if not ok or not all(isinstance(p, tuple) and len(p) == 2 and all(is_whole(n, 0) for n in p) for p in padding):
        raise ArgumentError(
            "padding is not one (before, after) pair per axis.",
            given=f"padding={padding!r} for an array of rank {ndim}",
            expected=f"{ndim} pairs of whole numbers >= 0",
        )
    return padding


def _infer_pad(x: Aval, *, padding: Any, mode: str, constant: float) -> Aval:
    """The larger shape.

    Returns:
        The larger shape, the same dtype.

    Raises:
        ArgumentError: If ``padding`` is not one pair per axis, or ``mode`` is unknown.
        ShapeError: If an axis has too few entries to mirror.
    """
    one_of("mode of padding", mode, get_args(PadMode))
    widths = _pad_widths(len(x.shape), padding)
    out: list[Dim] = []
    for d, (before, after) in zip(x.shape, widths, strict=True):
        most = d if mode == "symmetric" else d - 1 if mode == "reflect" and type(d) is int else None
        if type(most) is int and max(before, after) > most:
            raise ShapeError(
                f"There are not enough entries to {mode}.",
                given=f"padding={padding!r} for shape {shape_str(x.shape)}",
                expected=f"at most {most} on an axis of size {d}",
            )
        out.append(d + before + after if type(d) is int else (None if before or after else d))
    return Aval(tuple(out), x.dtype)


def _infer_unpad(g: Aval, x: Aval, *, padding: Any, mode: str) -> Aval:
    """The shape before padding.

    Returns:
        The shape of ``x``, the dtype of ``g``.

    Raises:
        ArgumentError: If ``padding`` is not one pair per axis, or ``mode`` is unknown.
        ShapeError: If ``g`` does not have the padded shape.
    """
    padded = _infer_pad(x, padding=padding, mode=mode, constant=0.0)
    shapes.must_have(g, padded.shape, "This is not the shape of what is padded.")
    return Aval(x.shape, g.dtype)


def _pad(xp: Any, x: Any, *, padding: Any, mode: str, constant: float) -> Any:
    if not padding:
        return xp.array(x)  # Numpy's pad does not take scalars.
    if mode == "constant":
        return xp.pad(x, padding, constant_values=constant)
    return xp.pad(x, padding, mode=mode)


def _unpad(xp: Any, g: Any, x: Any, *, padding: Any, mode: str) -> Any:
    for axis, (before, after) in enumerate(padding):
        if before or after:
            g = xp.moveaxis(_unpad_first(xp, xp.moveaxis(g, axis, 0), before, after, mode), 0, axis)
    return g


def _unpad_first(xp: Any, g: Any, before: int, after: int, mode: str) -> Any:
    n = g.shape[0] - before - after
    core = g[before : before + n]
    if mode == "constant":
        return core
    # A reflection leaves the border entry itself out, a symmetric one repeats it.
    skip = int(mode == "reflect")
    rest = [(0, 0)] * (g.ndim - 1)
    left = xp.pad(g[:before][::-1], [(skip, n - skip - before), *rest])
    right = xp.pad(g[before + n :][::-1], [(n - skip - after, skip), *rest])
    return core + left + right


# ---------------------------------------------------------------------- other rules


def _infer_top_k(x: Aval, *, k: int, sorted: bool) -> tuple[Aval, Aval]:
    """Values and indices.

    Raises:
        ArgumentError: If ``k`` is not between 1 and the size of the axis.
        DTypeError: If ``x`` is complex.
        ShapeError: If ``x`` is a scalar.
    """
    if not x.shape:
        raise ShapeError("A scalar has no largest entries.", given=shape_str(x.shape), expected="rank 1 or more")
    if x.dtype.kind == "c":
        raise DTypeError("Complex numbers have no order.", given=x.dtype.name)
    n = x.shape[-1]
    if not is_whole(k, 1, n if type(n) is int else math.inf):
        raise ArgumentError(
            "k is not a possible number of entries.",
            given=f"k={k!r} for shape {shape_str(x.shape)}",
            expected=f"a whole number from 1 to {n if type(n) is int else 'the size of the last axis'}",
        )
    shape = (*x.shape[:-1], k)
    return Aval(shape, x.dtype), Aval(shape, INT64)


def _top_k(xp: Any, x: Any, *, k: int, sorted: bool) -> tuple[Any, Any]:
    # Sorting the reversed array keeps equal entries in the order of their index, without negating unsigned numbers.
    order = x.shape[-1] - 1 - xp.argsort(x[..., ::-1], axis=-1, stable=True)[..., ::-1]
    order = order[..., :k]
    if not sorted:
        order = xp.sort(order, axis=-1)
    return xp.take_along_axis(x, order, axis=-1), order.astype(INT64)


def _floating(x: SDVariable) -> SDVariable:
    """The variable, or whole numbers in the dtype of their quotients."""
    return x if x.dtype.kind in "fc" else x.sd.math.div(x, 1)


def along(v: SDVariable, x: SDVariable, axes: tuple[int, ...]) -> SDVariable:
    """A parameter with one axis per entry of ``axes``, shaped to broadcast against ``x`` along them.

    It may have that shape already, with the size 1 along the others.
    """
    if v.ndim == x.ndim and all(k in axes or d == 1 for k, d in enumerate(v.shape)):
        return v
    if v.ndim != len(axes):
        ones = shape_str(tuple(d if k in axes else 1 for k, d in enumerate(x.shape)))
        raise ShapeError(
            f"A parameter for {len(axes)} axes of {shape_str(x.shape)} must have rank {len(axes)}.",
            given=shape_str(v.shape),
            expected=f"{shape_str(tuple(x.shape[k] for k in axes))}, or {ones}",
        )
    for k in range(x.ndim):
        if k not in axes:
            v = x.sd.expand_dims(v, k)
    return v


def _normalized(x: SDVariable, axes: tuple[int, ...], epsilon: float) -> SDVariable:
    """``(x - mean) / sqrt(variance + epsilon)``, with deviations scaled to 1 before they are squared.

    The scale cancels, rounding and all: to gradients it is a constant.
    """
    sd, m = x.sd, x.sd.math
    work = working_dtype(x)
    x = sd.cast(x, work.wide)
    centred = x - sd.mean(x, axis=axes, keepdims=True)
    root = math.sqrt(epsilon)
    least = max(root, 4 * float(np.finfo(work.wide).tiny))
    scale = 1 / m.max(sd.largest(m.abs(centred), axes), least)
    scaled = centred * scale
    spread = m.sqrt(sd.mean(m.square(scaled), axis=axes, keepdims=True) + m.square(root * scale))
    # The spread is far from the ends of the range, so that one division serves all elements.
    return sd.cast(scaled * (1 / spread if epsilon else m.divide_no_nan(1, spread)), work.narrow)


class SDLayers(Namespace, prefix="nn", shared={}):
    """Layers of ``sd.nn``."""

    # ------------------------------------------------------------------ affine maps

    @composite(reads=Reading(written.affine))
    def linear(
        self,
        x: Operand,
        weights: Operand,
        bias: Operand | None = None,
        transpose_a: bool = False,
        transpose_b: bool = False,
        transpose_c: bool = False,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Affine map ``x @ weights + bias``.

        Args:
            x: Shape ``(..., n, k)`` or ``(k,)``.
            weights: Shape ``(k, m)``.
            bias: Shape ``(m,)``, or None.
            transpose_a: Whether to exchange the last two axes of ``x`` first.
            transpose_b: Whether to exchange those of ``weights`` first.
            transpose_c: Whether to exchange those of the product, before the bias is added.

        Returns:
            Shape ``(..., n, m)``, promoted dtype.

        Raises:
            ShapeError: If the inner sizes differ, or the bias does not broadcast.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.linear([[1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]], [10.0, 20.0]).eval()
            array([[11., 22.]])
        """
        product = self.sd.linalg.mmul(x, weights, transpose_a, transpose_b, transpose_c)
        return product if bias is None else product + bias

    @composite
    def relu_layer(
        self, x: Operand, weights: Operand, bias: Operand | None = None, *, name: str | None = None
    ) -> SDVariable:
        """Affine map and rectifier: ``relu(x @ weights + bias)``.

        Args:
            x: Shape ``(..., n, k)`` or ``(k,)``.
            weights: Shape ``(k, m)``.
            bias: Shape ``(m,)``, or None.

        Returns:
            Shape ``(..., n, m)``, promoted dtype. The derivative of the rectifier at 0 is 0.

        Raises:
            ShapeError: If the inner sizes differ, or the bias does not broadcast.
            DTypeError: If the numbers are complex.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.relu_layer([[1.0, -2.0]], [[1.0, 0.0], [0.0, 1.0]], [10.0, 1.0]).eval()
            array([[11.,  0.]])
        """
        return self.sd.nn.relu(self.linear(x, weights, bias))

    @composite(reads=Reading(written.with_bias))
    def bias_add(self, x: Operand, bias: Operand, nchw: bool = False, *, name: str | None = None) -> SDVariable:
        """``x + bias`` with one bias per channel.

        Args:
            x: Rank 2 or more.
            bias: Shape ``(channels,)``.
            nchw: Whether axis 1 holds the channels; else the last axis does.

        Returns:
            ``x``'s shape, promoted dtype.

        Raises:
            ShapeError: If ``bias`` is not a vector of the right length.
            ArgumentError: If ``x`` has no channel axis.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.bias_add([[1.0, 2.0]], [10.0, 20.0]).eval()
            array([[11., 22.]])
        """
        v = self.sd.as_variable(x)
        axes = normalize_axis(1 if nchw else -1, v.ndim, what="channel axis")
        return v + along(self.sd.as_variable(bias), v, axes)

    # ------------------------------------------------------------------ normalisation

    @composite(domain=(0.1, 2))
    def batch_norm(
        self,
        x: Operand,
        mean: Operand,
        variance: Operand,
        gamma: Operand | None = None,
        beta: Operand | None = None,
        epsilon: float = 1e-5,
        axis: Axis = -1,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with given statistics.

        Args:
            x: Any shape.
            mean: Means, one axis per entry of ``axis``; or of the rank of ``x``, with size 1 along the other axes.
            variance: Variances, shaped like ``mean``.
            gamma: Scale, shaped like ``mean``; None means 1.
            beta: Offset, shaped like ``mean``; None means 0.
            epsilon: Added to the variance.
            axis: The axis, or axes, of ``x`` that the statistics belong to.

        Returns:
            ``x``'s shape, promoted dtype.

        Raises:
            ShapeError: If a parameter's rank is not the number of axes, or its sizes differ.
            ArgumentError: If ``axis`` is not an axis of ``x``, or ``epsilon`` is negative.

        References:
            S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
            covariate shift", 2015, arXiv:1502.03167.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.batch_norm([[1.0, 2.0]], [1.0, 0.0], [1.0, 4.0], epsilon=0.0).eval()
            array([[0., 1.]])
        """
        sd = self.sd
        not_negative("epsilon", epsilon)
        v = sd.as_variable(x)
        axes = normalize_axis(axis, v.ndim)
        spread = sd.math.sqrt(along(sd.as_variable(variance), v, axes) + epsilon)
        # The reciprocal of a root is never out of range, so that one division serves all that share a parameter.
        out = (v - along(sd.as_variable(mean), v, axes)) * (1 / spread)
        if gamma is not None:
            out = out * along(sd.as_variable(gamma), v, axes)
        return out if beta is None else out + along(sd.as_variable(beta), v, axes)

    @composite
    def layer_norm(
        self,
        x: Operand,
        gain: Operand | None = None,
        bias: Operand | None = None,
        channels_first: bool = False,
        axis: Axis = -1,
        epsilon: float = 1e-5,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``gain * (x - mean) / sqrt(variance + epsilon) + bias`` with the statistics of ``x`` over ``axis``.

        The epsilon is 1e-5 unless you give another; SameDiff has none, which is ``epsilon=0``. Then elements that are
        all equal give 0. Nothing overflows or vanishes on the way, however large or small the deviations are.

        Args:
            x: Rank 1 or more.
            gain: Scale per channel, shape ``(channels,)``; None means 1.
            bias: Offset per channel, shape ``(channels,)``; None means 0.
            channels_first: Whether axis 1 holds the channels; else the last axis does.
            axis: The axis, or axes, that mean and variance are taken over.
            epsilon: Added to the variance.

        Returns:
            ``x``'s shape, floating dtype.

        Raises:
            ShapeError: If ``gain`` or ``bias`` is not a vector of the right length.
            ArgumentError: If ``axis`` is not an axis of ``x``, or ``epsilon`` is negative.

        References:
            J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016, arXiv:1607.06450.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.layer_norm([[1.0, 3.0]], epsilon=0.0).eval()
            array([[-1.,  1.]])
        """
        sd = self.sd
        not_negative("epsilon", epsilon)
        v = sd.as_variable(x)
        axes = normalize_axis(axis, v.ndim)
        out = _normalized(v, axes, epsilon)
        channel = normalize_axis(1 if channels_first else -1, v.ndim, what="channel axis")
        if gain is not None:
            out = out * along(sd.as_variable(gain), v, channel)
        return out if bias is None else out + along(sd.as_variable(bias), v, channel)

    @composite(leaves_out=False, inference=lambda x, **_: _floating(x))
    def dropout(
        self,
        x: Operand,
        probability: float = 0.5,
        inverted: bool = True,
        *,
        seed: int | None = None,
        name: str | None = None,
    ) -> SDVariable:
        """Entries set to zero at random; those kept are divided by the probability of keeping, so that means stay.

        As in SameDiff, ``inverted`` says how ``probability`` is to be read. Dropout acts in every evaluation of a
        variable. `SameDiff.predict`, `SameDiff.evaluate`, the validation of `SameDiff.fit`, and what is compiled with
        ``inference=True`` pass ``x`` on as it is.

        Args:
            x: Any shape.
            probability: The chance that an entry is dropped; with ``inverted=False`` the chance that it is kept.
            inverted: Whether ``probability`` is that of dropping.
            seed: Seed of this draw; None for the graph's. Another ``step=`` of an evaluation gives other draws.

        Returns:
            ``x``'s shape, floating dtype. The gradient passes the entries kept, with the same factor.

        Raises:
            ArgumentError: If ``probability`` is not a probability, or nothing would be kept.

        References:
            N. Srivastava, G. E. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout: a simple way to
            prevent neural networks from overfitting", Journal of Machine Learning Research 15, 2014.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> y = sd.nn.dropout(sd.constant("x", [1.0] * 1000), 0.5, seed=3).eval()
            >>> sorted(set(y.tolist()))
            [0.0, 2.0]
        """
        sd = self.sd
        keep = 1 - probability if inverted else probability
        if not 0 < keep <= 1:
            raise ArgumentError(
                "This probability cannot be used for dropout.",
                given=f"probability={probability!r}, inverted={inverted!r}",
                expected="a chance of keeping an entry above 0 and up to 1",
            )
        if keep == 1:
            return sd.identity(_floating(sd.as_variable(x)))
        return sd.where(sd.random.uniform_like(x, seed=seed) < keep, sd.math.div(x, keep), 0)

    # ------------------------------------------------------------------ padding

    @primitive(
        infer=_infer_pad,
        kernel=_pad,
        vjp=lambda g, y, x, *, padding, mode, constant: g.sd.nn.unpad(g, x, padding=padding, mode=mode),
        reach=LINEAR,
        places=lambda y, x, *, padding, mode, constant: ((_unpad(np, y, x, padding=padding, mode=mode),), constant),
    )
    def pad(
        self,
        x: Operand,
        padding: Sequence[Sequence[int]],
        mode: PadMode = "constant",
        constant: float = 0.0,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """``x`` with more entries before and after each axis.

        Args:
            x: Any shape.
            padding: One pair (before, after) per axis.
            mode: ``"constant"``; ``"reflect"`` to mirror without repeating the border entry; ``"symmetric"`` to mirror
                with it.
            constant: The value of the new entries in the first mode.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.pad([1.0, 2.0, 3.0], [(1, 1)]).eval()
            array([0., 1., 2., 3., 0.])
            >>> sd.nn.pad([1.0, 2.0, 3.0], [(2, 0)], "reflect").eval()
            array([3., 2., 1., 2., 3.])
        """
        ...

    @primitive(
        infer=_infer_unpad,
        kernel=_unpad,
        vjp=lambda h, y, g, x, *, padding, mode: (h.sd.nn.pad(h, padding, mode), None),
        reach=LINEAR,
        is_strided=True,
    )
    def unpad(
        self,
        g: Operand,
        x: Operand,
        padding: Sequence[Sequence[int]],
        mode: PadMode = "constant",
        *,
        name: str | None = None,
    ) -> SDVariable:
        """The transpose of `pad`: what was copied to the border is added back to where it came from.

        Args:
            g: The padded shape.
            x: Lends its shape to the result; its values do not matter.
            padding: One pair (before, after) per axis.
            mode: As for `pad`.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.nn.unpad([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0], [(1, 0)], "reflect").eval()
            array([2., 4., 4.])
        """
        ...

    # ------------------------------------------------------------------ selection

    @primitive(infer=_infer_top_k, kernel=_top_k, vjp=_top_k_vjp, reach=LINEAR)
    def top_k(
        self, x: Operand, k: int, sorted: bool = True, *, name: str | None = None
    ) -> tuple[SDVariable, SDVariable]:
        """The ``k`` largest entries of the last axis, and where they are.

        Of equal entries the one with the smaller index comes first. NaN counts as larger than every number.

        Args:
            x: Rank 1 or more.
            k: How many entries.
            sorted: Whether the largest comes first; else the entries keep their order in ``x``.

        Returns:
            Values (``x``'s dtype) and indices (int64), both of ``x``'s shape with ``k`` entries on the last axis. The
            gradient goes to the entries chosen, of ties to the first ones.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> values, indices = sd.nn.top_k([3.0, 1.0, 5.0], 2)
            >>> values.eval(), indices.eval()
            (array([5., 3.]), array([2, 0]))
        """
        ...

    # ------------------------------------------------------------------ attention

    @composite(leaves_out=False)
    def dot_product_attention(
        self,
        queries: Operand,
        keys: Operand,
        values: Operand,
        mask: Operand | None = None,
        scaled: bool = True,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Dot product attention ``values @ softmax(keys.T @ queries / sqrt(features))``, softmax over the keys.

        Args:
            queries: Shape ``(batch, features, n_queries)`` or ``(batch, heads, features, n_queries)``.
            keys: Shape ``(batch, features, n_keys)``, or with heads.
            values: Shape ``(batch, value_features, n_keys)``, or with heads.
            mask: Shape ``(batch, n_keys)``: 0 for keys to leave out. Where all are left out, all count the same.
            scaled: Whether to divide by the square root of the number of features.

        Returns:
            Shape ``(batch, value_features, n_queries)``, or with heads; promoted dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit, or the number of features is unknown where it is needed.
            DTypeError: If the numbers are complex.

        References:
            A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser, I. Polosukhin, "Attention
            is all you need", 2017, arXiv:1706.03762.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> q, k, v = [[[0.0]]], [[[1.0, 2.0]]], [[[10.0, 20.0]]]
            >>> sd.nn.dot_product_attention(q, k, v).eval()
            array([[[15.]]])
        """
        sd = self.sd
        q, k, v = sd.as_variable(queries), sd.as_variable(keys), sd.as_variable(values)
        if q.ndim not in (3, 4) or k.ndim != q.ndim or v.ndim != q.ndim:
            raise ShapeError(
                "Queries, keys and values need the same rank, 3 or 4.",
                given=", ".join(shape_str(a.shape) for a in (q, k, v)),
            )
        # Of halves the scores need not fit into float16 before they are scaled.
        narrow = np.result_type(q.dtype, k.dtype, v.dtype)
        q, k, v = map(widened, (q, k, v))
        scores = sd.linalg.matmul(swap_last(k), q)
        if scaled:
            features = k.shape[-2] if type(k.shape[-2]) is int else q.shape[-2]
            if not isinstance(features, int):
                raise ShapeError("The number of features must be known to scale by it.", given=shape_str(k.shape))
            scores = scores / math.sqrt(features)
        if mask is not None:
            kept = sd.neq(mask, 0)
            for _ in range(q.ndim - 3):
                kept = sd.expand_dims(kept, 1)
            # Finite, so that a row with nothing but masked keys gives no NaN.
            scores = sd.where(sd.expand_dims(kept, -1), scores, float(np.finfo(scores.dtype).min) / 2)
        out = sd.linalg.matmul(v, sd.nn.softmax(scores, -2))
        return cast_to(out, narrow)

    @composite
    def multi_head_dot_product_attention(
        self,
        queries: Operand,
        keys: Operand,
        values: Operand,
        wq: Operand,
        wk: Operand,
        wv: Operand,
        wo: Operand,
        mask: Operand | None = None,
        scaled: bool = True,
        *,
        name: str | None = None,
    ) -> SDVariable:
        """Dot product attention on several projections of the same arrays, joined by a last projection.

        Args:
            queries: Shape ``(batch, query_features, n_queries)``.
            keys: Shape ``(batch, key_features, n_keys)``.
            values: Shape ``(batch, value_features, n_keys)``.
            wq: Shape ``(heads, projected_keys, query_features)``.
            wk: Shape ``(heads, projected_keys, key_features)``.
            wv: Shape ``(heads, projected_values, value_features)``.
            wo: Shape ``(heads * projected_values, out)``.
            mask: Shape ``(batch, n_keys)``: 0 for keys to leave out.
            scaled: Whether to divide by the square root of ``projected_keys``.

        Returns:
            Shape ``(batch, out, n_queries)``, promoted dtype.

        Raises:
            ShapeError: If ranks or sizes do not fit.
            DTypeError: If the numbers are complex.

        References:
            A. Vaswani, N. Shazeer, N. Parmar, J. Uszkoreit, L. Jones, A. N. Gomez, L. Kaiser, I. Polosukhin, "Attention
            is all you need", 2017, arXiv:1706.03762.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> x, w = [[[1.0, 2.0]]], [[[1.0]], [[2.0]]]
            >>> sd.nn.multi_head_dot_product_attention(x, x, x, w, w, w, [[1.0], [1.0]]).shape
            (1, 1, 2)
        """
        sd = self.sd
        arrays = [sd.as_variable(a) for a in (queries, keys, values, wq, wk, wv)]
        if any(a.ndim != 3 for a in arrays):
            raise ShapeError(
                "Queries, keys, values and their projections have rank 3.",
                given=", ".join(shape_str(a.shape) for a in arrays),
            )
        project = sd.linalg.matmul
        q, k, v = (project(w, sd.expand_dims(a, 1)) for w, a in zip(arrays[3:], arrays[:3], strict=True))
        attended = self.dot_product_attention(q, k, v, mask, scaled)
        heads, projected = arrays[5].shape[0], arrays[5].shape[1]
        joined = sd.as_variable(wo)
        if type(heads) is not int or type(projected) is not int or joined.ndim != 2:
            raise ShapeError(
                "The projections need known sizes, and the last one rank 2.",
                given=f"{shape_str(arrays[5].shape)} and {shape_str(joined.shape)}",
            )
        rows, columns = joined.shape
        if type(rows) is not int:
            # A reshape would take columns for rows if there were too many of them.
            per_head = sd.stack(*sd.split(joined, heads), axis=0)
        elif rows == heads * projected:
            per_head = sd.reshape(joined, (heads, projected, columns))
        else:
            raise ShapeError(
                "The last projection needs a row per head and projected feature.",
                given=shape_str(joined.shape),
                expected=f"{heads * projected} rows, for {heads} heads of {projected}",
            )
        return sd.sum(sd.linalg.matmul(swap_last(per_head), attended), axis=1)

"""The five operations that convolution and pooling come down to: one part of ``sd.cnn``.

One form, linear in each of three arrays, ``T(x, w, g) = sum x[n, s o + d k - p, c] w[k, c, f] g[n, o, f]``, has three
derivatives: `conv` by ``g``, `conv_input` by ``x``, `conv_kernel` by ``w``. Each is linear in both of its operands, and
their gradients are the other two. Knows windows of known places only: what "same" means is for who calls this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdgraph.build.decorators import composite, primitive
from sdgraph.build.namespace import GraphLike, Namespace
from sdgraph.build.op import LINEAR, ZERO_GRADIENT
from sdgraph.build.variable import SDVariable
from sdgraph.checks import whole
from sdgraph.errors import DTypeError, ShapeError
from sdgraph.infer import shapes, windows
from sdgraph.infer.aval import Aval, promote, shape_str

if TYPE_CHECKING:
    from sdgraph.build.masks import Mask
    from sdgraph.build.variable import Operand

    Each = int | Sequence[int]
    Pads = int | Sequence[int | Sequence[int]]


# ---------------------------------------------------------------------- settings and shapes


def _space(x: Aval, *others: Aval) -> int:
    """The number of axes that windows slide along."""
    ranks = {len(v.shape) for v in (x, *others)}
    if len(ranks) != 1 or max(ranks) < 3:
        raise ShapeError(
            "An array with axes (images, ..., channels) and filters with axes (..., channels, filters) are needed.",
            given=" and ".join(shape_str(v.shape) for v in (x, *others)),
            expected="the same rank, 3 or more",
        )
    return max(ranks) - 2


def _settle(attrs: Mapping[str, Any], avals: Sequence[Aval], values: Any) -> dict[str, Any]:
    axes = _space(*avals[:2])
    found = windows.settled(attrs, axes)
    if "sizes" in found:
        found["sizes"] = windows.sizes_of(found["sizes"], axes)
    whole("groups", found["groups"], least=1)
    return found


def _settle_windows(attrs: Mapping[str, Any], avals: Sequence[Aval], values: Any) -> dict[str, Any]:
    axes = len(avals[0].shape)
    if not axes:
        raise ShapeError("Windows slide along axes.", given=shape_str(avals[0].shape), expected="rank 1 or more")
    return {**windows.settled(attrs, axes), "sizes": windows.per_axis("sizes", attrs["sizes"], axes)}


def _check(
    x: Aval, w: Aval, g: Aval | None, strides: Sequence[int], dilation: Sequence[int], pads: Any, groups: int
) -> None:
    """Raise unless array, filters and result fit each other, as far as their sizes are known."""
    c, per_group, f, k = x.shape[-1], w.shape[-2], w.shape[-1], w.shape[:-2]
    if any(n == 0 for n in k):
        raise ShapeError("A window has at least one place along each axis.", given=f"filters {shape_str(w.shape)}")
    if type(per_group) is int and shapes.known_to_differ(c, per_group * groups):
        raise ShapeError(
            "The filters do not take as many channels as there are.",
            given=f"{c} channels, filters {shape_str(w.shape)}, groups={groups}",
            expected="filters (..., channels / groups, filters)",
            fix="Give groups=..., or move the axis of the channels to the end.",
        )
    if (type(f) is int and f % groups) or (type(c) is int and c % groups):
        raise ShapeError("Channels and filters are divided among groups.", given=f"{c} and {f}, groups={groups}")
    if g is None:
        return
    outs = (x.shape[0], *windows.out_sizes(x.shape[1:-1], k, strides, dilation, pads), f)
    shapes.must_have(g, outs, "These windows do not have that many places.")


def _infer_conv(x: Aval, w: Aval, *, strides: Any, dilation: Any, pads: Any, groups: int) -> Aval:
    """The places of the windows and the filters.

    Returns:
        Shape ``(N, *out, F)``, where ``out`` is ``(n + low + high - d (k - 1) - 1) // s + 1``, at least 0, along each
        axis; the promoted dtype.

    Raises:
        ShapeError: If ranks, channels, filters and groups do not fit each other.
        ArgumentError: If a setting is not one whole number, or one for each axis.
    """
    _space(x, w)
    _check(x, w, None, strides, dilation, pads, groups)
    outs = windows.out_sizes(x.shape[1:-1], w.shape[:-2], strides, dilation, pads)
    return Aval((x.shape[0], *outs, w.shape[-1]), promote(x.dtype, w.dtype))


def _infer_input(g: Aval, w: Aval, *, sizes: Any, strides: Any, dilation: Any, pads: Any, groups: int) -> Aval:
    """The array that the windows slide over.

    Returns:
        Shape ``(N, *sizes, C)``, the promoted dtype.

    Raises:
        ShapeError: If ranks, sizes, filters and groups do not fit each other.
        ArgumentError: If a setting is not one whole number, or one for each axis.
    """
    _space(g, w)
    c = w.shape[-2]
    x = Aval((g.shape[0], *sizes, c * groups if type(c) is int else None), promote(g.dtype, w.dtype))
    _check(x, w, g, strides, dilation, pads, groups)
    return x


def _infer_kernel(x: Aval, g: Aval, *, sizes: Any, strides: Any, dilation: Any, pads: Any, groups: int) -> Aval:
    """The filters.

    Returns:
        Shape ``(*sizes, C / groups, F)``, the promoted dtype.

    Raises:
        ShapeError: If ranks, sizes, channels, filters and groups do not fit each other.
        ArgumentError: If a setting is not one whole number, or one for each axis.
    """
    _space(x, g)
    c = x.shape[-1]
    w = Aval((*sizes, c // groups if type(c) is int else None, g.shape[-1]), promote(x.dtype, g.dtype))
    _check(x, w, g, strides, dilation, pads, groups)
    return w


def _infer_max(x: Aval, *, sizes: Any, strides: Any, dilation: Any, pads: Any) -> Aval:
    """The places of the windows.

    Returns:
        ``(n + low + high - d (k - 1) - 1) // s + 1``, at least 0, along each axis; the same dtype.

    Raises:
        DTypeError: If ``x`` is complex.
        ShapeError: If ``x`` has no axis, or a window lies in the padding alone.
        ArgumentError: If a setting is not one whole number, or one for each axis.
    """
    if x.dtype.kind == "c":
        raise DTypeError("Complex numbers have no order.", given=x.dtype.name)
    windows.must_read_something(x.shape, sizes, strides, dilation, pads)
    return Aval(windows.out_sizes(x.shape, sizes, strides, dilation, pads), x.dtype)


def _infer_first(x: Aval, y: Aval, **settings: Any) -> Aval:
    """One position for each window.

    Returns:
        The shape of ``y``, int64. The gradient is 0.

    Raises:
        DTypeError: If ``x`` is complex.
        ShapeError: If ``y`` does not have one number for each window.
        ArgumentError: If a setting is not one whole number, or one for each axis.
    """
    shapes.must_have(y, _infer_max(x, **settings).shape, "There is not one number for each window.")
    return Aval(y.shape, shapes.INT64)


# ---------------------------------------------------------------------- gradients


def _known(x: SDVariable, axes: slice) -> bool:
    return all(type(n) is int for n in x.shape[axes])


def _to_input(g: SDVariable, w: SDVariable, x: SDVariable, a: Mapping[str, Any]) -> SDVariable:
    """`SDWindows.conv_input` for an array like ``x``."""
    if _known(x, slice(1, -1)):
        return g.sd.cnn.conv_input(g, w, sizes=x.shape[1:-1], **a)
    return _input_like(g.sd, g, w, x, **a)


def _to_kernel(x: SDVariable, g: SDVariable, w: SDVariable, a: Mapping[str, Any]) -> SDVariable:
    """`SDWindows.conv_kernel` for filters like ``w``."""
    if _known(w, slice(0, -2)):
        return x.sd.cnn.conv_kernel(x, g, sizes=w.shape[:-2], **a)
    return _kernel_like(x.sd, x, g, w, **a)


def _infer_like(x: Aval, y: Aval, like: Aval, **_: Any) -> Aval:
    return Aval(like.shape, promote(x.dtype, y.dtype))


@composite(infer=_infer_like, shape_of=(2,))
def _input_like(
    sd: GraphLike, g: Operand, w: Operand, like: Operand, *, strides: Each, dilation: Each, pads: Pads, groups: int
) -> SDVariable:
    """`SDWindows.conv_input` for sizes that are known when it runs."""
    sizes = sd.as_variable(like).shape[1:-1]
    return sd.cnn.conv_input(g, w, sizes=sizes, strides=strides, dilation=dilation, pads=pads, groups=groups)


@composite(infer=_infer_like, shape_of=(2,))
def _kernel_like(
    sd: GraphLike, x: Operand, g: Operand, like: Operand, *, strides: Each, dilation: Each, pads: Pads, groups: int
) -> SDVariable:
    """`SDWindows.conv_kernel` for sizes that are known when it runs."""
    sizes = sd.as_variable(like).shape[:-2]
    return sd.cnn.conv_kernel(x, g, sizes=sizes, strides=strides, dilation=dilation, pads=pads, groups=groups)


def _conv_vjp(g: SDVariable, y: SDVariable, x: SDVariable, w: SDVariable, **a: Any) -> tuple[SDVariable, SDVariable]:
    return _to_input(g, w, x, a), _to_kernel(x, g, w, a)


def _input_vjp(
    u: SDVariable, y: SDVariable, g: SDVariable, w: SDVariable, *, sizes: Any, **a: Any
) -> tuple[SDVariable, SDVariable]:
    return u.sd.cnn.conv(u, w, **a), _to_kernel(u, g, w, a)


def _kernel_vjp(
    v: SDVariable, y: SDVariable, x: SDVariable, g: SDVariable, *, sizes: Any, **a: Any
) -> tuple[SDVariable, SDVariable]:
    return _to_input(g, v, x, a), v.sd.cnn.conv(x, v, **a)


def _max_vjp(g: SDVariable, y: SDVariable, x: SDVariable, **a: Any) -> SDVariable:
    """All to the first of the largest: scattered there, and gathered from there by the derivatives of that."""
    sd = g.sd
    at = sd.cnn.window_first(x, y, **a)
    flat = sd.reshape(sd.zeros_like(x), (-1,))
    return sd.reshape_like(sd.scatter_add(flat, sd.reshape(at, (-1,)), sd.reshape(g, (-1,))), x)


# ---------------------------------------------------------------------- what counts


def _whole_images(live: SDVariable) -> bool:
    return all(n == 1 for n in live.shape[1:])


def _marked(vjp: Callable[..., Any], live: SDVariable, y: SDVariable, a: Any, b: Any, attrs: Any) -> Any:
    """Numbers that are not 0 where an entry of an operand meets a place of the result that counts."""
    sd = y.sd
    return vjp(sd.broadcast_like(sd.cast(live, y.dtype), y), y, sd.ones_like(a), sd.ones_like(b), **attrs)


def _reach_of(vjp: Callable[..., Any], images: bool) -> Any:
    """The reach of one of the three, with this gradient. Where whole images count or do not, no product is needed."""

    def reach(mask: Mask, y: SDVariable, a: SDVariable, b: SDVariable, **attrs: Any) -> tuple[Mask, Mask]:
        live = mask.variable()
        if images and _whole_images(live):
            return mask, mask.over(*range(y.ndim)).as_scalar()
        of = mask.pool.of_marks
        marked = _marked(vjp, live, y, a, b, attrs)
        return of(marked[0]), of(marked[1])

    return reach


def _masked_of(images: bool) -> Any:
    """Gradients without what does not count: entries that meet nothing that counts are 0 in both products."""

    def masked(
        vjp: Callable[..., Any],
        g: SDVariable,
        live: SDVariable,
        y: SDVariable,
        a: SDVariable,
        b: SDVariable,
        **attrs: Any,
    ) -> tuple[SDVariable, SDVariable]:
        sd = g.sd
        if images and _whole_images(live):
            da, db = vjp(g, y, sd.where(live, a, 0.0), b, **attrs)
            return sd.where(live, da, 0.0), db
        in_a, in_b = (m.neq(0) for m in _marked(vjp, live, y, a, b, attrs))
        da, db = vjp(g, y, sd.where(in_a, a, 0.0), sd.where(in_b, b, 0.0), **attrs)
        return sd.where(in_a, da, 0.0), sd.where(in_b, db, 0.0)

    return masked


# ---------------------------------------------------------------------- the namespace

_SHARED = {
    "strides": "How far apart windows are: a whole number, or one for each axis.",
    "dilation": "How far apart the places are that a window reads, likewise.",
    "pads": "Zeros around the array: a number, or for each axis a number or a pair (before, behind). Negative ones cut"
    " off.",
    "groups": "Into how many groups channels and filters are divided; each filter reads the channels of its group.",
}


class SDWindows(Namespace, prefix="cnn", shared=_SHARED):
    """Windows that slide along any number of axes."""

    @primitive(
        infer=_infer_conv,
        settle=_settle,
        kernel="sdgraph.ops.cnn.kernels:conv",
        vjp=_conv_vjp,
        reach=_reach_of(_conv_vjp, images=True),
        masked_vjp=_masked_of(images=True),
    )
    def conv(
        self,
        x: Operand,
        w: Operand,
        *,
        strides: Each = 1,
        dilation: Each = 1,
        pads: Pads = 0,
        groups: int = 1,
        name: str | None = None,
    ) -> SDVariable:
        """Convolution along any number of axes: ``y[n, o, f] = sum x[n, s o + d k - p, c] w[k, c, f]``.

        The sum is over places ``k`` of the window and channels ``c``; ``x`` is 0 outside. As everywhere in deep
        learning the window is not turned around. `SDCNN.conv2d` has other layouts, padding by name, and a bias.

        Args:
            x: Shape ``(N, *space, C)``.
            w: Shape ``(*k, C / groups, F)``.

        Example:
            >>> import sdgraph.nd as nd
            >>> import numpy as np
            >>> x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
            >>> nd.cnn.conv(x, np.array([1.0, -1.0]).reshape(2, 1, 1)).ravel()
            array([-1., -2., -4.])
        """
        ...

    @primitive(
        infer=_infer_input,
        settle=_settle,
        kernel="sdgraph.ops.cnn.kernels:conv_input",
        vjp=_input_vjp,
        reach=_reach_of(_input_vjp, images=True),
        masked_vjp=_masked_of(images=True),
    )
    def conv_input(
        self,
        g: Operand,
        w: Operand,
        *,
        sizes: Sequence[int],
        strides: Each = 1,
        dilation: Each = 1,
        pads: Pads = 0,
        groups: int = 1,
        name: str | None = None,
    ) -> SDVariable:
        """The gradient of `conv` by ``x``: ``x[n, s o + d k - p, c] = sum g[n, o, f] w[k, c, f]``.

        This is what is called a transposed convolution.

        Args:
            g: Shape ``(N, *out, F)``, the places that `conv` has.
            w: Shape ``(*k, C / groups, F)``.
            sizes: The sizes ``space`` of the result, which ``out`` does not tell.

        Example:
            >>> import sdgraph.nd as nd
            >>> import numpy as np
            >>> g = np.array([1.0, 2.0]).reshape(1, 2, 1)
            >>> w = np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
            >>> nd.cnn.conv_input(g, w, sizes=(5,), strides=2).ravel()
            array([  1.,  10., 102.,  20., 200.])
        """
        ...

    @primitive(
        infer=_infer_kernel,
        settle=_settle,
        kernel="sdgraph.ops.cnn.kernels:conv_kernel",
        vjp=_kernel_vjp,
        reach=_reach_of(_kernel_vjp, images=False),
        masked_vjp=_masked_of(images=False),
    )
    def conv_kernel(
        self,
        x: Operand,
        g: Operand,
        *,
        sizes: Sequence[int],
        strides: Each = 1,
        dilation: Each = 1,
        pads: Pads = 0,
        groups: int = 1,
        name: str | None = None,
    ) -> SDVariable:
        """The gradient of `conv` by ``w``: ``w[k, c, f] = sum x[n, s o + d k - p, c] g[n, o, f]``.

        Args:
            x: Shape ``(N, *space, C)``.
            g: Shape ``(N, *out, F)``, the places that `conv` has.
            sizes: The sizes ``k`` of the window.

        Example:
            >>> import sdgraph.nd as nd
            >>> import numpy as np
            >>> x = np.array([1.0, 2.0, 4.0, 8.0]).reshape(1, 4, 1)
            >>> nd.cnn.conv_kernel(x, np.ones((1, 3, 1)), sizes=(2,)).ravel()
            array([ 7., 14.])
        """
        ...

    @primitive(
        infer=_infer_max,
        settle=_settle_windows,
        kernel="sdgraph.ops.cnn.maxima:window_max",
        vjp=_max_vjp,
        reach=LINEAR,
    )
    def window_max(
        self,
        x: Operand,
        *,
        sizes: Each,
        strides: Each = 1,
        dilation: Each = 1,
        pads: Pads = 0,
        name: str | None = None,
    ) -> SDVariable:
        """The largest number in each window, which slides along all axes. NaN wins.

        The whole gradient goes to the first of the largest entries in the order in which arrays are stored.

        Args:
            x: Real numbers or bools of any shape with an axis.
            sizes: The sizes of the window: a whole number, or one for each axis.
            pads: Places that are never read: a number, or for each axis a number or a pair (before, behind).

        Example:
            >>> import sdgraph.nd as nd
            >>> nd.cnn.window_max([1.0, 5.0, 2.0, 3.0], sizes=2)
            array([5., 5., 3.])
        """
        ...

    @primitive(
        infer=_infer_first,
        settle=_settle_windows,
        kernel="sdgraph.ops.cnn.maxima:window_first",
        vjp=ZERO_GRADIENT,
    )
    def window_first(
        self,
        x: Operand,
        y: Operand,
        *,
        sizes: Each,
        strides: Each = 1,
        dilation: Each = 1,
        pads: Pads = 0,
        name: str | None = None,
    ) -> SDVariable:
        """Where in the flat array ``x`` each window has its largest number ``y`` for the first time.

        Args:
            x: Real numbers or bools of any shape with an axis.
            y: `window_max` of ``x`` with the same settings. For other numbers the position means nothing.
            sizes: The sizes of the window: a whole number, or one for each axis.
            pads: Places that are never read: a number, or for each axis a number or a pair (before, behind).

        Example:
            >>> import sdgraph.nd as nd
            >>> x = [1.0, 5.0, 2.0, 3.0]
            >>> nd.cnn.window_first(x, nd.cnn.window_max(x, sizes=2), sizes=2)
            array([1, 1, 3])
        """
        ...

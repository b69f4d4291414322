"""Colours: what they are in other systems, and images of another contrast, hue or saturation.

Colours stand on the last axis, red, green and blue between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from sdgraph.build.decorators import composite
from sdgraph.build.docstrings import Meaning
from sdgraph.build.namespace import Namespace
from sdgraph.build.variable import SDVariable
from sdgraph.checks import finite
from sdgraph.errors import ShapeError
from sdgraph.infer.aval import shape_str
from sdgraph.ops.image.pixels import as_averaged, must_be_real

if TYPE_CHECKING:
    from sdgraph.build.variable import Operand

# ---------------------------------------------------------------------- operands


def _colours(x: SDVariable) -> SDVariable:
    """Colours, floating, whose last axis has three entries: a size that is unknown is one in a run, or an error."""
    must_be_real(x.aval)
    d = x.shape[-1] if x.shape else 0
    if type(d) is int and d != 3:
        raise ShapeError(
            "Colours have three channels on the last axis.", given=shape_str(x.shape), expected="shape (..., 3)"
        )
    x = as_averaged(x)
    return x if d == 3 else x.sd.stack(*_channels(x), axis=-1)


def _image(x: SDVariable) -> SDVariable:
    """Images, floating, channels last."""
    must_be_real(x.aval)
    if x.ndim < 3:
        raise ShapeError(
            "Images have the shape (height, width, channels), or more axes in front.",
            given=shape_str(x.shape),
            expected="rank 3 or more",
        )
    return as_averaged(x)


# ---------------------------------------------------------------------- pieces

_YIQ: Final = (
    (0.299, 0.587, 0.114),
    (0.59590059, -0.27455667, -0.32134392),
    (0.2115, -0.52273617, 0.31119955),
)
_FROM_YIQ: Final = ((1, 0.95598634, 0.6208248), (1, -0.27201283, -0.64720424), (1, -1.10674021, 1.70423049))
_YUV: Final = (
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.2888691, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)
_FROM_YUV: Final = ((1, 0, 1.13988303), (1, -0.394642334, -0.58062185), (1, 2.03206185, 0))
_FIRST: Final = (5.0, 3.0, 1.0)
"""How far red, green and blue are from the hue in which they begin to fall, in sixths of the circle."""


def _channels(x: Any) -> tuple[SDVariable, ...]:
    return x.sd.unstack(x, -1, 3)


def _mixed(x: SDVariable, matrix: Sequence[Sequence[float]]) -> SDVariable:
    """Each colour times a matrix, whose zeros are not multiplied."""
    channels = _channels(_colours(x))
    rows = []
    for row in matrix:
        terms = [c if w == 1 else w * c for w, c in zip(row, channels, strict=True) if w]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        rows.append(total)
    return x.sd.stack(*rows, axis=-1)


def _sixths(r: SDVariable, g: SDVariable, b: SDVariable) -> SDVariable:
    """The hue in sixths of the circle, from -1 to 5; 0 for greys.

    In each sixth the largest and the smallest channel are named as they are, so that slopes are right where two of them
    are equal: the quotients meet there without a kink.
    """
    sd, m = r.sd, r.sd.math

    def part(x: SDVariable, y: SDVariable, top: SDVariable) -> SDVariable:
        return m.divide_no_nan(x - y, top - m.min(x, y))

    red = m.and_(r >= g, r >= b)
    return sd.where(red, part(g, b, r), sd.where(g >= b, 2 + part(b, r, g), 4 + part(r, g, b)))


def _fallen(sixths: SDVariable, first: float) -> SDVariable:
    """How far a channel is below the largest one at a hue, from 0 to 1."""
    m = sixths.sd.math
    k = m.floor_mod(sixths + first, 6)
    return m.clip_by_value(m.min(k, 4 - k), 0.0, 1.0)


def _largest(x: SDVariable) -> tuple[SDVariable, SDVariable]:
    """The largest channel, and by how much it is above the smallest."""
    largest = x.sd.max(x, -1)
    return largest, largest - x.sd.min(x, -1)


_SHARED = {
    "x": Meaning(
        "Colours on the last axis: shape ``(..., 3)``.",
        "ShapeError: If the last axis does not have three entries.\n    DTypeError: If the numbers are complex.",
    )
}


class SDColours(Namespace, prefix="image", shared=_SHARED):
    """Colours of images."""

    @composite
    def rgb_to_hsv(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Red, green and blue as hue, saturation and value, between 0 and 1.

        The value is the largest channel, the saturation its distance to the smallest one over it, and the hue the place
        on a circle from red over green and blue. Greys have hue 0, black also saturation 0, and the gradient of the
        hue is 0 there; that of the value goes to all channels that are the largest.

        Returns:
            The same shape; whole numbers become floating.

        References:
            A. R. Smith, "Color gamut transform pairs", 1978, doi:10.1145/965139.807361.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.rgb_to_hsv([0.0, 0.5, 0.0]).eval().round(3)
            array([0.333, 1.   , 0.5  ])
        """
        sd = self.sd
        v = _colours(sd.as_variable(x))
        sixths = _sixths(*_channels(v))
        largest, spread = _largest(v)
        hue = sd.where(sixths < 0, sixths + 6, sixths) / 6
        return sd.stack(hue, sd.math.divide_no_nan(spread, largest), largest, axis=-1)

    @composite
    def hsv_to_rgb(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Hue, saturation and value as red, green and blue: ``value (1 - saturation f(hue))``.

        The f of a channel is 0 in the third of the circle around its own hue, 1 in the one opposite, and straight in
        between. Hues are those of a circle: 1 is 0 again. At the ends of a piece the derivative is that of the piece
        that is not constant.

        Returns:
            The same shape; whole numbers become floating.

        References:
            A. R. Smith, "Color gamut transform pairs", 1978, doi:10.1145/965139.807361.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.hsv_to_rgb([0.5, 1.0, 0.25]).eval()
            array([0.  , 0.25, 0.25])
        """
        sd = self.sd
        hue, saturation, value = _channels(_colours(sd.as_variable(x)))
        sixths, depth = 6 * hue, value * saturation
        return sd.stack(*(value - depth * _fallen(sixths, k) for k in _FIRST), axis=-1)

    @composite
    def rgb_to_yiq(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Red, green and blue in the system of American colour television: brightness Y and two differences, I and Q.

        A product with a matrix, whose numbers are SameDiff's: Q of white is -0.00003662, not 0.

        Returns:
            The same shape; whole numbers become floating.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.rgb_to_yiq([1.0, 0.0, 0.0]).eval().round(4)
            array([0.299 , 0.5959, 0.2115])
        """
        return _mixed(self.sd.as_variable(x), _YIQ)

    @composite
    def yiq_to_rgb(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """What `rgb_to_yiq` was made of, but for the rounding of its constants.

        Returns:
            The same shape; whole numbers become floating.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.yiq_to_rgb([0.299, 0.5959, 0.2115]).eval().round(2) + 0.0
            array([1., 0., 0.])
        """
        return _mixed(self.sd.as_variable(x), _FROM_YIQ)

    @composite
    def rgb_to_yuv(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """Red, green and blue in the system of European colour television: brightness Y and two differences, U and V.

        Returns:
            The same shape; whole numbers become floating.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.rgb_to_yuv([0.0, 0.0, 1.0]).eval().round(4)
            array([ 0.114,  0.436, -0.1  ])
        """
        return _mixed(self.sd.as_variable(x), _YUV)

    @composite
    def yuv_to_rgb(self, x: Operand, *, name: str | None = None) -> SDVariable:
        """What `rgb_to_yuv` was made of, but for the rounding of its constants.

        Returns:
            The same shape; whole numbers become floating.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.yuv_to_rgb([0.114, 0.436, -0.1]).eval().round(2) + 0.0
            array([0., 0., 1.])
        """
        return _mixed(self.sd.as_variable(x), _FROM_YUV)

    @composite
    def adjust_contrast(self, x: Operand, factor: float, *, name: str | None = None) -> SDVariable:
        """Each channel of each image further from its mean, or nearer: ``factor (x - mean) + mean``.

        Args:
            x: Images, channels last: shape ``(..., height, width, channels)``.
            factor: By what distances to the mean are multiplied.

        Returns:
            The same shape; whole numbers become floating.

        Raises:
            ShapeError: If the rank is below 3.
            DTypeError: If the numbers are complex.
            ArgumentError: If ``factor`` is not finite.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.adjust_contrast([[[1.0], [3.0]]], 2.0).eval().reshape(-1)
            array([0., 4.])
        """
        finite("factor", factor)
        v = _image(self.sd.as_variable(x))
        mean = self.sd.mean(v, (-3, -2), keepdims=True)
        return factor * (v - mean) + mean

    @composite
    def adjust_hue(self, x: Operand, delta: float, *, name: str | None = None) -> SDVariable:
        """Images whose hues are turned, with the same saturation and value.

        Where two channels are equal, and where a hue comes to lie on one of the six corners, derivatives are those of
        the pieces that meet there, mixed.

        Args:
            x: Images, colours last: shape ``(..., height, width, 3)``.
            delta: What is added to the hue, as part of the circle.

        Returns:
            The same shape; whole numbers become floating.

        Raises:
            ShapeError: If the rank is below 3, or the last axis does not have three entries.
            DTypeError: If the numbers are complex.
            ArgumentError: If ``delta`` is not finite.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.adjust_hue([[[1.0, 0.5, 0.0]]], 0.5).eval().round(3).reshape(-1)
            array([0. , 0.5, 1. ])
        """
        sd = self.sd
        finite("delta", delta)
        v = _colours(_image(sd.as_variable(x)))
        largest, spread = _largest(v)
        sixths = _sixths(*_channels(v)) + 6 * delta
        return sd.stack(*(largest - spread * _fallen(sixths, k) for k in _FIRST), axis=-1)

    @composite
    def adjust_saturation(self, x: Operand, factor: float, *, name: str | None = None) -> SDVariable:
        """Images whose saturation is multiplied, but stays between 0 and 1, with the same hue and value.

        Each channel goes towards the largest one or away from it. Where the saturation reaches 1, the derivative is the
        mean of those on both sides; a gradient by the largest channel goes to all that are the largest.

        Args:
            x: Images, colours last: shape ``(..., height, width, 3)``.
            factor: By what the saturation is multiplied; 0 makes greys.

        Returns:
            The same shape; whole numbers become floating.

        Raises:
            ShapeError: If the rank is below 3, or the last axis does not have three entries.
            DTypeError: If the numbers are complex.
            ArgumentError: If ``factor`` is not finite.

        Example:
            >>> from sdgraph import SameDiff
            >>> sd = SameDiff(dtype="float64")
            >>> sd.image.adjust_saturation([[[1.0, 0.5, 0.75]]], 0.5).eval().reshape(-1)
            array([1.   , 0.75 , 0.875])
        """
        sd, m = self.sd, self.sd.math
        factor = max(finite("factor", factor), 0.0)
        v = _colours(_image(sd.as_variable(x)))
        largest = sd.max(v, -1, keepdims=True)
        spread = largest - sd.min(v, -1, keepdims=True)
        # No more than what brings the smallest channel to 0; whatever it is for greys, it multiplies 0.
        most = sd.where(spread > 0, largest / spread, factor)
        return largest - m.max(m.min(most, factor), 0.0) * (largest - v)

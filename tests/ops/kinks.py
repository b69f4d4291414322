"""Where functions have kinks, jumps or infinite slopes, and the gradient they have there.

Each op has points and the gradient of the sum of its result with respect to each operand at these points.
"""

import math
from dataclasses import dataclass, field
from typing import Any

INF = float("inf")


@dataclass(frozen=True)
class Kink:
    """Operands, the gradients by the operands that are not None among ``gradients``, and attributes."""

    operands: tuple[Any, ...]
    gradients: tuple[Any, ...]
    attrs: dict[str, Any] = field(default_factory=dict)


def at(*operands, gives, **attrs):
    return Kink(operands, gives if isinstance(gives, tuple) else (gives,), attrs)


_JUMPS = at([-1.0, 0.0, 1.0], gives=[0.0, 0.0, 0.0])

KINKS = {
    "math.abs": at([0.0], gives=[0.0]),
    "math.sign": at([0.0], gives=[0.0]),
    "math.floor": _JUMPS,
    "math.ceil": _JUMPS,
    "math.round": at([-0.5, 0.5, 1.5], gives=[0.0, 0.0, 0.0]),
    "math.step": at([0.0], gives=[0.0]),
    "math.floor_div": at([4.0], [2.0], gives=([0.0], [0.0])),
    "math.fmod": at([4.0, -4.0], [2.0, 2.0], gives=([1.0, 1.0], [-2.0, 2.0])),
    "math.floor_mod": at([4.0, -4.0], [2.0, 2.0], gives=([1.0, 1.0], [-2.0, 2.0])),
    "math.mod": at([4.0, -4.0], [2.0, 2.0], gives=([1.0, 1.0], [-2.0, 2.0])),
    "math.max": at([1.0], [1.0], gives=([0.5], [0.5])),
    "math.min": at([1.0], [1.0], gives=([0.5], [0.5])),
    "math.clip_by_value": at([0.0, 1.0], gives=[1.0, 1.0], clip_value_min=0.0, clip_value_max=1.0),
    "math.clip_by_norm": at([3.0, 4.0], gives=[1.0, 1.0], clip_value=5.0),
    "math.reciprocal": at([0.0], gives=[-INF]),
    "math.pow": at([0.0, 0.0], [0.5, 0.0], gives=([INF, 0.0], [0.0, 0.0])),
    "math.multiply_no_nan": at([INF, 2.0], [0.0, 0.0], gives=([0.0, 0.0], [INF, 2.0])),
    "math.divide_no_nan": at([1.0], [0.0], gives=([0.0], [0.0])),
    "math.xdivy": at([0.0], [2.0], gives=([0.5], [0.0])),
    "math.ln": at([0.0], gives=[INF]),
    "math.log": at([0.0], gives=[INF]),
    "math.log1p": at([-1.0], gives=[INF]),
    "math.xlogy": at([0.0, 0.0], [0.0, 1.0], gives=([0.0, 0.0], [0.0, 0.0])),
    "math.xlog1py": at([0.0, 0.0], [-1.0, 0.0], gives=([0.0, 0.0], [0.0, 0.0])),
    "math.sqrt": at([0.0], gives=[0.0]),
    "math.rsqrt": at([0.0], gives=[-INF]),
    "math.hypot": at([0.0], [0.0], gives=([0.0], [0.0])),
    "math.atan2": at([0.0], [0.0], gives=([0.0], [0.0])),
    "math.asin": at([-1.0, 1.0], gives=[INF, INF]),
    "math.acos": at([-1.0, 1.0], gives=[-INF, -INF]),
    "math.acosh": at([1.0], gives=[INF]),
    "math.atanh": at([-1.0, 1.0], gives=[INF, INF]),
    "math.erfinv": at([-1.0, 1.0], gives=[INF, INF]),
    "math.rectified_tanh": at([0.0], gives=[0.0]),
    "math.log_sum_exp": at([-INF, -INF], gives=[0.0, 0.0]),
    "math.cosine_similarity": at([0.0, 0.0], [3.0, 4.0], gives=([0.0, 0.0], [0.0, 0.0])),
    "math.cosine_distance": at([0.0, 0.0], [3.0, 4.0], gives=([0.0, 0.0], [0.0, 0.0])),
    "math.euclidean_distance": at([1.0, 2.0], [1.0, 2.0], gives=([0.0, 0.0], [0.0, 0.0])),
    "math.manhattan_distance": at([1.0, 2.0], [1.0, 1.0], gives=([0.0, 1.0], [0.0, -1.0])),
    "math.entropy": at([0.0, 1.0], gives=[0.0, -1.0]),
    "math.shannon_entropy": at([0.0, 0.5], gives=[0.0, -1 / math.log(2) + 1]),
    "math.jaccard_distance": at([0.0, 0.0], [0.0, 0.0], gives=([0.0, 0.0], [0.0, 0.0])),
    "math.reduce_amean": at([0.0, 2.0], gives=[0.0, 0.5]),
    "math.reduce_amin": [at([2.0, -2.0, 3.0], gives=[0.5, -0.5, 0.0]), at([0.0, 0.0], gives=[0.0, 0.0])],
    "math.clip_by_avg_norm": at([3.0, 4.0], gives=[1.0, 1.0], clip_value=2.5),
    "math.median": at([1.0, 2.0, 2.0, 3.0], gives=[0.0, 0.5, 0.5, 0.0]),
    "math.quantile": at([1.0, 1.0, 3.0], gives=[0.0, 0.5, 0.5], q=0.75),
    "math.percentile": at([1.0, 1.0, 3.0], gives=[0.0, 0.5, 0.5], q=75),
    "sort": at([2.0, 2.0, 1.0], gives=[1.0, 1.0, 1.0]),
    "math.standardize": at([2.0, 2.0], gives=[0.0, 0.0]),
    "max": at([2.0, 2.0, 1.0], gives=[0.5, 0.5, 0.0]),
    "min": at([2.0, 1.0, 1.0], gives=[0.0, 0.5, 0.5]),
    "largest": at([2.0, 2.0, 1.0], gives=[0.0, 0.0, 0.0]),
    "prod": at([0.0, 3.0], gives=[3.0, 0.0]),
    "cumprod": at([0.0, 3.0], gives=[4.0, 0.0]),
    "norm1": at([0.0, 2.0], gives=[0.0, 1.0]),
    "norm2": at([0.0, 0.0], gives=[0.0, 0.0]),
    "normmax": [at([2.0, -2.0, 1.0], gives=[0.5, -0.5, 0.0]), at([0.0, 0.0], gives=[0.0, 0.0])],
    "standard_deviation": at([2.0, 2.0], gives=[0.0, 0.0]),
    "scatter_update": at([1.0, 1.0], [0, 0], [5.0, 6.0], gives=([0.0, 1.0], None, [0.0, 1.0])),
    "scatter_mul": at([3.0, 1.0], [0, 0], [0.0, 2.0], gives=([0.0, 1.0], None, [6.0, 0.0])),
    "scatter_max": at([2.0, 1.0], [0, 0], [2.0, 1.0], gives=([0.5, 1.0], None, [0.5, 0.0])),
    "scatter_min": at([2.0, 1.0], [0, 0], [2.0, 2.0], gives=([1 / 3, 1.0], None, [1 / 3, 1 / 3])),
    "scatter_nd_update": at([1.0, 1.0], [[0], [0]], [5.0, 6.0], gives=([0.0, 1.0], None, [0.0, 1.0])),
    **dict.fromkeys(
        ("segment_max", "unsorted_segment_max"),
        at([2.0, 2.0, 1.0], [0, 0, 2], gives=([0.5, 0.5, 1.0], None), num_segments=3),
    ),
    **dict.fromkeys(
        ("segment_min", "unsorted_segment_min"),
        at([2.0, 1.0, 1.0], [0, 0, 0], gives=([0.0, 0.5, 0.5], None), num_segments=1),
    ),
    **dict.fromkeys(
        ("segment_prod", "unsorted_segment_prod"),
        at([0.0, 3.0, 0.0, 0.0], [0, 0, 1, 1], gives=([3.0, 0.0, 0.0, 0.0], None), num_segments=2),
    ),
    "nn.relu": at([0.0], gives=[0.0]),
    "nn.relu6": at([0.0, 6.0], gives=[0.0, 0.0]),
    "nn.leaky_relu": at([0.0], gives=[0.25], alpha=0.25),
    "nn.prelu": at([[0.0, 0.0]], [0.25, 0.5], gives=([[0.25, 0.5]], [0.0, 0.0])),
    "nn.crelu": at([0.0], gives=[0.0]),
    "nn.elu": at([0.0], gives=[0.5], alpha=0.5),
    "nn.selu": at([0.0], gives=[1.7580993408473766]),
    "nn.hard_sigmoid": at([-2.5, 2.5], gives=[0.2, 0.2]),
    "nn.hard_tanh": at([-1.0, 1.0], gives=[1.0, 1.0]),
    "nn.relu_layer": at([[0.0]], [[1.0]], gives=([[0.0]], [[0.0]])),
    "nn.top_k": at([2.0, 2.0], gives=[1.0, 0.0], k=1),
    "image.rgb_to_hsv": at([0.0, 0.0, 0.0], gives=[1 / 3, 1 / 3, 1 / 3]),
    "image.hsv_to_rgb": at([0.0, 1.0, 1.0], gives=[0.0, -2.0, 1.0]),
    "image.adjust_saturation": at([[[1.0, 0.5, 0.0]]], gives=[[[1.0, 1.0, 0.25]]], factor=1.0),
    "image.crop_and_resize": at(
        [[[[0.0], [1.0], [3.0]]]],
        [[0.0, 0.5, 0.0, 0.5]],
        [0],
        gives=([[[[0.0], [1.0], [0.0]]]], [[0.0, 0.0, 0.0, 0.0]]),
        crop_out_size=(1, 1),
    ),
    "cnn.window_max": at([2.0, 2.0, 1.0, 2.0], gives=[1.0, 0.0, 0.0, 1.0], sizes=2, strides=2),
    "cnn.max_pooling2d": at([[[[2.0], [2.0]]]], gives=[[[[1.0], [0.0]]]], size=(1, 2)),
    "cnn.max_pooling3d": at([[[[[2.0], [2.0]]]]], gives=[[[[[1.0], [0.0]]]]], size=(1, 1, 2)),
    "cnn.global_max_pooling": at([[[2.0], [2.0]]], gives=[[[0.5], [0.5]]], data_format="NWC"),
    "loss.absolute_difference": at([1.0], [1.0], gives=([0.0], [0.0])),
    "loss.hinge_loss": at([1.0, 0.0], [1.0, -1.0], gives=([0.0, 0.0], [0.0, 0.0])),
    "loss.huber_loss": at([0.0, 0.0], [-0.5, 0.5], gives=([0.5, -0.5], [-0.5, 0.5]), delta=0.5),
    "loss.ctc_loss": at([[1, 1]], [[[0.0, 0.0], [0.0, 0.0]]], [2], [2], gives=(None, [[[0.0, 0.0], [0.0, 0.0]]])),
}

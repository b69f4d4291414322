"""Samples of convolutions and pooling: small, and few, since a dozen tests run for each."""

import numpy as np

from tests.ops import windows_by_hand

UNEVEN = {"strides": (2, 1), "dilation": (1, 2), "pads": ((1, 0), (0, 2))}
SLIDING = [
    {"sizes": 2},
    {"sizes": 3, "strides": 2, "pads": 1},
    {"sizes": 2, "dilation": 2, "pads": ((1, 0),)},
]


NUMBERS = np.array([0.5, -1.25, 1.75, 0.25, -0.5])


def samples(s, f):
    """All of them by the name of the operation; ``s`` makes a call, ``f`` an operand to draw."""
    pooled = [
        s(f(2, 4, 2, 1), size=2),
        s(f(1, 3, 2, 2), size=(2, 1), strides=1, padding="same"),
        s(f(1, 2, 3, 3), size=2, strides=(2, 1), padding=((1, 0), 1), data_format="NCHW"),
        s(f(1, 4, 3, 1), size=2, dilation=(2, 1), padding="same_lower"),
        s(f(1, 4, 3, 1), size=(3, 2), strides=2, ceil=True),
        s(f(0, 2, 2, 1), size=2),
    ]
    volumes = [
        s(f(1, 2, 3, 2, 1), size=(1, 2, 2)),
        s(f(1, 2, 2, 3, 2), size=2, strides=1, padding="same", data_format="NCDHW"),
    ]
    whole = [
        s(f(2, 2, 3, 2)),
        s(f(2, 2, 3), keepdims=True, data_format="NCW"),
        s(f(1, 2, 1, 2, 2), data_format="NDHWC"),
        s(f(0, 2, 2, 1)),
    ]
    return {
        "cnn.conv": [
            s(f(2, 4, 4, 2), f(3, 2, 2, 3), **UNEVEN),
            s(f(2, 3, 1), f(2, 1, 2)),
            s(f(2, 4, 4), f(2, 2, 4), groups=2),
            s(f(1, 3, 3), f(2, 1, 6), groups=3, strides=2, pads=1),
            s(f(1, 3, 3, 2, 1), f(2, 2, 1, 1, 2), pads=((-1, 0), (0, -1), 0)),
            s(f(2, 2, 1), f(1, 1, 2), strides=2),
            s(f(0, 3, 1), f(2, 1, 2)),
        ],
        "cnn.conv_input": [
            s(f(2, 2, 4, 3), f(3, 2, 2, 3), sizes=(4, 4), **UNEVEN),
            s(f(2, 2, 2), f(2, 1, 2), sizes=(3,)),
            s(f(2, 2, 2), f(3, 1, 2), sizes=(6,), strides=3, dilation=2, pads=1),
            s(f(2, 3, 4), f(2, 2, 4), sizes=(4,), groups=2),
            s(f(1, 2, 2), f(1, 1, 2), sizes=(4,), strides=2),
            s(f(0, 2, 2), f(2, 1, 2), sizes=(3,)),
        ],
        "cnn.conv_kernel": [
            s(f(2, 4, 4, 2), f(2, 2, 4, 3), sizes=(3, 2), **UNEVEN),
            s(f(2, 3, 1), f(2, 2, 2), sizes=(2,)),
            s(f(2, 4, 4), f(2, 3, 4), sizes=(2,), groups=2),
            s(f(0, 3, 1), f(0, 2, 2), sizes=(2,)),
            s(f(1, 3, 3), f(1, 2, 6), sizes=(2,), groups=3, strides=2, pads=1),
        ],
        "cnn.window_max": [
            *(s(f(5), **k) for k in SLIDING),
            s(f(2, 3, 4, 1), sizes=(1, 2, 2, 1), strides=(1, 1, 2, 1)),
            s(f(3, 4), sizes=(2, 3), pads=((0, 0), (1, 1))),
            s(f(0, 3), sizes=(1, 2)),
            s(f(1), sizes=2),
        ],
        "cnn.window_first": [
            *(s(NUMBERS, windows_by_hand.window_max(NUMBERS, **k), **k) for k in SLIDING),
            s(np.array([[1.0, 3.0, 3.0], [-1.0, -1.0, 0.0]]), np.array([[3.0, 3.0], [-1.0, 0.0]]), sizes=(1, 2)),
            s(np.zeros((0, 3)), np.zeros((0, 2)), sizes=(1, 2)),
        ],
        "cnn.conv1d": [
            s(f(2, 4, 1), f(2, 1, 2), f(2)),
            s(f(2, 2, 5), f(2, 1, 4), padding="same", groups=2, strides=2, data_format="NCW"),
            s(f(1, 3, 1), f(2, 1, 1), padding="causal", dilation=2),
            s(f(0, 3, 1), f(2, 1, 2)),
        ],
        "cnn.conv2d": [
            s(f(2, 3, 2, 1), f(2, 2, 1, 2), f(2), padding="same"),
            s(f(2, 1, 4, 3), f(2, 2, 1, 2), strides=(2, 1), padding=((1, 0), 1), data_format="NCHW"),
            s(f(1, 3, 3, 1), f(2, 1, 2, 2), padding="same_lower", weights_format="OIYX"),
            s(f(1, 2, 2, 2), f(3, 1, 2, 2), f(3), weights_format="OYXI"),
        ],
        "cnn.conv3d": [
            s(f(1, 2, 3, 2, 1), f(1, 2, 2, 1, 2), f(2), padding="same", strides=(1, 2, 1)),
            s(f(1, 1, 2, 2, 2), f(2, 1, 2, 1, 1), padding=1, dilation=(1, 2, 1), data_format="NCDHW"),
        ],
        "cnn.depth_wise_conv2d": [
            s(f(1, 3, 2, 2), f(2, 1, 2, 2), f(4), padding="same"),
            s(f(1, 2, 2, 2), f(2, 2, 2, 1), data_format="NCHW"),
            s(f(2, 3, 2, 1), f(2, 2, 1, 2), strides=2, padding=1, dilation=2),
        ],
        "cnn.separable_conv2d": [
            s(f(1, 3, 2, 2), f(2, 1, 2, 2), f(1, 1, 4, 1), f(1), padding="same"),
            s(f(1, 2, 3, 2), f(2, 2, 2, 1), f(1, 1, 2, 2), strides=(1, 2), data_format="NCHW"),
        ],
        "cnn.deconv2d": [
            s(f(2, 2, 2, 1), f(2, 2, 2, 1), f(2)),
            s(f(1, 2, 3, 1), f(3, 1, 1, 1), strides=2, padding="same"),
            s(f(1, 2, 2, 2), f(3, 2, 1, 2), strides=(2, 1), padding=((1, 0), 0), output_padding=(1, 0), groups=2),
            s(f(1, 1, 2, 2), f(2, 3, 2, 1), f(2), strides=2, padding="same", output_padding=1, data_format="NCHW"),
            s(f(1, 2, 1, 1), f(2, 1, 1, 1), strides=3, dilation=2),
        ],
        "cnn.deconv3d": [
            s(f(1, 2, 1, 2, 1), f(2, 1, 2, 1, 1), f(1), strides=2),
            s(f(1, 1, 2, 1, 2), f(1, 2, 2, 2, 1), padding="same", data_format="NCDHW"),
        ],
        "cnn.max_pooling2d": pooled,
        "cnn.avg_pooling2d": [
            *pooled,
            s(f(1, 3, 3, 1), size=2, padding=1, count_padding=True),
            s(f(1, 4, 1, 1), size=(3, 1), strides=2, padding=(1, 0), ceil=True),
        ],
        "cnn.max_pool_with_argmax": pooled[:4],
        "cnn.max_pooling3d": volumes,
        "cnn.avg_pooling3d": volumes,
        "cnn.global_max_pooling": whole,
        "cnn.global_avg_pooling": whole,
    }

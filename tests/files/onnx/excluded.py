"""Where a runtime does not do as ONNX says or as accurately, with the reason. A table may only become smaller."""

CONVOLUTIONS = tuple(
    f"cnn.{name}"
    for name in (
        *("conv", "conv_input", "conv_kernel", "conv1d", "conv2d", "conv3d", "depth_wise_conv2d", "separable_conv2d"),
        *("deconv2d", "deconv3d", "avg_pooling2d", "avg_pooling3d"),
    )
)
"""Ops that are written with the operators of ONNX for convolution."""

NO_KERNEL_FOR_DOUBLES = {
    "math.asin": "onnxruntime has Asin for float32 only",
    "math.acos": "onnxruntime has Acos for float32 only",
    "math.atan": "onnxruntime has Atan for float32 only",
    "math.atan2": "onnxruntime has Atan for float32 only",
    "math.asinh": "onnxruntime has Asinh for float32 only",
    "math.acosh": "onnxruntime has Acosh for float32 only",
    "math.atanh": "onnxruntime has Atanh for float32 only",
    "linalg.matrix_determinant": "onnxruntime has Det for float32 only",
    **dict.fromkeys(CONVOLUTIONS, "onnxruntime has Conv and ConvTranspose for float32 only"),
}
"""Ops that onnxruntime cannot run in double precision. The reference evaluator can."""

UNEVALUATED = (
    *("conv", "conv_input", "conv_kernel", "conv1d", "depth_wise_conv2d", "separable_conv2d"),
    *("window_max", "max_pooling2d", "max_pooling3d", "max_pool_with_argmax"),
)

NO_REFERENCE = {
    ("nn.softsign", "float32"): "the evaluator fails for an array without axes",
    **{
        (f"cnn.{name}", dtype): "the evaluator fails for ConvTranspose with groups, and MaxPool with uneven padding"
        for name in UNEVALUATED
        for dtype in ("float32", "float64")
    },
}
"""Ops that onnx's reference evaluator cannot run, by dtype. onnxruntime can."""

OTHER_DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float16"]
"""What models are tried with besides floats. onnxruntime cannot order numbers of uint64."""

_BIG = "ONNX has no largest numbers of windows for integers of 64 bits"
DTYPES_OF = {
    **dict.fromkeys(CONVOLUTIONS[:-2], (("float16",), "ONNX has convolution of floats only")),
    **dict.fromkeys(
        ("cnn.window_max", "cnn.max_pooling2d", "cnn.max_pooling3d", "cnn.max_pool_with_argmax"),
        ([dtype for dtype in OTHER_DTYPES if dtype != "int64"], _BIG),
    ),
    "cnn.window_first": (("float16",), "rounded differently, its operands do not belong together"),
}
"""Ops that models have for some of these only."""

RTOL = {"float32": 1e-5, "float64": 1e-12}
"""The largest relative error of a result."""

ACCURACY = {
    ("linalg.matrix_determinant", "float32"): (1e-4, "Det of a singular matrix is a rounding error"),
}
"""Ops with a larger one, and why."""

AT_MOST = {"NO_KERNEL_FOR_DOUBLES": 20, "NO_REFERENCE": 21, "ACCURACY": 1}
"""How long the tables are."""

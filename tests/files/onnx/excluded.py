"""Where a runtime does not do as ONNX says or as accurately, with the reason. A table may only become smaller."""

NO_KERNEL_FOR_DOUBLES = {
    "math.asin": "onnxruntime has Asin for float32 only",
    "math.acos": "onnxruntime has Acos for float32 only",
    "math.atan": "onnxruntime has Atan for float32 only",
    "math.atan2": "onnxruntime has Atan for float32 only",
    "math.asinh": "onnxruntime has Asinh for float32 only",
    "math.acosh": "onnxruntime has Acosh for float32 only",
    "math.atanh": "onnxruntime has Atanh for float32 only",
    "linalg.matrix_determinant": "onnxruntime has Det for float32 only",
}
"""Ops that onnxruntime cannot run in double precision. The reference evaluator can."""

NO_REFERENCE = {
    ("nn.softsign", "float32"): "the evaluator fails for an array without axes",
}
"""Ops that onnx's reference evaluator cannot run, by dtype. onnxruntime can."""

OTHER_DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float16"]
"""What models are tried with besides floats. onnxruntime cannot order numbers of uint64."""

RTOL = {"float32": 1e-5, "float64": 1e-12}
"""The largest relative error of a result."""

ACCURACY = {
    ("linalg.matrix_determinant", "float32"): (1e-4, "Det of a singular matrix is a rounding error"),
}
"""Ops with a larger one, and why."""

AT_MOST = {"NO_KERNEL_FOR_DOUBLES": 8, "NO_REFERENCE": 1, "ACCURACY": 1}
"""How long the tables are."""

"""Why some ops have no counterpart."""

from __future__ import annotations

from sdgraph.files.onnx.registry import refuses

_DRAWS = ("uniform", "normal", "normal_truncated", "log_normal", "exponential", "bernoulli", "binomial")

refuses(
    "a draw of ONNX gives other numbers",
    "random.draw",
    "image.random_crop",
    *(f"random.{name}{like}" for like in ("", "_like") for name in _DRAWS),
)
refuses(
    "ONNX has no decompositions and no solvers of linear equations",
    "linalg.solve",
    "linalg.triangular_solve",
    "linalg.matrix_inverse",
    "linalg.cholesky",
    "linalg.lu",
    "linalg.qr",
    "linalg.svd",
    "linalg.eig",
    "linalg.lstsq",
)
refuses(
    "its value is computed from a decomposition, which ONNX has not",
    "linalg.logdet",
    "linalg.cofactors",
    "linalg.cofactors_gradient",
)
refuses(
    "ONNX has no gamma function and none of its relatives",
    "math.lgamma",
    "math.digamma",
    "math.polygamma",
    "math.zeta",
    "math.igamma",
    "math.igammac",
    "math.igamma_slope",
    "math.betainc",
    "math.betainc_slope",
)

"""Wrong calls: for each op operands and attributes it must refuse, and the class of the error.

Operands are shapes, for float64 placeholders, or (shape, dtype).
"""

from sdgraph.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError

A, T, D, S = ArgumentError, ArgumentTypeError, DTypeError, ShapeError
INT = "int64"


def _weighted(unit=(2, 3), **attrs):
    """What every loss with weights refuses."""
    same = ((2, 3), (2, 3))
    return [
        (((2, 3), (2, 4)), attrs, S),
        (((2, 3), (3,)), attrs, S),
        ((*same, (5,) if len(unit) == 1 else (unit[0],)), attrs, S),
        ((*same, (2, 3, 1)), attrs, S),
        ((*same, (*unit[:-1], 7)), attrs, S),
        (same, {**attrs, "loss_reduce": "sum"}, T),
        (same, {**attrs, "loss_reduce": 1}, T),
    ]


_BINARY = [(((2, 3), (2, 4)), {}, S), (((3,), (4,)), {}, S), (((2, 3), (2,)), {}, S)]
_SCATTER = [(((3, 2), ((2,), INT), (3, 2)), {}, S), (((3, 2), (2,), (2, 2)), {}, D)]
_SCATTER_ND = [(((3, 2), ((2, 2), INT), (3,)), {}, S), (((3, 2), (2, 2), (2,)), {}, D)]
_SEGMENTS = [
    (((3, 2), (3,)), {"num_segments": 2}, D),
    (((3, 2), ((2,), INT)), {"num_segments": 2}, S),
    (((3, 2), ((3,), INT)), {"num_segments": -1}, A),
    (((3, 2), ((3,), INT)), {}, T),
]
_REDUCTION = [
    (((2, 3),), {"axis": 2}, A),
    (((2, 3),), {"axis": (0, 0)}, A),
    (((2, 3),), {"axis": "x"}, T),
    (((),), {"axis": 0}, A),
]
_AXES = [*_REDUCTION[:3], (((2, 3),), {"axis": True}, T)]
_ALONG = [*((((2, 3),), {"axis": k}, A) for k in (2, None)), (((),), {}, A)]
_MATRIX = [(((3,),), {}, S), (((2, 3),), {}, S), ((((3, 3), "complex128"),), {}, D)]
_PRODUCT = [(((2, 3), (2, 3)), {}, S), (((), (3,)), {}, S), (((2, 2, 3), (3, 3, 2)), {}, S)]
_ATTENTION = ((1, 2, 3), (1, 2, 4))
_LSTM = ((3, 2, 2), (2, 3), (2, 3), ((2,), INT), (2, 12), (3, 12))

MISUSE = {
    **{f"loss.{k}": _weighted() for k in ("absolute_difference", "hinge_loss", "mean_squared_error", "log_poisson")},
    "loss.huber_loss": [
        *_weighted(),
        (((2, 3), (2, 3)), {"delta": -1.0}, A),
        (((2, 3), (2, 3)), {"delta": float("nan")}, A),
    ],
    "loss.log_loss": [*_weighted(), (((2, 3), (2, 3)), {"epsilon": -1e-3}, A)],
    "loss.sigmoid_cross_entropy": [*_weighted(), (((2, 3), (2, 3)), {"label_smoothing": -0.1}, A)],
    "loss.cosine_distance": [*_weighted((2, 1), dimension=1), (((2, 3), (2, 3)), {"dimension": 2}, A)],
    "loss.softmax_cross_entropy": [*_weighted((2,)), (((), ()), {}, S), ((((2,), INT), (2, 3)), {}, S)],
    "loss.mean_pairwise_squared_error": _weighted((2,)),
    "loss.weighted_cross_entropy_with_logits": [
        (((2, 3), (2, 4)), {}, S),
        (((2, 3), (2, 3), (4,)), {}, S),
        (((3,), (3,), (2, 3)), {}, S),
    ],
    "loss.sparse_softmax_cross_entropy": [
        (((2, 3), (2,)), {}, D),
        (((2, 3), ((3,), INT)), {}, S),
        (((), ((), INT)), {}, S),
        (((2, 3), (2, 3)), {}, D),
        ((((2,), INT), (2, 3)), {}, D),
        (((2,), (2, 3)), {}, D),
        ((((2,), INT), ((2, 3), INT)), {}, S),
        (((2, 3), ((2, 1), INT)), {}, S),
        (((2, 3), ((2,), INT), (3,)), {}, S),
        (((2, 3), ((2,), INT), (2, 1)), {}, S),
        (((2, 3), ((2,), INT)), {"loss_reduce": "mean"}, T),
    ],
    "loss.ctc_loss": [
        ((((2, 3), INT), (2, 5, 3), ((3,), INT), ((2,), INT)), {}, S),
        ((((2, 3), INT), (2, 5), ((2,), INT), ((2,), INT)), {}, S),
        (((2, 3), (2, 5, 3), ((2,), INT), ((2,), INT)), {}, D),
        (((2, 5, 3), ((2, 3), INT), ((2,), INT), ((2,), INT)), {}, S),
        ((((2, 3), INT), (2, 5, 3), ((2,), INT), ((2,), INT)), {"blank_index": 3}, A),
    ],
    **{
        f"math.{k}": _BINARY
        for k in ("add", "sub", "mul", "div", "pow", "max", "min", "floor_div", "squared_difference", "atan2", "xlogy")
    },
    **dict.fromkeys(("eq", "neq", "lt", "lte", "gt", "gte"), _BINARY),
    **dict.fromkeys(
        ("sum", "mean", "prod", "max", "min", "norm1", "norm2", "normmax", "all", "any", "math.log_sum_exp"), _REDUCTION
    ),
    **dict.fromkeys(("argmax", "argmin", "cumsum", "cumprod"), _AXES),
    **dict.fromkeys(
        (
            "math.count_zero",
            "math.reduce_amean",
            "math.reduce_amin",
            "math.first_index",
            "math.last_index",
            "math.iamax",
        ),
        _REDUCTION,
    ),
    "sort": _ALONG,
    "argsort": _ALONG,
    "math.quantile": [(((3,),), {"q": q}, A) for q in (-0.1, 1.5, float("nan"))]
    + [
        (((3,),), {"q": 0.5, "interpolation": "none"}, A),
        (((0,),), {"q": 0.5}, A),
        (((3,),), {"q": 0.5, "axis": 1}, A),
        ((((3,), "complex128"),), {"q": 0.5}, D),
    ],
    "math.percentile": [(((3,),), {"q": 101}, A)],
    "math.median": [(((0, 2),), {"axis": 0}, A), ((((3,), "complex128"),), {}, D)],
    "math.polygamma": [(((3,),), {"n": n}, e) for n, e in ((-1, A), (101, A), (1.5, A))],
    "math.zeta": [((((3,), "complex128"), (3,)), {}, D), (((3,), (4,)), {}, S)],
    "math.set_diag": [(((3,), (3,)), {}, S), (((3, 3), (2,)), {}, S)],
    "math.meshgrid": [(((2, 2), (3,)), {}, S), ((), {}, A)],
    "math.merge_max": [((), {}, A), (((2, 3), (2,)), {}, S)],
    "math.merge_avg": [((), {}, A), (((2, 3), (2,)), {}, S)],
    "math.merge_max_index": [((), {}, A), (((2, 3), (3,)), {}, S)],
    "math.clip_by_avg_norm": [(((2, 3),), {"clip_value": -1.0}, A)],
    "shifted": [(((2, 3),), {"axis": k}, A) for k in (2, (0, 0), "x", None, True)],
    "linear_recurrence": [(((2, 3), (2, 3)), {"axis": k}, e) for k, e in ((2, A), ((0, 0), A), (None, A))],
    "reshape": [
        (((2, 3),), {"shape": (4,)}, S),
        (((2, 3),), {"shape": (-1, -1)}, A),
        (((2, 3),), {"shape": (-2, 3)}, A),
    ],
    "broadcast_to": [(((2, 3),), {"shape": (2, 4)}, S), (((2, 3),), {"shape": (3,)}, S)],
    "expand_dims": [(((2, 3),), {"axis": 4}, A)],
    "squeeze": [(((2, 3),), {"axis": 0}, S), (((2, 3),), {"axis": 3}, A)],
    "permute": [(((2, 3),), {"axes": (0,)}, A), (((2, 3),), {"axes": (0, 0)}, A)],
    "linalg.matmul_like": [(((2, 3), (3, 4), (2, 3)), {}, S), (((2, 3), (3, 4), (4,)), {}, S)],
    "unconcat": [(((3, 3), (2, 3), (2, 3)), {"axis": 0}, S), (((3,), (2, 3)), {"axis": 0}, S)],
    "scatter_slices": [(((3,), (2,)), {"keys": ((0,),)}, S), (((3,), ()), {"keys": ((0,), (1,))}, A)],
    "concat": [
        (((2, 3), (2, 4)), {"axis": 0}, S),
        (((2, 3), (3,)), {}, S),
        (((2, 3), (2,)), {"axis": 1}, S),
        (((2,), ()), {}, S),
        (((2, 3), (2, 3)), {"axis": 2}, A),
    ],
    "stack": [(((2, 3), (3, 2)), {}, S)],
    "split": [(((4, 3),), {"num_split": 3}, A), (((4, 3),), {"num_split": 2, "axis": 5}, A)],
    "tile": [(((2, 3),), {"reps": (-1, 2)}, A)],
    "cast": [(((2,),), {"dtype": "no such type"}, D)],
    "where": [((((2,), "bool"), (3,), (3,)), {}, S)],
    "tensordot": [
        (((2, 3), (2, 3)), {"axes_x": (1,), "axes_y": (0,)}, S),
        (((2, 3), (3, 2)), {"axes_x": (1, 0), "axes_y": (0,)}, A),
    ],
    **dict.fromkeys(("mmul", "linalg.mmul", "linalg.matmul"), _PRODUCT),
    "linalg.matmul_where": [
        (((2, 3), (2, 3)), {}, S),
        (((3,), (3, 2)), {}, S),
        (((2, 3), (3, 2), ((3, 2), "bool")), {}, S),
    ],
    "checked_labels": [((((), INT), ()), {}, S)],
    "gather": [(((3, 2), (2,)), {}, D), (((3, 2), ((2,), INT)), {"axis": 2}, A)],
    "take_along_axis": [(((2, 3), (2, 2)), {}, D), (((2, 3), ((3, 2), INT)), {}, S)],
    "scatter_add": [(((3, 2), ((2,), INT), (3, 2)), {}, S), (((3, 2), (2,), (2, 2)), {}, D)],
    **{f"scatter_{k}": _SCATTER for k in ("sub", "mul", "div", "max", "min")},
    **{f"scatter_nd_{k}": _SCATTER_ND for k in ("sub", "update")},
    **{f"segment_{k}": _SEGMENTS for k in ("max", "min", "mean", "prod")},
    **{f"unsorted_segment_{k}": _SEGMENTS for k in ("max", "min", "mean", "prod", "sqrt_n")},
    "moved_in_segments": [(((3, 2), (3,)), {}, D), (((3, 2), ((2,), INT)), {}, S)],
    "recurrence_in_segments": [(((3, 2), (3, 2), (3,)), {}, D), (((3, 2), (3, 1), ((3,), INT)), {}, S)],
    "rows_by_part": [
        (((3,),), {"sizes": (3,)}, D),
        ((((3,), INT),), {"sizes": (2,)}, S),
        ((((3,), INT),), {"sizes": (-3,)}, A),
    ],
    "dynamic_partition": [
        (((3, 2), (3,)), {"num_partitions": 2, "sizes": (1, 2)}, D),
        (((3, 2), ((2,), INT)), {"num_partitions": 2, "sizes": (1, 2)}, S),
        (((3, 2), ((3,), INT)), {"num_partitions": 2, "sizes": (3,)}, A),
        (((3, 2), ((3,), INT)), {"num_partitions": 2}, T),
    ],
    "dynamic_stitch": [
        (((2,), (2, 2)), {"size": 3}, D),
        ((((2,), INT), (3, 2)), {"size": 3}, S),
        ((((2,), INT), (2, 2)), {}, T),
        ((((2,), INT), (2, 2), (3,)), {"size": 3}, A),
    ],
    "split_v": [(((4, 3),), {"sizes": (1, 2)}, A), (((4, 3),), {"sizes": (4,), "num_split": 2}, A)],
    "flatten": [((), {}, A), (((2, 3),), {"order": "a"}, A)],
    "reverse_sequence": [
        (((2, 3), (2,)), {}, D),
        (((2, 3), ((3,), INT)), {}, S),
        (((2, 3), ((2,), INT)), {"seq_dim": 0}, A),
    ],
    "sparse_to_dense": [
        (((2, 2), (2,), ()), {"shape": (3, 2)}, D),
        ((((2, 2), INT), (3,), ()), {"shape": (3, 2)}, S),
        ((((2, 2), INT), (2,), ()), {"shape": (3,)}, S),
        ((((2, 2), INT), (2,), ()), {"shape": (None, 2)}, A),
    ],
    "match_condition": [
        (((2,),), {"condition": "large"}, A),
        (((2,),), {"condition": "equals", "value": float("inf")}, A),
    ],
    "match_condition_count": [(((2,),), {"condition": "equals", "axis": 1}, A)],
    "replace_where": [(((2,), (3,)), {"condition": "equals"}, S), (((2,), ()), {"condition": "large"}, A)],
    "einsum": [
        (((2, 3), (2, 4)), {"equation": "ij,jk->ik"}, S),
        (((2, 3),), {"equation": "ij,jk->ik"}, A),
        (((2, 3),), {"equation": "ijk->i"}, A),
        (((2, 3),), {"equation": "ij->k"}, A),
        (((2, 3),), {"equation": "ij->ii"}, A),
        (((2, 3),), {"equation": "i1->i"}, A),
        (((2, 3),), {"equation": 7}, T),
    ],
    "math.list_diff": [(((2, 2), (2,)), {"size": 2}, S), (((2,), (2,)), {}, T), (((2,), (2,)), {"size": -1}, A)],
    "slice": [(((3, 4),), {"begin": (0, 2), "size": (1, 3)}, A)],
    "linalg.solve": [(((2, 3), (2, 1)), {}, S), (((3, 3), (2, 1)), {}, S)],
    **{f"linalg.{k}": _MATRIX for k in ("matrix_inverse", "matrix_determinant", "cofactors", "logdet", "cholesky")},
    "linalg.cross": [(((2, 2), (2, 2)), {}, S)],
    "math.clip_by_value": [(((2,),), {"clip_value_min": 1.0, "clip_value_max": 0.0}, A)],
    "math.log": [(((2,),), {"base": 1.0}, A), (((2,),), {"base": -2.0}, A)],
    "nn.softmax": [(((),), {}, A), (((2, 3),), {"axis": 2}, A)],
    "nn.linear": [(((2, 3), (4, 2)), {}, S), (((2, 3), (3, 2), (3,)), {}, S)],
    "nn.bias_add": [(((2, 3), (2,)), {}, S)],
    "nn.pad": [(((2, 3),), {"padding": ((1, 1),)}, A), (((2, 3),), {"padding": ((0, 0), (1, 1)), "mode": "wrap"}, A)],
    "nn.top_k": [(((3,),), {"k": 4}, A), (((),), {"k": 1}, S)],
    "nn.dropout": [(((3,),), {"probability": 1.5}, A)],
    "nn.dot_product_attention": [((*_ATTENTION, (1, 2, 5)), {}, S)],
    "rnn.lstm_cell": [
        (((2, 2), (2, 3), (2, 3), (5, 12)), {"peep_hole": True}, A),
        (((2, 2), (2, 3), (2, 3), (5, 12)), {"clipping_cell_value": -1.0}, A),
        (((2, 2), (2, 3), (2, 3), (5, 13)), {}, S),
        (((2, 2), (2, 3), (2, 3), (4, 12)), {}, S),
    ],
    "rnn.gru_cell": [(((2, 2), (2, 3), (5, 6), (5, 4)), {}, S), (((2, 2, 2), (2, 3), (5, 6), (5, 3)), {}, S)],
    "rnn.sru_cell": [(((2, 2), (2, 2), (6, 2)), {}, S)],
    "rnn.lstm_layer": [
        (_LSTM, {"direction_mode": "BOTH"}, A),
        (_LSTM, {"direction_mode": "BIDIR_SUM"}, S),
        (_LSTM, {"data_format": "T2NS"}, A),
        (_LSTM, {"data_format": "NCT"}, A),
        (_LSTM, {"gate_act": "SWISH"}, A),
        (_LSTM, {"gate_act": "AFFINE", "gate_alpha": float("nan")}, A),
        (_LSTM, {"cell_clip": -1.0}, A),
        (_LSTM, {"ret_full_sequence": False}, A),
        (((3, 2, 2), (2, 3), (2, 3), (2,), (2, 12), (3, 12)), {}, D),
        (((3, 2, 2), (2, 3), (2, 3), ((3,), INT), (2, 12), (3, 12)), {}, S),
        (((3, 2, 2), (2, 3), (3, 2), ((2,), INT), (2, 12), (3, 12)), {}, S),
    ],
    "rnn.lstmblock": [(((3, 2, 2), (2, 3), (2, 3), (5, 12)), {"data_format": "T2NS"}, A)],
    "rnn.gru": [
        (((3, 2, 2), (2, 3), (2, 9), (3, 6)), {}, S),
        (((3, 2, 2), (2, 3), (2, 9), (3, 9)), {"ret_full_sequence": False}, A),
    ],
    "rnn.sru": [(((2, 2, 3), (2, 2), (2, 3), (6, 2)), {}, S)],
    "rnn.simple_rnn": [(((3, 2, 2), (2, 3), (2, 3), (3, 3)), {"activation": "SOFTMAX"}, A)],
    "bitwise.and_": [(((2,), (2,)), {}, D), ((((2,), INT), ((3,), INT)), {}, S)],
    "image.resample": [
        (((3, 4),), {"size": 0}, A),
        (((3, 4),), {"size": 2, "axis": 2}, A),
        (((3, 4),), {"size": 2, "method": "bilinear"}, A),
        (((3, 4),), {"size": 2, "scale": -1.0}, A),
        (((3, 0),), {"size": 2}, S),
    ],
    "image.unresample": [(((3, 4), (3, 3)), {"size": 5}, S), (((3, 4), (2, 3)), {"size": 4}, S)],
    "image.image_resize": [(((3, 4),), {"size": (2, 2)}, S), (((2, 3, 4, 1),), {"size": (2, 2, 2)}, A)],
    "image.resize_bi_linear": [(((3, 4, 1),), {"height": 2, "width": 0}, A)],
    "image.rgb_to_hsv": [(((2, 4),), {}, S), ((((3,), "complex128"),), {}, D)],
    "image.adjust_contrast": [(((2, 3),), {"factor": 2.0}, S), (((2, 2, 3),), {"factor": float("inf")}, A)],
    "image.crop_and_resize": [
        (((2, 3, 3, 1), (1, 4), (1,)), {"crop_out_size": (2, 2)}, D),
        (((2, 3, 3, 1), (1, 3), ((1,), INT)), {"crop_out_size": (2, 2)}, S),
        (((2, 3, 3, 1), (1, 4), ((2,), INT)), {"crop_out_size": (2, 2)}, S),
        (((2, 3, 3), (1, 4), ((1,), INT)), {"crop_out_size": (2, 2)}, S),
    ],
    "image.extract_image_patches": [
        (((2, 3, 3, 1),), {"k_sizes": (4, 1)}, S),
        (((2, 3, 3, 1),), {"k_sizes": (1, 1), "strides": (0, 1)}, A),
    ],
    "image.non_max_suppression": [
        (((3, 4), (2,)), {"max_out_size": 1}, S),
        (((3, 4), (3,)), {"max_out_size": 1, "iou_threshold": 2.0}, A),
        (((3, 4), (3,)), {"max_out_size": -1}, A),
    ],
    "image.random_crop": [(((3, 4),), {"shape": (2,)}, A), (((3, 4),), {"shape": (4, 4)}, S)],
    "image.pad": [(((2, 3),), {"padding": ((1, 1),)}, A)],
    "random.uniform": [((), {"shape": (2,), "seed": -1}, A)],
    "random.binomial": [((), {"n_trials": -1, "shape": (2,)}, A)],
}

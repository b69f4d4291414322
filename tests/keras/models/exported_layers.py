"""Every layer that models are written with, by what it is called on: shapes without the batch.

A row is a class, its settings, and, where it is not called on the input alone, what it is called on: "pair" for a list
of it twice, "two" for it as two arguments. A setting that is itself a row is a layer.
"""

LINE = [
    ("Dense", {"units": 3, "activation": "gelu", "kernel_regularizer": "l2", "bias_initializer": "ones"}),
    ("EinsumDense", {"equation": "abc,cd->abd", "output_shape": (None, 3), "bias_axes": "d"}),
    ("Activation", {"activation": "tanh"}),
    ("Identity", {}),
    ("ReLU", {"max_value": 2.0, "negative_slope": 0.1}),
    ("LeakyReLU", {"negative_slope": 0.2}),
    ("PReLU", {"shared_axes": [1], "alpha_initializer": "ones"}),
    ("ELU", {"alpha": 0.5}),
    ("Softmax", {"axis": 1}),
    ("Dropout", {"rate": 0.5, "noise_shape": (None, 1, 4), "seed": 1}),
    ("SpatialDropout1D", {"rate": 0.5}),
    ("AlphaDropout", {"rate": 0.5}),
    ("GaussianDropout", {"rate": 0.5}),
    ("GaussianNoise", {"stddev": 0.5}),
    ("ActivityRegularization", {"l1": 0.1}),
    ("BatchNormalization", {"axis": 1, "momentum": 0.8}),
    ("LayerNormalization", {"axis": (1, 2)}),
    ("GroupNormalization", {"groups": 2}),
    ("UnitNormalization", {}),
    ("RMSNormalization", {}),
    ("Rescaling", {"scale": 2.0, "offset": 1.0}),
    ("Normalization", {"mean": 1.0, "variance": 4.0}),
    ("Masking", {"mask_value": 0.5}),
    ("Flatten", {}),
    ("Reshape", {"target_shape": (-1, 8)}),
    ("Permute", {"dims": (2, 1)}),
    ("Conv1D", {"filters": 3, "kernel_size": 2, "padding": "causal", "dilation_rate": 2}),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 2, "strides": 2}),
    ("DepthwiseConv1D", {"kernel_size": 2, "depth_multiplier": 2}),
    ("SeparableConv1D", {"filters": 3, "kernel_size": 2}),
    ("MaxPooling1D", {"pool_size": 2}),
    ("AveragePooling1D", {"pool_size": 2, "padding": "same"}),
    ("GlobalMaxPooling1D", {}),
    ("GlobalAveragePooling1D", {"keepdims": True}),
    ("ZeroPadding1D", {"padding": (1, 2)}),
    ("Cropping1D", {"cropping": (1, 2)}),
    ("UpSampling1D", {"size": 2}),
    ("SimpleRNN", {"units": 3, "dropout": 0.1}),
    ("LSTM", {"units": 3, "return_sequences": True, "unit_forget_bias": False}),
    ("GRU", {"units": 3, "go_backwards": True, "reset_after": False}),
    ("RNN", {"cell": ("StackedRNNCells", {"cells": [("LSTMCell", {"units": 2}), ("GRUCell", {"units": 3})]})}),
    ("RNN", {"cell": ("SimpleRNNCell", {"units": 2}), "return_sequences": True}),
    ("Bidirectional", {"layer": ("LSTM", {"units": 2}), "merge_mode": "sum"}),
    ("TimeDistributed", {"layer": ("Dense", {"units": 2})}),
    ("Add", {}, "pair"),
    ("Subtract", {}, "pair"),
    ("Multiply", {}, "pair"),
    ("Average", {}, "pair"),
    ("Maximum", {}, "pair"),
    ("Minimum", {}, "pair"),
    ("Concatenate", {"axis": 1}, "pair"),
    ("Dot", {"axes": (2, 2), "normalize": True}, "pair"),
    ("Attention", {"use_scale": True, "dropout": 0.1}, "pair"),
    ("AdditiveAttention", {}, "pair"),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "dropout": 0.1}, "two"),
    ("GroupQueryAttention", {"head_dim": 2, "num_query_heads": 4, "num_key_value_heads": 2}, "two"),
]

SQUARE = [
    ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same", "groups": 2}),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1}),
    ("DepthwiseConv2D", {"kernel_size": 2}),
    ("SeparableConv2D", {"filters": 3, "kernel_size": 2}),
    ("SpatialDropout2D", {"rate": 0.5}),
    ("MaxPooling2D", {"pool_size": (2, 3)}),
    ("AveragePooling2D", {"pool_size": 2}),
    ("GlobalMaxPooling2D", {}),
    ("GlobalAveragePooling2D", {"data_format": "channels_first"}),
    ("ZeroPadding2D", {"padding": ((1, 0), (2, 1))}),
    ("Cropping2D", {"cropping": ((1, 0), (2, 1))}),
    ("UpSampling2D", {"size": (2, 3), "interpolation": "nearest"}),
]

CUBE = [
    ("Conv3D", {"filters": 3, "kernel_size": 2}),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2}),
    ("SpatialDropout3D", {"rate": 0.5}),
    ("MaxPooling3D", {"pool_size": 2}),
    ("AveragePooling3D", {"pool_size": 2}),
    ("GlobalMaxPooling3D", {}),
    ("GlobalAveragePooling3D", {}),
    ("ZeroPadding3D", {"padding": 1}),
    ("Cropping3D", {"cropping": ((1, 0), (0, 1), (1, 1))}),
    ("UpSampling3D", {"size": (1, 2, 1)}),
]

FLAT = [("RepeatVector", {"n": 3})]
WHOLE = [
    ("Embedding", {"input_dim": 7, "output_dim": 3, "mask_zero": True}),
    ("CategoryEncoding", {"num_tokens": 7, "output_mode": "multi_hot"}),
]

TABLE = {
    "line": ((6, 4), "float32", LINE),
    "square": ((5, 6, 4), "float32", SQUARE),
    "cube": ((4, 4, 5, 2), "float32", CUBE),
    "flat": ((4,), "float32", FLAT),
    "whole": ((5,), "int32", WHOLE),
}
"""Models by name: the shape of the input, its dtype, and the layers that are called on it."""


def made(layers, row):
    """The layer of a row, given the module `layers` of either library."""
    cls, config = row[:2]
    return getattr(layers, cls)(**{k: _setting(layers, v) for k, v in config.items()})


def _setting(layers, v):
    if isinstance(v, tuple) and len(v) == 2 and isinstance(v[1], dict):
        return made(layers, v)
    return [_setting(layers, one) for one in v] if isinstance(v, list) else v


def model_of(keras, name):
    """A model of either library with an output for each layer of a table."""
    shape, dtype, rows = TABLE[name]
    x = keras.Input(shape, dtype=dtype, name="x")
    outputs = []
    for row in rows:
        how = row[2] if len(row) > 2 else "one"
        args = ([x, x],) if how == "pair" else (x, x) if how == "two" else (x,)
        outputs.append(made(keras.layers, row)(*args))
    return keras.Model(x, outputs, name=name)

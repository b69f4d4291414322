"""Activations, merging, normalisation, shapes and preparing layers beside Keras' own."""

import numpy as np
import pytest

from tests.keras.layers.against_keras import array, check

pytestmark = [pytest.mark.keras, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

X2, X3, X4 = array((3, 6)), array((3, 5, 6)), array((2, 4, 5, 6))
STEPS = array((3, 5), dtype="bool")
L2 = {"class_name": "L2", "config": {"l2": 0.1}}

CASES = [
    ("ReLU", X2, {}),
    ("ReLU", X3, {"max_value": 1.0, "negative_slope": 0.2, "threshold": 0.3}),
    ("ReLU", X3, {"max_value": 0.5}),
    ("LeakyReLU", X2, {}),
    ("LeakyReLU", X2, {"negative_slope": 0.0}),
    ("PReLU", X3, {}),
    ("PReLU", X4, {"shared_axes": [1, 2], "alpha_initializer": "ones"}),
    ("PReLU", X3, {"shared_axes": 1, "alpha_regularizer": L2}),
    ("ELU", X2, {"alpha": 0.7}),
    ("Softmax", X3, {}),
    ("Softmax", X3, {"axis": 1}),
    ("Softmax", X3, {"axis": [1, 2]}),
    ("Softmax", X3, {"axis": [-1]}),
    ("Identity", X3, {}),
    ("Dense", X2, {"units": 4, "activation": "gelu", "use_bias": False}),
    ("Dense", X4, {"units": 4, "kernel_initializer": {"class_name": "HeNormal", "config": {"seed": 1}}}),
    ("Activation", X2, {"activation": "softmax"}),
    ("EinsumDense", X2, {"equation": "ab,bc->ac", "output_shape": 4, "bias_axes": "c"}),
    ("EinsumDense", X3, {"equation": "abc,cd->abd", "output_shape": (None, 4), "bias_axes": "d", "activation": "relu"}),
    ("EinsumDense", X3, {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}),
    ("EinsumDense", X4, {"equation": "ab...,bc->ac...", "output_shape": 3, "bias_axes": "c"}),
    ("EinsumDense", X3, {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de"}),
    ("EinsumDense", X3, {"equation": "abc,cde->adeb", "output_shape": (2, 3, 5), "bias_axes": "d"}),
    ("Flatten", X4, {}),
    ("Flatten", X4, {"data_format": "channels_first"}),
    ("Flatten", X2, {}),
    ("Flatten", array((3,)), {}),
    ("Reshape", X3, {"target_shape": (-1, 3)}),
    ("Reshape", X3, {"target_shape": (6, 5)}),
    ("Reshape", X3, {"target_shape": (-1,)}),
    ("Permute", X4, {"dims": (3, 1, 2)}),
    ("RepeatVector", X2, {"n": 3}),
    ("UnitNormalization", X3, {}),
    ("UnitNormalization", X3, {"axis": [1, 2]}),
    ("RMSNormalization", X3, {}),
    ("RMSNormalization", X4, {"axis": [2, 3], "epsilon": 0.1}),
    ("Rescaling", X3, {"scale": 0.5, "offset": 3.0}),
    ("Rescaling", array((2, 3), dtype="int32"), {"scale": [1.0, 2.0, 0.1], "offset": 0.5}),
    ("Normalization", X3, {}),
    ("Normalization", X3, {"axis": None}),
    ("Normalization", X4, {"axis": [1, -1]}),
    ("Normalization", X3, {"mean": 1.5, "variance": 2.0}),
    ("Normalization", X3, {"mean": [1.0, 2, 3, 4, 5, 6], "variance": [1.0, 2, 3, 4, 5, 0], "invert": True}),
    ("CategoryEncoding", array((3, 4), dtype="int32"), {"num_tokens": 5}),
    ("CategoryEncoding", array((3, 4), dtype="int32"), {"num_tokens": 7, "output_mode": "count"}),
    ("CategoryEncoding", array((3, 1), dtype="int32"), {"num_tokens": 7, "output_mode": "one_hot"}),
    ("CategoryEncoding", array((3, 2), dtype="int32"), {"num_tokens": 7, "output_mode": "one_hot"}),
    ("LayerNormalization", X2, {}),
    ("LayerNormalization", X3, {"axis": 1, "epsilon": 0.1, "beta_regularizer": L2}),
    ("LayerNormalization", X4, {"axis": [1, 3], "center": False}),
    ("LayerNormalization", X4, {"axis": [-2, -1], "scale": False}),
    ("LayerNormalization", X3, {"rms_scaling": True}),
    ("GroupNormalization", X2, {"groups": 3}),
    ("GroupNormalization", X4, {"groups": 2}),
    ("GroupNormalization", X4, {"groups": 2, "axis": 1, "scale": False}),
    ("GroupNormalization", X4, {"groups": 5, "axis": -2, "center": False}),
    ("GroupNormalization", X4, {"groups": 1}),
    ("GroupNormalization", X4, {"groups": -1}),
    ("BatchNormalization", X2, {}),
    ("BatchNormalization", X4, {"axis": 1, "momentum": 0.5, "epsilon": 0.1}),
    ("BatchNormalization", X4, {"center": False, "scale": False}),
    ("Dropout", X3, {"rate": 0.5, "seed": 3, "noise_shape": [None, 1, 6]}),
    ("SpatialDropout2D", X4, {"rate": 0.5, "data_format": "channels_first"}),
    ("AlphaDropout", X3, {"rate": 0.5}),
    ("GaussianDropout", X3, {"rate": 0.5, "seed": 4}),
    ("GaussianNoise", X3, {"stddev": 0.5}),
    ("ActivityRegularization", X3, {"l1": 0.5, "l2": 0.1}),
]


def named(case):
    return f"{case[0]}-{'-'.join(map(str, case[1].shape))}-{'-'.join(map(str, case[2].values()))}"[:60]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_layer_is_keras_own(case):
    name, x, config = case
    check(name, x, config, but=NOT_COMPARED.get(name, ()))


NOT_COMPARED = {
    "LayerNormalization": ("axis",),  # Keras makes a list of it where it is built.
    "RMSNormalization": ("axis",),
    "GroupNormalization": ("groups",),  # The same for -1.
    "PReLU": ("shared_axes",),
    "SpatialDropout2D": ("seed",),
    "Normalization": ("axis", "mean", "variance"),
    "EinsumDense": ("output_shape",),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("config", [{}, {"axis": 1, "center": False}, {"scale": False, "momentum": 0.3}], ids=str)
def test_batches_are_normalised_as_in_keras(config, training):
    check("BatchNormalization", X3, config, training=training, rtol=5e-5)


@pytest.mark.parametrize("training", [True, False])
def test_a_mask_of_a_batch_counts_as_in_keras(training):
    check("BatchNormalization", X3, {"momentum": 0.5}, training=training, masks=STEPS, rtol=5e-5)
    check("BatchNormalization", X3, {"axis": 1, "momentum": 0.5}, training=training, masks=STEPS, rtol=5e-5)


def test_what_is_not_trained_is_not_normalised_by_the_batch():
    check("BatchNormalization", X2, {"trainable": False}, training=True)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        *(("ReLU", {}), ("Softmax", {}), ("LayerNormalization", {"axis": -1}), ("RMSNormalization", {})),
        *(("Dropout", {"rate": 0.2}), ("GroupNormalization", {"groups": 2}), ("Dense", {"units": 2})),
        *(("UnitNormalization", {}), ("Flatten", {}), ("Rescaling", {"scale": 2.0}), ("Identity", {})),
        *(("Permute", {"dims": (2, 1)}), ("ActivityRegularization", {"l1": 0.1}), ("GaussianNoise", {"stddev": 0.2})),
    ],
)
def test_masks_are_handed_on_as_in_keras(name, config):
    masks = array(X3.shape, dtype="bool") if name == "Softmax" else STEPS
    check(name, X3, config, masks=masks, gradients=False, but=NOT_COMPARED.get(name, ()))


MERGING = ("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Concatenate")


def inputs(name, *shapes):
    return [array(s, k) for k, s in enumerate(shapes[:2] if name == "Subtract" else shapes)]


@pytest.mark.parametrize("name", MERGING)
def test_merging_is_keras_own(name):
    check(name, inputs(name, (3, 5, 6), (3, 5, 6), (3, 5, 6)))
    if name != "Concatenate":
        check(name, inputs(name, (3, 5, 6), (3, 6), (3, 1, 1)))
        check(name, inputs(name, (3, 6), (3, 5, 1), (3, 1)))


@pytest.mark.parametrize("name", MERGING)
@pytest.mark.parametrize("masked", [(0, 1, 2), (0,), (1,), ()], ids=str)
def test_masks_of_merged_inputs_are_as_in_keras(name, masked):
    given = inputs(name, (3, 5, 6), (3, 5, 6), (3, 5, 6))
    masks = [array((3, 5), 7 + k, "bool") if k in masked else None for k in range(len(given))]
    check(name, given, masks=masks)
    if name == "Concatenate":
        check(name, given, {"axis": 1}, masks=masks)


def test_dot_is_keras_own():
    check("Dot", [array((3, 6)), array((3, 6), 1)], {"axes": 1})
    check("Dot", [array((3, 6)), array((3, 6), 1)], {"axes": -1, "normalize": True})
    check("Dot", [array((3, 5, 6)), array((3, 4, 6), 1)], {"axes": (2, 2)}, but=("axes",))
    check("Dot", [array((3, 5, 6)), array((3, 5, 4), 1)], {"axes": 1, "normalize": True})
    check("Dot", [array((3, 5)), array((3, 4, 5), 1)], {"axes": [1, 2]})
    check("Dot", [array((3, 4, 5)), array((3, 5), 1)], {"axes": [2, 1]})
    check("Dot", [array((3, 2, 5, 4)), array((3, 4, 3, 2), 1)], {"axes": [3, 1]})


def test_a_layer_adapts_as_keras_own():
    from sdgraph.keras import layers
    from tests.keras.keras_itself import keras

    data = array((7, 5, 6))
    for axis in (-1, None, (1, 2), 1):
        ours, theirs = layers.Normalization(axis=axis), keras.layers.Normalization(axis=axis)
        ours.adapt(data)
        theirs.adapt(data)
        np.testing.assert_allclose(ours(X3), np.asarray(theirs(X3)), rtol=2e-5, atol=2e-5)
        again = layers.Normalization(axis=axis)
        again.adapt([data[:3], data[3:]])
        for a, b in zip(again.get_weights(), ours.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_counts_have_weights():
    rows = array((3, 4), dtype="int32")
    weights = {"count_weights": array((3, 4))}
    check("CategoryEncoding", rows, {"num_tokens": 7, "output_mode": "count"}, call=weights, batch=3)

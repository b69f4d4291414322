"""Every op of the registry in a model, with its samples and its gradients, run by others than sdgraph.

Samples are those of `tests.ops.samples`; what is exempt stands in `tests.files.onnx.excluded`, with the reason.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sdgraph import SameDiff, errors
from sdgraph.build.op import NOT_DIFFERENTIABLE, REGISTRY
from sdgraph.files.onnx import rules
from sdgraph.files.onnx.registry import REASONS, RULES, TARGETS
from tests.files.onnx import excluded
from tests.files.onnx.running import assert_same, checked, in_reference, in_runtime, put_in
from tests.ops.samples import samples_of
from tests.ops.test_every_op import NEEDS_SIZES, OPS, floating

pytestmark = [pytest.mark.any_engine, pytest.mark.peers]

DTYPES = ["float64", "float32"]

DRAWS = {name for name in OPS if name.startswith("random.")} | {"nn.dropout", "image.random_crop"}
DECOMPOSITIONS = {
    "linalg.solve", "linalg.triangular_solve", "linalg.lstsq", "linalg.matrix_inverse", "linalg.logdet",
    "linalg.cholesky", "linalg.lu", "linalg.qr", "linalg.svd", "linalg.eig", "linalg.cofactors",
    "linalg.cofactors_gradient",
}  # fmt: skip
SIZES_OF_VALUES = {"math.list_diff", "image.non_max_suppression"}
GAMMAS = {
    "math.lgamma", "math.digamma", "math.polygamma", "math.zeta", "math.igamma", "math.igammac", "math.igamma_slope",
    "math.betainc", "math.betainc_slope",
}  # fmt: skip
REFUSED = DRAWS | DECOMPOSITIONS | SIZES_OF_VALUES | GAMMAS
EXPORTED = [name for name in OPS if name not in REFUSED]
DIFFERENTIABLE = [
    name for name in EXPORTED if REGISTRY[name].vjp is not NOT_DIFFERENTIABLE and name != "linalg.matrix_determinant"
]
# Ops whose body hangs on sizes, so that they are exported with known ones only.
NEEDS_KNOWN_SIZES = {
    "loss.ctc_loss",
    "keras.ctc",
    "image.resample",
    "image.unresample",
    "image.image_resize",
    "image.resize_bi_linear",
    "image.resize_bi_cubic",
    "image.crop_and_resize",
    "image.extract_image_patches",
} | {
    f"cnn.{name}"
    for name in (
        *("conv_input", "conv_kernel", "window_first", "conv1d", "conv2d", "conv3d", "depth_wise_conv2d"),
        *("separable_conv2d", "deconv2d", "deconv3d", "avg_pooling2d", "avg_pooling3d", "max_pooling2d"),
        *("max_pooling3d", "max_pool_with_argmax", "im2_col", "col2_im", "extract_image_patches"),
        "dilation2d",
    )
}
# Ops whose second gradients are large models, which take onnxruntime long to prepare.
LARGE = {"rnn.gru", "rnn.lstm_layer", "rnn.lstmblock"}
LOSSES_OF_ANY_SIZE = [
    name for name in DIFFERENTIABLE if REGISTRY[name].is_loss and name not in {*NEEDS_KNOWN_SIZES, *NEEDS_SIZES}
]


def spread(samples, most):
    """Some samples from all over the list."""
    return samples[:: -(-len(samples) // most)]


def is_elementwise(name):
    return bool(getattr(REGISTRY[name].infer, "broadcasts", False))


def compare(name, dtype, model, feeds, want, *, elementwise=False):
    rtol, _ = excluded.ACCURACY.get((name, dtype), (excluded.RTOL[dtype], ""))
    if (name, dtype) not in excluded.NO_REFERENCE:
        assert_same(in_reference(model, feeds), want, rtol, elementwise=elementwise)
    if dtype == "float64" and name in excluded.NO_KERNEL_FOR_DOUBLES:
        return
    assert_same(in_runtime(model, feeds), want, rtol, elementwise=elementwise)


def test_tables_of_what_is_exempt_do_not_grow():
    assert {name: len(getattr(excluded, name)) for name in excluded.AT_MOST} == excluded.AT_MOST


# ---------------------------------------------------------------------- values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXPORTED)
def test_values(name, dtype):
    sd = SameDiff(dtype)
    outs, feeds = put_in(sd, samples_of(name), dtype)
    flat = [v for several in outs for v in several]
    want = sd.output(feeds, flat, engine="numpy")
    compare(name, dtype, checked(sd.to_onnx(flat)), feeds, want, elementwise=is_elementwise(name))


OTHERWISE = {
    "written out": {"functions": False},
    "basic": {"target": "basic"},
    "basic, written out, opset 18": {"target": "basic", "functions": False, "opset": 18},
    "opset 26, checked": {"opset": 26, "checks": True},
}


@pytest.mark.parametrize("settings", OTHERWISE.values(), ids=OTHERWISE)
@pytest.mark.parametrize("name", EXPORTED)
def test_values_of_models_made_otherwise(name, settings):
    sd = SameDiff("float32")
    outs, feeds = put_in(sd, spread(samples_of(name), 10), "float32")
    flat = [v for several in outs for v in several]
    want = sd.output(feeds, flat, engine="numpy")
    model = checked(sd.to_onnx(flat, **settings))
    rtol, _ = excluded.ACCURACY.get((name, "float32"), (excluded.RTOL["float32"], ""))
    assert_same(in_runtime(model, feeds), want, rtol, elementwise=is_elementwise(name))
    assert bool(model.functions) <= settings.get("functions", True)


@pytest.mark.parametrize("name", [name for name in EXPORTED if REGISTRY[name].operand_names])
def test_values_of_other_dtypes(name):
    """Where an op takes other numbers than floats, the model does, and gives what they give."""
    sd = SameDiff("float32")
    outs, feeds = [], {}
    dtypes, _ = excluded.DTYPES_OF.get(name, (excluded.OTHER_DTYPES, ""))
    for dtype, (k, sample) in itertools.product(dtypes, enumerate(samples_of(name)[:2])):
        xs = tuple(x.astype(dtype) if getattr(x, "dtype", None) == np.float64 else x for x in sample.operands)
        scope = f"{dtype}_{k}"
        try:
            with sd.name_scope(scope):
                found, given = put_in(sd, [replace(sample, operands=xs)], "float16")
            given = {f"{scope}/{key}": x for key, x in given.items()}
            sd.output(given, found[0], engine="numpy")
        except errors.SDGraphError:
            continue
        outs += found[0]
        feeds |= given
    outs = [v for v in outs if v.dtype != np.float64]  # Computed from integers; what has no kernel is known.
    if outs:
        want = sd.output(feeds, outs, engine="numpy")
        assert_same(in_runtime(checked(sd.to_onnx(outs)), feeds), want, 2e-3)


@pytest.mark.parametrize("name", [name for name in EXPORTED if REGISTRY[name].operand_names])
def test_values_without_known_sizes(name):
    """The model is made without sizes, and computes what the graph computes for those that are fed."""
    sd = SameDiff("float32")
    outs, feeds = [], {}
    for k, sample in enumerate(samples_of(name)):
        with sd.name_scope(f"part{k}"):
            try:
                found, given = put_in(sd, [sample], "float32", unknown=True)
            except errors.SDGraphError:
                assert name in NEEDS_SIZES
                continue
        outs += found[0]
        feeds |= {f"part{k}/{key}": x for key, x in given.items()}
    want = sd.output(feeds, outs, engine="numpy") if outs else {}
    if name in NEEDS_KNOWN_SIZES:
        with pytest.raises(errors.ArgumentError, match="unknown: declare them"):
            sd.to_onnx(outs)
    elif outs:
        rtol, _ = excluded.ACCURACY.get((name, "float32"), (excluded.RTOL["float32"], ""))
        model = checked(sd.to_onnx(outs))
        assert_same(in_runtime(model, feeds), want, rtol, elementwise=is_elementwise(name))


# ---------------------------------------------------------------------- gradients


def gradients(sd, outs, order):
    """Gradients of every sample's outputs by its operands, up to an order; those that do not exist are left out."""
    found = []
    for k, several in enumerate(outs):
        ys = floating(several)
        wrt = [v for v in sd.placeholders() if v.name.startswith(f"s{k}/") and v.dtype.kind == "f"]
        for _ in range(order):
            try:
                ys = sd.grad(ys, wrt) if ys and wrt else []
            except errors.GradientError:
                break
            found += ys
    return found


def check_gradients(name, dtype, order, samples, **options):
    sd = SameDiff(dtype)
    outs, feeds = put_in(sd, samples, dtype, **options)
    found = gradients(sd, outs, order)
    if not found:
        return
    want = sd.output(feeds, found, engine="numpy")
    compare(name, dtype, checked(sd.to_onnx(found)), feeds, want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name, dtype):
    check_gradients(name, dtype, 1, spread(samples_of(name), 6))


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LARGE else n for n in DIFFERENTIABLE])
def test_second_gradients(name):
    check_gradients(name, "float32", 2, spread(samples_of(name), 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DIFFERENTIABLE if REGISTRY[name].is_loss])
def test_gradients_of_all_samples_of_losses(name):
    check_gradients(name, "float32", 1, samples_of(name))


@pytest.mark.parametrize("name", LOSSES_OF_ANY_SIZE)
def test_gradients_of_losses_without_known_sizes(name):
    check_gradients(name, "float32", 1, spread(samples_of(name), 4), unknown=True)


# ---------------------------------------------------------------------- what has no counterpart


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_op_without_counterpart_is_refused_by_name(name):
    sd = SameDiff("float64")
    outs, _ = put_in(sd, samples_of(name)[:1], "float64")
    with pytest.raises(errors.ArgumentError, match="no counterpart in ONNX") as e:
        sd.to_onnx(list(outs[0]))
    assert name in str(e.value) and "test_every_op.py" in str(e.value)


def test_every_op_has_a_rule_or_a_body_or_a_reason():
    known = {name for name, _ in RULES} | REASONS.keys()
    assert rules.reason("linalg.svd") and rules.rule("math.add", "basic")
    assert known <= set(OPS), "a rule for an op that there is not"
    assert not [name for name in REASONS if any((name, t) in RULES for t in TARGETS)], "a rule and a reason"
    for name in OPS:
        if not REGISTRY[name].is_composite and name not in REASONS:
            assert all((name, t) in RULES for t in TARGETS), f"{name} has no rule, no body, and no reason"
    # Dropout that keeps everything draws nothing.
    assert set(REASONS) == REFUSED - {"nn.dropout"}
    assert all(why and not why.endswith(".") for why in REASONS.values())


def test_empty_arrays_are_in_the_samples():
    assert any(np.size(x) == 0 for s in samples_of("math.add") for x in s.operands)

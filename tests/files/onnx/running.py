"""Models run by what others wrote: onnx's reference evaluator and onnxruntime, compared with sdgraph's numpy engine."""

from __future__ import annotations

import numpy as np
import pytest

from tests.ops.test_every_op import apply

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx.reference import ReferenceEvaluator  # noqa: E402

SESSION = onnxruntime.SessionOptions()
SESSION.log_severity_level = 4
SESSION.intra_op_num_threads = SESSION.inter_op_num_threads = 1

SCALE = 0.1
"""Results that are sums of about 1 may cancel to less; their error is that of the terms."""


def put_in(sd, samples, dtype, **options):
    """All samples of an op in one graph, each in a scope of its own: the outputs by sample, and the feeds of all."""
    found, feeds = [], {}
    for k, sample in enumerate(samples):
        with sd.name_scope(f"s{k}"):
            outs, given = apply(sd, sample, dtype=np.dtype(dtype), **options)
        found.append(outs)
        feeds |= {f"s{k}/{name}": np.asarray(x) for name, x in given.items()}
    return found, feeds


def checked(model):
    """The model, which is one for ONNX's own checker with shape inference, too."""
    onnx.checker.check_model(model, full_check=True)
    return model


def _fed(model, feeds):
    return {v.name: np.asarray(feeds[v.name]) for v in model.graph.input}


def _named(model, values):
    return {out.name: np.asarray(v) for out, v in zip(model.graph.output, values, strict=True)}


def in_reference(model, feeds):
    """What onnx's reference evaluator computes, which is numpy."""
    with np.errstate(all="ignore"):
        return _named(model, ReferenceEvaluator(model).run(None, _fed(model, feeds)))


def session(model):
    """The model as onnxruntime runs it on a CPU, with all that it does to graphs."""
    return onnxruntime.InferenceSession(model.SerializeToString(), SESSION, providers=["CPUExecutionProvider"])


def in_runtime(model, feeds):
    """What onnxruntime computes."""
    return _named(model, session(model).run(None, _fed(model, feeds)))


def assert_same(got, want, rtol, *, elementwise=False):
    """Equal shapes, dtypes and numbers: entry by entry if elementwise, else next to the largest entry."""
    assert got.keys() == want.keys()
    for name, value in want.items():
        found = got[name]
        assert (found.shape, found.dtype) == (value.shape, value.dtype), name
        if value.dtype.kind != "f":
            np.testing.assert_array_equal(found, value, err_msg=name)
            continue
        same = (found == value) | (np.isnan(found) & np.isnan(value))
        finite = np.abs(value[np.isfinite(value)])
        scale = np.abs(value) if elementwise else finite.max(initial=SCALE)
        with np.errstate(invalid="ignore"):
            assert np.all(same | (np.abs(found - value) <= rtol * scale)), (name, found, value)

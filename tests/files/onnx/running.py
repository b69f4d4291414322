"""Models run by what others wrote: onnx's reference evaluator and onnxruntime, compared with sdgraph's numpy engine."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from tests.ops.test_every_op import apply

SESSION = onnxruntime.SessionOptions()
SESSION.log_severity_level = 4
SESSION.intra_op_num_threads = 1
SESSION.inter_op_num_threads = 1


def put_in(sd, samples, dtype, **options):
    """All samples of an op in one graph, each in a scope of its own: outputs by sample, and the feeds of all."""
    found, feeds = [], {}
    for k, sample in enumerate(samples):
        with sd.name_scope(f"s{k}"):
            outs, given = apply(sd, sample, dtype=dtype, **options)
        found.append(outs)
        feeds |= {f"s{k}/{name}": np.asarray(x) for name, x in given.items()}
    return found, feeds


def checked(model):
    onnx.checker.check_model(model, full_check=True)
    return model


def in_reference(model, feeds):
    with np.errstate(all="ignore"):
        values = ReferenceEvaluator(model).run(None, needed(model, feeds))
    return {out.name: np.asarray(v) for out, v in zip(model.graph.output, values, strict=True)}


def in_runtime(model, feeds):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), SESSION, providers=["CPUExecutionProvider"]
    )
    values = session.run(None, needed(model, feeds))
    return {out.name: np.asarray(v) for out, v in zip(model.graph.output, values, strict=True)}


def needed(model, feeds):
    return {v.name: np.asarray(feeds[v.name]) for v in model.graph.input}

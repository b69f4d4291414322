"""Every loss, value and gradient: fused regions and nothing between them, but for what is named here."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from sdgraph.build.op import REGISTRY
from sdgraph.run.engines.llvm.divide.partition import divide
from sdgraph.run.engines.llvm.divide.segments import Segment
from tests.ops.samples import samples_of
from tests.ops.test_every_op import graph_of

LOSSES = [name for name, op in REGISTRY.items() if op.is_loss or name.startswith("keras.")]

_CTC = {
    "checked_ctc_labels",
    "checked_labels",
    "checked_lengths",
    "index",
    "index_scatter",
    "gather",
    "concat",
    "take_along_axis",
    "add_along_axis",
}
BETWEEN = {"loss.ctc_loss": _CTC, "keras.ctc": _CTC, "keras.circle": {"linalg.matmul"}}
"""Steps between regions that are meant: products of matrices, and picking by indices."""
MOVES = {"permute", "broadcast_to", "reshape", "expand_dims", "squeeze"}
"""Looking at an array otherwise is no computation."""


def several_samples(name):
    """Three that have more than one element along the axes they have."""
    fitting = [x for x in samples_of(name) if x.smooth and not any({0, 1} & {*np.shape(o)} for o in x.operands)]
    return fitting[:3]


@pytest.mark.parametrize("name", LOSSES)
def test_losses_fuse(name):
    for sample in several_samples(name):
        sd, y, feeds = graph_of(sample)
        leaves = [v for v in sd.placeholders() if v.dtype.kind == "f"]
        f = sd.compile([y, *sd.grad(sd.sum(y), leaves)], engine="llvm")
        f(feeds)
        parts = divide(f.plan).parts
        steps = {part.op.qualname for part in parts if type(part) is not Segment}
        assert steps - MOVES <= BETWEEN.get(name, set()), (str(sample), str(f.plan))


def test_every_loss_has_samples_here():
    assert {name for name in LOSSES if not several_samples(name)} <= {"loss.ctc_loss", "keras.ctc"}

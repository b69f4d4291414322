"""A call in Java's order is told as it is written here, and what is told runs."""

import numpy as np
import pytest

from sdgraph import LossReduce, SameDiff
from sdgraph.build.op import REGISTRY
from sdgraph.errors import SDGraphError
from tests.graph_state import graph_state

LOSSES = [
    op
    for name, op in REGISTRY.items()
    if op.is_ours and name.startswith("loss.") and "loss_reduce" in op.attr_names and "sparse" not in name
]


@pytest.mark.parametrize("leads", [True, False])
@pytest.mark.parametrize("op", LOSSES, ids=lambda op: op.name)
def test_every_loss_in_javas_order(op, leads):
    sd = SameDiff()
    x, y = sd.placeholder("x", (4, 3)), sd.placeholder("y", (4, 3))
    given = {"weights": None, "loss_reduce": LossReduce.SUM, "dimension": 1}
    args = [y, x, *(given.get(k, op.attr_defaults.get(k)) for k in op.signature.names[2:] if k != "name")]
    before = graph_state(sd)
    with pytest.raises(SDGraphError) as caught:
        getattr(sd.loss, op.name)(*(["java", *args] if leads else args))
    assert graph_state(sd) == before
    code = caught.value.fix.removeprefix("Write ").removesuffix(".")
    made = eval(code, {"sd": sd, "x": x, "y": y, "LossReduce": LossReduce})
    assert made.op_name == op.qualname and (not leads or made.name == "java")
    feeds = {"x": np.full((4, 3), 0.25), "y": np.eye(4, 3)}
    assert made.eval(feeds).shape == ()


def test_a_call_that_is_wrong_in_another_way_keeps_its_own_advice():
    sd = SameDiff()
    x = sd.placeholder("x", (None, 3))
    for call in (lambda: sd.math.add(x, {1}), lambda: sd.nn.relu(x, "a"), lambda: sd.nn.softmax(x, axiss=1)):
        with pytest.raises(SDGraphError) as caught:
            call()
        assert "Write sd" not in (caught.value.fix or "")

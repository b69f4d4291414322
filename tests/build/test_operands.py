"""What is known of operands is asked for in one place."""

from pathlib import Path

import sdgraph
from sdgraph import SameDiff
from sdgraph.build.operands import operand_avals


def test_an_operand_that_is_left_out_has_no_aval():
    sd = SameDiff()
    x, y = sd.placeholder("x", (None, 2)), sd.var("y", [1.0, 2.0])
    assert operand_avals(sd.nodes, (y.id, -1, x.id)) == (y.aval, None, x.aval)


def test_nobody_asks_by_hand():
    package = Path(sdgraph.__file__).parent
    own = package / "build" / "operands.py"
    assert not [str(p) for p in package.rglob("*.py") if p != own and ".aval if j >= 0" in p.read_text("utf-8")]

"""What a compiled function tells of its regions and of the steps that stay outside."""

import ast
from pathlib import Path

import numpy as np
import pytest

import sdgraph
from sdgraph import SameDiff
from sdgraph.errors import ArgumentTypeError, FeedError
from sdgraph.run.explaining import ExplainedPart, Explanation
from tests.run.tables import cells

pytestmark = pytest.mark.any_engine

TOLD = Explanation(
    "llvm",
    (
        ExplainedPart("linalg.matmul", ("h",), "a product of matrices", "BLAS does it.", False),
        ExplainedPart("region over (3,)", tuple("abcdefgh"), "8 ops fused", "", True),
        ExplainedPart("linalg.matmul", ("grad/w",), "a product of matrices", "BLAS does it.", False),
        ExplainedPart("math.lost", ("k",), "no compiled form", "", False),
    ),
)


def test_it_is_a_table_with_advice_below():
    assert repr(TOLD) == str(TOLD)
    lines = repr(TOLD).splitlines()
    assert [line.split() for line in lines[2:6]] == [
        ["linalg.matmul", "h", "a", "product", "of", "matrices"],
        ["region", "over", "(3,)", "a,", "b,", "c,", "d,", "e,", "f", "and", "2", "more", "8", "ops", "fused"],
        ["linalg.matmul", "grad/w", "a", "product", "of", "matrices"],
        ["math.lost", "k", "no", "compiled", "form"],
    ]
    assert lines[7:] == [
        "engine llvm: 1 region, 3 steps by themselves",
        "linalg.matmul, 2 times: BLAS does it.",
    ]
    assert [p.holds for p in TOLD.outside] == [("h",), ("grad/w",), ("k",)]


def test_a_notebook_has_the_same():
    page = TOLD._repr_html_()
    assert cells(page)[2] == ["region over (3,)", "a, b, c, d, e, f and 2 more", "8 ops fused"]
    assert "linalg.matmul, 2 times: BLAS does it." in page


def test_advice_for_one_step_names_it():
    lines = repr(TOLD._replace(parts=TOLD.parts[:2])).splitlines()
    assert lines[-1] == "linalg.matmul h: BLAS does it."


# ---------------------------------------------------------------------- real functions


def network():
    sd = SameDiff()
    x = sd.placeholder("x", (None, 6))
    w = sd.var("w", np.ones((6, 4), "float32"))
    h = sd.math.tanh(sd.linalg.matmul(x, w, name="product"), name="h")
    return sd, sd.sum(h * h, name="loss"), w


def test_regions_and_steps_in_the_order_they_run_with_their_variables():
    sd, loss, w = network()
    f = sd.compile([loss, *sd.grad(loss, [w])], engine="llvm")
    told = f.explain(x=np.ones((5, 6)))
    assert told.engine == "llvm"
    product, *_, gradient = told.parts
    (region,) = [p for p in told.parts if p.is_region]
    assert (product.part, product.holds) == ("numpy linalg.matmul", ("product",))
    assert product.facts == "a product of matrices"
    assert "BLAS" in product.advice and gradient.holds == ("grad/w",)
    assert region.part == "region over (5, 4)" and {"h", "loss"} <= set(region.holds)
    assert "fused" in region.facts and "moved" in region.facts
    assert f.explain() == told


def test_without_shapes_there_is_nothing_to_tell_yet():
    sd, loss, _ = network()
    f = sd.compile(loss, engine="llvm")
    with pytest.raises(ArgumentTypeError, match="no plan yet"):
        f.explain()
    with pytest.raises(FeedError):
        f.explain(y=1.0)
    f(x=np.ones((2, 6)))
    assert f.explain().parts


def test_an_engine_that_runs_step_by_step_lists_them():
    sd, loss, _ = network()
    told = sd.compile(loss, engine="numpy").explain(x=np.ones((5, 6)))
    assert [p.part for p in told.parts][:2] == ["linalg.matmul", "math.tanh"] and told.outside == told.parts
    assert repr(told).endswith(f"engine numpy: {len(told.parts)} steps by themselves")


def test_a_plan_in_print_names_the_same():
    sd, loss, w = network()
    f = sd.compile([loss, *sd.grad(loss, [w])], engine="llvm")
    f(x=np.ones((5, 6)))
    text = str(f.plan)
    assert "numpy linalg.matmul float32 (5, 4)  # product  not fused: a product of matrices" in text
    assert "    BLAS does it" in text and "    holds h, " in text


# ---------------------------------------------------------------------- advice


def reasons():
    """What functions of the division return as a reason: texts, where others return None."""
    found = set()
    for path in (Path(sdgraph.__path__[0]) / "run/engines/llvm/divide").glob("*.py"):
        if path.stem in ("region", "advice", "spec", "stages"):
            continue  # A region tells why a node goes into the next one.
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Return) and node.value is not None:
                texts = (c.value for c in ast.walk(node.value) if isinstance(c, ast.Constant))
                found.update(t for t in texts if isinstance(t, str) and (" " in t or t in ("dtype", "empty")))
    return found


def test_every_reason_to_stay_outside_has_advice():
    pytest.importorskip("llvmlite")
    from sdgraph.run.engines.llvm.divide.advice import VIEW, advice

    assert len(reasons()) > 10
    assert not [reason for reason in {*reasons(), VIEW} if not advice(reason, "math.exp")]

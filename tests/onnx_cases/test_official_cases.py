"""Operations against the official cases of ONNX, which the onnx package carries: values, shapes, types.

Single operators, the bodies that ONNX gives for those that are made of others, and models that PyTorch exported.
"""

from collections import Counter
from importlib.util import find_spec

import onnx
import pytest

from tests.onnx_cases.collection import NO_ARRAY, NUMPY_LACKS, collected
from tests.onnx_cases.excluded import CASES, NO_OPERATION, why
from tests.onnx_cases.rules import RULES, RUN, Translation, check_outputs

ENGINES = ["numpy", pytest.param("llvm", marks=pytest.mark.skipif(not find_spec("llvmlite"), reason="needs llvmlite"))]
pytestmark = [pytest.mark.any_engine, pytest.mark.peers]

# The tables are those of one release. Others have other cases, and what these cases need may be missing here.
of_this_release = pytest.mark.skipif(not onnx.__version__.startswith("1.23."), reason="the tables are of onnx 1.23")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", RUN)
def test_outputs_are_those_of_onnx(name, engine):
    case = collected()[name]
    check_outputs(case, run(case, engine))


def run(case, engine):
    return outputs_of(Translation(case), engine)


def outputs_of(translation, engine):
    values = translation.sd.compile(translation.outputs, engine=engine)(translation.feeds)
    return [values[v.name] for v in translation.outputs]


# Pieces of unknown sizes, which turn out to be 1 where they are broadcast.
TURNED_ONE = {
    "test_linear_attention_gated_per_head_decay_expanded",
    "test_linear_attention_gated_delta_beta_scalar_expanded",
}


@of_this_release
@pytest.mark.parametrize("engine", ENGINES)
def test_sizes_may_be_unknown(engine):
    done = 0
    for name in RUN:
        case = collected()[name]
        try:
            translation = Translation(case, sizes=False)
        except Exception:
            continue  # What needs a size is often the rule, so the number of those that need none is held.
        if name not in TURNED_ONE:
            check_outputs(case, outputs_of(translation, engine))
            done += 1
    assert done >= 908


@of_this_release
def test_an_operator_has_a_rule_or_a_reason():
    needed = set().union(*(c.ops for c in collected().values() if c.unfit is None))
    assert needed <= RULES.keys() | NO_OPERATION.keys()
    assert not RULES.keys() & NO_OPERATION.keys()
    assert needed >= NO_OPERATION.keys()
    assert set().union(*(collected()[name].ops for name in RUN)) == RULES.keys()


@of_this_release
@pytest.mark.parametrize("name", CASES)
def test_a_case_that_is_left_out_would_fail(name):
    case = collected()[name]
    assert case.unfit is None
    assert not case.ops & NO_OPERATION.keys()
    with pytest.raises((AssertionError, TypeError)):  # a wrong output, or an attribute that no rule takes
        check_outputs(case, run(case, "numpy"))


@of_this_release
def test_no_fewer_cases_are_run():
    single = [name for name in RUN if len(collected()[name].model.graph.node) == 1]
    assert (len(single), len(RUN)) >= (1142, 1577)
    left_out = Counter(why(c) for c in collected().values())
    del left_out[None]
    values = left_out.pop(NUMPY_LACKS), left_out.pop(NO_ARRAY)
    assert values <= (191, 58)
    assert left_out.total() <= 198

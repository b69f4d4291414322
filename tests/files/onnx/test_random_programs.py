"""Random programs as models: what onnxruntime gives is the direct evaluation but for what roundings explain.

The programs are those of `tests.fuzz`: all operations and losses, gradients inside losses, unknown sizes, every type.
"""

from __future__ import annotations

import pytest

from sdgraph.errors import ArgumentError, SDGraphError
from tests.files.onnx.running import checked, in_runtime
from tests.fuzz.build import build
from tests.fuzz.compare import Tolerances
from tests.fuzz.direct import Direct
from tests.fuzz.generate import generate
from tests.fuzz.program import Extreme

FIRST, PROGRAMS, TOGETHER = 8_000_000, 300, 25
SETTINGS = [{}, {"functions": False}, {"target": "basic"}]


def differences(seed):
    """How the results of a program's model differ by more than they may, and whether there was one at all."""
    program = generate(seed)
    if any(isinstance(leaf.values, Extreme) for _, leaf in program.leaves()):
        return [], False  # What ONNX leaves open is with NaN and infinity.
    builder = build(program)
    fetches = {r: builder.made[r] for r in program.outs}
    found, ran = [], False
    for run in program.runs:
        builder.set_variables(run)
        feeds = builder.arrays("placeholder", run)
        variables = list(dict.fromkeys(fetches.values()))
        try:
            want = builder.sd.output(feeds, variables, engine="numpy")
            model = checked(builder.sd.to_onnx(variables, **SETTINGS[seed % len(SETTINGS)]))
        except (ArgumentError, SDGraphError):
            continue
        try:
            got = in_runtime(model, feeds)
        except Exception as e:
            assert "NOT_IMPLEMENTED" in str(e), f"seed {seed}: {e}"
            continue
        direct = Direct(builder.sd, feeds)
        expected = {r: direct.value(v.id) for r, v in fetches.items()}
        if direct.out_of_range:
            continue
        tolerances, ran = Tolerances(builder, feeds, fetches, expected), True
        for r, v in fetches.items():
            value = got[v.name]
            assert (value.dtype, value.shape) == (want[v.name].dtype, want[v.name].shape), f"seed {seed}: {v.name}"
            found.append(tolerances.difference(r, value))
    return [f"seed {seed}: {text}" for text in found if text], ran


@pytest.mark.any_engine
@pytest.mark.slow
@pytest.mark.parametrize("start", range(FIRST, FIRST + PROGRAMS, TOGETHER))
def test_programs(start):
    results = [differences(seed) for seed in range(start, start + TOGETHER)]
    assert not [text for found, _ in results for text in found]
    assert sum(ran for _, ran in results) > TOGETHER // 2

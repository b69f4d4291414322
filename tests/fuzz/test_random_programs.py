"""Random programs on fixed seeds: every engine agrees with the direct evaluation of what the graph says.

The long run over other seeds is ``python -m tests.fuzz``.
"""

import pytest

from tests.fuzz.__main__ import judge

PROGRAMS = 700
TOGETHER = 25
"""Programs of one test: enough to be worth a test's overhead, few enough to spread over processes."""

FIRST = 1_000_000
"""Seeds that nothing was tuned on."""


@pytest.mark.any_engine
@pytest.mark.slow
@pytest.mark.parametrize("start", range(FIRST, FIRST + PROGRAMS, TOGETHER))
def test_programs(start):
    for seed in range(start, start + TOGETHER):
        report = judge(seed)
        assert not report.failure, f"seed {seed}: {report.failure}\n\n{report.source}"

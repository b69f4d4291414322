"""Stages: segments and numpy steps in turn."""

import itertools

from sdgraph.run.engines.llvm.divide.stages import FIRST_SEGMENT, FIRST_STEPS, LEAVES, Stage


def test_they_run_in_the_order_in_which_they_compare():
    assert LEAVES < FIRST_SEGMENT < FIRST_STEPS
    assert FIRST_STEPS < FIRST_STEPS.segment_after() < FIRST_STEPS.segment_after().steps_after()


def test_what_reads_a_stage_comes_as_early_as_it_can():
    stages = sorted(itertools.starmap(Stage, itertools.product(range(-1, 3), (False, True))))[1:]
    for stage in stages:
        segment, steps = stage.segment_after(), stage.steps_after()
        assert not segment.is_steps and steps.is_steps
        assert segment == next(s for s in [*stages, Stage(3, False)] if s >= stage and not s.is_steps)
        assert steps == next(s for s in stages if s >= stage and s.is_steps)

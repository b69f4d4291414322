"""Sizes of caches, as Linux tells them in folders made here."""

import pytest

from sdgraph.run.engines.caches import Caches, caches


def told(folder, *several):
    for k, (level, kind, size) in enumerate(several):
        one = folder / f"index{k}"
        one.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (one / name).write_text(f"{text}\n")
    return folder


def test_each_level_that_holds_data_counts(tmp_path):
    several = [(1, "Data", "48K"), (1, "Instruction", "64K"), (2, "Unified", "2048K"), (3, "Unified", "36M")]
    assert caches(told(tmp_path, *several)) == Caches(48 << 10, 2 << 20, 36 << 20)


def test_where_there_is_no_third_level_the_second_is_the_last(tmp_path):
    assert caches(told(tmp_path, (1, "Data", "64K"), (2, "Unified", "1M"))) == Caches(64 << 10, 1 << 20, 1 << 20)


@pytest.mark.parametrize("wrong", [("x", "Data", "32K"), (1, "Data", ""), (1, "Data", "many")])
def test_what_is_not_told_is_as_on_a_common_computer(tmp_path, wrong):
    assert caches(told(tmp_path, wrong)) == caches(tmp_path / "nothing") == Caches()


def test_this_computer_has_caches_that_grow():
    here = caches()
    assert 0 < here.first <= here.second <= here.to_count_on <= here.last


def test_part_of_the_last_cache_is_for_others():
    assert Caches(32 << 10, 1 << 20, 32 << 20).to_count_on == 20 << 20
    assert Caches(32 << 10, 1 << 20, 1 << 20).to_count_on == 1 << 20

"""Names that are all different, and quickly found however many are alike."""

import time

from sdgraph.files.free_names import FreeNames


def test_no_name_is_given_twice():
    names = FreeNames(["add", "add_1"])
    assert [names.take("add") for _ in range(3)] == ["add_2", "add_3", "add_4"]
    names.reserve(["x"])
    assert names.take("x") == "x_1"


def test_many_of_one_sort_take_no_longer():
    names = FreeNames()
    begin = time.process_time()
    assert len({names.take("add") for _ in range(50_000)}) == 50_000
    # Counting from the start each time, it would be a billion looks.
    assert time.process_time() - begin < 20

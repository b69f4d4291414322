"""Batches: which examples come when, and how the data may be given."""

import itertools

import numpy as np
import pytest

from sdgraph.errors import ArgumentError, ArgumentTypeError, FeedError
from sdgraph.train.data import batches as d

N = np.arange(103)
READ = d.Reader(lambda given: dict(d.by_name(given, ["x"])), lambda item: d.by_name(item, ["x"]))


def numbers(batches, epoch=0, start=0):
    return [batch.feeds["x"].tolist() for batch in batches.epoch(epoch, start)]


@pytest.mark.parametrize("batch_size", [1, 7, 50, 103, 1000])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_example_comes_once_in_an_epoch(batch_size, shuffle):
    batches = d.ArrayBatches({"x": N}, batch_size, shuffle=shuffle, seed=3)
    for epoch in (0, 5):
        found = numbers(batches, epoch)
        assert sorted(itertools.chain(*found)) == N.tolist()
        assert len(found) == batches.count()
        assert all(len(part) == batch_size for part in found[:-1])


def test_rows_of_several_arrays_stay_together_and_numbers_are_the_same_in_all_batches():
    batches = d.ArrayBatches({"x": N, "y": np.stack([N, N + 0.5], 1), "rate": 0.25}, 10, seed=1)
    for feeds, examples in batches.epoch(2):
        np.testing.assert_array_equal(feeds["y"], np.stack([feeds["x"], feeds["x"] + 0.5], 1))
        assert feeds["rate"] == 0.25 and examples == len(feeds["x"])


def test_an_order_is_that_of_seed_and_epoch():
    orders = {
        (seed, epoch): tuple(itertools.chain(*numbers(d.ArrayBatches({"x": N}, 9, seed=seed), epoch)))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    assert len(set(orders.values())) == 4
    for (seed, epoch), order in orders.items():
        expected = np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(103)
        assert order == tuple(expected.tolist())


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("wide", [1, 40_000])
def test_an_epoch_can_be_gone_on_with_anywhere(shuffle, wide):
    """Also where less than a batch is gathered at a time."""
    batches = d.ArrayBatches({"x": np.repeat(N[:, None], wide, 1)}, 10, shuffle=shuffle)
    whole = numbers(batches, 4)
    for start in (0, 1, 5, 10, 11):
        assert numbers(batches, 4, start) == whole[start:]


def test_fewer_steps_are_the_first_of_an_epoch():
    few, whole = (d.ArrayBatches({"x": N}, 10, steps=steps) for steps in (3, None))
    assert numbers(few, 1) == numbers(whole, 1)[:3]
    assert numbers(few, 1, 2) == numbers(whole, 1)[2:3]
    assert few.count() == 3


def test_the_last_examples_are_split_off_before_anything_is_shuffled():
    first, last = d.ArrayBatches({"x": N}, 10, seed=2).split(0.25)
    assert sorted(itertools.chain(*numbers(first))) == N[:77].tolist()
    assert list(itertools.chain(*numbers(last))) == N[77:].tolist()


LIST = [(N[k : k + 10],) for k in range(0, 100, 10)]


class Streams:
    """Gone through again and again, without a length."""

    def __iter__(self):
        return iter(LIST)


@pytest.mark.parametrize("source", [LIST, Streams(), lambda: iter(LIST)], ids=["list", "stream", "function"])
def test_epochs_of_fewer_steps_go_on_through_what_is_iterated_over(source):
    items = [a.tolist() for (a,) in LIST]
    for steps in (3, 4, 10, 23):
        batches = d.IteratedBatches(source, READ.batch, steps)
        endless = items * 20
        for epoch in range(4):
            assert numbers(batches, epoch) == endless[epoch * steps : (epoch + 1) * steps]
        # Anywhere, in any order, and anew.
        again = d.IteratedBatches(source, READ.batch, steps)
        assert numbers(again, 3, 1) == endless[3 * steps + 1 : 4 * steps]
        assert numbers(again, 1) == endless[steps : 2 * steps]


def test_an_epoch_without_a_number_of_steps_is_one_pass():
    batches = d.IteratedBatches(lambda: iter(LIST), READ.batch)
    assert numbers(batches, 0) == numbers(batches, 7) == [a.tolist() for (a,) in LIST]
    assert numbers(batches, 0, 8) == [a.tolist() for (a,) in LIST[8:]]
    assert batches.count() is None and d.IteratedBatches(LIST, READ.batch).count() == 10


def test_an_iterator_goes_on_and_may_end():
    batches = d.IteratedBatches(iter(LIST), READ.batch, 4)
    assert numbers(batches, 0) + numbers(batches, 1) == [a.tolist() for (a,) in LIST[:8]]
    with pytest.raises(ArgumentError, match="ended before"):
        numbers(batches, 2)


def test_what_never_gives_anything_is_an_error_not_a_wait():
    with pytest.raises(ArgumentError, match="ended before"):
        numbers(d.IteratedBatches([], READ.batch, 2))
    with pytest.raises(ArgumentError, match="ended before"):
        numbers(d.IteratedBatches(lambda: iter(()), READ.batch, 2), 5)


def test_an_object_of_ones_own_says_itself_what_an_epoch_is():
    class Own:
        def __len__(self):
            return 2

        def epoch(self, epoch, start):
            for k in range(start, 2):
                yield {"x": np.full(3, 10 * epoch + k)}, 3

    batches = d.as_batches(Own(), READ)
    assert numbers(batches, 4, 1) == [[41, 41, 41]] and batches.count() == 2


@pytest.mark.parametrize(
    ("item", "error"),
    [((N, N), FeedError), ([N, N], FeedError), ({"x": N}, None), ((N,), None), (N, None), ([[N]], None)],
)
def test_a_batch_has_one_array_for_each_placeholder(item, error):
    batches = d.as_batches([item], READ)
    if error is None:
        assert numbers(batches) == [N.tolist()]
    else:
        with pytest.raises(error, match="2 arrays"):
            numbers(batches)


@pytest.mark.parametrize("wrong", [None, 3, "text", b"bytes"])
def test_what_is_no_data_is_refused(wrong):
    with pytest.raises(ArgumentTypeError, match="no data"):
        d.as_batches(wrong, READ)

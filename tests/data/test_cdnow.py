"""The CDNOW purchases that come with the package."""

from importlib.resources import files

import numpy as np
import pytest

from factorattn.data import load_cdnow
from factorattn.data.cdnow import N_DAYS, Cdnow


@pytest.fixture(scope="module")
def cdnow():
    return load_cdnow()


def test_all_69659_purchases_of_23570_customers_are_there(cdnow):
    assert all(column.shape == (69_659,) and column.dtype == np.int64 for column in cdnow)
    np.testing.assert_array_equal(np.unique(cdnow.customer), np.arange(1, 23_571))


def test_the_totals_are_those_of_the_source(cdnow):
    # Computed from the text file by other means (awk): 167,881 CDs for 2,500,315.63 dollars.
    assert cdnow.quantity.sum() == 167_881
    assert cdnow.cents.sum() == 250_031_563
    assert np.count_nonzero(cdnow.cents == 0) == 80


def test_the_first_rows_are_those_of_the_source(cdnow):
    rows = [tuple(map(int, row)) for row in zip(*(column[:4] for column in cdnow), strict=True)]
    assert rows == [(1, 0, 1, 1177), (2, 11, 1, 1200), (2, 11, 5, 7700), (3, 1, 2, 2076)]


def test_days_run_from_the_first_of_1997_to_the_end_of_june_1998(cdnow):
    start = np.datetime64("1997-01-01")
    assert start + cdnow.day.min() == np.datetime64("1997-01-01")
    assert start + cdnow.day.max() == np.datetime64("1998-06-30") == start + (N_DAYS - 1)


def test_rows_are_in_order_of_customer_and_day(cdnow):
    assert np.all(np.diff(cdnow.customer * N_DAYS + cdnow.day) >= 0)


def test_every_customer_first_buys_within_84_days(cdnow):
    assert max(purchases.day[0] for purchases in cdnow.per_customer()) == 83


def test_sequences_per_customer_are_ordered_in_time_and_join_to_the_whole(cdnow):
    sequences = cdnow.per_customer()
    assert len(sequences) == 23_570
    assert all(np.all(np.diff(purchases.day) >= 0) for purchases in sequences)
    for joined, column in zip(zip(*sequences, strict=True), cdnow[1:], strict=True):
        np.testing.assert_array_equal(np.concatenate(joined), column)


def test_lengths_of_sequences_are_those_of_the_source(cdnow):
    lengths = [len(purchases.day) for purchases in cdnow.per_customer()]
    assert lengths.count(1) == 11_908
    assert max(lengths) == 217


def test_the_long_sequence_is_ordered_by_day_and_keeps_the_order_within_a_day(cdnow):
    index = np.arange(cdnow.day.size)
    ordered = cdnow._replace(cents=index).time_ordered()
    assert np.all(np.diff(ordered.day * index.size + ordered.cents) > 0)
    for column, sorted_column in zip(cdnow[:3], ordered[:3], strict=True):
        np.testing.assert_array_equal(column[ordered.cents], sorted_column)


def test_sequences_per_customer_do_not_depend_on_how_customers_are_interleaved(cdnow):
    for a, b in zip(cdnow.per_customer(), cdnow.time_ordered().per_customer(), strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def test_same_day_purchases_of_one_customer_keep_their_order():
    row = np.asarray([0, 1, 2, 3])
    purchases = Cdnow(customer=row * 0 + 7, day=np.asarray([5, 5, 2, 5]), quantity=row, cents=row).per_customer()
    np.testing.assert_array_equal(purchases[0].quantity, [2, 0, 1, 3])


def test_the_file_holds_plain_integers_and_nothing_pickled():
    with (files("factorattn.data") / "cdnow.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        assert set(stored) == set(Cdnow._fields)
        assert all(stored[name].dtype.kind == "u" for name in stored)

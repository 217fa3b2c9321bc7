"""Purchases as tokens, windows, and the tables that models are held against."""

import itertools
import math

import numpy as np
import pytest

from factorattn.data import load_cdnow
from factorattn.data.cdnow import Purchases
from factorattn.experiment.transactions import make_streams
from factorattn.experiment.transactions.baseline import bigram, nats_per_purchase, unigram
from factorattn.experiment.transactions.tokens import Bins, make_bins, split_customers, stream
from factorattn.testing import ROUNDING


def customer(*purchases):
    """Purchases from (day, cents)."""
    day, cents = np.asarray(purchases).T
    return Purchases(day, np.ones_like(day), cents)


BINS = Bins(days=(1, 7), cents=(1000, 2000))


def test_tokens_by_hand():
    assert (BINS.gaps, BINS.amounts, BINS.vocabulary) == (4, 3, 13)
    found = stream([customer((5, 999), (5, 1000), (6, 1999), (12, 2000), (19, 50))], BINS)
    # The first; the same day; a day later, in 1 .. 6; 6 days, too; 7 days.
    assert found.tolist() == [0, 1 + 0 + 0, 1 + 3 + 1, 1 + 6 + 1, 1 + 6 + 2, 1 + 9 + 0, 0]


def test_a_stream_has_a_token_before_every_customer_and_one_at_the_end():
    found = stream([customer((0, 1), (1, 1)), customer((3, 5000))], BINS)
    assert found.tolist() == [0, 1, 7, 0, 3, 0]
    assert found.dtype == np.int64


def test_bins_are_quantiles_each_once():
    customers = [customer((0, 100), (0, 200), (10, 300), (30, 400)), customer((2, 100))]
    bins = make_bins(customers, gaps=2, amounts=4)
    assert bins.days == (1, 15)  # gaps above the same day: 10 and 20; half of them are below 15
    assert bins.cents == (200, 300)  # quartiles 100, 200, 300: the first leaves nothing below
    alike = make_bins([customer((0, 5), (0, 5))])
    assert (alike.days, alike.cents) == ((1,), ())


def test_bins_know_nothing_of_customers_held_out():
    streams = make_streams((8,), seed=0)
    learn, test = split_customers(load_cdnow().per_customer(), held_out=0.2, rng=np.random.default_rng(0))
    assert streams.bins == make_bins(learn)
    assert streams.bins != make_bins([*learn, *test])
    assert (len(learn), len(test)) == streams.customers == (18856, 4714)
    assert sum(len(c.day) for c in learn) + sum(len(c.day) for c in test) == 69659
    np.testing.assert_array_equal(streams.learn, stream(learn, streams.bins))
    np.testing.assert_array_equal(streams.test, stream(test, streams.bins))


def test_the_split_keeps_every_customer_in_order():
    customers = [customer((i, i)) for i in range(10)]
    learn, test = split_customers(customers, held_out=0.3, rng=np.random.default_rng(0))
    days = [[int(c.day[0]) for c in part] for part in (learn, test)]
    assert sorted(days[0] + days[1]) == list(range(10))
    assert days == [sorted(days[0]), sorted(days[1])]
    assert len(test) == 3


@pytest.mark.parametrize("held_out", [False, True])
def test_all_lengths_have_the_same_tokens_and_targets_a_place_further(held_out):
    streams = make_streams((16, 64, 256), seed=0)
    tokens = streams.test if held_out else streams.learn
    for n in (16, 64, 256):
        x, y = streams.windows(n, held_out=held_out)
        whole = (len(tokens) - 1) // 256 * 256
        assert x.shape == y.shape == (whole // n, n)
        np.testing.assert_array_equal(x.ravel(), tokens[:whole])
        np.testing.assert_array_equal(y.ravel(), tokens[1 : whole + 1])


def test_tokens_behind_windows_are_the_same_for_all_lengths():
    streams = make_streams((16, 256), seed=0)
    (short, places), (long, others) = (streams.lasts(n, 10) for n in (16, 256))
    np.testing.assert_array_equal(places, others)
    np.testing.assert_array_equal(long[:, -16:], short)
    for window, place in zip(long, places, strict=True):
        np.testing.assert_array_equal(window, streams.test[place - 256 : place])


def test_tables_are_counts_and_one():
    tokens = np.asarray([0, 1, 2, 0, 1, 1])
    np.testing.assert_allclose(np.exp(unigram(tokens, 4)), np.asarray([2, 4, 2, 1]) / 9, rtol=ROUNDING("f8", 4))
    want = [[1 / 6, 3 / 6, 1 / 6, 1 / 6], [1 / 6, 2 / 6, 2 / 6, 1 / 6], [2 / 5, 1 / 5, 1 / 5, 1 / 5], [1 / 4] * 4]
    np.testing.assert_allclose(np.exp(bigram(tokens, 4)), want, rtol=ROUNDING("f8", 4))


def test_ends_are_paid_for_but_not_counted():
    assert nats_per_purchase(np.asarray([1.0, 2.0, 4.0]), np.asarray([5, 0, 6])) == 3.5


def test_baselines_by_a_plain_loop():
    streams = make_streams((512,), seed=1)
    counts, pairs = {}, {}
    learn, test = streams.learn.tolist(), streams.test.tolist()
    for before, after in itertools.pairwise(learn):
        counts[after] = counts.get(after, 0) + 1
        pairs[before, after] = pairs.get((before, after), 0) + 1
    begins = {x: sum(count for (first, _), count in pairs.items() if first == x) for x in counts}
    v, total, nats, purchases = streams.bins.vocabulary, len(learn) - 1, [0.0, 0.0], 0
    for i in range((len(test) - 1) // 512 * 512):
        before, after = test[i], test[i + 1]
        nats[0] -= math.log((counts.get(after, 0) + 1) / (total + v))
        nats[1] -= math.log((pairs.get((before, after), 0) + 1) / (begins.get(before, 0) + v))
        purchases += after != 0
    found = streams.baselines
    assert streams.counts["predicted_purchases"] == purchases
    for name, sum_ in zip(("unigram", "bigram"), nats, strict=True):
        np.testing.assert_allclose(found[name], sum_ / purchases, rtol=ROUNDING("f8", len(test)))


def test_every_seed_holds_out_others():
    a, b, c = (make_streams((8,), seed=seed) for seed in (0, 0, 1))
    assert a.checksum == b.checksum != c.checksum


@pytest.mark.parametrize(
    ("lengths", "told"),
    [
        ((8, 12), "lengths must be 2 or more and divide the longest, 12, got 8"),
        ((1, 2), "got 1"),
        ((2**15,), r"lengths must be below 19103, the tokens of customers held out, got 32768"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, told):
    with pytest.raises(ValueError, match=told):
        make_streams(lengths, seed=0)

"""Facts about the distribution `multinoulli`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import multinoulli, softmax
from factorattn.testing import CHANCE


@settings(deadline=None)
@given(
    st.lists(st.floats(-5, 5) | st.just(-np.inf), min_size=1, max_size=9), st.integers(0, 996).map(lambda i: i / 997)
)
def test_multinoulli_inverts_the_cumulative_distribution(a, uniform):
    agree(multinoulli(np.array(a), np.asarray(uniform)), distribution.multinoulli(a, uniform), len(a))


def test_by_hand():
    a = np.log(np.array([[0.25, 0.5, 0.25]] * 5))
    got = multinoulli(a, np.array([0.0, 0.2, 0.3, 0.7, 0.8]))
    np.testing.assert_array_equal(np.argmax(got, axis=-1), [0, 0, 1, 1, 2])
    np.testing.assert_array_equal(np.sum(got, axis=-1), 1.0)


def test_draws_have_the_softmax_weights_as_frequencies():
    a = np.array([0.0, 1.0, -1.0, -np.inf, 0.5])
    draws = multinoulli(np.broadcast_to(a, (20_000, 5)), rng=7)
    for j in range(5):
        assert abs(np.mean(draws[:, j]) - softmax(a)[j]) <= CHANCE(draws[:, j])
    assert np.all(draws[:, 3] == 0)


def test_a_key_of_weight_zero_is_never_drawn():
    a = np.array([-np.inf, 0.0, -np.inf, 0.0, -np.inf])
    edges = np.array([0.0, 0.5, np.nextafter(0.5, 0), np.nextafter(1.0, 0), 1.0, 2.0, -1.0])
    got = np.argmax(multinoulli(np.broadcast_to(a, (7, 5)), edges), axis=-1)
    np.testing.assert_array_equal(got, [1, 3, 1, 3, 3, 3, 1])


def test_the_last_float_below_one_draws_a_key_in_every_precision(rng):
    for dtype in (np.float16, np.float32, np.float64):
        a = rng.standard_normal((200, 333)).astype(dtype)
        uniform = np.full(200, np.nextafter(dtype(1), dtype(0)))
        np.testing.assert_array_equal(np.sum(multinoulli(a, uniform), axis=-1), 1.0)


def test_the_seed_decides_and_the_library_does_not():
    import array_api_strict

    a = np.zeros((4, 50))
    np.testing.assert_array_equal(multinoulli(a, rng=3), multinoulli(a, rng=np.random.default_rng(3)))
    strict = multinoulli(array_api_strict.asarray(a), rng=3)
    np.testing.assert_array_equal(np.asarray(strict), multinoulli(a, rng=3))
    assert np.any(multinoulli(a, rng=3) != multinoulli(a, rng=4))


def test_numbers_and_a_source_of_them_are_refused_together():
    with pytest.raises(ValueError, match="rng must be None where uniform is given"):
        multinoulli(np.zeros((2, 3)), np.zeros(2), rng=0)
    with pytest.raises(ValueError, match="rng must be a non-negative integer"):
        multinoulli(np.zeros((2, 3)), rng=-1)
    with pytest.raises(ValueError, match="batch axes must broadcast"):
        multinoulli(np.zeros((2, 3)), np.zeros(4))


def test_a_number_that_is_nan_draws_no_key():
    a = np.zeros((3, 4))
    a[2] = -np.inf
    got = multinoulli(a, np.array([np.nan, 0.6, np.nan]))
    np.testing.assert_array_equal(got, [[np.nan] * 4, [0, 0, 1, 0], [0] * 4])

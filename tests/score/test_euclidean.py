"""Facts about the score `euclidean`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import euclidean, gaussian


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, scale=st.floats(0.1, 10), seed=seeds)
def test_euclidean_is_the_squared_distance(n, m, d, scale, seed):
    q, k = draw(seed, (n, d), (m, d))
    agree(euclidean(q, k, scale=scale), score.euclidean(*lists(q, k), scale=scale), d)


def test_euclidean_by_hand():
    np.testing.assert_array_equal(euclidean(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])), [[-25.0, 0.0]])


def test_no_scale_is_the_default_scale():
    q, k = draw(0, (3, 2), (4, 2))
    np.testing.assert_array_equal(euclidean(q, k, scale=None), euclidean(q, k, scale=1.0))


def test_vectors_far_away_and_near_each_other_keep_their_digits():
    q, k = np.array([[1e8, 1e8]]), np.array([[1e8 + 1, 1e8]])
    np.testing.assert_array_equal(euclidean(q, k), [[-1.0]])


def test_a_square_that_overflows_is_the_most_negative_number():
    with np.errstate(over="ignore"):
        got = euclidean(np.array([[1e200]]), np.array([[-1e200]]))
    np.testing.assert_array_equal(got, [[-np.finfo(np.float64).max]])


def test_vectors_of_no_entries_are_no_distance_apart():
    np.testing.assert_array_equal(euclidean(np.ones((2, 0)), np.ones((3, 0))), np.zeros((2, 3)))


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf])
def test_a_scale_that_is_not_positive_is_refused(scale):
    with pytest.raises(ValueError, match="scale must be"):
        euclidean(np.ones((1, 1)), np.ones((1, 1)), scale=scale)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("f", [euclidean, gaussian])
def test_a_key_too_far_for_the_dtype_is_still_seen(f, dtype):
    q, k = np.zeros((1, 2), dtype), np.array([[1.0, 0.0], [3e4, 0.0]], dtype) * (1 if dtype == "float16" else 1e30)
    with np.errstate(over="ignore"):
        a = f(q, k)
    assert a.dtype == dtype
    assert np.all(np.isfinite(a))

"""Facts about the score `cosine`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import cosine
from factorattn.testing import BOUND, ROUNDING


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, strength=st.booleans(), seed=seeds)
def test_cosine_is_the_paper(n, m, d, strength, seed):
    q, k, beta = draw(seed, (n, d), (m, d), (n,))
    beta = beta if strength else None
    agree(cosine(q, k, beta), score.cosine(*lists(q, k, beta)), d)


def test_a_strength_for_all_is_a_number(rng):
    q, k = rng.standard_normal((2, 5, 3))
    agree(cosine(q, k, 2.5), cosine(q, k, np.full(5, 2.5)), 3)


def test_parallel_opposite_and_orthogonal():
    q, k = np.array([[3.0, 0.0]]), np.array([[0.5, 0.0], [-7.0, 0.0], [0.0, 2.0]])
    np.testing.assert_array_equal(cosine(q, k), [[1.0, -1.0, 0.0]])


def test_a_zero_vector_has_no_direction_and_scores_zero():
    got = cosine(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 0.0]]))
    agree(got, [[0.0, 0.0], [0.5**0.5, 0.0]], 2)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_length_does_not_matter_however_large_or_small(size, rng):
    q, k = rng.standard_normal((2, 6, 4))
    got = cosine(size * q, k / size)
    agree(got, cosine(q, k), 4)
    assert np.max(np.abs(got)) <= BOUND(1.0, length=4)


def test_float32_at_its_limits(rng):
    q, k = rng.standard_normal((2, 6, 4)).astype(np.float32)
    got = cosine(q * np.float32(1e38) / np.max(np.abs(q)), k * np.float32(1e-38))
    assert np.max(np.abs(got - cosine(q, k))) <= ROUNDING(np.float32, 4)


def test_nan_stays_in_its_row_and_column():
    got = cosine(np.array([[1.0, 0.0], [np.nan, 1.0]]), np.array([[1.0, 0.0], [np.nan, 0.0]]))
    np.testing.assert_array_equal(np.isnan(got), [[False, True], [True, True]])


def test_vectors_of_no_entries_score_zero():
    np.testing.assert_array_equal(cosine(np.ones((2, 0)), np.ones((3, 0))), np.zeros((2, 3)))


def test_nonsense_is_refused_by_name():
    with pytest.raises(ValueError, match="beta must be finite"):
        cosine(np.ones((1, 1)), np.ones((1, 1)), np.nan)
    with pytest.raises(ValueError, match="axis 'n' is 2 in q"):
        cosine(np.ones((2, 1)), np.ones((1, 1)), np.ones(3))

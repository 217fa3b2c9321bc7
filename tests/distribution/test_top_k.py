"""Facts about the distribution `top_k`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import softmax, top_k


@settings(deadline=None)
@given(
    st.lists(st.floats(-5, 5) | st.integers(-1, 1).map(float) | st.just(-np.inf), min_size=1, max_size=9),
    st.integers(1, 11),
)
def test_top_k_is_the_definition(a, k):
    agree(top_k(np.array(a), k=k), distribution.top_k(a, k=k), len(a))


def test_exactly_k_are_kept_where_scores_tie():
    a = np.array([1.0, 2.0, 1.0, 1.0, 0.0])
    e = np.e
    agree(top_k(a, k=3), [1 / (2 + e), e / (2 + e), 1 / (2 + e), 0.0, 0.0], 5)


def test_all_keys_are_softmax(rng):
    a = rng.standard_normal((5, 7))
    for k in (7, 8, 1000):
        np.testing.assert_array_equal(top_k(a, k=k), softmax(a))


def test_what_is_not_seen_is_not_among_them():
    a = np.array([0.0, -np.inf, 0.0, -np.inf])
    np.testing.assert_array_equal(top_k(a, k=3), [0.5, 0.0, 0.5, 0.0])


@pytest.mark.parametrize("k", [0, -1, 1.5, True, None])
def test_a_number_of_keys_that_is_none_is_refused(k):
    with pytest.raises(ValueError, match="k must be a positive integer"):
        top_k(np.zeros(3), k=k)

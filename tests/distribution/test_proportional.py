"""Facts about the distribution `proportional`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import proportional


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 50) | st.just(-np.inf), min_size=1, max_size=9))
def test_proportional_is_the_definition(a):
    agree(proportional(np.array(a)), distribution.proportional(a), len(a))


def test_a_row_of_zeros_gives_zeros():
    np.testing.assert_array_equal(proportional(np.zeros((2, 3))), 0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_sum_overflows_or_vanishes(dtype):
    limits = np.finfo(dtype)
    for size in (limits.max, limits.smallest_subnormal):
        np.testing.assert_array_equal(proportional(np.array([size, size, 0.0, -np.inf], dtype)), [0.5, 0.5, 0.0, 0.0])


def test_scores_of_infinity_share_the_weight_and_nan_stays_nan():
    np.testing.assert_array_equal(proportional(np.array([np.inf, 1.0, np.inf])), [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(proportional(np.array([np.inf, np.nan, 1.0])), np.nan)


def test_a_row_without_keys_is_empty():
    assert proportional(np.ones((2, 0))).shape == (2, 0)

"""Facts about the distribution `sigmoid`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, distribution

from factorattn.distribution import sigmoid


@settings(deadline=None)
@given(st.lists(st.floats(-50, 50) | st.just(-np.inf), min_size=1, max_size=9), st.floats(-9, 9))
def test_sigmoid_is_the_definition(a, bias):
    agree(sigmoid(np.array(a), bias=bias), distribution.sigmoid(a, bias=bias), len(a))


def test_small_weights_keep_their_digits():
    np.testing.assert_array_equal(sigmoid(np.array([-700.0])), np.exp([-700.0]))


def test_a_bias_of_minus_log_m_makes_equal_scores_of_zero_sum_to_about_one():
    m = 1000
    agree(np.sum(sigmoid(np.zeros((1, m)), bias=-np.log(m)), axis=-1), [m / (m + 1)], m)


def test_a_bias_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="bias must be finite"):
        sigmoid(np.zeros(1), bias=-np.inf)

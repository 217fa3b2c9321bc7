"""Facts about the score `scaled_dot`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import agree, draw, lists, score, seeds, sizes

from factorattn.score import scaled_dot


@settings(deadline=None)
@given(n=sizes, m=sizes, d=sizes, scale=st.none() | st.floats(-3, 3), seed=seeds)
def test_scaled_dot_is_the_paper(n, m, d, scale, seed):
    q, k = draw(seed, (n, d), (m, d))
    agree(scaled_dot(q, k, scale=scale), score.scaled_dot(*lists(q, k), scale=scale), d)


def test_the_default_scale_is_one_over_the_root_of_the_size():
    np.testing.assert_array_equal(scaled_dot(np.ones((1, 16)), np.ones((1, 16))), [[4.0]])


def test_vectors_of_no_entries_score_zero():
    np.testing.assert_array_equal(scaled_dot(np.ones((2, 0)), np.ones((3, 0))), np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("scale", "error"), [(np.nan, ValueError), (np.inf, ValueError), ("1", TypeError), (True, TypeError)]
)
def test_a_scale_that_is_no_number_is_refused(scale, error):
    with pytest.raises(error, match="scale must be"):
        scaled_dot(np.ones((1, 1)), np.ones((1, 1)), scale=scale)
